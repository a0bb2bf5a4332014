/*
 * loop_test.c -- loop.h's promises, one by one
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hooks.h"
#include "loop.h"

#define DAY_MS (24 * 3600 * 1000LL)

/* What has been called, in order: a letter each. */
static char trace[4096];

static struct loop *start(void)
{
    struct loop *loop = loop_new();

    CHECK(loop != NULL);
    trace[0] = '\0';
    return loop;
}

static void note(const char *letter)
{
    CHECK(strlen(trace) + 1 < sizeof(trace));
    strcat(trace, letter);
}

/* A callback for timers and tasks: arg is the letter. */
static void note_cb(struct loop *loop, void *arg)
{
    (void)loop;
    note(arg);
}

static void stop_cb(struct loop *loop, void *arg)
{
    (void)arg;
    loop_stop(loop);
}

static int64_t timer(struct loop *loop, int64_t after, int64_t repeat,
                     loop_cb *cb, void *arg)
{
    int64_t id = loop_timer_start(loop, after, repeat, cb, arg);

    CHECK(id > 0);
    return id;
}

static void watch(struct loop *loop, int fd, int events, loop_fd_cb *cb,
                  void *arg)
{
    CHECK(loop_watch(loop, fd, events, cb, arg) == 0);
}

/* Two connected sockets; fds[0] has a byte to read if ready. */
static void pair(int fds[2], bool ready)
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    if (ready)
        CHECK(write(fds[1], "x", 1) == 1);
}

static void close_pair(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static void note_fd(struct loop *loop, int fd, int events, void *arg)
{
    (void)loop;
    (void)fd;
    (void)events;
    note(arg);
}

/* Notes, and is ready no more. */
static void note_once(struct loop *loop, int fd, int events, void *arg)
{
    (void)events;
    note(arg);
    loop_unwatch(loop, fd);
}

/* The loop's life */

static void nothing_to_do(void)
{
    struct loop *loop = start();

    CHECK(loop_run(loop) == 0);
    CHECK(loop_run(loop) == 0);
    CHECK(hook_n_waits == 0);
    loop_free(loop);
    loop_free(NULL);
}

static void single_timer(void)
{
    struct loop *loop = start();

    hook_virtual_time = true;
    timer(loop, 10, 0, note_cb, "a");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "a") == 0);
    loop_free(loop);
}

static void run_again(struct loop *loop, void *arg)
{
    (void)arg;
    errno = 0;
    CHECK(loop_run(loop) == -1 && errno == EBUSY);
    note("r");
    loop_stop(loop);
}

static void stop_and_run_again(void)
{
    struct loop *loop = start();
    int fds[2];

    hook_virtual_time = true;
    pair(fds, true);
    loop_stop(loop); /* none runs: no effect */
    timer(loop, 0, 0, run_again, NULL);
    timer(loop, 5000, 0, note_cb, "b");
    watch(loop, fds[0], LOOP_READ, note_once, "i");
    CHECK(loop_run(loop) == 0);
    /* The iteration is completed. */
    CHECK(strcmp(trace, "ri") == 0 || strcmp(trace, "ir") == 0);
    CHECK(loop_run(loop) == 0);
    CHECK(trace[2] == 'b' && trace[3] == '\0');
    CHECK(loop_run(loop) == 0);
    loop_free(loop);
    close_pair(fds);
}

static int64_t seen_now;

static void slow_cb(struct loop *loop, void *arg)
{
    int64_t now = hook_clock_ms();

    (void)arg;
    seen_now = loop_now(loop);
    while (hook_clock_ms() < now + 3)
        continue;
    CHECK(loop_now(loop) == seen_now);
}

static void same_now_cb(struct loop *loop, void *arg)
{
    (void)arg;
    CHECK(loop_now(loop) == seen_now);
    note("n");
}

