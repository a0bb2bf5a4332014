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
#include <string.h>
#include <unistd.h>

#include "net.h"
#include "program.h"

#define GOODBYE_MS 2000 /* for the server to close after the last byte */

static const char usage[] =
    "usage: client [-h] [HOST [PORT]], PORT from 0 to 65535\n";

struct app {
    struct loop *loop;
    struct conn *conn;
    struct loop_timer goodbye;
    bool connected;
    bool stdin_eof;
    bool failed;
    unsigned long long n_sent;
    unsigned long long n_received;
    /* Has come back, goes to stdout: from out_start up to out_end. */
    size_t out_start;
    size_t out_end;
    char out[CONN_MAX_DATA];
};

/* Prints why and gives up; on_close comes next. */
static void fail(struct app *app, const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    app->failed = true;
    conn_destroy(app->conn);
}

static bool all_came_back(const struct app *app)
{
    return app->stdin_eof && app->n_received == app->n_sent &&
           app->out_start == app->out_end;
}

/* The server has everything to close now. If it doesn't, end without it. */
static void expect_goodbye(struct app *app)
{
    if (all_came_back(app))
        loop_timer_start(app->loop, &app->goodbye, GOODBYE_MS, 0);
}

static void on_no_goodbye(void *arg)
{
    struct app *app = arg;

    fprintf(stderr, "server: everything came back, but it doesn't close\n");
    conn_destroy(app->conn);
}

/* stdin and stdout. EAGAIN: another program has left them non-blocking. */

static void on_stdin(void *arg)
{
    struct app *app = arg;
    char buf[CONN_HIGH_WATER];
    ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

    if (n == -1) {
        if (errno != EAGAIN && errno != EINTR)
            fail(app, "stdin", strerror(errno));
        return;
    }
    app->n_sent += n;
    app->stdin_eof = n == 0;
    if (app->stdin_eof) {
        conn_end(app->conn);
        expect_goodbye(app);
    }
    if (app->stdin_eof || !conn_write(app->conn, buf, n))
        loop_unwatch(app->loop, STDIN_FILENO);
}

/* A pipe that is ready takes PIPE_BUF bytes at once; more could block. */
static void on_stdout(void *arg)
{
    struct app *app = arg;
    size_t left = app->out_end - app->out_start;
    ssize_t n = write(STDOUT_FILENO, app->out + app->out_start,
                      left < PIPE_BUF ? left : PIPE_BUF);

    if (n == -1) {
        if (errno != EAGAIN && errno != EINTR)
            fail(app, "stdout", strerror(errno));
        return;
    }
    app->out_start += n;
    if (app->out_start == app->out_end) {
        loop_unwatch(app->loop, STDOUT_FILENO);
        conn_resume(app->conn);
        expect_goodbye(app);
    }
}

/* The connection */

static void on_drain(struct conn *c)
{
    struct app *app = conn_arg(c);

    if (loop_watch(app->loop, STDIN_FILENO, on_stdin, NULL, app) == -1)
        fail(app, "stdin", strerror(errno));
}

static void on_connect(struct conn *c)
{
    struct app *app = conn_arg(c);

    app->connected = true;
    fprintf(stderr, "Connected to server\n");
    on_drain(c);
}

static void on_data(struct conn *c, const char *data, size_t n)
{
    struct app *app = conn_arg(c);

    app->n_received += n;
    if (app->n_received > app->n_sent) {
        fail(app, "server", "more came back than was sent");
        return;
    }
    memcpy(app->out, data, n);
    app->out_start = 0;
    app->out_end = n;
    conn_pause(c);
    if (loop_watch(app->loop, STDOUT_FILENO, NULL, on_stdout, app) == -1)
        fail(app, "stdout", strerror(errno));
}

static void on_end(struct conn *c)
{
    struct app *app = conn_arg(c);

    if (all_came_back(app))
        conn_destroy(c);
    else
        fail(app, "server", "not everything came back");
}

static void on_close(struct conn *c, int error)
{
    struct app *app = conn_arg(c);

    if (error != 0)
        fail(app, "server", net_strerror(error));
    loop_unwatch(app->loop, STDIN_FILENO);
    loop_unwatch(app->loop, STDOUT_FILENO);
    loop_timer_stop(app->loop, &app->goodbye);
    if (app->connected)
        fprintf(stderr, "Disconnected from server\n");
}

static const struct conn_handlers handlers = {.on_connect = on_connect,
                                              .on_data = on_data,
                                              .on_drain = on_drain,
                                              .on_end = on_end,
                                              .on_close = on_close};

int main(int argc, char *argv[])
{
    static struct app app = {.goodbye = {.cb = on_no_goodbye, .arg = &app}};
    struct options o = program_options(argc, argv, "h", usage);

    program_prepare();
    app.loop = loop_new();
    if (app.loop != NULL)
        app.conn = conn_connect(app.loop, o.host, o.port, &handlers, &app);
    if (app.conn == NULL)
        program_die("client", strerror(errno));
    program_run(app.loop);
    loop_free(app.loop);
    return app.failed ? 1 : 0;
}
