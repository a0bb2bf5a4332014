/*
 * timers.c -- a pairing heap in the timers' own memory: see timers.h
 *
 * A tree in which no timer is due before its parent. A timer points to its
 * first child and to its next sibling, and link is the pointer that leads to
 * it, so it can be taken out from anywhere.
 */
#include <stddef.h>

#include "timers.h"

static bool is_before(const struct loop_timer *a, const struct loop_timer *b)
{
    return a->when < b->when || (a->when == b->when && a->order < b->order);
}

/* Joins two trees, which may be NULL: the later root becomes the other's first
   child. Returns the root. */
static struct loop_timer *join(struct loop_timer *a, struct loop_timer *b)
{
    if (a == NULL || (b != NULL && is_before(b, a))) {
        struct loop_timer *first = b;
        b = a;
        a = first;
    }
    if (b != NULL) {
        b->next = a->child;
        b->link = &a->child;
        if (b->next != NULL)
            b->next->link = &b->next;
        a->child = b;
    }
    return a;
}

/* Joins siblings in pairs, then all the pairs, from the last to the first:
   these two passes make it O(log n), amortized. Returns the root. */
static struct loop_timer *join_all(struct loop_timer *first)
{
    struct loop_timer *pairs = NULL;
    struct loop_timer *root = NULL;

    while (first != NULL) {
        struct loop_timer *second = first->next;
        struct loop_timer *rest = second != NULL ? second->next : NULL;
        struct loop_timer *pair = join(first, second);
        pair->next = pairs;
        pairs = pair;
        first = rest;
    }
    while (pairs != NULL) {
        struct loop_timer *rest = pairs->next;
        root = join(root, pairs);
        pairs = rest;
    }
    return root;
}

static void add_tree(struct loop_timer **heap, struct loop_timer *tree)
{
    *heap = join(*heap, tree);
    if (*heap == NULL)
        return;
    (*heap)->next = NULL;
    (*heap)->link = heap;
}

void timers_add(struct loop_timer **heap, struct loop_timer *t)
{
    t->child = NULL;
    add_tree(heap, t);
}

void timers_remove(struct loop_timer **heap, struct loop_timer *t)
{
    *t->link = t->next;
    if (t->next != NULL)
        t->next->link = t->link;
    t->link = NULL;
    add_tree(heap, join_all(t->child));
}