static void now_is_cached(void)
{
    struct loop *loop = start();
    struct loop_task first = {.cb = slow_cb};
    struct loop_task second = {.cb = same_now_cb};

    loop_defer(loop, &first);
    loop_defer(loop, &second);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "n") == 0);
    timer(loop, 0, 0, stop_cb, NULL);
    CHECK(loop_run(loop) == 0);
    CHECK(loop_now(loop) >= seen_now + 3 && loop_now(loop) <= hook_clock_ms());
    loop_free(loop);
}

/* Timers */

static void timer_order(void)
{
    struct loop *loop = start();

    hook_virtual_time = true;
    timer(loop, 30, 0, note_cb, "d");
    timer(loop, 10, 0, note_cb, "a");
    timer(loop, 20, 0, note_cb, "b");
    timer(loop, 20, 0, note_cb, "c");
    timer(loop, -5, 0, note_cb, "_");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "_abcd") == 0);
    loop_free(loop);
}

static void not_early(struct loop *loop, void *arg)
{
    const int64_t *due = arg;

    (void)loop;
    CHECK(hook_clock_ms() >= *due);
}

static void timer_never_early(void)
{
    struct loop *loop = start();
    int64_t due[20];

    for (int i = 0; i < 20; i++) {
        due[i] = hook_clock_ms() + i;
        timer(loop, i, 0, not_early, &due[i]);
    }
    CHECK(loop_run(loop) == 0);
    /* Rounded down, each would have cost many waits of 0 ms. */
    CHECK(hook_n_waits <= 45);
    loop_free(loop);
}

static int64_t ids[1000];

static void stop_timer(struct loop *loop, void *arg)
{
    const int64_t *id = arg;

    note("s");
    loop_timer_stop(loop, *id);
}

static void timer_stop_in_callbacks(void)
{
    struct loop *loop = start();

    hook_virtual_time = true;
    /* Its own, which repeats; another's that is due as well; one later. */
    ids[0] = timer(loop, 5, 5, stop_timer, &ids[0]);
    ids[1] = timer(loop, 20, 0, stop_timer, &ids[2]);
    ids[2] = timer(loop, 20, 0, note_cb, "x");
    ids[3] = timer(loop, 30, 0, stop_timer, &ids[4]);
    ids[4] = timer(loop, 40, 0, note_cb, "y");
    /* One that runs just now, and ids that are no timer's. */
    ids[5] = timer(loop, 50, 0, stop_timer, &ids[5]);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "ssss") == 0);
    timer(loop, 1, 0, note_cb, "z");
    for (int i = 0; i < 6; i++)
        loop_timer_stop(loop, ids[i]);
    loop_timer_stop(loop, 0);
    loop_timer_stop(loop, -1);
    loop_timer_stop(loop, INT64_MAX);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "ssssz") == 0);
    loop_free(loop);
}

static void timer_ids_differ(void)
{
    struct loop *loop = start();
    int64_t last = 0;

    for (int i = 0; i < 1000; i++) {
        int64_t id = timer(loop, 1000, 0, note_cb, "x");
        CHECK(id > last);
        last = id;
        loop_timer_stop(loop, id);
    }
    CHECK(loop_run(loop) == 0 && trace[0] == '\0');
    loop_free(loop);
}

static int64_t began;
static int n_beats;

static void beat(struct loop *loop, void *arg)
{
    n_beats++;
    /* Not a millisecond is lost from one beat to the next. */
    CHECK(hook_clock_ms() == began + 1 + 10 * n_beats);
    if (n_beats == 100)
        loop_timer_stop(loop, *(int64_t *)arg);
}

static void timer_repeats(void)
{
    struct loop *loop = start();

    hook_virtual_time = true;
    began = hook_clock_ms();
    n_beats = 0;
    ids[0] = timer(loop, 10, 10, beat, &ids[0]);
    CHECK(loop_run(loop) == 0);
    CHECK(n_beats == 100);
    loop_free(loop);
}

static void late_beat(struct loop *loop, void *arg)
{
    int64_t now = hook_clock_ms();

    (void)arg;
    if (++n_beats == 1) {
        while (hook_clock_ms() < now + 50)
            continue;
    }
    if (n_beats == 4)
        loop_stop(loop);
}

