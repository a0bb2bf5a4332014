/*
 * workers.h -- a parent process that keeps a number of workers running
 */
#ifndef WORKERS_H
#define WORKERS_H

#include "loop.h"

struct workers;

/*
 * What a worker does; it exits with the result. It makes a loop of its own.
 * stop_fd becomes readable (EOF) when the worker should end, because of
 * workers_stop or because the parent has died. arg is as given to
 * workers_start.
 */
typedef int worker_main(int stop_fd, void *arg);

/* Told what went wrong, and why. */
typedef void worker_log(const char *what, const char *why);

/*
 * Forks count workers, and a new one for each that ends: at once, or a second
 * later if that one had run for less than a second; the same when fork(2)
 * fails. Uses SIGCHLD, and keeps the loop running until, after workers_stop,
 * the last worker has ended. Flush stdio's streams before, or each worker
 * prints again what they hold. Returns NULL with ENOMEM, EMFILE or ENFILE.
 */
struct workers *workers_start(struct loop *loop, int count, worker_main *work,
                              void *arg, worker_log *log);

/* Asks the workers to end; those that haven't after a second and a half are
   killed (SIGKILL). The second call kills them now. */
void workers_stop(struct workers *w);

/* After loop_run: waits for the workers, which have all ended, and frees w.
   Returns false if any of them had to be killed. */
bool workers_free(struct workers *w);

#endif
