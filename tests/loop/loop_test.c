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

static struct loop *loop;

/* What has been called, in order: a letter each. */
static char trace[4096];

static void start(void)
{
    loop = loop_new();
    CHECK(loop != NULL);
    trace[0] = '\0';
}

static void note(const char *letter)
{
    CHECK(strlen(trace) + 1 < sizeof(trace));
    strcat(trace, letter);
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
    if (ready)
        CHECK(write(fds[1], "x", 1) == 1);
}

static void close_pair(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

/* The loop's life */

static void nothing_to_do(void)
{
    start();
    CHECK(loop_run(loop) == 0);
    CHECK(loop_run(loop) == 0);
    CHECK(hook_n_waits == 0);
    loop_free(loop);
    loop_free(NULL);
}

static void single_timer(void)
{
    start();
    hook_virtual_time = true;
    timer(10, 0, note_cb, "a");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "a") == 0);
    loop_free(loop);
}

static void run_again(void *arg)
{
    errno = 0;
    CHECK(loop_run(arg) == -1 && errno == EBUSY);
    note("r");
    loop_stop(arg);
}

static void stop_and_run_again(void)
{
    int fds[2];

    start();
    hook_virtual_time = true;
    pair(fds, true);
    loop_stop(loop); /* it isn't running: no effect */
    timer(0, 0, run_again, loop);
    timer(5000, 0, note_cb, "b");
    struct loop_task task = {.cb = note_cb, .arg = "d"};
    loop_defer(loop, &task);
    on_read(fds[0], note_once, "i");
    CHECK(loop_run(loop) == 0);
    /* The iteration is completed, and the 5 s aren't waited for. */
    CHECK(strcmp(trace, "rid") == 0 || strcmp(trace, "idri") == 0 ||
          strcmp(trace, "idr") == 0);
    CHECK(loop_run(loop) == 0);
    CHECK(trace[3] == 'b' && trace[4] == '\0');
    CHECK(loop_run(loop) == 0);
    loop_free(loop);
    close_pair(fds);
}

static int64_t seen_now;

static void slow_cb(void *arg)
{
    int64_t now = hook_clock_ms();

    seen_now = loop_now(arg);
    while (hook_clock_ms() < now + 3)
        continue;
    CHECK(loop_now(arg) == seen_now);
}

static void same_now_cb(void *arg)
{
    CHECK(loop_now(arg) == seen_now);
    note("n");
}

static void now_is_cached(void)
{
    start();
    struct loop_task first = {.cb = slow_cb, .arg = loop};
    struct loop_task second = {.cb = same_now_cb, .arg = loop};

    loop_defer(loop, &first);
    loop_defer(loop, &second);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "n") == 0);
    timer(0, 0, stop_cb, loop);
    CHECK(loop_run(loop) == 0);
    CHECK(loop_now(loop) >= seen_now + 3 && loop_now(loop) <= hook_clock_ms());
    loop_free(loop);
}

/* A wait that fails loses nothing: timers, tasks, events, not even a stop. */
static void wait_fails(void)
{
    int fds[2];

    start();
    hook_virtual_time = true;
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
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "idt") == 0);
    loop_free(loop);
    close_pair(fds);
}

static void stop_is_kept(void)
{
    start();
    hook_virtual_time = true;
    timer(-1, 0, stop_cb, loop);
    timer(5000, 0, note_cb, "l");
    hook_wait_error = ENOMEM; /* the wait for the first timer's time */
    CHECK(loop_run(loop) == -1);
    hook_virtual_time = false;
    usleep(3000);
    hook_wait_error = ENOMEM; /* the wait after its callback */
    CHECK(loop_run(loop) == -1);
    CHECK(loop_run(loop) == 0 && trace[0] == '\0'); /* stops at once */
    loop_free(loop);
}

/* What is running when the loop is freed may be started on another one. */
static void free_forgets(void)
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
    hook_virtual_time = true;
    loop_timer_stop(loop, t);
    loop_timer_start(loop, t, 1, 0);
    loop_defer(loop, &task);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "dt") == 0);
    loop_free(loop);
    CHECK(hook_bytes == 0);
    close_pair(fds);
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

static void owned_end_with_the_loop(void)
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
    close_pair(owned_fds);
}

