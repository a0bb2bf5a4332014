/*
 * loop.h -- an event loop: waits until something is ready, then calls back
 *
 * A program hands its callbacks to a loop and calls loop_run. Every callback
 * runs inside loop_run, one after the other, and must not block: while it
 * runs, everything else waits. Each iteration has four phases: timers that
 * are due, the wait, I/O, deferred tasks.
 *
 * A loop belongs to one thread. After fork, the child makes a loop of its
 * own; on the one that it inherits it may call only loop_free.
 *
 * Functions that return an int or a pointer return -1 or NULL on failure and
 * set errno; then nothing has changed that a callback could notice. Nothing
 * here prints or exits. Any callback may call any function except loop_run
 * and loop_free.
 */
#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

/* Every callback has this type. arg is the pointer that was given with it. */
typedef void loop_cb(void *arg);

/* Returns NULL with ENOMEM, EMFILE or ENFILE. */
struct loop *loop_new(void);

/*
 * Frees the loop, and destroys what it owns (see loop_own). Descriptors stay
 * open, timers and tasks are forgotten: they are the caller's. Signals get
 * back their former disposition. If a callback runs meanwhile, nothing that it
 * starts has an effect; loop_watch, loop_signal and loop_own say ECANCELED.
 * loop_free(NULL) does nothing.
 */
void loop_free(struct loop *loop);

/*
 * Runs until nothing is left to wait for (no watched descriptor, no timer, no
 * deferred task; signals don't count) or until loop_stop. Returns 0, or -1:
 * EBUSY from inside a callback, or the error of epoll_wait(2) or poll(2), of
 * which ENOMEM and EAGAIN are transient. Either way the loop is intact and
 * may be run again; nothing is lost.
 */
int loop_run(struct loop *loop);

/* Makes loop_run return after the current iteration. Everything stays open,
   and loop_run may continue later. No effect when the loop isn't running. */
void loop_stop(struct loop *loop);

/* Returns milliseconds on the monotonic clock, which nobody can set
   (clock_gettime(2)). The loop reads it once in each iteration, after the
   wait, so asking costs nothing. */
int64_t loop_now(const struct loop *loop);

/* Descriptors: poll(2), epoll(7) */

/*
 * Calls on_readable(arg) in each iteration in which fd is readable (data, EOF,
 * a connection to accept), and on_writable(arg) likewise (room to write, or
 * connect is done): level-triggered. NULL means no interest in that direction;
 * with both NULL, nothing is watched, not even errors. An error or a hang-up
 * calls every callback that is set: the next read or write says what is wrong.
 * If both are due, on_readable comes first. For an fd that is watched already,
 * this replaces callbacks and arg. Regular files are always ready.
 * Unwatch an fd *before* you close it.
 */
int loop_watch(struct loop *loop, int fd, loop_cb *on_readable,
               loop_cb *on_writable, void *arg);

/* From now on nothing is called for fd, not even for an event that has been
   seen. No effect on an fd that isn't watched. */
void loop_unwatch(struct loop *loop, int fd);

/* Timers */

/* The caller's memory, so starting a timer can't fail. Zero it, set cb and
   arg, and leave it in place while it runs. The rest is the loop's. */
struct loop_timer {
    loop_cb *cb;
    void *arg;
    int64_t when;
    int64_t repeat_ms;
    uint64_t order; /* in which timers were started */
    struct loop_timer *child; /* see timers.c */
    struct loop_timer *next;
    struct loop_timer **link; /* NULL: it isn't running */
};

/*
 * Calls t->cb after after_ms, never earlier; then, if repeat_ms isn't 0, every
 * repeat_ms. Missed beats are skipped. Timers run in the order of their time;
 * at the same time, in the order in which they were started. A timer that is
 * started by a timer's callback doesn't run before the next iteration.
 * Starting a running timer restarts it. Negative times count as 0. Once cb of
 * a timer that doesn't repeat is called, the loop doesn't touch the timer
 * anymore, so cb may free it. Takes O(log n), amortized.
 */
void loop_timer_start(struct loop *loop, struct loop_timer *t,
                      int64_t after_ms, int64_t repeat_ms);

/* No effect on a timer that isn't running. */
void loop_timer_stop(struct loop *loop, struct loop_timer *t);

/* Signals: sigaction(2), signal(7) */

/*
 * Calls cb(arg) from the loop, not from a signal handler, so cb may do
 * anything. Several signals of one kind may become one call. Unblocks the
 * signal, because the process may have inherited a mask that blocks it. A
 * signal belongs to one loop of the process at a time. A NULL cb gives the
 * signal its former disposition back. Returns 0, or -1: EINVAL for a signo
 * that can't be caught or is above 64, EBUSY if another loop has it.
 */
int loop_signal(struct loop *loop, int signo, loop_cb *cb, void *arg);

/* Deferred tasks */

/* The caller's memory, as a timer is. */
struct loop_task {
    loop_cb *cb;
    void *arg;
    struct loop_task *next;
    bool waiting;
};

/*
 * Calls task->cb at the end of this iteration, after everything else, in the
 * order of the loop_defer calls. A task deferred by a task runs in the next
 * iteration, before which the loop doesn't wait. Once cb is called, the loop
 * doesn't touch the task anymore, so cb may free it. No effect on a task that
 * is already deferred.
 */
void loop_defer(struct loop *loop, struct loop_task *task);

/* What ends with the loop */

/* The caller's memory, as a timer is. */
struct loop_owned {
    loop_cb *cb;
    void *arg;
    struct loop_owned *next;
    struct loop_owned **link;
};

/* From now on the loop owns an object: loop_free calls cb, which destroys it
   and calls loop_disown. Returns 0, or -1 inside loop_free (ECANCELED). */
int loop_own(struct loop *loop, struct loop_owned *owned);
void loop_disown(struct loop_owned *owned);

#endif
