/*
 * net_test.c -- net.h's promises, one by one
 *
 * A server on a loop, and its peer: a blocking socket in this process (what
 * it sends is there when the loop looks), or a connection of net.c's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hooks.h"
#include "net.h"

#define PROMISED_IN "net.h"

static struct loop *loop;
static struct server *server;
static const char path[] = "./sock"; /* the server's */

/* What the handlers have seen: a letter for each call, but one for a series
   of on_data calls. */
static char trace[256];
static struct conn *conn; /* the last one of a handler */
static size_t n_data; /* bytes in on_data */
static int close_error;
static bool inside; /* a conn_ call: no on_close may come */

static void note(char letter)
{
    size_t n = strlen(trace);

    CHECK(n + 1 < sizeof(trace));
    if (letter != 'd' || n == 0 || trace[n - 1] != 'd')
        trace[n] = letter;
}

static bool saw(const char *letters)
{
    if (strcmp(trace, letters) != 0)
        fprintf(stderr, "calls: %s, expected: %s\n", trace, letters);
    return strcmp(trace, letters) == 0;
}

/* Returns how often that letter is there, and begins a new trace. */
static int count(char letter)
{
    int n = 0;

    for (const char *p = trace; *p != '\0'; p++)
        n += *p == letter;
    memset(trace, 0, sizeof(trace));
    return n;
}

static int server_arg; /* as given to server_start */
static int client_arg; /* as given to conn_connect */

/* What the handler with this letter does: to be set by a test. */
static char act_at;
static void (*act)(struct conn *c);

static void handle(struct conn *c, char letter)
{
    CHECK(conn_loop(c) == loop);
    CHECK(conn_arg(c) == &server_arg || conn_arg(c) == &client_arg);
    conn = c;
    note(letter);
    if (act_at == letter)
        act(c);
}

static void on_connect(struct conn *c)
{
    handle(c, 'c');
}

static void on_data(struct conn *c, const char *data, size_t n)
{
    CHECK(n > 0 && n <= CONN_MAX_DATA && data != NULL);
    n_data += n;
    handle(c, 'd');
}

static void on_end(struct conn *c)
{
    handle(c, 'e');
}

static void on_drain(struct conn *c)
{
    CHECK(conn_queued(c) == 0);
    handle(c, 'w');
}

static void on_timeout(struct conn *c)
{
    handle(c, 't');
}

static void on_close(struct conn *c, int error)
{
    CHECK(!inside);
    close_error = error;
    handle(c, 'x');
    conn = NULL;
}

static char accept_why[64];

static void on_accept_error(const char *what, const char *why)
{
    CHECK(strcmp(what, "accept") == 0);
    snprintf(accept_why, sizeof(accept_why), "%s", why);
    note('a');
}

static const struct conn_handlers all = {.on_connect = on_connect,
                                         .on_data = on_data,
                                         .on_end = on_end,
                                         .on_drain = on_drain,
                                         .on_timeout = on_timeout,
                                         .on_close = on_close};

/* Running it */

static void stop_cb(void *arg)
{
    loop_stop(arg);
}

/* Runs for ms of virtual time: until all is done that can be done now. */
static void run_ms(int ms)
{
    struct loop_timer t = {.cb = stop_cb, .arg = loop};

    loop_timer_start(loop, &t, ms, 0);
    CHECK(loop_run(loop) == 0);
    loop_timer_stop(loop, &t);
}

static void run(void)
{
    run_ms(2);
}

/* True if no descriptor of net's is open: those alone close on exec. */
static bool all_closed(void)
{
    for (int fd = 3; fd < 1024; fd++) {
        if (fcntl(fd, F_GETFD) > 0)
            return false;
    }
    return true;
}

/* Runs to the end: nothing may be left. */
static void run_out(void)
{
    CHECK(loop_run(loop) == 0);
    loop_free(loop);
    CHECK(all_closed());
    unlink(path);
    CHECK(hook_bytes == 0 && hook_n_addrs == 0);
}

/* The end of most tests: the peer closes, then the server. */
static void end(int fd)
{
    if (fd != -1)
        close(fd);
    server_close(server, 0);
    run_out();
}

/* Starts server, which listens there, or fails the test. */
static void serve(const char *host, const struct conn_handlers *on)
{
    const char *failed = NULL;

    server = server_listen(host, "0", &failed);
    CHECK(server != NULL && failed == NULL);
    server_on_error(server, on_accept_error);
    CHECK(server_start(server, loop, on, &server_arg) == 0);
}

static void start(const struct conn_handlers *on)
{
    hook_virtual_time = true;
    loop = loop_new();
    CHECK(loop != NULL);
    if (on != NULL)
        serve(path, on);
}

static int peer_connect(void)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(un.sun_path, path);
    CHECK(connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0);
    return fd;
}

/* A listening TCP server's address for conn_connect: its port as text. */
static char port[8];

static void start_tcp(const struct conn_handlers *on)
{
    start(NULL);
    serve("127.0.0.1", on);
    snprintf(port, sizeof(port), "%d", server_port(server));
    CHECK(server_port(server) > 0);
}

static int tcp_peer(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    in.sin_port = htons(server_port(server));
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0);
    return fd;
}

/* These return a peer that is accepted: conn is its connection. */
static int connected(void)
{
    int fd = peer_connect();

    run();
    return fd;
}

static int tcp_connected(void)
{
    int fd = tcp_peer();

    run();
    return fd;
}

static void say(int fd, const char *text)
{
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

/* Reads what there is without waiting. Returns -1 for EAGAIN. */
static ssize_t hear(int fd, char *buf, size_t n)
{
    return recv(fd, buf, n, MSG_DONTWAIT);
}

static bool hears(int fd, const char *text)
{
    char buf[256];
    ssize_t n = hear(fd, buf, sizeof(buf));

    return n == (ssize_t)strlen(text) && memcmp(buf, text, n) == 0;
}

/* Every call that there is for a connection. */
static void call_all(struct conn *c)
{
    inside = true;
    CHECK(!conn_write(c, "x", 1));
    conn_pause(c);
    conn_resume(c);
    conn_set_timeout(c, 5);
    conn_end(c);
    conn_close(c, 5);
    conn_destroy(c);
    conn_set_arg(c, &client_arg);
    CHECK(conn_arg(c) == &client_arg && conn_loop(c) == loop);
    CHECK(conn_queued(c) == 0);
    inside = false;
}

static void destroy(struct conn *c)
{
    inside = true;
    conn_destroy(c);
    inside = false;
    call_all(c);
}

/* Connections */

static void echo(struct conn *c, const char *data, size_t n)
{
    conn = c;
    n_data += n;
    if (!conn_write(c, data, n))
        conn_pause(c);
}

static const struct conn_handlers echo_handlers = {
    .on_data = echo, .on_drain = conn_resume, .on_close = on_close};

TEST(connections, ends_in_order,
     "NULL calls conn_end for you, as Node does by default. Accepted, or "
     "connected.")
{
    start(&echo_handlers);
    int fd = peer_connect();
    say(fd, "Hello");
    run();
    CHECK(hears(fd, "Hello"));
    shutdown(fd, SHUT_WR);
    run();
    CHECK(hears(fd, "")); /* FIN: on_end is NULL, so it has ended, too */
    CHECK(saw("x") && close_error == 0);
    end(fd);
}

static void call_and_note(struct conn *c)
{
    call_all(c);
}

TEST(connections, destroy_in_every_handler,
     "The conn_ functions may be called from anywhere until on_close has "
     "returned. On a closed connection they do nothing.")
{
    static char big[400000];
    static const struct {
        char at;
        const char *calls;
    } cases[] = {{'c', "cx"}, {'d', "cdx"}, {'e', "cdex"}, {'t', "cdtx"}};

    start(&all);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(trace, 0, sizeof(trace));
        act_at = cases[i].at;
        act = destroy;
        int fd = peer_connect();
        say(fd, "x");
        if (act_at == 'e')
            shutdown(fd, SHUT_WR);
        run();
        if (act_at == 't') {
            conn_set_timeout(conn, 50);
            run_ms(60);
        }
        CHECK(saw(cases[i].calls) && close_error == 0);
        close(fd);
    }
    /* on_drain */
    memset(trace, 0, sizeof(trace));
    act_at = 'w';
    int fd = connected();
    CHECK(!conn_write(conn, big, sizeof(big)));
    for (int i = 0; i < 100; i++) {
        hear(fd, big, sizeof(big));
        run();
    }
    CHECK(saw("cwx"));
    close(fd);
    /* on_close: it is destroyed already, but the calls are safe. */
    memset(trace, 0, sizeof(trace));
    act_at = 'x';
    act = call_and_note;
    fd = connected();
    conn_destroy(conn);
    run();
    CHECK(saw("cx"));
    end(fd);
}

TEST(connections, write_in_on_close, "On a closed connection they do nothing.")
{
    start(&all);
    act_at = 'x';
    act = call_and_note;
    int fd = peer_connect();
    say(fd, "x");
    close(fd);
    run();
    conn_end(conn);
    run();
    CHECK(saw("cdex"));
    end(-1);
}

