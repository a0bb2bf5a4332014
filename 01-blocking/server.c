/*
 * server -- TCP echo server: one connection at a time
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
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUF_SIZE 16384
#define PAUSE_MS 100 /* before the next accept, after one has failed */

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

/* Echoes until the peer sends FIN or the connection breaks. */
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
    struct timespec delay = {.tv_nsec = PAUSE_MS * 1000000L};

    if (argc > 3 || !valid_port(port)) {
        fprintf(stderr, "usage: server [HOST [PORT]], PORT from 0 to 65535\n");
        exit(2);
    }
    reset_process();
    int listen_fd = listen_on(host, port);
    announce(listen_fd, host);

    for (;;) {
        int conn_fd = accept(listen_fd, NULL, NULL);

        if (conn_fd == -1) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            if (may_log(errno))
                perror("accept");
            nanosleep(&delay, NULL);
            continue;
        }
        echo(conn_fd);
        close(conn_fd);
    }
}
