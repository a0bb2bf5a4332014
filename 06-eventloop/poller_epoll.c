/*
 * poller_epoll.c -- waits with epoll: the cost follows the ready descriptors
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "loop.h"
#include "poller.h"

#define MAX_EVENTS 128 /* taken from the kernel at a time */

/* epoll refuses regular files with EPERM. They are always ready. */
struct poller {
    int epoll_fd;
    struct poller_event *files;
    int n_files;
    unsigned turn; /* which file comes first next time */
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

static int file_add(struct poller *p, int fd, uint32_t generation, int events)
{
    struct poller_event *files =
        realloc(p->files, (p->n_files + 1) * sizeof(*files));

    if (files == NULL)
        return -1;
    p->files = files;
    files[p->n_files++] = (struct poller_event){
        .fd = fd, .generation = generation, .events = events};
    return 0;
}

/* Changes or removes a file. False: fd is not one. */
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

int poller_set(struct poller *p, int fd, uint32_t generation, int old_events,
               int events)
{
    /* The kernel hands data back with each event of this fd. */
    struct epoll_event event = {.data.u64 = (uint64_t)generation << 32 | fd};
    int op = EPOLL_CTL_MOD;

    if (old_events != 0 && file_set(p, fd, events))
        return 0;
    if (events & LOOP_READ)
        event.events |= EPOLLIN;
    if (events & LOOP_WRITE)
        event.events |= EPOLLOUT;
    if (old_events == 0)
        op = EPOLL_CTL_ADD;
    if (events == 0)
        op = EPOLL_CTL_DEL;
    int result = epoll_ctl(p->epoll_fd, op, fd, &event);
    if (result == -1 && errno == EPERM)
        return file_add(p, fd, generation, events);
    return result;
}

int poller_wait(struct poller *p, struct poller_event *out, int max,
                int timeout_ms)
{
    struct epoll_event ready[MAX_EVENTS];
    int n = 0;

    for (int i = 0; i < p->n_files && n < max / 2; i++)
        out[n++] = p->files[p->turn++ % p->n_files];
    max = max - n < MAX_EVENTS ? max - n : MAX_EVENTS;
    int n_ready = epoll_wait(p->epoll_fd, ready, max, n > 0 ? 0 : timeout_ms);
    if (n_ready == -1)
        return errno == EINTR ? n : -1;
    for (int i = 0; i < n_ready; i++) {
        uint32_t events = ready[i].events;
        struct poller_event *e = &out[n++];

        e->fd = (int)(uint32_t)ready[i].data.u64;
        e->generation = ready[i].data.u64 >> 32;
        e->events = 0;
        if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
            e->events |= LOOP_READ;
        if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
            e->events |= LOOP_WRITE;
    }
    return n;
}
