/*
 * workers.h -- a process that keeps a number of worker processes running
 */
#ifndef WORKERS_H
#define WORKERS_H

#include "loop.h"

struct workers;

/*
 * What a worker does; it exits with the result. It makes a loop of its own.
 * stop_fd becomes readable (EOF) when it should end: workers_stop was called,
 * or the parent has died.
 */
typedef int worker_main(int stop_fd, void *arg);

/* Told what went wrong, and why. */
typedef void worker_report(const char *what, const char *why);

/*
 * Forks count workers, and a new one for each that ends, at once or, when
 * that one had run for less than a second, a second later; the same when
 * fork(2) fails. Uses SIGCHLD, and keeps the loop running until the last one
 * has ended after workers_stop; it is freed at the end of that iteration. The
 * caller has flushed what it would not have written by each worker again
 * (stdio). NULL with errno: ENOMEM, EMFILE, ENFILE.
 */
struct workers *workers_start(struct loop *loop, int count, worker_main *work,
                              void *arg, worker_report *report);

/* Asks them to end; when called again, ends them now (SIGKILL). */
void workers_stop(struct workers *w);

#endif
