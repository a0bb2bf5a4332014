/*
 * loop_test.c -- loop.h's promises, one by one
 */
#define _GNU_SOURCE /* F_SETPIPE_SZ */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hooks.h"
#include "loop.h"

#define DAY_MS (24 * 3600 * 1000LL)

#define PROMISED_IN "loop.h"

static struct loop *loop;

/* What has been called, in order: a letter each. */
static char trace[4096];

/* The descriptors that pair has made. */
static int opened[1000];
static int n_opened;

/* Every test begins so: the clock is virtual. */
static void start(void)
{
    hook_virtual_time = true;
    loop = loop_new();
    CHECK(loop != NULL);
    trace[0] = '\0';
}

/* Every test ends so: the loop leaves nothing behind. */
static void end(void)
{
    loop_free(loop);
    CHECK(hook_bytes == 0);
    while (n_opened > 0)
        close(opened[--n_opened]);
}

static void note(const char *letter)
{
    CHECK(strlen(trace) + 1 < sizeof(trace));
    strcat(trace, letter);
}

static bool saw(const char *letters)
{
    if (strcmp(trace, letters) != 0)
        fprintf(stderr, "calls: %s, expected: %s\n", trace, letters);
    return strcmp(trace, letters) == 0;
}

/* Runs the loop, after which all calls so far were these. */
static bool runs(const char *letters)
{
    CHECK(loop_run(loop) == 0);
    return saw(letters);
}

/* A callback for timers, tasks and signals: arg is the letter. */
static void note_cb(void *arg)
{
    note(arg);
}

static void stop_cb(void *arg)
{
    loop_stop(arg);
}

/* Starts the next of a number of timers. */
static struct loop_timer timers[1100];
static int n_timers;

static struct loop_timer *timer(int64_t after, int64_t repeat, loop_cb *cb,
                                void *arg)
{
    struct loop_timer *t = &timers[n_timers++];

    CHECK(n_timers <= (int)(sizeof(timers) / sizeof(timers[0])));
    t->cb = cb;
    t->arg = arg;
    loop_timer_start(loop, t, after, repeat);
    return t;
}

/* A descriptor that is watched, and the letter for its events. */
struct source {
    int fd;
    const char *letter;
    int n;
};

static struct source sources[400];
static int n_sources;

static struct source *source(int fd, const char *letter)
{
    struct source *s = &sources[n_sources++];

    CHECK(n_sources <= (int)(sizeof(sources) / sizeof(sources[0])));
    *s = (struct source){.fd = fd, .letter = letter};
    return s;
}

static void on_read(int fd, loop_cb *cb, const char *letter)
{
    CHECK(loop_watch(loop, fd, cb, NULL, source(fd, letter)) == 0);
}

static void on_write(int fd, loop_cb *cb, const char *letter)
{
    CHECK(loop_watch(loop, fd, NULL, cb, source(fd, letter)) == 0);
}

static void note_fd(void *arg)
{
    struct source *s = arg;

    note(s->letter);
}

/* Notes, and is watched no more. */
static void note_once(void *arg)
{
    struct source *s = arg;

    note(s->letter);
    loop_unwatch(loop, s->fd);
}

/* Two connected sockets; fds[0] has a byte to read if ready. */
static void pair(int fds[2], bool ready)
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    CHECK(n_opened + 2 <= (int)(sizeof(opened) / sizeof(opened[0])));
    opened[n_opened++] = fds[0];
    opened[n_opened++] = fds[1];
    if (ready)
        CHECK(write(fds[1], "x", 1) == 1);
}

/* The loop's life */

TEST(life, nothing_to_do,
     "Runs until nothing is left to wait for (no watched descriptor, no "
     "timer, no deferred task; signals don't count) or until loop_stop.")
{
    start();
    CHECK(loop_run(loop) == 0);
    CHECK(loop_run(loop) == 0);
    CHECK(hook_n_waits == 0);
    loop_free(loop);
    loop_free(NULL);
}

static void run_again(void *arg)
{
    errno = 0;
    CHECK(loop_run(arg) == -1 && errno == EBUSY);
    note("r");
    loop_stop(arg);
}

TEST(life, stop_and_run_again,
     "Makes loop_run return after the current iteration. Everything stays "
     "open, and loop_run may continue later. No effect when the loop isn't "
     "running.")
{
    int fds[2];

    start();
    pair(fds, true);
    loop_stop(loop); /* it isn't running: no effect */
    timer(0, 0, run_again, loop);
    timer(5000, 0, note_cb, "b");
    struct loop_task task = {.cb = note_cb, .arg = "d"};
    loop_defer(loop, &task);
    on_read(fds[0], note_once, "i");
    CHECK(loop_run(loop) == 0);
    /* The iteration is completed, and the 5 s aren't waited for. */
    CHECK(saw("rid") || saw("idri") || saw("idr"));
    CHECK(loop_run(loop) == 0);
    CHECK(trace[3] == 'b' && trace[4] == '\0');
    CHECK(loop_run(loop) == 0);
    end();
}

static int64_t seen_now;

static void slow_cb(void *arg)
{
    seen_now = loop_now(arg);
    hook_pass_ms(3);
    CHECK(loop_now(arg) == seen_now);
}

static void same_now_cb(void *arg)
{
    CHECK(loop_now(arg) == seen_now);
    note("n");
}

TEST(life, now_is_cached,
     "The loop reads it once in each iteration, after the wait, so asking "
     "costs nothing.")
{
    start();
    struct loop_task first = {.cb = slow_cb, .arg = loop};
    struct loop_task second = {.cb = same_now_cb, .arg = loop};

    loop_defer(loop, &first);
    loop_defer(loop, &second);
    CHECK(runs("n"));
    timer(0, 0, stop_cb, loop);
    CHECK(loop_run(loop) == 0);
    CHECK(loop_now(loop) >= seen_now + 3 && loop_now(loop) <= hook_clock_ms());
    end();
}

TEST(life, wait_fails,
     "Returns 0, or -1: EBUSY from inside a callback, or the error of "
     "epoll_wait(2) or poll(2), of which ENOMEM and EAGAIN are transient. "
     "Either way the loop is intact and may be run again; nothing is lost.")
{
    int fds[2];

    start();
    pair(fds, true);
    struct loop_task task = {.cb = note_cb, .arg = "d"};
    timer(10, 0, note_cb, "t");
    loop_defer(loop, &task);
    on_read(fds[0], note_once, "i");
    hook_wait_error = ENOMEM;
    errno = 0;
    CHECK(loop_run(loop) == -1 && errno == ENOMEM && trace[0] == '\0');
    hook_wait_error = EAGAIN;
    CHECK(loop_run(loop) == -1 && errno == EAGAIN && trace[0] == '\0');
    CHECK(runs("idt"));
    end();
}

TEST(life, stop_is_kept,
     "Either way the loop is intact and may be run again; nothing is lost.")
{
    start();
    timer(-1, 0, stop_cb, loop);
    timer(5000, 0, note_cb, "l");
    hook_wait_error = ENOMEM; /* the wait for the first timer's time */
    CHECK(loop_run(loop) == -1);
    hook_pass_ms(3);
    hook_wait_error = ENOMEM; /* the wait after its callback */
    CHECK(loop_run(loop) == -1);
    CHECK(loop_run(loop) == 0 && trace[0] == '\0'); /* stops at once */
    end();
}

