/*
 * demo -- one question to every stage: who is answered while another waits?
 *
 * usage: demo STAGE_DIR...
 *
 * Starts each stage's server and two of its clients. The first connects and
 * says nothing; the second says Hello. Prints a row for each stage: when the
 * second is answered, how many processes serve, what the server sleeps in.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#define STRIP 17 /* columns for a second */
#define HELLO "Hello, server!\n"
#define SILENCE_MS 1000 /* how long the first client stays silent */
#define DEADLINE_MS 5000
#define LOOK_MS 200 /* how long a server may take to go back to sleep */

/* A program that was started, with pipes to its stdin and from its output. */
struct job {
    pid_t pid;
    int in;
    int out;
};

static const char *bold = "";
static const char *dim = "";
static const char *red = "";
static const char *green = "";
static const char *plain = "";

static double now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Starts dir/program localhost port; read_fd says which output to keep. */
static struct job start(const char *dir, const char *program, const char *port,
                        int read_fd)
{
    char path[512];
    int in[2], out[2];
    struct job job;

    snprintf(path, sizeof(path), "%s/%s", dir, program);
    if (pipe(in) == -1 || pipe(out) == -1)
        die("pipe");
    fcntl(in[1], F_SETFD, FD_CLOEXEC);
    fcntl(out[0], F_SETFD, FD_CLOEXEC);
    job.pid = fork();
    if (job.pid == -1)
        die("fork");
    if (job.pid == 0) {
        int null_fd = open("/dev/null", O_WRONLY);

        signal(SIGPIPE, SIG_DFL);
        dup2(in[0], STDIN_FILENO);
        dup2(null_fd, STDERR_FILENO);
        dup2(out[1], read_fd);
        if (read_fd != STDOUT_FILENO)
            dup2(null_fd, STDOUT_FILENO);
        close(in[0]);
        close(out[1]);
        execl(path, program, "localhost", port, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    job.in = in[1];
    job.out = out[0];
    return job;
}

/* Ends the job and everything it opened. */
static void stop(struct job *job)
{
    kill(job->pid, SIGKILL);
    waitpid(job->pid, NULL, 0);
    close(job->in);
    close(job->out);
}

/* Reads a line into buf. False: none came within the time. */
static bool read_line(int fd, char *buf, size_t size, double deadline)
{
    size_t n = 0;

    while (n + 1 < size) {
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        double left = deadline - now_ms();

        if (left <= 0 || poll(&pfd, 1, (int)left + 1) != 1 ||
            read(fd, buf + n, 1) != 1)
            break;
        if (buf[n++] == '\n') {
            buf[n] = '\0';
            return true;
        }
    }
    return false;
}

/* The parent of process pid, or -1 where /proc does not tell. */
static pid_t parent_of(pid_t pid)
{
    char path[64], text[512];
    int parent = -1;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return -1;
    if (fgets(text, sizeof(text), f) != NULL) {
        char *after_name = strrchr(text, ')');
        if (after_name != NULL)
            sscanf(after_name + 1, " %*c %d", &parent);
    }
    fclose(f);
    return parent;
}

/* Counts pid and its children; *child is one of them or 0. */
static int count_processes(pid_t pid, pid_t *child)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    int count = 1;

    *child = 0;
    if (proc == NULL)
        return 0;
    while ((entry = readdir(proc)) != NULL) {
        pid_t other = (pid_t)atoi(entry->d_name);
        if (other > 0 && parent_of(other) == pid) {
            *child = other;
            count++;
        }
    }
    closedir(proc);
    return count;
}

/* The name of the system call that the process is in now, or "?". */
static const char *call_of(pid_t pid)
{
#ifdef __linux__
    static const struct {
        long number;
        const char *name;
    } calls[] = {
        {SYS_accept, "accept"},
        {SYS_accept4, "accept4"},
        {SYS_read, "read"},
        {SYS_pselect6, "select"},
        {SYS_ppoll, "poll"},
        {SYS_epoll_pwait, "epoll_wait"},
#ifdef SYS_select
        {SYS_select, "select"},
        {SYS_poll, "poll"},
        {SYS_epoll_wait, "epoll_wait"},
#endif
    };
    char path[64];
    long number = -1;

    snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return "?";
    if (fscanf(f, "%ld", &number) != 1)
        number = -1;
    fclose(f);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (calls[i].number == number)
            return calls[i].name;
#else
    (void)pid;
#endif
    return "?";
}

/* The same once it sleeps: it may still be on its way to the next call. */
static const char *sleeps_in(pid_t pid)
{
    const char *call = call_of(pid);

    for (int ms = 0; strcmp(call, "?") == 0 && ms < LOOK_MS; ms++) {
        poll(NULL, 0, 1);
        call = call_of(pid);
    }
    return call;
}

/* With the longest calls: 80 columns. */
static void print_row(const char *name, bool at_once, double ms,
                      int n_processes, const char *calls)
{
    char strip[STRIP + 1];
    int at = at_once ? 0 : STRIP - 1;

    memset(strip, ' ', STRIP);
    memset(strip, '-', at);
    strip[at] = '*';
    strip[STRIP] = '\0';
    printf(" %s%-13s%s |%s%s%s|%8.1f ms%7d     %s\n", bold, name, plain,
           at_once ? green : red, strip, plain, ms, n_processes, calls);
    fflush(stdout);
}

/* Asks the question of one stage and prints its row. False: it failed. */
static bool show_stage(const char *dir)
{
    const char *name = strrchr(dir, '/') ? strrchr(dir, '/') + 1 : dir;
    char line[256], calls[64];
    char server_path[512];
    pid_t child;

    snprintf(server_path, sizeof(server_path), "%s/server", dir);
    if (access(server_path, X_OK) == -1) {
        printf(" %-13s %snot built on this system%s\n", name, dim, plain);
        return true;
    }
    struct job server = start(dir, "server", "0", STDOUT_FILENO);
    if (!read_line(server.out, line, sizeof(line), now_ms() + DEADLINE_MS)) {
        fprintf(stderr,
                "demo: %s/server doesn't listen; start it to see why\n", dir);
        return false;
    }
    line[strcspn(line, "\n")] = '\0';
    const char *port = strrchr(line, ':') + 1;

    /* Each has connected when it says so, on its stderr. */
    struct job silent = start(dir, "client", port, STDERR_FILENO);
    bool connected =
        read_line(silent.out, line + 128, 128, now_ms() + DEADLINE_MS);
    struct job eager = start(dir, "client", port, STDOUT_FILENO);

    double asked = now_ms();
    if (write(eager.in, HELLO, strlen(HELLO)) == -1)
        die("write");
    bool at_once =
        read_line(eager.out, line, sizeof(line), asked + SILENCE_MS);
    double answered = now_ms();
    int n_processes = count_processes(server.pid, &child);
    snprintf(calls, sizeof(calls), "%s", sleeps_in(server.pid));
    if (child != 0)
        snprintf(calls, sizeof(calls), "%s; children: %s",
                 sleeps_in(server.pid), sleeps_in(child));
    stop(&silent);
    bool ok = at_once;
    if (!at_once) {
        ok = read_line(eager.out, line, sizeof(line), asked + DEADLINE_MS);
        answered = now_ms();
    }
    ok = ok && connected && strcmp(line, HELLO) == 0;
    stop(&eager);
    kill(server.pid, SIGKILL);
    stop(&server);

    print_row(name, at_once, answered - asked, n_processes, calls);
    if (!ok)
        fprintf(stderr, "demo: %s sent a wrong answer\n", name);
    return ok;
}

int main(int argc, char *argv[])
{
    bool ok = true;

    if (argc < 2) {
        fprintf(stderr, "usage: demo STAGE_DIR...\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL) {
        bold = "\033[1m";
        dim = "\033[2m";
        red = "\033[31m";
        green = "\033[32m";
        plain = "\033[0m";
    }
    printf(
        "\n Each server gets two clients. The first connects and stays silent"
        "\n for a second. The second connects and says \"Hello, server!\"."
        "\n\n %sWhen is the second one answered?%s"
        "\n\n %s%-13s |0 s           1 s|            processes"
        "  sleeps in%s\n",
        bold, plain, dim, "stage", plain);
    for (int i = 1; i < argc; i++)
        ok = show_stage(argv[i]) && ok;
    printf("\n 01 blocks on the silent client, so nobody else is served."
           " 02 gives each"
           "\n client a process of its own, which may block. From 03 on, one"
           " process serves"
           "\n all clients, and waits for all of them in a single call.\n"
           "\n Read on: docs/README.md      See one step: make diff-02"
           "      Test: make test\n\n");
    return ok ? 0 : 1;
}
