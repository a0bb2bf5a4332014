/*
 * schedule -- puts a server or a client through seeded schedules
 *
 * usage: schedule server [-f FIRST] [-n SEEDS] [-s] [-l] HOST PORT
 *        schedule client [-f FIRST] [-n SEEDS] [-l] -p SHIM.SO COMMAND…
 *
 * server: a seed opens CONNS connections at once (-s: one after the other),
 * in a fixed order, so that connection J of seed S is number S * CONNS + J to
 * the shim in the server. The seed chooses the part that each plays: sizes,
 * pieces, half-close before or after the answer, a reset, a close with the
 * answer unread, a stall until the others are done. Every byte that comes
 * back is compared.
 *
 * client: a seed runs COMMAND HOST PORT once, under the shim with that seed.
 * This program is its server, which sends pieces that the seed chooses, feeds
 * the client's stdin (a pipe or a file) and reads its stdout. Some servers
 * break off: then the client has to exit with 1.
 *
 * -l: a connection may be lost, for example after a call that failed for good,
 * but the bytes that come must be right; a client may exit with 1 if it says
 * why. Prints how many were lost.
 *
 * A seed determines all of that, but not the kernel's timing. Prints how many
 * seeds passed. At the first that fails, prints the seed and what was wrong,
 * and exits with 1. It also fails if nothing moves for PATIENCE seconds (10).
 */
#define _GNU_SOURCE
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONNS 4
#define BUF_SIZE 65536
#define MAX_WORDS 60 /* of a client's command */

enum part {
    ECHO, /* FIN when all has been sent, or when all has come back */
    STALL, /* sends all, and reads only when the others are done */
    IDLE, /* sends nothing, ends when the others are done */
    RESET, /* breaks off in the middle */
    UNREAD, /* closes without reading: the kernel resets it */
};

struct peer {
    struct link link; /* fd -1: done */
    int number;
    enum part part;
    bool fin_at_once;
    bool fin_sent;
    uint64_t random;
    size_t total;
    size_t quit_at; /* bytes sent, for RESET and UNREAD */
    size_t max_piece;
};

const char tool[] = "schedule";
static uint64_t current_seed;
static bool may_lose;
static unsigned long long n_lost;

/* Prints why the seed failed, and exits. */
__attribute__((noreturn, format(printf, 1, 2))) static void
wrong(const char *format, ...)
{
    va_list args;

    printf("seed %llu: ", (unsigned long long)current_seed);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    exit(1);
}

static uint64_t next(uint64_t *state)
{
    return mix(*state += 0x9e3779b97f4a7c15u);
}

/* Returns 0 to about most, small ones as likely as big ones. */
static size_t any_size(uint64_t *state, size_t most)
{
    uint64_t bits = next(state);
    int shift = (int)(bits % 20);

    return (size_t)((bits >> 8) % ((most >> shift) + 1));
}

/* localhost may be ::1 first, and the server on 127.0.0.1 only: this is the
   rest of the list, from the address that took the first connection on. */
static const struct addrinfo *server_addr;

static void peer_open(struct peer *p, int number)
{
    static const enum part parts[16] = {STALL, IDLE, RESET, RESET, UNREAD};

    *p = (struct peer){.number = number};
    p->link.key = mix(current_seed * CONNS + (uint64_t)number);
    p->random = mix(p->link.key);
    p->part = next(&p->random) % 16 < 5 ? parts[p->random % 5] : ECHO;
    p->total = any_size(&p->random, 32768);
    p->fin_at_once = next(&p->random) % 2;
    if (p->part == STALL)
        p->total *= 8;
    if (p->part == IDLE)
        p->total = 0;
    p->quit_at = (size_t)(next(&p->random) % (p->total + 1));
    /* One byte at a time, but not for ever. */
    p->max_piece = 1 + any_size(&p->random, 16384);
    if (p->max_piece < p->total / 32)
        p->max_piece = p->total / 32;

    link_open_now(&p->link, server_addr,
                  now_us() + patience() * INT64_C(1000000));
    if (p->link.error != 0)
        wrong("connect: %s", strerror(p->link.error));
    server_addr = p->link.ai;
    link_hurry(&p->link);
}

