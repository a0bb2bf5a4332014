/*
 * bare-epoll -- the floor: epoll_wait, read, write, and nothing else
 *
 * Not a server to use: what a write leaves over is lost.
 */
#include "listen.h"
#include <sys/epoll.h>

int main(void)
{
    static char buf[BUF_SIZE];
    int listen_fd = listen_on_loopback();
    int epoll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listen_fd};

    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &event) == -1)
        die("epoll_ctl");
    for (;;) {
        struct epoll_event events[64];
        int n_events = epoll_wait(epoll_fd, events, 64, -1);

        for (int i = 0; i < n_events; i++) {
            int fd = events[i].data.fd;

            if (fd == listen_fd) {
                event.data.fd = accept(listen_fd, NULL, NULL);
                set_nonblocking(event.data.fd);
                epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event.data.fd, &event);
                continue;
            }
            ssize_t n = read(fd, buf, sizeof(buf));
            if (n <= 0 || write(fd, buf, n) != n)
                close(fd);
        }
    }
}
