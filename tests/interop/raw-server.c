/*
 * raw-server -- an echo server that makes its system calls itself
 *
 * usage: raw-server HOST PORT   HOST is only printed: it is 127.0.0.1
 *
 * As programs in Go do: what is preloaded in front of the C library does not
 * see them. It serves one connection after another, as 01-blocking does.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void echo(int fd)
{
    char buf[16384];
    long n, sent, done;

    while ((n = syscall(SYS_read, fd, buf, sizeof(buf))) > 0)
        for (done = 0; done < n; done += sent) {
            /* sendto: write would raise SIGPIPE after a reset. */
            sent = syscall(SYS_sendto, fd, buf + done, n - done, MSG_NOSIGNAL,
                           NULL, 0);
            if (sent < 0)
                return;
        }
}

int main(int argc, char *argv[])
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    int listen_fd = socket(AF_INET, SOCK_STREAM, 0);

    addr.sin_port = htons(argc == 3 ? (unsigned short)atoi(argv[2]) : 8000);
    if (listen_fd == -1 ||
        bind(listen_fd, (struct sockaddr *)&addr, sizeof(addr)) == -1 ||
        listen(listen_fd, SOMAXCONN) == -1 ||
        getsockname(listen_fd, (struct sockaddr *)&addr, &len) == -1)
        die("listen");
    printf("Server is listening on %s:%d\n", argc == 3 ? argv[1] : "127.0.0.1",
           ntohs(addr.sin_port));
    fflush(stdout);
    for (;;) {
        long fd = syscall(SYS_accept4, listen_fd, NULL, NULL, 0);

        if (fd < 0)
            die("accept");
        echo((int)fd);
        close((int)fd);
    }
}
