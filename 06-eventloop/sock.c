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
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net.h"
#include "sock.h"

#define GAI_ERRORS 10000 /* errors from here on are getaddrinfo's */

/* What bind and getsockname fill in or read, whatever the family. */
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

bool sock_is_passing(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

struct path_address {
    struct addrinfo ai;
    struct sockaddr_un un;
};

/* The list that getaddrinfo would give if it knew of paths. */
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

struct addrinfo *sock_resolve(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
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
        free(list); /* ours: getaddrinfo gives none of these */
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
    int fd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);

    if (fd != -1 && set_nonblocking(fd) == -1)
        return give_up(fd);
    return fd;
}

/* True if path is a socket's file that no server answers at. */
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

/* Does bind(2), for a dead server's file once more when it is removed. */
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

int sock_listen(const struct addrinfo *list)
{
    int on = 1;

    for (const struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next) {
        int fd = sock_open(ai);
        if (fd == -1)
            continue;
        /* Connections of the last run may linger; restart all the same. */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind_to(fd, ai) == 0 && listen(fd, SOMAXCONN) == 0)
            return fd;
        give_up(fd);
        /* In use: the next address would only hide that from the user. */
        if (errno == EADDRINUSE)
            break;
    }
    return -1;
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

void sock_unlink(int listen_fd)
{
    union address addr = {.any.sa_family = AF_UNSPEC};
    socklen_t len = sizeof(addr);

    if (getsockname(listen_fd, &addr.any, &len) == 0 &&
        addr.any.sa_family == AF_UNIX)
        unlink(addr.un.sun_path);
}
