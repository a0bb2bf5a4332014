/*
 * schedule -- puts a server or a client through seeded schedules
 *
 * usage: schedule server [-f FIRST] [-n SEEDS] [-s] [-l] HOST PORT
 *        schedule client [-f FIRST] [-n SEEDS] [-l] -p SHIM.SO COMMAND…
 *
 * server: a seed opens CONNS connections at once (-s: one after the other),
 * in a fixed order, so that the shim in the server knows connection J of seed
 * S as number S * CONNS + J. Each plays a part that the seed chooses: sizes,
 * pieces, half-close before or after the answer, a reset, a close with the
 * answer unread, a stall until the others are done. Every byte that comes
 * back is compared.
 *
 * client: a seed runs COMMAND HOST PORT once, under the shim with that seed.
 * This program is its server, in pieces that the seed chooses, and feeds its
 * stdin (a pipe or a file) and reads its stdout. Some servers break off: then
 * the client has to end with 1.
 *
 * -l: a connection may be lost, as when a call has failed for good, but what
 * comes must be right; a client may end with 1 if it tells why. Prints how
 * many were lost.
 *
 * A seed fixes all of that, not the kernel's timing. Prints how many seeds
 * passed; on the first that fails, the seed and what was wrong; exit 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONNS 4
#define LIMIT_MS 20000 /* for a seed, far beyond what any takes */
#define BUF_SIZE 65536
#define MAX_WORDS 60 /* of a client's command */

enum part {
    ECHO, /* FIN when all has been sent, or when all has come back */
    STALL, /* sends all, and reads only when the others are done */
    IDLE, /* sends nothing, ends when the others are done */
    RESET, /* breaks off in the middle */
    UNREAD, /* closes without reading: the kernel makes it a reset */
};

struct peer {
    int fd; /* -1: done */
    int number;
    enum part part;
    bool fin_at_once;
    bool fin_sent;
    uint64_t key; /* of its bytes */
    uint64_t random;
    size_t total;
    size_t quit_at; /* bytes sent, for RESET and UNREAD */
    size_t max_piece;
    size_t sent;
    size_t received;
};

extern char **environ;

static uint64_t current_seed;
static bool may_lose;
static unsigned long long n_lost;
static char buf[BUF_SIZE];

static void die(const char *what)
{
    fprintf(stderr, "schedule: seed %llu: ", (unsigned long long)current_seed);
    perror(what);
    exit(1);
}

/* Tells why the seed failed, and ends. */
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

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static uint64_t next(uint64_t *state)
{
    return mix(*state += 0x9e3779b97f4a7c15u);
}

/* 0 to about most, small ones as likely as big ones. */
static size_t any_size(uint64_t *state, size_t most)
{
    uint64_t bits = next(state);
    int shift = (int)(bits % 20);

    return (size_t)((bits >> 8) % ((most >> shift) + 1));
}

static char byte_at(uint64_t key, size_t offset)
{
    return (char)(mix(key + offset / 8) >> offset % 8 * 8);
}

static void fill(char *to, uint64_t key, size_t offset, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint64_t word = mix(key + (offset + i) / 8);

        do
            to[i] = (char)(word >> (offset + i) % 8 * 8);
        while (++i < n && (offset + i) % 8 != 0);
    }
}

