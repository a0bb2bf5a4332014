/*
 * timeline -- three clients of one server: who waits for whom, and how long
 *
 * usage: timeline SERVER
 *
 * Starts SERVER 127.0.0.1 0. The first client connects and is silent for a
 * while; the others connect after it and talk at once. Meanwhile it looks
 * every millisecond which system call each process of the server sleeps in.
 * Prints, tab-separated and in ms since the first client began:
 *     client  NUMBER  connect|send|answer|close  TIME
 *     process NUMBER  CALL  FROM  TO
 */
#include "common.h"

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_CLIENTS 3
#define N_MESSAGES 2
#define MAX_PROCESSES 8
#define DEADLINE_MS 10000

/* What a client does next, and when. */
struct client {
    double at; /* in ms; never, while it waits for an answer */
    double think; /* between the answer and what follows it */
    int messages_left;
    int fd;
    bool connected;
    bool waits;
};

struct process {
    long pid;
    char call[32];
    double since;
};

static struct client clients[N_CLIENTS] = {
    {.at = 0, .think = 280, .messages_left = 1},
    {.at = 60, .think = 70, .messages_left = N_MESSAGES},
    {.at = 120, .think = 70, .messages_left = N_MESSAGES},
};
static struct process processes[MAX_PROCESSES];
static int n_processes;
static pid_t server;
static double began;

const char tool[] = "timeline";

static void kill_server(void)
{
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
}

static double now_ms(void)
{
    return (double)now_us() / 1e3 - began;
}

/* Starts the server; returns its port. */
static int start(char *path)
{
    char *argv[] = {path, (char *)"127.0.0.1", (char *)"0", NULL};
    char line[256];
    int out[2], port;

    open_pipe(out);
    server = spawn(argv, STDIN_FILENO, out[1], STDERR_FILENO, false);
    atexit(kill_server);
    close(out[1]);
    FILE *f = fdopen(out[0], "r");
    if (f == NULL || fgets(line, sizeof(line), f) == NULL ||
        sscanf(line, "Server is listening on 127.0.0.1:%d", &port) != 1)
        die("no listening line from %s", path);
    fclose(f);
    return port;
}

/* The system calls that a server sleeps in. */
static const struct {
    long number;
    const char *name;
} calls[] = {
    {SYS_read, "read"},
    {SYS_accept, "accept"},
    {SYS_accept4, "accept"},
#ifdef SYS_select
    {SYS_select, "select"},
    {SYS_poll, "poll"},
    {SYS_epoll_wait, "epoll_wait"},
#endif
    {SYS_pselect6, "select"},
    {SYS_ppoll, "poll"},
    {SYS_epoll_pwait, "epoll_wait"},
};

static void process_changed(int i, const char *call, double now)
{
    struct process *p = &processes[i];

    if (strcmp(p->call, call) == 0)
        return;
    if (p->call[0] != '\0')
        printf("process\t%d\t%s\t%.3f\t%.3f\n", i, p->call, p->since, now);
    snprintf(p->call, sizeof(p->call), "%s", call);
    p->since = now;
}

/* Records which call a process sleeps in, or that it runs, or is gone. */
static void look_at(int i)
{
    char path[64];
    char line[128];
    const char *call = "";

    snprintf(path, sizeof(path), "/proc/%ld/syscall", processes[i].pid);
    FILE *f = fopen(path, "r");
    /* A zombie has the file, but there is nothing to be read from it. */
    if (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        char *end;
        long value = strtol(line, &end, 10);

        call = "runs";
        for (size_t k = 0; k < sizeof(calls) / sizeof(*calls); k++)
            if (end != line && calls[k].number == value)
                call = calls[k].name;
    }
    if (f != NULL)
        fclose(f);
    process_changed(i, call, now_ms());
}

/* Finds new children of the server, then looks at every process. */
static void look(void)
{
    char path[64];
    long pid;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)server,
             (int)server);
    FILE *f = fopen(path, "r");
    while (f != NULL && fscanf(f, "%ld", &pid) == 1) {
        int i = 0;
        while (i < n_processes && processes[i].pid != pid)
            i++;
        if (i == n_processes && n_processes < MAX_PROCESSES)
            processes[n_processes++].pid = pid;
    }
    if (f != NULL)
        fclose(f);
    for (int i = 0; i < n_processes; i++)
        look_at(i);
}

static void tell(const struct client *c, const char *event)
{
    printf("client\t%d\t%s\t%.3f\n", (int)(c - clients) + 1, event, now_ms());
}

static void client_connect(struct client *c, int port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};

    addr.sin_port = htons((unsigned short)port);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    tell(c, "connect");
    if (c->fd == -1 ||
        connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) == -1)
        die_errno("connect");
    c->connected = true;
    /* The first thinks before it talks, the others after. */
    if (c == clients)
        c->at += c->think;
}

/* Connects, sends or closes, whatever is next for c. */
static void client_act(struct client *c, int port)
{
    if (!c->connected) {
        client_connect(c, port);
        return;
    }
    if (c->messages_left == 0) {
        tell(c, "close");
        close(c->fd);
        c->fd = -1;
        return;
    }
    c->messages_left--;
    c->waits = true;
    tell(c, "send");
    if (write(c->fd, "hello", 5) != 5)
        die_errno("write");
}

static void client_answered(struct client *c)
{
    char buf[8];

    if (read(c->fd, buf, sizeof(buf)) != 5 || memcmp(buf, "hello", 5) != 0)
        die("not the answer");
    tell(c, "answer");
    c->waits = false;
    c->at = now_ms() + c->think;
    if (c == clients)
        c->at = now_ms() + 60;
}

static bool client_turn(struct client *c, int port)
{
    struct pollfd ready = {.fd = c->fd, .events = POLLIN};

    if (c->fd == -1)
        return false;
    if (c->waits && poll(&ready, 1, 0) == 1)
        client_answered(c);
    else if (!c->waits && now_ms() >= c->at)
        client_act(c, port);
    return true;
}

int main(int argc, char *argv[])
{
    double looked = -1;
    bool busy = true;

    if (argc != 2) {
        fprintf(stderr, "usage: timeline SERVER\n");
        exit(2);
    }
    int port = start(argv[1]);
    processes[n_processes++].pid = server;
    began = now_ms();
    look();
    while (busy) {
        busy = false;
        for (int i = 0; i < N_CLIENTS; i++)
            busy |= client_turn(&clients[i], port);
        if (now_ms() > DEADLINE_MS)
            die("not done within %d ms", DEADLINE_MS);
        if (now_ms() - looked >= 1) {
            looked = now_ms();
            look();
        }
        usleep(20);
    }
    usleep(20000);
    look();
    for (int i = 0; i < n_processes; i++)
        process_changed(i, "", now_ms());
}
