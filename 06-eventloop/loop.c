/*
 * loop.c -- the event loop: see loop.h for what it promises
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"
#include "poller.h"
#include "timers.h"

#define MAX_EVENTS 128 /* handled in an iteration */
#define MAX_SIGNAL 64
#define FIRST_SIZE 16
#define LONGEST_MS (INT64_MAX / 4) /* 70 million years: no overflow */

struct watcher {
    loop_cb *on_readable;
    loop_cb *on_writable;
    void *arg;
    uint64_t generation; /* the loop's, when this fd began to be watched */
};

struct signal_watcher {
    loop_cb *cb;
    void *arg;
    struct sigaction former;
};

struct loop {
    struct poller *poller; /* NULL inside loop_free: nothing new starts */
    int64_t now;
    bool running;
    bool stopped;

    struct watcher *watchers; /* the index is the fd */
    int watchers_size;
    int n_watched; /* those with a callback: signal_pipe[0], too */
    uint64_t generation; /* counts the waits */

    struct loop_timer *timers;
    uint64_t n_timers_started;

    struct signal_watcher signals[MAX_SIGNAL + 1];
    int signal_pipe[2];

    struct loop_task *tasks;
    struct loop_task **tasks_end;
    struct loop_owned *owned;
};

/* For the signal handler: the end of the loop's pipe that it writes to, plus
   1, and which signals have come in. */
static volatile sig_atomic_t signal_owner[MAX_SIGNAL + 1];
static volatile sig_atomic_t signal_pending[MAX_SIGNAL + 1];

static int64_t clock_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void on_signal_pipe(void *arg);

/* Makes the poller and the pipe. */
static int loop_open(struct loop *loop)
{
    loop->poller = poller_new();
    if (loop->poller == NULL || pipe(loop->signal_pipe) == -1)
        return -1;
    for (int i = 0; i < 2; i++) {
        if (fcntl(loop->signal_pipe[i], F_SETFL, O_NONBLOCK) == -1 ||
            fcntl(loop->signal_pipe[i], F_SETFD, FD_CLOEXEC) == -1)
            return -1;
    }
    return loop_watch(loop, loop->signal_pipe[0], on_signal_pipe, NULL, loop);
}

struct loop *loop_new(void)
{
    struct loop *loop = calloc(1, sizeof(*loop));

    if (loop == NULL)
        return NULL;
    loop->now = clock_ms();
    loop->signal_pipe[0] = loop->signal_pipe[1] = -1;
    loop->tasks_end = &loop->tasks;
    if (loop_open(loop) == 0)
        return loop;
    int saved_errno = errno;
    loop_free(loop);
    errno = saved_errno;
    return NULL;
}

/* The poller goes first: a forked child shares the kernel's epoll instance
   with its parent, whose interest it must not change. */
void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->poller != NULL)
        poller_free(loop->poller);
    loop->poller = NULL;
    for (int signo = 1; signo <= MAX_SIGNAL; signo++)
        loop_signal(loop, signo, NULL, NULL);
    while (loop->timers != NULL)
        loop_timer_stop(loop, loop->timers);
    for (; loop->tasks != NULL; loop->tasks = loop->tasks->next)
        loop->tasks->waiting = false;
    while (loop->owned != NULL)
        loop->owned->cb(loop->owned->arg);
    for (int i = 0; i < 2 && loop->signal_pipe[i] != -1; i++)
        close(loop->signal_pipe[i]);
    free(loop->watchers);
    free(loop);
}

int64_t loop_now(const struct loop *loop)
{
    return loop->now;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = loop->running;
}

int loop_own(struct loop *loop, struct loop_owned *owned)
{
    if (loop->poller == NULL) {
        errno = ECANCELED;
        return -1;
    }
    owned->next = loop->owned;
    owned->link = &loop->owned;
    if (owned->next != NULL)
        owned->next->link = &owned->next;
    loop->owned = owned;
    return 0;
}

void loop_disown(struct loop_owned *owned)
{
    *owned->link = owned->next;
    if (owned->next != NULL)
        owned->next->link = owned->link;
}

/* Descriptors */

