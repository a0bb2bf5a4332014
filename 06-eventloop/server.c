/*
 * server -- TCP echo server: handlers on an event loop
 *
 * usage: server [-w WORKERS] [-t IDLE_SECONDS] [-h] [HOST [PORT]]
 *
 * The default is localhost 8000, one process, connections may be idle for
 * ever. A HOST with a '/' in it is the path of a Unix-domain socket.
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

static struct options options;
static struct server *server;
static struct workers *workers; /* the parent's */
static int parent_fd; /* a worker's: EOF when it should end */
static bool ending;
static int exit_status;

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, net_strerror(errno));
    exit(1);
}

/* The echo: Node's handlers, one by one */

static void on_connect(struct conn *c, void *arg)
{
    (void)arg;
    if (conn_set_timeout(c, options.idle_ms) == -1)
        conn_destroy(c);
}

static void on_data(struct conn *c, const char *data, size_t n, void *arg)
{
    (void)arg;
    if (!conn_write(c, data, n))
        conn_pause(c);
}

static void on_drain(struct conn *c, void *arg)
{
    (void)arg;
    conn_resume(c);
}

static void on_end(struct conn *c, void *arg)
{
    (void)arg;
    conn_end(c);
}

static void on_timeout(struct conn *c, void *arg)
{
    (void)arg;
    conn_close(c, GRACE_MS);
}

static void on_accept_error(int error, void *arg)
{
    (void)arg;
    program_report("accept", net_strerror(error));
}

static const struct conn_handlers echo = {.on_connect = on_connect,
                                          .on_data = on_data,
                                          .on_drain = on_drain,
                                          .on_end = on_end,
                                          .on_timeout = on_timeout,
                                          .on_accept_error = on_accept_error};

/* The orderly end: loop_run returns when the last connection is closed. */
static void stop(struct loop *loop)
{
    server_close(server, GRACE_MS);
    loop_unwatch(loop, parent_fd);
    if (workers != NULL)
        workers_stop(workers);
    ending = true;
}

/* The first one asks for the orderly end, which a worker may have begun
   before, as its parent got the signal too. The second one ends it now. */
static void on_signal(struct loop *loop, int signo, void *arg)
{
    static bool again;

    (void)signo;
    (void)arg;
    if (!ending) {
        stop(loop);
    } else if (workers != NULL) {
        workers_stop(workers);
        exit_status = 1;
    } else if (again) {
        exit(1);
    }
    again = true;
}

static void on_parent_gone(struct loop *loop, int fd, int events, void *arg)
{
    (void)fd;
    (void)events;
    (void)arg;
    stop(loop);
}

static void announce(void)
{
    int port = server_port(server);

    if (port == -1)
        die("getsockname");
    if (strchr(options.host, '/') != NULL)
        printf("Server is listening on %s\n", options.host);
    else
        printf("Server is listening on %s:%d\n", options.host, port);
    fflush(stdout);
}

/* What a worker does, which is given stop_fd, and the first process (-1). */
static int run(int stop_fd, void *arg)
{
    struct loop *loop = loop_new();
    bool is_parent = stop_fd == -1 && options.n_workers > 0;

    (void)arg;
    workers = NULL;
    parent_fd = stop_fd;
    if (loop == NULL || loop_signal(loop, SIGINT, on_signal, NULL) == -1 ||
        loop_signal(loop, SIGTERM, on_signal, NULL) == -1)
        die("loop");
    if (stop_fd != -1 &&
        loop_watch(loop, stop_fd, LOOP_READ, on_parent_gone, NULL) == -1)
        die("loop");
    if (is_parent)
        workers =
            workers_start(loop, options.n_workers, run, NULL, program_report);
    if (is_parent ? workers == NULL : server_start(server, loop) == -1)
        die("start");
    if (stop_fd == -1)
        announce();
    if (loop_run(loop) == -1)
        die("loop");
    loop_free(loop);
    return exit_status;
}

int main(int argc, char *argv[])
{
    options = program_options(argc, argv, "w:t:h", usage);
    program_prepare();
    server = server_listen(options.host, options.port, &echo, NULL);
    if (server == NULL)
        die(options.host);
    return run(-1, NULL);
}
