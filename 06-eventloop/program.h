/*
 * program.h -- what server and client need around the loop
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "loop.h"

/* The command line: [-w WORKERS] [-t IDLE_SECONDS] [-h] [HOST [PORT]] */
struct options {
    const char *host;
    const char *port;
    int n_workers; /* -w: 0 if it isn't there */
    int idle_ms; /* -t, as milliseconds: 0 if it isn't there */
};

/*
 * Reads the command line. allowed holds the letters, as for getopt(3). If
 * something is wrong, prints the reason and usage on stderr and exits with 2;
 * after -h, prints usage on stdout and exits with 0.
 */
struct options program_options(int argc, char *argv[], const char *allowed,
                               const char *usage);

/*
 * Call this before the first socket is made. Ignores SIGPIPE and unblocks all
 * signals (signal(7)), makes sure that no socket becomes descriptor 0, 1 or 2,
 * and raises the file descriptor limit as far as allowed (getrlimit(2)).
 */
void program_prepare(void);

/*
 * Logs a non-fatal error on stderr as "what: why", at most once a second for
 * each such line in each process. Never blocks: while nobody reads stderr, the
 * line is dropped.
 */
void program_log(const char *what, const char *why);

/* Prints "what: why" on stderr and exits with 1. */
_Noreturn void program_die(const char *what, const char *why);

/* Returns a loop that calls on_signal(arg) at SIGINT and SIGTERM. Exits if it
   can't. */
struct loop *program_loop(loop_cb *on_signal, void *arg);

/* Runs the loop. If a wait fails for lack of memory, logs it, pauses briefly,
   and carries on. Exits at any other error. */
void program_run(struct loop *loop);

#endif
