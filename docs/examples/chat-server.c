/*
 * chat-server -- what one member sends goes to all the others
 *
 * cc -o chat-server -D_POSIX_C_SOURCE=200809L -I06-eventloop \
 *    docs/examples/chat-server.c \
 *    06-eventloop/{loop,timers,net,net_client,net_server,sock,poller_poll}.c
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "net.h"

#define MAX_MEMBERS 1000
#define MAX_QUEUED (1024 * 1024) /* a member with more unread has to leave */

static struct conn *members[MAX_MEMBERS];
static int n_members;

static void on_connect(struct conn *c)
{
    if (n_members < MAX_MEMBERS)
        members[n_members++] = c;
    else
        conn_destroy(c);
}

static void on_data(struct conn *from, const char *data, size_t n)
{
    for (int i = 0; i < n_members; i++) {
        if (members[i] != from)
            conn_write(members[i], data, n);
        if (conn_queued(members[i]) > MAX_QUEUED)
            conn_destroy(members[i]);
    }
}

static void on_close(struct conn *c, int error)
{
    for (int i = 0; i < n_members; i++) {
        if (members[i] == c)
            members[i] = members[--n_members];
    }
    (void)error;
}

int main(int argc, char *argv[])
{
    const char *host = argc > 1 ? argv[1] : "localhost";
    const char *port = argc > 2 ? argv[2] : "8000";
    struct conn_handlers handlers = {
        .on_connect = on_connect, .on_data = on_data, .on_close = on_close};
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
