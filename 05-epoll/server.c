/*
 * server -- TCP echo server: one process, which waits with epoll
 *
 * usage: server [HOST [PORT]]        the default is localhost 8000
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
#define PAUSE_MS 100 /* before the next accept, after one has failed */

/* Reads when the buffer is empty, writes while it is not. */
struct conn {
    int fd;
    size_t start; /* pending output: buf[start] up to buf[end - 1] */
    size_t end;
    char buf[BUF_SIZE];
};

static long long resume_at; /* accepting is paused until then; 0: it isn't */

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Like die, for an error code of getaddrinfo or getnameinfo. */
static void die_gai(const char *what, int err)
{
    if (err == EAI_SYSTEM)
        die(what);
    fprintf(stderr, "%s: %s\n", what, gai_strerror(err));
    exit(1);
}

/* Keeps an error that repeats from flooding the log: returns true at most
   once a second for each errno. */
static bool may_log(int error)
{
    static time_t logged[256];
    time_t now = time(NULL);
    bool is_new = now != logged[error % 256];

    logged[error % 256] = now;
    return is_new;
}

/* Makes read, write and accept on fd fail with EAGAIN instead of blocking. */
static int set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags == -1 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* Accepts a connection. Returns NULL with errno set: EAGAIN if none waits. */
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

/* Sends as much pending output as the kernel takes. Returns false if the
   connection is broken. */
static bool conn_flush(struct conn *c)
{
    ssize_t n = write(c->fd, c->buf + c->start, c->end - c->start);

    if (n == -1)
        return errno == EAGAIN || errno == EINTR;
    c->start += n;
    return true;
}

/* Reads once and sends it back. Returns false after the peer's FIN, or if the
   connection is broken. */
static bool conn_echo(struct conn *c)
{
    ssize_t n = read(c->fd, c->buf, sizeof(c->buf));

    if (n == -1)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    c->start = 0;
    c->end = n;
    return conn_flush(c);
}

/* Returns milliseconds on a clock that nobody can set. */
static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Returns for how many milliseconds accepting is paused; -1 if it isn't. */
static int pause_left(void)
{
    if (resume_at == 0)
        return -1;
    long long left = resume_at - now_ms();
    if (left > 0)
        return left;
    resume_at = 0;
    return -1;
}

/* Tells the kernel what c waits for. Returns 0, or -1 with errno set. */
static int conn_watch(int epoll_fd, int op, struct conn *c)
{
    struct epoll_event event = {.data.ptr = c};

    if (conn_wants_read(c))
        event.events |= EPOLLIN;
    if (conn_wants_write(c))
        event.events |= EPOLLOUT;
    return epoll_ctl(epoll_fd, op, c->fd, &event);
}

/* The same for the listening socket, whose data.ptr is NULL. */
static void listener_watch(int epoll_fd, int op, int listen_fd, bool accepting)
{
    struct epoll_event event = {.events = accepting ? EPOLLIN : 0};

    if (epoll_ctl(epoll_fd, op, listen_fd, &event) == -1)
        die("epoll_ctl");
}

/* Accepts a connection, or pauses accepting if that fails. */
static void conn_add(int epoll_fd, int listen_fd)
{
    struct conn *c = conn_open(listen_fd);

    if (c == NULL) {
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
            return;
        if (may_log(errno))
            perror("accept");
        resume_at = now_ms() + PAUSE_MS;
        return;
    }
    if (conn_watch(epoll_fd, EPOLL_CTL_ADD, c) == 0)
        return;
    if (may_log(errno))
        perror("epoll_ctl");
    conn_close(c);
}

/* Returns true if text is a decimal number from 0 to 65535. */
static bool valid_port(const char *text)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);

    return isdigit((unsigned char)text[0]) && *end == '\0' && port <= 65535;
}

