/*
 * hello-server -- hello-server.js word for word, on stage 06's loop
 *
 * cc -o hello-server -D_POSIX_C_SOURCE=200809L -I06-eventloop \
 *    docs/examples/hello-server.c \
 *    06-eventloop/{loop,timers,net,net_client,net_server,sock,poller_poll}.c
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "net.h"

static void on_data(struct conn *socket, const char *data, size_t n)
{
    conn_write(socket, data, n);
}

int main(int argc, char *argv[])
{
    const char *host = argc > 1 ? argv[1] : "localhost";
    const char *port = argc > 2 ? argv[2] : "8000";
    struct conn_handlers handlers = {.on_data = on_data};
    struct loop *loop = loop_new();
    struct server *server = server_listen(host, port, NULL);

    signal(SIGPIPE, SIG_IGN);
    if (loop == NULL || server == NULL ||
        server_start(server, loop, &handlers, NULL) == -1) {
        fprintf(stderr, "%s: %s\n", host, net_strerror(errno));
        return 1;
    }
    printf("Server is listening on %s:%d\n", host, server_port(server));
    fflush(stdout);
    loop_run(loop);
    loop_free(loop);
}
