/*
 * net.h -- listening sockets and connections on a loop, after Node's `net`
 *
 * Bytes come and go through handlers. Connections are stream sockets, TCP or
 * Unix-domain: a host with a '/' in it is the path of a Unix-domain socket,
 * and then port is ignored. A connection may be half-open: one direction has
 * ended, the other one goes on.
 *
 * The program must ignore SIGPIPE (signal(7)), or a write to a peer that is
 * gone kills it.
 *
 * Errors are errno values, or, when a name doesn't resolve, values that only
 * net_strerror knows. Nothing here prints or exits.
 */
#ifndef NET_H
#define NET_H

#include <stdbool.h>
#include <stddef.h>

#include "loop.h"

struct conn;
struct server;

/* on_data gets at most this many bytes at a time, and fewer while output is
   queued: an echo that pauses when conn_write returns false never holds more
   than this for a connection. */
#define CONN_MAX_DATA (64 * 1024)

/* conn_write returns false once this many bytes are queued. */
#define CONN_HIGH_WATER (16 * 1024)

/* What a connection calls. Any may be NULL. An accepted connection starts with
   on_connect, even if it has failed already and on_close comes next. The
   structure must outlive its connections. */
struct conn_handlers {
    /* Accepted, or connected. */
    void (*on_connect)(struct conn *c);
    /* n > 0 bytes have come. data is valid until the handler returns; it's
       bytes, not a string: there is no '\0' at its end. NULL: they are
       discarded. */
    void (*on_data)(struct conn *c, const char *data, size_t n);
    /* The peer will send no more (FIN). If this is set, the connection stays
       half-open, as with Node's allowHalfOpen: *you* call conn_end once you
       have written everything (if that's now: `.on_end = conn_end`). NULL
       calls conn_end for you, as Node does by default. */
    void (*on_end)(struct conn *c);
    /* conn_write had returned false, and now everything is sent. */
    void (*on_drain)(struct conn *c);
    /* Idle for as long as conn_set_timeout says. As in Node, this only tells
       you: call conn_close or conn_destroy to end the connection. */
    void (*on_timeout)(struct conn *c);
    /* The last call for c, once, never from inside a conn_ function; c is
       freed when it returns. error is 0 when both directions have ended, or
       after conn_destroy or conn_close. This is the only place where an error
       shows (Node's 'error' and 'close' in one): if you don't set on_close,
       nobody learns that a connection failed. */
    void (*on_close)(struct conn *c, int error);
};

/* Returns the text for an error: strerror(3), or gai_strerror(3) for a name
   that didn't resolve. */
const char *net_strerror(int error);

/* Servers */

/*
 * Opens a listening socket on the first address of host that this machine has;
 * any failure but "not this machine's" is final. Port 0 lets the kernel
 * choose. This makes no loop and no thread, so a program may fork after it and
 * have several processes accept. Blocks while the name is resolved. Replaces a
 * Unix-domain socket's file if its server is dead; if a server answers there,
 * or the file isn't a socket: EADDRINUSE. (Two servers that start on one path
 * at the same moment may each take the other's file for a dead one's.)
 * Returns NULL with errno set, see net_strerror; *failed, if failed isn't
 * NULL, then tells what failed: "bind" or another call, or host if it didn't
 * resolve.
 */
struct server *server_listen(const char *host, const char *port,
                             const char **failed);

/* Returns the port that the server listens on, 0 for a Unix-domain socket, or
   -1: see getsockname(2). */
int server_port(const struct server *s);

/*
 * From now on accepts connections on loop, with these handlers and this arg
 * (see conn_arg). From now on the loop owns s: loop_free closes and frees it
 * with its connections, each of which gets on_close with ECANCELED. Returns 0,
 * or -1: EBUSY if it was started before, or as loop_watch.
 */
int server_start(struct server *s, struct loop *loop,
                 const struct conn_handlers *on, void *arg);