/* Where the n bytes differ from those at offset; n if they do not. */
static size_t differs(const char *from, uint64_t key, size_t offset, size_t n)
{
    static char expected[BUF_SIZE];

    fill(expected, key, offset, n);
    if (memcmp(from, expected, n) == 0)
        return n;
    size_t i = 0;
    while (from[i] == expected[i])
        i++;
    return i;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Small pieces must not wait for each other: TCP would hold them back. */
static void hurry(int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static void reset(int fd)
{
    struct linger linger = {.l_onoff = 1};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fd);
}

static struct addrinfo *server_addr;

/*
 * A connection to the server, on the first address of its name that takes
 * one: localhost may be ::1 first, and the server on 127.0.0.1 only. All later
 * connections go to the same address.
 */
static int connect_to_server(void)
{
    static bool found;

    for (;; server_addr = server_addr->ai_next) {
        int fd = socket(server_addr->ai_family, SOCK_STREAM, 0);

        if (fd != -1 &&
            connect(fd, server_addr->ai_addr, server_addr->ai_addrlen) == 0) {
            found = true;
            return fd;
        }
        if (found || server_addr->ai_next == NULL)
            die("connect");
        if (fd != -1)
            close(fd);
    }
}

static void peer_open(struct peer *p, int number)
{
    static const enum part parts[16] = {STALL, IDLE, RESET, RESET, UNREAD};

    *p = (struct peer){.number = number};
    p->key = mix(current_seed * CONNS + (uint64_t)number);
    p->random = mix(p->key);
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

    p->fd = connect_to_server();
    hurry(p->fd);
    fcntl(p->fd, F_SETFL, O_NONBLOCK);
}

static void peer_done(struct peer *p)
{
    if (p->part == RESET)
        reset(p->fd);
    else
        close(p->fd);
    p->fd = -1;
}

/* True if the loss of p is allowed: then it is done. */
static bool peer_lost(struct peer *p)
{
    if (!may_lose)
        return false;
    n_lost++;
    peer_done(p);
    return true;
}

/* True if it waits for the others: then it does not read. */
static bool peer_stalls(const struct peer *p, bool others_done)
{
    return (p->part == STALL || p->part == IDLE) && !others_done;
}

static short peer_events(const struct peer *p, bool others_done)
{
    short events = 0;

    if (p->sent < p->total)
        events |= POLLOUT;
    if (!peer_stalls(p, others_done) && p->part != UNREAD)
        events |= POLLIN;
    return events;
}

static void peer_send(struct peer *p)
{
    size_t n = 1 + (size_t)(next(&p->random) % p->max_piece);

    if (n > p->total - p->sent)
        n = p->total - p->sent;
    if (n > BUF_SIZE)
        n = BUF_SIZE;
    fill(buf, p->key, p->sent, n);
    ssize_t sent = send(p->fd, buf, n, MSG_NOSIGNAL);
    if (sent == -1 && errno != EAGAIN && !peer_lost(p))
        wrong("connection %d: send after %zu of %zu bytes: %s", p->number,
              p->sent, p->total, strerror(errno));
    if (sent > 0)
        p->sent += (size_t)sent;
}

static void peer_receive(struct peer *p)
{
    size_t most = 1 + any_size(&p->random, BUF_SIZE - 2);
    ssize_t n = recv(p->fd, buf, most < 64 ? 64 : most, 0);

    if (n == -1 && errno == EAGAIN)
        return;
    bool early = n == 0 && (p->received < p->total || !p->fin_sent);
    if ((n == -1 || early) && peer_lost(p))
        return;
    if (n == -1)
        wrong("connection %d: after %zu of %zu bytes: %s", p->number,
              p->received, p->total, strerror(errno));
    if (early)
        wrong("connection %d: end of file after %zu of %zu bytes", p->number,
              p->received, p->total);
    if (n == 0) {
        peer_done(p);
        return;
    }
    size_t same = differs(buf, p->key, p->received, (size_t)n);
    if (p->received + (size_t)n > p->sent)
        wrong("connection %d: %zu bytes came, only %zu were sent", p->number,
              p->received + (size_t)n, p->sent);
    if (same != (size_t)n)
        wrong("connection %d: byte %zu of %zu: expected 0x%02x, came 0x%02x",
              p->number, p->received + same, p->total,
              (unsigned char)byte_at(p->key, p->received + same),
              (unsigned char)buf[same]);
    p->received += (size_t)n;
    hurry(p->fd);
}

static void peer_turn(struct peer *p, short revents, bool others_done)
{
    if ((revents & POLLOUT) && p->sent < p->total)
        peer_send(p);
    if (p->fd != -1 && (p->part == RESET || p->part == UNREAD) &&
        p->sent >= p->quit_at)
        peer_done(p);
    if (p->fd != -1 && (revents & (POLLIN | POLLHUP | POLLERR)) &&
        !peer_stalls(p, others_done))
        peer_receive(p);
    if (p->fd != -1 && !p->fin_sent && p->sent == p->total &&
        (p->part == IDLE ? others_done
                         : p->fin_at_once || p->received == p->total)) {
        shutdown(p->fd, SHUT_WR);
        p->fin_sent = true;
    }
}

/* True if all that do not wait for others are done. */
static bool are_done(const struct peer *peers, int n)
{
    for (int i = 0; i < n; i++)
        if (peers[i].fd != -1 && peers[i].part != STALL &&
            peers[i].part != IDLE)
            return false;
    return true;
}

/* Lets the peers play until all are done. */
static void play(struct peer *peers, int n)
{
    int64_t limit = now_ms() + LIMIT_MS;

    for (;;) {
        struct pollfd fds[CONNS];
        int n_open = 0;
        bool others_done = are_done(peers, n);
        bool fin_due = false;

        for (int i = 0; i < n; i++) {
            struct peer *p = &peers[i];

            fds[i] = (struct pollfd){.fd = p->fd};
            if (p->fd == -1)
                continue;
            fds[i].events = peer_events(p, others_done);
            n_open++;
            fin_due |= p->sent == p->total && !p->fin_sent;
            fin_due |= p->part == RESET || p->part == UNREAD;
        }
        if (n_open == 0)
            return;
        if (poll(fds, (nfds_t)n, fin_due ? 1 : LIMIT_MS) == -1)
            die("poll");
        for (int i = 0; i < n; i++)
            if (peers[i].fd != -1)
                peer_turn(&peers[i], fds[i].revents, others_done);
        if (now_ms() > limit)
            for (int i = 0; i < n; i++)
                if (peers[i].fd != -1)
                    wrong("connection %d: stuck: %zu of %zu sent, %zu came", i,
                          peers[i].sent, peers[i].total, peers[i].received);
    }
}

static void server_seed(bool serial)
{
    struct peer peers[CONNS];

    if (!serial) {
        for (int i = 0; i < CONNS; i++)
            peer_open(&peers[i], i);
        play(peers, CONNS);
    }
    for (int i = 0; serial && i < CONNS; i++) {
        peer_open(&peers[0], i);
        play(peers, 1);
    }
}

struct run {
    pid_t pid;
    int conn_fd; /* -1: not yet accepted, or closed */
    int in_fd; /* where its stdin comes from; -1: all given */
    int out_fd; /* what it writes on stdout; -1: at its end */
    uint64_t key;
    uint64_t random;
    size_t total;
    size_t given;
    size_t received; /* by us, its server */
    size_t echoed;
    size_t came; /* on its stdout */
    size_t break_at; /* the server breaks off: bytes echoed */
    bool breaks;
    bool by_reset;
    bool fin_received;
};

static volatile pid_t child_pid;
static volatile bool too_late;

static void on_alarm(int signo)
{
    (void)signo;
    too_late = true;
    if (child_pid > 0)
        kill(-child_pid, SIGKILL);
}

static int err_fd;

static int listen_somewhere(char *port, size_t size)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd == -1 || bind(fd, (struct sockaddr *)&addr, len) == -1 ||
        listen(fd, 16) == -1 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) == -1)
        die("listen");
    snprintf(port, size, "%d", ntohs(addr.sin_port));
    return fd;
}

