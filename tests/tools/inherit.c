/*
 * inherit -- starts a command as an untidy parent would
 *
 * usage: inherit [-b] [-n FD]... COMMAND...
 *
 * -b     blocks all signals
 * -n FD  makes that descriptor non-blocking, for everyone who shares it
 */
#include "common.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

const char tool[] = "inherit";

int main(int argc, char *argv[])
{
    sigset_t all;

    die_status = 127;
    sigfillset(&all);
    for (int option; (option = getopt(argc, argv, "+bn:")) != -1;) {
        int fd = option == 'n' ? (int)number(optarg, 0, 1 << 20) : -1;

        if (option == 'b' && sigprocmask(SIG_SETMASK, &all, NULL) == -1)
            die_errno("sigprocmask");
        if (option == 'n' &&
            fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == -1)
            die_errno("fcntl");
        if (option == '?')
            return 2;
    }
    if (optind == argc) {
        fprintf(stderr, "usage: inherit [-b] [-n FD]... COMMAND...\n");
        return 2;
    }
    execvp(argv[optind], argv + optind);
    die_errno(argv[optind]);
}