static int watchers_grow(struct loop *loop, int fd)
{
    int size = fd < FIRST_SIZE ? FIRST_SIZE : fd * 2;
    int old_size = loop->watchers_size;
    struct watcher *w = realloc(loop->watchers, size * sizeof(*w));

    if (w == NULL)
        return -1;
    memset(w + old_size, 0, (size - old_size) * sizeof(*w));
    loop->watchers = w;
    loop->watchers_size = size;
    return 0;
}

static int events_of(loop_cb *on_readable, loop_cb *on_writable)
{
    return (on_readable != NULL ? POLLER_READ : 0) |
           (on_writable != NULL ? POLLER_WRITE : 0);
}

int loop_watch(struct loop *loop, int fd, loop_cb *on_readable,
               loop_cb *on_writable, void *arg)
{
    if (loop->poller == NULL || fd < 0) {
        errno = fd < 0 ? EBADF : ECANCELED;
        return -1;
    }
    if (fd >= loop->watchers_size && watchers_grow(loop, fd) == -1)
        return -1;
    struct watcher *w = &loop->watchers[fd];
    int old_events = events_of(w->on_readable, w->on_writable);
    int events = events_of(on_readable, on_writable);
    if (events != old_events &&
        poller_set(loop->poller, fd, old_events, events) == -1)
        return -1;
    if (old_events == 0)
        w->generation = loop->generation;
    loop->n_watched += (events != 0) - (old_events != 0);
    w->on_readable = on_readable;
    w->on_writable = on_writable;
    w->arg = arg;
    return 0;
}

void loop_unwatch(struct loop *loop, int fd)
{
    if (fd >= 0 && fd < loop->watchers_size)
        loop_watch(loop, fd, NULL, NULL, NULL);
}

/* Timers */

static int64_t clamp_ms(int64_t ms)
{
    if (ms < 0)
        return 0;
    return ms < LONGEST_MS ? ms : LONGEST_MS;
}

void loop_timer_start(struct loop *loop, struct loop_timer *t,
                      int64_t after_ms, int64_t repeat_ms)
{
    loop_timer_stop(loop, t);
    if (loop->poller == NULL)
        return;
    /* + 1: the clock has been rounded down, and a timer is never early. */
    t->when = clock_ms() + 1 + clamp_ms(after_ms);
    t->repeat_ms = clamp_ms(repeat_ms);
    t->order = loop->n_timers_started++;
    timers_add(&loop->timers, t);
}

void loop_timer_stop(struct loop *loop, struct loop_timer *t)
{
    if (t->link != NULL)
        timers_remove(&loop->timers, t);
}

/* Signals */

/* Wakes the loop through its pipe: a signal that comes between the loop's
   check and its wait isn't missed. */
static void note_signal(int signo)
{
    int saved_errno = errno;
    int tries = 3;

    signal_pending[signo] = 1;
    while (write(signal_owner[signo] - 1, "", 1) == -1 && errno != EAGAIN &&
           --tries > 0)
        continue; /* EAGAIN: the pipe is full, so the loop wakes anyway */
    errno = saved_errno;
}

/* The pipe is readable. Empties it before looking for signals: one that comes
   later writes another byte. */
static void on_signal_pipe(void *arg)
{
    struct loop *loop = arg;
    char buf[64];

    while (read(loop->signal_pipe[0], buf, sizeof(buf)) > 0)
        continue;
    for (int signo = 1; signo <= MAX_SIGNAL; signo++) {
        struct signal_watcher *w = &loop->signals[signo];
        if (w->cb == NULL || !signal_pending[signo])
            continue;
        signal_pending[signo] = 0;
        w->cb(w->arg);
    }
}

/* Installs the handler for a signal that this loop doesn't have yet. */
static int signal_take(struct loop *loop, int signo)
{
    struct sigaction action = {.sa_handler = note_signal,
                               .sa_flags = SA_RESTART};
    sigset_t set;

    if (loop->poller == NULL || signal_owner[signo] != 0) {
        errno = loop->poller == NULL ? ECANCELED : EBUSY;
        return -1;
    }
    signal_pending[signo] = 0;
    signal_owner[signo] = loop->signal_pipe[1] + 1;
    if (sigaction(signo, &action, &loop->signals[signo].former) == -1) {
        signal_owner[signo] = 0;
        return -1;
    }
    sigemptyset(&set);
    sigaddset(&set, signo);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    return 0;
}

