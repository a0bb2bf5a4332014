/*
 * program_test.c -- promises of program.h and workers.h, one by one
 *
 * What may exit runs in a child, whose stdout and stderr the test reads. The
 * clock is virtual in the child, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hooks.h"
#include "program.h"
#include "workers.h"

#define PROMISED_IN "program.h"

/* How a child has ended, and what it has said. */
static int status;
static char out[2000];
static char err[2000];

static void read_all(int fd, char *buf, size_t size)
{
    size_t end = 0;
    ssize_t n;

    while (end + 1 < size && (n = read(fd, buf + end, size - 1 - end)) > 0)
        end += n;
    buf[end] = '\0';
    close(fd);
}

/* Forks. Returns true in the child; in the parent, false when it has ended. */
static bool in_child(void)
{
    int fds[2][2];

    CHECK(pipe(fds[0]) == 0 && pipe(fds[1]) == 0);
    pid_t child = fork();
    CHECK(child != -1);
    hook_n_forks = 0;
    if (child == 0) {
        for (int i = 0; i < 2; i++) {
            dup2(fds[i][1], i + 1);
            close(fds[i][0]);
            close(fds[i][1]);
        }
        hook_virtual_time = true;
        return true;
    }
    close(fds[0][1]);
    close(fds[1][1]);
    read_all(fds[0][0], out, sizeof(out));
    read_all(fds[1][0], err, sizeof(err));
    CHECK(waitpid(child, &status, 0) == child);
    return false;
}

static bool exited(int expected)
{
    bool so = WIFEXITED(status) && WEXITSTATUS(status) == expected;

    if (!so)
        fprintf(stderr, "status %d\nout: %serr: %s\n", status, out, err);
    return so;
}

static bool says(const char *text, const char *expected)
{
    if (strcmp(text, expected) != 0)
        fprintf(stderr, "it says: %s\nexpected: %s\n", text, expected);
    return strcmp(text, expected) == 0;
}

/* Options */

static const char usage[] = "usage: use it\n";

/* Runs program_options on these words, up to NULL. Prints what it returns. */
static void options(const char *allowed, char *a, char *b, char *c, char *d)
{
    char name[] = "program";
    char *argv[] = {name, a, b, c, d, NULL};
    int argc = 1;

    while (argv[argc] != NULL)
        argc++;
    if (!in_child())
        return;
    optind = 1;
    opterr = 0;
    struct options o = program_options(argc, argv, allowed, usage);
    printf("%s %s %d %d\n", o.host, o.port, o.n_workers, o.idle_ms);
    exit(0);
}

/* Each word may be changed by getopt, so it's no constant. */
#define WORD(text) ((char[]){text})

TEST(program, options_are_read,
     "Reads the command line. allowed holds the letters, as for getopt(3).")
{
    static const struct {
        const char *words[2];
        const char *said;
    } cases[] = {
        {{"-w", "1"}, "localhost 8000 1 0\n"},
        {{"-w", "1024"}, "localhost 8000 1024 0\n"},
        {{"-t", "1"}, "localhost 8000 0 1000\n"},
        {{"-t", "2147483"}, "localhost 8000 0 2147483000\n"},
        {{"host", NULL}, "host 8000 0 0\n"},
        {{"host", "0"}, "host 0 0 0\n"},
        {{"host", "65535"}, "host 65535 0 0\n"},
        {{"--", "-w"}, "-w 8000 0 0\n"},
        {{NULL, NULL}, "localhost 8000 0 0\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        options("w:t:h", (char *)cases[i].words[0], (char *)cases[i].words[1],
                NULL, NULL);
        CHECK(exited(0) && says(out, cases[i].said) && says(err, ""));
    }
    options("w:t:h", WORD("-w3"), WORD("-t4"), WORD("host"), WORD("5"));
    CHECK(exited(0) && says(out, "host 5 3 4000\n") && says(err, ""));
}

