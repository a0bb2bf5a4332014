/*
 * libuv -- uv_write for each answer, as in its guide's echo server
 *
 * With -DBEST at its best: uv_try_write, which needs no request and usually
 * succeeds, and one buffer for all reads. With -DNODELAY it sets TCP_NODELAY.
 */
#include "common.h"
#include <string.h>
#include <uv.h>

struct request {
    uv_write_t write;
    uv_buf_t buf;
};

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
#ifdef BEST
    static char shared[BUF_SIZE];

    (void)handle, (void)suggested;
    *buf = uv_buf_init(shared, sizeof(shared));
#else
    (void)handle;
    *buf = uv_buf_init(malloc(suggested), suggested);
#endif
}

static void on_written(uv_write_t *write, int status)
{
    struct request *request = (struct request *)write;

    if (status < 0)
        fprintf(stderr, "write: %s\n", uv_strerror(status));
    free(request->buf.base);
    free(request);
}

static void write_later(uv_stream_t *stream, char *base, size_t n)
{
    struct request *request = malloc(sizeof(*request));

    request->buf = uv_buf_init(base, n);
    uv_write(&request->write, stream, &request->buf, 1, on_written);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    if (n < 0)
        uv_close((uv_handle_t *)stream, on_closed);
#ifdef BEST
    if (n <= 0)
        return;
    uv_buf_t out = uv_buf_init(buf->base, n);
    int sent = uv_try_write(stream, &out, 1);
    if (sent < 0)
        sent = 0;
    if (sent < n) {
        char *rest = malloc(n - sent);
        memcpy(rest, buf->base + sent, n - sent);
        write_later(stream, rest, n - sent);
    }
#else
    if (n > 0)
        write_later(stream, buf->base, n);
    else
        free(buf->base);
#endif
}

static void on_connection(uv_stream_t *listener, int status)
{
    uv_tcp_t *conn = malloc(sizeof(*conn));

    if (status < 0 || uv_tcp_init(listener->loop, conn) != 0)
        die("accept");
    if (uv_accept(listener, (uv_stream_t *)conn) != 0) {
        uv_close((uv_handle_t *)conn, on_closed);
        return;
    }
#ifdef NODELAY
    uv_tcp_nodelay(conn, 1);
#endif
    uv_read_start((uv_stream_t *)conn, on_alloc, on_read);
}

int main(void)
{
    uv_tcp_t listener;
    struct sockaddr_in addr;
    uv_os_fd_t fd;

    uv_tcp_init(uv_default_loop(), &listener);
    uv_ip4_addr("127.0.0.1", 0, &addr);
    uv_tcp_bind(&listener, (struct sockaddr *)&addr, 0);
    if (uv_listen((uv_stream_t *)&listener, SOMAXCONN, on_connection) != 0)
        die("uv_listen");
    uv_fileno((uv_handle_t *)&listener, &fd);
    announce(fd);
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