/* A forked child frees the loop; what the parent watches stays watched. */
static void free_in_a_child(void)
{
    int fds[2];

    start();
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
    CHECK(strcmp(trace, "si") == 0 || strcmp(trace, "is") == 0 ||
          strcmp(trace, "i") == 0);
    loop_free(loop);
    close_pair(fds);
}

/* Timers */

static void timer_order(void)
{
    start();
    hook_virtual_time = true;
    timer(30, 0, note_cb, "d");
    timer(10, 0, note_cb, "a");
    timer(20, 0, note_cb, "b");
    timer(20, 0, note_cb, "c");
    timer(-5, 0, note_cb, "_");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "_abcd") == 0);
    loop_free(loop);
}

/* At the same time, they run in the order of their start, also many, also
   after others were stopped. */
static void timer_ties(void)
{
    static char letters[26][2];

    start();
    hook_virtual_time = true;
    for (int i = 0; i < 26; i++) {
        letters[i][0] = 'a' + i;
        timer(i % 2 == 0 ? 50 : 20, 0, note_cb, letters[i]);
    }
    loop_timer_stop(loop, &timers[1]);
    loop_timer_stop(loop, &timers[4]);
    loop_timer_start(loop, &timers[0], 50, 0); /* again: the last of all */
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "dfhjlnprtvxzcgikmoqsuwya") == 0);
    loop_free(loop);
}

static void not_early(void *arg)
{
    const int64_t *due = arg;

    CHECK(hook_clock_ms() >= *due);
}

static void timer_never_early(void)
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
    loop_free(loop);
}

static void stop_timer(void *arg)
{
    note("s");
    loop_timer_stop(loop, arg);
}

static void timer_stop_in_callbacks(void)
{
    start();
    hook_virtual_time = true;
    /* Itself, which repeats; another one that is due as well; a later one; one
       that is just running. */
    timer(5, 5, stop_timer, &timers[0]);
    timer(20, 0, stop_timer, &timers[2]);
    timer(20, 0, note_cb, "x");
    timer(30, 0, stop_timer, &timers[4]);
    timer(40, 0, note_cb, "y");
    timer(50, 0, stop_timer, &timers[5]);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "ssss") == 0);
    struct loop_timer never = {.cb = note_cb, .arg = "n"};
    timer(1, 0, note_cb, "z");
    for (int i = 0; i < 6; i++)
        loop_timer_stop(loop, &timers[i]);
    loop_timer_stop(loop, &never);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "ssssz") == 0);
    loop_free(loop);
}

/* Starting a running timer restarts it, from a callback, too. */
static void restart_other(void *arg)
{
    note("r");
    loop_timer_start(loop, arg, 100, 0);
}

static void timer_restarts(void)
{
    start();
    hook_virtual_time = true;
    int64_t began = hook_clock_ms();
    struct loop_timer *t = timer(10, 10, note_cb, "t");
    timer(5, 0, restart_other, t);
    loop_timer_start(loop, t, 20, 0);
    loop_timer_start(loop, t, 30, 0);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "rt") == 0);
    CHECK(hook_clock_ms() >= began + 105 && hook_clock_ms() < began + 120);
    loop_free(loop);
}

static void free_timer(void *arg)
{
    note("f");
    free(arg);
}

static void timer_may_be_freed(void)
{
    start();
    hook_virtual_time = true;
    for (int i = 0; i < 3; i++) {
        struct loop_timer *t = calloc(1, sizeof(*t));
        CHECK(t != NULL);
        t->cb = free_timer;
        t->arg = t;
        loop_timer_start(loop, t, i / 2, 0);
    }
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "fff") == 0);
    loop_free(loop);
    CHECK(hook_bytes == 0);
}