TEST(program, wrong_options_are_refused,
     "If something is wrong, prints the reason and usage on stderr and exits "
     "with 2; after -h, prints usage on stdout and exits with 0.")
{
    static const struct {
        const char *words[2];
        const char *reason;
    } cases[] = {
        {{"-w", "0"}, "0 is not a number from 1 to 1024\n"},
        {{"-w", "1025"}, "1025 is not a number from 1 to 1024\n"},
        {{"-w", "-1"}, "-1 is not a number from 1 to 1024\n"},
        {{"-w", "+1"}, "+1 is not a number from 1 to 1024\n"},
        {{"-w", " 1"}, " 1 is not a number from 1 to 1024\n"},
        {{"-w", ""}, " is not a number from 1 to 1024\n"},
        {{"-w", "1x"}, "1x is not a number from 1 to 1024\n"},
        {{"-w", "4294967297"}, "4294967297 is not a number from 1 to 1024\n"},
        {{"-t", "0"}, "0 is not a number from 1 to 2147483\n"},
        {{"-t", "2147484"}, "2147484 is not a number from 1 to 2147483\n"},
        {{"host", "65536"}, "65536 is not a number from 0 to 65535\n"},
        {{"host", "-0"}, "-0 is not a number from 0 to 65535\n"},
        {{"host", ""}, " is not a number from 0 to 65535\n"},
        {{"-x", NULL}, ""},
        {{"-w", NULL}, ""},
    };
    char expected[200];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        options("w:t:h", (char *)cases[i].words[0], (char *)cases[i].words[1],
                NULL, NULL);
        snprintf(expected, sizeof(expected), "%s%s", cases[i].reason, usage);
        CHECK(exited(2) && says(err, expected) && says(out, ""));
    }
    options("w:t:h", WORD("a"), WORD("1"), WORD("c"), NULL);
    CHECK(exited(2) && says(err, usage) && says(out, ""));
    options("h", WORD("-w"), WORD("1"), NULL, NULL); /* not for this one */
    CHECK(exited(2) && says(err, usage) && says(out, ""));
    options("w:t:h", WORD("-h"), NULL, NULL, NULL);
    CHECK(exited(0) && says(out, usage) && says(err, ""));
}

/* Descriptors and signals */

/* True if fd is open, but can't be used as it should be. */
static bool is_useless(int fd)
{
    char byte = 'x';
    ssize_t n = fd == 0 ? read(fd, &byte, 1) : write(fd, &byte, 1);

    return n == -1 && errno == EBADF && fcntl(fd, F_GETFD) == 0;
}

TEST(program, prepares,
     "Ignores SIGPIPE and unblocks all signals (signal(7)), makes sure that "
     "no socket becomes descriptor 0, 1 or 2, and raises the file descriptor "
     "limit as far as allowed (getrlimit(2)). Call this before the first "
     "socket is made.")
{
    struct rlimit limit;
    struct sigaction action;
    sigset_t set;
    int fds[2];

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max / 2;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    signal(SIGPIPE, SIG_DFL);
    int saved = dup(2);
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    program_prepare();
    bool useless = is_useless(0) && is_useless(1) && is_useless(2);
    dup2(saved, 2); /* CHECK needs it */
    CHECK(useless);
    CHECK(sigaction(SIGPIPE, NULL, &action) == 0);
    CHECK(action.sa_handler == SIG_IGN);
    sigprocmask(SIG_SETMASK, NULL, &set);
    for (int signo = 1; signo < 32; signo++)
        CHECK(!sigismember(&set, signo));
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(limit.rlim_cur == limit.rlim_max);
    /* What is open is left alone. */
    CHECK(pipe(fds) == 0);
    dup2(fds[0], 0);
    dup2(fds[1], 1);
    program_prepare();
    CHECK(write(1, "y", 1) == 1);
    CHECK(read(0, out, 1) == 1 && out[0] == 'y');
}

/* Logging */

TEST(program, logs_once_a_second,
     "Logs a non-fatal error on stderr as \"what: why\", at most once a "
     "second for each such line in each process.")
{
    if (in_child()) {
        /* Whatever part of a second it is: to the beginning of the next. */
        hook_pass_ms(1000 - hook_clock_ms() % 1000);
        for (int i = 0; i < 5; i++) {
            program_log("accept", "no");
            program_log("fork", "not now");
            hook_pass_ms(150);
        }
        hook_pass_ms(250);
        program_log("accept", "no");
        program_log("accept", "no");
        hook_pass_ms(1000);
        program_log("fork", "not now");
        exit(0);
    }
    CHECK(exited(0) && says(out, ""));
    CHECK(says(err, "accept: no\nfork: not now\naccept: no\n"
                    "fork: not now\n"));
}

