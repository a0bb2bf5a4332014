/*
 * peer -- scripted peer: does to an echo server what a test tells it to
 *
 * usage: peer HOST PORT [OPTIONS] STEP...
 *
 * A HOST with a '/' in it is the path of a Unix-domain socket.
 * Every connection runs the steps, one after another:
 *
 *     echo:BYTES    sends and receives at once, until every byte came back
 *     send:BYTES    sends and doesn't read; continues when everything is sent,
 *                   or when nothing moves anymore
 *     receive       receives the bytes that were sent and haven't come back
 *     ping:TIMES    TIMES times sends 64 bytes (-m) and waits for them
 *     urgent        sends a byte out of band (MSG_OOB)
 *     flood         sends and receives until SIGUSR1
 *     fin           sends FIN, and can still read
 *     end           waits for the server's FIN; nothing may come before it
 *     drain         receives until the server ends the connection in any way
 *     close         closes, even with unread bytes
 *     reset         closes with RST
 *     wait          waits for SIGUSR1: the first signal ends the first `wait`
 *                   or `flood` of the script, the second signal the second one
 *     pause:MS      waits MS milliseconds
 *
 * BYTES are random, and a K, M or G may follow the number. What comes back is
 * compared byte by byte. A connection is lost if the server closes or resets
 * it before the script ends.
 *
 * options: -n N  number of connections at once (default 1)
 *          -t S  gives up after S seconds (default 20)
 *          -s N  seed of the random bytes (default 1)
 *          -l    counts lost connections, but doesn't fail for them
 *          -b N  receive buffer of N bytes, and small reads: a slow reader
 *          -m N  a ping is a message of N bytes, sent in one piece
 *
 * No connection sets TCP_NODELAY, so that a test sees what Nagle's algorithm
 * does to a server that leaves it on.
 *
 * Prints its state on stdout when nothing moves, and every half second, such
 * as 100 waiting, 0 busy, 0 done, 0 lost, 512 sent, 512 received (bytes of all
 * connections), and at the end the times of the round trips. Exits with 0 if
 * every connection has run its script and every byte was right.
 */
#include "link.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define WINDOW 100 /* connections busy at once: a backlog of 128 is enough */
#define ODD_MAX 65537 /* the largest of the odd sizes */
#define QUIET_MS 30 /* nothing happened for this long: print the state */
#define TELL_MS 500
/*
 * A send has stalled when nothing has moved for this long, not even in the
 * kernel's queues. If unread bytes of the server are here, it's known to be
 * running, and the short time will do.
 */
#define STALLED_MS 150
#define SILENT_MS 500

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
    N_STEP_KINDS,
};

static const struct {
    const char *name;
    bool has_number;
    bool reads;
} kinds[] = {
    [STEP_ECHO] = {"echo", true, true},
    [STEP_SEND] = {"send", true, false},
    [STEP_RECEIVE] = {"receive", false, true},
    [STEP_PING] = {"ping", true, true},
    [STEP_URGENT] = {"urgent", false, false},
    [STEP_FLOOD] = {"flood", false, true},
    [STEP_FIN] = {"fin", false, false},
    [STEP_END] = {"end", false, true},
    [STEP_DRAIN] = {"drain", false, true},
    [STEP_CLOSE] = {"close", false, false},
    [STEP_RESET] = {"reset", false, false},
    [STEP_WAIT] = {"wait", false, false},
    [STEP_PAUSE] = {"pause", true, false},
};

struct step {
    enum step_kind kind;
    uint64_t number;
    int gate; /* for wait and flood: the signal that ends it, from 1 on */
};

enum peer_state { PEER_BUSY, PEER_WAITING, PEER_DONE, PEER_LOST, N_STATES };

struct peer {
    struct link link;
    enum peer_state state;
    int step;
    bool entered; /* the step has begun */
    uint64_t goal; /* the step sends up to this place of the stream */
    int64_t since_us; /* when the step began, or sent its ping */
    int64_t still_us; /* for how long nothing has moved */
    int64_t looked_us; /* when we looked last */
    int queued[2]; /* how much was in the kernel's queues then */
    uint64_t pings_left;
};

