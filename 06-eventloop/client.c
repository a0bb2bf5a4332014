/*
 * client -- TCP echo client: stdin, stdout and a connection on an event loop
 *
 * usage: client [-h] [HOST [PORT]]        the default is localhost 8000
 *
 * Copies stdin to the server and what comes back to stdout. A HOST with a '/'
 * in it is the path of a Unix-domain socket.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net.h"
#include "program.h"

static const char usage[] =
    "usage: client [-h] [HOST [PORT]], PORT from 0 to 65535\n";

static struct loop *loop;
static struct conn *conn;
static bool connected;
static bool stdin_eof;
static bool failed;
static unsigned long long n_sent;
static unsigned long long n_received;

/* Has come back, goes to stdout: from out_start up to out_end. */
static char out[CONN_MAX_DATA];
static size_t out_start;
static size_t out_end;

/* Says why and gives up; on_close comes next. */
static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    failed = true;
    conn_destroy(conn);
}

static void watch(int fd, int events, loop_fd_cb *cb)
{
    if (loop_watch(loop, fd, events, cb, NULL) == -1)
        fail("loop_watch", strerror(errno));
}

static void on_stdin(struct loop *l, int fd, int events, void *arg)
{
    char buf[CONN_HIGH_WATER];
    ssize_t n = read(fd, buf, sizeof(buf));

    (void)events;
    (void)arg;
    if (n == -1) {
        if (errno != EAGAIN && errno != EINTR)
            fail("stdin", strerror(errno));
        return;
    }
    n_sent += n;
    stdin_eof = n == 0;
    if (stdin_eof)
        conn_end(conn);
    if (stdin_eof || !conn_write(conn, buf, n))
        loop_unwatch(l, fd);
}

/* A pipe that is ready takes PIPE_BUF bytes at once; more could block. */
static void on_stdout(struct loop *l, int fd, int events, void *arg)
{
    size_t left = out_end - out_start;
    ssize_t n = write(fd, out + out_start, left < PIPE_BUF ? left : PIPE_BUF);

    (void)events;
    (void)arg;
    if (n == -1) {
        if (errno != EAGAIN && errno != EINTR)
            fail("stdout", strerror(errno));
        return;
    }
    out_start += n;
    if (out_start == out_end) {
        loop_unwatch(l, fd);
        conn_resume(conn);
    }
}

static void on_connect(struct conn *c, void *arg)
{
    (void)c;
    (void)arg;
    connected = true;
    fprintf(stderr, "Connected to server\n");
    watch(STDIN_FILENO, LOOP_READ, on_stdin);
}

static void on_data(struct conn *c, const char *data, size_t n, void *arg)
{
    (void)arg;
    n_received += n;
    memcpy(out, data, n);
    out_start = 0;
    out_end = n;
    conn_pause(c);
    watch(STDOUT_FILENO, LOOP_WRITE, on_stdout);
}

static void on_drain(struct conn *c, void *arg)
{
    (void)c;
    (void)arg;
    watch(STDIN_FILENO, LOOP_READ, on_stdin);
}

/* The server will send no more: was that all? */
static void on_end(struct conn *c, void *arg)
{
    (void)arg;
    if (stdin_eof && n_sent == n_received)
        conn_destroy(c);
    else
        fail("server", "not everything came back");
}

static void on_close(struct conn *c, int error, void *arg)
{
    (void)c;
    (void)arg;
    if (error != 0)
        fail("server", net_strerror(error));
    loop_unwatch(loop, STDIN_FILENO);
    loop_unwatch(loop, STDOUT_FILENO);
    if (connected)
        fprintf(stderr, "Disconnected from server\n");
}

static const struct conn_handlers handlers = {.on_connect = on_connect,
                                              .on_data = on_data,
                                              .on_drain = on_drain,
                                              .on_end = on_end,
                                              .on_close = on_close};

int main(int argc, char *argv[])
{
    struct options o = program_options(argc, argv, "h", usage);

    program_prepare();
    loop = loop_new();
    if (loop != NULL)
        conn = conn_connect(loop, o.host, o.port, &handlers, NULL);
    if (conn == NULL || loop_run(loop) == -1) {
        perror("client");
        exit(1);
    }
    loop_free(loop);
    return failed ? 1 : 0;
}
