/*
 * load -- closed-loop load for an echo server: every byte is checked
 *
 * usage: load [OPTION ...] HOST PORT
 *   -a ACTIVE    connections that talk (1)
 *   -i IDLE      connections that talk once and then stay silent (0)
 *   -s SIZE      bytes of a message (64)
 *   -d DEPTH     messages under way at once on a connection (1)
 *   -t SECONDS   how long to measure (1), after a tenth of it as warm-up
 *   -n MESSAGES  instead: send exactly that many on each active connection
 *   -c           measure connections: connect, one message, close, again
 *   -p PID       the server: reads its CPU time and memory, with children
 *   -T SECONDS   give up after that long without progress (10)
 *   -m           print one line of key=value instead of the report
 *
 * Exit status: 0 every byte came back; 1 not every byte, or not in time;
 * 2 usage; 3 the server closed some of the connections at once.
 *
 * The sockets here have TCP_NODELAY, so this side's Nagle never holds a
 * message back: each one is on its way before its echo is awaited. ACKs are
 * left to the kernel, which delays them as it does for any client. A stall is
 * therefore the server's: its Nagle holds the rest of an echo until the load
 * acknowledges the first piece, and the load's kernel waits about 40 ms for
 * something to send along with that ACK.
 */
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_EVENTS 256
#define IO_SIZE 65536
#define PERIOD 65521 /* of the pattern: a prime; no message size fits it */
#define SETUP_MAX 64 /* connections that await their first answer at once */
#define SUB_BITS 5 /* the histogram is exact to 1/32 */
#define BUCKETS ((64 - SUB_BITS) << SUB_BITS)
#define SECOND INT64_C(1000000000)

struct conn {
    int fd; /* -1: closed */
    uint32_t base; /* where in the pattern this connection's bytes begin */
    bool blocked; /* the kernel takes no more for now */
    uint64_t sent;
    uint64_t received;
    uint64_t limit; /* bytes to send in all */
    int64_t *sent_at; /* of the last DEPTH messages */
};

/* What the server has used, its children included. */
struct usage {
    int64_t cpu_ns;
    long pss_kib;
    int processes;
};

const char tool[] = "load";
static long n_active = 1;
static long n_idle;
static long size = 64;
static long depth = 1;
static double seconds = 1;
static long n_messages;
static bool connections;
static long server_pid;
static double give_up = 10;
static bool machine;

static struct conn *conns;
static int epoll_fd;
static struct addrinfo *server;
static int source; /* 127.0.0.SOURCE once the ports of the first are used up */
static char pattern[PERIOD + IO_SIZE];
static uint64_t histogram[BUCKETS];
static bool measuring;
static uint64_t messages; /* answered, all phases */
static int64_t last_answer;
static long refused;

static int64_t clock_ns(clockid_t clock)
{
    struct timespec ts = {0};

    clock_gettime(clock, &ts);
    return ts.tv_sec * SECOND + ts.tv_nsec;
}

static int64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* The bucket of ns: exact below 2^SUB_BITS, then 2^SUB_BITS an octave. */
static int bucket_of(uint64_t ns)
{
    int shift = 0;

    while (ns >> shift >= 2u << SUB_BITS)
        shift++;
    return (shift << SUB_BITS) + (int)(ns >> shift);
}

/* The highest ns that bucket i holds. */
static uint64_t bucket_top(int i)
{
    int shift = i >> SUB_BITS;

    if (shift > 0)
        shift--;
    return ((uint64_t)(i - (shift << SUB_BITS) + 1) << shift) - 1;
}

/* Returns the latency that this share of all messages didn't exceed, in us. */
static double percentile(double share)
{
    uint64_t total = 0;
    uint64_t seen = 0;

    for (int i = 0; i < BUCKETS; i++)
        total += histogram[i];
    for (int i = 0; i < BUCKETS; i++) {
        seen += histogram[i];
        if (seen > 0 && (double)seen >= share * (double)total)
            return (double)bucket_top(i) / 1000;
    }
    return 0;
}

/* Adds what one process has used; one that is gone adds nothing. */
static void usage_add(struct usage *u, long pid, bool with_memory)
{
    char path[64], line[256];
    clockid_t clock;
    long kib;

    if (clock_getcpuclockid((pid_t)pid, &clock) == 0)
        u->cpu_ns += clock_ns(clock);
    u->processes++;
    if (!with_memory)
        return;
    snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", pid);
    FILE *f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "Pss: %ld", &kib) == 1)
            u->pss_kib += kib;
    if (f != NULL)
        fclose(f);
}