/* The environment of the client: ours, the shim and its seed. */
static char **shim_environment(const char *shim)
{
    static char preload[4096], seed[64];
    static char *vars[1024];
    int n = 0;

    for (char **var = environ; *var != NULL && n < 1000; var++)
        if (strncmp(*var, "LD_PRELOAD=", 11) != 0 &&
            strncmp(*var, "SHIM_SEED=", 10) != 0)
            vars[n++] = *var;
    snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", shim);
    snprintf(seed, sizeof(seed), "SHIM_SEED=%llu",
             (unsigned long long)current_seed);
    vars[n++] = preload;
    vars[n++] = seed;
    vars[n] = NULL;
    return vars;
}

/* A file that already holds all of the input. */
static int input_file(const struct run *r)
{
    int fd = memfd_create("input", MFD_CLOEXEC);

    if (fd == -1)
        die("memfd_create");
    for (size_t at = 0; at < r->total;) {
        size_t n = r->total - at < BUF_SIZE ? r->total - at : BUF_SIZE;

        fill(buf, r->key, at, n);
        if (write(fd, buf, n) != (ssize_t)n)
            die("write");
        at += n;
    }
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static void run_start(struct run *r, char **argv, const char *shim)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t defaults;
    int in[2], out[2];
    bool from_file;

    *r = (struct run){.conn_fd = -1, .in_fd = -1};
    r->key = mix(current_seed + (1ull << 50));
    r->random = mix(r->key);
    r->total = any_size(&r->random, 32768);
    from_file = next(&r->random) % 4 == 0;
    r->breaks = next(&r->random) % 8 == 0 && r->total > 0;
    r->by_reset = next(&r->random) % 2;
    if (r->breaks)
        r->break_at = (size_t)(next(&r->random) % r->total);

    if (pipe2(out, O_CLOEXEC) == -1)
        die("pipe");
    if (from_file) {
        in[0] = input_file(r);
        r->given = r->total;
    } else {
        if (pipe2(in, O_CLOEXEC) == -1)
            die("pipe");
        r->in_fd = in[1];
        fcntl(r->in_fd, F_SETFL, O_NONBLOCK);
    }
    r->out_fd = out[0];
    fcntl(r->out_fd, F_SETFL, O_NONBLOCK);

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_adddup2(&actions, err_fd, 2);
    posix_spawnattr_init(&attr);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr,
                             POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    if (ftruncate(err_fd, 0) == -1)
        die("ftruncate");
    errno = posix_spawnp(&r->pid, argv[0], &actions, &attr, argv,
                         shim_environment(shim));
    if (errno != 0)
        die(argv[0]);
    child_pid = r->pid;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
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
    fill(buf, r->key, r->given, n);
    ssize_t given = n == 0 ? 0 : write(r->in_fd, buf, n);
    if (given > 0)
        r->given += (size_t)given;
    /* A client that has to give up may do so before it has read all. */
    if (r->given == r->total || (given == -1 && errno == EPIPE))
        close_fd(&r->in_fd);
}