/* Starting and stopping them needs no memory. */
static void timers_need_no_memory(void)
{
    start();
    hook_virtual_time = true;
    hook_n_allocs = 0;
    for (int i = 0; i < 1000; i++)
        timer(i % 10, 0, note_cb, i % 10 == 0 ? "x" : "");
    for (int i = 0; i < 500; i++)
        loop_timer_stop(loop, &timers[i]);
    CHECK(loop_run(loop) == 0);
    CHECK(hook_n_allocs == 0 && strlen(trace) == 50);
    loop_free(loop);
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

static void timer_repeats(void)
{
    start();
    hook_virtual_time = true;
    began = hook_clock_ms();
    n_beats = 0;
    timer(10, 10, beat, &timers[0]);
    CHECK(loop_run(loop) == 0);
    CHECK(n_beats == 100);
    loop_free(loop);
}

/* Each beat is a little late, the next one comes at its time even so. */
/* Keeps the loop busy when a beat is due, so that the beat is late. */
static void hold_up(void *arg)
{
    int64_t now = hook_clock_ms();

    CHECK(arg != NULL);
    while (hook_clock_ms() < now + 7)
        continue;
}

static struct loop_timer holder = {.cb = hold_up, .arg = &holder};

static void late_by_a_little(void *arg)
{
    int64_t late = hook_clock_ms() - (began + 1 + 40 * ++n_beats);

    /* 6 ms that added up would be 150 at the end. */
    CHECK(late >= 0 && late < 100);
    if (n_beats == 25)
        loop_timer_stop(loop, arg);
    else
        loop_timer_start(loop, &holder, 38, 0);
}

static void timer_does_not_drift(void)
{
    start();
    began = hook_clock_ms();
    n_beats = 0;
    timer(40, 40, late_by_a_little, &timers[0]);
    loop_timer_start(loop, &holder, 38, 0);
    CHECK(loop_run(loop) == 0);
    loop_free(loop);
}

static void late_beat(void *arg)
{
    int64_t now = hook_clock_ms();

    if (++n_beats == 1) {
        while (hook_clock_ms() < now + 50)
            continue;
    }
    if (n_beats == 4)
        loop_stop(arg);
}

static void timer_skips_missed_beats(void)
{
    start();
    int64_t now = hook_clock_ms();

    n_beats = 0;
    timer(5, 5, late_beat, loop);
    CHECK(loop_run(loop) == 0);
    /* 5, 55 and, not all at once, two more. */
    CHECK(hook_clock_ms() >= now + 55 + 2 * 5 - 2);
    loop_free(loop);
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

static void timer_of_zero_starves_nobody(void)
{
    int fds[2];

    start();
    pair(fds, true);
    on_read(fds[0], count_then_stop, "i");
    timer(0, 0, restart_at_once, &timers[0]);
    timer(0, 1, note_cb, "r");
    CHECK(loop_run(loop) == 0);
    loop_free(loop);
    close_pair(fds);
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

static void thousand_timers(void)
{
    static int64_t due[1000];
    unsigned random = 1;

    start();
    hook_virtual_time = true;
    for (int i = 0; i < 1000; i++) {
        random = random * 1103515245 + 12345;
        due[i] = (random >> 16) % 500 * 20;
        timer(due[i], 0, in_order, &due[i]);
    }
    for (int i = 0; i < 1000; i += 2)
        loop_timer_stop(loop, &timers[i * 7 % 1000]);
    CHECK(loop_run(loop) == 0);
    CHECK(n_run == 500);
    loop_free(loop);
}

/* A hundred thousand, in the worst orders: a list would need minutes. */
static void many_timers_are_cheap(void)
{
    enum { N = 100000 };
    static struct loop_timer many[N];
    static int64_t due[N];

    start();
    hook_virtual_time = true;
    for (int i = 0; i < N; i++) {
        int64_t ms = i % 3 == 0 ? i : N - i;
        due[i] = ms;
        many[i].cb = in_order;
        many[i].arg = &due[i];
        loop_timer_start(loop, &many[i], ms, 0);
    }
    for (int i = 0; i < N; i += 2)
        loop_timer_start(loop, &many[i], due[i] = N + i, 0);
    for (int i = 0; i < N; i += 5)
        loop_timer_stop(loop, &many[i]);
    CHECK(loop_run(loop) == 0);
    CHECK(n_run == N - N / 5);
    loop_free(loop);
}

static void thirty_days(void)
{
    start();
    int64_t now = hook_clock_ms();

    hook_virtual_time = true;
    timer(30 * DAY_MS, 0, note_cb, "m");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "m") == 0);
    CHECK(hook_clock_ms() >= now + 30 * DAY_MS);
    CHECK(hook_clock_ms() < now + 31 * DAY_MS);
    CHECK(hook_n_waits <= 4); /* INT_MAX ms are 24.8 days */
    timer(INT64_MAX, INT64_MAX, note_cb, "never");
    timer(10, 0, stop_cb, loop);
    CHECK(loop_run(loop) == 0);
    loop_free(loop);
}

static void wall_clock_jumps(void)
{
    start();
    int64_t due = hook_clock_ms() + 30;

    timer(30, 0, not_early, &due);
    hook_wall_jump_s = 3600;
    timer(10, 0, note_cb, "a");
    CHECK(loop_run(loop) == 0);
    hook_wall_jump_s = -3600;
    timer(10, 0, note_cb, "b");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "ab") == 0);
    CHECK(hook_n_wall_clock == 0); /* it doesn't even look */
    CHECK(hook_clock_ms() < due + 60000);
    loop_free(loop);
}

