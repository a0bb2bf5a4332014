/*
 * poller.h -- how the loop waits: poller_epoll.c or poller_poll.c
 *
 * Only loop.c uses this. Functions return -1 or NULL with errno set; then
 * nothing has changed.
 */
#ifndef POLLER_H
#define POLLER_H

/* Bits of events. Errors and hang-ups count as both. */
enum { POLLER_READ = 1, POLLER_WRITE = 2 };

struct poller;

struct poller_event {
    int fd;
    int events;
};

/* Returns NULL with ENOMEM, EMFILE or ENFILE. */
struct poller *poller_new(void);

void poller_free(struct poller *p);

/*
 * Changes what fd is waited for, from old_events (0: fd is new) to events (0:
 * fd is taken off the list, so that not even errors wake the loop; this can't
 * fail). Returns 0, or -1: ENOMEM, EBADF, ENOSPC, see epoll_ctl(2).
 */
int poller_set(struct poller *p, int fd, int old_events, int events);

/*
 * Waits until something is ready or timeout_ms have passed (-1: no limit).
 * Fills in at most max events and returns their number; 0 also after a signal.
 * When more than max are ready, the next calls return the others.
 */
int poller_wait(struct poller *p, struct poller_event *out, int max,
                int timeout_ms);

#endif