static void close_server(struct conn *c)
{
    (void)c;
    server_close(server, 10);
}

TEST(connections, server_close_in_handlers,
     "server_close may be called from any handler.")
{
    for (const char *at = "cdex"; *at != '\0'; at++) {
        memset(trace, 0, sizeof(trace));
        start(&all);
        act_at = *at;
        act = close_server;
        int fd = peer_connect();
        say(fd, "x");
        shutdown(fd, SHUT_WR);
        run();
        if (*at == 'x')
            conn_destroy(conn);
        run_out();
        close(fd);
        CHECK(strchr(trace, 'x') == strrchr(trace, 'x'));
    }
}

TEST(connections, reset_is_an_error,
     "This is the only place where an error shows (Node's 'error' and 'close' "
     "in one): if you don't set on_close, nobody learns that a connection "
     "failed.")
{
    struct linger reset = {.l_onoff = 1};

    start_tcp(&all);
    int fd = tcp_connected();
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    run();
    CHECK(saw("cx") && close_error == ECONNRESET);
    end(-1);
}

TEST(connections, half_open_by_the_peer,
     "A connection may be half-open: one direction has ended, the other one "
     "goes on. If this is set, the connection stays half-open, as with Node's "
     "allowHalfOpen: *you* call conn_end once you have written everything (if "
     "that's now: `.on_end = conn_end`). The peer will send no more (FIN).")
{
    start(&all);
    int fd = peer_connect();
    shutdown(fd, SHUT_WR);
    run();
    CHECK(saw("ce"));
    for (int i = 0; i < 3; i++) {
        CHECK(conn_write(conn, "later", 5));
        CHECK(hears(fd, "later"));
        run_ms(1000);
    }
    conn_end(conn);
    run();
    CHECK(hears(fd, ""));
    CHECK(saw("cex") && close_error == 0);
    end(fd);
}

TEST(connections, half_open_by_us,
     "Sends what is queued, then FIN (shutdown(2)). c still receives; when "
     "the peer has ended as well, it closes. After conn_end it isn't, and no "
     "on_drain comes.")
{
    start(&all);
    int fd = connected();
    CHECK(conn_write(conn, "bye", 3));
    conn_end(conn);
    CHECK(!conn_write(conn, "more", 4));
    conn_end(conn);
    CHECK(hears(fd, "bye"));
    run();
    CHECK(hears(fd, ""));
    say(fd, "still here");
    run();
    CHECK(saw("cd") && n_data == 10);
    shutdown(fd, SHUT_WR);
    run();
    CHECK(saw("cdex") && close_error == 0);
    end(fd);
}

/* Backpressure */

TEST(
    backpressure, backpressure,
    "conn_write returns false once this many bytes are queued. Returns false "
    "if you should stop producing until on_drain; data is sent even so. "
    "conn_write had returned false, and now everything is sent. Sends all of "
    "data: whatever the kernel doesn't take at once is copied and sent later.")
{
    static char buf[1 << 16];
    size_t sent = 0;
    size_t came = 0;
    ssize_t n;

    start(&all);
    int fd = connected();
    long before = hook_bytes;
    do {
        memset(buf, 'a' + sent / 1000 % 26, 1000);
        sent += 1000;
    } while (conn_write(conn, buf, 1000));
    CHECK(hook_bytes - before < 2 * CONN_HIGH_WATER);
    CHECK(!conn_write(conn, buf, 10)); /* still; and it is taken */
    sent += 10;
    run();
    CHECK(saw("c"));
    hook_most_written = 3000;
    for (int i = 0; i < 2000 && came < sent; i++) {
        while ((n = hear(fd, buf, 999)) > 0) {
            for (ssize_t j = 0; j < n && came + j < sent - 10; j++)
                CHECK(buf[j] == (char)('a' + (came + j) / 1000 % 26));
            came += n;
        }
        run();
    }
    CHECK(came == sent);
    CHECK(saw("cw")); /* once */
    CHECK(hook_bytes == before);
    CHECK(conn_write(conn, "x", 1));
    end(fd);
}