static void timer_skips_missed_beats(void)
{
    struct loop *loop = start();
    int64_t now = hook_clock_ms();

    n_beats = 0;
    timer(loop, 5, 5, late_beat, NULL);
    CHECK(loop_run(loop) == 0);
    /* 5, 55 and, not all at once, two more. */
    CHECK(hook_clock_ms() >= now + 55 + 2 * 5 - 2);
    loop_free(loop);
}

static void restart_at_once(struct loop *loop, void *arg)
{
    note("t");
    timer(loop, 0, 0, restart_at_once, arg);
}

static void count_then_stop(struct loop *loop, int fd, int events, void *arg)
{
    (void)fd;
    (void)events;
    (void)arg;
    note("i");
    if (strchr(trace, 'i') != strrchr(trace, 'i'))
        loop_stop(loop);
}

static void timer_of_zero_starves_nobody(void)
{
    struct loop *loop = start();
    int fds[2];

    pair(fds, true);
    watch(loop, fds[0], LOOP_READ, count_then_stop, NULL);
    timer(loop, 0, 0, restart_at_once, NULL);
    CHECK(loop_run(loop) == 0);
    loop_free(loop);
    close_pair(fds);
}

static int64_t last_due;
static int n_run;

static void in_order(struct loop *loop, void *arg)
{
    int64_t due = *(int64_t *)arg;

    (void)loop;
    CHECK(due >= last_due);
    last_due = due;
    n_run++;
}

static void thousand_timers(void)
{
    struct loop *loop = start();
    static int64_t due[1000];
    unsigned random = 1;

    hook_virtual_time = true;
    for (int i = 0; i < 1000; i++) {
        random = random * 1103515245 + 12345;
        due[i] = (random >> 16) % 500 * 20;
        ids[i] = timer(loop, due[i], 0, in_order, &due[i]);
    }
    for (int i = 0; i < 1000; i += 2)
        loop_timer_stop(loop, ids[i * 7 % 1000]);
    CHECK(loop_run(loop) == 0);
    CHECK(n_run == 500);
    loop_free(loop);
}

static void thirty_days(void)
{
    struct loop *loop = start();
    int64_t now = hook_clock_ms();

    hook_virtual_time = true;
    timer(loop, 30 * DAY_MS, 0, note_cb, "m");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "m") == 0);
    CHECK(hook_clock_ms() >= now + 30 * DAY_MS);
    CHECK(hook_clock_ms() < now + 31 * DAY_MS);
    CHECK(hook_n_waits <= 4); /* INT_MAX ms are 24.8 days */
    timer(loop, INT64_MAX, INT64_MAX, note_cb, "never");
    timer(loop, 10, 0, stop_cb, NULL);
    CHECK(loop_run(loop) == 0);
    loop_free(loop);
}

static void wall_clock_jumps(void)
{
    struct loop *loop = start();
    int64_t due = hook_clock_ms() + 30;

    timer(loop, 30, 0, not_early, &due);
    hook_wall_jump_s = 3600;
    timer(loop, 10, 0, note_cb, "a");
    CHECK(loop_run(loop) == 0);
    hook_wall_jump_s = -3600;
    timer(loop, 10, 0, note_cb, "b");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "ab") == 0);
    CHECK(hook_n_wall_clock == 0); /* it does not even look */
    CHECK(hook_clock_ms() < due + 60000);
    loop_free(loop);
}

/* Descriptors */

static void unwatch_in_callback(void)
{
    struct loop *loop = start();
    int fds[2];

    pair(fds, true);
    watch(loop, fds[0], LOOP_READ, note_once, "a");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "a") == 0);
    loop_unwatch(loop, fds[0]); /* again, and what never was watched */
    loop_unwatch(loop, -1);
    loop_unwatch(loop, 12345);
    CHECK(loop_run(loop) == 0);
    loop_free(loop);
    close_pair(fds);
}

static int pairs[300][2];

