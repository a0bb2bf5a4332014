/*
 * io-uring -- completions in place of readiness: one io_uring_enter for all
 *
 * One recv or send under way for each connection, a buffer of its own.
 */
#include "listen.h"
#include <liburing.h>
#include <stdbool.h>

#define ENTRIES 4096

struct conn {
    int fd;
    bool sending;
    int start;
    int end;
    char buf[BUF_SIZE];
};

static struct io_uring ring;

static struct io_uring_sqe *next_sqe(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    if (sqe == NULL) {
        io_uring_submit(&ring);
        sqe = io_uring_get_sqe(&ring);
    }
    return sqe;
}

static void ask_accept(int listen_fd)
{
    struct io_uring_sqe *sqe = next_sqe();

    io_uring_prep_accept(sqe, listen_fd, NULL, NULL, 0);
    io_uring_sqe_set_data(sqe, NULL);
}

/* Sends what is owed, or else receives. */
static void ask(struct conn *c)
{
    struct io_uring_sqe *sqe = next_sqe();

    c->sending = c->start < c->end;
    if (c->sending)
        io_uring_prep_send(sqe, c->fd, c->buf + c->start, c->end - c->start,
                           MSG_NOSIGNAL);
    else
        io_uring_prep_recv(sqe, c->fd, c->buf, sizeof(c->buf), 0);
    io_uring_sqe_set_data(sqe, c);
}

static void completed(struct conn *c, int result)
{
    if (result <= 0) {
        close(c->fd);
        free(c);
        return;
    }
    if (c->sending) {
        c->start += result;
    } else {
        c->start = 0;
        c->end = result;
    }
    ask(c);
}

static void accepted(int fd)
{
    struct conn *c = fd >= 0 ? malloc(sizeof(*c)) : NULL;

    if (c == NULL)
        return;
    c->fd = fd;
    c->start = 0;
    c->end = 0;
    ask(c);
}

int main(void)
{
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
                                              IORING_SETUP_DEFER_TASKRUN};

    /* Kernels before 6.1 lack these two. */
    if (io_uring_queue_init_params(ENTRIES, &ring, &params) != 0 &&
        io_uring_queue_init(ENTRIES, &ring, 0) != 0) {
        fprintf(stderr, "the kernel refuses io_uring\n");
        exit(1);
    }
    int listen_fd = listen_on_loopback();
    ask_accept(listen_fd);
    for (;;) {
        struct io_uring_cqe *cqe;
        unsigned head;
        unsigned seen = 0;

        io_uring_submit_and_wait(&ring, 1);
        io_uring_for_each_cqe(&ring, head, cqe)
        {
            struct conn *c = io_uring_cqe_get_data(cqe);

            seen++;
            if (c != NULL) {
                completed(c, cqe->res);
                continue;
            }
            accepted(cqe->res);
            ask_accept(listen_fd);
        }
        io_uring_cq_advance(&ring, seen);
    }
}