TEST(life, stop_ends_the_wait,
     "Makes loop_run return after the current iteration.")
{
    start();
    int64_t began = hook_clock_ms();

    timer(0, 0, stop_cb, loop);
    timer(5000, 0, note_cb, "l");
    CHECK(runs("") && hook_clock_ms() < began + 5000);
    end();
}

TEST(life, free_forgets,
     "Descriptors stay open, timers and tasks are forgotten: they are the "
     "caller's.")
{
    struct loop_task task = {.cb = note_cb, .arg = "d"};
    int fds[2];

    pair(fds, true);
    start();
    struct loop_timer *t = timer(1000, 10, note_cb, "t");
    timer(2000, 0, note_cb, "u");
    loop_defer(loop, &task);
    on_read(fds[0], note_fd, "i");
    loop_free(loop);
    CHECK(fcntl(fds[0], F_GETFD) != -1); /* it isn't closed */
    start();
    loop_timer_stop(loop, t);
    loop_timer_start(loop, t, 1, 0);
    loop_defer(loop, &task);
    CHECK(runs("dt"));
    end();
}

/* Owned objects */

static struct loop_owned owned[3];
static struct loop_task owned_task = {.cb = note_cb, .arg = "!"};
static int owned_fds[2];

static void destroy_owned(void *arg)
{
    struct loop_owned *o = arg;
    struct loop_owned more = {.cb = destroy_owned, .arg = &more};

    note(o == &owned[0] ? "0" : o == &owned[1] ? "1" : "2");
    loop_disown(o);
    /* Nothing new starts. */
    errno = 0;
    CHECK(loop_own(loop, &more) == -1 && errno == ECANCELED);
    errno = 0;
    CHECK(loop_watch(loop, owned_fds[0], note_fd, NULL, o) == -1);
    CHECK(errno == ECANCELED);
    errno = 0;
    CHECK(loop_signal(loop, SIGUSR1, note_cb, "s") == -1);
    CHECK(errno == ECANCELED);
    loop_unwatch(loop, owned_fds[0]);
    loop_defer(loop, &owned_task);
    timer(0, 0, note_cb, "!");
    CHECK(timers[n_timers - 1].link == NULL);
}

TEST(life, owned_end_with_the_loop,
     "Frees the loop, and destroys what it owns (see loop_own). From now on "
     "the loop owns an object: loop_free calls cb, which destroys it and "
     "calls loop_disown. Returns 0, or -1 inside loop_free (ECANCELED). If a "
     "callback runs meanwhile, nothing that it starts has an effect; "
     "loop_watch, loop_signal and loop_own say ECANCELED. loop_free(NULL) "
     "does nothing.")
{
    start();
    pair(owned_fds, true);
    on_read(owned_fds[0], note_fd, "i");
    for (int i = 0; i < 3; i++) {
        owned[i].cb = destroy_owned;
        owned[i].arg = &owned[i];
        CHECK(loop_own(loop, &owned[i]) == 0);
    }
    loop_disown(&owned[1]);
    loop_free(loop);
    CHECK(strlen(trace) == 2 && strchr(trace, '1') == NULL);
    CHECK(strchr(trace, '0') != NULL && strchr(trace, '2') != NULL);
}

/* As it's destroyed, the child unwatches what the parent waits for. */
static void unwatch_owned(void *arg)
{
    loop_unwatch(loop, *(int *)arg);
    loop_disown(&owned[0]);
}