/* Returns true if p waits for the others, and so doesn't read. */
static bool peer_stalls(const struct peer *p, bool others_done)
{
    return (p->part == STALL || p->part == IDLE) && !others_done;
}

static short peer_events(const struct peer *p, bool others_done)
{
    short events = 0;

    if (p->link.sent < p->total)
        events |= POLLOUT;
    if (!peer_stalls(p, others_done) && p->part != UNREAD)
        events |= POLLIN;
    return events;
}

static void peer_send(struct peer *p)
{
    size_t n = 1 + (size_t)(next(&p->random) % p->max_piece);
    size_t left = p->total - (size_t)p->link.sent;

    link_send(&p->link, n < left ? n : left, 0);
}

static void peer_receive(struct peer *p)
{
    size_t most = 1 + any_size(&p->random, BUF_SIZE - 2);

    link_receive(&p->link, most < 64 ? 64 : most);
    link_hurry(&p->link);
}

/* Fails if bytes have come that must not come, or not yet. */
static void peer_check(struct peer *p)
{
    struct link *l = &p->link;
    bool early = l->eof && (l->received < p->total || !p->fin_sent);
    const char *what = NULL;

    if (l->corrupt)
        what = "other bytes came than were sent";
    else if (l->received > l->sent)
        what = "more came than was sent";
    else if (l->error != 0 && !may_lose)
        what = strerror(l->error);
    else if (early && !may_lose)
        what = "end of file";
    if (what != NULL)
        wrong("connection %d: %s; of %zu bytes %llu were sent, %llu came",
              p->number, what, p->total, (unsigned long long)l->sent,
              (unsigned long long)l->received);
    if (l->error != 0 || early)
        n_lost++;
    if (l->error != 0 || l->eof)
        link_close(l, p->part == RESET);
}

static void peer_turn(struct peer *p, short revents, bool others_done)
{
    struct link *l = &p->link;

    if ((revents & POLLOUT) && l->sent < p->total)
        peer_send(p);
    if (l->error == 0 && (p->part == RESET || p->part == UNREAD) &&
        l->sent >= p->quit_at) {
        link_close(l, p->part == RESET);
        return;
    }
    if (l->error == 0 && (revents & (POLLIN | POLLHUP | POLLERR)) &&
        !peer_stalls(p, others_done))
        peer_receive(p);
    peer_check(p);
    if (l->fd != -1 && !p->fin_sent && l->sent == p->total &&
        (p->part == IDLE ? others_done
                         : p->fin_at_once || l->received == p->total)) {
        link_fin(l);
        p->fin_sent = true;
    }
}

/* Returns true if all peers that don't wait for others are done. */
static bool are_done(const struct peer *peers, int n)
{
    for (int i = 0; i < n; i++)
        if (peers[i].link.fd != -1 && peers[i].part != STALL &&
            peers[i].part != IDLE)
            return false;
    return true;
}

/* Polls the open connections once. Returns how many there are. */
static int play_once(struct peer *peers, int n)
{
    struct pollfd fds[CONNS];
    int n_open = 0;
    bool others_done = are_done(peers, n);
    bool due = false; /* without an event */

    for (int i = 0; i < n; i++) {
        struct peer *p = &peers[i];

        fds[i] = (struct pollfd){.fd = p->link.fd};
        if (p->link.fd == -1)
            continue;
        fds[i].events = peer_events(p, others_done);
        n_open++;
        due |= p->link.sent == p->total && !p->fin_sent;
        due |= p->part == RESET || p->part == UNREAD;
    }
    if (n_open > 0 && poll(fds, (nfds_t)n, due ? 1 : 1000) == -1)
        die_errno("poll");
    for (int i = 0; i < n; i++)
        if (peers[i].link.fd != -1)
            peer_turn(&peers[i], fds[i].revents, others_done);
    return n_open;
}

