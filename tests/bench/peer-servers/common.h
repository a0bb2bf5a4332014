/*
 * common.h -- what every peer in C does alike: a port of the kernel's choice
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef BUF_SIZE
#define BUF_SIZE 65536
#endif

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Says where the server listens, as the benchmark waits for it. */
static void announce(int listen_fd)
{
    struct sockaddr_in addr = {0};
    socklen_t len = sizeof(addr);

    if (getsockname(listen_fd, (struct sockaddr *)&addr, &len) == -1)
        die("getsockname");
    printf("Server is listening on 127.0.0.1:%d\n", ntohs(addr.sin_port));
    fflush(stdout);
}