TEST(life, free_in_a_child,
     "After fork, the child makes a loop of its own; on the one that it "
     "inherits it may call only loop_free.")
{
    int fds[2];

    start();
    owned[0] = (struct loop_owned){.cb = unwatch_owned, .arg = &fds[0]};
    CHECK(loop_own(loop, &owned[0]) == 0);
    pair(fds, true);
    CHECK(loop_signal(loop, SIGUSR1, note_cb, "s") == 0);
    on_read(fds[0], note_once, "i");
    pid_t child = fork();
    CHECK(child != -1);
    if (child == 0) {
        struct sigaction now;

        loop_free(loop);
        sigaction(SIGUSR1, NULL, &now);
        CHECK(now.sa_handler == SIG_DFL);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    raise(SIGUSR1);
    CHECK(loop_run(loop) == 0);
    CHECK(saw("si") || saw("is") || saw("i"));
    end();
}

/* Timers */

TEST(timers, timer_order,
     "Timers run in the order of their time; at the same time, in the order "
     "in which they were started. Negative times count as 0.")
{
    start();
    timer(30, 0, note_cb, "d");
    timer(10, 0, note_cb, "a");
    timer(20, 0, note_cb, "b");
    timer(20, 0, note_cb, "c");
    timer(-5, 0, note_cb, "_");
    CHECK(runs("_abcd"));
    end();
}

TEST(timers, timer_ties,
     "Timers run in the order of their time; at the same time, in the order "
     "in which they were started.")
{
    static char letters[26][2];

    start();
    for (int i = 0; i < 26; i++) {
        letters[i][0] = 'a' + i;
        timer(i % 2 == 0 ? 50 : 20, 0, note_cb, letters[i]);
    }
    loop_timer_stop(loop, &timers[1]);
    loop_timer_stop(loop, &timers[4]);
    loop_timer_start(loop, &timers[0], 50, 0); /* again: the last of all */
    CHECK(runs("dfhjlnprtvxzcgikmoqsuwya"));
    end();
}

static void not_early(void *arg)
{
    const int64_t *due = arg;

    CHECK(hook_clock_ms() >= *due);
}

/* Starts a timer late in a slow callback. */
static void start_late(void *arg)
{
    int64_t *due = arg;

    hook_pass_ms(200);
    *due = hook_clock_ms() + 50;
    timer(50, 0, not_early, due);
}

TEST(timers, timer_never_early,
     "Calls t->cb after after_ms, never earlier; then, if repeat_ms isn't 0, "
     "every repeat_ms.")
{
    int64_t due[20];

    start();
    for (int i = 0; i < 20; i++) {
        due[i] = hook_clock_ms() + i;
        timer(i, 0, not_early, &due[i]);
    }
    CHECK(loop_run(loop) == 0);
    /* Rounded down, each would have cost many waits of 0 ms. */
    CHECK(hook_n_waits <= 45);
    timer(0, 0, start_late, &due[0]);
    CHECK(loop_run(loop) == 0);
    end();
}

static void stop_timer(void *arg)
{
    note("s");
    loop_timer_stop(loop, arg);
}

TEST(timers, timer_stop_in_callbacks,
     "No effect on a timer that isn't running.")
{
    start();
    /* Itself, which repeats; another one that is due as well; a later one; one
       that is just running. */
    timer(5, 5, stop_timer, &timers[0]);
    timer(20, 0, stop_timer, &timers[2]);
    timer(20, 0, note_cb, "x");
    timer(30, 0, stop_timer, &timers[4]);
    timer(40, 0, note_cb, "y");
    timer(50, 0, stop_timer, &timers[5]);
    CHECK(runs("ssss"));
    struct loop_timer never = {.cb = note_cb, .arg = "n"};
    timer(1, 0, note_cb, "z");
    for (int i = 0; i < 6; i++)
        loop_timer_stop(loop, &timers[i]);
    loop_timer_stop(loop, &never);
    CHECK(runs("ssssz"));
    end();
}

/* Starting a running timer restarts it, from a callback, too. */
static void restart_other(void *arg)
{
    note("r");
    loop_timer_start(loop, arg, 100, 0);
}

TEST(timers, timer_restarts, "Starting a running timer restarts it.")
{
    start();
    int64_t began = hook_clock_ms();
    struct loop_timer *t = timer(10, 10, note_cb, "t");
    timer(5, 0, restart_other, t);
    loop_timer_start(loop, t, 20, 0);
    loop_timer_start(loop, t, 30, 0);
    CHECK(runs("rt"));
    CHECK(hook_clock_ms() >= began + 105 && hook_clock_ms() < began + 120);
    end();
}

static void free_timer(void *arg)
{
    note("f");
    free(arg);
}

TEST(timers, timer_may_be_freed,
     "Once cb of a timer that doesn't repeat is called, the loop doesn't "
     "touch the timer anymore, so cb may free it.")
{
    start();
    for (int i = 0; i < 3; i++) {
        struct loop_timer *t = calloc(1, sizeof(*t));
        CHECK(t != NULL);
        t->cb = free_timer;
        t->arg = t;
        loop_timer_start(loop, t, i / 2, 0);
    }
    CHECK(runs("fff"));
    end();
}

TEST(timers, timers_need_no_memory,
     "The caller's memory, so starting a timer can't fail.")
{
    start();
    hook_n_allocs = 0;
    for (int i = 0; i < 1000; i++)
        timer(i % 10, 0, note_cb, i % 10 == 0 ? "x" : "");
    for (int i = 0; i < 500; i++)
        loop_timer_stop(loop, &timers[i]);
    CHECK(loop_run(loop) == 0);
    CHECK(hook_n_allocs == 0 && strlen(trace) == 50);
    end();
}

static int64_t began;
static int n_beats;

static void beat(void *arg)
{
    n_beats++;
    /* Not a millisecond is lost from one beat to the next. */
    CHECK(hook_clock_ms() == began + 1 + 10 * n_beats);
    if (n_beats == 100)
        loop_timer_stop(loop, arg);
}

TEST(timers, timer_repeats,
     "Calls t->cb after after_ms, never earlier; then, if repeat_ms isn't 0, "
     "every repeat_ms.")
{
    start();
    began = hook_clock_ms();
    n_beats = 0;
    timer(10, 10, beat, &timers[0]);
    CHECK(loop_run(loop) == 0);
    CHECK(n_beats == 100);
    end();
}

/* Is busy when a beat is due, so that the beat is late. */
static void hold_up(void *arg)
{
    CHECK(arg != NULL);
    hook_pass_ms(7);
}

static struct loop_timer holder = {.cb = hold_up, .arg = &holder};

/* Every other beat is late. */
static void late_by_a_little(void *arg)
{
    bool late = ++n_beats % 2 == 1;

    /* Due at began + 41, 81, 121, … and held up from 39, 119, … on. */
    CHECK(hook_clock_ms() == began + (late ? 6 : 1) + 40 * n_beats);
    if (n_beats == 25)
        loop_timer_stop(loop, arg);
    else if (!late)
        loop_timer_start(loop, &holder, 37, 0);
}

TEST(timers, timer_does_not_drift,
     "A repeating timer that is late doesn't drift: the next beat comes at "
     "its time.")
{
    start();
    began = hook_clock_ms();
    timer(40, 40, late_by_a_little, &timers[0]);
    loop_timer_start(loop, &holder, 38, 0);
    CHECK(loop_run(loop) == 0);
    end();
}

static int64_t beats[5];

static void late_beat(void *arg)
{
    beats[n_beats] = hook_clock_ms() - began;
    if (++n_beats == 2)
        hook_pass_ms(53);
    if (n_beats == 5)
        loop_stop(arg);
}

TEST(timers, timer_skips_missed_beats, "Missed beats are skipped.")
{
    start();
    began = hook_clock_ms();
    timer(5, 5, late_beat, loop);
    CHECK(loop_run(loop) == 0);
    CHECK(beats[0] == 6 && beats[1] == 11);
    /* The third was due at 16, and the next ones, at 21 to 61, are skipped. */
    CHECK(beats[2] == 64);
    CHECK(beats[3] == 69 && beats[4] == 74);
    end();
}

static void restart_at_once(void *arg)
{
    note("t");
    loop_timer_start(loop, arg, 0, 0);
}

static void count_then_stop(void *arg)
{
    note_fd(arg);
    if (strchr(trace, 'i') != strrchr(trace, 'i'))
        loop_stop(loop);
}

TEST(timers, timer_of_zero_starves_nobody,
     "A timer that is started by a timer's callback doesn't run before the "
     "next iteration.")
{
    int fds[2];

    start();
    pair(fds, true);
    on_read(fds[0], count_then_stop, "i");
    timer(0, 0, restart_at_once, &timers[0]);
    timer(0, 1, note_cb, "r");
    CHECK(loop_run(loop) == 0);
    end();
}

static int64_t last_due;
static int n_run;

static void in_order(void *arg)
{
    const int64_t *due = arg;

    CHECK(*due >= last_due);
    last_due = *due;
    n_run++;
}

TEST(timers, thousand_timers,
     "Timers run in the order of their time; at the same time, in the order "
     "in which they were started. Adds a timer that isn't in a heap. Takes "
     "out a timer that is in this heap.")
{
    static int64_t due[1000];
    unsigned random = 1;

    start();
    for (int i = 0; i < 1000; i++) {
        random = random * 1103515245 + 12345;
        due[i] = (random >> 16) % 500 * 20;
        timer(due[i], 0, in_order, &due[i]);
    }
    for (int i = 0; i < 1000; i += 2)
        loop_timer_stop(loop, &timers[i * 7 % 1000]);
    CHECK(loop_run(loop) == 0);
    CHECK(n_run == 500);
    end();
}

/* Starts, restarts, stops and runs n timers, in the worst orders. Returns how
   many microseconds of CPU that takes. */
static int64_t cost_of_timers(int n)
{
    static struct loop_timer many[20000];
    static int64_t due[20000];
    struct timespec before, after;

    n_run = 0;
    last_due = 0;
    start();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    for (int i = 0; i < n; i++) {
        due[i] = i % 3 == 0 ? i : n - i;
        many[i] = (struct loop_timer){.cb = in_order, .arg = &due[i]};
        loop_timer_start(loop, &many[i], due[i], 0);
    }
    for (int i = 0; i < n; i += 2)
        loop_timer_start(loop, &many[i], due[i] = n + i, 0);
    for (int i = 0; i < n; i += 5)
        loop_timer_stop(loop, &many[i]);
    CHECK(loop_run(loop) == 0);
    CHECK(n_run == n - n / 5);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    end();
    return (after.tv_sec - before.tv_sec) * 1000000LL +
           (after.tv_nsec - before.tv_nsec) / 1000;
}

TEST(timers, many_timers_are_cheap, "Takes O(log n), amortized. Takes O(1).")
{
    int64_t few = INT64_MAX;
    int64_t many = INT64_MAX;

    /* The best of three: a busy machine makes some of them dearer. */
    for (int i = 0; i < 3; i++) {
        int64_t cost = cost_of_timers(2500);
        few = cost < few ? cost : few;
        cost = cost_of_timers(20000);
        many = cost < many ? cost : many;
    }
    /* 8 times as many: about 10 times as much, or 64 if it's quadratic. */
    if (many > few * 24)
        fprintf(stderr, "%lld and %lld us\n", (long long)few, (long long)many);
    CHECK(many <= few * 24);
}

TEST(timers, thirty_days,
     "A timer may be due in 30 days, or in 290 million years.")
{
    start();
    int64_t now = hook_clock_ms();

    timer(30 * DAY_MS, 0, note_cb, "m");
    CHECK(runs("m"));
    CHECK(hook_clock_ms() >= now + 30 * DAY_MS);
    CHECK(hook_clock_ms() < now + 31 * DAY_MS);
    CHECK(hook_n_waits <= 4); /* INT_MAX ms are 24.8 days */
    timer(INT64_MAX, INT64_MAX, note_cb, "never");
    timer(10, 0, stop_cb, loop);
    CHECK(loop_run(loop) == 0);
    end();
}

TEST(timers, wall_clock_jumps,
     "Returns milliseconds on the monotonic clock, which nobody can set "
     "(clock_gettime(2)).")
{
    start();
    int64_t due = hook_clock_ms() + 30;

    timer(30, 0, not_early, &due);
    hook_wall_jump_s = 3600;
    timer(10, 0, note_cb, "a");
    CHECK(loop_run(loop) == 0);
    hook_wall_jump_s = -3600;
    timer(10, 0, note_cb, "b");
    CHECK(runs("ab"));
    CHECK(hook_n_wall_clock == 0); /* it doesn't even look */
    CHECK(hook_clock_ms() < due + 60000);
    end();
}

/* Descriptors */

TEST(descriptors, unwatch_in_callback,
     "No effect on an fd that isn't watched.")
{
    int fds[2];

    start();
    pair(fds, true);
    on_read(fds[0], note_once, "a");
    CHECK(runs("a"));
    loop_unwatch(loop, fds[0]); /* again, and what never was watched */
    loop_unwatch(loop, -1);
    loop_unwatch(loop, 12345);
    CHECK(loop_run(loop) == 0);
    end();
}

static int pairs[300][2];

/* Unwatches the other one of the first two pairs, and itself. */
static void unwatch_both(void *arg)
{
    note_fd(arg);
    loop_unwatch(loop, pairs[0][0]);
    loop_unwatch(loop, pairs[1][0]);
}

TEST(descriptors, unwatch_other_in_batch,
     "From now on nothing is called for fd, not even for an event that has "
     "been seen.")
{
    start();
    pair(pairs[0], true);
    pair(pairs[1], true);
    on_read(pairs[0][0], unwatch_both, "u");
    on_read(pairs[1][0], unwatch_both, "u");
    CHECK(runs("u"));
    end();
}

static int reuse_peer; /* of the descriptor that has got the other's number */

/* Closes the other, gets its number for a new one, which isn't ready. */
static void reuse_other(void *arg)
{
    struct source *s = arg;
    int other = s->fd == pairs[0][0] ? pairs[1][0] : pairs[0][0];
    int fds[2];

    note_fd(arg);
    loop_unwatch(loop, other);
    close(other);
    pair(fds, false);
    CHECK(dup2(fds[0], other) == other);
    if (fds[0] != other)
        close(fds[0]);
    on_read(other, note_once, "stale");
    loop_unwatch(loop, s->fd);
    timer(20, 0, stop_cb, loop);
    reuse_peer = fds[1];
}

TEST(descriptors, stale_event,
     "From now on nothing is called for fd, not even for an event that has "
     "been seen.")
{
    start();
    pair(pairs[0], true);
    pair(pairs[1], true);
    on_read(pairs[0][0], reuse_other, "r");
    on_read(pairs[1][0], reuse_other, "r");
    CHECK(runs("r"));
    /* The new one's own events do come. */
    CHECK(write(reuse_peer, "x", 1) == 1);
    CHECK(runs("rstale"));
    close(reuse_peer);
    end();
}

static void close_in_callback(void *arg)
{
    struct source *s = arg;

    note_once(arg);
    close(s->fd);
}

TEST(descriptors, closes_in_callback, "Unwatch an fd *before* you close it.")
{
    int fds[2];

    start();
    pair(fds, true);
    on_read(fds[0], close_in_callback, "c");
    CHECK(loop_run(loop) == 0);
    close(fds[1]);
    pair(fds, true); /* the same number */
    on_read(fds[0], close_in_callback, "c");
    CHECK(runs("cc"));
    close(fds[1]);
    end();
}

static void other_note_once(void *arg)
{
    note("o");
    note_once(arg);
}

TEST(descriptors, watch_replaces,
     "For an fd that is watched already, this replaces callbacks and arg.")
{
    int fds[2];

    start();
    pair(fds, true);
    CHECK(loop_watch(loop, fds[0], note_once, note_once,
                     source(fds[0], "a")) == 0);
    on_write(fds[0], note_once, "b");
    CHECK(runs("b"));
    on_read(fds[0], note_once, "c");
    on_read(fds[0], other_note_once, "c");
    on_read(fds[0], other_note_once, "d");
    CHECK(runs("bod"));
    errno = 0;
    CHECK(loop_watch(loop, -1, note_fd, NULL, sources) == -1);
    CHECK(errno == EBADF);
    end();
}

static void close_and_note(void *arg)
{
    struct source *s = arg;

    note_once(arg);
    close(s->fd);
}

static void drop_write(void *arg)
{
    struct source *s = arg;

    note("r");
    on_read(s->fd, note_once, "R");
}

/* Puts another descriptor in its place, which is never writable. */
static void replace_fd(void *arg)
{
    struct source *s = arg;
    int fds[2];

    note("p");
    loop_unwatch(loop, s->fd);
    CHECK(pipe(fds) == 0 && dup2(fds[0], s->fd) == s->fd);
    close(fds[0]);
    reuse_peer = fds[1];
    on_write(s->fd, note_fd, "stale");
    timer(1, 0, stop_cb, loop);
}

TEST(descriptors, readable_first, "If both are due, on_readable comes first.")
{
    int fds[2];

    start();
    pair(fds, true);
    CHECK(loop_watch(loop, fds[0], note_fd, note_once, source(fds[0], "b")) ==
          0);
    CHECK(runs("bb"));
    /* The first call unwatches and closes. */
    CHECK(loop_watch(loop, fds[0], close_and_note, note_fd,
                     source(fds[0], "c")) == 0);
    CHECK(runs("bbc"));
    close(fds[1]);
    /* The first call ends the interest in writing. */
    pair(fds, true);
    CHECK(loop_watch(loop, fds[0], drop_write, note_fd, source(fds[0], "!")) ==
          0);
    CHECK(runs("bbcrR"));
    /* The first call puts another descriptor in its place. */
    CHECK(loop_watch(loop, fds[0], replace_fd, note_fd, source(fds[0], "!")) ==
          0);
    CHECK(runs("bbcrRp"));
    close(reuse_peer);
    end();
}

/* Notes, and reads the byte that is there. */
static void read_byte(void *arg)
{
    struct source *s = arg;
    char byte;

    note(s->letter);
    CHECK(read(s->fd, &byte, 1) == 1);
}

TEST(descriptors, each_direction,
     "Calls on_readable(arg) in each iteration in which fd is readable (data, "
     "EOF, a connection to accept), and on_writable(arg) likewise (room to "
     "write, or connect is done): level-triggered.")
{
    char zeros[4096] = {0};
    int fds[2];

    start();
    pair(fds, true);
    while (send(fds[0], zeros, sizeof(zeros), MSG_DONTWAIT) > 0)
        continue;
    /* Readable, and without room: on_writable isn't called. */
    CHECK(loop_watch(loop, fds[0], read_byte, note_fd, source(fds[0], "r")) ==
          0);
    timer(1, 0, stop_cb, loop);
    CHECK(runs("r"));
    loop_unwatch(loop, fds[0]);
    /* With room, and nothing to read: on_readable isn't called. */
    CHECK(loop_watch(loop, fds[1], note_fd, note_once, source(fds[1], "w")) ==
          0);
    while (recv(fds[1], zeros, sizeof(zeros), MSG_DONTWAIT) > 0)
        continue;
    CHECK(runs("rw"));
    end();
}

TEST(descriptors, watch_large_number, "A descriptor may have a large number.")
{
    int fds[2];

    start();
    pair(fds, true);
    CHECK(dup2(fds[0], 900) == 900);
    on_read(900, note_once, "a");
    on_read(fds[0], note_once, "a");
    CHECK(runs("aa"));
    close(900);
    end();
}

/* The loop's table of descriptors grows while it serves this one. */
static void watch_900(void *arg)
{
    struct source *s = arg;

    note(s->letter);
    on_read(900, note_once, "n");
    CHECK(loop_watch(loop, s->fd, NULL, note_once, s) == 0);
}

TEST(descriptors, watch_large_number_in_callback,
     "If both are due, on_readable comes first.")
{
    int fds[2];

    start();
    pair(fds, true);
    CHECK(dup2(fds[0], 900) == 900);
    CHECK(loop_watch(loop, fds[0], watch_900, note_once,
                     source(fds[0], "a")) == 0);
    CHECK(runs("aan"));
    close(900);
    end();
}

/* No other is served while this one is: but it is only one of many. */
static void count_pair(void *arg)
{
    struct source *s = arg;

    if (++s->n == 20)
        loop_stop(loop);
}

TEST(descriptors, all_get_their_turn,
     "When more than max are ready, the next calls return the others.")
{
    start();
    for (int i = 0; i < 300; i++) {
        pair(pairs[i], true);
        on_read(pairs[i][0], count_pair, "");
    }
    CHECK(loop_run(loop) == 0);
    for (int i = 0; i < 300; i++)
        CHECK(sources[i].n >= 15);
    end();
}

static void read_to_end(void *arg)
{
    struct source *s = arg;
    char buf[4096];

    if (read(s->fd, buf, sizeof(buf)) <= 0)
        note_once(arg);
}

TEST(descriptors, files_are_ready, "Regular files are always ready.")
{
    int fds[3] = {open("/dev/null", O_RDONLY), open("/proc/self/exe", 0),
                  open("/dev/null", O_WRONLY)};

    start();
    on_read(fds[0], read_to_end, "e");
    on_read(fds[1], read_to_end, "e");
    on_write(fds[2], note_once, "w");
    CHECK(loop_run(loop) == 0);
    CHECK(strlen(trace) == 3);
    /* Unwatched, they don't spin; and then they go on. */
    on_read(fds[0], note_fd, "x");
    CHECK(loop_watch(loop, fds[0], NULL, NULL, NULL) == 0);
    hook_n_waits = 0;
    timer(1000, 0, note_cb, "t");
    CHECK(loop_run(loop) == 0);
    CHECK(hook_n_waits <= 3);
    on_read(fds[0], note_once, "f");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace + 3, "tf") == 0);
    loop_free(loop);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