/* Returns the CPU time of children that have ended: fields 16 and 17 of stat.
 */
static int64_t reaped_ns(long pid)
{
    char path[64];
    char line[1024] = "";
    long utime, stime;

    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "r");
    if (f == NULL || fgets(line, sizeof(line), f) == NULL)
        die("no such server process");
    fclose(f);
    char *p = strrchr(line, ')'); /* the name before it may hold anything */
    if (p == NULL ||
        sscanf(p + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u"
               " %ld %ld",
               &utime, &stime) != 2)
        die("can't read the server's stat");
    return (utime + stime) * (SECOND / sysconf(_SC_CLK_TCK));
}

static struct usage server_usage(bool with_memory)
{
    struct usage u = {0};
    char path[64];
    long child;

    if (server_pid == 0)
        return u;
    usage_add(&u, server_pid, with_memory);
    u.cpu_ns += reaped_ns(server_pid);
    snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", server_pid,
             server_pid);
    FILE *f = fopen(path, "r");
    while (f != NULL && fscanf(f, "%ld", &child) == 1)
        usage_add(&u, child, with_memory);
    if (f != NULL)
        fclose(f);
    return u;
}

static void conn_close(struct conn *c)
{
    close(c->fd);
    c->fd = -1;
}

/* The connection has failed. During set-up a server may refuse connections. */
static void conn_lost(struct conn *c)
{
    if (measuring || c->received > 0)
        die("a connection was lost");
    refused++;
    conn_close(c);
}

static void conn_watch(struct conn *c, int op)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

    if (c->blocked)
        event.events |= EPOLLOUT;
    if (epoll_ctl(epoll_fd, op, c->fd, &event) == -1)
        die_errno("epoll_ctl");
}

/* Sends what the window and the limit allow and the kernel takes. */
static void conn_send(struct conn *c)
{
    uint64_t window = (c->received / size + depth) * size;
    uint64_t until = window < c->limit ? window : c->limit;
    bool was_blocked = c->blocked;

    c->blocked = false;
    while (c->sent < until) {
        uint64_t at = (c->base + c->sent) % PERIOD;
        size_t n = until - c->sent < IO_SIZE ? until - c->sent : IO_SIZE;
        int64_t now = now_ns();
        ssize_t written = write(c->fd, pattern + at, n);

        if (written == -1 && errno == EAGAIN) {
            c->blocked = true;
            break;
        }
        if (written == -1) {
            conn_lost(c);
            return;
        }
        /* Every message whose first byte went with this write. */
        uint64_t first = (c->sent + size - 1) / size;
        c->sent += written;
        for (uint64_t i = first; i * size < c->sent; i++)
            c->sent_at[i % depth] = now;
    }
    if (c->blocked != was_blocked)
        conn_watch(c, EPOLL_CTL_MOD);
}

/* Records the latency of each message that is now complete. */
static void conn_answered(struct conn *c, uint64_t before)
{
    int64_t now = now_ns();

    for (uint64_t i = before / size; i < c->received / size; i++) {
        if (measuring)
            histogram[bucket_of(now - c->sent_at[i % depth])]++;
        messages++;
    }
    last_answer = now;
}

/* Reads and checks what has come. Returns false if nothing more has. */
static bool conn_receive(struct conn *c)
{
    static char buf[IO_SIZE];
    ssize_t n = read(c->fd, buf, sizeof(buf));

    if (n == -1 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        conn_lost(c);
        return false;
    }
    if (c->received + n > c->sent)
        die("more came back than was sent");
    if (memcmp(buf, pattern + (c->base + c->received) % PERIOD, n) != 0)
        die("the bytes that came back aren't those that were sent");
    uint64_t before = c->received;
    c->received += n;
    conn_answered(c, before);
    return true;
}

/* Takes the next source address, since the last one has no free port left. */
static void next_source(int fd)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};

    if (source == 0)
        source = 1;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK + source);
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1)
        die_errno("bind");
}

/* Connects c and sends its first message. */
static void conn_open(struct conn *c)
{
    struct timeval timeout = {.tv_sec = (time_t)give_up};
    int64_t began = now_ns();
    int on = 1;

    for (;;) {
        c->fd = socket(server->ai_family, SOCK_STREAM, 0);
        if (c->fd == -1)
            die_errno("socket");
        /* On Linux this bounds connect as well. */
        setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (source > 0)
            next_source(c->fd);
        if (connect(c->fd, server->ai_addr, server->ai_addrlen) == 0)
            break;
        if (errno != EADDRNOTAVAIL || server->ai_family != AF_INET ||
            source > 200)
            die_errno("connect");
        source++;
        close(c->fd);
    }
    fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
    c->sent = 0;
    c->received = 0;
    c->blocked = false;
    c->limit = size;
    conn_watch(c, EPOLL_CTL_ADD);
    conn_send(c);
    c->sent_at[0] = began;
}

