/*
 * net_server.c -- listening sockets: see net.h for what is promised
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "conn.h"
#include "sock.h"

#define MAX_ACCEPTS 16 /* in an iteration */
#define PAUSE_MS 100 /* when accept fails */

struct server {
    struct loop *loop; /* NULL: not started */
    const struct conn_handlers *on;
    void *arg;
    server_error_cb *report;
    struct conn *conns;
    struct loop_owned owned;
    struct loop_timer pause;
    bool paused; /* doesn't accept until the timer or a close ends this */
    int fd; /* -1: closed */
    pid_t opener;
    struct stat file; /* of a Unix-domain socket: what lstat says */
    char path[]; /* "": it's a TCP socket */
};

/* Resolves host and listens there. Returns the socket, or -1, and *failed
   tells what failed. */
static int listen_at(const char *host, const char *port, const char **failed)
{
    struct addrinfo *list = sock_resolve(host, port, true);

    *failed = host;
    if (list == NULL)
        return -1;
    int fd = sock_listen(list, failed);
    int saved_errno = errno;
    sock_free_addrs(list);
    errno = saved_errno;
    return fd;
}

struct server *server_listen(const char *host, const char *port,
                             const char **failed)
{
    const char *what = "malloc";
    struct server *s = calloc(1, sizeof(*s) + strlen(host) + 1);

    if (s != NULL)
        s->fd = listen_at(host, port, &what);
    if (s == NULL || s->fd == -1) {
        int saved_errno = errno;
        free(s);
        errno = saved_errno;
        if (failed != NULL)
            *failed = what;
        return NULL;
    }
    s->opener = getpid();
    if (strchr(host, '/') != NULL && lstat(host, &s->file) == 0)
        strcpy(s->path, host);
    return s;
}

int server_port(const struct server *s)
{
    return sock_port(s->fd);
}

void server_on_error(struct server *s, server_error_cb *report)
{
    s->report = report;
}

/* Out of descriptors or the like: the listening socket stays readable, so stop
   watching it for a while. */
static void server_pause(struct server *s, int error)
{
    s->paused = true;
    loop_unwatch(s->loop, s->fd);
    loop_timer_start(s->loop, &s->pause, PAUSE_MS, 0);
    if (s->report != NULL)
        s->report("accept", net_strerror(error));
}

/* Accepts a connection. Returns false if there is none, or an error. */
static bool server_accept(struct server *s)
{
    int fd = sock_accept(s->fd);

    if (fd == -1) {
        /* ECONNABORTED: that one's peer has gone already; next, please. */
        if (errno == ECONNABORTED)
            return true;
        if (!sock_would_block(errno))
            server_pause(s, errno);
        return false;
    }
    struct conn *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        close(fd);
        server_pause(s, ENOMEM);
        return false;
    }
    conn_init(c, s->loop, fd, s->on, s->arg);
    c->life = LIFE_OPEN;
    c->server = s;
    c->next = s->conns;
    c->link = &s->conns;
    if (c->next != NULL)
        c->next->link = &c->next;
    s->conns = c;
    conn_changed(c);
    if (c->on->on_connect != NULL)
        c->on->on_connect(c);
    return true;
}

static void server_on_readable(void *arg)
{
    struct server *s = arg;

    for (int i = 0; i < MAX_ACCEPTS && s->fd != -1; i++) {
        if (!server_accept(s))
            return;
    }
}

static void server_resume(void *arg)
{
    struct server *s = arg;

    loop_timer_stop(s->loop, &s->pause);
    s->paused = false;
    if (loop_watch(s->loop, s->fd, server_on_readable, NULL, s) == -1)
        server_pause(s, errno);
}

/* If there was no descriptor left, there is one now. */
void server_forget(struct conn *c)
{
    struct server *s = c->server;

    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    if (s->paused)
        server_resume(s);
}

/* Removes the socket's file, unless another one is at that path by now. */
static void remove_file(const struct server *s)
{
    struct stat now;

    if (*s->path != '\0' && s->opener == getpid() &&
        lstat(s->path, &now) == 0 && now.st_dev == s->file.st_dev &&
        now.st_ino == s->file.st_ino)
        unlink(s->path);
}

/* For loop_free. */
static void server_cancel(void *arg)
{
    struct server *s = arg;

    server_close(s, 0);
    while (s->conns != NULL)
        conn_cancel(s->conns);
    loop_disown(&s->owned);
    free(s);
}

int server_start(struct server *s, struct loop *loop,
                 const struct conn_handlers *on, void *arg)
{
    if (s->loop != NULL) {
        errno = EBUSY;
        return -1;
    }
    if (loop_watch(loop, s->fd, server_on_readable, NULL, s) == -1)
        return -1;
    s->owned.cb = server_cancel;
    s->owned.arg = s;
    loop_own(loop, &s->owned); /* can't fail: loop_watch would have */
    s->pause.cb = server_resume;
    s->pause.arg = s;
    s->loop = loop;
    s->on = on;
    s->arg = arg;
    return 0;
}

void server_close(struct server *s, int grace_ms)
{
    if (s->fd == -1)
        return;
    if (s->loop != NULL) {
        loop_timer_stop(s->loop, &s->pause);
        loop_unwatch(s->loop, s->fd);
    }
    s->paused = false;
    remove_file(s);
    close(s->fd);
    s->fd = -1;
    for (struct conn *c = s->conns; c != NULL; c = c->next)
        conn_close(c, grace_ms);
    if (s->loop == NULL)
        free(s);
}
