/*
 * talk -- talks to a client through two pipes, a message at a time
 *
 * usage: talk BYTES TIMES COMMAND...
 *
 * Runs the command, writes a message of BYTES to its stdin, reads it back from
 * its stdout, and repeats that TIMES times. Prints the median time of a
 * message in microseconds. Exits with the command's exit status, or with 1 if
 * other bytes came back, or none within PATIENCE seconds (10).
 */
#include "common.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_BYTES 65536 /* what a pipe takes at once */
#define MAX_TIMES 1000

const char tool[] = "talk";
static char sent[MAX_BYTES], received[MAX_BYTES];

static bool read_all(int fd, char *buf, size_t n)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};

    while (n > 0) {
        if (poll(&readable, 1, patience() * 1000) != 1)
            return false;
        ssize_t got = read(fd, buf, n);

        if (got <= 0)
            return false;
        buf += got;
        n -= (size_t)got;
    }
    return true;
}

int main(int argc, char *argv[])
{
    static int64_t took_us[MAX_TIMES];
    int in[2], out[2], status;

    if (argc < 4) {
        fprintf(stderr, "usage: talk BYTES TIMES COMMAND...\n");
        return 2;
    }
    size_t n = number(argv[1], 1, MAX_BYTES);
    size_t times = number(argv[2], 1, MAX_TIMES);
    signal(SIGPIPE, SIG_IGN);
    open_pipe(in);
    open_pipe(out);
    pid_t pid = spawn(argv + 3, in[0], out[1], STDERR_FILENO, false);
    close(in[0]);
    close(out[1]);
    for (size_t i = 0; i < times; i++) {
        int64_t began = now_us();

        stream_fill(sent, i, 0, n);
        if (write(in[1], sent, n) != (ssize_t)n ||
            !read_all(out[0], received, n) || memcmp(sent, received, n) != 0)
            die("message %zu didn't come back", i + 1);
        took_us[i] = now_us() - began;
    }
    close(in[1]);
    if (waitpid(pid, &status, 0) == -1)
        die_errno("waitpid");
    qsort(took_us, times, sizeof(*took_us), compare_times);
    printf("%lld\n", (long long)took_us[times / 2]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