/* Descriptors */

static void unwatch_in_callback(void)
{
    int fds[2];

    start();
    pair(fds, true);
    on_read(fds[0], note_once, "a");
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

/* Unwatches the other one of the first two pairs, and itself. */
static void unwatch_both(void *arg)
{
    note_fd(arg);
    loop_unwatch(loop, pairs[0][0]);
    loop_unwatch(loop, pairs[1][0]);
}

static void unwatch_other_in_batch(void)
{
    start();
    pair(pairs[0], true);
    pair(pairs[1], true);
    on_read(pairs[0][0], unwatch_both, "u");
    on_read(pairs[1][0], unwatch_both, "u");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "u") == 0);
    loop_free(loop);
    close_pair(pairs[0]);
    close_pair(pairs[1]);
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

static void stale_event(void)
{
    start();
    pair(pairs[0], true);
    pair(pairs[1], true);
    on_read(pairs[0][0], reuse_other, "r");
    on_read(pairs[1][0], reuse_other, "r");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "r") == 0);
    /* The new one's own events do come. */
    CHECK(write(reuse_peer, "x", 1) == 1);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "rstale") == 0);
    close(reuse_peer);
    loop_free(loop);
    close_pair(pairs[0]);
    close_pair(pairs[1]);
}

static void close_in_callback(void *arg)
{
    struct source *s = arg;

    note_once(arg);
    close(s->fd);
}

static void closes_in_callback(void)
{
    int fds[2];

    start();
    pair(fds, true);
    on_read(fds[0], close_in_callback, "c");
    CHECK(loop_run(loop) == 0);
    close(fds[1]);
    pair(fds, true); /* the same number */
    on_read(fds[0], close_in_callback, "c");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "cc") == 0);
    close(fds[1]);
    loop_free(loop);
}

static void other_note_once(void *arg)
{
    note("o");
    note_once(arg);
}

/* Each callback and arg is replaced, also when the events stay the same. */
static void watch_replaces(void)
{
    int fds[2];

    start();
    pair(fds, true);
    CHECK(loop_watch(loop, fds[0], note_once, note_once,
                     source(fds[0], "a")) == 0);
    on_write(fds[0], note_once, "b");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "b") == 0);
    on_read(fds[0], note_once, "c");
    on_read(fds[0], other_note_once, "c");
    on_read(fds[0], other_note_once, "d");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "bod") == 0);
    errno = 0;
    CHECK(loop_watch(loop, -1, note_fd, NULL, sources) == -1);
    CHECK(errno == EBADF);
    loop_free(loop);
    close_pair(fds);
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

/* Readable comes before writable, which then may be gone. */
static void readable_first(void)
{
    int fds[2];

    start();
    pair(fds, true);
    CHECK(loop_watch(loop, fds[0], note_fd, note_once, source(fds[0], "b")) ==
          0);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "bb") == 0);
    /* The first call unwatches and closes. */
    CHECK(loop_watch(loop, fds[0], close_and_note, note_fd,
                     source(fds[0], "c")) == 0);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "bbc") == 0);
    close(fds[1]);
    /* The first call ends the interest in writing. */
    pair(fds, true);
    CHECK(loop_watch(loop, fds[0], drop_write, note_fd, source(fds[0], "!")) ==
          0);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "bbcrR") == 0);
    /* The first call puts another descriptor in its place. */
    CHECK(loop_watch(loop, fds[0], replace_fd, note_fd, source(fds[0], "!")) ==
          0);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "bbcrRp") == 0);
    close(reuse_peer);
    loop_free(loop);
    close_pair(fds);
}