/* Lets the peers play until all are done. */
static void play(struct peer *peers, int n)
{
    int64_t moved_us = now_us();
    uint64_t before = 0;
    int n_before = n;

    for (int n_open; (n_open = play_once(peers, n)) > 0; n_before = n_open) {
        uint64_t moved = 0;

        for (int i = 0; i < n; i++)
            moved += peers[i].link.sent + peers[i].link.received;
        if (moved != before || n_open != n_before)
            moved_us = now_us();
        before = moved;
        if (now_us() - moved_us < patience() * INT64_C(1000000))
            continue;
        for (int i = 0; i < n; i++)
            if (peers[i].link.fd != -1)
                wrong("connection %d: stuck: %llu of %zu sent, %llu came",
                      peers[i].number, (unsigned long long)peers[i].link.sent,
                      peers[i].total,
                      (unsigned long long)peers[i].link.received);
    }
}

static void server_seed(bool serial)
{
    struct peer peers[CONNS];

    for (int i = 0; i < CONNS; i++) {
        peer_open(&peers[serial ? 0 : i], i);
        if (serial)
            play(peers, 1);
    }
    if (!serial)
        play(peers, CONNS);
}

/* A client that runs, and the server that it meets: link is the connection,
   its stream the client's stdin. */
struct run {
    struct link link; /* fd -1: not yet accepted, or closed */
    int in_fd; /* where its stdin comes from; -1: all given */
    int out_fd; /* what it writes on stdout; -1: at its end */
    uint64_t random;
    size_t total;
    size_t given;
    size_t came; /* on its stdout */
    size_t break_at; /* the server breaks off: bytes echoed */
    bool breaks;
    bool by_reset;
};

static char buf[BUF_SIZE];
static int err_fd;
static volatile pid_t child_pid;
static volatile bool too_late;

static void on_alarm(int signo)
{
    (void)signo;
    too_late = true;
    kill(-child_pid, SIGKILL);
}

static int listen_somewhere(char *port, size_t size)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd == -1 || bind(fd, (struct sockaddr *)&addr, len) == -1 ||
        listen(fd, 16) == -1 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) == -1)
        die_errno("listen");
    snprintf(port, size, "%d", ntohs(addr.sin_port));
    return fd;
}

/* Lets the clients have the shim. LD_PRELOAD is a list, with blanks or colons
   between: a path with one of these is named by this process's descriptor. */
static void preload(const char *shim)
{
    static int fd; /* stays open */
    char name[64];

    if (strpbrk(shim, " :") != NULL) {
        fd = open(shim, O_RDONLY | O_CLOEXEC);
        if (fd == -1)
            die_errno(shim);
        snprintf(name, sizeof(name), "/proc/%ld/fd/%d", (long)getpid(), fd);
        shim = name;
    }
    setenv("LD_PRELOAD", shim, 1);
}

/* Returns a file that already holds all of the input. */
static int input_file(const struct run *r)
{
    int fd = memfd_create("input", MFD_CLOEXEC);

    if (fd == -1)
        die_errno("memfd_create");
    stream_fill(buf, r->link.key, 0, r->total);
    if (pwrite(fd, buf, r->total, 0) != (ssize_t)r->total)
        die_errno("pwrite");
    return fd;
}

static void run_start(struct run *r, char **argv)
{
    int in[2], out[2];
    char text[32];
    bool from_file;

    *r = (struct run){.link.fd = -1, .in_fd = -1};
    r->link.key = mix(current_seed + (1ull << 50));
    r->random = mix(r->link.key);
    r->total = any_size(&r->random, 32768);
    from_file = next(&r->random) % 4 == 0;
    r->breaks = next(&r->random) % 8 == 0 && r->total > 0;
    r->by_reset = next(&r->random) % 2;
    if (r->breaks)
        r->break_at = (size_t)(next(&r->random) % r->total);

    open_pipe(out);
    if (from_file) {
        in[0] = input_file(r);
        r->given = r->total;
    } else {
        open_pipe(in);
        r->in_fd = in[1];
        fcntl(r->in_fd, F_SETFL, O_NONBLOCK);
    }
    r->out_fd = out[0];
    fcntl(r->out_fd, F_SETFL, O_NONBLOCK);
    if (ftruncate(err_fd, 0) == -1)
        die_errno("ftruncate");
    snprintf(text, sizeof(text), "%llu", (unsigned long long)current_seed);
    setenv("SHIM_SEED", text, 1);
    child_pid = spawn(argv, in[0], out[1], err_fd, true);
    close(in[0]);
    close(out[1]);
}

