/*
 * timers.h -- what to call at what time: a binary heap
 *
 * Only loop.c uses this. It knows no clock: times are what the caller says.
 */
#ifndef TIMERS_H
#define TIMERS_H

#include "loop.h"

/* All 0 at the start. */
struct timers {
    struct timer *slots;
    int *heap; /* numbers of slots: n timers in heap order, then free ones */
    int n;
    int size;
    int64_t n_added;
};

/* Adds a timer for when, then for every repeat (0: once). Returns its id,
   which grows from one to the next, or -1: ENOMEM. */
int64_t timers_add(struct timers *t, int64_t when, int64_t repeat, loop_cb *cb,
                   void *arg);

/* O(log n). No effect if there is none of this id. */
void timers_remove(struct timers *t, int64_t id);

/* When the first one is due. INT64_MAX: there is none. */
int64_t timers_next(const struct timers *t);

/* Takes out the first one that is due, or puts it to its next time. False if
   none is. */
bool timers_take(struct timers *t, int64_t now, loop_cb **cb, void **arg);

void timers_free(struct timers *t);

#endif
