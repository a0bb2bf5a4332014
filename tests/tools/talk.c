/*
 * talk -- talks to a client through two pipes, a message at a time
 *
 * usage: talk BYTES TIMES COMMAND...
 *
 * Runs the command, writes a message of so many bytes to its stdin, reads it
 * back from its stdout, and so on. Prints how long half of the messages took
 * at most, in microseconds. Exit status: the command's own, or 1 if another
 * message came back.
 */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_BYTES 65536 /* a pipe takes as much at once */
#define MAX_TIMES 1000

static char sent[MAX_BYTES], received[MAX_BYTES];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static long now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

static int compare(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;

    return (x > y) - (x < y);
}

static bool read_all(int fd, char *buf, size_t n)
{
    while (n > 0) {
        ssize_t got = read(fd, buf, n);

        if (got <= 0)
            return false;
        buf += got;
        n -= got;
    }
    return true;
}

static pid_t run(char *command[], const int in[2], const int out[2])
{
    pid_t pid = fork();

    if (pid == -1)
        die("fork");
    if (pid > 0)
        return pid;
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    close(in[0]);
    close(in[1]);
    close(out[0]);
    close(out[1]);
    signal(SIGPIPE, SIG_DFL);
    execvp(command[0], command);
    perror(command[0]);
    _exit(127);
}

int main(int argc, char *argv[])
{
    static long took_us[MAX_TIMES];
    int in[2], out[2], status;

    if (argc < 4) {
        fprintf(stderr, "usage: talk BYTES TIMES COMMAND...\n");
        return 2;
    }
    size_t n = strtoul(argv[1], NULL, 10);
    size_t times = strtoul(argv[2], NULL, 10);
    if (n == 0 || n > MAX_BYTES || times == 0 || times > MAX_TIMES)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    if (pipe(in) == -1 || pipe(out) == -1)
        die("pipe");
    pid_t pid = run(argv + 3, in, out);
    close(in[0]);
    close(out[1]);
    for (size_t i = 0; i < times; i++) {
        long began = now_us();

        memset(sent, 'a' + i % 26, n);
        if (write(in[1], sent, n) != (ssize_t)n ||
            !read_all(out[0], received, n) || memcmp(sent, received, n) != 0) {
            fprintf(stderr, "talk: message %zu did not come back\n", i + 1);
            return 1;
        }
        took_us[i] = now_us() - began;
    }
    close(in[1]);
    if (waitpid(pid, &status, 0) == -1)
        die("waitpid");
    qsort(took_us, times, sizeof(*took_us), compare);
    printf("%ld\n", took_us[times / 2]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
