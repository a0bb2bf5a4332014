/*
 * server -- TCP echo server: one process, which waits with poll
 *
 * usage: server [HOST [PORT]]        the default is localhost 8000
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUF_SIZE 16384
#define PAUSE_MS 100 /* before the next accept, after one has failed */

/* Reads when the buffer is empty, writes while it is not. */
struct conn {
    int fd;
    size_t start; /* pending output: buf[start] up to buf[end - 1] */
    size_t end;
    char buf[BUF_SIZE];
};

static struct conn **conns;
static struct pollfd *fds; /* the listening socket's, then one for each */
static int n_conns, max_conns; /* in use, and room for */
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

/* Makes room for more connections. Returns false with errno set if there is
   no memory. */
static bool grow(void)
{
    int n = max_conns * 2 + 64;
    struct conn **more_conns = realloc(conns, n * sizeof(*conns));
    if (more_conns == NULL)
        return false;
    conns = more_conns;
    struct pollfd *more_fds = realloc(fds, (n + 1) * sizeof(*fds));
    if (more_fds == NULL)
        return false;
    fds = more_fds;
    max_conns = n;
    return true;
}

/* Accepts a connection, or pauses accepting if that fails. */
static void conn_add(int listen_fd)
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
    if (n_conns < max_conns || grow()) {
        conns[n_conns++] = c;
        return;
    }
    if (may_log(errno))
        perror("realloc");
    conn_close(c);
}

/* Writes what every connection waits for into fds. */
static void watch_conns(void)
{
    for (int i = 0; i < n_conns; i++) {
        fds[i + 1].fd = conns[i]->fd;
        fds[i + 1].events = 0;
        if (conn_wants_read(conns[i]))
            fds[i + 1].events |= POLLIN;
        if (conn_wants_write(conns[i]))
            fds[i + 1].events |= POLLOUT;
    }
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

    if (argc > 3 || !valid_port(port)) {
        fprintf(stderr, "usage: server [HOST [PORT]], PORT from 0 to 65535\n");
        exit(2);
    }
    reset_process();
    int listen_fd = listen_on(host, port);
    if (set_nonblocking(listen_fd) == -1)
        die("fcntl");
    if (!grow())
        die("realloc");
    announce(listen_fd, host);

    for (;;) {
        int paused_ms = pause_left();

        watch_conns();
        fds[0].fd = listen_fd;
        fds[0].events = paused_ms == -1 ? POLLIN : 0;
        if (poll(fds, n_conns + 1, paused_ms) == -1) {
            if (errno == EINTR)
                continue;
            if (may_log(errno))
                perror("poll");
            nanosleep(&delay, NULL);
            continue;
        }
        /* Backwards: the connection moved into a gap was already served. */
        for (int i = n_conns - 1; i >= 0; i--) {
            struct conn *c = conns[i];
            bool alive = true;
            bool ready = fds[i + 1].revents != 0; /* ERR and HUP as well */

            if (ready && conn_wants_read(c))
                alive = conn_echo(c);
            else if (ready && conn_wants_write(c))
                alive = conn_flush(c);
            if (!alive) {
                conn_close(c);
                conns[i] = conns[--n_conns];
            }
        }
        if (fds[0].revents != 0)
            conn_add(listen_fd);
    }
}