static void close_fd(int *fd)
{
    if (*fd != -1)
        close(*fd);
    *fd = -1;
}

/* Gives the client a piece of its stdin. */
static void run_feed(struct run *r)
{
    size_t n = 1 + any_size(&r->random, 16384);

    if (n > r->total - r->given)
        n = r->total - r->given;
    stream_fill(buf, r->link.key, r->given, n);
    ssize_t given = n == 0 ? 0 : write(r->in_fd, buf, n);
    if (given > 0)
        r->given += (size_t)given;
    /* A client that has to give up may do so before it has read all. */
    if (r->given == r->total || (given == -1 && errno == EPIPE))
        close_fd(&r->in_fd);
}

/* Takes from the socket what the client has sent, and checks it. */
static void run_receive(struct run *r)
{
    struct link *l = &r->link;

    link_receive(l, 1 + any_size(&r->random, 32768));
    if (l->eof && l->received < r->total && !may_lose)
        wrong("the client sent its FIN after %llu of %zu bytes",
              (unsigned long long)l->received, r->total);
    if (l->corrupt || l->received > r->total)
        wrong("the client sent something else within the first %llu bytes",
              (unsigned long long)l->received);
    link_hurry(l);
}

/* Echoes a piece; at the end, or where this server breaks off, closes. */
static void run_echo(struct run *r)
{
    struct link *l = &r->link;
    size_t n = 1 + any_size(&r->random, 16384);

    if (n > l->received - l->sent)
        n = (size_t)(l->received - l->sent);
    if (r->breaks && l->sent + n >= r->break_at)
        n = (size_t)(r->break_at - l->sent);
    if (n > 0)
        link_send(l, n, 0);
    if (r->breaks && l->sent == r->break_at)
        link_close(l, r->by_reset);
    else if (l->eof && l->sent == l->received)
        link_close(l, false);
}

/* Reads what the client has written on stdout, and checks it. */
static void run_collect(struct run *r)
{
    ssize_t n = read(r->out_fd, buf, BUF_SIZE);

    if (n == 0)
        close_fd(&r->out_fd);
    if (n <= 0)
        return;
    if (r->came + (size_t)n > r->link.sent)
        wrong("stdout: %zu bytes, only %llu were sent", r->came + (size_t)n,
              (unsigned long long)r->link.sent);
    size_t same = stream_same(buf, r->link.key, r->came, (size_t)n);
    if (same != (size_t)n)
        wrong("stdout: something else after byte %zu", r->came + same);
    r->came += (size_t)n;
}

/* Returns true if the server has something to do without an event. */
static bool server_is_due(const struct run *r)
{
    const struct link *l = &r->link;

    return l->fd != -1 && (l->sent < l->received || l->eof ||
                           (r->breaks && l->sent == r->break_at));
}

/* Waits for something to do, and does it. */
static void run_turn(struct run *r, int listen_fd)
{
    struct link *l = &r->link;
    struct pollfd fds[] = {
        {.fd = r->in_fd, .events = POLLOUT},
        {.fd = r->out_fd, .events = POLLIN},
        {.fd = l->fd == -1 ? listen_fd : l->fd, .events = l->eof ? 0 : POLLIN},
    };

    if (server_is_due(r))
        fds[2].events |= POLLOUT;
    alarm((unsigned)patience());
    if (poll(fds, 3, -1) == -1)
        return;
    if (fds[0].revents != 0)
        run_feed(r);
    if (fds[1].revents != 0)
        run_collect(r);
    if (l->fd == -1) {
        if (fds[2].revents != 0)
            l->fd =
                accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (l->fd != -1)
            link_hurry(l);
        return;
    }
    if ((fds[2].revents & (POLLIN | POLLERR)) && !l->eof)
        run_receive(r);
    if (l->error == 0 && server_is_due(r))
        run_echo(r);
    if (l->error != 0 && !may_lose)
        wrong("the server, after %llu bytes: %s",
              (unsigned long long)l->received, strerror(l->error));
    if (l->error != 0)
        link_close(l, false);
}

