/*
 * churn -- connects to a server and resets the connection, again and again
 *
 * usage: churn [-p PAIR] [-b BYTES] HOST PORT CYCLES
 *
 * Every PAIR-th cycle (default 100) also sends a byte and waits for it to come
 * back: by then the server has accepted all those before, and the backlog can
 * not overflow. -b: sends so many bytes before each reset, which then meets a
 * server that is echoing. Exit status 0 if every cycle connected and every
 * echo came within 10 s.
 */
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void die(const char *what, long cycle)
{
    fprintf(stderr, "churn: cycle %ld: ", cycle);
    perror(what);
    exit(1);
}

/*
 * Cycle i's connection. The first one's looks for the address in the list that
 * takes it, as localhost may be ::1 first, and the server on 127.0.0.1 only;
 * *list is that address from then on.
 */
static int open_connection(struct addrinfo **list, long i)
{
    for (;; *list = (*list)->ai_next) {
        int fd = socket((*list)->ai_family, SOCK_STREAM, 0);

        if (fd != -1 &&
            connect(fd, (*list)->ai_addr, (*list)->ai_addrlen) == 0)
            return fd;
        if (i > 1 || (*list)->ai_next == NULL)
            die("connect", i);
        if (fd != -1)
            close(fd);
    }
}

int main(int argc, char *argv[])
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    struct linger linger = {.l_onoff = 1};
    struct timeval limit = {.tv_sec = 10};
    static char bytes[65536];
    long pair = 100, n_bytes = 0;

    for (int option; (option = getopt(argc, argv, "p:b:")) != -1;) {
        if (option == 'p')
            pair = atol(optarg);
        else if (option == 'b')
            n_bytes = atol(optarg);
        else
            exit(2);
    }
    if (argc - optind != 3 || pair < 1 || n_bytes > (long)sizeof(bytes) ||
        getaddrinfo(argv[optind], argv[optind + 1], &hints, &list) != 0) {
        fprintf(stderr,
                "usage: churn [-p PAIR] [-b BYTES] HOST PORT CYCLES\n");
        exit(2);
    }
    signal(SIGPIPE, SIG_IGN); /* as in peer.c */
    long n_cycles = atol(argv[optind + 2]);
    for (long i = 1; i <= n_cycles; i++) {
        int fd = open_connection(&list, i);
        char byte = (char)i;

        if (i % pair == 0 || i == n_cycles) {
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
            if (send(fd, &byte, 1, 0) != 1)
                die("send", i);
            if (recv(fd, &byte, 1, 0) != 1 || byte != (char)i)
                die("the echo did not come", i);
        } else if (n_bytes > 0 &&
                   send(fd, bytes, (size_t)n_bytes, MSG_DONTWAIT) == -1) {
            die("send", i);
        }
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        close(fd);
    }
    printf("%ld cycles\n", n_cycles);
    return 0;
}
