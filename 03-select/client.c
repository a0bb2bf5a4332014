/*
 * client -- TCP echo client: sends and receives at once, with select
 *
 * usage: client [HOST [PORT]]        the default is localhost 8000
 *
 * Copies stdin to the server and what comes back to stdout.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

/* One direction: reads when the buffer is empty, writes while it is not. */
struct flow {
    const char *from_name;
    const char *to_name;
    int from_fd;
    int to_fd;
    bool eof;
    unsigned long long count; /* bytes read so far */
    size_t start; /* pending output: buf[start] up to buf[end - 1] */
    size_t end;
    char buf[PIPE_BUF]; /* a writable pipe takes this much without blocking */
};

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

/* Makes read and write on fd fail with EAGAIN instead of blocking. */
static int set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags == -1 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static bool flow_wants_read(const struct flow *f)
{
    return !f->eof && f->start == f->end;
}

static bool flow_wants_write(const struct flow *f)
{
    return f->start < f->end;
}

/* Reads once. Returns false on failure, after logging it. */
static bool flow_read(struct flow *f)
{
    ssize_t n = read(f->from_fd, f->buf, sizeof(f->buf));

    if (n == -1 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n == -1) {
        perror(f->from_name);
        return false;
    }
    f->eof = n == 0;
    f->count += n;
    f->start = 0;
    f->end = n;
    return true;
}

/* Writes once. Returns false on failure, after logging it. */
static bool flow_write(struct flow *f)
{
    ssize_t n = write(f->to_fd, f->buf + f->start, f->end - f->start);

    if (n == -1 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n == -1) {
        perror(f->to_name);
        return false;
    }
    f->start += n;
    return true;
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

/* Sends stdin and receives, each when it can. Returns true if as much came
   back as was sent. */
static bool exchange(int sock_fd)
{
    struct flow up = {.from_fd = STDIN_FILENO,
                      .from_name = "stdin",
                      .to_fd = sock_fd,
                      .to_name = "server"};
    struct flow down = {.from_fd = sock_fd,
                        .from_name = "server",
                        .to_fd = STDOUT_FILENO,
                        .to_name = "stdout"};
    bool fin_sent = false;

    while (!down.eof) {
        fd_set readable, writable;

        /* select leaves only the ready ones: fill the sets every time. */
        FD_ZERO(&readable);
        FD_ZERO(&writable);
        if (flow_wants_read(&up))
            FD_SET(up.from_fd, &readable);
        if (flow_wants_write(&up))
            FD_SET(up.to_fd, &writable);
        if (flow_wants_read(&down))
            FD_SET(down.from_fd, &readable);
        if (flow_wants_write(&down))
            FD_SET(down.to_fd, &writable);
        if (select(sock_fd + 1, &readable, &writable, NULL, NULL) == -1) {
            if (errno == EINTR)
                continue;
            die("select");
        }
        if (FD_ISSET(up.from_fd, &readable) && !flow_read(&up))
            return false;
        if (FD_ISSET(up.to_fd, &writable) && !flow_write(&up))
            return false;
        if (FD_ISSET(down.from_fd, &readable) && !flow_read(&down))
            return false;
        if (FD_ISSET(down.to_fd, &writable) && !flow_write(&down))
            return false;
        if (up.eof && !fin_sent) {
            shutdown(sock_fd, SHUT_WR);
            fin_sent = true;
        }
    }
    if (down.count > up.count)
        fprintf(stderr, "server: more came back than was sent\n");
    else if (down.count < up.count || !up.eof)
        fprintf(stderr, "server: not everything came back\n");
    return up.eof && down.count == up.count;
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
    if (set_nonblocking(sock_fd) == -1)
        die("fcntl");
    if (sock_fd >= FD_SETSIZE) {
        fprintf(stderr, "select: no room for descriptor %d\n", sock_fd);
        exit(1);
    }
    fprintf(stderr, "Connected to server\n");
    bool ok = exchange(sock_fd);
    close(sock_fd);
    fprintf(stderr, "Disconnected from server\n");
    return ok ? 0 : 1;
}