/* Fails unless the client has ended as it should. */
static void check_end(const struct run *r, int status)
{
    char told[256];
    ssize_t n = pread(err_fd, told, sizeof(told) - 1, 0);
    int expected = r->breaks ? 1 : 0;

    told[n > 0 ? n : 0] = '\0';
    if (!WIFEXITED(status))
        wrong("the client ended by signal %d; stderr: %s", WTERMSIG(status),
              told);
    if (may_lose && WEXITSTATUS(status) == 1 && n > 0)
        n_lost++;
    else if (WEXITSTATUS(status) != expected)
        wrong("exit status %d, expected %d; %zu of %zu came back; stderr: %s",
              WEXITSTATUS(status), expected, r->came, r->total, told);
    else if (!r->breaks && r->came != r->total)
        wrong("%zu of %zu bytes on stdout, and exit status 0", r->came,
              r->total);
}

static void client_seed(int listen_fd, char **argv)
{
    struct run r;
    int status;

    run_start(&r, argv);
    while (r.out_fd != -1)
        run_turn(&r, listen_fd);
    close_fd(&r.in_fd);
    while (waitpid(child_pid, &status, 0) == -1)
        if (errno != EINTR)
            die_errno("waitpid");
    alarm(0);
    if (too_late)
        wrong("stuck: %zu of %zu given, %llu sent, %llu echoed, %zu on stdout",
              r.given, r.total, (unsigned long long)r.link.received,
              (unsigned long long)r.link.sent, r.came);
    /* Not accepted, or the client ended before its server: nothing is left. */
    link_close(&r.link, false);
    for (int fd; (fd = accept(listen_fd, NULL, NULL)) != -1;)
        close(fd);
    check_end(&r, status);
}

/* Sets client to the command with its HOST and PORT. Returns the listening
   socket of the server that it will meet. */
static int client_prepare(char **client, int n_words, char **words)
{
    static char port[16];
    int listen_fd = listen_somewhere(port, sizeof(port));

    err_fd = memfd_create("stderr", MFD_CLOEXEC);
    fcntl(err_fd, F_SETFL, O_APPEND);
    signal(SIGALRM, on_alarm);
    memcpy(client, words, (size_t)n_words * sizeof(*words));
    client[n_words] = (char *)"127.0.0.1";
    client[n_words + 1] = port;
    client[n_words + 2] = NULL;
    return listen_fd;
}

static void usage(void)
{
    fprintf(stderr, "usage: schedule server [-f FIRST] [-n SEEDS] [-s] [-l] "
                    "HOST PORT\n"
                    "       schedule client [-f FIRST] [-n SEEDS] [-l] "
                    "-p SHIM.SO COMMAND…\n");
    exit(2);
}

int main(int argc, char *argv[])
{
    unsigned long long first = 0, n_seeds = 1;
    bool serial = false;
    const char *shim = NULL;
    bool is_server = argc > 1 && strcmp(argv[1], "server") == 0;
    char *client[MAX_WORDS + 3];
    int listen_fd = -1;

    if (!is_server && (argc < 2 || strcmp(argv[1], "client") != 0))
        usage();
    argc--;
    argv++;
    for (int option; (option = getopt(argc, argv, "+f:n:slp:")) != -1;) {
        if (option == 'f')
            first = number(optarg, 0, UINT64_MAX);
        else if (option == 'n')
            n_seeds = number(optarg, 1, UINT64_MAX);
        else if (option == 's')
            serial = true;
        else if (option == 'l')
            may_lose = true;
        else if (option == 'p')
            shim = optarg;
        else
            usage();
    }
    argv += optind;
    argc -= optind;
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (is_server ? argc != 2 : argc < 1 || argc > MAX_WORDS || shim == NULL)
        usage();
    if (is_server) {
        server_addr = resolve(argv[0], argv[1]);
    } else {
        preload(shim);
        listen_fd = client_prepare(client, argc, argv);
    }
    for (current_seed = first; current_seed < first + n_seeds; current_seed++)
        if (is_server)
            server_seed(serial);
        else
            client_seed(listen_fd, client);
    printf("%llu seeds passed", n_seeds);
    if (may_lose)
        printf(", %llu lost", n_lost);
    printf("\n");
    return 0;
}
