/*
 * peer -- scripted peer: does to an echo server what a test tells it to
 *
 * usage: peer HOST PORT [OPTIONS] STEP...
 *
 * A HOST with a '/' in it is the path of a Unix-domain socket.
 * Every connection runs the steps, one after another:
 *
 *     echo:BYTES    sends and receives at once, until all came back
 *     send:BYTES    sends and does not read; goes on when all is sent, or
 *                   when the kernel has taken nothing for half a second
 *     receive       receives what has been sent and is still missing
 *     ping:TIMES    sends 64 bytes (-m) and waits for them, so often
 *     urgent        sends a byte out of band (MSG_OOB)
 *     flood         sends and receives without end, until SIGUSR1
 *     fin           sends FIN; reading goes on
 *     end           waits for the server's FIN; nothing may come before it
 *     drain         receives until the server ends the connection, how ever
 *     close         closes, whatever is unread
 *     reset         closes with RST
 *     wait          waits for SIGUSR1: the first signal is for the first
 *                   `wait` or `flood` of the script, the second for the second
 *     pause:MS      waits so long
 *
 * BYTES are random, and a K, M or G may follow the number. What comes back is
 * compared byte by byte. A connection that the server ends or breaks before
 * the script does is lost.
 *
 * options: -n N  so many connections at once (default 1)
 *          -t S  gives up after S seconds (default 20)
 *          -s N  seed of the random bytes (default 1)
 *          -l    lost connections are no failure, only counted
 *          -b N  receive buffer of N bytes, and small reads: a slow reader
 *          -m N  a ping is a message of N bytes, sent in one piece
 *
 * No connection sets TCP_NODELAY: what Nagle's algorithm does to a server that
 * leaves it on is to be seen.
 *
 * On stdout a line whenever it has come to rest, and every half second, such
 * as 100 waiting, 0 busy, 0 done, 0 lost, 512 sent, 512 received (bytes of all
 * connections), and at the end the round trips' times. Exit status: 0, if
 * every connection has run its script and all bytes were right.
 */
#include "peer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define OPEN_MAX_MACOS 10240 /* where no limit is told, but this is one */
#define WINDOW 512 /* connections that are busy at once */
#define QUIET_MS 30 /* nothing has happened for so long: tell the state */
#define TELL_MS 500
#define STALLED_MS 500

enum step_kind {
    STEP_ECHO,
    STEP_SEND,
    STEP_RECEIVE,
    STEP_PING,
    STEP_URGENT,
    STEP_FLOOD,
    STEP_FIN,
    STEP_END,
    STEP_DRAIN,
    STEP_CLOSE,
    STEP_RESET,
    STEP_WAIT,
    STEP_PAUSE,
};

static const struct {
    const char *name;
    bool has_number;
} kinds[] = {
    [STEP_ECHO] = {"echo", true},        [STEP_SEND] = {"send", true},
    [STEP_RECEIVE] = {"receive", false}, [STEP_PING] = {"ping", true},
    [STEP_FLOOD] = {"flood", false},     [STEP_FIN] = {"fin", false},
    [STEP_END] = {"end", false},         [STEP_DRAIN] = {"drain", false},
    [STEP_CLOSE] = {"close", false},     [STEP_RESET] = {"reset", false},
    [STEP_WAIT] = {"wait", false},       [STEP_PAUSE] = {"pause", true},
    [STEP_URGENT] = {"urgent", false},
};

struct step {
    enum step_kind kind;
    uint64_t number;
    int gate; /* for wait and flood: the signal that ends it, from 1 on */
};

enum peer_state { PEER_BUSY, PEER_WAITING, PEER_DONE, PEER_LOST };

struct peer {
    struct link link;
    enum peer_state state;
    int step;
    bool entered; /* the step has begun: */
    uint64_t goal; /* it sends up to this place of the stream */
    int64_t since_us; /* it began, last sent something, or sent its ping */
    uint64_t pings_left;
};

static struct step steps[32];
static int n_steps;
static struct peer *peers;
static int n_peers = 1;
static size_t ping_bytes = 64;
static bool may_lose;
static int64_t deadline_us;

static int gate_pipe[2];
static int gates_open; /* how often SIGUSR1 has come */

static int64_t *ping_us;
static size_t n_pings, room_for_pings;

static void die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "peer: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

static int64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
}