TEST(backpressure, flood_is_bounded,
     "on_data gets at most this many bytes at a time, and fewer while output "
     "is queued: an echo that pauses when conn_write returns false never "
     "holds more than this for a connection.")
{
    static char buf[1 << 16];
    size_t sent = 0;
    size_t came = 0;
    ssize_t n;

    start(&echo_handlers);
    int fd = connected();
    long before = hook_bytes;
    /* It begins while a little is queued: too little for a pause. */
    do {
        CHECK(send(fd, buf, 1000, 0) == 1000);
        sent += 1000;
        run();
    } while (conn == NULL || conn_queued(conn) == 0);
    for (int i = 0; i < 1000; i++) {
        while ((n = send(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
            sent += n;
        run();
        CHECK(hook_bytes - before <= CONN_MAX_DATA + 64); /* and its head */
    }
    hook_n_waits = 0;
    run_ms(1000);
    CHECK(hook_n_waits < 10);
    for (int i = 0; i < 1000 && came < sent; i++) {
        while ((n = hear(fd, buf, sizeof(buf))) > 0)
            came += n;
        run();
    }
    CHECK(came == sent && n_data == sent);
    end(fd);
}

TEST(backpressure, pause_and_resume,
     "No on_data and no on_end until conn_resume: the bytes stay with the "
     "kernel, which makes the peer wait. Calls don't nest: one conn_resume "
     "ends any number of conn_pause.")
{
    start(&all);
    int fd = connected();
    conn_pause(conn);
    say(fd, "x");
    shutdown(fd, SHUT_WR);
    run();
    CHECK(saw("c"));
    conn_pause(conn);
    conn_resume(conn);
    conn_resume(conn);
    run();
    CHECK(saw("cde"));
    conn_destroy(conn);
    run();
    end(fd);
}

static void pause_it(struct conn *c)
{
    conn_pause(c);
}

TEST(backpressure, pause_in_on_connect,
     "A paused connection with nothing to send doesn't keep the loop running, "
     "and doesn't notice that the peer is gone.")
{
    start(&all);
    act_at = 'c';
    act = pause_it;
    int fd = peer_connect();
    say(fd, "x");
    run();
    CHECK(saw("c"));
    /* With nothing to send, it does not keep the loop running. */
    hook_n_waits = 0;
    run_ms(1000);
    CHECK(hook_n_waits < 5);
    end(fd);
    CHECK(saw("cx"));
}

TEST(backpressure, turns_are_capped,
     "Each event gets one read, of at most CONN_MAX_DATA bytes.")
{
    static char buf[300000];

    start(&all);
    int fd = peer_connect();
    int size = sizeof(buf);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    run();
    CHECK(send(fd, buf, sizeof(buf), MSG_DONTWAIT) > 2 * CONN_MAX_DATA);
    hook_n_waits = hook_n_reads = 0;
    run();
    CHECK(n_data > 2 * CONN_MAX_DATA);
    CHECK(hook_n_reads <= hook_n_waits); /* one for each turn */
    end(fd);
}

/* What is queued, and who the peer is */

TEST(backpressure, queued_is_told,
     "Returns how many bytes conn_write has queued: Node's writableLength.")
{
    static char big[1000000];
    char buf[1000];
    size_t came = 0;

    start(&all);
    int fd = connected();
    CHECK(conn_write(conn, "x", 1) && conn_queued(conn) == 0);
    CHECK(!conn_write(conn, big, sizeof(big)));
    size_t queued = conn_queued(conn);
    CHECK(queued > CONN_HIGH_WATER && queued < sizeof(big));
    CHECK(!conn_write(conn, "abc", 3));
    CHECK(conn_queued(conn) == queued + 3);
    for (ssize_t n = 0; n >= 0; came += n, n = hear(fd, buf, sizeof(buf)))
        continue;
    run_ms(1);
    CHECK(conn_queued(conn) < queued);
    CHECK(came + conn_queued(conn) <= sizeof(big) + 4);
    conn_destroy(conn);
    CHECK(conn_queued(conn) == 0);
    end(fd);
}

TEST(addresses, peer_is_told,
     "Writes the peer's address to buf and returns buf: \"127.0.0.1:51234\", "
     "\"[::1]:51234\", the path of a Unix-domain peer that has one, or \"\" "
     "for other ones and before on_connect or after the close. 128 bytes are "
     "enough.")
{
    char text[128];
    char expected[64];
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof(in);

    start_tcp(&all);
    int fd = tcp_peer();
    CHECK(getsockname(fd, (struct sockaddr *)&in, &len) == 0);
    run();
    snprintf(expected, sizeof(expected), "127.0.0.1:%d", ntohs(in.sin_port));
    CHECK(strcmp(conn_peer(conn, text, sizeof(text)), expected) == 0);
    CHECK(strlen(conn_peer(conn, text, 5)) == 4);
    struct conn *closed = conn;
    conn_destroy(closed);
    CHECK(*conn_peer(closed, text, sizeof(text)) == '\0');
    close(fd);
    server_close(server, 0);
    run();
    /* A Unix-domain peer has a name only if it's bound. */
    serve(path, &all);
    fd = connected();
    CHECK(*conn_peer(conn, text, sizeof(text)) == '\0');
    close(fd);
    conn_destroy(conn);
    run();
    struct conn *c = conn_connect(loop, path, "0", &all, &client_arg);
    CHECK(*conn_peer(c, text, sizeof(text)) == '\0');
    run();
    CHECK(strcmp(conn_peer(c, text, sizeof(text)), path) == 0);
    conn_destroy(c);
    end(-1);
}

TEST(addresses, peer_of_ipv6_is_told,
     "Writes the peer's address to buf and returns buf: \"127.0.0.1:51234\", "
     "\"[::1]:51234\", the path of a Unix-domain peer that has one, or \"\" "
     "for other ones and before on_connect or after the close. 128 bytes are "
     "enough.")
{
    char text[128];

    start(NULL);
    server = server_listen("::1", "0", NULL);
    if (server == NULL) { /* a machine without IPv6 */
        run_out();
        return;
    }
    CHECK(server_start(server, loop, &all, &server_arg) == 0);
    snprintf(port, sizeof(port), "%d", server_port(server));
    struct conn *c = conn_connect(loop, "::1", port, &all, &client_arg);
    run();
    char expected[64];
    snprintf(expected, sizeof(expected), "[::1]:%s", port);
    CHECK(strcmp(conn_peer(c, text, sizeof(text)), expected) == 0);
    conn_destroy(c);
    end(-1);
}

TEST(addresses, tcp_options, "All sockets are non-blocking and close on exec.")
{
    int n = 0;

    start_tcp(&all);
    struct conn *c = conn_connect(loop, "127.0.0.1", port, &all, &client_arg);
    CHECK(c != NULL);
    run();
    for (int fd = 3; fd < 64; fd++) {
        int nodelay = 0;
        int inlined = 0;
        socklen_t len = sizeof(int);
        if (getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &len) == -1)
            continue;
        getsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &inlined, &len);
        CHECK(nodelay && inlined);
        CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
        n++;
    }
    CHECK(n == 3); /* the listening one, and both ends */
    conn_destroy(c);
    end(-1);
}

TEST(connections, urgent_data_stays,
     "Urgent data stays in its place in the stream.")
{
    start_tcp(&echo_handlers);
    int fd = tcp_connected();
    say(fd, "abc");
    CHECK(send(fd, "X", 1, MSG_OOB) == 1);
    say(fd, "def");
    run();
    run();
    CHECK(hears(fd, "abcXdef"));
    end(fd);
}

static struct conn *two[2];

static void pause_both(struct conn *c)
{
    CHECK(c != NULL);
    conn_pause(two[0]);
    conn_pause(two[1]);
}

TEST(backpressure, pause_from_another_handler,
     "No on_data and no on_end until conn_resume: the bytes stay with the "
     "kernel, which makes the peer wait.")
{
    int fds[2];

    start(&all);
    for (int i = 0; i < 2; i++) {
        fds[i] = peer_connect();
        run();
        two[i] = conn;
    }
    act_at = 'd';
    act = pause_both;
    say(fds[0], "x");
    say(fds[1], "x");
    run();
    CHECK(n_data == 1);
    act_at = '\0';
    conn_resume(two[0]);
    conn_resume(two[1]);
    run();
    CHECK(n_data == 2);
    close(fds[0]);
    close(fds[1]);
    end(-1);
}

/* What many changes in one iteration come to is told to the kernel once. */
static void pause_and_resume_at_once(struct conn *c)
{
    for (int i = 0; i < 10; i++) {
        conn_pause(c);
        conn_resume(c);
    }
}

TEST(backpressure, changes_are_told_once,
     "What many changes in one iteration come to is told to the kernel once.")
{
    start(&all);
    int fd = connected();
    act_at = 'd';
    act = pause_and_resume_at_once;
    hook_n_epoll_ctls = 0;
    say(fd, "x");
    run();
    CHECK(saw("cd") && hook_n_epoll_ctls == 0);
    end(fd);
}

TEST(backpressure, queue_is_not_quadratic,
     "A producer that ignores false costs no quadratic time.")
{
    enum { PIECE = 1000, N = 16000 };
    static char buf[1 << 16];
    size_t came = 0;
    ssize_t n = 0;

    start(&all);
    int fd = connected();
    hook_n_moved = 0;
    for (int i = 0; i < N; i++) {
        memset(buf, 'a' + i % 26, PIECE);
        conn_write(conn, buf, PIECE);
        if (i < N / 2 || i % 50 != 0)
            continue;
        while (came < (size_t)(i - N / 2) * PIECE && n != -1) {
            n = hear(fd, buf, PIECE);
            came += n > 0 ? n : 0;
        }
        n = 0;
        run_ms(0);
    }
    CHECK(hook_n_moved < 6L * N * PIECE);
    while (came < (size_t)N * PIECE) {
        while ((n = hear(fd, buf, sizeof(buf))) > 0) {
            for (ssize_t j = 0; j < n; j++)
                CHECK(buf[j] == (char)('a' + (came + j) / PIECE % 26));
            came += n;
        }
        run_ms(0);
    }
    end(fd);
}

TEST(backpressure, large_write_behind_a_drained_queue,
     "Sends all of data: whatever the kernel doesn't take at once is copied "
     "and sent later.")
{
    enum { SIZE = 600000 };
    static char big[SIZE];
    static char buf[1 << 16];
    size_t came = 0;

    for (int i = 0; i < SIZE; i++)
        big[i] = (char)(i % 251);
    start(&all);
    int fd = connected();
    long before = hook_bytes;
    CHECK(!conn_write(conn, big, SIZE));
    size_t queued = conn_queued(conn);
    /* What has been sent needs no room. */
    CHECK(hook_bytes - before < (long)queued + 4096);
    while (conn_queued(conn) > queued / 3) {
        ssize_t n = hear(fd, buf, 10000);
        came += n > 0 ? n : 0;
        run_ms(0);
    }
    CHECK(conn_queued(conn) > 0);
    /* The queue is mostly empty, and yet this doesn't fit in. */
    conn_write(conn, big, queued);
    while (came < SIZE + queued) {
        ssize_t n = hear(fd, buf, sizeof(buf));
        for (ssize_t i = 0; i < n; i++)
            CHECK(buf[i] == (char)((came + i) % SIZE % 251));
        came += n > 0 ? n : 0;
        run_ms(0);
    }
    end(fd);
}

/* Timeouts and deadlines */

TEST(timeouts, idle_timeout,
     "Calls on_timeout whenever the connection was idle for ms; 0: never. "
     "Idle means that nothing was received and nothing sent, counted from the "
     "iteration (loop_now) in which something last was. Idle for as long as "
     "conn_set_timeout says. As in Node, this only tells you: call conn_close "
     "or conn_destroy to end the connection.")
{
    char buf[16];

    start(&all);
    int fd = connected();
    conn_set_timeout(conn, 1000);
    for (int i = 0; i < 10; i++) {
        run_ms(900);
        if (i % 2 == 0)
            say(fd, "x");
        else
            CHECK(conn_write(conn, "x", 1));
        hook_n_allocs = 0;
        run();
        while (hear(fd, buf, sizeof(buf)) > 0)
            continue; /* it reads everything */
    }
    CHECK(saw("cd"));
    run_ms(970);
    CHECK(saw("cd"));
    run_ms(100);
    CHECK(saw("cdt"));
    run_ms(1100); /* again */
    CHECK(saw("cdtt"));
    conn_set_timeout(conn, 5000);
    run_ms(4900);
    CHECK(saw("cdtt"));
    run_ms(200);
    CHECK(saw("cdttt"));
    conn_set_timeout(conn, 0);
    run_ms(100000);
    CHECK(saw("cdttt"));
    end(fd);
}

static int64_t timed_out; /* when, the first time */

static void note_time(struct conn *c)
{
    if (timed_out == 0)
        timed_out = loop_now(conn_loop(c));
}

TEST(timeouts, never_early,
     "Calls on_timeout whenever the connection was idle for ms; 0: never. "
     "Idle means that nothing was received and nothing sent, counted from the "
     "iteration (loop_now) in which something last was.")
{
    start(&all);
    int fd = connected();
    act_at = 't';
    act = note_time;
    for (int after = 0; after < 5; after++) {
        conn_set_timeout(conn, 1000);
        run_ms(after);
        say(fd, "x");
        int64_t arrived = hook_clock_ms(); /* it stands meanwhile */
        timed_out = 0;
        run_ms(1500);
        CHECK(timed_out >= arrived + 1000 && timed_out <= arrived + 1010);
    }
    /* The answer to connect is something received. */
    conn_destroy(conn);
    struct conn *c = conn_connect(loop, path, "0", &all, &client_arg);
    conn_set_timeout(c, 1000);
    hook_pass_ms(900);
    int64_t answered = hook_clock_ms();
    timed_out = 0;
    run_ms(1500);
    CHECK(timed_out >= answered + 1000 && timed_out <= answered + 1010);
    conn_destroy(c);
    end(fd);
}

static int late_fd;

static void say_late(void *arg)
{
    say(*(int *)arg, "xy"); /* more than a look has room for */
}

TEST(timeouts, late_input_is_no_silence,
     "Idle means that nothing was received and nothing sent, counted from the "
     "iteration (loop_now) in which something last was.")
{
    start(&all);
    late_fd = peer_connect();
    run();
    /* Both are due in one iteration: the loop has not seen the x then. */
    struct loop_timer t = {.cb = say_late, .arg = &late_fd};
    loop_timer_start(loop, &t, 1000, 0);
    conn_set_timeout(conn, 1000);
    run_ms(1500);
    CHECK(saw("cd"));
    run_ms(600);
    CHECK(saw("cdt"));
    close(late_fd);
    end(-1);
}

TEST(timeouts, slow_reader_is_not_idle,
     "On Linux a peer's slow reading is noticed, too: each time ms are over, "
     "the number of bytes that the peer's kernel hasn't acknowledged is "
     "compared with the last one.")
{
    start_tcp(&all);
    int fd = tcp_connected();
    conn_set_timeout(conn, 1000);
    for (hook_unsent = 50000; hook_unsent > 40000; hook_unsent -= 1000)
        run_ms(1000);
    CHECK(saw("c"));
    run_ms(2100);
    CHECK(saw("ct"));
    hook_unsent = 0;
    run_ms(1000);
    CHECK(saw("ctt"));
    end(fd);
}

TEST(timeouts, peer_that_stops_reading_is_idle,
     "A peer that has stopped reading is noticed after one to two times ms.")
{
    static char big[400000];

    start_tcp(&all);
    int fd = tcp_connected();
    conn_set_timeout(conn, 1000);
    while (conn_write(conn, big, sizeof(big)))
        run();
    hook_unsent = 50000; /* and so it stays */
    run_ms(950);
    CHECK(saw("c"));
    run_ms(1100);
    CHECK(saw("ct"));
    run_ms(1000);
    CHECK(saw("ctt")); /* and so it stays */
    end(fd);
}

TEST(connections, read_before_the_reset,
     "What the peer sent before its reset is read.")
{
    static char big[400000];

    start(&all);
    int fd = connected();
    CHECK(!conn_write(conn, big, sizeof(big)));
    CHECK(!conn_write(conn, big, 0));
    say(fd, "no");
    close(fd); /* with unread bytes */
    run();
    CHECK(saw("cdx") && n_data == 2 && close_error != 0);
    end(-1);
}

TEST(closing, close_sends_what_waits,
     "For the side that ends first: conn_end, and whatever the peer still "
     "sends is discarded, for at most grace_ms; then conn_destroy.")
{
    static char big[400000];
    static char buf[500000];
    size_t came = 0;
    ssize_t n = -1;

    start(&all);
    int fd = connected();
    CHECK(!conn_write(conn, big, sizeof(big)));
    conn_close(conn, 1000);
    for (int i = 0; i < 500 && n != 0; i++) {
        n = hear(fd, buf, sizeof(buf));
        came += n > 0 ? n : 0;
        run_ms(1);
    }
    CHECK(came == sizeof(big));
    CHECK(hears(fd, ""));
    close(fd);
    run();
    CHECK(saw("cx") && close_error == 0);
    end(-1);
}

TEST(closing, close_waits_for_the_peer,
     "For the side that ends first: conn_end, and whatever the peer still "
     "sends is discarded, for at most grace_ms; then conn_destroy. Calling it "
     "again has no effect.")
{
    start(&all);
    int fd = connected();
    conn_pause(conn);
    CHECK(conn_write(conn, "bye", 3));
    conn_close(conn, 1000);
    conn_close(conn, 1); /* no effect */
    conn_pause(conn);
    say(fd, "thrown away");
    run_ms(500);
    CHECK(saw("c"));
    CHECK(hears(fd, "bye"));
    CHECK(hears(fd, ""));
    say(fd, "so is this");
    close(fd);
    run();
    CHECK(saw("cx") && close_error == 0);
    end(-1);
}

TEST(closing, close_has_a_deadline,
     "For the side that ends first: conn_end, and whatever the peer still "
     "sends is discarded, for at most grace_ms; then conn_destroy.")
{
    static char buf[400000];

    start(&all);
    int fd = connected();
    CHECK(!conn_write(conn, buf, sizeof(buf)));
    conn_close(conn, 1000);
    run_ms(900);
    CHECK(saw("c"));
    run_ms(200);
    CHECK(saw("cx") && close_error == 0);
    end(fd);
}

TEST(closing, server_close_ends_all,
     "Stops accepting and closes the listening socket at once; the process "
     "that made a Unix-domain socket's file removes it, if the file at that "
     "path is still the same. Then calls conn_close(c, grace_ms) for each of "
     "the server's connections.")
{
    int fds[20];
    int64_t now;

    start(&all);
    for (int i = 0; i < 20; i++)
        fds[i] = peer_connect();
    run();
    close(fds[0]); /* these end at once, the others after the grace */
    now = hook_clock_ms();
    server_close(server, 1000);
    run_out();
    CHECK(hook_clock_ms() >= now + 1000 && hook_clock_ms() < now + 2000);
    for (int i = 1; i < 20; i++) {
        CHECK(hears(fds[i], ""));
        close(fds[i]);
    }
}

/* What ends with the loop */

static int n_canceled;

static void on_cancel(struct conn *c, int error)
{
    CHECK(conn_arg(c) == &server_arg || conn_arg(c) == &client_arg);
    n_canceled += error == ECANCELED;
    /* Nothing new starts, and other connections may be gone already. */
    conn_destroy(c);
    errno = 0;
    CHECK(conn_connect(loop, path, "0", &all, &client_arg) == NULL);
    CHECK(errno == ECANCELED);
    server_close(server, 100);
}

static const struct conn_handlers canceled = {.on_close = on_cancel};

/* A server with connections of all kinds, and two clients, one of which is
   still connecting. Sets fds to the peers. */
static void open_all_kinds(int fds[4])
{
    static char big[400000];
    struct conn *last;

    start(NULL);
    serve(path, &canceled);
    for (int i = 0; i < 4; i++)
        fds[i] = peer_connect();
    last = conn_connect(loop, path, "0", &canceled, &client_arg);
    run();
    conn_write(last, big, sizeof(big));
    conn_set_timeout(last, 1000);
    last = conn_connect(loop, path, "0", &canceled, &client_arg);
    conn_write(last, "x", 1);
    conn_close(last, 100);
}

TEST(closing, loop_free_ends_all,
     "From now on the loop owns s: loop_free closes and frees it with its "
     "connections, each of which gets on_close with ECANCELED. The loop owns "
     "the connection: loop_free closes it with ECANCELED.")
{
    struct stat st;
    int fds[4];

    open_all_kinds(fds);
    loop_free(loop);
    CHECK(n_canceled == 4 + 1 + 2); /* both ends of one, one of the other */
    CHECK(hook_bytes == 0);
    CHECK(stat(path, &st) == -1);
    for (int i = 0; i < 4; i++) {
        CHECK(hears(fds[i], ""));
        close(fds[i]);
    }
    CHECK(all_closed());
}

TEST(closing, loop_free_in_a_child,
     "After fork, the child makes a loop of its own; on the one that it "
     "inherits it may call only loop_free.")
{
    struct stat st;
    int status;

    start(&echo_handlers);
    int fd = connected();
    pid_t child = fork();
    if (child == 0) {
        loop_free(loop);
        CHECK(saw("x") && close_error == ECANCELED && hook_bytes == 0);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(stat(path, &st) == 0);
    say(fd, "Hello");
    run();
    CHECK(hears(fd, "Hello"));
    int other = peer_connect();
    say(other, "too");
    run();
    run();
    CHECK(hears(other, "too"));
    close(fd);
    close(other);
    end(-1);
}

TEST(closing, free_with_close_due,
     "The last call for c, once, never from inside a conn_ function; c is "
     "freed when it returns. error is 0 when both directions have ended, or "
     "after conn_destroy or conn_close.")
{
    start(&all);
    int fd = connected();
    conn_destroy(conn);
    loop_free(loop);
    CHECK(saw("cx") && close_error == 0); /* its own reason stays */
    CHECK(hook_bytes == 0);
    close(fd);
}

TEST(closing, stop_leaves_all_open,
     "Everything stays open, and loop_run may continue later.")
{
    start(&echo_handlers);
    int fd = peer_connect();
    run(); /* ends with loop_stop */
    say(fd, "Hello");
    CHECK(saw("") && !hears(fd, "Hello"));
    run();
    CHECK(hears(fd, "Hello"));
    end(fd);
}

TEST(closing, server_close_twice,
     "Closing again has no effect, as the loop keeps s until loop_free. A "
     "server that was never started is freed at once. Returns 0, or -1: EBUSY "
     "if it was started before, or as loop_watch.")
{
    start(&all);
    errno = 0;
    CHECK(server_start(server, loop, &all, &server_arg) == -1);
    CHECK(errno == EBUSY);
    int fd = connected();
    server_close(server, 50);
    errno = 0;
    server_close(server, 10000); /* the first one's grace stays */
    CHECK(errno == 0);
    run_ms(60);
    CHECK(saw("cx"));
    server_close(server, 50);
    close(fd);
    /* One that was never started. */
    struct server *other = server_listen(path, "0", NULL);
    CHECK(other != NULL);
    server_close(other, 50);
    run_out();
}

/* Connecting */

TEST(connecting, refused,
     "Returns NULL with ENOMEM, or ECANCELED inside loop_free; every other "
     "error goes to on_close.")
{
    start_tcp(&all);
    server_close(server, 0);
    run();
    inside = true;
    conn = conn_connect(loop, "127.0.0.1", port, &all, &client_arg);
    inside = false;
    CHECK(conn != NULL);
    run_out();
    CHECK(saw("x") && close_error == ECONNREFUSED);
}

TEST(connecting, unresolvable,
     "Returns the text for an error: strerror(3), or gai_strerror(3) for a "
     "name that didn't resolve. Errors are errno values, or, when a name "
     "doesn't resolve, values that only net_strerror knows.")
{
    start(NULL);
    hook_gai_error = EAI_NONAME;
    CHECK(server_listen("nosuch", "0", NULL) == NULL);
    CHECK(strcmp(net_strerror(errno), gai_strerror(EAI_NONAME)) == 0);
    CHECK(conn_connect(loop, "nosuch", "1", &all, &client_arg) != NULL);
    run_out();
    CHECK(saw("x") && fcntl(0, F_GETFD) != -1);
    CHECK(strcmp(net_strerror(close_error), gai_strerror(EAI_NONAME)) == 0);
    CHECK(strcmp(net_strerror(ENOENT), strerror(ENOENT)) == 0);
}

/* Three addresses: of an unknown family, of nobody, and the server's. */
static struct sockaddr_in ipv4[3];
static struct addrinfo addrs[3];

static void three_addresses(int nobody, int somebody)
{
    for (int i = 0; i < 3; i++) {
        ipv4[i].sin_family = AF_INET;
        ipv4[i].sin_port = htons(i == 1 ? nobody : somebody);
        ipv4[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        addrs[i] = (struct addrinfo){.ai_family = i == 0 ? 9999 : AF_INET,
                                     .ai_socktype = SOCK_STREAM,
                                     .ai_addr = (struct sockaddr *)&ipv4[i],
                                     .ai_addrlen = sizeof(ipv4[i]),
                                     .ai_next = i < 2 ? &addrs[i + 1] : NULL};
    }
    hook_addrs = addrs;
}

TEST(connecting, several_addresses,
     "Starts to connect, to one address of host after the other until one "
     "answers; then on_connect.")
{
    start_tcp(&all);
    struct server *gone = server_listen("127.0.0.1", "0", NULL);
    int nobody = server_port(gone);
    server_close(gone, 0);
    three_addresses(nobody, server_port(server));
    CHECK(conn_connect(loop, "name", "1", &all, &client_arg) != NULL);
    run();
    CHECK(saw("cc")); /* both ends */
    conn_destroy(conn);
    /* None answers: the last one's error. */
    hook_addrs->ai_next->ai_next->ai_family = 9999;
    memset(trace, 0, sizeof(trace));
    CHECK(conn_connect(loop, "name", "1", &all, &client_arg) != NULL);
    run();
    CHECK(strchr(trace, 'x') != NULL);
    end(-1);
}

/* Connects to the name "name", which cannot work. Returns on_close's error. */
static int error_of_connecting(void)
{
    memset(trace, 0, sizeof(trace));
    CHECK(conn_connect(loop, "name", "1", &all, &client_arg) != NULL);
    run_ms(100);
    CHECK(saw("x"));
    return close_error;
}

TEST(connecting, telling_error,
     "If none does, on_close gets the error that tells most: ECONNREFUSED if "
     "any address refused, otherwise the first one's.")
{
    start_tcp(&all);
    int nobody = server_port(server);
    server_close(server, 0);
    three_addresses(nobody, nobody);
    CHECK(error_of_connecting() == ECONNREFUSED);
    addrs[2].ai_family = 9999;
    CHECK(error_of_connecting() == ECONNREFUSED); /* in the middle */
    hook_addrs = &addrs[1];
    CHECK(error_of_connecting() == ECONNREFUSED); /* first */
    /* Only a Unix-domain server's backlog is worth another try. */
    hook_connect_fails = (struct hook_failure){1, EAGAIN};
    CHECK(error_of_connecting() == EAGAIN);
    /* Without one, the first error. */
    addrs[1].ai_addrlen = 3; /* EINVAL */
    CHECK(error_of_connecting() == EINVAL);
    addrs[0].ai_next = &addrs[1];
    hook_addrs = addrs;
    CHECK(error_of_connecting() == EAFNOSUPPORT);
    run_out();
}

TEST(connecting, reset_is_an_answer,
     "A connection that is made and then reset is an answer: that error is "
     "final.")
{
    struct linger reset = {.l_onoff = 1};
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof(in);

    start_tcp(&all);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(listener, (struct sockaddr *)&in, sizeof(in)) == 0);
    CHECK(listen(listener, 5) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&in, &len) == 0);
    three_addresses(ntohs(in.sin_port), server_port(server));
    CHECK(conn_connect(loop, "name", "1", &all, &client_arg) != NULL);
    int fd = accept(listener, NULL, NULL);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    run_ms(100);
    CHECK(saw("x") && close_error == ECONNRESET); /* no on_connect */
    close(listener);
    end(-1);
}

static void pass_2_ms(void)
{
    hook_pass_ms(2);
}

TEST(connecting, full_backlog,
     "While the backlog of a Unix-domain server is full, this tries again "
     "every 20 ms.")
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fds[8];
    int n = 0;

    start(NULL);
    strcpy(un.sun_path, path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(listener, (struct sockaddr *)&un, sizeof(un)) == 0);
    CHECK(listen(listener, 0) == 0);
    for (bool full = false; !full; n++) {
        fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        full = connect(fds[n], (struct sockaddr *)&un, sizeof(un)) == -1;
        CHECK(n < 7 && (!full || errno == EAGAIN));
    }
    struct conn *c = conn_connect(loop, path, "0", &all, &client_arg);
    conn_write(c, "early", 5);
    hook_n_waits = 0;
    run_ms(1000);
    CHECK(saw("") && hook_n_waits >= 45 && hook_n_waits <= 52);
    /* One that is destroyed meanwhile. */
    struct conn *other = conn_connect(loop, path, "0", &all, &client_arg);
    conn_set_timeout(other, 50);
    run_ms(100);
    CHECK(saw("tt") || saw("t"));
    memset(trace, 0, sizeof(trace));
    conn_destroy(other);
    run_ms(100);
    CHECK(saw("x") && close_error == 0);
    for (int i = 0; i < n - 1; i++)
        close(accept(listener, NULL, NULL));
    hook_before_wait = pass_2_ms; /* however slow it is: one try */
    run_ms(100);
    CHECK(saw("xc"));
    int fd = accept(listener, NULL, NULL);
    CHECK(hears(fd, "early"));
    close(fd);
    conn_destroy(c);
    while (n > 0)
        close(fds[--n]);
    close(listener);
    run_out();
}

