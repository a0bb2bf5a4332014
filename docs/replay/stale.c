/*
 * stale -- an echo server on stage 06's loop, in which a number changes hands
 *
 * usage: stale HOST PORT
 *
 * Whoever sends a '!' has the newest connection closed, and the next one
 * accepted. That one gets the same descriptor, and an event that the loop has
 * still to handle isn't meant for it: the event is stale.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop.h"
#include "sock.h"

struct guest {
    int fd;
};

static struct loop *loop;
static struct guest *newest;
static int listen_fd;

static void leave(struct guest *g)
{
    loop_unwatch(loop, g->fd);
    close(g->fd);
    if (newest == g)
        newest = NULL;
    free(g);
}

static void admit(void *arg);

static void on_readable(void *arg)
{
    struct guest *g = arg;
    char buf[64];
    ssize_t n = read(g->fd, buf, sizeof(buf));

    if (n <= 0 || write(g->fd, buf, n) != n) {
        leave(g);
        return;
    }
    if (buf[0] == '!' && newest != NULL) {
        leave(newest);
        admit(NULL);
    }
}

static void admit(void *arg)
{
    int fd = sock_accept(listen_fd);

    (void)arg;
    if (fd == -1)
        return;
    struct guest *g = malloc(sizeof(*g));
    if (g == NULL || loop_watch(loop, fd, on_readable, NULL, g) == -1) {
        close(fd);
        free(g);
        return;
    }
    g->fd = fd;
    newest = g;
}

int main(int argc, char *argv[])
{
    const char *failed = "usage: stale HOST PORT";
    struct addrinfo *list =
        argc == 3 ? sock_resolve(argv[1], argv[2], true) : NULL;

    listen_fd = list != NULL ? sock_listen(list, &failed) : -1;
    loop = loop_new();
    if (listen_fd == -1 || loop == NULL ||
        loop_watch(loop, listen_fd, admit, NULL, NULL) == -1) {
        fprintf(stderr, "%s\n", failed);
        return 1;
    }
    printf("Server is listening on %s:%d\n", argv[1], sock_port(listen_fd));
    fflush(stdout);
    loop_run(loop);
}
