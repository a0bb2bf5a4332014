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

#include "workers.h"

#define PAUSE_MS 1000 /* before a worker is replaced that died at once */

struct worker {
    struct workers *all;
    pid_t pid; /* 0: none runs */
    int64_t started;
    int64_t timer; /* which will start it, 0: none */
};

/* Each worker holds fds[1], the parent both ends. When the parent closes or
   dies, workers read EOF from fds[1]; when all have ended, the parent does
   from fds[0]. */
struct workers {
    struct loop *loop;
    worker_main *work;
    void *arg;
    worker_report *report;
    struct loop_task free_task;
    bool stopping;
    int fds[2];
    int count;
    struct worker worker[];
};

/* Does fork(2) and, in the child, loop_free. Signals wait meanwhile: handlers
   of the parent's loop would lose what is meant for the child. */
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

static void worker_start(struct loop *loop, void *arg)
{
    struct worker *one = arg;
    struct workers *w = one->all;

    one->timer = 0;
    one->started = loop_now(loop);
    pid_t pid = fork_without(loop);
    if (pid == -1) {
        w->report("fork", strerror(errno));
        one->timer = loop_timer_start(loop, PAUSE_MS, 0, worker_start, one);
    } else if (pid == 0) {
        close(w->fds[0]);
        exit(w->work(w->fds[1], w->arg));
    } else {
        one->pid = pid;
    }
}

static void worker_ended(struct workers *w, struct worker *one)
{
    one->pid = 0;
    if (w->stopping)
        return;
    w->report("worker", "ended, will be replaced");
    if (loop_now(w->loop) - one->started >= PAUSE_MS)
        worker_start(w->loop, one);
    else
        one->timer = loop_timer_start(w->loop, PAUSE_MS, 0, worker_start, one);
}

/* SIGCHLDs merge: one may stand for several workers, so ask for each. */
static void on_child(struct loop *loop, int signo, void *arg)
{
    struct workers *w = arg;

    (void)loop;
    (void)signo;
    for (int i = 0; i < w->count; i++) {
        pid_t pid = w->worker[i].pid;
        if (pid > 0 && waitpid(pid, NULL, WNOHANG) == pid)
            worker_ended(w, &w->worker[i]);
    }
}

/* Who has not been waited for has closed its end, and so is about to exit. */
static void workers_free(struct loop *loop, void *arg)
{
    struct workers *w = arg;

    (void)loop;
    for (int i = 0; i < w->count; i++) {
        if (w->worker[i].pid > 0)
            waitpid(w->worker[i].pid, NULL, 0);
    }
    free(w);
}

/* EOF: nobody holds the other end any more. */
static void all_ended(struct loop *loop, int fd, int events, void *arg)
{
    struct workers *w = arg;

    (void)events;
    loop_unwatch(loop, fd);
    close(fd);
    loop_signal(loop, SIGCHLD, NULL, NULL);
    /* A signal of this iteration may still call workers_stop. */
    w->free_task.cb = workers_free;
    w->free_task.arg = w;
    loop_defer(loop, &w->free_task);
}

struct workers *workers_start(struct loop *loop, int count, worker_main *work,
                              void *arg, worker_report *report)
{
    struct workers *w = calloc(1, sizeof(*w) + count * sizeof(w->worker[0]));

    if (w == NULL)
        return NULL;
    w->loop = loop;
    w->work = work;
    w->arg = arg;
    w->report = report;
    w->count = count;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, w->fds) == -1) {
        free(w);
        return NULL;
    }
    if (loop_watch(loop, w->fds[0], LOOP_READ, all_ended, w) == -1 ||
        loop_signal(loop, SIGCHLD, on_child, w) == -1) {
        int saved_errno = errno;
        loop_unwatch(loop, w->fds[0]);
        close(w->fds[0]);
        close(w->fds[1]);
        free(w);
        errno = saved_errno;
        return NULL;
    }
    for (int i = 0; i < count; i++) {
        w->worker[i].all = w;
        worker_start(loop, &w->worker[i]);
    }
    return w;
}

void workers_stop(struct workers *w)
{
    for (int i = 0; i < w->count; i++) {
        loop_timer_stop(w->loop, w->worker[i].timer);
        if (w->stopping && w->worker[i].pid > 0)
            kill(w->worker[i].pid, SIGKILL);
    }
    if (!w->stopping) {
        close(w->fds[1]);
        shutdown(w->fds[0], SHUT_WR);
    }
    w->stopping = true;
}
