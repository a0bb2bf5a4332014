/*
 * net_server.c -- listening sockets: see net.h for what is promised
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "conn.h"
#include "sock.h"

#define ACCEPTS_PER_TURN 16
#define ACCEPT_PAUSE_MS 100

struct server {
    struct loop *loop;
    const struct conn_handlers *on;
    void *arg;
    struct conn *conns;
    struct loop_task free_task;
    int64_t pause_timer; /* above 0: does not accept until then */
    int fd;
    pid_t opener;
    bool closed;
};

struct server *server_listen(const char *host, const char *port,
                             const struct conn_handlers *on, void *arg)
{
    struct addrinfo *list = sock_resolve(host, port);
    struct server *s = NULL;
    int fd = -1;

    if (list != NULL)
        s = calloc(1, sizeof(*s));
    if (s != NULL)
        fd = sock_listen(list);
    if (fd == -1) {
        int saved_errno = errno;
        sock_free_addrs(list);
        free(s);
        errno = saved_errno;
        return NULL;
    }
    sock_free_addrs(list);
    s->on = on;
    s->arg = arg;
    s->fd = fd;
    s->opener = getpid();
    return s;
}

int server_port(const struct server *s)
{
    return sock_port(s->fd);
}

static void server_resume(struct loop *loop, void *arg);

/* Out of descriptors or the like: the listening socket stays ready, so do not
   look at it for a while. */
static void server_pause(struct server *s, int error)
{
    int64_t timer =
        loop_timer_start(s->loop, ACCEPT_PAUSE_MS, 0, server_resume, s);

    if (timer > 0) {
        s->pause_timer = timer;
        loop_unwatch(s->loop, s->fd);
    }
    if (s->on->on_accept_error != NULL)
        s->on->on_accept_error(error, s->arg);
}

static void server_add(struct server *s, struct conn *c)
{
    c->server = s;
    c->next = s->conns;
    c->link = &s->conns;
    if (c->next != NULL)
        c->next->link = &c->next;
    s->conns = c;
}

static void server_ready(struct loop *loop, int fd, int events, void *arg)
{
    struct server *s = arg;

    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN && !s->closed; i++) {
        int conn_fd = sock_accept(fd);
        if (conn_fd == -1) {
            if (!sock_is_passing(errno) && errno != ECONNABORTED)
                server_pause(s, errno);
            return;
        }
        struct conn *c = conn_new(loop, conn_fd, s->on, s->arg);
        if (c == NULL) {
            close(conn_fd);
            server_pause(s, ENOMEM);
            return;
        }
        server_add(s, c);
        conn_settle(c);
        if (s->on->on_connect != NULL)
            s->on->on_connect(c, c->arg);
    }
}

int server_start(struct server *s, struct loop *loop)
{
    s->loop = loop;
    return loop_watch(loop, s->fd, LOOP_READ, server_ready, s);
}

static void server_resume(struct loop *loop, void *arg)
{
    struct server *s = arg;

    loop_timer_stop(loop, s->pause_timer);
    s->pause_timer = 0;
    if (server_start(s, loop) == -1)
        server_pause(s, errno);
}

/* If it had no descriptor left, it has one now and can accept again. */
void server_forget(struct conn *c)
{
    struct server *s = c->server;

    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    if (s->closed && s->conns == NULL)
        free(s);
    else if (s->pause_timer > 0)
        server_resume(s->loop, s);
}

static void server_free(struct loop *loop, void *arg)
{
    (void)loop;
    free(arg);
}

void server_close(struct server *s, int grace_ms)
{
    s->closed = true;
    if (s->loop != NULL) {
        loop_timer_stop(s->loop, s->pause_timer);
        loop_unwatch(s->loop, s->fd);
    }
    s->pause_timer = 0;
    if (s->opener == getpid())
        sock_unlink(s->fd);
    close(s->fd);
    for (struct conn *c = s->conns; c != NULL; c = c->next)
        conn_close(c, grace_ms);
    s->free_task.cb = server_free;
    s->free_task.arg = s;
    if (s->loop == NULL)
        free(s);
    else if (s->conns == NULL)
        loop_defer(s->loop, &s->free_task);
}