TEST(program, log_never_blocks,
     "Never blocks: while nobody reads stderr, the line is dropped.")
{
    char buf[4096] = "";
    int fds[2];

    CHECK(pipe(fds) == 0 && fcntl(fds[1], F_SETFL, O_NONBLOCK) == 0);
    while (write(fds[1], buf, sizeof(buf)) > 0)
        continue;
    CHECK(fcntl(fds[1], F_SETFL, 0) == 0);
    int saved = dup(2);
    dup2(fds[1], 2);
    program_log("nobody", "reads this"); /* or it hangs */
    for (int i = 0; i < 2; i++)
        CHECK(read(fds[0], buf, sizeof(buf)) == sizeof(buf));
    program_log("somebody", "reads this");
    dup2(saved, 2);
    close(saved);
    close(fds[1]);
    size_t n = 0;
    ssize_t more;
    while ((more = read(fds[0], buf, sizeof(buf))) > 0) {
        n = more;
        memcpy(out, buf, n < sizeof(out) ? n : 0);
    }
    out[n < sizeof(out) ? n : 0] = '\0';
    CHECK(strstr(out, "somebody: reads this\n") != NULL);
    CHECK(strstr(out, "nobody") == NULL);
    /* Its reader is gone: nothing happens, even with SIGPIPE. */
    saved = dup(2);
    signal(SIGPIPE, SIG_DFL);
    CHECK(pipe(fds) == 0);
    close(fds[0]);
    dup2(fds[1], 2);
    program_log("gone", "its reader");
    dup2(saved, 2);
}

TEST(program, dies_with_a_reason,
     "Prints \"what: why\" on stderr and exits with 1.")
{
    if (in_child())
        program_die("bind", "Address already in use");
    CHECK(exited(1) && says(err, "bind: Address already in use\n"));
    CHECK(says(out, ""));
}

/* The loop */

static void print_arg(void *arg)
{
    printf("%s\n", (const char *)arg);
    fflush(stdout);
}

static void stop_cb(void *arg)
{
    loop_stop(arg);
}

TEST(program, loop_has_signals,
     "Returns a loop that calls on_signal(arg) at SIGINT and SIGTERM. Exits "
     "if it can't.")
{
    static char word[] = "signal";

    for (int fail = 0; fail < 3; fail++) {
        if (in_child()) {
            hook_fail_alloc = fail;
            struct loop *loop = program_loop(print_arg, word);
            struct loop_timer t = {.cb = stop_cb, .arg = loop};
            for (int signo = SIGINT; signo <= SIGTERM;
                 signo += SIGTERM - SIGINT) {
                raise(signo);
                loop_timer_start(loop, &t, 10, 0);
                program_run(loop);
            }
            loop_free(loop);
            exit(hook_bytes == 0 ? 0 : 3);
        }
        if (fail == 0)
            CHECK(exited(0) && says(out, "signal\nsignal\n") && says(err, ""));
        else
            CHECK(exited(1) && says(err, "loop: Cannot allocate memory\n"));
    }
    /* Somebody else has the signal: whichever of the two it is. */
    static const int signals[] = {SIGINT, SIGTERM};
    for (int i = 0; i < 2; i++) {
        if (in_child()) {
            static struct loop *volatile other;
            other = loop_new();
            loop_signal(other, signals[i], print_arg, word);
            program_loop(print_arg, word);
            exit(0);
        }
        CHECK(exited(1) && says(err, "loop: Device or resource busy\n"));
    }
}

TEST(program, run_carries_on,
     "Runs the loop. If a wait fails for lack of memory, logs it, pauses "
     "briefly, and carries on. Exits at any other error.")
{
    static char word[] = "timer";
    static const int errors[] = {ENOMEM, EAGAIN};

    for (int i = 0; i < 2; i++) {
        if (in_child()) {
            struct loop *loop = loop_new();
            struct loop_timer t = {.cb = print_arg, .arg = word};
            int64_t began = hook_clock_ms();
            hook_wait_error = errors[i];
            loop_timer_start(loop, &t, 10, 0);
            program_run(loop);
            /* Brief, and no spin. */
            CHECK(hook_clock_ms() >= began + 50);
            CHECK(hook_clock_ms() < began + 500);
            loop_free(loop);
            exit(0);
        }
        CHECK(exited(0) && says(out, "timer\n"));
        CHECK(strncmp(err, "loop: ", 6) == 0);
        CHECK(strstr(err, strerror(errors[i])) != NULL);
    }
    if (in_child()) {
        struct loop *loop = loop_new();
        struct loop_timer t = {.cb = print_arg, .arg = word};
        hook_wait_error = EINVAL;
        loop_timer_start(loop, &t, 10, 0);
        program_run(loop);
        exit(0);
    }
    CHECK(exited(1) && says(err, "loop: Invalid argument\n"));
}