TEST(descriptors, no_interest_no_spin,
     "NULL means no interest in that direction; with both NULL, nothing is "
     "watched, not even errors.")
{
    int fds[2];

    start();
    pair(fds, false);
    on_read(fds[0], note_fd, "x");
    CHECK(loop_watch(loop, fds[0], NULL, NULL, NULL) == 0);
    CHECK(loop_run(loop) == 0); /* it alone keeps nothing alive */
    close(fds[1]); /* a hang-up, which can't be masked */
    hook_n_waits = 0;
    timer(1000, 0, note_cb, "t");
    CHECK(runs("t"));
    CHECK(hook_n_waits <= 3);
    on_write(fds[0], note_once, "h");
    CHECK(runs("th"));
    close(fds[0]);
    end();
}

/* Deferred tasks */

static struct loop_task tasks[4];

static void defer_more(void *arg)
{
    note("d");
    if (strlen(trace) < 10)
        loop_defer(loop, arg); /* itself: the next iteration's */
    else
        loop_stop(loop);
}

static void defer_all(void *arg)
{
    note_once(arg);
    for (int i = 0; i < 4; i++)
        loop_defer(loop, &tasks[i]);
    loop_defer(loop, &tasks[0]); /* is deferred already */
}

TEST(tasks, deferred_order,
     "Calls task->cb at the end of this iteration, after everything else, in "
     "the order of the loop_defer calls. No effect on a task that is already "
     "deferred.")
{
    start();
    pair(pairs[0], true);
    pair(pairs[1], true);
    for (int i = 0; i < 4; i++)
        tasks[i] =
            (struct loop_task){.cb = note_cb, .arg = &"a\0b\0c\0d"[2 * i]};
    on_read(pairs[0][0], defer_all, "i");
    on_read(pairs[1][0], note_once, "i");
    CHECK(runs("iiabcd"));
    end();
}

