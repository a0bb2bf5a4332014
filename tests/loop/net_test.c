/*
 * net_test.c -- net.h's promises, one by one
 *
 * A server on a loop, and its peer: a blocking socket in this process (what
 * it sends is there when the loop looks), or a connection of net.c's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
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

static struct loop *loop;
static struct server *server;
static char dir[] = "/tmp/net_test.XXXXXX"; /* its sock is the server's */
static char path[64];

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

/* Runs to the end: nothing may be left. */
static void run_out(void)
{
    CHECK(loop_run(loop) == 0);
    loop_free(loop);
    unlink(path);
    rmdir(dir);
    CHECK(hook_bytes == 0);
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
    CHECK(loop != NULL && mkdtemp(dir) != NULL);
    snprintf(path, sizeof(path), "%s/sock", dir);
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
    n_data += n;
    if (!conn_write(c, data, n))
        conn_pause(c);
}

static const struct conn_handlers echo_handlers = {
    .on_data = echo, .on_drain = conn_resume, .on_close = on_close};

static void ends_in_order(void)
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
    close(fd);
    server_close(server, 0);
    run_out();
}

static void call_and_note(struct conn *c)
{
    call_all(c);
}

/* In each handler of an accepted connection. */
static void destroy_in_every_handler(void)
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
    int fd = peer_connect();
    run();
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
    fd = peer_connect();
    run();
    conn_destroy(conn);
    run();
    CHECK(saw("cx"));
    close(fd);
    server_close(server, 0);
    run_out();
}

static void write_in_on_close(void)
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
    server_close(server, 0);
    run_out();
}

static void close_server(struct conn *c)
{
    (void)c;
    server_close(server, 10);
}

/* The server goes while it accepts, and while its last connection closes. */
static void server_close_in_handlers(void)
{
    for (const char *at = "cdex"; *at != '\0'; at++) {
        memset(trace, 0, sizeof(trace));
        strcpy(dir, "/tmp/net_test.XXXXXX");
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

static void reset_is_an_error(void)
{
    struct linger reset = {.l_onoff = 1};
    struct sockaddr_in in = {.sin_family = AF_INET};

    start_tcp(&all);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    in.sin_port = htons(server_port(server));
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0);
    run();
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    run();
    CHECK(saw("cx") && close_error == ECONNRESET);
    server_close(server, 0);
    run_out();
}

static void half_open_by_the_peer(void)
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
    close(fd);
    server_close(server, 0);
    run_out();
}

static void half_open_by_us(void)
{
    start(&all);
    int fd = peer_connect();
    run();
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
    close(fd);
    server_close(server, 0);
    run_out();
}

/* Backpressure */

static void backpressure(void)
{
    static char buf[1 << 16];
    size_t sent = 0;
    size_t came = 0;
    ssize_t n;

    start(&all);
    int fd = peer_connect();
    run();
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
    close(fd);
    server_close(server, 0);
    run_out();
}

static void flood_is_bounded(void)
{
    static char buf[1 << 16];
    size_t sent = 0;
    size_t came = 0;
    ssize_t n;

    start(&echo_handlers);
    int fd = peer_connect();
    run();
    long before = hook_bytes;
    for (int i = 0; i < 1000; i++) {
        while ((n = send(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
            sent += n;
        run();
        CHECK(hook_bytes - before <= 64 * 1024);
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
    close(fd);
    server_close(server, 0);
    run_out();
}

static void pause_and_resume(void)
{
    start(&all);
    int fd = peer_connect();
    run();
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
    close(fd);
    server_close(server, 0);
    run_out();
}

static void pause_it(struct conn *c)
{
    conn_pause(c);
}

static void pause_in_on_connect(void)
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
    close(fd);
    server_close(server, 0);
    run_out();
    CHECK(saw("cx"));
}

static void turns_are_capped(void)
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
    close(fd);
    server_close(server, 0);
    run_out();
}

/* Timeouts and deadlines */

static void idle_timeout(void)
{
    char buf[16];

    start(&all);
    int fd = peer_connect();
    run();
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
    close(fd);
    server_close(server, 0);
    run_out();
}

static int late_fd;

static void say_late(void *arg)
{
    say(*(int *)arg, "x");
}

/* What came while the loop could not look is no silence. */
static void late_input_is_no_silence(void)
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
    server_close(server, 0);
    run_out();
}

/* The peer answers, and then resets while it is owed something. */
static void read_before_the_reset(void)
{
    static char big[400000];

    start(&all);
    int fd = peer_connect();
    run();
    CHECK(!conn_write(conn, big, sizeof(big)));
    CHECK(!conn_write(conn, big, 0));
    say(fd, "no");
    close(fd); /* with unread bytes */
    run();
    CHECK(saw("cdx") && n_data == 2 && close_error != 0);
    server_close(server, 0);
    run_out();
}

/* conn_close: what waits is sent first, all of it. */
static void close_sends_what_waits(void)
{
    static char big[400000];
    static char buf[500000];
    size_t came = 0;
    ssize_t n = -1;

    start(&all);
    int fd = peer_connect();
    run();
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
    server_close(server, 0);
    run_out();
}

static void close_waits_for_the_peer(void)
{
    start(&all);
    int fd = peer_connect();
    run();
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
    server_close(server, 0);
    run_out();
}

static void close_has_a_deadline(void)
{
    static char buf[400000];

    start(&all);
    int fd = peer_connect();
    run();
    CHECK(!conn_write(conn, buf, sizeof(buf)));
    conn_close(conn, 1000);
    run_ms(900);
    CHECK(saw("c"));
    run_ms(200);
    CHECK(saw("cx") && close_error == 0);
    close(fd);
    server_close(server, 0);
    run_out();
}

static void server_close_ends_all(void)
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

/* Connecting */

static void refused(void)
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

static void unresolvable(void)
{
    start(NULL);
    hook_gai_error = EAI_NONAME;
    CHECK(server_listen("nosuch", "0", NULL) == NULL);
    CHECK(strcmp(net_strerror(errno), gai_strerror(EAI_NONAME)) == 0);
    CHECK(conn_connect(loop, "nosuch", "1", &all, &client_arg) != NULL);
    run_out();
    CHECK(saw("x"));
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

static void several_addresses(void)
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
    server_close(server, 0);
    run_out();
}

static void listens_on_the_first_that_works(void)
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
    server_close(server, 0);
    run_out();
}