static void watch_large_number(void)
{
    int fds[2];

    start();
    pair(fds, true);
    CHECK(dup2(fds[0], 900) == 900);
    on_read(900, note_once, "a");
    on_read(fds[0], note_once, "a");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "aa") == 0);
    loop_free(loop);
    close_pair(fds);
    close(900);
}

/* No other is served while this one is: but it is only one of many. */
static void count_pair(void *arg)
{
    struct source *s = arg;

    if (++s->n == 20)
        loop_stop(loop);
}

static void all_get_their_turn(void)
{
    start();
    for (int i = 0; i < 300; i++) {
        pair(pairs[i], true);
        on_read(pairs[i][0], count_pair, "");
    }
    CHECK(loop_run(loop) == 0);
    for (int i = 0; i < 300; i++)
        CHECK(sources[i].n >= 15);
    loop_free(loop);
    for (int i = 0; i < 300; i++)
        close_pair(pairs[i]);
}

static void read_to_end(void *arg)
{
    struct source *s = arg;
    char buf[4096];

    if (read(s->fd, buf, sizeof(buf)) <= 0)
        note_once(arg);
}

static void files_are_ready(void)
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
    hook_virtual_time = true;
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

static void no_interest_no_spin(void)
{
    int fds[2];

    start();
    pair(fds, false);
    on_read(fds[0], note_fd, "x");
    CHECK(loop_watch(loop, fds[0], NULL, NULL, NULL) == 0);
    CHECK(loop_run(loop) == 0); /* it alone keeps nothing alive */
    close(fds[1]); /* a hang-up, which can't be masked */
    hook_virtual_time = true;
    hook_n_waits = 0;
    timer(1000, 0, note_cb, "t");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "t") == 0);
    CHECK(hook_n_waits <= 3);
    on_write(fds[0], note_once, "h");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "th") == 0);
    loop_free(loop);
    close(fds[0]);
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

static void deferred_order(void)
{
    start();
    pair(pairs[0], true);
    pair(pairs[1], true);
    for (int i = 0; i < 4; i++)
        tasks[i] =
            (struct loop_task){.cb = note_cb, .arg = &"a\0b\0c\0d"[2 * i]};
    on_read(pairs[0][0], defer_all, "i");
    on_read(pairs[1][0], note_once, "i");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "iiabcd") == 0);
    loop_free(loop);
    close_pair(pairs[0]);
    close_pair(pairs[1]);
}

static void defer_task(void *arg)
{
    note("s");
    loop_defer(loop, arg);
    loop_stop(loop);
}

/* A deferred task runs after all I/O, and still in the same iteration. */
static void deferred_comes_last(void)
{
    start();
    tasks[0] = (struct loop_task){.cb = note_cb, .arg = "d"};
    pair(pairs[0], true);
    CHECK(loop_signal(loop, SIGUSR1, defer_task, &tasks[0]) == 0);
    on_read(pairs[0][0], note_once, "i");
    raise(SIGUSR1);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "sid") == 0 || strcmp(trace, "isd") == 0);
    loop_free(loop);
    close_pair(pairs[0]);
}

static void deferred_is_bounded(void)
{
    start();
    struct loop_task task = {.cb = defer_more, .arg = &task};

    pair(pairs[0], true);
    on_read(pairs[0][0], note_fd, "i");
    loop_defer(loop, &task);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "ididididid") == 0);
    loop_free(loop);
    close_pair(pairs[0]);
}

static void free_task(void *arg)
{
    note("f");
    free(arg);
}

static void deferred_may_free(void)
{
    start();
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

static void note_and_stop(void *arg)
{
    note(arg);
    loop_stop(loop);
}

static void signal_during_wait(void)
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
    int fds[2];

    start();
    pair(fds, false);
    on_read(fds[0], note_fd, "x");
    CHECK(loop_signal(loop, SIGUSR1, note_and_stop, "u") == 0);
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
    start();
    CHECK(loop_signal(loop, SIGUSR1, note_cb, "u") == 0);
    CHECK(loop_run(loop) == 0);
    CHECK(hook_n_waits == 0);
    loop_free(loop);
}

static void signal_storm(void)
{
    start();
    CHECK(loop_signal(loop, SIGUSR1, note_and_stop, "1") == 0);
    CHECK(loop_signal(loop, SIGUSR2, note_and_stop, "2") == 0);
    for (int i = 0; i < 70000; i++) { /* a pipe holds 65536 */
        errno = 4711;
        raise(SIGUSR1);
        CHECK(errno == 4711);
    }
    raise(SIGUSR2);
    timer(100000, 0, note_cb, "x");
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "12") == 0); /* merged, but none is lost */
    loop_free(loop);
}

