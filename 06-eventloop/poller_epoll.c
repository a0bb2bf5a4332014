/*
 * poller_epoll.c -- waits with epoll: the cost follows the ready descriptors
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "poller.h"

#define MAX_EVENTS 128 /* taken from the kernel at a time */

/* epoll refuses regular files with EPERM. They are always ready. */
struct poller {
    int epoll_fd;
    struct poller_event *files;
    int n_files;
    unsigned next; /* which file comes first next time */
};

struct poller *poller_new(void)
{
    struct poller *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->epoll_fd == -1) {
        free(p);
        return NULL;
    }
    return p;
}

void poller_free(struct poller *p)
{
    close(p->epoll_fd);
    free(p->files);
    free(p);
}

static int file_add(struct poller *p, int fd, int events)
{
    size_t size = (p->n_files + 1) * sizeof(*p->files);
    struct poller_event *files = realloc(p->files, size);

    if (files == NULL)
        return -1;
    p->files = files;
    files[p->n_files++] = (struct poller_event){.fd = fd, .events = events};
    return 0;
}

/* Changes or removes a file. Returns false if fd isn't one. */
static bool file_set(struct poller *p, int fd, int events)
{
    for (int i = 0; i < p->n_files; i++) {
        if (p->files[i].fd != fd)
            continue;
        p->files[i].events = events;
        if (events == 0)
            p->files[i] = p->files[--p->n_files];
        return true;
    }
    return false;
}

int poller_set(struct poller *p, int fd, int old_events, int events)
{
    struct epoll_event event = {.events =
                                    (events & POLLER_READ ? EPOLLIN : 0) |
                                    (events & POLLER_WRITE ? EPOLLOUT : 0),
                                .data.fd = fd};
    int op = EPOLL_CTL_MOD;

    if (old_events != 0 && file_set(p, fd, events))
        return 0;
    if (old_events == 0)
        op = EPOLL_CTL_ADD;
    if (events == 0)
        op = EPOLL_CTL_DEL;
    int result = epoll_ctl(p->epoll_fd, op, fd, &event);
    if (result == -1 && errno == EPERM)
        return file_add(p, fd, events);
    return result;
}

int poller_wait(struct poller *p, struct poller_event *out, int max,
                int timeout_ms)
{
    struct epoll_event ready[MAX_EVENTS];
    int n = 0;

    /* Half of the room at most, so that there's some for descriptors. */
    for (int i = 0; i < p->n_files && n < max / 2; i++)
        out[n++] = p->files[p->next++ % p->n_files];
    max = max - n < MAX_EVENTS ? max - n : MAX_EVENTS;
    int n_ready = epoll_wait(p->epoll_fd, ready, max, n > 0 ? 0 : timeout_ms);
    if (n_ready == -1)
        return errno == EINTR ? n : -1;
    for (int i = 0; i < n_ready; i++, n++) {
        int events = ready[i].events;
        int error = events & (EPOLLERR | EPOLLHUP);

        out[n].fd = ready[i].data.fd;
        out[n].events = (error || events & EPOLLIN ? POLLER_READ : 0) |
                        (error || events & EPOLLOUT ? POLLER_WRITE : 0);
    }
    return n;
}
