/*
 * client -- TCP echo client: sends some, waits until it has come back
 *
 * usage: client [HOST [PORT]]        the default is localhost 8000
 *
 * Copies stdin to the server and what comes back to stdout.
 */
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
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

/* Reads up to n bytes. Returns how many, 0 at the end, -1 on an error. */
static ssize_t read_some(int fd, char *buf, size_t n)
{
    ssize_t got;

    do
        got = read(fd, buf, n);
    while (got == -1 && errno == EINTR);
    return got;
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

/* Copies the n bytes that the server owes to stdout. */
static bool receive(int sock_fd, size_t n)
{
    char buf[BUF_SIZE];

    while (n > 0) {
        ssize_t got = read_some(sock_fd, buf, n < BUF_SIZE ? n : BUF_SIZE);

        if (got == -1)
            perror("server");
        if (got == 0)
            fprintf(stderr, "server: closed the connection early\n");
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

/* Sends stdin piece by piece. True if every piece has come back. */
static bool exchange(int sock_fd)
{
    char buf[BUF_SIZE];

    for (;;) {
        ssize_t n = read_some(STDIN_FILENO, buf, sizeof(buf));

        if (n == -1)
            perror("stdin");
        if (n <= 0)
            return n == 0;
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
    /* Writing to a server that is gone must fail, not end the client. */
    signal(SIGPIPE, SIG_IGN);

    int sock_fd = connect_to(host, port);
    fprintf(stderr, "Connected to server\n");
    bool ok = exchange(sock_fd);
    close(sock_fd);
    fprintf(stderr, "Disconnected from server\n");
    return ok ? 0 : 1;
}