static void defer_task(void *arg)
{
    note("s");
    loop_defer(loop, arg);
    loop_stop(loop);
}

TEST(tasks, deferred_comes_last,
     "Calls task->cb at the end of this iteration, after everything else, in "
     "the order of the loop_defer calls.")
{
    start();
    tasks[0] = (struct loop_task){.cb = note_cb, .arg = "d"};
    pair(pairs[0], true);
    CHECK(loop_signal(loop, SIGUSR1, defer_task, &tasks[0]) == 0);
    on_read(pairs[0][0], note_once, "i");
    raise(SIGUSR1);
    CHECK(loop_run(loop) == 0);
    CHECK(saw("sid") || saw("isd"));
    end();
}

TEST(tasks, deferred_is_bounded,
     "A task deferred by a task runs in the next iteration, before which the "
     "loop doesn't wait.")
{
    start();
    struct loop_task task = {.cb = defer_more, .arg = &task};

    pair(pairs[0], true);
    on_read(pairs[0][0], note_fd, "i");
    loop_defer(loop, &task);
    CHECK(runs("ididididid"));
    end();
}

static void free_task(void *arg)
{
    note("f");
    free(arg);
}

TEST(tasks, deferred_may_free,
     "Once cb is called, the loop doesn't touch the task anymore, so cb may "
     "free it.")
{
    start();
    for (int i = 0; i < 3; i++) {
        struct loop_task *task = calloc(1, sizeof(*task));
        CHECK(task != NULL);
        task->cb = free_task;
        task->arg = task;
        loop_defer(loop, task);
    }
    CHECK(runs("fff")); /* though nothing else is left */
    end();
}