const char tool[] = "peer";
static struct step steps[32];
static int n_steps;
static struct peer *peers;
static int n_peers = 1;
static int n_in[N_STATES];
static size_t ping_bytes = 64;
static bool may_lose;
static int64_t deadline_us;

static int gate_pipe[2];
static int gates_open; /* how often SIGUSR1 has come */

static int64_t *ping_us;
static size_t n_pings, room_for_pings;

static void on_gate(int signo)
{
    int saved_errno = errno;

    (void)signo;
    if (write(gate_pipe[1], "", 1) == -1)
        abort();
    errno = saved_errno;
}

static void set_state(struct peer *p, enum peer_state state)
{
    n_in[p->state]--;
    n_in[state]++;
    p->state = state;
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

/* Begins the step that p has come to. */
static void step_enter(struct peer *p)
{
    const struct step *s = &steps[p->step];

    p->goal = p->link.sent;
    if (s->kind == STEP_ECHO || s->kind == STEP_SEND)
        p->goal += s->number;
    if (s->kind == STEP_URGENT)
        p->goal++;
    if (s->kind == STEP_FLOOD)
        p->goal = UINT64_MAX;
    if (s->kind == STEP_PING) {
        if (p->pings_left == 0)
            p->pings_left = s->number;
        p->goal += ping_bytes;
    }
    if (s->kind == STEP_FIN)
        link_fin(&p->link);
    if (s->kind == STEP_CLOSE || s->kind == STEP_RESET)
        link_close(&p->link, s->kind == STEP_RESET);
    p->since_us = p->looked_us = now_us();
    p->still_us = 0;
    p->entered = true;
}

/*
 * Notes whether something moves while p sends. A pause between two looks in
 * which we have not run counts as a short one: the server has not run either.
 */
static void look_at_queues(struct peer *p, bool sent)
{
    int queued[2] = {0, 0};
    int64_t now = now_us(), passed = now - p->looked_us;

    ioctl(p->link.fd, FIONREAD, &queued[0]);
#ifdef TIOCOUTQ
    ioctl(p->link.fd, TIOCOUTQ, &queued[1]);
#endif
    p->still_us += passed < QUIET_MS * 1000 ? passed : QUIET_MS * 1000;
    if (sent || memcmp(queued, p->queued, sizeof(queued)) != 0)
        p->still_us = 0;
    p->looked_us = now;
    memcpy(p->queued, queued, sizeof(queued));
}

/* Returns true if p has nothing more to do in its step. */
static bool step_is_over(struct peer *p)
{
    const struct step *s = &steps[p->step];
    const struct link *l = &p->link;

    switch (s->kind) {
    case STEP_SEND:
        return l->sent == p->goal ||
               p->still_us >=
                   (p->queued[0] > 0 ? STALLED_MS : SILENT_MS) * 1000;
    case STEP_URGENT:
        return l->sent == p->goal;
    case STEP_PING:
        if (l->sent == p->goal && l->received == l->sent)
            ping_done(p);
        return p->entered && p->pings_left == 0;
    case STEP_FLOOD:
        if (gates_open >= s->gate)
            p->goal = l->sent;
        return l->sent == p->goal && l->received == l->sent;
    case STEP_ECHO:
    case STEP_RECEIVE:
        return l->sent == p->goal && l->received == l->sent;
    case STEP_END:
        return l->eof;
    case STEP_DRAIN:
        return l->eof || l->error != 0;
    case STEP_WAIT:
        return gates_open >= s->gate;
    case STEP_PAUSE:
        return now_us() - p->since_us >= (int64_t)s->number * 1000;
    default:
        return true;
    }
}

static void peer_lost(struct peer *p, const char *why)
{
    struct link *l = &p->link;

    if (!may_lose || l->corrupt)
        die("connection %d, step %s: %s, after %llu bytes sent and %llu "
            "received",
            (int)(p - peers) + 1, kinds[steps[p->step].kind].name, why,
            (unsigned long long)l->sent, (unsigned long long)l->received);
    set_state(p, PEER_LOST);
    link_close(l, false);
}

/* Runs as many steps of p as can be run without waiting. */
static void peer_advance(struct peer *p)
{
    struct link *l = &p->link;

    set_state(p, PEER_BUSY);
    for (;;) {
        l->corrupt |= l->received > l->sent;
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
            set_state(p, PEER_DONE);
            link_close(l, false);
            return;
        }
        if (!p->entered) /* the next ping */
            continue;
        if (l->error != 0)
            peer_lost(p, strerror(l->error));
        else if (l->eof)
            peer_lost(p, "the server has closed it");
        else if (steps[p->step].kind == STEP_WAIT)
            set_state(p, PEER_WAITING);
        return;
    }
}