/* Fails to listen on "name". Returns true if this call did, for this
   reason. */
static bool fails_to_listen(const char *call, int error)
{
    const char *failed = NULL;

    errno = 0;
    CHECK(server_listen("name", "0", &failed) == NULL);
    if (strcmp(failed, call) != 0 || errno != error)
        fprintf(stderr, "%s: %s\n", failed, strerror(errno));
    return strcmp(failed, call) == 0 && errno == error;
}

static void set_descriptors(int n);

TEST(listening, listen_errors,
     "Returns NULL with errno set, see net_strerror; *failed, if failed isn't "
     "NULL, then tells what failed: \"bind\" or another call, or host if it "
     "didn't resolve. *call becomes the name of the call that failed.")
{
    start(NULL);
    three_addresses(0, 0);
    addrs[1].ai_family = 9999;
    addrs[2].ai_family = 9999;
    CHECK(fails_to_listen("socket", EAFNOSUPPORT));
    /* Not an address of this machine: says more, whatever comes last. */
    addrs[1].ai_family = AF_INET;
    ipv4[1].sin_addr.s_addr = htonl(0xC0000201); /* 192.0.2.1 */
    CHECK(fails_to_listen("bind", EADDRNOTAVAIL));
    /* Any other failure is final, though the third address would work. */
    addrs[2].ai_family = AF_INET;
    addrs[1].ai_addrlen = 3;
    CHECK(fails_to_listen("bind", EINVAL));
    addrs[1].ai_addrlen = sizeof(ipv4[1]);
    addrs[1].ai_socktype = SOCK_DGRAM;
    ipv4[1].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fails_to_listen("listen", EOPNOTSUPP));
    addrs[1].ai_socktype = SOCK_STREAM;
    addrs[1].ai_protocol = 250; /* none that there is */
    CHECK(fails_to_listen("socket", EPROTONOSUPPORT));
    hook_addrs = &addrs[2];
    set_descriptors(3);
    CHECK(fails_to_listen("socket", EMFILE));
    set_descriptors(100);
    hook_gai_error = EAI_NONAME;
    const char *failed = NULL;
    CHECK(server_listen("name", "0", &failed) == NULL);
    CHECK(strcmp(failed, "name") == 0);
    hook_gai_error = EAI_SYSTEM;
    errno = ENFILE;
    CHECK(server_listen("name", "0", &failed) == NULL && errno == ENFILE);
    run_out();
}

