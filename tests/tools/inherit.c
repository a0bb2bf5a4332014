/*
 * inherit -- starts a command as an untidy parent would
 *
 * usage: inherit [-b] [-n FD]... COMMAND...
 *
 * -b     with all signals blocked
 * -n FD  with that descriptor non-blocking, which all who share it see
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void die(const char *what)
{
    perror(what);
    exit(127);
}

static void block_signals(void)
{
    sigset_t all;

    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, NULL) == -1)
        die("sigprocmask");
}

static void make_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
        die("fcntl");
}

int main(int argc, char *argv[])
{
    int i;

    for (i = 1; i < argc && argv[i][0] == '-'; i++) {
        if (argv[i][1] == 'b')
            block_signals();
        else if (argv[i][1] == 'n' && i + 1 < argc)
            make_nonblocking(atoi(argv[++i]));
        else
            break;
    }
    if (i >= argc || argv[i][0] == '-') {
        fprintf(stderr, "usage: inherit [-b] [-n FD]... COMMAND...\n");
        return 2;
    }
    execvp(argv[i], argv + i);
    die(argv[i]);
}