/* Returns true if c has done what the current phase wants. */
static bool conn_done(const struct conn *c)
{
    return c->fd == -1 || c->received == c->limit;
}

/* Handles what is ready; counts in *open those whose work is not done. */
static void turn(int64_t until, long *open)
{
    struct epoll_event events[MAX_EVENTS];
    int64_t now = now_ns();
    int64_t left = (int64_t)(give_up * SECOND) - (now - last_answer);

    if (left <= 0)
        die("no answer in time");
    if (until > now && until - now < left)
        left = until - now;
    int n = epoll_wait(epoll_fd, events, MAX_EVENTS,
                       (int)((left + 999999) / 1000000));
    if (n == -1 && errno != EINTR)
        die_errno("epoll_wait");
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;
        uint32_t ready = events[i].events;
        bool was_done = conn_done(c);

        if (ready & ~(uint32_t)EPOLLOUT && conn_receive(c) && connections &&
            measuring && conn_done(c)) {
            conn_close(c);
            conn_open(c);
            continue;
        }
        if (c->fd != -1)
            conn_send(c);
        if (!was_done && conn_done(c))
            --*open;
    }
}

/* Makes every active connection send that much, and waits for all of it. */
static void run_to(uint64_t limit)
{
    long open = 0;

    last_answer = now_ns();
    for (long i = 0; i < n_active; i++) {
        conns[i].limit = limit > conns[i].sent ? limit : conns[i].sent;
        /* Whole messages only. */
        conns[i].limit = (conns[i].limit + size - 1) / size * size;
        open += !conn_done(&conns[i]);
        conn_send(&conns[i]);
    }
    while (open > 0)
        turn(0, &open);
}

static void run_for(double duration)
{
    long open = n_active;
    int64_t until = now_ns() + (int64_t)(duration * SECOND);

    last_answer = now_ns();
    for (long i = 0; i < n_active; i++) {
        if (connections && conn_done(&conns[i])) {
            if (conns[i].fd != -1)
                conn_close(&conns[i]);
            conn_open(&conns[i]);
        } else if (!connections) {
            conns[i].limit = UINT64_MAX;
            conn_send(&conns[i]);
        }
    }
    while (now_ns() < until)
        turn(until, &open);
}

/* Opens all; each gets an answer, so the server has surely accepted it. */
static void open_all(void)
{
    long opened = 0;
    long open = 0;

    conns = calloc(n_active + n_idle, sizeof(*conns));
    if (conns == NULL)
        die_errno("calloc");
    last_answer = now_ns();
    while (opened < n_active + n_idle || open > 0) {
        if (opened < n_active + n_idle && open < SETUP_MAX) {
            struct conn *c = &conns[opened];
            c->base = opened * 7919u % PERIOD;
            c->fd = -1;
            c->sent_at = calloc(depth, sizeof(*c->sent_at));
            if (c->sent_at == NULL)
                die_errno("calloc");
            if (!connections || opened >= n_active)
                conn_open(c);
            opened++;
            open += !conn_done(c);
            continue;
        }
        turn(0, &open);
    }
}

/* What was measured. */
struct result {
    double seconds;
    uint64_t n; /* messages or connections */
    struct usage used;
    long base_kib; /* the server's memory before the first connection */
    double share; /* of a CPU that the server used */
    double own_share;
};

static double us_each(const struct result *r)
{
    return r->n > 0 ? (double)r->used.cpu_ns / (double)r->n / 1000 : 0;
}

static void print_line(const struct result *r, const char *limit)
{
    printf("messages=%" PRIu64 " seconds=%.3f rate=%.0f p50_us=%.1f "
           "p99_us=%.1f p999_us=%.1f max_us=%.1f cpu_us=%.3f "
           "server_share=%.3f load_share=%.3f limit=%s pss_kib=%ld "
           "base_kib=%ld processes=%d refused=%ld\n",
           r->n, r->seconds, (double)r->n / r->seconds, percentile(.5),
           percentile(.99), percentile(.999), percentile(1), us_each(r),
           r->share, r->own_share, limit, r->used.pss_kib, r->base_kib,
           r->used.processes, refused);
}

