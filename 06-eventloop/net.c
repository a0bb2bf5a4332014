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

/* Bytes to be sent: data[start] up to data[end - 1]. */
struct queue {
    size_t start;
    size_t end;
    size_t size; /* of data */
    char data[];
};

/* One for all: nothing stays in it from one callback to the next. */
static _Thread_local char read_buf[CONN_MAX_DATA];

/* A connection's life */

static void conn_update(void *arg);

void conn_init(struct conn *c, struct loop *loop, int fd,
               const struct conn_handlers *on, void *arg)
{
    c->loop = loop;
    c->on = on;
    c->arg = arg;
    c->fd = fd;
    c->last_active = loop_now(loop);
    c->timer.arg = c;
    c->update.cb = conn_update;
    c->update.arg = c;
}

void conn_changed(struct conn *c)
{
    if (c->life != LIFE_CLOSED)
        loop_defer(c->loop, &c->update);
}

void conn_drop_fd(struct conn *c)
{
    if (c->fd == -1)
        return;
    loop_unwatch(c->loop, c->fd);
    close(c->fd);
    c->fd = -1;
}

/* Closes c and frees everything except c itself. */
static void conn_shut(struct conn *c, int error)
{
    if (c->life == LIFE_CONNECTING)
        client_stop(c);
    c->life = LIFE_CLOSED;
    c->error = error;
    conn_drop_fd(c);
    loop_timer_stop(c->loop, &c->timer);
    free(c->out);
    c->out = NULL;
}

/* The end of every connection. */
static void conn_finish(struct conn *c)
{
    if (c->on->on_close != NULL)
        c->on->on_close(c, c->error);
    if (c->server != NULL)
        server_forget(c);
    else
        client_forget(c);
    free(c);
}

void conn_fail(struct conn *c, int error)
{
    if (c->life == LIFE_CLOSED)
        return;
    conn_changed(c);
    conn_shut(c, error);
}

void conn_cancel(void *arg)
{
    struct conn *c = arg;

    if (c->life != LIFE_CLOSED)
        conn_shut(c, ECANCELED);
    conn_finish(c);
}

/* The end of conn_close's grace. */
static void conn_grace_over(void *arg)
{
    conn_destroy(arg);
}

static void conn_on_readable(void *arg);
static void conn_on_writable(void *arg);

/* Tells the loop what c waits for now. */
static int conn_watch(struct conn *c)
{
    loop_cb *on_readable = NULL;
    loop_cb *on_writable = NULL;

    if (c->fd == -1)
        return 0;
    if (c->life == LIFE_CONNECTING)
        on_writable = client_on_writable;
    else if (c->out != NULL)
        on_writable = conn_on_writable;
    if (c->life == LIFE_OPEN && c->input == INPUT_READING)
        on_readable = conn_on_readable;
    return loop_watch(c->loop, c->fd, on_readable, on_writable, c);
}

/* The deferred task: once, however much has changed in this iteration. */
static void conn_update(void *arg)
{
    struct conn *c = arg;

    if (c->life == LIFE_OPEN && c->output == OUTPUT_ENDING && c->out == NULL) {
        shutdown(c->fd, SHUT_WR);
        c->output = OUTPUT_FIN_SENT;
    }
    if (c->life == LIFE_OPEN && c->output == OUTPUT_FIN_SENT &&
        c->input == INPUT_ENDED)
        conn_shut(c, 0);
    if (c->life != LIFE_CLOSED && conn_watch(c) == -1)
        conn_shut(c, errno);
    if (c->life == LIFE_CLOSED)
        conn_finish(c);
}

/* Receiving and sending: one read and one write at most for each event, so
   that no connection starves the others */

static void conn_on_eof(struct conn *c)
{
    c->input = INPUT_ENDED;
    conn_changed(c);
    if (c->on->on_end == NULL)
        conn_end(c);
    else if (!c->closing)
        c->on->on_end(c);
}

static void conn_on_readable(void *arg)
{
    struct conn *c = arg;

    if (c->input != INPUT_READING)
        return; /* paused by another connection's handler */
    size_t room = sizeof(read_buf) - (c->out != NULL ? CONN_HIGH_WATER : 0);
    ssize_t n = read(c->fd, read_buf, room);
    if (n == -1) {
        if (!sock_would_block(errno))
            conn_fail(c, errno);
        return;
    }
    c->last_active = loop_now(c->loop);
    if (n == 0)
        conn_on_eof(c);
    else if (c->on->on_data != NULL && !c->closing)
        c->on->on_data(c, read_buf, n);
}

/* Writes as much as the kernel takes. Returns how much that is; if there was
   an error, 0, and c is closed. */
static size_t conn_send(struct conn *c, const char *data, size_t n)
{
    ssize_t sent = write(c->fd, data, n);

    if (sent == -1) {
        if (!sock_would_block(errno))
            conn_fail(c, errno);
        return 0;
    }
    c->last_active = loop_now(c->loop);
    return sent;
}

/* Sends from the queue. When it is empty, frees it. */
static void conn_on_writable(void *arg)
{
    struct conn *c = arg;
    struct queue *q = c->out;

    if (q == NULL)
        return;
    size_t sent = conn_send(c, q->data + q->start, q->end - q->start);
    if (c->life == LIFE_CLOSED)
        return;
    q->start += sent;
    if (q->start < q->end)
        return;
    free(q);
    c->out = NULL;
    conn_changed(c);
    if (c->wants_drain && c->output == OUTPUT_WRITING) {
        c->wants_drain = false;
        if (c->on->on_drain != NULL)
            c->on->on_drain(c);
    }
}

