/*
 * badserver -- a server with one fault, to test how clients cope with it
 *
 * usage: badserver MODE HOST PORT        (PORT 0: the kernel chooses)
 *
 * late        sends nothing until the peer's FIN, then everything
 * truncate=N  echoes N bytes, then sends FIN; reads on, but answers nothing
 * reset=N     echoes N bytes, then resets the connection
 * twice       echoes every byte twice
 * capitals    echoes in capital letters
 * greeting    says hello first, then echoes
 * extra       echoes, and sends one byte too many after the peer's FIN
 * flood       sends zeros without end, and reads nothing
 * open=MS     echoes, and closes MS ms after the peer's FIN (0: never)
 * gather=N    answers once N bytes have come, then once N more have
 * silent      sends nothing, and reads nothing either
 * refuse      binds the port, but doesn't listen: connect is refused
 *
 * Prints the line that our servers print. Serves one connection at a time.
 */
#include "common.h"

#include <ctype.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUF_SIZE 65536 /* late and gather keep as much */

const char tool[] = "badserver";
static char buf[BUF_SIZE];

static int bind_to(const char *host, const char *port)
{
    const struct addrinfo *ai = resolve(host, port);
    int fd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);

    if (fd == -1)
        die_errno("socket");
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == -1)
        die_errno("bind");
    return fd;
}

static void announce(int listen_fd, const char *host)
{
    struct sockaddr_storage addr;
    struct sockaddr *sa = (struct sockaddr *)&addr;
    socklen_t len = sizeof(addr);
    char port[6];

    if (getsockname(listen_fd, sa, &len) == -1)
        die_errno("getsockname");
    getnameinfo(sa, len, NULL, 0, port, sizeof(port), NI_NUMERICSERV);
    printf("Server is listening on %s:%s\n", host, port);
    fflush(stdout);
}

static bool write_all(int fd, const char *from, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, from, n);

        if (written == -1)
            return false;
        from += written;
        n -= (size_t)written;
    }
    return true;
}

/* Reads n bytes into buf, or fewer when the peer sends no more. */
static size_t read_all(int fd, size_t n)
{
    size_t have = 0;
    ssize_t got;

    while (have < n && (got = read(fd, buf + have, n - have)) > 0)
        have += (size_t)got;
    return have;
}

/* Echoes n bytes, or fewer when the peer sends no more, each piece so many
   times. */
static void echo(int fd, size_t n, int times)
{
    while (n > 0) {
        ssize_t got = read(fd, buf, n < BUF_SIZE ? n : BUF_SIZE);

        if (got <= 0)
            return;
        for (int i = 0; i < times; i++)
            if (!write_all(fd, buf, (size_t)got))
                return;
        n -= (size_t)got;
    }
}

/* Serves one connection with the fault that mode names. */
static void serve(int fd, const char *mode, size_t n)
{
    if (strcmp(mode, "late") == 0) {
        write_all(fd, buf, read_all(fd, BUF_SIZE));
    } else if (strncmp(mode, "truncate=", 9) == 0) {
        echo(fd, n, 1);
        shutdown(fd, SHUT_WR);
        while (read(fd, buf, BUF_SIZE) > 0)
            ;
    } else if (strncmp(mode, "reset=", 6) == 0) {
        echo(fd, n, 1);
        reset_on_close(fd);
    } else if (strcmp(mode, "twice") == 0) {
        echo(fd, SIZE_MAX, 2);
    } else if (strcmp(mode, "capitals") == 0) {
        for (ssize_t got; (got = read(fd, buf, BUF_SIZE)) > 0;) {
            for (ssize_t i = 0; i < got; i++)
                buf[i] = (char)toupper((unsigned char)buf[i]);
            if (!write_all(fd, buf, (size_t)got))
                break;
        }
    } else if (strcmp(mode, "greeting") == 0) {
        write_all(fd, "220 hello\n", 10);
        echo(fd, SIZE_MAX, 1);
    } else if (strcmp(mode, "extra") == 0) {
        echo(fd, SIZE_MAX, 1);
        write_all(fd, "x", 1);
    } else if (strcmp(mode, "flood") == 0) {
        while (write_all(fd, buf, BUF_SIZE))
            ;
    } else if (strncmp(mode, "open=", 5) == 0) {
        echo(fd, SIZE_MAX, 1);
        poll(NULL, 0, n == 0 ? -1 : (int)n);
    } else if (strncmp(mode, "gather=", 7) == 0 && n > 0 && n <= BUF_SIZE) {
        while (read_all(fd, n) == n && write_all(fd, buf, n))
            ;
    } else if (strcmp(mode, "silent") == 0) {
        pause();
    } else {
        exit(2);
    }
    close(fd);
}

int main(int argc, char *argv[])
{
    if (argc != 4) {
        fprintf(stderr, "usage: badserver MODE HOST PORT\n");
        exit(2);
    }
    const char *mode = argv[1], *equals = strchr(mode, '=');
    size_t n = equals == NULL ? 0 : number(equals + 1, 0, SIZE_MAX);

    signal(SIGPIPE, SIG_IGN);
    int listen_fd = bind_to(argv[2], argv[3]);
    if (strcmp(mode, "refuse") == 0) {
        announce(listen_fd, argv[2]);
        pause();
    }
    if (listen(listen_fd, SOMAXCONN) == -1)
        die_errno("listen");
    announce(listen_fd, argv[2]);
    for (;;) {
        int fd = accept(listen_fd, NULL, NULL);

        if (fd == -1)
            die_errno("accept");
        serve(fd, mode, n);
    }
}