static void run_lost(struct run *r, const char *what)
{
    if (!may_lose)
        wrong("the server, %s, after %zu bytes: %s", what, r->received,
              strerror(errno));
    close_fd(&r->conn_fd);
}

/* Takes from the socket what the client has sent, and checks it. */
static void run_receive(struct run *r)
{
    ssize_t n = recv(r->conn_fd, buf, 1 + any_size(&r->random, 32768), 0);

    if (n == -1 && errno == EAGAIN)
        return;
    if (n == -1)
        run_lost(r, "receiving");
    if (n == -1)
        return;
    if (n == 0 && r->received < r->total && !may_lose)
        wrong("the client sent its FIN after %zu of %zu bytes", r->received,
              r->total);
    r->fin_received = n == 0;
    if (differs(buf, r->key, r->received, (size_t)n) != (size_t)n)
        wrong("the client sent something else after byte %zu", r->received);
    r->received += (size_t)n;
    hurry(r->conn_fd);
}

/* Echoes a piece; at the end, or where this server breaks off, closes. */
static void run_echo(struct run *r)
{
    size_t n = 1 + any_size(&r->random, 16384);

    if (n > r->received - r->echoed)
        n = r->received - r->echoed;
    if (r->breaks && r->echoed + n >= r->break_at)
        n = r->break_at - r->echoed;
    fill(buf, r->key, r->echoed, n);
    ssize_t sent = n == 0 ? 0 : send(r->conn_fd, buf, n, MSG_NOSIGNAL);
    if (sent == -1 && errno != EAGAIN)
        run_lost(r, "sending");
    if (r->conn_fd == -1)
        return;
    if (sent > 0)
        r->echoed += (size_t)sent;
    if (r->breaks && r->echoed == r->break_at) {
        if (r->by_reset)
            reset(r->conn_fd);
        else
            close(r->conn_fd);
        r->conn_fd = -1;
    } else if (r->fin_received && r->echoed == r->received) {
        close_fd(&r->conn_fd);
    }
}

/* Reads what the client has written on stdout, and checks it. */
static void run_collect(struct run *r)
{
    ssize_t n = read(r->out_fd, buf, BUF_SIZE);

    if (n == -1)
        return;
    if (n == 0) {
        close_fd(&r->out_fd);
        return;
    }
    if (r->came + (size_t)n > r->echoed)
        wrong("stdout: %zu bytes, only %zu were sent", r->came + (size_t)n,
              r->echoed);
    if (differs(buf, r->key, r->came, (size_t)n) != (size_t)n)
        wrong("stdout: something else after byte %zu", r->came);
    r->came += (size_t)n;
}

