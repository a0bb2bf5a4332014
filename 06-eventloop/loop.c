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
    loop_fd_cb *cb;
    void *arg;
    uint32_t generation; /* counts the times that this fd was unwatched */
    int events;
};

struct signal_watcher {
    loop_signal_cb *cb;
    void *arg;
    struct sigaction former;
};

struct loop {
    struct poller *poller;
    int64_t now;
    bool running;
    bool stopped;

    struct watcher *watchers; /* the index is the fd */
    int watchers_size;
    int n_watched; /* those with events */
    struct poller_event events[MAX_EVENTS];

    struct timers timers;

    struct signal_watcher signals[MAX_SIGNAL + 1];
    int signal_pipe[2]; /* made for the first signal, else -1 */
    bool signal_seen;

    struct loop_task *tasks;
    struct loop_task **tasks_end;
};

/* For the signal handler: the loop's pipe plus 1, and what has come in. */
static volatile sig_atomic_t signal_owner[MAX_SIGNAL + 1];
static volatile sig_atomic_t signal_pending[MAX_SIGNAL + 1];
static volatile sig_atomic_t signal_came; /* should its byte not be written */

static int64_t clock_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct loop *loop_new(void)
{
    struct loop *loop = calloc(1, sizeof(*loop));

    if (loop == NULL)
        return NULL;
    loop->poller = poller_new();
    if (loop->poller == NULL) {
        free(loop);
        return NULL;
    }
    loop->now = clock_ms();
    loop->signal_pipe[0] = -1;
    loop->tasks_end = &loop->tasks;
    return loop;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    for (int signo = 1; signo <= MAX_SIGNAL; signo++)
        loop_signal(loop, signo, NULL, NULL);
    if (loop->signal_pipe[0] != -1) {
        close(loop->signal_pipe[0]);
        close(loop->signal_pipe[1]);
    }
    poller_free(loop->poller);
    free(loop->watchers);
    timers_free(&loop->timers);
    free(loop);
}

