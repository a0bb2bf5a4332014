/*
 * net_client.c -- connecting: see net.h for what is promised
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "conn.h"
#include "sock.h"

#define RETRY_MS 20

/* A connection that conn_connect made. */
struct client {
    struct conn conn; /* first, so that a struct conn * leads to all of it */
    struct loop_owned owned;
    struct loop_timer retry; /* when a Unix-domain server's backlog is full */
    struct addrinfo *addrs; /* NULL: it isn't connecting anymore */
    struct addrinfo *next; /* the address to try now */
    int error; /* what tells most of the failures so far */
};

/* This address has failed. "Connection refused" tells most: a machine is
   there, and nothing listens. */
static void client_failed(struct client *client, int error)
{
    conn_drop_fd(&client->conn);
    client->next = client->next->ai_next;
    if (client->error == 0 || error == ECONNREFUSED)
        client->error = error;
}

/* Starts to connect to the first address that doesn't fail at once. */
static void client_try(void *arg)
{
    struct client *client = arg;
    struct conn *c = &client->conn;

    while (client->next != NULL) {
        const struct addrinfo *ai = client->next;

        c->fd = sock_open(ai);
        if (c->fd != -1 && (connect(c->fd, ai->ai_addr, ai->ai_addrlen) == 0 ||
                            errno == EINPROGRESS)) {
            conn_changed(c);
            return;
        }
        if (errno == EAGAIN && ai->ai_family == AF_UNIX) {
            conn_drop_fd(c);
            loop_timer_start(c->loop, &client->retry, RETRY_MS, 0);
            return;
        }
        client_failed(client, errno);
    }
    conn_fail(c, client->error);
}

void client_on_writable(void *arg)
{
    struct client *client = arg;
    struct conn *c = &client->conn;
    struct sockaddr_storage peer;
    int error = 0;
    socklen_t len = sizeof(error);

    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error == ECONNRESET || error == EPIPE) {
        conn_fail(c, error); /* made, then reset: that's the answer */
        return;
    }
    if (error != 0) {
        client_failed(client, error);
        client_try(client);
        return;
    }
    len = sizeof(peer);
    if (getpeername(c->fd, (struct sockaddr *)&peer, &len) == -1)
        return; /* a spurious wakeup: neither connected nor refused yet */
    client_stop(c);
    c->life = LIFE_OPEN;
    c->last_active = loop_now(c->loop);
    conn_changed(c);
    if (c->on->on_connect != NULL)
        c->on->on_connect(c);
}

void client_stop(struct conn *c)
{
    struct client *client = (struct client *)c;

    loop_timer_stop(c->loop, &client->retry);
    sock_free_addrs(client->addrs);
    client->addrs = client->next = NULL;
}

void client_forget(struct conn *c)
{
    loop_disown(&((struct client *)c)->owned);
}

struct conn *conn_connect(struct loop *loop, const char *host,
                          const char *port, const struct conn_handlers *on,
                          void *arg)
{
    struct client *client = calloc(1, sizeof(*client));

    if (client == NULL)
        return NULL;
    conn_init(&client->conn, loop, -1, on, arg);
    client->retry.cb = client_try;
    client->retry.arg = client;
    client->owned.cb = conn_cancel;
    client->owned.arg = client;
    if (loop_own(loop, &client->owned) == -1) {
        free(client);
        errno = ECANCELED;
        return NULL;
    }
    client->addrs = sock_resolve(host, port, false);
    client->next = client->addrs;
    if (client->addrs == NULL)
        client->error = errno;
    client_try(client);
    return &client->conn;
}
