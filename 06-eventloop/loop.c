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

#define MAX_EVENTS 128 /* handled in an iteration */
#define MAX_SIGNAL 64
#define FIRST_SIZE 16
#define SLOT_BITS 24 /* of a timer's id: its slot; the rest counts up */
#define LONGEST_MS (INT64_MAX / 4)

struct watcher {
    loop_fd_cb *cb;
    void *arg;
    uint32_t generation; /* counts the times that this fd was unwatched */
    int events;
};

struct timer {
    int64_t id; /* 0 in a free slot */
    int64_t when;
    int64_t repeat;
    loop_cb *cb;
    void *arg;
    int place; /* in the heap */
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

    /* heap[0] up to heap[n_timers - 1] are slots of timers, the next to
       expire first; behind them come the free slots. */
    struct timer *timers;
    int *heap;
    int n_timers;
    int timers_size;
    int64_t n_started;

    struct signal_watcher signals[MAX_SIGNAL + 1];
    int signal_pipe[2]; /* made for the first signal, else -1 */
    bool signal_seen;

    struct loop_task *tasks;
    struct loop_task **tasks_end;
};

/* For the signal handler: the loop's pipe plus 1, and what has come in. */
static volatile sig_atomic_t signal_owner[MAX_SIGNAL + 1];
static volatile sig_atomic_t signal_pending[MAX_SIGNAL + 1];

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
    free(loop->timers);
    free(loop->heap);
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

/* Timers: a binary heap */

static bool timer_before(const struct timer *a, const struct timer *b)
{
    return a->when < b->when || (a->when == b->when && a->id < b->id);
}

static void heap_set(struct loop *loop, int place, int slot)
{
    loop->heap[place] = slot;
    loop->timers[slot].place = place;
}

/* Moves the timer at place up or down to where it belongs. */
static void heap_fix(struct loop *loop, int place)
{
    int slot = loop->heap[place];
    const struct timer *t = &loop->timers[slot];

    while (place > 0) {
        int parent = (place - 1) / 2;
        if (!timer_before(t, &loop->timers[loop->heap[parent]]))
            break;
        heap_set(loop, place, loop->heap[parent]);
        place = parent;
    }
    for (;;) {
        int child = 2 * place + 1;
        if (child + 1 < loop->n_timers &&
            timer_before(&loop->timers[loop->heap[child + 1]],
                         &loop->timers[loop->heap[child]]))
            child++;
        if (child >= loop->n_timers ||
            !timer_before(&loop->timers[loop->heap[child]], t))
            break;
        heap_set(loop, place, loop->heap[child]);
        place = child;
    }
    heap_set(loop, place, slot);
}

static int timers_grow(struct loop *loop)
{
    int size = loop->timers_size > 0 ? loop->timers_size * 2 : FIRST_SIZE;

    if (size > 1 << SLOT_BITS) {
        errno = ENOMEM;
        return -1;
    }
    struct timer *timers = realloc(loop->timers, size * sizeof(*timers));
    if (timers == NULL)
        return -1;
    loop->timers = timers;
    int *heap = realloc(loop->heap, size * sizeof(*heap));
    if (heap == NULL)
        return -1;
    loop->heap = heap;
    for (int slot = loop->timers_size; slot < size; slot++) {
        heap[slot] = slot;
        timers[slot].id = 0;
    }
    loop->timers_size = size;
    return 0;
}

int64_t loop_timer_start(struct loop *loop, int64_t after_ms,
                         int64_t repeat_ms, loop_cb *cb, void *arg)
{
    if (loop->n_timers == loop->timers_size && timers_grow(loop) == -1)
        return -1;
    if (after_ms < 0)
        after_ms = 0;
    if (after_ms > LONGEST_MS)
        after_ms = LONGEST_MS;
    if (repeat_ms > LONGEST_MS)
        repeat_ms = LONGEST_MS;
    int place = loop->n_timers++;
    int slot = loop->heap[place];
    int64_t id = ++loop->n_started << SLOT_BITS | slot;

    /* + 1: the clock has been rounded down, and a timer is never early. */
    loop->timers[slot] = (struct timer){.id = id,
                                        .when = clock_ms() + 1 + after_ms,
                                        .repeat = repeat_ms,
                                        .cb = cb,
                                        .arg = arg,
                                        .place = place};
    heap_fix(loop, place);
    return id;
}

void loop_timer_stop(struct loop *loop, int64_t id)
{
    int slot = id & ((1 << SLOT_BITS) - 1);

    if (id <= 0 || slot >= loop->timers_size || loop->timers[slot].id != id)
        return;
    int place = loop->timers[slot].place;
    int last = --loop->n_timers;

    loop->timers[slot].id = 0;
    heap_set(loop, place, loop->heap[last]);
    heap_set(loop, last, slot);
    if (place < last)
        heap_fix(loop, place);
}

/* Signals */

/* Wakes the loop through its pipe: there is no gap between check and wait. */
static void on_signal(int signo)
{
    int saved_errno = errno;

    signal_pending[signo] = 1;
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
    for (int i = 0; i < 2; i++) {
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
    }
    if (loop_watch(loop, fds[0], LOOP_READ, signal_pipe_ready, NULL) == 0)
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

    return loop->n_watched > own || loop->n_timers > 0 || loop->tasks != NULL;
}

static void run_timers(struct loop *loop)
{
    int64_t newest = loop->n_started;

    while (loop->n_timers > 0) {
        struct timer *t = &loop->timers[loop->heap[0]];
        if (t->when > loop->now || t->id >> SLOT_BITS > newest)
            break;
        loop_cb *cb = t->cb;
        void *arg = t->arg;

        if (t->repeat > 0) {
            t->when += t->repeat;
            if (t->when <= loop->now)
                t->when = loop->now + t->repeat;
            heap_fix(loop, 0);
        } else {
            loop_timer_stop(loop, t->id);
        }
        cb(loop, arg);
    }
}

/* How long the poller may wait: -1 without limit. */
static int wait_ms(const struct loop *loop)
{
    if (loop->stopped || loop->tasks != NULL || !loop_alive(loop))
        return 0;
    if (loop->n_timers == 0)
        return -1;
    int64_t ms = loop->timers[loop->heap[0]].when - clock_ms();

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
    if (!loop->signal_seen)
        return;
    loop->signal_seen = false;
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
