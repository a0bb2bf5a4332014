/*
 * timers.c -- a binary heap of timers: see timers.h for what is promised
 *
 * The heap holds the numbers of slots, and a timer stays in its slot while the
 * numbers move. So an id that tells the slot leads to a timer at once.
 */
#include <errno.h>
#include <stdlib.h>

#include "timers.h"

#define FIRST_SIZE 16
#define SLOT_BITS 24 /* of an id: the slot; the rest counts up */

struct timer {
    int64_t id; /* 0 in a free slot */
    int64_t when;
    int64_t repeat;
    loop_cb *cb;
    void *arg;
    int place; /* in the heap */
};

/* True if the timer in slot a is due before the one in slot b. */
static bool is_before(const struct timers *t, int a, int b)
{
    const struct timer *x = &t->slots[a];
    const struct timer *y = &t->slots[b];

    return x->when < y->when || (x->when == y->when && x->id < y->id);
}

static void put(struct timers *t, int place, int slot)
{
    t->heap[place] = slot;
    t->slots[slot].place = place;
}

/* Moves what is at place up or down to where it belongs. */
static void fix(struct timers *t, int place)
{
    int slot = t->heap[place];

    while (place > 0 && is_before(t, slot, t->heap[(place - 1) / 2])) {
        put(t, place, t->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    for (;;) {
        int child = 2 * place + 1;
        if (child + 1 < t->n &&
            is_before(t, t->heap[child + 1], t->heap[child]))
            child++;
        if (child >= t->n || is_before(t, slot, t->heap[child]))
            break;
        put(t, place, t->heap[child]);
        place = child;
    }
    put(t, place, slot);
}

static int grow(struct timers *t)
{
    int size = t->size > 0 ? t->size * 2 : FIRST_SIZE;

    if (size > 1 << SLOT_BITS) {
        errno = ENOMEM;
        return -1;
    }
    struct timer *slots = realloc(t->slots, size * sizeof(*slots));
    if (slots == NULL)
        return -1;
    t->slots = slots;
    int *heap = realloc(t->heap, size * sizeof(*heap));
    if (heap == NULL)
        return -1;
    t->heap = heap;
    for (int slot = t->size; slot < size; slot++) {
        heap[slot] = slot;
        slots[slot].id = 0;
    }
    t->size = size;
    return 0;
}

int64_t timers_add(struct timers *t, int64_t when, int64_t repeat, loop_cb *cb,
                   void *arg)
{
    if (t->n == t->size && grow(t) == -1)
        return -1;
    int place = t->n++;
    int slot = t->heap[place];
    int64_t id = ++t->n_added << SLOT_BITS | slot;

    t->slots[slot] = (struct timer){.id = id,
                                    .when = when,
                                    .repeat = repeat,
                                    .cb = cb,
                                    .arg = arg,
                                    .place = place};
    fix(t, place);
    return id;
}

void timers_remove(struct timers *t, int64_t id)
{
    int slot = id & ((1 << SLOT_BITS) - 1);

    if (id <= 0 || slot >= t->size || t->slots[slot].id != id)
        return;
    int place = t->slots[slot].place;
    int last = --t->n;

    t->slots[slot].id = 0;
    put(t, place, t->heap[last]);
    put(t, last, slot);
    if (place < last)
        fix(t, place);
}

int64_t timers_next(const struct timers *t)
{
    return t->n > 0 ? t->slots[t->heap[0]].when : INT64_MAX;
}

bool timers_take(struct timers *t, int64_t now, loop_cb **cb, void **arg)
{
    if (timers_next(t) > now)
        return false;
    struct timer *first = &t->slots[t->heap[0]];
    *cb = first->cb;
    *arg = first->arg;
    if (first->repeat == 0) {
        timers_remove(t, first->id);
        return true;
    }
    first->when += first->repeat;
    if (first->when <= now)
        first->when = now + first->repeat;
    fix(t, 0);
    return true;
}

void timers_free(struct timers *t)
{
    free(t->slots);
    free(t->heap);
}