/* Signals */

static void note_and_stop(void *arg)
{
    note(arg);
    loop_stop(loop);
}

TEST(signals, signal_during_wait,
     "Calls cb(arg) from the loop, not from a signal handler, so cb may do "
     "anything.")
{
    int fds[2];

    start();
    pair(fds, false);
    on_read(fds[0], note_fd, "x");
    CHECK(loop_signal(loop, SIGUSR1, note_and_stop, "u") == 0);
    pid_t child = fork();
    CHECK(child != -1);
    if (child == 0) {
        usleep(20000);
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    CHECK(runs("u"));
    CHECK(waitpid(child, NULL, 0) == child);
    end();
}

static void raise_once(void)
{
    hook_before_wait = NULL;
    raise(SIGUSR1);
}

TEST(signals, signal_just_before_wait,
     "A signal between the loop's check and its wait isn't missed.")
{
    int fds[2];

    start();
    pair(fds, false);
    on_read(fds[0], note_fd, "x");
    CHECK(loop_signal(loop, SIGUSR1, note_and_stop, "u") == 0);
    for (int i = 0; i < 3; i++) {
        hook_before_wait = raise_once;
        CHECK(loop_run(loop) == 0);
    }
    CHECK(saw("uuu"));
    end();
}

TEST(signals, signals_alone_end,
     "Runs until nothing is left to wait for (no watched descriptor, no "
     "timer, no deferred task; signals don't count) or until loop_stop.")
{
    start();
    CHECK(loop_signal(loop, SIGUSR1, note_cb, "u") == 0);
    CHECK(loop_run(loop) == 0);
    CHECK(hook_n_waits == 0);
    end();
}

TEST(signals, signal_storm, "Several signals of one kind may become one call.")
{
    start();
    CHECK(loop_signal(loop, SIGUSR1, note_and_stop, "1") == 0);
    CHECK(loop_signal(loop, SIGUSR2, note_and_stop, "2") == 0);
    for (int fd = 3; fd < 64; fd++)
        fcntl(fd, F_SETPIPE_SZ, 4096); /* the loop's pipe is one of these */
    for (int i = 0; i < 5000; i++) {
        errno = 4711;
        raise(SIGUSR1);
        CHECK(errno == 4711);
    }
    raise(SIGUSR2);
    timer(100000, 0, note_cb, "x");
    CHECK(runs("12")); /* merged, but none is lost */
    end();
}

static void raise_again(void *arg)
{
    note(arg);
    if (trace[1] == '\0')
        raise(SIGUSR1);
}

TEST(signals, signal_in_its_callback,
     "Calls cb(arg) from the loop, not from a signal handler, so cb may do "
     "anything.")
{
    start();
    CHECK(loop_signal(loop, SIGUSR1, raise_again, "u") == 0);
    raise(SIGUSR1);
    timer(10, 0, stop_cb, loop);
    CHECK(runs("uu"));
    end();
}

TEST(signals, each_loop_has_its_own,
     "A signal belongs to one loop of the process at a time.")
{
    start();
    struct loop *other = loop;
    start();
    CHECK(loop_signal(other, SIGUSR1, note_and_stop, "1") == 0);
    CHECK(loop_signal(loop, SIGUSR2, note_cb, "2") == 0);
    raise(SIGUSR1);
    raise(SIGUSR2);
    timer(10, 0, stop_cb, loop);
    CHECK(runs("2"));
    loop_free(loop);
    loop = other;
    timer(10, 0, stop_cb, loop);
    CHECK(runs("21"));
    end();
}

static void ignore_other(void *arg)
{
    note("1");
    CHECK(loop_signal(loop, *(int *)arg, NULL, NULL) == 0);
}

TEST(signals, signal_unwatched_in_callback,
     "A NULL cb gives the signal its former disposition back.")
{
    int other = SIGUSR2;

    start();
    signal(SIGUSR2, SIG_IGN);
    CHECK(loop_signal(loop, SIGUSR1, ignore_other, &other) == 0);
    CHECK(loop_signal(loop, SIGUSR2, note_cb, "2") == 0);
    raise(SIGUSR1);
    raise(SIGUSR2);
    timer(10, 0, stop_cb, loop);
    CHECK(runs("1"));
    end();
}

TEST(signals, signal_is_unblocked,
     "Unblocks the signal, because the process may have inherited a mask that "
     "blocks it.")
{
    sigset_t set;

    sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    start();
    raise(SIGUSR1);
    CHECK(loop_signal(loop, SIGUSR1, note_and_stop, "u") == 0);
    timer(1000, 0, stop_cb, loop);
    CHECK(runs("u"));
    sigprocmask(SIG_SETMASK, NULL, &set);
    CHECK(!sigismember(&set, SIGUSR1) && sigismember(&set, SIGUSR2));
    end();
}

static int n_ignored;

static void ignore(int signo)
{
    n_ignored += signo > 0;
}

TEST(signals, signal_gives_back,
     "A signal belongs to one loop of the process at a time. Signals get back "
     "their former disposition. Returns 0, or -1: EINVAL for a signo that "
     "can't be caught or is above 64, EBUSY if another loop has it.")
{
    struct sigaction now;

    start();
    struct loop *first = loop;
    start();
    signal(SIGUSR1, ignore);
    signal(SIGUSR2, SIG_IGN);
    loop_run(first);
    CHECK(loop_signal(loop, SIGUSR1, note_and_stop, "1") == 0);
    CHECK(loop_signal(loop, SIGUSR1, note_and_stop, "!") == 0); /* replaces */
    CHECK(loop_signal(loop, SIGUSR2, note_cb, "2") == 0);
    CHECK(loop_signal(first, SIGUSR2, note_cb, "x") == -1 && errno == EBUSY);
    timer(100000, 0, note_cb, "x");
    raise(SIGUSR1);
    CHECK(runs("!"));
    CHECK(loop_signal(loop, SIGUSR1, NULL, NULL) == 0);
    sigaction(SIGUSR1, NULL, &now);
    CHECK(now.sa_handler == ignore && n_ignored == 0);
    loop_free(loop);
    sigaction(SIGUSR2, NULL, &now);
    CHECK(now.sa_handler == SIG_IGN);
    CHECK(loop_signal(first, SIGUSR2, note_cb, "2") == 0);
    CHECK(loop_signal(first, 0, note_cb, "x") == -1 && errno == EINVAL);
    CHECK(loop_signal(first, -1, note_cb, "x") == -1 && errno == EINVAL);
    CHECK(loop_signal(first, 65, note_cb, "x") == -1 && errno == EINVAL);
    CHECK(loop_signal(first, SIGKILL, note_cb, "x") == -1);
    CHECK(errno == EINVAL);
    loop_free(first);
}

/* Returns whether fd is closed by exec. */
static bool closes_on_exec(int fd)
{
    return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

TEST(life, descriptors_close_on_exec,
     "The loop's descriptors close on exec, and with it.")
{
    bool was_open[64];
    int n = 0;

    for (int fd = 0; fd < 64; fd++)
        was_open[fd] = fcntl(fd, F_GETFD) != -1;
    start();
    CHECK(loop_signal(loop, SIGUSR1, note_cb, "u") == 0);
    for (int fd = 0; fd < 64; fd++) {
        if (!was_open[fd] && fcntl(fd, F_GETFD) != -1) {
            CHECK(closes_on_exec(fd));
            n++;
        }
    }
    CHECK(n >= 2);
    loop_free(loop);
    for (int fd = 0; fd < 64; fd++)
        CHECK(was_open[fd] == (fcntl(fd, F_GETFD) != -1));
}

/* All kinds of callbacks */

/* Every call that a callback may make. None is nested in another callback. */
static void call_everything(void *arg)
{
    static struct loop_timer t = {.cb = note_cb, .arg = "!"};
    static struct loop_task task = {.cb = note_cb, .arg = "."};
    static struct loop_owned mine;
    static bool inside;
    int fds[2];

    CHECK(!inside);
    inside = true;
    note(arg);
    CHECK(pipe(fds) == 0);
    CHECK(loop_watch(loop, fds[1], NULL, note_cb, "!") == 0);
    loop_unwatch(loop, fds[1]);
    loop_timer_start(loop, &t, 0, 0);
    loop_timer_stop(loop, &t);
    CHECK(loop_signal(loop, SIGUSR2, note_cb, "!") == 0);
    raise(SIGUSR2);
    CHECK(loop_signal(loop, SIGUSR2, NULL, NULL) == 0);
    CHECK(loop_own(loop, &mine) == 0);
    loop_disown(&mine);
    loop_defer(loop, &task);
    close(fds[0]);
    close(fds[1]);
    if (*(char *)arg == 'd')
        loop_stop(loop);
    inside = false;
}

static void note_wait(void)
{
    note("w");
}

TEST(life, phases,
     "Each iteration has four phases: timers that are due, the wait, I/O, "
     "deferred tasks. Every callback runs inside loop_run, one after the "
     "other, and must not block: while it runs, everything else waits. Every "
     "callback has this type. arg is the pointer that was given with it. Any "
     "callback may call any function except loop_run and loop_free.")
{
    int fds[2];

    start();
    CHECK(pipe(fds) == 0 && write(fds[1], "x", 1) == 1);
    signal(SIGUSR2, SIG_IGN);
    CHECK(loop_watch(loop, fds[0], call_everything, NULL, "i") == 0);
    timer(-1, 0, call_everything, "t");
    tasks[0] = (struct loop_task){.cb = call_everything, .arg = "d"};
    hook_pass_ms(1); /* or the timer isn't due, as the clock is rounded */
    hook_before_wait = note_wait;
    loop_defer(loop, &tasks[0]);
    CHECK(runs("twid.")); /* each callback defers it, the first one counts */
    /* The wait is none if a task is deferred, however late the timer is. */
    timer(5000, 0, note_cb, "!");
    tasks[0] = (struct loop_task){.cb = stop_cb, .arg = loop};
    loop_unwatch(loop, fds[0]);
    loop_defer(loop, &tasks[0]);
    hook_last_timeout = -1;
    CHECK(loop_run(loop) == 0 && hook_last_timeout == 0);
    close(fds[0]);
    close(fds[1]);
    end();
}

static void pass_50_ms(void *arg)
{
    note(arg);
    hook_pass_ms(50);
}

TEST(timers, slow_timer,
     "Calls t->cb after after_ms, never earlier; then, if repeat_ms isn't 0, "
     "every repeat_ms. Negative times count as 0.")
{
    start();
    /* While the first is slow, the second becomes due: the wait is none. */
    timer(1, 0, pass_50_ms, "s");
    timer(10, -5, note_cb, "n");
    CHECK(runs("sn") && hook_last_timeout == 0);
    timer(INT64_MIN, INT64_MIN, note_cb, "m");
    CHECK(runs("snm"));
    /* The shortest that repeats. */
    trace[0] = '\0';
    struct loop_timer *t = timer(1, 1, note_cb, "r");
    timer(3, 0, stop_cb, loop);
    CHECK(runs("rrr"));
    loop_timer_stop(loop, t);
    /* A repeating one that is always late: once in an iteration. */
    timer(5, 5, pass_50_ms, "s");
    timer(320, 0, stop_cb, loop);
    hook_n_waits = 0;
    trace[0] = '\0';
    CHECK(runs("ssssssss") && hook_n_waits >= 8);
    end();
}

static void count_down(void *arg)
{
    int *left = arg;

    note("r");
    if (--*left == 0)
        loop_stop(loop);
}

TEST(descriptors, level_triggered,
     "Calls on_readable(arg) in each iteration in which fd is readable (data, "
     "EOF, a connection to accept), and on_writable(arg) likewise (room to "
     "write, or connect is done): level-triggered.")
{
    static char big[400000];
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof(in);
    int left = 3;
    int fds[2];
    char byte;

    start();
    pair(fds, true);
    CHECK(loop_watch(loop, fds[0], count_down, NULL, &left) == 0);
    CHECK(runs("rrr")); /* data */
    CHECK(read(fds[0], &byte, 1) == 1);
    timer(10, 0, stop_cb, loop);
    CHECK(runs("rrr"));
    left = 2;
    CHECK(loop_watch(loop, fds[0], NULL, count_down, &left) == 0);
    CHECK(runs("rrrrr")); /* room to write */
    while (send(fds[0], big, sizeof(big), MSG_DONTWAIT) > 0)
        continue;
    timer(10, 0, stop_cb, loop);
    CHECK(runs("rrrrr"));
    while (recv(fds[1], big, sizeof(big), MSG_DONTWAIT) > 0)
        continue;
    left = 1;
    CHECK(runs("rrrrrr"));
    shutdown(fds[1], SHUT_WR);
    left = 2;
    CHECK(loop_watch(loop, fds[0], count_down, NULL, &left) == 0);
    CHECK(runs("rrrrrrrr")); /* EOF */
    loop_unwatch(loop, fds[0]);
    /* A connection to accept; connect is done. */
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(listener, (struct sockaddr *)&in, sizeof(in)) == 0);
    CHECK(listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&in, &len) == 0);
    on_read(listener, note_once, "a");
    timer(10, 0, stop_cb, loop);
    trace[0] = '\0';
    CHECK(runs(""));
    CHECK(connect(client, (struct sockaddr *)&in, sizeof(in)) == 0 ||
          errno == EINPROGRESS);
    hook_virtual_time = false;
    CHECK(runs("a"));
    on_write(client, note_once, "c");
    CHECK(runs("ac"));
    close(client);
    close(listener);
    end();
}

