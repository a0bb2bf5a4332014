/* peer_link -- one non-blocking connection of the scripted peer */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int small_buffer;

/* A number that looks random and follows from x (SplitMix64's mixer). */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

/* Fills buf with the n bytes of the stream from place `at` on. */
static void stream_bytes(uint64_t seed, uint64_t at, unsigned char *buf,
                         size_t n)
{
    uint64_t word = mix(seed ^ mix(at / 8));

    for (size_t i = 0; i < n; i++) {
        if (i > 0 && (at + i) % 8 == 0)
            word = mix(seed ^ mix((at + i) / 8));
        buf[i] = word >> ((at + i) % 8 * 8);
    }
}

/* Sizes around those of the usual buffers, and tiny ones. */
static size_t chunk_size(const struct link *l)
{
    static const size_t sizes[] = {1,    7,     333,   4095,  4096,
                                   4097, 16383, 16384, 16385, ODD_MAX};

    return sizes[mix(l->seed + l->sent) % (sizeof(sizes) / sizeof(*sizes))];
}

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
        if (small_buffer > 0)
            setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &small_buffer,
                       sizeof(small_buffer));
        if (connect(l->fd, l->ai->ai_addr, l->ai->ai_addrlen) == 0 ||
            errno == EINPROGRESS)
            return;
        l->error = errno;
        close(l->fd);
        l->fd = -1;
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
    close(l->fd);
    l->fd = -1;
    l->error = error;
    if (l->ai->ai_next != NULL)
        link_open(l, l->ai->ai_next);
}

void link_send(struct link *l, uint64_t until)
{
    static unsigned char buf[CHUNK_MAX];
    size_t n = l->piece > 0 ? l->piece : chunk_size(l);

    if (n > until - l->sent)
        n = until - l->sent;
    stream_bytes(l->seed, l->sent, buf, n);
    ssize_t sent = send(l->fd, buf, n, l->urgent ? MSG_OOB : 0);
    if (sent >= 0)
        l->sent += sent;
    else if (!may_try_again())
        l->error = errno;
}

void link_receive(struct link *l)
{
    static unsigned char buf[CHUNK_MAX], expected[CHUNK_MAX];
    size_t size = small_buffer > 0 ? 777 : ODD_MAX;
    ssize_t n = recv(l->fd, buf, size, 0);

    if (n == -1 && !may_try_again())
        l->error = errno;
    if (n == 0)
        l->eof = true;
    if (n <= 0)
        return;
    stream_bytes(l->seed, l->received, expected, n);
    if (l->received + n > l->sent || memcmp(buf, expected, n) != 0)
        l->corrupt = true;
    l->received += n;
}

void link_fin(struct link *l)
{
    shutdown(l->fd, SHUT_WR);
}

void link_close(struct link *l, bool reset)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (reset)
        setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(l->fd);
    l->fd = -1;
}