static void write_before_connected(void)
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
    server_close(server, 0);
    run_out();
}

static void destroy_while_connecting(void)
{
    start_tcp(&all);
    inside = true;
    conn = conn_connect(loop, "127.0.0.1", port, &all, &client_arg);
    inside = false;
    destroy(conn);
    run();
    CHECK(trace[0] == 'x' || strchr(trace, 'x') != NULL);
    server_close(server, 0);
    run_out();
}

/* Unix-domain sockets */

static void unix_rules(void)
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
    CHECK(server_listen("/nosuch/sock", "0", NULL) == NULL);
    CHECK(errno == ENOENT);
    char name[300] = "/";
    memset(name + 1, 'x', sizeof(name) - 2);
    CHECK(server_listen(name, "0", NULL) == NULL);
    CHECK(errno == ENAMETOOLONG);
    run_out();
}

/* Limits */

static int count(char letter)
{
    int n = 0;

    for (const char *p = trace; *p != '\0'; p++)
        n += *p == letter;
    memset(trace, 0, sizeof(trace));
    return n;
}

static void set_descriptors(int n)
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = n;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static void descriptor_limit(void)
{
    int fds[30];

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
    server_close(server, 0);
    run_out();
}

static void fast_path(void)
{
    char buf[64];

    start(&echo_handlers);
    int fd = peer_connect();
    run();
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
    close(fd);
    server_close(server, 0);
    run_out();
}

static void idle_memory(void)
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
    server_close(server, 0);
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

static void allocations_fail(void)
{
    long n = 0;
    bool whole;

    do {
        strcpy(dir, "/tmp/net_test.XXXXXX");
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

const struct test net_tests[] = {
    {"ends_in_order", ends_in_order},
    {"destroy_in_every_handler", destroy_in_every_handler},
    {"write_in_on_close", write_in_on_close},
    {"server_close_in_handlers", server_close_in_handlers},
    {"reset_is_an_error", reset_is_an_error},
    {"half_open_by_the_peer", half_open_by_the_peer},
    {"half_open_by_us", half_open_by_us},
    {"backpressure", backpressure},
    {"flood_is_bounded", flood_is_bounded},
    {"pause_and_resume", pause_and_resume},
    {"pause_in_on_connect", pause_in_on_connect},
    {"turns_are_capped", turns_are_capped},
    {"idle_timeout", idle_timeout},
    {"late_input_is_no_silence", late_input_is_no_silence},
    {"read_before_the_reset", read_before_the_reset},
    {"close_sends_what_waits", close_sends_what_waits},
    {"close_waits_for_the_peer", close_waits_for_the_peer},
    {"close_has_a_deadline", close_has_a_deadline},
    {"server_close_ends_all", server_close_ends_all},
    {"refused", refused},
    {"unresolvable", unresolvable},
    {"several_addresses", several_addresses},
    {"listens_on_the_first_that_works", listens_on_the_first_that_works},
    {"write_before_connected", write_before_connected},
    {"destroy_while_connecting", destroy_while_connecting},
    {"unix_rules", unix_rules},
    {"descriptor_limit", descriptor_limit},
    {"fast_path", fast_path},
    {"idle_memory", idle_memory},
    {"net_allocations_fail", allocations_fail},
    {NULL, NULL},
};
