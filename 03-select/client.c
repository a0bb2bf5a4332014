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
    size_t start; /* what is still to be written: from here up to end */
    size_t end;
    char buf[PIPE_BUF]; /* a pipe that is ready to be written takes as much */
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* True if text is a decimal number from 0 to 65535 and nothing else. */
static bool valid_port(const char *text)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);

    return isdigit((unsigned char)text[0]) && *end == '\0' && port <= 65535;
}

/* Returns a socket connected to the first address of host that answers. */
static int connect_to(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
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
        if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
            break;
        close(fd);
        fd = -1;
    }
    if (fd == -1)
        die("connect");
    freeaddrinfo(list);
    return fd;
}

/* From now on read and write on fd fail with EAGAIN instead of waiting. */
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

/* Reads what is there. False: an error, which it has told. */
static bool flow_readable(struct flow *f)
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

/* Writes what can be written. False: an error, which it has told. */
static bool flow_writable(struct flow *f)
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

/* Sends stdin and receives, each when it can. True if all came back. */
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

    while (!down.eof || flow_wants_write(&down)) {
        fd_set readable, writable;

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
        if (FD_ISSET(up.from_fd, &readable) && !flow_readable(&up))
            return false;
        if (FD_ISSET(up.to_fd, &writable) && !flow_writable(&up))
            return false;
        if (FD_ISSET(down.from_fd, &readable) && !flow_readable(&down))
            return false;
        if (FD_ISSET(down.to_fd, &writable) && !flow_writable(&down))
            return false;
        if (up.eof && !fin_sent) {
            shutdown(sock_fd, SHUT_WR);
            fin_sent = true;
        }
    }
    if (up.eof && up.count == down.count)
        return true;
    fprintf(stderr, "Not everything came back\n");
    return false;
}

int main(int argc, char *argv[])
{
    const char *host = argc > 1 ? argv[1] : "localhost";
    const char *port = argc > 2 ? argv[2] : "8000";

    if (argc > 3 || !valid_port(port)) {
        fprintf(stderr, "usage: client [HOST [PORT]], PORT from 0 to 65535\n");
        exit(2);
    }
    /* Writing to a server that is gone must fail, not end the client. */
    signal(SIGPIPE, SIG_IGN);

    int sock_fd = connect_to(host, port);
    if (set_nonblocking(sock_fd) == -1)
        die("fcntl");
    if (sock_fd >= FD_SETSIZE) {
        errno = EMFILE;
        die("FD_SETSIZE");
    }
    fprintf(stderr, "Connected to server\n");
    bool ok = exchange(sock_fd);
    close(sock_fd);
    fprintf(stderr, "Disconnected from server\n");
    return ok ? 0 : 1;
}