static void unwatch_other(struct loop *loop, int fd, int events, void *arg)
{
    const int *other = arg;

    (void)events;
    note("u");
    loop_unwatch(loop, *other);
    loop_unwatch(loop, fd);
}

static void unwatch_other_in_batch(void)
{
    struct loop *loop = start();

    pair(pairs[0], true);
    pair(pairs[1], true);
    watch(loop, pairs[0][0], LOOP_READ, unwatch_other, &pairs[1][0]);
    watch(loop, pairs[1][0], LOOP_READ, unwatch_other, &pairs[0][0]);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "u") == 0);
    loop_free(loop);
    close_pair(pairs[0]);
    close_pair(pairs[1]);
}

/* Closes the other, gets its number for a new one, which is not ready. */
static void reuse_other(struct loop *loop, int fd, int events, void *arg)
{
    int *other = arg;
    int fds[2];

    (void)events;
    note("r");
    loop_unwatch(loop, *other);
    close(*other);
    pair(fds, false);
    CHECK(dup2(fds[0], *other) == *other);
    if (fds[0] != *other)
        close(fds[0]);
    watch(loop, *other, LOOP_READ, note_once, "stale");
    loop_unwatch(loop, fd);
    timer(loop, 20, 0, stop_cb, NULL);
    ids[0] = fds[1];
}

static void stale_event(void)
{
    struct loop *loop = start();

    pair(pairs[0], true);
    pair(pairs[1], true);
    watch(loop, pairs[0][0], LOOP_READ, reuse_other, &pairs[1][0]);
    watch(loop, pairs[1][0], LOOP_READ, reuse_other, &pairs[0][0]);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "r") == 0);
    /* The new one's own events do come. */
    CHECK(write(ids[0], "x", 1) == 1);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "rstale") == 0);
    close(ids[0]);
    loop_free(loop);
    close_pair(pairs[0]);
    close_pair(pairs[1]);
}

static void close_in_callback(struct loop *loop, int fd, int events, void *arg)
{
    (void)arg;
    CHECK(events == LOOP_READ);
    note("c");
    loop_unwatch(loop, fd);
    close(fd);
}

static void closes_in_callback(void)
{
    struct loop *loop = start();
    int fds[2];

    pair(fds, true);
    watch(loop, fds[0], LOOP_READ, close_in_callback, NULL);
    CHECK(loop_run(loop) == 0);
    close(fds[1]);
    pair(fds, true); /* the same number */
    watch(loop, fds[0], LOOP_READ, close_in_callback, NULL);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "cc") == 0);
    close(fds[1]);
    loop_free(loop);
}

static void watch_replaces(void)
{
    struct loop *loop = start();
    int fds[2];

    pair(fds, true);
    watch(loop, fds[0], LOOP_READ | LOOP_WRITE, note_once, "a");
    watch(loop, fds[0], LOOP_WRITE, note_once, "b");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "b") == 0);
    errno = 0;
    CHECK(loop_watch(loop, -1, LOOP_READ, note_fd, "x") == -1);
    CHECK(errno == EBADF);
    loop_free(loop);
    close_pair(fds);
}

static void watch_large_number(void)
{
    struct loop *loop = start();
    int fds[2];

    pair(fds, true);
    CHECK(dup2(fds[0], 900) == 900);
    watch(loop, 900, LOOP_READ, note_once, "a");
    watch(loop, fds[0], LOOP_READ, note_once, "a");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "aa") == 0);
    loop_free(loop);
    close_pair(fds);
    close(900);
}

/* Nobody else is served while this one is: but it is only one of many. */
static void count_pair(struct loop *loop, int fd, int events, void *arg)
{
    int *n = arg;

    (void)fd;
    (void)events;
    if (++*n == 20)
        loop_stop(loop);
}

