/*
 * listen.h -- a listening socket, for the libraries that leave it to you
 */
#include "common.h"
#include <fcntl.h>
#include <netinet/tcp.h>

static inline void set_nonblocking(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static int listen_on_loopback(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd == -1 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1 ||
        listen(fd, SOMAXCONN) == -1)
        die("listen");
#ifdef NODELAY /* Linux: connections inherit it from the listening socket. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
#endif
    announce(fd);
    return fd;
}
