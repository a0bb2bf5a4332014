/*
 * server -- TCP echo server: one connection at a time
 *
 * usage: server [HOST [PORT]]        the default is localhost 8000
 */
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUF_SIZE 16384
#define PAUSE_MS 100 /* without accept, after it has failed */

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Tells of trouble that the server survives, at most once a second. */
static void report(const char *what)
{
    static time_t last;
    time_t now = time(NULL);

    if (now != last)
        perror(what);
    last = now;
}

/* True if text is a decimal number from 0 to 65535 and nothing else. */
static bool valid_port(const char *text)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);

    return isdigit((unsigned char)text[0]) && *end == '\0' && port <= 65535;
}

/* Returns a listening socket on the first address of host that works. */
static int listen_on(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    int on = 1;
    int fd = -1;
    int err = getaddrinfo(host, port, &hints, &list);

    if (err != 0) {
        fprintf(stderr, "%s: %s\n", host, gai_strerror(err));
        exit(1);
    }
    for (struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next) {
        fd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);
        if (fd == -1)
            continue;
        /* Connections of the last run may linger; restart all the same. */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
            listen(fd, SOMAXCONN) == 0)
            break;
        /* In use: the next address would only hide that from the user. */
        if (errno == EADDRINUSE)
            die("bind");
        close(fd);
        fd = -1;
    }
    if (fd == -1)
        die("bind");
    freeaddrinfo(list);
    return fd;
}

/* Says where the server listens. Asks the kernel, as port 0 lets it choose. */
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

/* Writes all n bytes. Returns 0, or -1 with errno set. */
static int write_all(int fd, const char *buf, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, buf, n);

        if (written == -1 && errno == EINTR)
            continue;
        if (written == -1)
            return -1;
        buf += written;
        n -= written;
    }
    return 0;
}

/* Sends back what comes, until the peer has sent its FIN or is gone. */
static void echo(int conn_fd)
{
    char buf[BUF_SIZE];

    for (;;) {
        ssize_t n = read(conn_fd, buf, sizeof(buf));

        if (n == -1 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        if (write_all(conn_fd, buf, n) == -1)
            return;
    }
}

int main(int argc, char *argv[])
{
    const char *host = argc > 1 ? argv[1] : "localhost";
    const char *port = argc > 2 ? argv[2] : "8000";
    struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};

    if (argc > 3 || !valid_port(port)) {
        fprintf(stderr, "usage: server [HOST [PORT]], PORT from 0 to 65535\n");
        exit(2);
    }
    /* Writing to a peer that is gone must fail, not end the server. */
    signal(SIGPIPE, SIG_IGN);

    int listen_fd = listen_on(host, port);
    announce(listen_fd, host);

    for (;;) {
        int conn_fd = accept(listen_fd, NULL, NULL);

        if (conn_fd == -1) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            report("accept");
            nanosleep(&pause, NULL);
            continue;
        }
        echo(conn_fd);
        close(conn_fd);
    }
}
