/*
 * conn.h -- what net.c and net_server.c know of a connection
 *
 * Only they use this: programs see net.h.
 */
#ifndef CONN_H
#define CONN_H

#include "net.h"

struct conn {
    struct loop *loop;
    const struct conn_handlers *on;
    void *arg;
    struct server *server; /* NULL: conn_connect made it */
    struct conn *next; /* of the same server */
    struct conn **link; /* what points to this one in that list */
    struct addrinfo *addrs; /* while it connects: all, and those left */
    struct addrinfo *addrs_left;
    char *out; /* waits to be sent: out[out_start] up to out[out_end - 1] */
    size_t out_start;
    size_t out_end;
    int64_t last_active;
    int64_t timer;
    struct loop_task close_task;
    int timeout_ms;
    int error; /* for on_close */
    int fd;
    int events; /* as told to the loop */
    bool connecting;
    bool paused;
    bool wants_drain;
    bool ended; /* conn_end was called */
    bool fin_sent; /* and everything has been sent */
    bool eof; /* the peer has ended */
    bool discards; /* conn_close was called */
    bool closed;
    bool in_event; /* conn_settle waits for its end */
    bool unsettled;
};

/* On fd, which is non-blocking; -1: connects first. NULL: ENOMEM. */
struct conn *conn_new(struct loop *loop, int fd,
                      const struct conn_handlers *on, void *arg);

/* After anything has changed: sends FIN when it is due, closes when both ends
   have ended, and tells the loop what c waits for now. */
void conn_settle(struct conn *c);

/* c, which has closed, leaves its server. */
void server_forget(struct conn *c);

#endif
