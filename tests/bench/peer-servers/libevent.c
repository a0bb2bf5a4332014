/*
 * libevent -- a bufferevent for each connection, as its manual's echo server
 */
#include "listen.h"
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

static void on_read(struct bufferevent *bev, void *arg)
{
    (void)arg;
    bufferevent_write_buffer(bev, bufferevent_get_input(bev));
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)arg;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        bufferevent_free(bev);
}

static void on_connection(struct evconnlistener *listener, evutil_socket_t fd,
                          struct sockaddr *addr, int len, void *arg)
{
    struct event_base *base = evconnlistener_get_base(listener);
    struct bufferevent *bev =
        bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);

    (void)addr, (void)len, (void)arg;
    bufferevent_setcb(bev, on_read, NULL, on_event, NULL);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

int main(void)
{
    struct event_base *base = event_base_new();
    int listen_fd = listen_on_loopback();

    set_nonblocking(listen_fd);
    if (evconnlistener_new(base, on_connection, NULL, LEV_OPT_CLOSE_ON_FREE, 0,
                           listen_fd) == NULL)
        die("evconnlistener_new");
    event_base_dispatch(base);
}
