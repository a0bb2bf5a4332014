/*
 * poller_poll.c -- waits with poll: on any POSIX system, but scans them all
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "poller.h"

#define FIRST_SIZE 16

struct poller {
    struct pollfd *fds; /* the index is the fd; poll skips an fd of -1 */
    int size;
    int end; /* no fd from here on is waited for */
    int next; /* where the scan starts next time */
};

struct poller *poller_new(void)
{
    return calloc(1, sizeof(struct poller));
}

void poller_free(struct poller *p)
{
    free(p->fds);
    free(p);
}

static int poller_grow(struct poller *p, int fd)
{
    int size = fd < FIRST_SIZE ? FIRST_SIZE : fd * 2;
    struct pollfd *fds = realloc(p->fds, size * sizeof(*fds));

    if (fds == NULL)
        return -1;
    for (int i = p->size; i < size; i++)
        fds[i] = (struct pollfd){.fd = -1};
    p->fds = fds;
    p->size = size;
    return 0;
}

int poller_set(struct poller *p, int fd, int old_events, int events)
{
    if (old_events == 0 && fd >= p->size && poller_grow(p, fd) == -1)
        return -1;
    p->fds[fd].fd = events != 0 ? fd : -1;
    p->fds[fd].events = (events & POLLER_READ ? POLLIN : 0) |
                        (events & POLLER_WRITE ? POLLOUT : 0);
    if (fd >= p->end)
        p->end = fd + 1;
    while (p->end > 0 && p->fds[p->end - 1].fd == -1)
        p->end--;
    return 0;
}

int poller_wait(struct poller *p, struct poller_event *out, int max,
                int timeout_ms)
{
    int n_ready = poll(p->fds, p->end, timeout_ms);
    int n = 0;

    if (n_ready == -1)
        return errno == EINTR ? 0 : -1;
    for (int i = 0; i < p->end && n < n_ready && n < max; i++) {
        p->next = p->next + 1 < p->end ? p->next + 1 : 0;
        int ready = p->fds[p->next].revents;
        int error = ready & (POLLERR | POLLHUP | POLLNVAL);

        if (p->fds[p->next].fd == -1 || ready == 0)
            continue;
        out[n].fd = p->next;
        out[n++].events = (error || ready & POLLIN ? POLLER_READ : 0) |
                          (error || ready & POLLOUT ? POLLER_WRITE : 0);
    }
    return n;
}