static void on_gate(int signo)
{
    int saved_errno = errno;

    (void)signo;
    if (write(gate_pipe[1], "", 1) == -1)
        abort();
    errno = saved_errno;
}

static void ping_done(struct peer *p)
{
    if (n_pings == room_for_pings) {
        room_for_pings = room_for_pings * 2 + 1024;
        ping_us = realloc(ping_us, room_for_pings * sizeof(*ping_us));
        if (ping_us == NULL)
            die("out of memory");
    }
    ping_us[n_pings++] = now_us() - p->since_us;
    p->pings_left--;
    p->entered = p->pings_left == 0;
}

/* The list that getaddrinfo would give, for a HOST that is a path too. */
static struct addrinfo *addresses(const char *host, const char *port)
{
    static struct sockaddr_un path = {.sun_family = AF_UNIX};
    static struct addrinfo one = {.ai_family = AF_UNIX,
                                  .ai_socktype = SOCK_STREAM,
                                  .ai_addr = (struct sockaddr *)&path,
                                  .ai_addrlen = sizeof(path)};
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list;

    if (strchr(host, '/') != NULL) {
        if (strlen(host) >= sizeof(path.sun_path))
            die("%s: too long", host);
        strcpy(path.sun_path, host);
        return &one;
    }
    int err = getaddrinfo(host, port, &hints, &list);
    if (err != 0)
        die("%s: %s", host, gai_strerror(err));
    return list;
}

/* Begins the step that p has come to. */
static void step_enter(struct peer *p)
{
    const struct step *s = &steps[p->step];

    p->goal = p->link.sent;
    if (s->kind == STEP_ECHO || s->kind == STEP_SEND)
        p->goal = p->link.sent + s->number;
    if (s->kind == STEP_FLOOD)
        p->goal = UINT64_MAX;
    if (s->kind == STEP_PING) {
        if (p->pings_left == 0)
            p->pings_left = s->number;
        p->goal = p->link.sent + ping_bytes;
    }
    p->link.piece = s->kind == STEP_PING ? ping_bytes : 0;
    if (s->kind == STEP_URGENT)
        p->goal = p->link.sent + 1;
    p->link.urgent = s->kind == STEP_URGENT;
    if (s->kind == STEP_FIN)
        link_fin(&p->link);
    if (s->kind == STEP_CLOSE || s->kind == STEP_RESET)
        link_close(&p->link, s->kind == STEP_RESET);
    p->since_us = now_us();
    p->entered = true;
}

/* True if p has nothing more to do in its step. */
static bool step_is_over(struct peer *p)
{
    const struct step *s = &steps[p->step];
    const struct link *l = &p->link;
    int64_t waited_ms = (now_us() - p->since_us) / 1000;

    switch (s->kind) {
    case STEP_ECHO:
        return l->sent == p->goal && l->received == l->sent;
    case STEP_SEND:
        return l->sent == p->goal || waited_ms >= STALLED_MS;
    case STEP_URGENT:
        return l->sent == p->goal;
    case STEP_RECEIVE:
        return l->received == l->sent;
    case STEP_PING:
        if (l->sent == p->goal && l->received == l->sent)
            ping_done(p);
        return p->entered && p->pings_left == 0;
    case STEP_FLOOD:
        if (gates_open >= s->gate)
            p->goal = l->sent;
        return l->sent == p->goal && l->received == l->sent;
    case STEP_END:
        return l->eof;
    case STEP_DRAIN:
        return l->eof || l->error != 0;
    case STEP_WAIT:
        return gates_open >= s->gate;
    case STEP_PAUSE:
        return waited_ms >= (int64_t)s->number;
    default:
        return true;
    }
}

static bool step_reads(const struct peer *p)
{
    switch (steps[p->step].kind) {
    case STEP_ECHO:
    case STEP_RECEIVE:
    case STEP_PING:
    case STEP_FLOOD:
    case STEP_END:
    case STEP_DRAIN:
        return true;
    default:
        return false;
    }
}

static void peer_lost(struct peer *p, const char *why)
{
    const struct link *l = &p->link;

    if (!may_lose || l->corrupt)
        die("connection %d, step %s: %s, after %llu bytes sent and %llu "
            "received",
            (int)(p - peers) + 1, kinds[steps[p->step].kind].name, why,
            (unsigned long long)l->sent, (unsigned long long)l->received);
    p->state = PEER_LOST;
    if (l->fd != -1)
        link_close(&p->link, false);
}