static void note_readable(void *arg)
{
    note("r");
    (void)arg;
}

static void note_writable(void *arg)
{
    note("w");
    loop_stop(arg);
}

TEST(descriptors, hang_up_calls_all,
     "An error or a hang-up calls every callback that is set: the next read "
     "or write says what is wrong.")
{
    int fds[2];

    start();
    pair(fds, false);
    close(fds[1]); /* a hang-up */
    CHECK(loop_watch(loop, fds[0], note_readable, note_writable, loop) == 0);
    CHECK(runs("rw"));
    loop_unwatch(loop, fds[0]);
    CHECK(pipe(fds) == 0);
    close(fds[0]); /* an error */
    CHECK(loop_watch(loop, fds[1], note_readable, note_writable, loop) == 0);
    CHECK(runs("rwrw"));
    CHECK(loop_watch(loop, fds[1], stop_cb, NULL, loop) == 0); /* it alone */
    CHECK(runs("rwrw"));
    close(fds[1]);
    end();
}

TEST(descriptors, stdin_is_one,
     "From now on nothing is called for fd, not even for an event that has "
     "been seen.")
{
    int fds[2];

    start();
    pair(fds, true);
    CHECK(dup2(fds[0], 0) == 0);
    CHECK(loop_watch(loop, 0, stop_cb, NULL, loop) == 0);
    CHECK(loop_run(loop) == 0);
    loop_unwatch(loop, 0);
    timer(10, 0, note_cb, "t");
    hook_n_waits = 0;
    CHECK(runs("t") && hook_n_waits <= 2); /* nothing is watched */
    end();
}