static void all_get_their_turn(void)
{
    struct loop *loop = start();
    static int n[300];

    for (int i = 0; i < 300; i++) {
        pair(pairs[i], true);
        watch(loop, pairs[i][0], LOOP_READ, count_pair, &n[i]);
    }
    CHECK(loop_run(loop) == 0);
    for (int i = 0; i < 300; i++)
        CHECK(n[i] >= 15);
    loop_free(loop);
    for (int i = 0; i < 300; i++)
        close_pair(pairs[i]);
}

static void read_to_end(struct loop *loop, int fd, int events, void *arg)
{
    char buf[4096];

    (void)arg;
    CHECK(events == LOOP_READ);
    if (read(fd, buf, sizeof(buf)) > 0)
        return;
    note("e");
    loop_unwatch(loop, fd);
}

static void files_are_ready(void)
{
    struct loop *loop = start();
    int fds[3] = {open("/dev/null", O_RDONLY), open("/proc/self/exe", 0),
                  open("/dev/null", O_WRONLY)};

    watch(loop, fds[0], LOOP_READ, read_to_end, NULL);
    watch(loop, fds[1], LOOP_READ, read_to_end, NULL);
    watch(loop, fds[2], LOOP_WRITE, note_once, "w");
    CHECK(loop_run(loop) == 0);
    CHECK(strlen(trace) == 3);
    /* Paused, they do not spin; and then they go on. */
    watch(loop, fds[0], LOOP_READ, note_fd, "x");
    watch(loop, fds[0], 0, note_fd, "x");
    hook_virtual_time = true;
    hook_n_waits = 0;
    timer(loop, 1000, 0, note_cb, "t");
    CHECK(loop_run(loop) == 0);
    CHECK(hook_n_waits <= 3);
    watch(loop, fds[0], LOOP_READ, note_once, "f");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace + 3, "tf") == 0);
    loop_free(loop);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

static void no_interest_no_spin(void)
{
    struct loop *loop = start();
    int fds[2];

    pair(fds, false);
    watch(loop, fds[0], LOOP_READ, note_fd, "x");
    watch(loop, fds[0], 0, note_fd, "x");
    CHECK(loop_run(loop) == 0); /* it alone keeps nothing alive */
    close(fds[1]); /* a hang-up, which cannot be masked */
    hook_virtual_time = true;
    hook_n_waits = 0;
    timer(loop, 1000, 0, note_cb, "t");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "t") == 0);
    CHECK(hook_n_waits <= 3);
    watch(loop, fds[0], LOOP_WRITE, note_once, "h");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "th") == 0);
    loop_free(loop);
    close(fds[0]);
}

/* Deferred calls */

static struct loop_task tasks[4];

static void defer_more(struct loop *loop, void *arg)
{
    note("d");
    if (strlen(trace) < 10)
        loop_defer(loop, arg); /* itself: the next iteration's */
    else
        loop_stop(loop);
}

static void defer_all(struct loop *loop, int fd, int events, void *arg)
{
    (void)events;
    (void)arg;
    note("i");
    loop_unwatch(loop, fd);
    for (int i = 0; i < 4; i++)
        loop_defer(loop, &tasks[i]);
    loop_defer(loop, &tasks[0]); /* waits already */
}

static void deferred_order(void)
{
    struct loop *loop = start();

    pair(pairs[0], true);
    pair(pairs[1], true);
    for (int i = 0; i < 4; i++)
        tasks[i] =
            (struct loop_task){.cb = note_cb, .arg = &"a\0b\0c\0d"[2 * i]};
    watch(loop, pairs[0][0], LOOP_READ, defer_all, NULL);
    watch(loop, pairs[1][0], LOOP_READ, note_once, "i");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "iiabcd") == 0);
    loop_free(loop);
    close_pair(pairs[0]);
    close_pair(pairs[1]);
}

static void deferred_is_bounded(void)
{
    struct loop *loop = start();
    struct loop_task task = {.cb = defer_more, .arg = &task};

    pair(pairs[0], true);
    watch(loop, pairs[0][0], LOOP_READ, note_fd, "i");
    loop_defer(loop, &task);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "ididididid") == 0);
    loop_free(loop);
    close_pair(pairs[0]);
}