/* Runs as many steps of p as can be run without waiting. */
static void peer_advance(struct peer *p)
{
    struct link *l = &p->link;

    p->state = PEER_BUSY;
    for (;;) {
        enum step_kind kind = steps[p->step].kind;

        if (l->corrupt) {
            peer_lost(p, "other bytes came back than were sent");
            return;
        }
        if (!p->entered)
            step_enter(p);
        if (step_is_over(p)) {
            p->entered = false;
            if (++p->step < n_steps)
                continue;
            p->state = PEER_DONE;
            if (l->fd != -1)
                link_close(l, false);
            return;
        }
        if (!p->entered) /* the next ping */
            continue;
        if (l->error != 0)
            peer_lost(p, strerror(l->error));
        else if (l->eof)
            peer_lost(p, "the server has closed it");
        else if (kind == STEP_WAIT)
            p->state = PEER_WAITING;
        return;
    }
}

/* What p waits for, in poll's terms. */
static short peer_events(const struct peer *p)
{
    short events = 0;

    if (!p->link.connected)
        return POLLOUT;
    if (step_reads(p))
        events |= POLLIN;
    if (p->link.sent < p->goal)
        events |= POLLOUT;
    return events;
}

static void peer_ready(struct peer *p, short revents)
{
    struct link *l = &p->link;
    uint64_t sent = l->sent;

    if (revents != 0 && !l->connected)
        link_connect(l);
    else if (revents != 0) {
        if (l->sent < p->goal && (revents & (POLLOUT | POLLERR)))
            link_send(l, p->goal);
        if (l->error == 0 && step_reads(p) && (revents & ~POLLOUT))
            link_receive(l);
        else if (l->error == 0 && (revents & POLLERR))
            l->error = link_error(l);
    }
    if (l->sent > sent && steps[p->step].kind == STEP_SEND)
        p->since_us = now_us();
    if (l->connected)
        peer_advance(p);
    else if (l->error != 0)
        peer_lost(p, strerror(l->error));
}

/* Polls those that are busy. Returns false if nothing happened. */
static bool poll_peers(const struct addrinfo *list)
{
    static struct pollfd fds[WINDOW + 1];
    static struct peer *polled[WINDOW + 1];
    int n = 1;

    fds[0].fd = gate_pipe[0];
    fds[0].events = POLLIN;
    for (int i = 0; i < n_peers && n <= WINDOW; i++) {
        struct peer *p = &peers[i];

        if (p->state != PEER_BUSY)
            continue;
        if (p->link.fd == -1)
            link_open(&p->link, list);
        if (p->link.fd == -1) {
            peer_lost(p, strerror(p->link.error));
            continue;
        }
        polled[n] = p;
        fds[n].fd = p->link.fd;
        fds[n].events = peer_events(p);
        n++;
    }
    int n_ready = poll(fds, n, QUIET_MS);
    if (n_ready > 0 && fds[0].revents != 0) {
        char byte;

        if (read(gate_pipe[0], &byte, 1) == 1)
            gates_open++;
        for (int i = 0; i < n_peers; i++)
            if (peers[i].state == PEER_WAITING)
                peer_advance(&peers[i]);
    }
    for (int i = 1; i < n; i++)
        peer_ready(polled[i], n_ready > 0 ? fds[i].revents : 0);
    return n_ready > 0;
}

static int count(enum peer_state state)
{
    int n = 0;

    for (int i = 0; i < n_peers; i++)
        n += peers[i].state == state;
    return n;
}

