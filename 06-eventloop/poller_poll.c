/*
 * poller_poll.c -- waits with poll: on any POSIX system, but scans them all
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "loop.h"
#include "poller.h"

#define FIRST_SIZE 16

/* fds and generations have no gaps; slots finds the place of an fd there. */
struct poller {
    struct pollfd *fds;
    uint32_t *generations;
    int n_fds;
    int fds_size;
    int *slots;
    int slots_size;
    int turn; /* where the scan starts next time */
};

struct poller *poller_new(void)
{
    return calloc(1, sizeof(struct poller));
}

void poller_free(struct poller *p)
{
    free(p->fds);
    free(p->generations);
    free(p->slots);
    free(p);
}

/* Makes room for one more, and for fd in slots. */
static int poller_grow(struct poller *p, int fd)
{
    if (p->n_fds == p->fds_size) {
        int size = p->fds_size > 0 ? p->fds_size * 2 : FIRST_SIZE;
        struct pollfd *fds = realloc(p->fds, size * sizeof(*fds));
        if (fds == NULL)
            return -1;
        p->fds = fds;
        uint32_t *generations =
            realloc(p->generations, size * sizeof(*generations));
        if (generations == NULL)
            return -1;
        p->generations = generations;
        p->fds_size = size;
    }
    if (fd >= p->slots_size) {
        int size = fd < FIRST_SIZE ? FIRST_SIZE : fd * 2;
        int *slots = realloc(p->slots, size * sizeof(*slots));
        if (slots == NULL)
            return -1;
        p->slots = slots;
        p->slots_size = size;
    }
    return 0;
}

static void poller_remove(struct poller *p, int fd)
{
    int slot = p->slots[fd];
    int last = --p->n_fds;

    p->fds[slot] = p->fds[last];
    p->generations[slot] = p->generations[last];
    p->slots[p->fds[slot].fd] = slot;
}

int poller_set(struct poller *p, int fd, uint32_t generation, int old_events,
               int events)
{
    short wanted = 0;

    if (events == 0) {
        poller_remove(p, fd);
        return 0;
    }
    if (old_events == 0) {
        if (poller_grow(p, fd) == -1)
            return -1;
        p->fds[p->n_fds].fd = fd;
        p->generations[p->n_fds] = generation;
        p->slots[fd] = p->n_fds++;
    }
    if (events & LOOP_READ)
        wanted |= POLLIN;
    if (events & LOOP_WRITE)
        wanted |= POLLOUT;
    p->fds[p->slots[fd]].events = wanted;
    return 0;
}

int poller_wait(struct poller *p, struct poller_event *out, int max,
                int timeout_ms)
{
    int n_ready = poll(p->fds, p->n_fds, timeout_ms);
    int n = 0;

    if (n_ready == -1)
        return errno == EINTR ? 0 : -1;
    for (int i = 0; i < p->n_fds && n < n_ready && n < max; i++) {
        p->turn = p->turn + 1 < p->n_fds ? p->turn + 1 : 0;
        struct pollfd *ready = &p->fds[p->turn];
        int error = ready->revents & (POLLERR | POLLHUP | POLLNVAL);
        struct poller_event *e = &out[n];

        if (ready->revents == 0)
            continue;
        e->fd = ready->fd;
        e->generation = p->generations[p->turn];
        e->events = 0;
        if (error || ready->revents & POLLIN)
            e->events |= LOOP_READ;
        if (error || ready->revents & POLLOUT)
            e->events |= LOOP_WRITE;
        n++;
    }
    return n;
}
