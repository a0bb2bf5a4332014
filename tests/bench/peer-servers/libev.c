/*
 * libev -- a watcher for each connection
 */
#include "listen.h"
#include <ev.h>

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    static char buf[BUF_SIZE];
    ssize_t n = read(watcher->fd, buf, sizeof(buf));

    (void)events;
    if (n > 0 && write(watcher->fd, buf, n) == n)
        return;
    ev_io_stop(loop, watcher);
    close(watcher->fd);
    free(watcher);
}

static void on_connection(struct ev_loop *loop, ev_io *listener, int events)
{
    int fd = accept(listener->fd, NULL, NULL);
    ev_io *watcher = malloc(sizeof(*watcher));

    (void)events;
    if (fd == -1 || watcher == NULL)
        die("accept");
    set_nonblocking(fd);
    ev_io_init(watcher, on_readable, fd, EV_READ);
    ev_io_start(loop, watcher);
}

int main(void)
{
    struct ev_loop *loop = ev_default_loop(0);
    ev_io listener;

    ev_io_init(&listener, on_connection, listen_on_loopback(), EV_READ);
    ev_io_start(loop, &listener);
    ev_run(loop, 0);
}