/* Undoes a blocked signal mask and closed descriptors that we inherited. */
static void reset_process(void)
{
    sigset_t none;

    /* Blocked signals are inherited: a blocked SIGTERM would not end us. */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* A socket would take the number of a closed stdin, stdout or stderr.
       Opened for the wrong direction, those still fail when they are used. */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) == -1)
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
    /* Writing to a peer that is gone must fail with EPIPE, not kill us. */
    signal(SIGPIPE, SIG_IGN);
}

/* Returns all TCP addresses of host, for bind if flags is AI_PASSIVE. */
static struct addrinfo *resolve(const char *host, const char *port, int flags)
{
    struct addrinfo hints = {.ai_flags = flags, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    int err = getaddrinfo(host, port, &hints, &list);

    if (err != 0)
        die_gai(host, err);
    return list;
}

/* Returns a listening socket, or -1 if this machine lacks the address. */
static int listen_at(const struct addrinfo *ai)
{
    int on = 1;
    int fd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);

    if (fd == -1 && errno == EAFNOSUPPORT)
        return -1;
    if (fd == -1)
        die("socket");
    /* Allow a restart while old connections are still in TIME_WAIT. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    /* Connections inherit the next two: send every write at once (without
       Nagle's algorithm), and leave urgent data in the stream. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == -1) {
        if (errno != EADDRNOTAVAIL)
            die("bind");
        close(fd);
        return -1;
    }
    if (listen(fd, SOMAXCONN) == -1)
        die("listen");
    return fd;
}

/* Returns a listening socket on the first address of host that works. */
static int listen_on(const char *host, const char *port)
{
    struct addrinfo *list = resolve(host, port, AI_PASSIVE);
    int fd = -1;

    for (struct addrinfo *ai = list; ai != NULL && fd == -1; ai = ai->ai_next)
        fd = listen_at(ai);
    if (fd == -1) {
        fprintf(stderr, "bind: %s is not an address of this machine\n", host);
        exit(1);
    }
    freeaddrinfo(list);
    return fd;
}

/* Prints where the server listens. The kernel chose the port if it was 0. */
static void announce(int listen_fd, const char *host)
{
    struct sockaddr_storage addr;
    struct sockaddr *sa = (struct sockaddr *)&addr;
    socklen_t len = sizeof(addr);
    char port[6];

    if (getsockname(listen_fd, sa, &len) == -1)
        die("getsockname");
    int err =
        getnameinfo(sa, len, NULL, 0, port, sizeof(port), NI_NUMERICSERV);
    if (err != 0)
        die_gai("getnameinfo", err);
    printf("Server is listening on %s:%s\n", host, port);
    fflush(stdout);
}

int main(int argc, char *argv[])
{
    const char *host = argc > 1 ? argv[1] : "localhost";
    const char *port = argc > 2 ? argv[2] : "8000";
    struct timespec delay = {.tv_nsec = PAUSE_MS * 1000000L};
    bool accepting = true;

    if (argc > 3 || !valid_port(port)) {
        fprintf(stderr, "usage: server [HOST [PORT]], PORT from 0 to 65535\n");
        exit(2);
    }
    reset_process();
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
        int paused_ms = pause_left();

        if (accepting != (paused_ms == -1)) {
            accepting = !accepting;
            listener_watch(epoll_fd, EPOLL_CTL_MOD, listen_fd, accepting);
        }
        int n_events = epoll_wait(epoll_fd, events, MAX_EVENTS, paused_ms);
        if (n_events == -1) {
            if (errno == EINTR)
                continue;
            if (may_log(errno))
                perror("epoll_wait");
            nanosleep(&delay, NULL);
            continue;
        }
        for (int i = 0; i < n_events; i++) {
            struct conn *c = events[i].data.ptr;

            if (c == NULL) {
                conn_add(epoll_fd, listen_fd);
                continue;
            }
            bool was_reading = conn_wants_read(c);
            bool alive = was_reading ? conn_echo(c) : conn_flush(c);

            if (alive && conn_wants_read(c) != was_reading)
                alive = conn_watch(epoll_fd, EPOLL_CTL_MOD, c) == 0;
            if (!alive)
                conn_close(c);
        }
    }
}
