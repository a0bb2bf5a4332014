/*
 * workers.c -- a parent and its workers: see workers.h for what is promised
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"
#include "workers.h"

#define RESTART_MS 1000 /* before a worker is replaced that died at once */
#define STOP_MS 1500 /* for the workers to end */

struct worker {
    struct workers *all;
    pid_t pid; /* 0: none runs */
    int64_t started;
    struct loop_timer restart;
};

/* Each worker holds fds[1], the parent both ends. When the parent shuts down
   fds[0] or dies, workers read EOF. When the parent has closed its fds[1] and
   all workers have ended, the parent does. */
struct workers {
    struct loop *loop;
    worker_main *work;
    loop_cb *on_stop;
    void *arg;
    struct loop_timer deadline;
    bool stopping;
    bool killed;
    int fds[2];
    int count;
    struct worker *worker;
};

/* Forks and, in the child, calls loop_free. Signals are blocked meanwhile, as
   handlers of the parent's loop would lose what is meant for the child. */
static pid_t fork_without(struct loop *loop)
{
    sigset_t all, former;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &former);
    pid_t pid = fork();
    int saved_errno = errno;
    if (pid == 0)
        loop_free(loop);
    sigprocmask(SIG_SETMASK, &former, NULL);
    errno = saved_errno;
    return pid;
}

static void worker_start(void *arg)
{
    struct worker *one = arg;
    struct workers *w = one->all;

    one->started = loop_now(w->loop);
    pid_t pid = fork_without(w->loop);
    if (pid == -1) {
        program_log("fork", strerror(errno));
        loop_timer_start(w->loop, &one->restart, RESTART_MS, 0);
    } else if (pid == 0) {
        close(w->fds[0]);
        exit(w->work(w->fds[1], w->arg));
    } else {
        one->pid = pid;
    }
}

static void worker_ended(struct worker *one)
{
    struct workers *w = one->all;

    one->pid = 0;
    if (w->stopping)
        return;
    program_log("worker", "ended, will be replaced");
    if (loop_now(w->loop) - one->started >= RESTART_MS)
        worker_start(one);
    else
        loop_timer_start(w->loop, &one->restart, RESTART_MS, 0);
}

/* SIGCHLDs merge: one may stand for several workers, so ask for each. */
static void on_child(void *arg)
{
    struct workers *w = arg;

    for (int i = 0; i < w->count; i++) {
        pid_t pid = w->worker[i].pid;
        if (pid > 0 && waitpid(pid, NULL, WNOHANG) == pid)
            worker_ended(&w->worker[i]);
    }
}

static void kill_all(void *arg)
{
    struct workers *w = arg;

    for (int i = 0; i < w->count; i++) {
        if (w->worker[i].pid <= 0)
            continue;
        program_log("worker", "hasn't ended, is killed");
        kill(w->worker[i].pid, SIGKILL);
        w->killed = true;
    }
}

static void on_signal(void *arg)
{
    struct workers *w = arg;

    if (w->stopping) {
        kill_all(w);
        return;
    }
    w->stopping = true;
    w->on_stop(w->arg);
    for (int i = 0; i < w->count; i++)
        loop_timer_stop(w->loop, &w->worker[i].restart);
    loop_timer_start(w->loop, &w->deadline, STOP_MS, 0);
    close(w->fds[1]);
    shutdown(w->fds[0], SHUT_WR);
}

/* EOF: no worker holds the other end anymore. One that hasn't been waited for
   is about to exit. */
static void on_all_ended(void *arg)
{
    struct workers *w = arg;

    loop_unwatch(w->loop, w->fds[0]);
    loop_timer_stop(w->loop, &w->deadline);
    for (int i = 0; i < w->count; i++) {
        if (w->worker[i].pid > 0)
            waitpid(w->worker[i].pid, NULL, 0);
        w->worker[i].pid = 0;
    }
}

int workers_run(int count, worker_main *work, loop_cb *on_start,
                loop_cb *on_stop, void *arg)
{
    struct workers w = {.work = work,
                        .on_stop = on_stop,
                        .arg = arg,
                        .deadline = {.cb = kill_all, .arg = &w},
                        .count = count};

    w.loop = program_loop(on_signal, &w);
    w.worker = calloc(count, sizeof(w.worker[0]));
    if (w.worker == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, w.fds) == -1 ||
        loop_watch(w.loop, w.fds[0], on_all_ended, NULL, &w) == -1 ||
        loop_signal(w.loop, SIGCHLD, on_child, &w) == -1)
        program_die("workers", strerror(errno));
    for (int i = 0; i < count; i++) {
        w.worker[i].all = &w;
        w.worker[i].restart.cb = worker_start;
        w.worker[i].restart.arg = &w.worker[i];
        worker_start(&w.worker[i]);
    }
    on_start(arg);
    program_run(w.loop);
    loop_free(w.loop);
    free(w.worker);
    return w.killed ? 1 : 0;
}
