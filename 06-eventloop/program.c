/*
 * program.c -- options, descriptors, logging: see program.h
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

#define MAX_WORKERS 1024
#define LOG_SLOTS 64
#define RETRY_MS 100

static void usage_error(const char *usage)
{
    fputs(usage, stderr);
    exit(2);
}

/* Returns text as a number from min to max; exits if it isn't one. */
static long number(const char *text, long min, long max, const char *usage)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' || value < min ||
        value > max) {
        fprintf(stderr, "%s is not a number from %ld to %ld\n", text, min,
                max);
        usage_error(usage);
    }
    return value;
}

struct options program_options(int argc, char *argv[], const char *allowed,
                               const char *usage)
{
    struct options o = {.host = "localhost", .port = "8000"};
    int opt;

    while ((opt = getopt(argc, argv, allowed)) != -1) {
        if (opt == 'w') {
            o.n_workers = number(optarg, 1, MAX_WORKERS, usage);
        } else if (opt == 't') {
            o.idle_ms = number(optarg, 1, INT_MAX / 1000, usage) * 1000;
        } else if (opt == 'h') {
            fputs(usage, stdout);
            exit(0);
        } else {
            usage_error(usage);
        }
    }
    if (argc - optind > 2)
        usage_error(usage);
    if (optind < argc)
        o.host = argv[optind++];
    if (optind < argc)
        o.port = argv[optind];
    number(o.port, 0, 65535, usage);
    return o;
}

void program_prepare(void)
{
    struct rlimit limit;
    sigset_t none;

    /* Writing to a peer that is gone must fail, not kill the program. */
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* A socket would get the number of a closed one, and then stdio would
       write to a peer. Opened the wrong way around, these fail when used. */
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) == -1)
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) == -1) {
            limit.rlim_cur = 10240; /* macOS: "no limit" can't be set */
            setrlimit(RLIMIT_NOFILE, &limit);
        }
    }
}

/* Returns true if this line may be logged now. Lines that share a slot of the
   table share its second, too. */
static bool log_is_due(const char *line)
{
    static time_t last[LOG_SLOTS];
    struct timespec now;
    unsigned slot = 0;

    for (const char *p = line; *p != '\0'; p++)
        slot = slot * 31 + (unsigned char)*p;
    slot %= LOG_SLOTS;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (last[slot] == now.tv_sec)
        return false;
    last[slot] = now.tv_sec;
    return true;
}

void program_log(const char *what, const char *why)
{
    struct pollfd err = {.fd = STDERR_FILENO, .events = POLLOUT};
    char line[256];

    snprintf(line, sizeof(line), "%s: %s\n", what, why);
    if (log_is_due(line) && poll(&err, 1, 0) == 1 && err.revents == POLLOUT)
        fputs(line, stderr);
}

void program_die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

struct loop *program_loop(loop_cb *on_signal, void *arg)
{
    struct loop *loop = loop_new();

    if (loop != NULL && loop_signal(loop, SIGINT, on_signal, arg) == 0 &&
        loop_signal(loop, SIGTERM, on_signal, arg) == 0)
        return loop;
    const char *why = strerror(errno);
    loop_free(loop);
    program_die("loop", why);
}

void program_run(struct loop *loop)
{
    struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};

    while (loop_run(loop) == -1) {
        if (errno != ENOMEM && errno != EAGAIN)
            program_die("loop", strerror(errno));
        program_log("loop", strerror(errno));
        nanosleep(&pause, NULL);
    }
}
