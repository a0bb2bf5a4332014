/*
 * churn -- connects to a server and resets the connection, again and again
 *
 * usage: churn [-b BYTES] HOST PORT CYCLES
 *
 * Every 100th cycle also sends a byte and waits for it to come back: by then
 * the server has accepted all earlier connections, so that a backlog of 100
 * can't overflow. -b sends BYTES before each reset, which then meets a server
 * that is echoing. Exit status 0 if every cycle connected and every
 * byte came back, no 100 cycles took longer than PATIENCE seconds (10), and
 * the kernel dropped less than three SYNs: each holds up connect for a second.
 */
#include "link.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUND 100

const char tool[] = "churn";
static unsigned long long cycle, n_cycles;

/* Sends a byte, which has to come back. Sets error if the call fails. */
static void ping(struct link *l, int64_t deadline_us)
{
    link_send(l, 1, 0);
    if (l->error == 0 && link_wait(l, POLLIN, deadline_us))
        link_receive(l, 1);
    if (l->error == 0 && (l->received != 1 || l->corrupt))
        die("cycle %llu: the byte didn't come back", cycle);
}

int main(int argc, char *argv[])
{
    uint64_t n_bytes = 0;
    int64_t deadline_us = 0;
    int n_dropped = 0;

    for (int option; (option = getopt(argc, argv, "b:")) != -1;) {
        if (option != 'b')
            exit(2);
        n_bytes = number(optarg, 1, CHUNK_MAX);
    }
    if (argc - optind != 3) {
        fprintf(stderr, "usage: churn [-b BYTES] HOST PORT CYCLES\n");
        exit(2);
    }
    const struct addrinfo *list = resolve(argv[optind], argv[optind + 1]);
    n_cycles = number(argv[optind + 2], 1, UINT64_MAX);
    signal(SIGPIPE, SIG_IGN);
    for (cycle = 1; cycle <= n_cycles; cycle++) {
        struct link l = {.key = cycle};

        if (cycle % ROUND == 1)
            deadline_us = now_us() + patience() * INT64_C(1000000);
        int64_t began_us = now_us();
        link_open_now(&l, list, deadline_us);
        n_dropped += now_us() - began_us > 900000;
        if (l.error == 0 && (cycle % ROUND == 0 || cycle == n_cycles))
            ping(&l, deadline_us);
        else if (l.error == 0 && n_bytes > 0)
            link_send(&l, n_bytes, 0);
        if (n_dropped == 3)
            die("cycle %llu of %llu: connect took a second for the third "
                "time: listen's backlog is too small",
                cycle, n_cycles);
        if (l.error == ETIMEDOUT)
            die("cycle %llu of %llu: stuck: 100 connections take more than "
                "%d s",
                cycle, n_cycles, patience());
        if (l.error != 0)
            die("cycle %llu: %s", cycle, strerror(l.error));
        list = l.ai; /* the address that takes connections */
        link_close(&l, true);
    }
    printf("%llu cycles\n", n_cycles);
    return 0;
}