static void free_task(struct loop *loop, void *arg)
{
    (void)loop;
    note("f");
    free(arg);
}

static void deferred_may_free(void)
{
    struct loop *loop = start();

    for (int i = 0; i < 3; i++) {
        struct loop_task *task = calloc(1, sizeof(*task));
        CHECK(task != NULL);
        task->cb = free_task;
        task->arg = task;
        loop_defer(loop, task);
    }
    CHECK(loop_run(loop) == 0); /* though nothing else is left */
    CHECK(strcmp(trace, "fff") == 0);
    loop_free(loop);
}

/* Signals */

static void on_signal(struct loop *loop, int signo, void *arg)
{
    (void)signo;
    note(arg);
    loop_stop(loop);
}

static void signal_during_wait(void)
{
    struct loop *loop = start();
    int fds[2];

    pair(fds, false);
    watch(loop, fds[0], LOOP_READ, note_fd, "x");
    CHECK(loop_signal(loop, SIGUSR1, on_signal, "u") == 0);
    pid_t child = fork();
    CHECK(child != -1);
    if (child == 0) {
        usleep(20000);
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "u") == 0);
    CHECK(waitpid(child, NULL, 0) == child);
    loop_free(loop);
    close_pair(fds);
}

static void raise_once(void)
{
    hook_before_wait = NULL;
    raise(SIGUSR1);
}

static void signal_just_before_wait(void)
{
    struct loop *loop = start();
    int fds[2];

    pair(fds, false);
    watch(loop, fds[0], LOOP_READ, note_fd, "x");
    CHECK(loop_signal(loop, SIGUSR1, on_signal, "u") == 0);
    for (int i = 0; i < 3; i++) {
        hook_before_wait = raise_once;
        CHECK(loop_run(loop) == 0);
    }
    CHECK(strcmp(trace, "uuu") == 0);
    loop_free(loop);
    close_pair(fds);
}

static void signals_alone_end(void)
{
    struct loop *loop = start();

    CHECK(loop_signal(loop, SIGUSR1, on_signal, "u") == 0);
    CHECK(loop_run(loop) == 0);
    CHECK(hook_n_waits == 0);
    loop_free(loop);
}

static void signal_storm(void)
{
    struct loop *loop = start();

    CHECK(loop_signal(loop, SIGUSR1, on_signal, "1") == 0);
    CHECK(loop_signal(loop, SIGUSR2, on_signal, "2") == 0);
    for (int i = 0; i < 70000; i++) { /* a pipe holds 65536 */
        errno = 4711;
        raise(SIGUSR1);
        CHECK(errno == 4711);
    }
    raise(SIGUSR2);
    timer(loop, 100000, 0, note_cb, "x");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "12") == 0); /* merged, but none is lost */
    loop_free(loop);
}

static void ignore(int signo)
{
    (void)signo;
}

static void signal_gives_back(void)
{
    struct loop *loop = start();
    struct loop *other = start();
    struct sigaction now;

    signal(SIGUSR1, ignore);
    signal(SIGUSR2, SIG_IGN);
    CHECK(loop_signal(loop, SIGUSR1, on_signal, "1") == 0);
    CHECK(loop_signal(loop, SIGUSR1, on_signal, "!") == 0); /* replaces */
    CHECK(loop_signal(loop, SIGUSR2, on_signal, "2") == 0);
    CHECK(loop_signal(other, SIGUSR2, on_signal, "x") == -1 && errno == EBUSY);
    timer(loop, 100000, 0, note_cb, "x");
    raise(SIGUSR1);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "!") == 0);
    CHECK(loop_signal(loop, SIGUSR1, NULL, NULL) == 0);
    sigaction(SIGUSR1, NULL, &now);
    CHECK(now.sa_handler == ignore);
    loop_free(loop);
    sigaction(SIGUSR2, NULL, &now);
    CHECK(now.sa_handler == SIG_IGN);
    CHECK(loop_signal(other, SIGUSR2, on_signal, "2") == 0);
    CHECK(loop_signal(other, 0, on_signal, "x") == -1 && errno == EINVAL);
    CHECK(loop_signal(other, 1000, on_signal, "x") == -1 && errno == EINVAL);
    CHECK(loop_signal(other, SIGKILL, on_signal, "x") == -1);
    CHECK(errno == EINVAL);
    loop_free(other);
}

