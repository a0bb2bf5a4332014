/*
 * sock.c -- names, addresses and sockets: see sock.h for what is promised
 */
#ifdef __linux__
#define _GNU_SOURCE /* accept4 */
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net.h"
#include "sock.h"

#define GAI_ERRORS 10000 /* errors from here on are getaddrinfo's */

/* What bind and getsockname read or fill in, whatever the family. */
union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
};

const char *net_strerror(int error)
{
    if (error < GAI_ERRORS)
        return strerror(error);
    error -= GAI_ERRORS;
    return gai_strerror(EAI_NONAME < 0 ? -error : error);
}

bool sock_would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

struct path_address {
    struct addrinfo ai;
    struct sockaddr_un un;
};

/* Returns the list that getaddrinfo would return if it knew paths. */
static struct addrinfo *resolve_path(const char *path)
{
    struct path_address *one;

    if (strlen(path) >= sizeof(one->un.sun_path)) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    one = calloc(1, sizeof(*one));
    if (one == NULL)
        return NULL;
    one->un.sun_family = AF_UNIX;
    strcpy(one->un.sun_path, path);
    one->ai.ai_family = AF_UNIX;
    one->ai.ai_socktype = SOCK_STREAM;
    one->ai.ai_addr = (struct sockaddr *)&one->un;
    one->ai.ai_addrlen = sizeof(one->un);
    return &one->ai;
}

struct addrinfo *sock_resolve(const char *host, const char *port, bool listens)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = listens ? AI_PASSIVE : 0};
    struct addrinfo *list;

    if (strchr(host, '/') != NULL)
        return resolve_path(host);
    int err = getaddrinfo(host, port, &hints, &list);
    if (err == 0)
        return list;
    if (err == EAI_MEMORY)
        errno = ENOMEM;
    else if (err != EAI_SYSTEM)
        errno = GAI_ERRORS + abs(err);
    return NULL;
}

void sock_free_addrs(struct addrinfo *list)
{
    if (list != NULL && list->ai_family == AF_UNIX)
        free(list); /* ours: getaddrinfo returns none of these */
    else if (list != NULL)
        freeaddrinfo(list);
}

/* Closes fd and leaves errno alone. Returns -1. */
static int give_up(int fd)
{
    int saved_errno = errno;

    close(fd);
    errno = saved_errno;
    return -1;
}

static int set_nonblocking(int fd)
{
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
        return -1;
    return fcntl(fd, F_SETFL, O_NONBLOCK);
}

int sock_open(const struct addrinfo *ai)
{
    int on = 1;
    int fd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);

    if (fd == -1)
        return -1;
    if (set_nonblocking(fd) == -1)
        return give_up(fd);
    /* Accepted sockets inherit both: no write waits for the acknowledgment of
       another one (Nagle's algorithm), and urgent data stays in its place. */
    if (ai->ai_family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
    }
    return fd;
}

/* Returns true if path is a socket's file and no server answers there. */
static bool is_stale(const struct addrinfo *ai, const char *path)
{
    struct stat st;

    if (lstat(path, &st) == -1 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = sock_open(ai);
    if (fd == -1)
        return false;
    bool refused = connect(fd, ai->ai_addr, ai->ai_addrlen) == -1 &&
                   errno == ECONNREFUSED;
    close(fd);
    return refused;
}

/* Binds fd. A dead server's file is removed first. */
static int bind_to(int fd, const struct addrinfo *ai)
{
    const union address *addr = (const void *)ai->ai_addr;

    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0)
        return 0;
    if (errno != EADDRINUSE || ai->ai_family != AF_UNIX)
        return -1;
    if (is_stale(ai, addr->un.sun_path) && unlink(addr->un.sun_path) == 0)
        return bind(fd, ai->ai_addr, ai->ai_addrlen);
    errno = EADDRINUSE;
    return -1;
}

/* Listens on one address. Returns its socket, or -1 and sets *call. */
static int listen_on(const struct addrinfo *ai, const char **call)
{
    int on = 1;
    int fd = sock_open(ai);

    *call = "socket";
    if (fd == -1)
        return -1;
    /* Allow a restart while old connections are still in TIME_WAIT. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    *call = "bind";
    if (bind_to(fd, ai) == -1)
        return give_up(fd);
    *call = "listen";
    return listen(fd, SOMAXCONN) == 0 ? fd : give_up(fd);
}

int sock_listen(const struct addrinfo *list, const char **call)
{
    bool not_ours = false;
    int fd = -1;

    for (const struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next) {
        fd = listen_on(ai, call);
        /* Go on only if the address isn't one of this machine's. If the port
           is taken, don't silently listen on another address. */
        if (fd != -1 || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
            return fd;
        not_ours = not_ours || errno == EADDRNOTAVAIL;
    }
    if (not_ours) { /* says more than a missing address family does */
        *call = "bind";
        errno = EADDRNOTAVAIL;
    }
    return fd;
}

int sock_accept(int listen_fd)
{
#ifdef __linux__
    return accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    int fd = accept(listen_fd, NULL, NULL);

    if (fd != -1 && set_nonblocking(fd) == -1)
        return give_up(fd);
    return fd;
#endif
}

int sock_port(int fd)
{
    union address addr = {.any.sa_family = AF_UNSPEC};
    socklen_t len = sizeof(addr);

    if (getsockname(fd, &addr.any, &len) == -1)
        return -1;
    if (addr.any.sa_family == AF_INET)
        return ntohs(addr.in.sin_port);
    if (addr.any.sa_family == AF_INET6)
        return ntohs(addr.in6.sin6_port);
    return 0;
}

void sock_peer(int fd, char *buf, size_t size)
{
    union address addr = {.un.sun_family = AF_UNSPEC}; /* the rest is 0 */
    socklen_t len = sizeof(addr);
    char host[64]; /* an IPv6 address and the name of an interface */
    char port[8];

    snprintf(buf, size, "%s", "");
    if (getpeername(fd, &addr.any, &len) == -1)
        return;
    if (addr.any.sa_family == AF_UNIX)
        snprintf(buf, size, "%.*s", (int)sizeof(addr.un.sun_path),
                 addr.un.sun_path);
    else if (getnameinfo(&addr.any, len, host, sizeof(host), port,
                         sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(buf, size, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s",
                 host, port);
}

int sock_unsent(int fd)
{
    int n;

    return ioctl(fd, TIOCOUTQ, &n) == -1 ? 0 : n;
}
