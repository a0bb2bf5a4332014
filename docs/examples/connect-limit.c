/*
 * connect-limit -- connects to HOST and PORT, in a second or not at all
 *
 * cc -o connect-limit -D_POSIX_C_SOURCE=200809L -I06-eventloop \
 *    docs/examples/connect-limit.c \
 *    06-eventloop/{loop,timers,net,net_client,net_server,sock,poller_poll}.c
 */
#include <signal.h>
#include <stdio.h>

#include "net.h"

static int status = 1;

static void on_connect(struct conn *c)
{
    printf("Connected to server\n");
    status = 0;
    conn_set_timeout(c, 0); /* from now on, no limit */
    conn_end(c);
}

static void on_timeout(struct conn *c)
{
    fprintf(stderr, "connect: no answer\n");
    conn_destroy(c);
}

static void on_close(struct conn *c, int error)
{
    if (error != 0)
        fprintf(stderr, "%s: %s\n", (char *)conn_arg(c), net_strerror(error));
}

int main(int argc, char *argv[])
{
    char *host = argc > 1 ? argv[1] : "localhost";
    const char *port = argc > 2 ? argv[2] : "8000";
    struct conn_handlers handlers = {.on_connect = on_connect,
                                     .on_timeout = on_timeout,
                                     .on_close = on_close};
    struct loop *loop = loop_new();

    signal(SIGPIPE, SIG_IGN);
    if (loop == NULL)
        return 1;
    struct conn *c = conn_connect(loop, host, port, &handlers, host);
    if (c == NULL)
        return 1;
    conn_set_timeout(c, 1000);
    loop_run(loop);
    loop_free(loop);
    return status;
}