TEST(listening, server_that_cannot_start,
     "Returns 0, or -1: EBUSY if it was started before, or as loop_watch.")
{
    int taken[20];
    int n = 0;

    start(NULL);
    do /* the loop's table of 16 descriptors has to grow */
        taken[n] = dup(0);
    while (taken[n++] < 16);
    server = server_listen(path, "0", NULL);
    CHECK(server != NULL);
    hook_fail_alloc = 1;
    CHECK(server_start(server, loop, &all, &server_arg) == -1);
    CHECK(errno == ENOMEM && hook_fail_alloc == 0);
    CHECK(server_start(server, loop, &all, &server_arg) == 0);
    while (n > 0)
        close(taken[--n]);
    end(connected());
}

TEST(listening, listens_everywhere,
     "Returns all stream addresses of host and port, to listen on or to "
     "connect to.")
{
    start(NULL);
    three_addresses(0, 0);
    server_close(server_listen("name", "0", NULL), 0);
    hook_addrs = NULL;
    CHECK(hook_gai_flags & AI_PASSIVE);
    conn_connect(loop, "127.0.0.1", "1", &all, &client_arg);
    CHECK(!(hook_gai_flags & AI_PASSIVE));
    run_out();
}

TEST(listening, listens_on_the_first_that_works,
     "Opens a listening socket on the first address of host that this machine "
     "has; any failure but \"not this machine's\" is final. Returns a "
     "listening socket on the first address of the list that this machine "
     "has; any other failure is final.")
{
    start(NULL);
    three_addresses(0, 0);
    ipv4[1].sin_addr.s_addr = htonl(0xC0000201); /* 192.0.2.1: not ours */
    server = server_listen("name", "0", NULL);
    CHECK(server != NULL && server_port(server) > 0);
    /* In use is final, though the third address would work. */
    ipv4[1].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ipv4[1].sin_port = htons(server_port(server));
    CHECK(server_listen("name", "0", NULL) == NULL);
    CHECK(errno == EADDRINUSE);
    end(-1);
}