/* Told what failed, and why: "accept", "Too many open files". */
typedef void server_error_cb(const char *what, const char *why);

/* Calls report when s can't accept. s tries again by itself, after 100 ms or
   when one of its connections closes. */
void server_on_error(struct server *s, server_error_cb *report);

/*
 * Stops accepting and closes the listening socket at once; the process that
 * made a Unix-domain socket's file removes it, if the file at that path is
 * still the same. Then calls conn_close(c, grace_ms) for each of the server's
 * connections. Closing again has no effect, as the loop keeps s until
 * loop_free. A server that was never started is freed at once.
 */
void server_close(struct server *s, int grace_ms);

/* Connections */

/*
 * Starts to connect, to one address of host after the other until one answers;
 * then on_connect. If none does, on_close gets the error that tells most:
 * ECONNREFUSED if any address refused, otherwise the first one's. A connection
 * that is made and then reset is an answer: that error is final. While the
 * backlog of a Unix-domain server is full, this tries again every 20 ms.
 * Whatever is written before is sent after on_connect. Blocks while the name
 * is resolved (Node uses threads for that). The loop owns the connection:
 * loop_free closes it with ECANCELED. Returns NULL with ENOMEM, or ECANCELED
 * inside loop_free; every other error goes to on_close.
 */
struct conn *conn_connect(struct loop *loop, const char *host,
                          const char *port, const struct conn_handlers *on,
                          void *arg);

/* The conn_ functions may be called from anywhere until on_close has returned.
   On a closed connection they do nothing. */

/* The arg of server_start or conn_connect, or what conn_set_arg set later. */
void *conn_arg(const struct conn *c);
void conn_set_arg(struct conn *c, void *arg);

struct loop *conn_loop(const struct conn *c);

/* Writes the peer's address to buf and returns buf: "127.0.0.1:51234",
   "[::1]:51234", the path of a Unix-domain peer that has one, or "" for other
   ones and before on_connect or after the close. 128 bytes are enough. */
const char *conn_peer(const struct conn *c, char *buf, size_t size);

/* Returns how many bytes conn_write has queued: Node's writableLength. */
size_t conn_queued(const struct conn *c);

/*
 * Sends all of data: whatever the kernel doesn't take at once is copied and
 * sent later. Returns false if you should stop producing until on_drain; data
 * is sent even so. After conn_end it isn't, and no on_drain comes. An error of
 * write(2) or ENOMEM closes the connection, see on_close.
 */
bool conn_write(struct conn *c, const void *data, size_t n);

/* Sends what is queued, then FIN (shutdown(2)). c still receives; when the
   peer has ended as well, it closes. */
void conn_end(struct conn *c);

/*
 * For the side that ends first: conn_end, and whatever the peer still sends is
 * discarded, for at most grace_ms; then conn_destroy. (Closing at once would
 * send RST and could destroy what the peer hasn't read yet: RFC 1122,
 * 4.2.2.13.) Calling it again has no effect.
 */
void conn_close(struct conn *c, int grace_ms);

/* Closes now. What is queued is lost. */
void conn_destroy(struct conn *c);

/*
 * No on_data and no on_end until conn_resume: the bytes stay with the kernel,
 * which makes the peer wait. Calls don't nest: one conn_resume ends any number
 * of conn_pause. A paused connection with nothing to send doesn't keep the
 * loop running, and doesn't notice that the peer is gone.
 */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);

/*
 * Calls on_timeout whenever the connection was idle for ms; 0: never. Idle
 * means that nothing was received and nothing sent, counted from the iteration
 * (loop_now) in which something last was. On Linux a peer's slow reading is
 * noticed, too: each time ms are over, the number of bytes that the peer's
 * kernel hasn't acknowledged is compared with the last one. A peer that has
 * stopped reading is noticed after one to two times ms.
 */
void conn_set_timeout(struct conn *c, int ms);

#endif
