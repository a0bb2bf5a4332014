/*
 * workers.h -- a parent process that keeps a number of workers running
 */
#ifndef WORKERS_H
#define WORKERS_H

#include "loop.h"

/*
 * What a worker does; it exits with the result. It makes a loop of its own.
 * stop_fd becomes readable (EOF) when the worker should end, because the
 * parent stops or has died. arg is that of workers_run.
 */
typedef int worker_main(int stop_fd, void *arg);

/*
 * Forks count workers, and a new one for each that ends: at once, or a second
 * later if that one had run for less than a second; the same when fork(2)
 * fails. Calls on_start(arg) once all have been forked. At the first SIGINT or
 * SIGTERM, calls on_stop(arg) and asks the workers to end; a second and a half
 * later, or at the second signal, kills those that haven't (SIGKILL). Returns
 * the exit status when all have ended: 0, or 1 if any had to be killed. Flush
 * stdio's streams before, or each worker prints again what they hold.
 */
int workers_run(int count, worker_main *work, loop_cb *on_start,
                loop_cb *on_stop, void *arg);

#endif
