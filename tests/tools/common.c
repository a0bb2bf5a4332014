/* common -- what the helper programs share */
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define OPEN_MAX_MACOS \
    10240 /* setrlimit refuses more, whatever getrlimit says */

int die_status = 1;

void die(const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s: ", tool);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    exit(die_status);
}

void die_errno(const char *call)
{
    die("%s: %s", call, strerror(errno));
}

uint64_t number(const char *text, uint64_t min, uint64_t max)
{
    static const char units[] = "KMG";
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    const char *unit = *end == '\0' ? NULL : strchr(units, *end);

    if (unit != NULL) {
        value <<= 10 * (unit - units + 1);
        end++;
    }
    if (*text < '0' || *text > '9' || *end != '\0' || value < min ||
        value > max) {
        fprintf(stderr, "%s: %s is not a number from %llu to %llu\n", tool,
                text, (unsigned long long)min, (unsigned long long)max);
        exit(2);
    }
    return value;
}

int64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
}

int patience(void)
{
    static int seconds;
    const char *text = getenv("PATIENCE");

    if (seconds == 0 && text != NULL)
        seconds = atoi(text);
    if (seconds <= 0)
        seconds = 10;
    return seconds;
}

int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

void stream_fill(char *to, uint64_t key, uint64_t at, size_t n)
{
    while (n > 0) {
        uint64_t word = mix(key + at / 8);
        size_t skip = at % 8, part = 8 - skip;

        if (part > n)
            part = n;
        memcpy(to, (char *)&word + skip, part);
        to += part;
        at += part;
        n -= part;
    }
}

size_t stream_same(const char *from, uint64_t key, uint64_t at, size_t n)
{
    char expected[4096];
    size_t done = 0;

    while (done < n) {
        size_t part = n - done;

        if (part > sizeof(expected))
            part = sizeof(expected);
        stream_fill(expected, key, at + done, part);
        if (memcmp(from + done, expected, part) != 0) {
            for (size_t i = 0; from[done + i] == expected[i]; i++)
                done++;
            return done;
        }
        done += part;
    }
    return n;
}

struct addrinfo *resolve(const char *host, const char *port)
{
    static struct sockaddr_un path = {.sun_family = AF_UNIX};
    static struct addrinfo one = {.ai_family = AF_UNIX,
                                  .ai_socktype = SOCK_STREAM,
                                  .ai_addr = (struct sockaddr *)&path,
                                  .ai_addrlen = sizeof(path)};
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list;

    if (strchr(host, '/') != NULL) {
        if (strlen(host) >= sizeof(path.sun_path))
            die("%s: too long", host);
        strcpy(path.sun_path, host);
        return &one;
    }
    int err = getaddrinfo(host, port, &hints, &list);
    if (err != 0)
        die("%s: %s", host, gai_strerror(err));
    return list;
}

void reset_on_close(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

uint64_t raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        die_errno("getrlimit");
    rlim_t soft = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return limit.rlim_cur;
    limit.rlim_cur = soft < OPEN_MAX_MACOS ? OPEN_MAX_MACOS : soft;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : soft;
}

void open_pipe(int fds[2])
{
    if (pipe(fds) == -1)
        die_errno("pipe");
    fcntl(fds[0], F_SETFD, FD_CLOEXEC);
    fcntl(fds[1], F_SETFD, FD_CLOEXEC);
}

pid_t spawn(char *argv[], int in, int out, int err, bool own_group)
{
    pid_t pid = fork();

    if (pid == -1)
        die_errno("fork");
    if (pid > 0)
        return pid;
    if (own_group)
        setpgid(0, 0);
    signal(SIGPIPE, SIG_DFL);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    execvp(argv[0], argv);
    perror(argv[0]);
    _exit(127);
}