/* Failing allocations */

/* For a file, which is ready all the time: how often is not foreseen. */
static void ready_fd(struct loop *loop, int fd, int events, void *arg)
{
    (void)loop;
    (void)fd;
    (void)events;
    (void)arg;
}

/* Everything that allocates. False: something failed, with ENOMEM. */
static bool allocate_all(int fd)
{
    bool ok = false;
    struct loop *loop = loop_new();
    int file = open("/proc/self/exe", 0);

    errno = loop == NULL ? errno : 0;
    if (loop != NULL && loop_watch(loop, fd, LOOP_READ, note_fd, "x") == 0 &&
        loop_watch(loop, 700, LOOP_READ, note_fd, "x") == 0 &&
        loop_watch(loop, file, LOOP_READ, ready_fd, NULL) == 0 &&
        loop_timer_start(loop, 0, 0, stop_cb, NULL) > 0 &&
        loop_signal(loop, SIGUSR1, on_signal, "u") == 0) {
        ok = true;
        for (int i = 0; i < 100 && ok; i++)
            ok = loop_timer_start(loop, 1000, 0, note_cb, "x") > 0;
    }
    CHECK(ok || errno == ENOMEM);
    /* It can still be used. */
    if (loop != NULL)
        loop_timer_start(loop, 0, 0, stop_cb, NULL);
    if (loop != NULL)
        CHECK(loop_run(loop) == 0);
    loop_free(loop);
    close(file);
    return ok;
}

static void allocations_fail(void)
{
    long n = 0;
    int fds[2];

    pair(fds, false);
    CHECK(dup2(fds[0], 700) == 700);
    do {
        hook_fail_alloc = ++n;
    } while (!allocate_all(fds[0]));
    CHECK(n > 5);
    hook_fail_alloc = 0;
    CHECK(hook_bytes == 0);
    close_pair(fds);
    close(700);
}

const struct test loop_tests[] = {
    {"nothing_to_do", nothing_to_do},
    {"single_timer", single_timer},
    {"stop_and_run_again", stop_and_run_again},
    {"now_is_cached", now_is_cached},
    {"timer_order", timer_order},
    {"timer_never_early", timer_never_early},
    {"timer_stop_in_callbacks", timer_stop_in_callbacks},
    {"timer_ids_differ", timer_ids_differ},
    {"timer_repeats", timer_repeats},
    {"timer_skips_missed_beats", timer_skips_missed_beats},
    {"timer_of_zero_starves_nobody", timer_of_zero_starves_nobody},
    {"thousand_timers", thousand_timers},
    {"thirty_days", thirty_days},
    {"wall_clock_jumps", wall_clock_jumps},
    {"unwatch_in_callback", unwatch_in_callback},
    {"unwatch_other_in_batch", unwatch_other_in_batch},
    {"stale_event", stale_event},
    {"closes_in_callback", closes_in_callback},
    {"watch_replaces", watch_replaces},
    {"watch_large_number", watch_large_number},
    {"all_get_their_turn", all_get_their_turn},
    {"files_are_ready", files_are_ready},
    {"no_interest_no_spin", no_interest_no_spin},
    {"deferred_order", deferred_order},
    {"deferred_is_bounded", deferred_is_bounded},
    {"deferred_may_free", deferred_may_free},
    {"signal_during_wait", signal_during_wait},
    {"signal_just_before_wait", signal_just_before_wait},
    {"signals_alone_end", signals_alone_end},
    {"signal_storm", signal_storm},
    {"signal_gives_back", signal_gives_back},
    {"allocations_fail", allocations_fail},
    {NULL, NULL},
};