TEST(connecting, write_before_connected,
     "Whatever is written before is sent after on_connect.")
{
    start_tcp(&all);
    conn = conn_connect(loop, "127.0.0.1", port, &echo_handlers, &client_arg);
    CHECK(conn_write(conn, "early", 5));
    conn_end(conn);
    run();
    CHECK(n_data == 5);
    CHECK(saw("cde"));
    conn_end(conn);
    run();
    CHECK(saw("cdexx"));
    end(-1);
}

TEST(connecting, destroy_while_connecting, "Closes now.")
{
    start_tcp(&all);
    inside = true;
    conn = conn_connect(loop, "127.0.0.1", port, &all, &client_arg);
    inside = false;
    destroy(conn);
    run();
    CHECK(trace[0] == 'x' || strchr(trace, 'x') != NULL);
    end(-1);
}

/* Unix-domain sockets */

TEST(listening, unix_rules,
     "Replaces a Unix-domain socket's file if its server is dead; if a server "
     "answers there, or the file isn't a socket: EADDRINUSE. Replaces a dead "
     "server's socket file, but no other file: EADDRINUSE.")
{
    struct stat st;
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    start(NULL);
    server = server_listen(path, "0", NULL);
    CHECK(server != NULL);
    /* A live one is left alone. */
    CHECK(server_listen(path, "0", NULL) == NULL);
    CHECK(errno == EADDRINUSE);
    CHECK(server_port(server) == 0);
    /* So is its file by a process that did not make it. */
    pid_t child = fork();
    if (child == 0) {
        server_close(server, 0);
        _exit(0);
    }
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK(stat(path, &st) == 0);
    server_close(server, 0);
    CHECK(stat(path, &st) == -1);
    run();
    /* A dead one's file is replaced. */
    strcpy(un.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(fd, (struct sockaddr *)&un, sizeof(un)) == 0);
    close(fd);
    server = server_listen(path, "0", NULL);
    CHECK(server != NULL);
    server_close(server, 0);
    /* Any other file is left alone: a regular one, a folder, a link. */
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    CHECK(server_listen(path, "0", NULL) == NULL && errno == EADDRINUSE);
    CHECK(stat(path, &st) == 0 && S_ISREG(st.st_mode));
    CHECK(unlink(path) == 0 && mkdir(path, 0700) == 0);
    CHECK(server_listen(path, "0", NULL) == NULL && errno == EADDRINUSE);
    CHECK(rmdir(path) == 0 && symlink("nowhere", path) == 0);
    CHECK(server_listen(path, "0", NULL) == NULL && errno == EADDRINUSE);
    CHECK(lstat(path, &st) == 0 && S_ISLNK(st.st_mode));
    /* Not even a link to a dead one's file. */
    strcpy(un.sun_path, "./nowhere");
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(fd, (struct sockaddr *)&un, sizeof(un)) == 0);
    close(fd);
    CHECK(server_listen(path, "0", NULL) == NULL && errno == EADDRINUSE);
    CHECK(lstat(path, &st) == 0 && S_ISLNK(st.st_mode));
    CHECK(unlink("./nowhere") == 0);
    CHECK(server_listen("/nosuch/sock", "0", NULL) == NULL);
    CHECK(errno == ENOENT);
    char name[300] = "/";
    memset(name + 1, 'x', sizeof(name) - 2);
    CHECK(server_listen(name, "0", NULL) == NULL);
    CHECK(errno == ENAMETOOLONG);
    run_out();
}

TEST(listening, unix_file_of_another,
     "Stops accepting and closes the listening socket at once; the process "
     "that made a Unix-domain socket's file removes it, if the file at that "
     "path is still the same.")
{
    struct stat st;

    start(&all);
    struct server *old = server;
    CHECK(unlink(path) == 0);
    serve(path, &all);
    server_close(old, 0);
    CHECK(stat(path, &st) == 0);
    close(peer_connect());
    server_close(server, 0);
    CHECK(stat(path, &st) == -1);
    /* Gone already, or now a file that is none of a socket. */
    serve(path, &all);
    CHECK(unlink(path) == 0);
    server_close(server, 0);
    serve(path, &all);
    CHECK(unlink(path) == 0);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    server_close(server, 0);
    CHECK(stat(path, &st) == 0 && S_ISREG(st.st_mode));
    run_out();
}

/* Limits */

static void set_descriptors(int n)
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = n;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

TEST(limits, descriptor_limit,
     "Calls report when s can't accept. s tries again by itself, after 100 ms "
     "or when one of its connections closes.")
{
    const char *under = getenv("LOOP_RUN");
    int fds[30];

    if (under != NULL && strstr(under, "valgrind") != NULL)
        return; /* it has a descriptor limit of its own */
    start(&all);
    for (int i = 0; i < 30; i++)
        fds[i] = peer_connect();
    set_descriptors(fds[29] + 11);
    run();
    CHECK(saw("cccccccccca") && strcmp(accept_why, strerror(EMFILE)) == 0);
    hook_n_waits = 0;
    run_ms(1000);
    CHECK(hook_n_waits < 60); /* ten tries, no spin */
    CHECK(count('c') == 10);
    set_descriptors(fds[29] + 21);
    run_ms(150); /* the timer */
    CHECK(count('c') == 10);
    conn_destroy(conn); /* a close: at once */
    run_ms(10);
    CHECK(count('c') == 1);
    set_descriptors(1000);
    for (int i = 0; i < 30; i++)
        close(fds[i]);
    end(-1);
}

TEST(limits, fast_path,
     "A message costs one read, one write and no epoll_ctl.")
{
    char buf[64];

    start(&echo_handlers);
    int fd = connected();
    hook_n_epoll_ctls = hook_n_reads = hook_n_writes = 0;
    hook_n_allocs = 0;
    memset(buf, 'x', sizeof(buf));
    for (int i = 0; i < 100; i++) {
        CHECK(send(fd, buf, sizeof(buf), 0) == sizeof(buf));
        run();
        CHECK(recv(fd, buf, sizeof(buf), MSG_DONTWAIT) == sizeof(buf));
    }
    CHECK(hook_n_reads == 100 && hook_n_writes == 100);
    CHECK(hook_n_epoll_ctls == 0 && hook_n_allocs == 0);
    end(fd);
}

TEST(limits, idle_memory, "An idle connection takes at most 256 bytes.")
{
    enum { N = 900 }; /* a hard limit may be 1024 */
    static const struct conn_handlers quiet = {.on_data = echo};
    long before;

    start(NULL);
    set_descriptors(1024);
    before = hook_bytes;
    serve(path, &quiet);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < N; i++)
            say(peer_connect(), "x");
        pause();
    }
    hook_virtual_time = false;
    while (n_data < N) {
        run_ms(1);
    }
    CHECK((hook_bytes - before) / N <= 256);
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    end(-1);
}

