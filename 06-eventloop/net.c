/*
 * net.c -- connections: see net.h for what is promised
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "sock.h"

/* One for all: nothing stays in it from one callback to the next. */
static _Thread_local char read_buf[CONN_MAX_DATA];

/* Their life */

/* The deferred end of every connection. */
static void conn_free(struct loop *loop, void *arg)
{
    struct conn *c = arg;

    (void)loop;
    if (c->on->on_close != NULL)
        c->on->on_close(c, c->error, c->arg);
    if (c->server != NULL)
        server_forget(c);
    free(c);
}

struct conn *conn_new(struct loop *loop, int fd,
                      const struct conn_handlers *on, void *arg)
{
    struct conn *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->loop = loop;
    c->on = on;
    c->arg = arg;
    c->fd = fd;
    c->last_active = loop_now(loop);
    c->close_task.cb = conn_free;
    c->close_task.arg = c;
    return c;
}

static void conn_drop_fd(struct conn *c)
{
    if (c->fd == -1)
        return;
    loop_unwatch(c->loop, c->fd);
    close(c->fd);
    c->fd = -1;
    c->events = 0;
}

/* Closes now; on_close, which tells error, comes at the iteration's end. */
static void conn_fail(struct conn *c, int error)
{
    if (c->closed)
        return;
    c->closed = true;
    c->error = error;
    conn_drop_fd(c);
    loop_timer_stop(c->loop, c->timer);
    sock_free_addrs(c->addrs);
    free(c->out);
    loop_defer(c->loop, &c->close_task);
}

void conn_destroy(struct conn *c)
{
    conn_fail(c, 0);
}

static void conn_ready(struct loop *loop, int fd, int events, void *arg);

void conn_settle(struct conn *c)
{
    bool sends = c->connecting || c->out != NULL;
    bool reads = !c->connecting && !c->paused && !c->eof;
    int events = (reads ? LOOP_READ : 0) | (sends ? LOOP_WRITE : 0);

    c->unsettled = c->in_event;
    if (c->closed || c->in_event)
        return;
    if (c->ended && !sends && c->eof) {
        conn_destroy(c);
        return;
    }
    if (c->ended && !sends && !c->fin_sent) {
        shutdown(c->fd, SHUT_WR);
        c->fin_sent = true;
    }
    if (events == c->events)
        return;
    if (loop_watch(c->loop, c->fd, events, conn_ready, c) == -1)
        conn_fail(c, errno);
    c->events = events;
}

/* Data */

static void conn_read(struct conn *c)
{
    ssize_t n = read(c->fd, read_buf, sizeof(read_buf));

    if (n == -1) {
        if (!sock_is_passing(errno))
            conn_fail(c, errno);
        return;
    }
    c->last_active = loop_now(c->loop);
    if (n == 0) {
        c->eof = true;
        conn_settle(c);
        if (c->on->on_end == NULL)
            conn_end(c);
        else if (!c->discards)
            c->on->on_end(c, c->arg);
    } else if (c->on->on_data != NULL && !c->discards) {
        c->on->on_data(c, read_buf, n, c->arg);
    }
}

/* Writes what the kernel takes. Returns how much that is; the connection is
   closed if it was an error. */
static size_t conn_send(struct conn *c, const char *data, size_t n)
{
    ssize_t sent = write(c->fd, data, n);

    if (sent == -1) {
        if (!sock_is_passing(errno))
            conn_fail(c, errno);
        return 0;
    }
    c->last_active = loop_now(c->loop);
    return sent;
}

/* Sends from the queue; when it is empty, its memory goes. */
static void conn_flush(struct conn *c)
{
    c->out_start +=
        conn_send(c, c->out + c->out_start, c->out_end - c->out_start);
    if (c->closed || c->out_start < c->out_end)
        return;
    free(c->out);
    c->out = NULL;
    c->out_start = c->out_end = 0;
    conn_settle(c);
    if (c->wants_drain && !c->ended) {
        c->wants_drain = false;
        if (c->on->on_drain != NULL)
            c->on->on_drain(c, c->arg);
    }
}

/* Appends to the queue. Returns 0, or -1: ENOMEM. */
static int conn_queue(struct conn *c, const char *data, size_t n)
{
    if (c->out != NULL && c->out_start > 0)
        memmove(c->out, c->out + c->out_start, c->out_end - c->out_start);
    c->out_end -= c->out_start;
    c->out_start = 0;
    char *out = realloc(c->out, c->out_end + n);
    if (out == NULL)
        return -1;
    memcpy(out + c->out_end, data, n);
    c->out = out;
    c->out_end += n;
    return 0;
}

bool conn_write(struct conn *c, const void *data, size_t n)
{
    size_t sent = 0;

    if (c->closed || c->ended)
        return false;
    if (c->out == NULL && !c->connecting && n > 0)
        sent = conn_send(c, data, n);
    if (sent == n)
        return !c->wants_drain;
    if (c->closed)
        return false;
    if (conn_queue(c, (const char *)data + sent, n - sent) == -1) {
        conn_fail(c, errno);
        return false;
    }
    conn_settle(c);
    if (c->out_end - c->out_start >= CONN_HIGH_WATER)
        c->wants_drain = true;
    return !c->wants_drain;
}