static void print_report(const struct result *r, const char *limit)
{
    printf("%" PRIu64 " %s of %ld bytes in %.2f s: %.0f/s; every byte as "
           "sent\n",
           r->n, connections ? "connections" : "messages", size, r->seconds,
           (double)r->n / r->seconds);
    printf("latency in us: p50 %.0f, p99 %.0f, p99.9 %.0f, max %.0f\n",
           percentile(.5), percentile(.99), percentile(.999), percentile(1));
    if (server_pid != 0) {
        printf("server: %.2f us of CPU each, %.0f %% of one CPU, "
               "%d process%s\n",
               us_each(r), r->share * 100, r->used.processes,
               r->used.processes > 1 ? "es" : "");
        printf("memory: %ld KiB before, %ld KiB with %ld connections\n",
               r->base_kib, r->used.pss_kib, n_active + n_idle);
    }
    printf(
        "load: %.0f %% of one CPU; the bottleneck is %s\n", r->own_share * 100,
        strcmp(limit, "load") == 0     ? "THIS LOAD GENERATOR"
        : strcmp(limit, "server") == 0 ? "the server"
                                       : "neither: each waits for the other");
}

static double duration(const char *text)
{
    char *end;
    double value = strtod(text, &end);

    if (*text == '\0' || *end != '\0' || !(value > 0 && value < 1e6)) {
        fprintf(stderr, "load: %s isn't a time in seconds\n", text);
        exit(2);
    }
    return value;
}

static void parse_options(int argc, char *argv[])
{
    int opt;

    while ((opt = getopt(argc, argv, "a:i:s:d:t:n:cp:T:m")) != -1) {
        if (opt == 'a')
            n_active = (long)number(optarg, 1, 1000000);
        else if (opt == 'i')
            n_idle = (long)number(optarg, 0, 1000000);
        else if (opt == 's')
            size = (long)number(optarg, 1, 1 << 30);
        else if (opt == 'd')
            depth = (long)number(optarg, 1, 1 << 20);
        else if (opt == 't')
            seconds = duration(optarg);
        else if (opt == 'n')
            n_messages = (long)number(optarg, 1, 1L << 40);
        else if (opt == 'c')
            connections = true;
        else if (opt == 'p')
            server_pid = (long)number(optarg, 1, 1L << 30);
        else if (opt == 'T')
            give_up = duration(optarg);
        else if (opt == 'm')
            machine = true;
        else
            exit(2);
    }
    if (argc - optind != 2 || (connections && n_messages > 0)) {
        fprintf(stderr, "usage: load [OPTION ...] HOST PORT; the options are "
                        "told at the top of load.c\n");
        exit(2);
    }
}

int main(int argc, char *argv[])
{
    parse_options(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    if (raise_descriptor_limit() < (uint64_t)(n_active + n_idle + 16))
        die("the descriptor limit is below the connections asked for");
    server = resolve(argv[optind], argv[optind + 1]);
    stream_fill(pattern, 1, 0, PERIOD);
    for (int i = 0; i < IO_SIZE; i++)
        pattern[PERIOD + i] = pattern[i];
    epoll_fd = epoll_create1(0);
    if (epoll_fd == -1)
        die_errno("epoll_create1");

    struct result r = {.seconds = 1};
    r.base_kib = server_usage(true).pss_kib;
    open_all();
    long pss_kib = server_usage(true).pss_kib;
    if (refused > 0) {
        print_line(&r, "refused");
        exit(3);
    }

    measuring = true;
    if (n_messages == 0)
        run_for(seconds / 10);
    memset(histogram, 0, sizeof(histogram));
    struct usage before = server_usage(false);
    int64_t own_before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    int64_t began = now_ns();
    uint64_t messages_before = messages;
    if (n_messages > 0)
        run_to((uint64_t)(n_messages + 1) * size);
    else
        run_for(seconds);
    r.seconds = (double)(now_ns() - began) / SECOND;
    r.used = server_usage(false);
    r.used.cpu_ns -= before.cpu_ns;
    r.used.pss_kib = pss_kib;
    r.share = (double)r.used.cpu_ns / SECOND / r.seconds;
    r.own_share = (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - own_before) /
                  SECOND / r.seconds;
    r.n = messages - messages_before;
    if (!connections)
        run_to(0);

    const char *limit = r.own_share > .9 && r.share < .9 ? "load"
                        : r.share > .9                   ? "server"
                                                         : "neither";
    if (machine)
        print_line(&r, limit);
    else
        print_report(&r, limit);
}
