/*
 * timers.h -- running timers, the one that is due first on top: a pairing heap
 *
 * Only loop.c uses this. It knows no clock: the caller sets a timer's when and
 * order before adding it. A heap is a pointer to its first timer, or NULL.
 */
#ifndef TIMERS_H
#define TIMERS_H

#include "loop.h"

/* Adds a timer that isn't in a heap. Takes O(1). */
void timers_add(struct loop_timer **heap, struct loop_timer *t);

/* Takes out a timer that is in this heap. Takes O(log n), amortized. */
void timers_remove(struct loop_timer **heap, struct loop_timer *t);

#endif
