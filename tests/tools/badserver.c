/*
 * badserver -- a server with one fault, to see what clients make of it
 *
 * usage: badserver MODE HOST PORT        (PORT 0: the kernel chooses)
 *
 * late        sends nothing until the peer's FIN, then all of it
 * truncate=N  echoes N bytes, then sends FIN, and reads on without an answer
 * reset=N     echoes N bytes, then resets the connection
 * twice       echoes all that comes twice
 * greeting    says hello first, then echoes
 * extra       echoes, and sends a byte more after the peer's FIN
 * flood       sends zeros without end, and reads nothing
 * open=MS     echoes, and closes so long after the peer's FIN (0: never)
 * gather=N    answers when N bytes have come, then when N more have
 * silent      sends nothing, and reads nothing either
 * refuse      has the port, but does not listen: connect is refused
 *
 * Prints the line of our servers. One connection after the other.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUF_SIZE 65536 /* late keeps as much */

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int bind_to(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *ai;
    int err = getaddrinfo(host, port, &hints, &ai);

    if (err != 0) {
        fprintf(stderr, "%s: %s\n", host, gai_strerror(err));
        exit(1);
    }
    int fd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);
    if (fd == -1)
        die("socket");
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == -1)
        die("bind");
    freeaddrinfo(ai);
    return fd;
}

static void announce(int listen_fd, const char *host)
{
    struct sockaddr_storage addr;
    struct sockaddr *sa = (struct sockaddr *)&addr;
    socklen_t len = sizeof(addr);
    char port[6];

    if (getsockname(listen_fd, sa, &len) == -1)
        die("getsockname");
    getnameinfo(sa, len, NULL, 0, port, sizeof(port), NI_NUMERICSERV);
    printf("Server is listening on %s:%s\n", host, port);
    fflush(stdout);
}

static bool write_all(int fd, const char *buf, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, buf, n);

        if (written == -1)
            return false;
        buf += written;
        n -= written;
    }
    return true;
}

static void serve_late(int fd)
{
    static char buf[BUF_SIZE];
    size_t n = 0;
    ssize_t got;

    while (n < BUF_SIZE && (got = read(fd, buf + n, BUF_SIZE - n)) > 0)
        n += got;
    write_all(fd, buf, n);
}

/* Echoes n bytes, or fewer when the peer sends no more. */
static void echo(int fd, unsigned long n)
{
    static char buf[BUF_SIZE];

    while (n > 0) {
        ssize_t got = read(fd, buf, n < BUF_SIZE ? n : BUF_SIZE);

        if (got <= 0 || !write_all(fd, buf, got))
            return;
        n -= got;
    }
}

static void serve_truncated(int fd, unsigned long n)
{
    static char buf[BUF_SIZE];

    echo(fd, n);
    shutdown(fd, SHUT_WR);
    while (read(fd, buf, sizeof(buf)) > 0)
        ;
}

/* Echoes until the peer's FIN, each piece so many times. */
static void serve_more(int fd, int times, const char *first, const char *last)
{
    static char buf[BUF_SIZE];
    ssize_t got;

    if (!write_all(fd, first, strlen(first)))
        return;
    while ((got = read(fd, buf, BUF_SIZE)) > 0)
        for (int i = 0; i < times; i++)
            if (!write_all(fd, buf, got))
                return;
    write_all(fd, last, strlen(last));
}

/* Sends until the peer has gone. */
static void serve_flood(int fd)
{
    static const char zeros[BUF_SIZE];

    while (write_all(fd, zeros, BUF_SIZE))
        ;
}

static void serve_open(int fd, int ms)
{
    serve_more(fd, 1, "", "");
    poll(NULL, 0, ms == 0 ? -1 : ms);
}

static void serve_gathered(int fd, size_t n)
{
    static char buf[BUF_SIZE];
    size_t have = 0;
    ssize_t got;

    while (n <= BUF_SIZE && (got = read(fd, buf + have, n - have)) > 0) {
        have += got;
        if (have == n && !write_all(fd, buf, n))
            return;
        have %= n;
    }
}

static void serve_reset(int fd, unsigned long n)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    echo(fd, n);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

int main(int argc, char *argv[])
{
    if (argc != 4) {
        fprintf(stderr, "usage: badserver MODE HOST PORT\n");
        exit(2);
    }
    const char *mode = argv[1];
    const char *equals = strchr(mode, '=');
    unsigned long n = equals == NULL ? 0 : strtoul(equals + 1, NULL, 10);

    signal(SIGPIPE, SIG_IGN);
    int listen_fd = bind_to(argv[2], argv[3]);
    if (strcmp(mode, "refuse") != 0 && listen(listen_fd, SOMAXCONN) == -1)
        die("listen");
    announce(listen_fd, argv[2]);
    if (strcmp(mode, "refuse") == 0)
        pause();

    for (;;) {
        int fd = accept(listen_fd, NULL, NULL);

        if (fd == -1)
            die("accept");
        if (strcmp(mode, "late") == 0)
            serve_late(fd);
        else if (strncmp(mode, "truncate=", 9) == 0)
            serve_truncated(fd, n);
        else if (strncmp(mode, "reset=", 6) == 0)
            serve_reset(fd, n);
        else if (strcmp(mode, "twice") == 0)
            serve_more(fd, 2, "", "");
        else if (strcmp(mode, "greeting") == 0)
            serve_more(fd, 1, "220 hello\n", "");
        else if (strcmp(mode, "extra") == 0)
            serve_more(fd, 1, "", "x");
        else if (strcmp(mode, "flood") == 0)
            serve_flood(fd);
        else if (strncmp(mode, "open=", 5) == 0)
            serve_open(fd, (int)n);
        else if (strncmp(mode, "gather=", 7) == 0 && n > 0)
            serve_gathered(fd, n);
        else if (strcmp(mode, "silent") == 0)
            pause();
        else
            exit(2);
        close(fd);
    }
}