int64_t loop_now(const struct loop *loop)
{
    return loop->now;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
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

int loop_watch(struct loop *loop, int fd, int events, loop_fd_cb *cb,
               void *arg)
{
    if (fd < 0) {
        errno = EBADF;
        return -1;
    }
    if (fd >= loop->watchers_size && watchers_grow(loop, fd) == -1)
        return -1;
    struct watcher *w = &loop->watchers[fd];
    if (events != w->events &&
        poller_set(loop->poller, fd, w->generation, w->events, events) == -1)
        return -1;
    loop->n_watched += (events != 0) - (w->events != 0);
    w->events = events;
    w->cb = cb;
    w->arg = arg;
    return 0;
}

void loop_unwatch(struct loop *loop, int fd)
{
    if (fd < 0 || fd >= loop->watchers_size)
        return;
    loop_watch(loop, fd, 0, NULL, NULL);
    /* Events of this fd that wait in loop->events are stale from now on. */
    loop->watchers[fd].generation++;
}

/* Timers */

static int64_t clamp_ms(int64_t ms)
{
    if (ms < 0)
        return 0;
    return ms < LONGEST_MS ? ms : LONGEST_MS;
}

int64_t loop_timer_start(struct loop *loop, int64_t after_ms,
                         int64_t repeat_ms, loop_cb *cb, void *arg)
{
    /* + 1: the clock has been rounded down, and a timer is never early. */
    int64_t when = clock_ms() + 1 + clamp_ms(after_ms);

    return timers_add(&loop->timers, when, clamp_ms(repeat_ms), cb, arg);
}

void loop_timer_stop(struct loop *loop, int64_t id)
{
    timers_remove(&loop->timers, id);
}

/* Signals */

/* Wakes the loop through its pipe: there is no gap between check and wait. */
static void on_signal(int signo)
{
    int saved_errno = errno;

    signal_pending[signo] = 1;
    signal_came = 1;
    if (write(signal_owner[signo] - 1, "", 1) == -1)
        errno = saved_errno; /* it is full: then the loop wakes anyhow */
}

static void signal_pipe_ready(struct loop *loop, int fd, int events, void *arg)
{
    char buf[64];

    (void)events;
    (void)arg;
    while (read(fd, buf, sizeof(buf)) > 0)
        continue;
    loop->signal_seen = true;
}

static int signal_pipe_open(struct loop *loop)
{
    int *fds = loop->signal_pipe;

    if (pipe(fds) == -1)
        return -1;
    if (fcntl(fds[0], F_SETFL, O_NONBLOCK) != -1 &&
        fcntl(fds[1], F_SETFL, O_NONBLOCK) != -1 &&
        fcntl(fds[0], F_SETFD, FD_CLOEXEC) != -1 &&
        fcntl(fds[1], F_SETFD, FD_CLOEXEC) != -1 &&
        loop_watch(loop, fds[0], LOOP_READ, signal_pipe_ready, NULL) == 0)
        return 0;
    int saved_errno = errno;
    close(fds[0]);
    close(fds[1]);
    fds[0] = -1;
    errno = saved_errno;
    return -1;
}

int loop_signal(struct loop *loop, int signo, loop_signal_cb *cb, void *arg)
{
    struct sigaction action = {.sa_handler = on_signal,
                               .sa_flags = SA_RESTART};

    if (signo < 1 || signo > MAX_SIGNAL) {
        errno = EINVAL;
        return -1;
    }
    struct signal_watcher *w = &loop->signals[signo];
    if (cb == NULL && w->cb != NULL) {
        sigaction(signo, &w->former, NULL);
        signal_owner[signo] = 0;
    } else if (cb != NULL && w->cb == NULL) {
        if (signal_owner[signo] != 0) {
            errno = EBUSY;
            return -1;
        }
        if (loop->signal_pipe[0] == -1 && signal_pipe_open(loop) == -1)
            return -1;
        signal_pending[signo] = 0;
        signal_owner[signo] = loop->signal_pipe[1] + 1;
        if (sigaction(signo, &action, &w->former) == -1) {
            signal_owner[signo] = 0;
            return -1;
        }
    }
    w->cb = cb;
    w->arg = arg;
    return 0;
}

/* Deferred calls */

void loop_defer(struct loop *loop, struct loop_task *task)
{
    if (task->waiting)
        return;
    task->waiting = true;
    task->next = NULL;
    *loop->tasks_end = task;
    loop->tasks_end = &task->next;
}

/* An iteration, phase by phase */

static bool loop_alive(const struct loop *loop)
{
    int own = loop->signal_pipe[0] != -1;

    return loop->n_watched > own || loop->timers.n > 0 || loop->tasks != NULL;
}

/* Those that they start are later than now, so this comes to an end. */
static void run_timers(struct loop *loop)
{
    loop_cb *cb;
    void *arg;

    while (timers_take(&loop->timers, loop->now, &cb, &arg))
        cb(loop, arg);
}

/* How long the poller may wait: -1 without limit. */
static int wait_ms(const struct loop *loop)
{
    if (loop->stopped || loop->tasks != NULL || !loop_alive(loop))
        return 0;
    if (loop->timers.n == 0)
        return -1;
    int64_t ms = timers_next(&loop->timers) - clock_ms();

    if (ms < 0)
        return 0;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

static int wait_for_events(struct loop *loop)
{
    int n = poller_wait(loop->poller, loop->events, MAX_EVENTS, wait_ms(loop));

    loop->now = clock_ms();
    return n;
}

static void run_io(struct loop *loop, int n)
{
    for (int i = 0; i < n; i++) {
        const struct poller_event *e = &loop->events[i];
        const struct watcher *w = &loop->watchers[e->fd];
        int events = e->events & w->events;

        /* A callback before may have unwatched it, even closed its fd. */
        if (events != 0 && e->generation == w->generation)
            w->cb(loop, e->fd, events, w->arg);
    }
}

static void run_signals(struct loop *loop)
{
    if (!loop->signal_seen && !signal_came)
        return;
    loop->signal_seen = false;
    signal_came = 0;
    for (int signo = 1; signo <= MAX_SIGNAL; signo++) {
        struct signal_watcher *w = &loop->signals[signo];
        if (w->cb == NULL || !signal_pending[signo])
            continue;
        signal_pending[signo] = 0;
        w->cb(loop, signo, w->arg);
    }
}

static void run_deferred(struct loop *loop)
{
    struct loop_task *task = loop->tasks;

    /* What these defer goes into a new list. */
    loop->tasks = NULL;
    loop->tasks_end = &loop->tasks;
    while (task != NULL) {
        struct loop_task *next = task->next;

        task->waiting = false;
        task->cb(loop, task->arg);
        task = next;
    }
}

int loop_run(struct loop *loop)
{
    if (loop->running) {
        errno = EBUSY;
        return -1;
    }
    loop->running = true;
    loop->stopped = false;
    loop->now = clock_ms();
    int n_events = 0;
    while (!loop->stopped && loop_alive(loop)) {
        run_timers(loop);
        n_events = wait_for_events(loop);
        if (n_events == -1)
            break;
        run_io(loop, n_events);
        run_signals(loop);
        run_deferred(loop);
    }
    loop->running = false;
    return n_events == -1 ? -1 : 0;
}