static void tell_state(void)
{
    static char last[200];
    char line[200];
    unsigned long long sent = 0, received = 0;

    for (int i = 0; i < n_peers; i++) {
        sent += peers[i].link.sent;
        received += peers[i].link.received;
    }
    snprintf(line, sizeof(line),
             "%d waiting, %d busy, %d done, %d lost, %llu sent, "
             "%llu received",
             count(PEER_WAITING), count(PEER_BUSY), count(PEER_DONE),
             count(PEER_LOST), sent, received);
    if (strcmp(line, last) != 0)
        printf("%s\n", line);
    fflush(stdout);
    memcpy(last, line, sizeof(line));
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void tell_pings(void)
{
    if (n_pings == 0)
        return;
    qsort(ping_us, n_pings, sizeof(*ping_us), compare_times);
    printf("%zu round trips: median %lld us, p99 %lld us, max %lld us\n",
           n_pings, (long long)ping_us[n_pings / 2],
           (long long)ping_us[n_pings * 99 / 100],
           (long long)ping_us[n_pings - 1]);
}

static uint64_t parse_number(const char *text)
{
    static const char units[] = "KMG";
    char *end;
    uint64_t number = strtoull(text, &end, 10);
    const char *unit = *end == '\0' ? NULL : strchr(units, *end);

    if (unit != NULL && end[1] == '\0')
        return number << (10 * (unit - units + 1));
    if (end == text || *end != '\0')
        die("not a number: %s", text);
    return number;
}

static void parse_step(const char *text)
{
    static int gates;
    size_t len = strcspn(text, ":");

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (strlen(kinds[i].name) != len ||
            strncmp(kinds[i].name, text, len) != 0 ||
            kinds[i].has_number != (text[len] == ':'))
            continue;
        if (n_steps == sizeof(steps) / sizeof(*steps))
            die("too many steps");
        struct step *s = &steps[n_steps++];
        s->kind = i;
        s->number = kinds[i].has_number ? parse_number(text + len + 1) : 0;
        if (s->kind == STEP_WAIT || s->kind == STEP_FLOOD)
            s->gate = ++gates;
        return;
    }
    die("no such step: %s", text);
}

static void parse_options(int argc, char *argv[])
{
    int option;
    uint64_t seed = 1;
    int64_t seconds = 20;

    /* PORT stands where getopt expects the program's name. */
    while ((option = getopt(argc, argv, "n:t:s:lb:m:")) != -1) {
        switch (option) {
        case 'n':
            n_peers = parse_number(optarg);
            break;
        case 't':
            seconds = parse_number(optarg);
            break;
        case 's':
            seed = parse_number(optarg);
            break;
        case 'l':
            may_lose = true;
            break;
        case 'b':
            small_buffer = parse_number(optarg);
            break;
        case 'm':
            ping_bytes = parse_number(optarg);
            if (ping_bytes == 0 || ping_bytes > CHUNK_MAX)
                die("a message has 1 to %d bytes", CHUNK_MAX);
            break;
        default:
            exit(2);
        }
    }
    for (int i = optind; i < argc; i++)
        parse_step(argv[i]);
    if (n_steps == 0)
        die("no steps");
    deadline_us = now_us() + seconds * 1000000;
    peers = calloc(n_peers, sizeof(*peers));
    if (peers == NULL)
        die("out of memory");
    for (int i = 0; i < n_peers; i++) {
        peers[i].link.fd = -1;
        peers[i].link.seed = seed * 1000003 + i;
    }
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        rlim_t soft = limit.rlim_cur;

        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) == 0 || soft >= OPEN_MAX_MACOS)
            return;
        limit.rlim_cur = OPEN_MAX_MACOS;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char *argv[])
{
    struct sigaction gate = {.sa_handler = on_gate, .sa_flags = SA_RESTART};

    /* The error of send says as much; not every system has MSG_NOSIGNAL. */
    signal(SIGPIPE, SIG_IGN);
    if (pipe(gate_pipe) == -1 || sigaction(SIGUSR1, &gate, NULL) == -1)
        die("%s", strerror(errno));
    if (argc < 4) {
        fprintf(stderr, "usage: peer HOST PORT [-n N] [-t S] [-s SEED] [-l] "
                        "[-b N] [-m N] STEP...\n");
        exit(2);
    }
    parse_options(argc - 2, argv + 2);
    raise_descriptor_limit();
    struct addrinfo *list = addresses(argv[1], argv[2]);
    int64_t told_us = now_us();
    while (count(PEER_BUSY) + count(PEER_WAITING) > 0) {
        if (!poll_peers(list) || now_us() > told_us + TELL_MS * 1000) {
            tell_state();
            told_us = now_us();
        }
        if (now_us() > deadline_us) {
            tell_state();
            die("out of time: %d waiting, %d busy, %d done, %d lost",
                count(PEER_WAITING), count(PEER_BUSY), count(PEER_DONE),
                count(PEER_LOST));
        }
    }
    tell_state();
    tell_pings();
    free(ping_us);
    free(peers);
    return 0;
}
