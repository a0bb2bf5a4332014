/*
 * server -- TCP echo server: one process, which waits with epoll
 *
 * usage: server [HOST [PORT]]        the default is localhost 8000
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUF_SIZE 16384
#define MAX_EVENTS 64 /* taken from the kernel at a time */
#define PAUSE_MS 100 /* without accept, after it has failed */

/* Reads when the buffer is empty, writes while it is not. */
struct conn {
    int fd;
    size_t start; /* what is still owed: buf[start] up to buf[end - 1] */
    size_t end;
    char buf[BUF_SIZE];
};

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

/* From now on read, write and accept on fd fail with EAGAIN, not wait. */
static int set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags == -1 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* Accepts a connection. NULL: errno says why, EAGAIN if none is waiting. */
static struct conn *conn_open(int listen_fd)
{
    int fd = accept(listen_fd, NULL, NULL);

    if (fd == -1)
        return NULL;
    struct conn *c = malloc(sizeof(*c));
    if (c == NULL || set_nonblocking(fd) == -1) {
        close(fd);
        free(c);
        return NULL;
    }
    c->fd = fd;
    c->start = 0;
    c->end = 0;
    return c;
}

static void conn_close(struct conn *c)
{
    close(c->fd);
    free(c);
}

static bool conn_wants_read(const struct conn *c)
{
    return c->start == c->end;
}

static bool conn_wants_write(const struct conn *c)
{
    return c->start < c->end;
}

/* Sends what the kernel will take. False: the connection is broken. */
static bool conn_writable(struct conn *c)
{
    ssize_t n = write(c->fd, c->buf + c->start, c->end - c->start);

    if (n == -1)
        return errno == EAGAIN || errno == EINTR;
    c->start += n;
    return true;
}

/* Reads and sends back at once. False: the peer's FIN, or it is gone. */
static bool conn_readable(struct conn *c)
{
    ssize_t n = read(c->fd, c->buf, sizeof(c->buf));

    if (n == -1)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    c->start = 0;
    c->end = n;
    return conn_writable(c);
}

/* Tells the kernel what c waits for now. Returns 0, or -1 with errno set. */
static int conn_watch(int epoll_fd, int op, struct conn *c)
{
    struct epoll_event event = {.data.ptr = c};

    if (conn_wants_read(c))
        event.events |= EPOLLIN;
    if (conn_wants_write(c))
        event.events |= EPOLLOUT;
    return epoll_ctl(epoll_fd, op, c->fd, &event);
}

/* The same for the listening socket: the one whose data.ptr is NULL. */
static void listener_watch(int epoll_fd, int op, int listen_fd, bool accepting)
{
    struct epoll_event event = {.events = accepting ? EPOLLIN : 0};

    if (epoll_ctl(epoll_fd, op, listen_fd, &event) == -1)
        die("epoll_ctl");
}

/* Takes a new connection in. False: pause before the next. */
static bool conn_add(int epoll_fd, int listen_fd)
{
    struct conn *c = conn_open(listen_fd);

    if (c == NULL) {
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
            return true;
        report("accept");
        return false;
    }
    if (conn_watch(epoll_fd, EPOLL_CTL_ADD, c) == -1) {
        report("epoll_ctl");
        conn_close(c);
    }
    return true;
}

int main(int argc, char *argv[])
{
    const char *host = argc > 1 ? argv[1] : "localhost";
    const char *port = argc > 2 ? argv[2] : "8000";
    bool accepting = true;

    if (argc > 3 || !valid_port(port)) {
        fprintf(stderr, "usage: server [HOST [PORT]], PORT from 0 to 65535\n");
        exit(2);
    }
    /* Writing to a peer that is gone must fail, not end the server. */
    signal(SIGPIPE, SIG_IGN);

    int listen_fd = listen_on(host, port);
    if (set_nonblocking(listen_fd) == -1)
        die("fcntl");
    int epoll_fd = epoll_create1(0);
    if (epoll_fd == -1)
        die("epoll_create1");
    listener_watch(epoll_fd, EPOLL_CTL_ADD, listen_fd, accepting);
    announce(listen_fd, host);

    for (;;) {
        struct epoll_event events[MAX_EVENTS];
        int n_events = epoll_wait(epoll_fd, events, MAX_EVENTS,
                                  accepting ? -1 : PAUSE_MS);

        if (n_events == -1) {
            if (errno == EINTR)
                continue;
            die("epoll_wait");
        }
        if (!accepting)
            listener_watch(epoll_fd, EPOLL_CTL_MOD, listen_fd, true);
        accepting = true;
        for (int i = 0; i < n_events; i++) {
            struct conn *c = events[i].data.ptr;

            if (c == NULL) {
                accepting = conn_add(epoll_fd, listen_fd);
                continue;
            }
            bool was_reading = conn_wants_read(c);
            bool alive = was_reading ? conn_readable(c) : conn_writable(c);

            if (alive && conn_wants_read(c) != was_reading)
                alive = conn_watch(epoll_fd, EPOLL_CTL_MOD, c) == 0;
            if (!alive)
                conn_close(c);
        }
        if (!accepting)
            listener_watch(epoll_fd, EPOLL_CTL_MOD, listen_fd, false);
    }
}