/* The rest of what a program calls */

void conn_set_arg(struct conn *c, void *arg)
{
    c->arg = arg;
}

void conn_end(struct conn *c)
{
    c->ended = true;
    conn_settle(c);
}

void conn_pause(struct conn *c)
{
    c->paused = !c->discards;
    conn_settle(c);
}

void conn_resume(struct conn *c)
{
    c->paused = false;
    conn_settle(c);
}

static void conn_too_late(struct loop *loop, void *arg)
{
    (void)loop;
    conn_destroy(arg);
}

void conn_close(struct conn *c, int grace_ms)
{
    if (c->closed || c->discards)
        return;
    c->discards = true;
    c->paused = false;
    loop_timer_stop(c->loop, c->timer);
    c->timer = loop_timer_start(c->loop, grace_ms, 0, conn_too_late, c);
    if (c->timer == -1)
        conn_destroy(c);
    conn_end(c);
}

/* True if the peer was not silent: we were stopped (Ctrl-Z), or busy, and
   have not come to what it sent. */
static bool conn_has_input(const struct conn *c)
{
    char byte;

    return c->events & LOOP_READ && recv(c->fd, &byte, 1, MSG_PEEK) != -1;
}

/* Re-arms itself for what is left since the last activity, so that sending
   and receiving need not touch the timer. */
static void conn_idle(struct loop *loop, void *arg)
{
    struct conn *c = arg;
    int64_t left = c->last_active + c->timeout_ms - loop_now(loop);
    bool timed_out = left <= 0 && !conn_has_input(c);

    if (left <= 0) {
        c->last_active = loop_now(loop);
        left = c->timeout_ms;
    }
    /* Cannot fail: the timer that has just fired left its place. */
    c->timer = loop_timer_start(loop, left, 0, conn_idle, c);
    if (timed_out && c->on->on_timeout != NULL)
        c->on->on_timeout(c, c->arg);
}

int conn_set_timeout(struct conn *c, int ms)
{
    if (c->closed || c->discards)
        return 0;
    int64_t timer = 0;
    if (ms > 0)
        timer = loop_timer_start(c->loop, ms, 0, conn_idle, c);
    if (timer == -1)
        return -1;
    loop_timer_stop(c->loop, c->timer);
    c->timer = timer;
    c->timeout_ms = ms;
    c->last_active = loop_now(c->loop);
    return 0;
}

/* Connecting */

/* Starts with the next address, or closes with the last one's error. */
static void conn_try_next(struct conn *c, int error)
{
    while (c->addrs_left != NULL) {
        struct addrinfo *ai = c->addrs_left;

        c->addrs_left = ai->ai_next;
        conn_drop_fd(c);
        c->fd = sock_open(ai);
        if (c->fd != -1 && (connect(c->fd, ai->ai_addr, ai->ai_addrlen) == 0 ||
                            errno == EINPROGRESS)) {
            conn_settle(c);
            return;
        }
        error = errno;
    }
    conn_fail(c, error);
}

/* The socket has become writable: connect(2) is done, well or not. */
static void conn_connected(struct conn *c)
{
    struct sockaddr_storage peer;
    int error = 0;
    socklen_t len = sizeof(error);

    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0) {
        conn_try_next(c, error);
        return;
    }
    len = sizeof(peer);
    if (getpeername(c->fd, (struct sockaddr *)&peer, &len) == -1)
        return; /* neither connected nor refused yet */
    c->connecting = false;
    sock_free_addrs(c->addrs);
    c->addrs = NULL;
    c->last_active = loop_now(c->loop);
    conn_settle(c);
    if (c->on->on_connect != NULL)
        c->on->on_connect(c, c->arg);
}

struct conn *conn_connect(struct loop *loop, const char *host,
                          const char *port, const struct conn_handlers *on,
                          void *arg)
{
    struct conn *c = conn_new(loop, -1, on, arg);

    if (c == NULL)
        return NULL;
    c->connecting = true;
    c->addrs = sock_resolve(host, port);
    c->addrs_left = c->addrs;
    conn_try_next(c, errno);
    return c;
}

/* What the loop calls for every connection. One read and one flush at most,
   so that nobody keeps the others waiting. */
static void conn_ready(struct loop *loop, int fd, int events, void *arg)
{
    struct conn *c = arg;

    (void)loop;
    (void)fd;
    c->in_event = true;
    if (c->connecting) {
        conn_connected(c);
    } else {
        /* What came before a reset can still be read, but no more written. */
        if (events & LOOP_READ)
            conn_read(c);
        if (events & LOOP_WRITE && !c->closed)
            conn_flush(c);
    }
    c->in_event = false;
    if (c->unsettled)
        conn_settle(c);
}