int loop_signal(struct loop *loop, int signo, loop_cb *cb, void *arg)
{
    if (signo < 1 || signo > MAX_SIGNAL) {
        errno = EINVAL;
        return -1;
    }
    struct signal_watcher *w = &loop->signals[signo];
    if (cb == NULL && w->cb != NULL) {
        sigaction(signo, &w->former, NULL);
        signal_owner[signo] = 0;
    } else if (cb != NULL && w->cb == NULL) {
        if (signal_take(loop, signo) == -1)
            return -1;
    }
    w->cb = cb;
    w->arg = arg;
    return 0;
}

/* Deferred tasks */

void loop_defer(struct loop *loop, struct loop_task *task)
{
    if (task->waiting || loop->poller == NULL)
        return;
    task->waiting = true;
    task->next = NULL;
    *loop->tasks_end = task;
    loop->tasks_end = &task->next;
}

/* An iteration, phase by phase */

/* The pipe is always watched, and doesn't count. */
static bool loop_alive(const struct loop *loop)
{
    return loop->n_watched > 1 || loop->timers != NULL || loop->tasks != NULL;
}

/* Timers that a callback starts are due later than now, so this ends. */
static void run_timers(struct loop *loop)
{
    struct loop_timer *t;

    while ((t = loop->timers) != NULL && t->when <= loop->now) {
        timers_remove(&loop->timers, t);
        if (t->repeat_ms > 0) {
            t->when += t->repeat_ms;
            if (t->when <= loop->now)
                t->when = loop->now + t->repeat_ms;
            timers_add(&loop->timers, t);
        }
        t->cb(t->arg);
    }
}

/* Returns how long the poller may wait, or -1: without a limit. */
static int wait_ms(const struct loop *loop)
{
    if (loop->stopped || loop->tasks != NULL || !loop_alive(loop))
        return 0;
    if (loop->timers == NULL)
        return -1;
    int64_t ms = loop->timers->when - clock_ms();

    if (ms < 0)
        return 0;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

static int wait_for_events(struct loop *loop, struct poller_event *events)
{
    int n = poller_wait(loop->poller, events, MAX_EVENTS, wait_ms(loop));

    loop->now = clock_ms();
    loop->generation++;
    return n;
}

/* A watcher whose generation is the loop's was made after the wait: then the
   event is stale, it belongs to a descriptor that had this number before. */
static void run_io(struct loop *loop, const struct poller_event *events, int n)
{
    for (const struct poller_event *e = events; e < events + n; e++) {
        const struct watcher *w = &loop->watchers[e->fd];
        if (e->events & POLLER_READ && w->on_readable != NULL &&
            w->generation != loop->generation)
            w->on_readable(w->arg);
        w = &loop->watchers[e->fd]; /* that call may have moved them */
        if (e->events & POLLER_WRITE && w->on_writable != NULL &&
            w->generation != loop->generation)
            w->on_writable(w->arg);
    }
}

static void run_deferred(struct loop *loop)
{
    struct loop_task *task = loop->tasks;

    /* Tasks that these defer go into a new list. */
    loop->tasks = NULL;
    loop->tasks_end = &loop->tasks;
    while (task != NULL) {
        struct loop_task *next = task->next;

        task->waiting = false;
        task->cb(task->arg);
        task = next;
    }
}

int loop_run(struct loop *loop)
{
    struct poller_event events[MAX_EVENTS];
    int n = 0;

    if (loop->running) {
        errno = EBUSY;
        return -1;
    }
    loop->running = true;
    loop->now = clock_ms();
    while (!loop->stopped && loop_alive(loop)) {
        run_timers(loop);
        n = wait_for_events(loop, events);
        if (n == -1)
            break;
        run_io(loop, events, n);
        run_deferred(loop);
    }
    loop->running = false;
    if (n != -1)
        loop->stopped = false; /* else the next run still has to stop */
    return n == -1 ? -1 : 0;
}
