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
    struct server *server;
    struct loop *loop;
    int stop_fd; /* a worker's: EOF when it should end; otherwise -1 */
    int n_signals;
};

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

static void announce(void *arg)
{
    const struct app *app = arg;
    int port = server_port(app->server);

    if (strchr(app->options.host, '/') != NULL)
        printf("Server is listening on %s\n", app->options.host);
    else if (port != -1)
        printf("Server is listening on %s:%d\n", app->options.host, port);
    else
        program_die("getsockname", strerror(errno));
    fflush(stdout);
}

/* A graceful shutdown: the loop ends when the last connection is closed. */
static void stop(void *arg)
{
    struct app *app = arg;

    server_close(app->server, GRACE_MS);
    loop_unwatch(app->loop, app->stop_fd);
}

/* The second signal ends it now. A worker's parent may have asked it to end
   before; that doesn't count, as at Ctrl-C both of them get a signal. */
static void on_signal(void *arg)
{
    struct app *app = arg;

    if (++app->n_signals == 2)
        exit(1);
    stop(app);
}

/* Runs in the only process, or in each worker. Returns its exit status. */
static int serve(int stop_fd, void *arg)
{
    struct app *app = arg;

    app->loop = program_loop(on_signal, app);
    app->stop_fd = stop_fd;
    if (stop_fd != -1 && loop_watch(app->loop, stop_fd, stop, NULL, app) == -1)
        program_die("loop", strerror(errno));
    server_on_error(app->server, program_log);
    if (server_start(app->server, app->loop, &echo, app) == -1)
        program_die("loop", strerror(errno));
    if (stop_fd == -1)
        announce(app);
    program_run(app->loop);
    loop_free(app->loop);
    return 0;
}

/* The parent only listens: its workers accept. */
static void stop_listening(void *arg)
{
    struct app *app = arg;

    server_close(app->server, 0);
}

int main(int argc, char *argv[])
{
    struct app app = {.options = program_options(argc, argv, "w:t:h", usage)};
    const char *failed;

    program_prepare();
    app.server = server_listen(app.options.host, app.options.port, &failed);
    if (app.server == NULL)
        program_die(failed, net_strerror(errno));
    if (app.options.n_workers == 0)
        return serve(-1, &app);
    return workers_run(app.options.n_workers, serve, announce, stop_listening,
                       &app);
}
