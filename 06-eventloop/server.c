/*
 * server -- TCP echo server: handlers on an event loop
 *
 * usage: server [-w WORKERS] [-t IDLE_SECONDS] [-h] [HOST [PORT]]
 *
 * The default is localhost 8000, one process, and no limit on how long a
 * connection may be idle. A HOST with a '/' in it is the path of a Unix-domain
 * socket.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "program.h"
#include "workers.h"

#define GRACE_MS 1000 /* for the peer, when we end a connection */

static const char usage[] =
    "usage: server [-w WORKERS] [-t IDLE_SECONDS] [-h] [HOST [PORT]]\n";

struct app {
    struct options options;
    struct loop *loop;
    struct server *server; /* NULL in a parent that is stopping */
    struct workers *workers; /* the parent's */
    int stop_fd; /* a worker's: EOF when it should end; otherwise -1 */
    int n_signals;
};

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, net_strerror(errno));
    exit(1);
}

/* The echo: Node's handlers, one by one */

static void on_connect(struct conn *c)
{
    const struct app *app = conn_arg(c);

    conn_set_timeout(c, app->options.idle_ms);
}

static void on_data(struct conn *c, const char *data, size_t n)
{
    if (!conn_write(c, data, n))
        conn_pause(c);
}

static void on_timeout(struct conn *c)
{
    conn_close(c, GRACE_MS);
}

static const struct conn_handlers echo = {.on_connect = on_connect,
                                          .on_data = on_data,
                                          .on_drain = conn_resume,
                                          .on_end = conn_end,
                                          .on_timeout = on_timeout};

static void announce(const struct app *app)
{
    int port = server_port(app->server);

    if (port == -1)
        die("getsockname");
    if (strchr(app->options.host, '/') != NULL)
        printf("Server is listening on %s\n", app->options.host);
    else
        printf("Server is listening on %s:%d\n", app->options.host, port);
    fflush(stdout);
}

static void open_loop(struct app *app, loop_cb *on_signal)
{
    app->loop = loop_new();
    if (app->loop == NULL ||
        loop_signal(app->loop, SIGINT, on_signal, app) == -1 ||
        loop_signal(app->loop, SIGTERM, on_signal, app) == -1)
        die("loop");
}

/* A process that serves: the only one, or a worker */

/* A graceful shutdown: the loop ends when the last connection is closed. A
   worker is told both by its parent and, at Ctrl-C, by a signal of its own. */
static void stop_serving(void *arg)
{
    struct app *app = arg;

    server_close(app->server, GRACE_MS);
    loop_unwatch(app->loop, app->stop_fd);
}

static void on_serving_signal(void *arg)
{
    struct app *app = arg;

    if (++app->n_signals > 1)
        exit(1);
    stop_serving(app);
}

static int serve(int stop_fd, void *arg)
{
    struct app *app = arg;

    open_loop(app, on_serving_signal);
    app->stop_fd = stop_fd;
    if (stop_fd != -1 &&
        loop_watch(app->loop, stop_fd, stop_serving, NULL, app) == -1)
        die("loop");
    server_on_error(app->server, program_log);
    if (server_start(app->server, app->loop, &echo, app) == -1)
        die("start");
    if (stop_fd == -1)
        announce(app);
    program_run(app->loop);
    loop_free(app->loop);
    return 0;
}

/* The parent of the workers */

static void on_parent_signal(void *arg)
{
    struct app *app = arg;

    if (app->server != NULL)
        server_close(app->server, 0);
    app->server = NULL;
    workers_stop(app->workers);
}

static int supervise(struct app *app)
{
    open_loop(app, on_parent_signal);
    app->workers = workers_start(app->loop, app->options.n_workers, serve, app,
                                 program_log);
    if (app->workers == NULL)
        die("start");
    announce(app);
    program_run(app->loop);
    bool all_well = workers_free(app->workers);
    loop_free(app->loop);
    return all_well ? 0 : 1;
}

int main(int argc, char *argv[])
{
    struct app app = {.options = program_options(argc, argv, "w:t:h", usage)};
    const char *failed;

    program_prepare();
    app.server = server_listen(app.options.host, app.options.port, &failed);
    if (app.server == NULL)
        die(failed);
    return app.options.n_workers > 0 ? supervise(&app) : serve(-1, &app);
}