/* Workers: the test is the parent, and acts before its waits */

#undef PROMISED_IN
#define PROMISED_IN "workers.h"

#define MAX_STARTS 16

/* What the workers tell: shared with them. */
struct shared {
    volatile pid_t pids[MAX_STARTS];
    volatile int n_pids;
    volatile int n_starts;
    volatile int n_eof; /* have seen the end of stop_fd */
    volatile bool stubborn; /* they don't end when they should */
    volatile bool lingers; /* they let go of stop_fd before they end */
};

static struct shared *shared;
static int n_on_start;
static int n_on_stop;
static int n_at_start; /* forked when on_start came */
static int step;
static int n_unborn; /* forked, but never came to work */
static char arg; /* the one for all */

static int work(int stop_fd, void *given)
{
    char byte;

    CHECK(given == &arg);
    shared->pids[__sync_fetch_and_add(&shared->n_pids, 1)] = getpid();
    __sync_fetch_and_add(&shared->n_starts, 1);
    CHECK(read(stop_fd, &byte, 1) == 0);
    if (shared->lingers)
        close(stop_fd);
    __sync_fetch_and_add(&shared->n_eof, 1);
    while (shared->stubborn)
        usleep(1000);
    if (shared->lingers)
        usleep(50000); /* the parent waits for us all the same */
    return 7;
}

static void on_start(void *given)
{
    CHECK(given == &arg && ++n_on_start == 1);
    n_at_start = hook_n_forks;
}

static void on_stop(void *given)
{
    CHECK(given == &arg && ++n_on_stop == 1);
}

/* Waits for the workers: these run beside us, in real time. */
static void wait_for(volatile int *n, int expected)
{
    for (int i = 0; *n < expected; i++) {
        CHECK(i < 5000);
        usleep(1000);
    }
}

static void wait_for_starts(void)
{
    wait_for(&shared->n_starts, hook_n_forks - n_unborn);
}

/* Waits for those from the ith on, if they haven't been waited for. */
static void wait_for_ends(int i)
{
    siginfo_t info;

    for (; i < shared->n_starts; i++)
        CHECK(waitid(P_PID, shared->pids[i], &info, WEXITED | WNOWAIT) == 0 ||
              errno == ECHILD);
}

static void kill_worker(int i, int signo)
{
    siginfo_t info;

    wait_for_starts();
    kill(shared->pids[i], signo);
    CHECK(waitid(P_PID, shared->pids[i], &info, WEXITED | WNOWAIT) == 0);
}

/* Workers take real time to end, so the virtual clock has to wait. */
static void end_of_all(void)
{
    wait_for_ends(0);
}

static void end_all(void)
{
    wait_for_starts();
    hook_before_wait = end_of_all;
    raise(SIGTERM);
}

/* Makes what is shared with the workers. */
static void share(void)
{
    if (shared != NULL)
        return;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                  /* cppcheck-suppress invalidFunctionArg */
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
}

/* Runs the workers; script is called before each wait. Returns the status. */
static int run_workers(int count, void (*script)(void))
{
    hook_virtual_time = true;
    share();
    hook_before_wait = script;
    int result = workers_run(count, work, on_start, on_stop, &arg);
    CHECK(n_on_start == 1 && n_on_stop == 1 && n_at_start == count);
    CHECK(hook_bytes == 0);
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    return result;
}

TEST(workers, workers_start_and_end,
     "Calls on_start(arg) once all have been forked. At the first SIGINT or "
     "SIGTERM, calls on_stop(arg) and asks the workers to end; a second and "
     "a half later, or at the second signal, kills those that haven't "
     "(SIGKILL). Returns the exit status when all have ended: 0, or 1 if any "
     "had to be killed.")
{
    CHECK(run_workers(3, end_all) == 0);
    CHECK(hook_n_forks == 3 && shared->n_eof == 3);
}

static void end_slowly(void)
{
    if (step++ > 0) {
        wait_for(&shared->n_eof, 2);
        return;
    }
    wait_for_starts();
    shared->lingers = true;
    raise(SIGTERM);
}

TEST(workers, workers_that_linger,
     "Returns the exit status when all have ended: 0, or 1 if any had to be "
     "killed.")
{
    CHECK(run_workers(2, end_slowly) == 0);
}

static void after_999_ms(void)
{
    if (step++ == 0) {
        hook_pass_ms(999);
        kill_worker(0, SIGKILL);
    } else if (hook_n_forks == 3) {
        CHECK(hook_last_timeout == -1); /* no timer is left */
        end_all();
    }
}