/* Calls that fail */

TEST(connections, interrupted_calls,
     "Returns true if accept, read or write, which set this errno, would only "
     "have blocked.")
{
    static const int errors[] = {EINTR, EAGAIN};

    start(&echo_handlers);
    int fd = connected();
    for (int i = 0; i < 2; i++) {
        hook_read_fails = (struct hook_failure){1, errors[i]};
        hook_write_fails = (struct hook_failure){0, errors[i]};
        CHECK(send(fd, "Hello", 5, 0) == 5);
        hook_write_fails.times = 1;
        run();
        CHECK(hook_read_fails.times == 0 && hook_write_fails.times == 0);
        CHECK(hears(fd, "Hello"));
        hook_accept_fails = (struct hook_failure){1, errors[i]};
        int other = connected();
        CHECK(hook_accept_fails.times == 0 && saw(""));
        CHECK(send(other, "too", 3, 0) == 3);
        run();
        CHECK(hears(other, "too"));
        close(other);
        run();
        CHECK(count('x') == 1);
    }
    end(fd);
}

TEST(connections, failed_calls,
     "An error of write(2) or ENOMEM closes the connection, see on_close.")
{
    start(&all);
    int fd = connected();
    hook_read_fails = (struct hook_failure){1, EIO};
    CHECK(send(fd, "x", 1, 0) == 1);
    run();
    CHECK(saw("cx") && close_error == EIO);
    close(fd);
    fd = connected();
    hook_write_fails = (struct hook_failure){1, ENOBUFS};
    inside = true;
    CHECK(!conn_write(conn, "x", 1));
    call_all(conn);
    run();
    CHECK(saw("cxcx") && close_error == ENOBUFS);
    close(fd);
    /* When the queue is sent. */
    static char big[400000];
    fd = connected();
    CHECK(!conn_write(conn, big, sizeof(big)));
    run();
    while (hear(fd, big, sizeof(big)) > 0)
        continue;
    hook_write_fails = (struct hook_failure){1, EPIPE};
    run();
    CHECK(saw("cxcxcx") && close_error == EPIPE);
    close(fd);
    /* No memory for the queue. */
    fd = connected();
    hook_write_fails = (struct hook_failure){1, EAGAIN};
    hook_fail_alloc = 1;
    CHECK(!conn_write(conn, "x", 1));
    run();
    CHECK(saw("cxcxcxcx") && close_error == ENOMEM);
    close(fd);
    end(-1);
}

TEST(limits, accept_fails,
     "Told what failed, and why: \"accept\", \"Too many open files\". Calls "
     "report when s can't accept. s tries again by itself, after 100 ms or "
     "when one of its connections closes.")
{
    static const int errors[] = {EMFILE, ENFILE, ENOMEM, EPROTO};

    start(&all);
    for (int i = 0; i < 4; i++) {
        hook_accept_fails = (struct hook_failure){3, errors[i]};
        int64_t began = hook_clock_ms();
        int fd = peer_connect();
        hook_n_waits = 0;
        while (strchr(trace, 'c') == NULL)
            run_ms(1);
        CHECK(saw("aaac") && strcmp(accept_why, strerror(errors[i])) == 0);
        CHECK(hook_clock_ms() >= began + 3 * 101);
        CHECK(hook_clock_ms() <= began + 3 * 101 + 2);
        conn_destroy(conn);
        run();
        memset(trace, 0, sizeof(trace));
        close(fd);
    }
    /* That peer has gone already: no error, and the next one is served. */
    hook_accept_fails = (struct hook_failure){3, ECONNABORTED};
    int fd = connected();
    CHECK(saw("c"));
    /* Nobody is told, then. */
    server_on_error(server, NULL);
    hook_accept_fails = (struct hook_failure){1, EMFILE};
    int other = connected();
    CHECK(saw("c"));
    run_ms(110);
    CHECK(saw("cc"));
    /* It's closed while it pauses. */
    hook_accept_fails = (struct hook_failure){1, EMFILE};
    close(peer_connect());
    run();
    close(other);
    end(fd);
}

TEST(limits, no_memory_in_accept,
     "Calls report when s can't accept. s tries again by itself, after 100 "
     "ms or when one of its connections closes.")
{
    start(&all);
    int fd = peer_connect();
    int next = peer_connect();
    hook_fail_alloc = 1;
    run();
    CHECK(saw("a") && strcmp(accept_why, strerror(ENOMEM)) == 0);
    CHECK(hears(fd, "")); /* it's closed */
    close(fd);
    run_ms(110);
    CHECK(saw("ac"));
    end(next);
}

static int most_accepted;

static void count_accepted(void)
{
    static size_t before;
    int n = strlen(trace) - before;

    before = strlen(trace);
    if (n > most_accepted)
        most_accepted = n;
}

TEST(limits, accepts_are_capped,
     "At most 16 connections are accepted in an iteration.")
{
    int fds[40];

    start(&all);
    for (int i = 0; i < 40; i++)
        fds[i] = peer_connect();
    hook_before_wait = count_accepted;
    run();
    hook_before_wait = NULL;
    CHECK(count('c') == 40 && most_accepted == 16);
    for (int i = 0; i < 40; i++)
        close(fds[i]);
    end(-1);
}

TEST(connecting, spurious_wakeup,
     "Starts to connect, to one address of host after the other until one "
     "answers; then on_connect.")
{
    start_tcp(&echo_handlers);
    hook_getpeername_fails = (struct hook_failure){3, ENOTCONN};
    conn = conn_connect(loop, "127.0.0.1", port, &all, &client_arg);
    CHECK(conn_write(conn, "x", 1));
    run();
    CHECK(hook_getpeername_fails.times == 0 && saw("cd"));
    end(-1);
}

TEST(backpressure, high_water_mark,
     "conn_write returns false once this many bytes are queued.")
{
    static char buf[CONN_HIGH_WATER];

    /* While it connects, all is queued. */
    start_tcp(&all);
    struct conn *c = conn_connect(loop, "127.0.0.1", port, &all, &client_arg);
    CHECK(conn_write(c, buf, 0) && conn_queued(c) == 0);
    CHECK(conn_write(c, buf, CONN_HIGH_WATER - 1));
    CHECK(conn_write(c, buf, 0));
    CHECK(!conn_write(c, buf, 1));
    CHECK(!conn_write(c, buf, 0) && conn_queued(c) == CONN_HIGH_WATER);
    run();
    CHECK(count('w') == 1 && n_data == CONN_HIGH_WATER);
    CHECK(conn_write(c, buf, 1)); /* again */
    run();
    CHECK(count('w') == 0 && n_data == CONN_HIGH_WATER + 1);
    /* Less than that is no drain. */
    c = conn_connect(loop, "127.0.0.1", port, &all, &client_arg);
    CHECK(conn_write(c, buf, CONN_HIGH_WATER - 1));
    run();
    CHECK(count('w') == 0);
    end(-1);
}

TEST(closing, negative_times,
     "Negative times count as 0. Calls on_timeout whenever the connection was "
     "idle for ms; 0: never.")
{
    start(&all);
    int fd = connected();
    conn_set_timeout(conn, 50);
    conn_set_timeout(conn, -1);
    run_ms(1000);
    CHECK(saw("c"));
    conn_set_timeout(conn, 1); /* the shortest */
    run_ms(1);
    conn_close(conn, -5);
    conn_set_timeout(conn, 1); /* it ends for good */
    run();
    CHECK(saw("ctx"));
    close(fd);
    fd = connected();
    server_close(server, -5);
    run();
    CHECK(saw("ctxcx"));
    close(fd);
    run_out();
}

TEST(connections, arg_can_change,
     "The arg of server_start or conn_connect, or what conn_set_arg set "
     "later. From now on accepts connections on loop, with these handlers and "
     "this arg (see conn_arg).")
{
    start(&all);
    int fd = connected();
    CHECK(conn_arg(conn) == &server_arg);
    conn_set_arg(conn, &client_arg);
    CHECK(conn_arg(conn) == &client_arg);
    CHECK(send(fd, "x", 1, 0) == 1);
    run();
    CHECK(conn_arg(conn) == &client_arg);
    int other = connected();
    CHECK(conn_arg(conn) == &server_arg); /* its own */
    struct conn *c = conn_connect(loop, path, "0", &all, &client_arg);
    CHECK(conn_arg(c) == &client_arg && conn_loop(c) == loop);
    conn_destroy(c);
    close(other);
    end(fd);
}

static const struct conn_handlers none;

TEST(connections, any_handler_may_be_null,
     "Any may be NULL. NULL: they are discarded.")
{
    static char big[400000];

    start(&none);
    int fd = peer_connect();
    CHECK(send(fd, "thrown away", 11, 0) == 11);
    run();
    shutdown(fd, SHUT_WR);
    run();
    CHECK(hears(fd, "")); /* closed from both ends */
    close(fd);
    struct conn *c = conn_connect(loop, path, "0", &none, NULL);
    CHECK(!conn_write(c, big, sizeof(big))); /* and no on_drain */
    CHECK(conn_arg(c) == NULL);
    conn_set_timeout(c, 10);
    run_ms(100);
    CHECK(conn_queued(c) == 0);
    conn_destroy(c);
    run();
    conn_connect(loop, "/nosuch", "0", &none, NULL); /* nobody learns of it */
    end(-1);
}