/* True if the server has something to do that no event tells of. */
static bool server_is_due(const struct run *r)
{
    return r->conn_fd != -1 && (r->echoed < r->received || r->fin_received ||
                                (r->breaks && r->echoed == r->break_at));
}

static void run_turn(struct run *r, int listen_fd)
{
    struct pollfd fds[] = {
        {.fd = r->in_fd, .events = POLLOUT},
        {.fd = r->out_fd, .events = POLLIN},
        {.fd = r->conn_fd == -1 ? listen_fd : r->conn_fd,
         .events = r->fin_received ? 0 : POLLIN},
    };

    if (server_is_due(r))
        fds[2].events |= POLLOUT;
    if (poll(fds, 3, -1) == -1) {
        if (errno == EINTR)
            return;
        die("poll");
    }
    if (fds[0].revents != 0)
        run_feed(r);
    if (fds[1].revents != 0)
        run_collect(r);
    if (r->conn_fd == -1) {
        if (fds[2].revents != 0)
            r->conn_fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK);
        if (r->conn_fd != -1)
            hurry(r->conn_fd);
        return;
    }
    if ((fds[2].revents & (POLLIN | POLLERR)) && !r->fin_received)
        run_receive(r);
    if (server_is_due(r))
        run_echo(r);
}

static void client_seed(int listen_fd, char **argv, const char *shim)
{
    struct run r;
    int status;
    char told[256];

    run_start(&r, argv, shim);
    alarm(LIMIT_MS / 1000);
    while (r.out_fd != -1)
        run_turn(&r, listen_fd);
    close_fd(&r.in_fd);
    while (waitpid(r.pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    alarm(0);
    child_pid = 0;
    ssize_t n = pread(err_fd, told, sizeof(told) - 1, 0);
    told[n > 0 ? n : 0] = '\0';
    /* Not accepted, or the client ended before its server: nothing is left. */
    close_fd(&r.conn_fd);
    for (int fd; (fd = accept(listen_fd, NULL, NULL)) != -1;)
        close(fd);
    if (too_late)
        wrong("stuck: %zu of %zu given, %zu sent, %zu echoed, %zu on stdout",
              r.given, r.total, r.received, r.echoed, r.came);
    if (!WIFEXITED(status))
        wrong("the client ended by signal %d; stderr: %s", WTERMSIG(status),
              told);
    if (may_lose && WEXITSTATUS(status) == 1 && n > 0) {
        n_lost++;
        return;
    }
    if (WEXITSTATUS(status) != (r.breaks ? 1 : 0))
        wrong("exit status %d, expected %d; %zu of %zu came back; stderr: %s",
              WEXITSTATUS(status), r.breaks ? 1 : 0, r.came, r.total, told);
    if (!r.breaks && r.came != r.total)
        wrong("%zu of %zu bytes on stdout, and exit status 0", r.came,
              r.total);
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

    if (!is_server && (argc < 2 || strcmp(argv[1], "client") != 0))
        usage();
    argc--;
    argv++;
    for (int option; (option = getopt(argc, argv, "+f:n:slp:")) != -1;) {
        if (option == 'f')
            first = strtoull(optarg, NULL, 10);
        else if (option == 'n')
            n_seeds = strtoull(optarg, NULL, 10);
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

    char *client[MAX_WORDS + 3];
    int listen_fd = -1;
    if (is_server) {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM};

        if (argc != 2 || getaddrinfo(argv[0], argv[1], &hints, &server_addr))
            usage();
    } else {
        if (argc < 1 || argc > MAX_WORDS || shim == NULL)
            usage();
        listen_fd = client_prepare(client, argc, argv);
    }
    for (current_seed = first; current_seed < first + n_seeds; current_seed++)
        if (is_server)
            server_seed(serial);
        else
            client_seed(listen_fd, client, shim);
    if (may_lose)
        printf("%llu seeds passed, %llu lost\n", n_seeds, n_lost);
    else
        printf("%llu seeds passed\n", n_seeds);
    return 0;
}