static void ignore_other(void *arg)
{
    note("1");
    CHECK(loop_signal(loop, *(int *)arg, NULL, NULL) == 0);
}

/* A callback may end another signal that has come in as well. */
static void signal_unwatched_in_callback(void)
{
    int other = SIGUSR2;

    start();
    signal(SIGUSR2, SIG_IGN);
    CHECK(loop_signal(loop, SIGUSR1, ignore_other, &other) == 0);
    CHECK(loop_signal(loop, SIGUSR2, note_cb, "2") == 0);
    raise(SIGUSR1);
    raise(SIGUSR2);
    timer(10, 0, stop_cb, loop);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "1") == 0);
    loop_free(loop);
}

static void signal_is_unblocked(void)
{
    sigset_t set;

    sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    start();
    raise(SIGUSR1);
    CHECK(loop_signal(loop, SIGUSR1, note_and_stop, "u") == 0);
    timer(1000, 0, stop_cb, loop);
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "u") == 0);
    sigprocmask(SIG_SETMASK, NULL, &set);
    CHECK(!sigismember(&set, SIGUSR1) && sigismember(&set, SIGUSR2));
    loop_free(loop);
}

static int n_ignored;

static void ignore(int signo)
{
    n_ignored += signo > 0;
}

static void signal_gives_back(void)
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
    CHECK(loop_run(loop) == 0);
    CHECK(strcmp(trace, "!") == 0);
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

static void descriptors_close_on_exec(void)
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

static void allocations_fail(void)
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
    close_pair(fds);
    close(700);
}

const struct test loop_tests[] = {
    {"nothing_to_do", nothing_to_do},
    {"single_timer", single_timer},
    {"stop_and_run_again", stop_and_run_again},
    {"now_is_cached", now_is_cached},
    {"wait_fails", wait_fails},
    {"stop_is_kept", stop_is_kept},
    {"free_forgets", free_forgets},
    {"owned_end_with_the_loop", owned_end_with_the_loop},
    {"free_in_a_child", free_in_a_child},
    {"timer_order", timer_order},
    {"timer_ties", timer_ties},
    {"timer_never_early", timer_never_early},
    {"timer_stop_in_callbacks", timer_stop_in_callbacks},
    {"timer_restarts", timer_restarts},
    {"timer_may_be_freed", timer_may_be_freed},
    {"timers_need_no_memory", timers_need_no_memory},
    {"timer_repeats", timer_repeats},
    {"timer_does_not_drift", timer_does_not_drift},
    {"timer_skips_missed_beats", timer_skips_missed_beats},
    {"timer_of_zero_starves_nobody", timer_of_zero_starves_nobody},
    {"thousand_timers", thousand_timers},
    {"many_timers_are_cheap", many_timers_are_cheap},
    {"thirty_days", thirty_days},
    {"wall_clock_jumps", wall_clock_jumps},
    {"unwatch_in_callback", unwatch_in_callback},
    {"unwatch_other_in_batch", unwatch_other_in_batch},
    {"stale_event", stale_event},
    {"closes_in_callback", closes_in_callback},
    {"watch_replaces", watch_replaces},
    {"readable_first", readable_first},
    {"watch_large_number", watch_large_number},
    {"all_get_their_turn", all_get_their_turn},
    {"files_are_ready", files_are_ready},
    {"no_interest_no_spin", no_interest_no_spin},
    {"deferred_order", deferred_order},
    {"deferred_comes_last", deferred_comes_last},
    {"deferred_is_bounded", deferred_is_bounded},
    {"deferred_may_free", deferred_may_free},
    {"signal_during_wait", signal_during_wait},
    {"signal_just_before_wait", signal_just_before_wait},
    {"signals_alone_end", signals_alone_end},
    {"signal_storm", signal_storm},
    {"signal_unwatched_in_callback", signal_unwatched_in_callback},
    {"signal_is_unblocked", signal_is_unblocked},
    {"signal_gives_back", signal_gives_back},
    {"descriptors_close_on_exec", descriptors_close_on_exec},
    {"allocations_fail", allocations_fail},
    {NULL, NULL},
};
