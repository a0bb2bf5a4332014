/*
 * client -- TCP echo client: sends a piece, waits until it has come back
 *
 * usage: client [HOST [PORT]]        the default is localhost 8000
 *
 * Copies stdin to the server and what comes back to stdout.
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
#include <unistd.h>

#define BUF_SIZE 16384

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

/* Returns a socket connected to the first address of host that answers. */
static int connect_to(const char *host, const char *port)
{
    struct addrinfo *list = resolve(host, port, 0);
    int on = 1;
    int error = 0;
    int fd = -1;

    for (struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next) {
        fd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);
        if (fd == -1 && errno != EAFNOSUPPORT)
            die("socket");
        if (fd != -1 && connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
            break;
        /* Report the first address's error, unless another one refused. */
        if (error == 0 || errno == ECONNREFUSED)
            error = errno;
        if (fd != -1)
            close(fd);
        fd = -1;
    }
    if (fd == -1) {
        errno = error;
        die("connect");
    }
    /* Send every write at once, without Nagle's algorithm: see tcp(7). */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    freeaddrinfo(list);
    return fd;
}

/* Returns true if a read or write that has failed should be repeated. Waits
   first if fd was left non-blocking by another program and isn't ready. */
static bool should_retry(int fd, short events)
{
    struct pollfd pfd = {.fd = fd, .events = events};

    if (errno == EAGAIN)
        poll(&pfd, 1, -1);
    return errno == EAGAIN || errno == EINTR;
}

/* Reads up to n bytes. Returns how many, 0 at the end, or -1. */
static ssize_t read_some(int fd, char *buf, size_t n)
{
    ssize_t got;

    do
        got = read(fd, buf, n);
    while (got == -1 && should_retry(fd, POLLIN));
    return got;
}

/* Writes all n bytes. Returns 0, or -1 with errno set. */
static int write_all(int fd, const char *buf, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, buf, n);

        if (written == -1 && should_retry(fd, POLLOUT))
            continue;
        if (written == -1)
            return -1;
        buf += written;
        n -= written;
    }
    return 0;
}

/* Copies n bytes from the server to stdout. Returns false on failure. */
static bool receive(int sock_fd, size_t n)
{
    char buf[BUF_SIZE];

    while (n > 0) {
        ssize_t got = read_some(sock_fd, buf, n < BUF_SIZE ? n : BUF_SIZE);

        if (got == -1)
            perror("server");
        if (got == 0)
            fprintf(stderr, "server: not everything came back\n");
        if (got <= 0)
            return false;
        if (write_all(STDOUT_FILENO, buf, got) == -1) {
            perror("stdout");
            return false;
        }
        n -= got;
    }
    return true;
}

/* Sends FIN and waits for the server's. Returns false on failure. */
static bool finish(int sock_fd)
{
    char byte;

    shutdown(sock_fd, SHUT_WR);
    ssize_t n = read_some(sock_fd, &byte, 1);
    if (n == -1)
        perror("server");
    if (n > 0)
        fprintf(stderr, "server: more came back than was sent\n");
    return n == 0;
}

/* Sends stdin piece by piece. Returns true if each came back, and no more. */
static bool exchange(int sock_fd)
{
    char buf[BUF_SIZE];

    for (;;) {
        ssize_t n = read_some(STDIN_FILENO, buf, sizeof(buf));

        if (n == -1) {
            perror("stdin");
            return false;
        }
        if (n == 0)
            return finish(sock_fd);
        if (write_all(sock_fd, buf, n) == -1) {
            perror("server");
            return false;
        }
        if (!receive(sock_fd, n))
            return false;
    }
}

int main(int argc, char *argv[])
{
    const char *host = argc > 1 ? argv[1] : "localhost";
    const char *port = argc > 2 ? argv[2] : "8000";

    if (argc > 3 || !valid_port(port)) {
        fprintf(stderr, "usage: client [HOST [PORT]], PORT from 0 to 65535\n");
        exit(2);
    }
    reset_process();
    int sock_fd = connect_to(host, port);
    fprintf(stderr, "Connected to server\n");
    bool ok = exchange(sock_fd);
    close(sock_fd);
    fprintf(stderr, "Disconnected from server\n");
    return ok ? 0 : 1;
}
