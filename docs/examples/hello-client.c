/*
 * hello-client -- hello-client.js word for word, on stage 06's loop
 *
 * cc -o hello-client -D_POSIX_C_SOURCE=200809L -I06-eventloop \
 *    docs/examples/hello-client.c \
 *    06-eventloop/{loop,timers,net,net_client,net_server,sock,poller_poll}.c
 */
#include <signal.h>
#include <stdio.h>

#include "net.h"

static void on_connect(struct conn *client)
{
    printf("Connected to server\n");
    conn_write(client, "Hello, server!", 14);
}

static void on_data(struct conn *client, const char *data, size_t n)
{
    printf("Received from server: %.*s\n", (int)n, data);
    conn_end(client);
}

static void on_end(struct conn *client)
{
    printf("Disconnected from server\n");
    conn_end(client); /* no effect here, but on_end leaves it to us */
}

/* Node prints an error, too, if there is no handler for it. */
static void on_close(struct conn *client, int error)
{
    if (error != 0)
        fprintf(stderr, "%s: %s\n", (char *)conn_arg(client),
                net_strerror(error));
}

int main(int argc, char *argv[])
{
    char *host = argc > 1 ? argv[1] : "localhost";
    const char *port = argc > 2 ? argv[2] : "8000";
    struct conn_handlers handlers = {.on_connect = on_connect,
                                     .on_data = on_data,
                                     .on_end = on_end,
                                     .on_close = on_close};
    struct loop *loop = loop_new();

    signal(SIGPIPE, SIG_IGN);
    if (loop == NULL ||
        conn_connect(loop, host, port, &handlers, host) == NULL)
        return 1;
    loop_run(loop);
    loop_free(loop);
}
