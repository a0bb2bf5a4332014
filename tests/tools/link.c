/* link -- one non-blocking connection whose bytes are checked */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int receive_buffer;

static char buf[CHUNK_MAX];

static bool may_try_again(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/*
 * A socket that connects to an unused port of the ephemeral range may be
 * given that very port: it is then connected to itself, and hears an echo.
 */
static bool is_self_connected(int fd)
{
    struct sockaddr_storage own, other;
    socklen_t own_len = sizeof(own), other_len = sizeof(other);

    memset(&own, 0, sizeof(own));
    memset(&other, 0, sizeof(other));
    return getsockname(fd, (struct sockaddr *)&own, &own_len) == 0 &&
           getpeername(fd, (struct sockaddr *)&other, &other_len) == 0 &&
           own_len == other_len && memcmp(&own, &other, own_len) == 0;
}

void link_open(struct link *l, const struct addrinfo *list)
{
    for (l->ai = list; l->ai != NULL; l->ai = l->ai->ai_next) {
        l->error = 0;
        l->fd =
            socket(l->ai->ai_family, l->ai->ai_socktype, l->ai->ai_protocol);
        if (l->fd == -1) {
            l->error = errno;
            continue;
        }
        fcntl(l->fd, F_SETFL, O_NONBLOCK);
        if (receive_buffer > 0)
            setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer,
                       sizeof(receive_buffer));
        if (connect(l->fd, l->ai->ai_addr, l->ai->ai_addrlen) == 0 ||
            errno == EINPROGRESS)
            return;
        l->error = errno;
        link_close(l, false);
    }
}

int link_error(const struct link *l)
{
    int error = 0;
    socklen_t len = sizeof(error);

    getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return error;
}

void link_connect(struct link *l)
{
    int error = link_error(l);

    if (error == 0 && is_self_connected(l->fd))
        error = ECONNREFUSED;
    if (error == 0) {
        l->connected = true;
        return;
    }
    link_close(l, false);
    l->error = error;
    if (l->ai->ai_next != NULL)
        link_open(l, l->ai->ai_next);
}

bool link_wait(struct link *l, short events, int64_t deadline_us)
{
    struct pollfd pfd = {.fd = l->fd, .events = events};
    int64_t left_ms = (deadline_us - now_us()) / 1000;

    if (left_ms > 0 && poll(&pfd, 1, (int)left_ms) == 1)
        return true;
    l->error = ETIMEDOUT;
    return false;
}

void link_open_now(struct link *l, const struct addrinfo *list,
                   int64_t deadline_us)
{
    link_open(l, list);
    while (l->fd != -1 && !l->connected && link_wait(l, POLLOUT, deadline_us))
        link_connect(l);
}

void link_hurry(const struct link *l)
{
    int on = 1;

    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
#ifdef TCP_QUICKACK
    setsockopt(l->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
#endif
}

void link_send(struct link *l, uint64_t n, int flags)
{
    if (n > CHUNK_MAX)
        n = CHUNK_MAX;
    stream_fill(buf, l->key, l->sent, n);
    ssize_t sent = send(l->fd, buf, n, flags);
    if (sent >= 0)
        l->sent += (uint64_t)sent;
    else if (!may_try_again())
        l->error = errno;
}

void link_receive(struct link *l, size_t n)
{
    ssize_t got = recv(l->fd, buf, n < CHUNK_MAX ? n : CHUNK_MAX, 0);

    if (got == -1 && !may_try_again())
        l->error = errno;
    if (got == 0)
        l->eof = true;
    if (got <= 0)
        return;
    l->corrupt =
        stream_same(buf, l->key, l->received, (size_t)got) != (size_t)got;
    l->received += (uint64_t)got;
}

void link_fin(const struct link *l)
{
    shutdown(l->fd, SHUT_WR);
}

void link_close(struct link *l, bool reset)
{
    if (l->fd == -1)
        return;
    if (reset)
        reset_on_close(l->fd);
    close(l->fd);
    l->fd = -1;
}