TEST(workers, replaced_a_second_later,
     "Forks count workers, and a new one for each that ends: at once, or a "
     "second later if that one had run for less than a second; the same when "
     "fork(2) fails.")
{
    CHECK(run_workers(2, after_999_ms) == 0);
    CHECK(hook_n_forks == 3 && shared->n_eof == 2);
    int64_t later = hook_fork_ms[2] - hook_fork_ms[0];
    CHECK(later == 999 + 1001); /* never early: see loop.c */
}

static void after_1000_ms(void)
{
    if (hook_n_forks == 2 && step == 0) {
        step = 1;
        hook_pass_ms(1000);
        kill_worker(0, SIGKILL);
    } else if (hook_n_forks == 3 && step == 1) {
        step = 2;
        hook_pass_ms(1000); /* the new one's time counts from its start */
        kill_worker(2, SIGTERM);
    } else if (hook_n_forks == 4) {
        end_all();
    }
}

TEST(workers, replaced_at_once,
     "Forks count workers, and a new one for each that ends: at once, or a "
     "second later if that one had run for less than a second; the same when "
     "fork(2) fails.")
{
    CHECK(run_workers(2, after_1000_ms) == 0);
    CHECK(hook_n_forks == 4);
    CHECK(hook_fork_ms[2] == hook_fork_ms[0] + 1000);
    CHECK(hook_fork_ms[3] == hook_fork_ms[2] + 1000);
}

static void all_at_once(void)
{
    if (step++ == 0) {
        hook_pass_ms(5000);
        for (int i = 0; i < 3; i++)
            kill_worker(i, SIGKILL);
    } else if (hook_n_forks == 6) {
        end_all();
    }
}

TEST(workers, merged_sigchld,
     "Several workers that end together are all replaced.")
{
    CHECK(run_workers(3, all_at_once) == 0);
    CHECK(hook_n_forks == 6 && shared->n_eof == 3);
}

static void until_third_fork(void)
{
    if (hook_n_forks == 3) {
        CHECK(hook_last_timeout == -1); /* no timer is left */
        end_all();
    }
}

TEST(workers, failed_fork,
     "Forks count workers, and a new one for each that ends: at once, or a "
     "second later if that one had run for less than a second; the same when "
     "fork(2) fails.")
{
    if (in_child()) {
        hook_fork_fails = (struct hook_failure){1, EAGAIN};
        n_unborn = 1;
        CHECK(run_workers(2, until_third_fork) == 0);
        CHECK(hook_n_forks == 3 && shared->n_eof == 2);
        int64_t later = hook_fork_ms[2] - hook_fork_ms[0];
        CHECK(later == 1001);
        exit(0);
    }
    CHECK(exited(0));
    CHECK(says(err, "fork: Resource temporarily unavailable\n"));
}

/* Runs the workers in a child process: they end with result, and only log is
   logged. */
static void check_workers(int count, void (*script)(void), int result,
                          const char *log)
{
    if (in_child()) {
        CHECK(run_workers(count, script) == result);
        exit(0);
    }
    CHECK(exited(0) && says(err, log));
}

static void stop_with_one_due(void)
{
    if (step++ == 0)
        kill_worker(0, SIGKILL);
    else
        end_all();
}

TEST(workers, stop_while_one_is_due,
     "A worker that is due to be replaced isn't, after SIGTERM.")
{
    if (in_child()) {
        CHECK(run_workers(2, stop_with_one_due) == 0);
        CHECK(hook_n_forks == 2 && shared->n_eof == 1);
        exit(0);
    }
    CHECK(exited(0) && says(err, "worker: ended, will be replaced\n"));
}

static void stop_twice_with_one_due(void)
{
    if (step++ == 0) {
        kill_worker(0, SIGKILL);
    } else {
        hook_before_wait = NULL;
        raise(SIGINT);
        raise(SIGTERM);
    }
}

TEST(workers, nothing_to_kill,
     "Returns the exit status when all have ended: 0, or 1 if any had to be "
     "killed.")
{
    check_workers(1, stop_twice_with_one_due, 0,
                  "worker: ended, will be replaced\n");
}

static int64_t stopped_at;

static void stop_stubborn(void)
{
    if (step++ > 0)
        return;
    shared->stubborn = true;
    wait_for_starts();
    hook_pass_ms(10000);
    stopped_at = hook_clock_ms();
    raise(SIGINT);
}

