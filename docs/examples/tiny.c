/* tiny -- the smallest echo server that works on a good day: see chapter 01 */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons(7001),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    char buf[16384];
    ssize_t n;

    int listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    bind(listen_fd, (struct sockaddr *)&addr, sizeof(addr));
    listen(listen_fd, 10);
    for (;;) {
        int conn_fd = accept(listen_fd, NULL, NULL);

        while ((n = read(conn_fd, buf, sizeof(buf))) > 0)
            write(conn_fd, buf, n);
        close(conn_fd);
    }
}