size_t conn_queued(const struct conn *c)
{
    return c->out != NULL ? c->out->end - c->out->start : 0;
}

/*
 * Returns q, or what takes its place, with room for n bytes at its end; NULL:
 * ENOMEM. Bytes move to the front only if they fill at most half of q, and
 * otherwise to a new block of double the size. So on average each byte moves
 * a constant number of times, however long the queue gets.
 */
static struct queue *queue_room(struct queue *q, size_t n)
{
    size_t queued = q != NULL ? q->end - q->start : 0;
    struct queue *room = q;

    if (q != NULL && n <= q->size - q->end)
        return q;
    if (q == NULL || queued > q->size / 2 || n > q->size - queued) {
        size_t size = n > queued ? queued + n : queued * 2;
        room = malloc(sizeof(*room) + size);
        if (room == NULL)
            return NULL;
        room->size = size;
    }
    if (queued > 0)
        memmove(room->data, q->data + q->start, queued);
    if (room != q)
        free(q);
    room->start = 0;
    room->end = queued;
    return room;
}

bool conn_write(struct conn *c, const void *data, size_t n)
{
    size_t sent = 0;

    if (c->life == LIFE_CLOSED || c->output != OUTPUT_WRITING)
        return false;
    if (c->life == LIFE_OPEN && c->out == NULL && n > 0)
        sent = conn_send(c, data, n);
    if (c->life == LIFE_CLOSED)
        return false;
    if (sent < n) {
        struct queue *q = queue_room(c->out, n - sent);
        if (q == NULL) {
            conn_fail(c, ENOMEM);
            return false;
        }
        memcpy(q->data + q->end, (const char *)data + sent, n - sent);
        q->end += n - sent;
        c->out = q;
        conn_changed(c);
        if (conn_queued(c) >= CONN_HIGH_WATER)
            c->wants_drain = true;
    }
    return !c->wants_drain;
}

/* Ending and pausing */

void conn_end(struct conn *c)
{
    if (c->output != OUTPUT_WRITING)
        return;
    c->output = OUTPUT_ENDING;
    conn_changed(c);
}

void conn_destroy(struct conn *c)
{
    conn_fail(c, 0);
}

void conn_pause(struct conn *c)
{
    if (c->input != INPUT_READING || c->closing)
        return;
    c->input = INPUT_PAUSED;
    conn_changed(c);
}

void conn_resume(struct conn *c)
{
    if (c->input != INPUT_PAUSED)
        return;
    c->input = INPUT_READING;
    conn_changed(c);
}

void conn_close(struct conn *c, int grace_ms)
{
    if (c->life == LIFE_CLOSED || c->closing)
        return;
    c->closing = true;
    c->timer.cb = conn_grace_over;
    loop_timer_start(c->loop, &c->timer, grace_ms, 0);
    conn_resume(c);
    conn_end(c);
}

/* The idle timeout */

/* Returns true if the peer wasn't silent: it has sent something that we
   haven't read yet, because we were stopped (Ctrl-Z) or busy. */
static bool has_input(const struct conn *c)
{
    char byte;

    return c->life == LIFE_OPEN && c->input == INPUT_READING &&
           recv(c->fd, &byte, 1, MSG_PEEK) != -1;
}

/* Returns true if the peer reads: the kernel has less to send, or something
   else, than at the last look. */
static bool has_progress(struct conn *c)
{
    int last = c->unsent;

    c->unsent = c->fd != -1 ? sock_unsent(c->fd) : 0;
    return c->unsent != 0 && c->unsent != last;
}

/* Starts the timer again for what is left since the last activity, so sending
   and receiving don't have to touch it. */
static void conn_on_idle(void *arg)
{
    struct conn *c = arg;
    int64_t now = loop_now(c->loop);
    int64_t left = c->last_active + c->timeout_ms - now;
    bool idle = left <= 0 && !has_progress(c) && !has_input(c);

    if (left <= 0) {
        c->last_active = now;
        left = c->timeout_ms;
    }
    loop_timer_start(c->loop, &c->timer, left, 0);
    if (idle && c->on->on_timeout != NULL)
        c->on->on_timeout(c);
}

void conn_set_timeout(struct conn *c, int ms)
{
    if (c->life == LIFE_CLOSED || c->closing)
        return;
    c->timeout_ms = ms;
    c->last_active = loop_now(c->loop);
    c->timer.cb = conn_on_idle;
    if (ms > 0)
        loop_timer_start(c->loop, &c->timer, ms, 0);
    else
        loop_timer_stop(c->loop, &c->timer);
}

/* What a connection knows */

void *conn_arg(const struct conn *c)
{
    return c->arg;
}

void conn_set_arg(struct conn *c, void *arg)
{
    c->arg = arg;
}

struct loop *conn_loop(const struct conn *c)
{
    return c->loop;
}

const char *conn_peer(const struct conn *c, char *buf, size_t size)
{
    sock_peer(c->life == LIFE_OPEN ? c->fd : -1, buf, size);
    return buf;
}
