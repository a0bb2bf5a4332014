/*
 * conn.h -- what the net*.c files know of a connection
 *
 * Only they use this: programs see net.h.
 */
#ifndef CONN_H
#define CONN_H

#include "net.h"

enum conn_life { LIFE_CONNECTING, LIFE_OPEN, LIFE_CLOSED };
enum conn_input { INPUT_READING, INPUT_PAUSED, INPUT_ENDED };
enum conn_output { OUTPUT_WRITING, OUTPUT_ENDING, OUTPUT_FIN_SENT };

struct conn {
    struct loop *loop;
    const struct conn_handlers *on;
    void *arg;
    struct server *server; /* NULL: conn_connect made it */
    struct conn *next; /* of the same server */
    struct conn **link; /* what points to this one in that list */
    struct queue *out; /* to be sent; NULL: nothing is */
    int64_t last_active;
    struct loop_timer timer; /* idle or, after conn_close, grace */
    struct loop_task update; /* deferred when something has changed */
    int timeout_ms;
    int unsent; /* by the kernel, when the timer last looked */
    int error; /* for on_close */
    int fd;
    enum conn_life life : 8;
    enum conn_input input : 8;
    enum conn_output output : 8;
    bool closing; /* conn_close was called: input is discarded */
    bool wants_drain;
};

/* Sets up c, which is zeroed, on a non-blocking fd. */
void conn_init(struct conn *c, struct loop *loop, int fd,
               const struct conn_handlers *on, void *arg);

/* Something has changed: what follows from it is done at the end of this
   iteration, once. */
void conn_changed(struct conn *c);

/* Closes fd, if there is one. */
void conn_drop_fd(struct conn *c);

/* Closes c now; on_close gets error at the end of this iteration. */
void conn_fail(struct conn *c, int error);

/* For loop_free: closes c with ECANCELED, calls on_close and frees c. */
void conn_cancel(void *c);

/* Takes c, which is about to be freed, off its server's list. */
void server_forget(struct conn *c);

/* c, which conn_connect made, is writable: connect(2) is done. */
void client_on_writable(void *c);

/* c stops connecting, for good or ill: frees what only that needed. */
void client_stop(struct conn *c);

/* c, which conn_connect made, is about to be freed. */
void client_forget(struct conn *c);

#endif