TEST(connections, failed_before_on_connect,
     "An accepted connection starts with on_connect, even if it has failed "
     "already and on_close comes next.")
{
    struct linger reset = {.l_onoff = 1};

    start_tcp(&all);
    int fd = tcp_peer();
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    run();
    CHECK(saw("cx") && close_error == ECONNRESET);
    end(-1);
}

TEST(closing, nothing_after_close,
     "For the side that ends first: conn_end, and whatever the peer still "
     "sends is discarded, for at most grace_ms; then conn_destroy.")
{
    static char big[400000];

    start(&all);
    int fd = connected();
    CHECK(!conn_write(conn, big, sizeof(big)));
    conn_close(conn, 1000);
    CHECK(!conn_write(conn, "x", 1));
    conn_resume(conn);
    say(fd, "not seen");
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < 100; i++) {
        hear(fd, big, sizeof(big));
        run_ms(1);
    }
    CHECK(saw("cx") && n_data == 0); /* no data, no end, no drain */
    end(fd);
}

TEST(listening, no_memory_for_names,
     "Returns NULL with ENOMEM, or ECANCELED inside loop_free; every other "
     "error goes to on_close. Errors are errno values, or, when a name "
     "doesn't resolve, values that only net_strerror knows.")
{
    const char *failed = NULL;

    start(NULL);
    hook_gai_error = EAI_MEMORY;
    errno = 0;
    CHECK(server_listen("name", "0", &failed) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(conn_connect(loop, "name", "1", &all, &client_arg) != NULL);
    run();
    CHECK(saw("x") && close_error == ENOMEM);
    hook_gai_error = 0;
    hook_fail_alloc = 1;
    errno = 0;
    CHECK(conn_connect(loop, "name", "1", &all, &client_arg) == NULL);
    CHECK(errno == ENOMEM);
    /* A path, too: the second allocation, after the struct's. */
    hook_fail_alloc = 2;
    CHECK(conn_connect(loop, path, "1", &all, &client_arg) != NULL);
    run();
    CHECK(saw("xx") && close_error == ENOMEM);
    hook_fail_alloc = 2;
    CHECK(server_listen(path, "0", &failed) == NULL && errno == ENOMEM);
    run_out();
}

/* Ports, paths and bytes */

TEST(listening, ports,
     "Port 0 lets the kernel choose. Returns the port that the server listens "
     "on, 0 for a Unix-domain socket, or -1: see getsockname(2).")
{
    char same[8];

    start_tcp(&all);
    int other = server_port(server);
    server_close(server, 0);
    CHECK(server_port(server) == -1);
    /* The same again, now that it's free. */
    snprintf(same, sizeof(same), "%d", other);
    server = server_listen("127.0.0.1", same, NULL);
    CHECK(server != NULL && server_port(server) == other);
    server_close(server, 0);
    server = server_listen(path, "no port", NULL);
    CHECK(server != NULL && server_port(server) == 0);
    server_close(server, 0);
    run_out();
}

static char bytes[200000];
static size_t n_bytes;

static void keep_bytes(struct conn *c, const char *data, size_t n)
{
    CHECK(n > 0 && n_bytes + n <= sizeof(bytes) && conn_loop(c) == loop);
    memcpy(bytes + n_bytes, data, n);
    n_bytes += n;
}

static const struct conn_handlers keeping = {.on_data = keep_bytes};

TEST(listening, paths,
     "Connections are stream sockets, TCP or Unix-domain: a host with a '/' "
     "in it is the path of a Unix-domain socket, and then port is ignored. n "
     "> 0 bytes have come. data is valid until the handler returns; it's "
     "bytes, not a string: there is no '\\0' at its end.")
{
    static char sent[150000];
    unsigned random = 7;

    start(&keeping);
    for (size_t i = 0; i < sizeof(sent); i++) {
        random = random * 1103515245 + 12345;
        sent[i] = i < 3 ? 0 : (char)(random >> 16);
    }
    struct conn *c = conn_connect(loop, path, "no port", &all, &client_arg);
    /* The queue grows while it connects, and later shrinks. */
    CHECK(conn_write(c, sent, 1) && conn_write(c, sent + 1, 2));
    CHECK(!conn_write(c, sent + 3, 100000 - 3));
    run();
    for (size_t i = 100000; i < sizeof(sent); i += 5000) {
        conn_write(c, sent + i, 5000);
        run_ms(0);
    }
    run();
    CHECK(n_bytes == sizeof(sent) && memcmp(bytes, sent, n_bytes) == 0);
    conn_destroy(c);
    end(-1);
}

TEST(closing, descriptor_zero, "Closes now.")
{
    start(&all);
    int fd = peer_connect();
    close(0);
    run(); /* it's accepted as descriptor 0 */
    CHECK(saw("c") && fcntl(0, F_GETFD) == FD_CLOEXEC);
    conn_destroy(conn);
    CHECK(hears(fd, ""));
    run();
    CHECK(saw("cx"));
    end(fd);
}

TEST(closing, destroy_loses_the_queue, "Closes now. What is queued is lost.")
{
    static char big[400000];
    ssize_t came = 0;
    ssize_t n;

    start(&all);
    int fd = connected();
    CHECK(!conn_write(conn, big, sizeof(big)));
    size_t queued = conn_queued(conn);
    inside = true;
    conn_destroy(conn);
    inside = false;
    while ((n = hear(fd, big, sizeof(big))) > 0)
        came += n;
    CHECK(n == 0 && came == (ssize_t)(sizeof(big) - queued));
    run();
    CHECK(saw("cx") && close_error == 0);
    end(fd);
}

TEST(listening, full_backlog_is_an_answer,
     "Replaces a Unix-domain socket's file if its server is dead; if a server "
     "answers there, or the file isn't a socket: EADDRINUSE.")
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fds[8];
    int n = 0;

    start(NULL);
    strcpy(un.sun_path, path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(listener, (struct sockaddr *)&un, sizeof(un)) == 0);
    CHECK(listen(listener, 0) == 0);
    do {
        CHECK(n < 8);
        fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    } while (connect(fds[n++], (struct sockaddr *)&un, sizeof(un)) == 0);
    errno = 0;
    CHECK(server_listen(path, "0", NULL) == NULL && errno == EADDRINUSE);
    CHECK(access(path, F_OK) == 0);
    while (n > 0)
        close(fds[--n]);
    close(listener);
    run_out();
}

/* Failing allocations */

static void set_timeout(struct conn *c)
{
    conn_set_timeout(c, 1000);
}

static int n_open; /* those accepted whose on_close has not come */

static void count_open(struct conn *c)
{
    int *n = conn_arg(c);

    ++*n;
}

static void count_closed(struct conn *c, int error)
{
    int *n = conn_arg(c);

    CHECK(*n > 0 && (error == 0 || error == ENOMEM || error == EPIPE ||
                     error == ECONNRESET));
    --*n;
}

static const struct conn_handlers counted_echo = {.on_connect = count_open,
                                                  .on_data = echo,
                                                  .on_drain = conn_resume,
                                                  .on_close = count_closed};

/* A server, a client, an echo through a full queue. False: not all came. */
static bool exchange(long nth)
{
    static char big[300000];
    struct conn *client = NULL;

    n_data = 0;
    n_open = 0;
    memset(trace, 0, sizeof(trace));
    act_at = 'c';
    act = set_timeout;
    hook_fail_alloc = nth;
    const char *failed = NULL;
    server = server_listen(path, "0", &failed);
    if (server == NULL) {
        CHECK(errno == ENOMEM && failed != NULL);
        return false;
    }
    if (server_start(server, loop, &counted_echo, &n_open) == 0)
        client = conn_connect(loop, path, "0", &all, &client_arg);
    if (client != NULL && conn_write(client, big, sizeof(big)))
        conn_end(client);
    run_ms(300);
    bool whole = n_data == 2 * sizeof(big);
    if (strchr(trace, 'x') == NULL && client != NULL)
        conn_destroy(client);
    server_close(server, 0);
    CHECK(loop_run(loop) == 0);
    CHECK(n_open == 0);
    return whole;
}

TEST(limits, net_allocations_fail,
     "An error of write(2) or ENOMEM closes the connection, see on_close.")
{
    long n = 0;
    bool whole;

    do {
        start(NULL);
        /* The loop's table of 16 descriptors grows for the accepted one. */
        int taken[16];
        int n_taken = 0;
        do
            taken[n_taken] = dup(0);
        while (taken[n_taken++] < 13);
        n++;
        whole = exchange(n);
        while (n_taken > 0)
            close(taken[--n_taken]);
        bool reached = hook_fail_alloc <= 0;
        hook_fail_alloc = 0;
        run_out();
        if (!reached)
            break;
    } while (n < 200);
    CHECK(n > 5 && n < 200 && whole);
}