TEST(workers, stubborn_are_killed,
     "At the first SIGINT or SIGTERM, calls on_stop(arg) and asks the "
     "workers to end; a second and a half later, or at the second signal, "
     "kills those that haven't (SIGKILL). Returns the exit status when all "
     "have ended: 0, or 1 if any had to be killed.")
{
    if (in_child()) {
        CHECK(run_workers(2, stop_stubborn) == 1);
        CHECK(hook_clock_ms() == stopped_at + 1501);
        exit(0);
    }
    /* Twice, for two workers; but a line is logged once a second. */
    CHECK(exited(0) && says(err, "worker: hasn't ended, is killed\n"));
}

static void lose_the_first(void)
{
    stop_stubborn();
    if (step == 2) /* the first has the lower id */
        kill_worker(shared->pids[1] < shared->pids[0], SIGKILL);
}

TEST(workers, stubborn_behind_one_that_ended,
     "At the first SIGINT or SIGTERM, calls on_stop(arg) and asks the "
     "workers to end; a second and a half later, or at the second signal, "
     "kills those that haven't (SIGKILL).")
{
    check_workers(2, lose_the_first, 1, "worker: hasn't ended, is killed\n");
}

static void stop_twice(void)
{
    stop_stubborn();
    if (step == 1)
        hook_pass_ms(1); /* and the other one comes in a wait of its own */
    if (step == 2) {
        hook_pass_ms(700);
        raise(SIGTERM);
    }
    if (step == 3)
        wait_for_ends(0);
}

TEST(workers, second_signal_kills,
     "At the first SIGINT or SIGTERM, calls on_stop(arg) and asks the "
     "workers to end; a second and a half later, or at the second signal, "
     "kills those that haven't (SIGKILL).")
{
    if (in_child()) {
        CHECK(run_workers(2, stop_twice) == 1);
        CHECK(hook_clock_ms() >= stopped_at + 700);
        CHECK(hook_clock_ms() < stopped_at + 1000);
        exit(0);
    }
    CHECK(exited(0) && says(err, "worker: hasn't ended, is killed\n"));
}

/* A worker that gets its signal right after fork: the parent's handler, which
   is the child's, too, at first, must not take it. */
static void raise_in_child(void)
{
    if (hook_n_forks == 1)
        raise(SIGTERM);
}

static void until_second_fork(void)
{
    if (hook_n_forks == 2)
        end_all();
}

TEST(workers, signal_right_after_fork,
     "A signal to a worker right after its fork isn't lost.")
{
    hook_in_child = raise_in_child;
    n_unborn = 1;
    CHECK(run_workers(1, until_second_fork) == 0);
    CHECK(shared->n_starts == 1);
}

static int exit_status;

static void see_status(void)
{
    siginfo_t info;

    if (step++ > 0) {
        wait_for(&shared->n_eof, 1);
        shared->stubborn = false;
        CHECK(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) == 0);
        CHECK(info.si_code == CLD_EXITED);
        exit_status = info.si_status;
        hook_before_wait = NULL;
        return;
    }
    wait_for_starts();
    shared->stubborn = true; /* or it may end before we look */
    raise(SIGTERM);
}

TEST(workers, worker_exits_with_its_result,
     "What a worker does; it exits with the result. It makes a loop of its "
     "own. stop_fd becomes readable (EOF) when the worker should end, because "
     "the parent stops or has died. arg is that of workers_run.")
{
    CHECK(run_workers(1, see_status) == 0);
    CHECK(exit_status == 7);
}

static void die(void)
{
    wait_for(&shared->n_starts, 3);
    raise(SIGKILL);
}

TEST(workers, parent_dies,
     "It makes a loop of its own. stop_fd becomes readable (EOF) when the "
     "worker should end, because the parent stops or has died. arg is that "
     "of workers_run.")
{
    share();
    if (in_child())
        run_workers(3, die);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    wait_for(&shared->n_eof, 3);
}

TEST(workers, workers_without_memory,
     "What the parent can't do without ends it, with a reason.")
{
    for (int n = 1; n <= 8; n++) {
        if (in_child()) {
            hook_fail_alloc = n;
            run_workers(1, end_all);
            exit(hook_fail_alloc > 0 ? 0 : 4);
        }
        if (exited(0) && n > 3)
            return;
        CHECK(exited(1) && strstr(err, ": Cannot allocate memory\n"));
    }
    CHECK(!"one more allocation than there should be");
}
