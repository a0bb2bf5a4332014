/*
 * poller.h -- how the loop waits: poller_epoll.c or poller_poll.c
 *
 * Only loop.c uses this. Events are LOOP_READ and LOOP_WRITE of loop.h.
 * Functions return -1 or NULL with errno set; then nothing has changed.
 */
#ifndef POLLER_H
#define POLLER_H

#include <stdint.h>

struct poller;

struct poller_event {
    int fd;
    uint32_t generation; /* as given to poller_set */
    int events; /* errors and hang-ups: both bits */
};

/* NULL: ENOMEM, EMFILE, ENFILE. */
struct poller *poller_new(void);

void poller_free(struct poller *p);

/*
 * Changes what fd is waited for, from old_events (0: it is new) to events
 * (0: takes it off the list, so that not even errors wake the loop; this
 * cannot fail). -1: ENOMEM, EBADF, ENOSPC: see epoll_ctl(2).
 */
int poller_set(struct poller *p, int fd, uint32_t generation, int old_events,
               int events);

/*
 * Waits until something is ready or timeout_ms are over (-1: no limit). Fills
 * in at most max events and returns their number, 0 also after a signal. When
 * more than max are ready, everyone's turn comes in the next calls.
 */
int poller_wait(struct poller *p, struct poller_event *out, int max,
                int timeout_ms);

#endif
