/*
 * net.h -- listening sockets and connections on a loop, after Node's `net`
 *
 * Bytes come and go through handlers; connections are stream sockets, TCP or
 * Unix-domain: a host with a '/' in it is the path of the latter's file, and
 * port is ignored then. Both ends may be half-open: one way has seen its end,
 * the other goes on.
 *
 * The program has to ignore SIGPIPE, or a peer that is gone ends it.
 *
 * Errors are errno values, or, when a name does not resolve, values that only
 * net_strerror knows. Nothing here prints or exits.
 */
#ifndef NET_H
#define NET_H

#include <stdbool.h>
#include <stddef.h>

#include "loop.h"

struct conn;
struct server;

/* on_data brings at most so many bytes at a time. */
#define CONN_MAX_DATA (48 * 1024)

/* conn_write returns false once so many bytes wait. An echo that pauses then
   holds at most 64 KiB for a connection: these, and one on_data's more. */
#define CONN_HIGH_WATER (16 * 1024)

/*
 * Any may be NULL. An accepted connection gets on_connect before all else,
 * even if it has failed already and on_close comes next. arg is what
 * server_listen or conn_connect was given, or conn_set_arg later. The
 * structure must outlive its connections.
 */
struct conn_handlers {
    /* Accepted, or connected. */
    void (*on_connect)(struct conn *c, void *arg);
    /* n > 0 bytes have come. data is valid until the handler returns. */
    void (*on_data)(struct conn *c, const char *data, size_t n, void *arg);
    /* The peer will send no more. NULL: conn_end, as Node without
       allowHalfOpen. */
    void (*on_end)(struct conn *c, void *arg);
    /* After conn_write returned false: all is sent now. */
    void (*on_drain)(struct conn *c, void *arg);
    /* Nothing came or went for as long as conn_set_timeout says. */
    void (*on_timeout)(struct conn *c, void *arg);
    /* The last call for c, once, never from inside a conn_ call. c is freed
       when it returns. error is 0 when both ends have ended in order, or
       when conn_destroy or conn_close closed it. */
    void (*on_close)(struct conn *c, int error, void *arg);
    /* A server could not accept. It tries again by itself, after 100 ms or
       when one of its connections closes. accept(2) lists the errors. */
    void (*on_accept_error)(int error, void *arg);
};

/* As strerror(3), or gai_strerror(3) for a name that did not resolve. */
const char *net_strerror(int error);

/*
 * Opens a listening socket on the first address of host that works; port 0
 * lets the kernel choose. Makes no loop and no thread, so one may fork after
 * it and have several processes accept. Blocks while the name is resolved. A
 * Unix-domain socket's file that a dead server has left is replaced; if a
 * server answers there, or the file is none of a socket: EADDRINUSE. (Two
 * servers that start on one path in the same moment may take each other's
 * file for a dead one's.)
 * NULL: errno from getaddrinfo (see net_strerror), socket(2), bind(2),
 * listen(2) or malloc.
 */
struct server *server_listen(const char *host, const char *port,
                             const struct conn_handlers *on, void *arg);

/* The port that the server listens on; 0 for a Unix-domain socket. -1: see
   getsockname(2). */
int server_port(const struct server *s);

/* From now on accepts on loop. Returns 0, or -1 as loop_watch. */
int server_start(struct server *s, struct loop *loop);

/*
 * Stops accepting and closes the listening socket at once; the process that
 * opened it removes the file of that path, too. Then conn_close(c, grace_ms)
 * for each of the server's connections. s is freed with the last one: do not
 * use it any more.
 */
void server_close(struct server *s, int grace_ms);

/*
 * Starts to connect, to one address of host after the other until one
 * answers; then on_connect. If none does, on_close has the last one's error
 * (EAGAIN: the queue of a Unix-domain server is full, see connect(2)).
 * What is written before waits. Blocks while the name is resolved (Node has
 * threads for that). NULL: ENOMEM.
 */
struct conn *conn_connect(struct loop *loop, const char *host,
                          const char *port, const struct conn_handlers *on,
                          void *arg);

/*
 * The conn_ functions are safe until on_close has returned, from any handler;
 * once the connection is closed, they do nothing.
 */

void conn_set_arg(struct conn *c, void *arg);

/*
 * Sends all of data: what the kernel does not take at once is copied and sent
 * later. False: stop producing. on_drain says when to go on, unless c has
 * been ended or closed: then nothing is sent any more.
 * Trouble closes the connection: write(2)'s errors or ENOMEM, see on_close.
 */
bool conn_write(struct conn *c, const void *data, size_t n);

/* Sends what waits, then FIN (shutdown(2)). Still receives; when the peer has
   ended as well, the connection closes. */
void conn_end(struct conn *c);

/*
 * For the end that ends first: conn_end, and what the peer still sends is
 * thrown away, for at most grace_ms; then conn_destroy. (To close at once
 * would send RST and could destroy what the peer has not read yet: RFC 1122,
 * 4.2.2.13.)
 */
void conn_close(struct conn *c, int grace_ms);

/* Closes now. What waits to be sent is lost. */
void conn_destroy(struct conn *c);

/*
 * No on_data and no on_end until conn_resume: the peer's bytes stay with the
 * kernel, which makes the peer wait. A paused connection with nothing to send
 * does not keep the loop running.
 */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);

/* Calls on_timeout whenever nothing was sent or received for ms, counted from
   the iteration (loop_now) in which it last was; 0: never. Returns 0, or -1:
   ENOMEM. */
int conn_set_timeout(struct conn *c, int ms);

#endif