static void note_and_write(void *arg)
{
    int *fd = arg;

    note("r");
    hook_n_waits = 0;
    CHECK(loop_watch(loop, *fd, NULL, note_writable, loop) == 0);
}

TEST(descriptors, replaced_in_its_iteration,
     "For an fd that is watched already, this replaces callbacks and arg.")
{
    int fds[2];

    start();
    pair(fds, true);
    CHECK(loop_watch(loop, fds[0], note_and_write, note_fd, &fds[0]) == 0);
    CHECK(runs("rw") && hook_n_waits == 0); /* in the same iteration */
    end();
}

TEST(tasks, tasks_need_no_memory, "The caller's memory, as a timer is.")
{
    start();
    hook_n_allocs = 0;
    tasks[0] = (struct loop_task){.cb = note_cb, .arg = "d"};
    loop_defer(loop, &tasks[0]);
    owned[0] = (struct loop_owned){.cb = note_cb, .arg = "!"};
    CHECK(loop_own(loop, &owned[0]) == 0);
    loop_disown(&owned[0]);
    CHECK(runs("d") && hook_n_allocs == 0);
    end();
}

TEST(signals, all_numbers,
     "Returns 0, or -1: EINVAL for a signo that can't be caught or is above "
     "64, EBUSY if another loop has it.")
{
    struct sigaction now;

    start();
    CHECK(loop_signal(loop, SIGHUP, note_and_stop, "h") == 0); /* 1 */
    /* qemu and valgrind keep some of the last ones for themselves. */
    int last = getenv("LOOP_RUN") == NULL ? 64 : SIGRTMIN;
    CHECK(loop_signal(loop, last, note_and_stop, "m") == 0);
    raise(SIGHUP);
    raise(last);
    timer(1000, 0, stop_cb, loop);
    CHECK(runs("hm"));
    /* System calls go on after it. */
    sigaction(SIGHUP, NULL, &now);
    CHECK(now.sa_flags & SA_RESTART);
    /* What has come in before is another loop's. */
    raise(SIGHUP);
    loop_free(loop);
    start();
    CHECK(loop_signal(loop, SIGHUP, note_and_stop, "h") == 0);
    CHECK(loop_signal(loop, SIGUSR1, note_and_stop, "u") == 0);
    raise(SIGUSR1);
    timer(10, 0, stop_cb, loop);
    CHECK(runs("u"));
    /* A signal that can't be caught is nobody's. */
    CHECK(loop_signal(loop, SIGSTOP, note_cb, "!") == -1 && errno == EINVAL);
    CHECK(loop_signal(loop, SIGSTOP, note_cb, "!") == -1 && errno == EINVAL);
    CHECK(loop_signal(loop, SIGSTOP, NULL, NULL) == 0);
    end();
}

TEST(signals, interrupted_note,
     "A signal isn't lost if the write to the loop's pipe is interrupted.")
{
    start();
    CHECK(loop_signal(loop, SIGUSR1, note_and_stop, "u") == 0);
    timer(1000, 0, stop_cb, loop);
    hook_write_fails = (struct hook_failure){2, EINTR};
    raise(SIGUSR1);
    CHECK(runs("u"));
    /* But nothing is tried for ever. */
    hook_write_fails = (struct hook_failure){1000, EIO};
    hook_n_writes = 0;
    raise(SIGUSR1);
    CHECK(hook_n_writes < 10);
    hook_write_fails.times = 0;
    end();
}

TEST(life, out_of_descriptors, "Returns NULL with ENOMEM, EMFILE or ENFILE.")
{
    struct rlimit limit;
    int n;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (n = 3; n < 10; n++) {
        limit.rlim_cur = n;
        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        errno = 0;
        loop = loop_new();
        if (loop != NULL)
            break;
        CHECK(errno == EMFILE && hook_bytes == 0);
        CHECK(fcntl(3, F_GETFD) == -1);
    }
    CHECK(n == 5 || n == 6); /* the pipe's, and epoll's */
    loop_free(loop);
    for (int i = 0; i < 4; i++) {
        hook_fcntl_fails = (struct hook_failure){1, ENOMEM};
        errno = 0;
        CHECK(loop_new() == NULL && errno == ENOMEM && hook_bytes == 0);
        CHECK(fcntl(3, F_GETFD) == -1);
    }
}

/* Failing allocations */

/* For a file, which is ready all the time: how often isn't foreseen. */
static void count_calls(void *arg)
{
    struct source *s = arg;

    s->n++;
}

/* Everything that allocates. Returns false if something failed, with
   ENOMEM. */
static bool allocate_all(int fd)
{
    struct source s = {.fd = fd, .letter = "x"};
    struct loop_timer t = {.cb = stop_cb};
    bool ok = false;
    int file = open("/proc/self/exe", 0);

    loop = loop_new();
    errno = loop == NULL ? errno : 0;
    if (loop != NULL && loop_watch(loop, fd, note_fd, NULL, &s) == 0 &&
        loop_watch(loop, 700, note_fd, NULL, &s) == 0 &&
        loop_watch(loop, file, count_calls, NULL, &s) == 0 &&
        loop_signal(loop, SIGUSR1, note_cb, "u") == 0)
        ok = true;
    CHECK(ok || errno == ENOMEM);
    /* It can still be used. */
    t.arg = loop;
    if (loop != NULL) {
        loop_timer_start(loop, &t, 0, 0);
        CHECK(loop_run(loop) == 0);
    }
    loop_free(loop);
    close(file);
    return ok;
}

TEST(memory, allocations_fail,
     "Functions that return an int or a pointer return -1 or NULL on failure "
     "and set errno; then nothing has changed that a callback could notice.")
{
    long n = 0;
    int fds[2];

    pair(fds, false);
    CHECK(dup2(fds[0], 700) == 700);
    do {
        hook_fail_alloc = ++n;
    } while (!allocate_all(fds[0]));
    CHECK(n > 4);
    hook_fail_alloc = 0;
    CHECK(hook_bytes == 0);
    close(700);
}
