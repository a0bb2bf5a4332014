/*
 * loop.h -- an event loop: it waits, and calls back what is ready
 *
 * A program hands its callbacks to a loop and then calls loop_run. Every
 * callback runs inside loop_run, one after the other, and must not wait for
 * anything itself: while it runs, everybody else waits.
 *
 * One loop belongs to one thread. After fork, the child makes a loop of its
 * own; with the one that it inherits it may only call loop_free.
 *
 * Functions that return int or a pointer return -1 or NULL on failure and
 * set errno; then nothing has changed that a callback could see. Nothing here
 * prints or exits. Any function but loop_run and loop_free may be called from
 * any callback.
 */
#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

typedef void loop_cb(struct loop *loop, void *arg);
typedef void loop_fd_cb(struct loop *loop, int fd, int events, void *arg);
typedef void loop_signal_cb(struct loop *loop, int signo, void *arg);

/* NULL: no memory (ENOMEM) or no descriptor (EMFILE, ENFILE). */
struct loop *loop_new(void);

/*
 * Frees the loop; nothing is called back any more. Descriptors that were
 * watched stay open, they are the caller's. Signals get the disposition that
 * they had before loop_signal. NULL is allowed.
 */
void loop_free(struct loop *loop);

/*
 * Runs until nothing is left that could call back (no watched descriptor, no
 * timer, no deferred task; signals do not count) or until loop_stop. It can
 * be run again. Returns 0, or -1: EBUSY from inside a callback, or what
 * epoll_wait(2) or poll(2) says.
 */
int loop_run(struct loop *loop);

/* Ends loop_run after the present iteration. When none runs: no effect. */
void loop_stop(struct loop *loop);

/*
 * Milliseconds on the monotonic clock, which nobody sets (clock_gettime(2)).
 * Read once in each iteration, after the wait, so it costs nothing to ask.
 */
int64_t loop_now(const struct loop *loop);

/* Descriptors: poll(2), epoll(7) */

enum {
    LOOP_READ = 1, /* read or accept will not block: data, EOF or an error */
    LOOP_WRITE = 2 /* write will not block; connect is done; or an error */
};

/*
 * Calls cb with the events that are ready, in each iteration in which some
 * are (level-triggered). For an fd that is watched already, replaces events,
 * cb and arg. Events 0 watches nothing: not even errors are reported then.
 * Errors and hang-ups count as all the events asked for: the next read or
 * write says what is wrong. A regular file is always ready.
 * Unwatch an fd *before* you close it.
 */
int loop_watch(struct loop *loop, int fd, int events, loop_fd_cb *cb,
               void *arg);

/* From now on cb is not called, not even for an event that has been seen. */
void loop_unwatch(struct loop *loop, int fd);

/* Timers */

/*
 * Calls cb after after_ms, never earlier; then, if repeat_ms is not 0, every
 * repeat_ms. Beats that were missed are skipped. Timers run in the order of
 * their time, at the same time in the order in which they were started, and
 * one that is started by a timer's callback not before the next iteration.
 * Negative times count as 0. Returns an id above 0, which is not used again
 * (2^39 of them last 17 years at a thousand a second), or -1: ENOMEM.
 */
int64_t loop_timer_start(struct loop *loop, int64_t after_ms,
                         int64_t repeat_ms, loop_cb *cb, void *arg);

/* Takes O(log n). An id that has run, was stopped or never was: no effect. */
void loop_timer_stop(struct loop *loop, int64_t id);

/* Signals: sigaction(2), signal(7) */

/*
 * Calls cb from the loop, not from a signal handler, so cb may do anything.
 * Several signals of one kind may become one call. A signal belongs to one
 * loop of the process at a time. cb NULL gives the signal its former
 * disposition back. -1: EINVAL for a signo that cannot be caught or is
 * above 64, EBUSY if another loop has it, ENOMEM, EMFILE, ENFILE.
 */
int loop_signal(struct loop *loop, int signo, loop_signal_cb *cb, void *arg);

/* Deferred calls */

/* The caller's memory, so that deferring cannot fail. Set cb and arg. */
struct loop_task {
    loop_cb *cb;
    void *arg;
    struct loop_task *next; /* the loop's */
    bool waiting; /* the loop's; start with false */
};

/*
 * Calls task->cb at the end of this iteration, after all else, in the order
 * of the loop_defer calls. A task deferred by a task runs in the next
 * iteration, before which the loop does not wait. The loop does not touch the
 * task any more once cb is called, so cb may free it. Deferring a task that
 * waits already: no effect.
 */
void loop_defer(struct loop *loop, struct loop_task *task);

#endif