/* Returns what p waits for, in poll's terms. */
static short peer_events(const struct peer *p)
{
    if (!p->link.connected)
        return POLLOUT;
    return (kinds[steps[p->step].kind].reads ? POLLIN : 0) |
           (p->link.sent < p->goal ? POLLOUT : 0);
}

/* Sends one piece: a ping's message at once, else an odd size, around those
   of the usual buffers or tiny. */
static void peer_send(struct peer *p)
{
    static const size_t sizes[] = {1,    7,     333,   4095,  4096,
                                   4097, 16383, 16384, 16385, ODD_MAX};
    struct link *l = &p->link;
    enum step_kind kind = steps[p->step].kind;
    uint64_t left = p->goal - l->sent, n = ping_bytes;

    if (kind != STEP_PING)
        n = sizes[mix(l->key + l->sent) % (sizeof(sizes) / sizeof(*sizes))];
    link_send(l, n < left ? n : left, kind == STEP_URGENT ? MSG_OOB : 0);
}

static void peer_ready(struct peer *p, short revents)
{
    struct link *l = &p->link;
    uint64_t sent = l->sent;

    if (revents != 0 && !l->connected) {
        link_connect(l);
    } else if (revents != 0) {
        bool reads = kinds[steps[p->step].kind].reads;

        if (l->sent < p->goal && (revents & (POLLOUT | POLLERR)))
            peer_send(p);
        if (l->error == 0 && reads && (revents & ~POLLOUT))
            link_receive(l, receive_buffer > 0 ? 777 : ODD_MAX);
        else if (l->error == 0 && (revents & POLLERR))
            l->error = link_error(l);
    }
    if (l->connected && steps[p->step].kind == STEP_SEND)
        look_at_queues(p, l->sent > sent);
    if (l->connected)
        peer_advance(p);
    else if (l->error != 0)
        peer_lost(p, strerror(l->error));
}

/* A SIGUSR1 has come: lets the waiting peers continue. */
static void open_gate(void)
{
    char byte;

    if (read(gate_pipe[0], &byte, 1) == 1)
        gates_open++;
    for (int i = 0; i < n_peers; i++)
        if (peers[i].state == PEER_WAITING)
            peer_advance(&peers[i]);
}

/* Polls the busy connections. Returns false if nothing happened. */
static bool poll_peers(const struct addrinfo *list)
{
    static struct pollfd fds[WINDOW + 1];
    static struct peer *polled[WINDOW + 1];
    int n = 1;

    fds[0] = (struct pollfd){.fd = gate_pipe[0], .events = POLLIN};
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
        fds[n++] = (struct pollfd){.fd = p->link.fd, .events = peer_events(p)};
    }
    int n_ready = poll(fds, n, QUIET_MS);
    if (n_ready > 0 && fds[0].revents != 0)
        open_gate();
    for (int i = 1; i < n; i++)
        peer_ready(polled[i], n_ready > 0 ? fds[i].revents : 0);
    return n_ready > 0;
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
             n_in[PEER_WAITING], n_in[PEER_BUSY], n_in[PEER_DONE],
             n_in[PEER_LOST], sent, received);
    if (strcmp(line, last) != 0)
        printf("%s\n", line);
    fflush(stdout);
    memcpy(last, line, sizeof(line));
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

static void parse_step(const char *text)
{
    static int gates;
    size_t len = strcspn(text, ":");

    for (int i = 0; i < N_STEP_KINDS; i++) {
        if (strlen(kinds[i].name) != len ||
            strncmp(kinds[i].name, text, len) != 0 ||
            kinds[i].has_number != (text[len] == ':'))
            continue;
        if (n_steps == sizeof(steps) / sizeof(*steps))
            die("too many steps");
        struct step *s = &steps[n_steps++];
        s->kind = i;
        if (kinds[i].has_number)
            s->number = number(text + len + 1, 0, UINT64_MAX);
        if (s->kind == STEP_WAIT || s->kind == STEP_FLOOD)
            s->gate = ++gates;
        return;
    }
    die("no such step: %s", text);
}

static void parse_options(int argc, char *argv[])
{
    uint64_t seed = 1;
    int64_t seconds = 20;

    /* PORT stands where getopt expects the program's name. */
    for (int option; (option = getopt(argc, argv, "n:t:s:lb:m:")) != -1;) {
        if (option == 'n')
            n_peers = (int)number(optarg, 1, 1000000);
        else if (option == 't')
            seconds = (int64_t)number(optarg, 0, 1000000);
        else if (option == 's')
            seed = number(optarg, 0, UINT64_MAX);
        else if (option == 'l')
            may_lose = true;
        else if (option == 'b')
            receive_buffer = (int)number(optarg, 1, 1 << 30);
        else if (option == 'm')
            ping_bytes = number(optarg, 1, CHUNK_MAX);
        else
            exit(2);
    }
    for (int i = optind; i < argc; i++)
        parse_step(argv[i]);
    if (n_steps == 0)
        die("no steps");
    deadline_us = now_us() + seconds * 1000000;
    peers = calloc((size_t)n_peers, sizeof(*peers));
    if (peers == NULL)
        die("out of memory");
    n_in[PEER_BUSY] = n_peers;
    for (int i = 0; i < n_peers; i++) {
        peers[i].link.fd = -1;
        peers[i].link.key = mix(seed * 1000003 + (uint64_t)i);
    }
}

int main(int argc, char *argv[])
{
    struct sigaction gate = {.sa_handler = on_gate, .sa_flags = SA_RESTART};

    /* The error of send says as much; not every system has MSG_NOSIGNAL. */
    signal(SIGPIPE, SIG_IGN);
    open_pipe(gate_pipe);
    if (sigaction(SIGUSR1, &gate, NULL) == -1)
        die_errno("sigaction");
    if (argc < 4) {
        fprintf(stderr, "usage: peer HOST PORT [-n N] [-t S] [-s SEED] [-l] "
                        "[-b N] [-m N] STEP...\n");
        exit(2);
    }
    parse_options(argc - 2, argv + 2);
    raise_descriptor_limit();
    struct addrinfo *list = resolve(argv[1], argv[2]);
    int64_t told_us = now_us();
    while (n_in[PEER_BUSY] + n_in[PEER_WAITING] > 0) {
        bool moves = poll_peers(list);

        if (!moves || n_in[PEER_BUSY] == 0 ||
            now_us() > told_us + TELL_MS * 1000) {
            tell_state();
            told_us = now_us();
        }
        if (now_us() > deadline_us) {
            tell_state();
            die("out of time: %d waiting, %d busy, %d done, %d lost",
                n_in[PEER_WAITING], n_in[PEER_BUSY], n_in[PEER_DONE],
                n_in[PEER_LOST]);
        }
    }
    tell_state();
    tell_pings();
    free(ping_us);
    free(peers);
    return 0;
}
