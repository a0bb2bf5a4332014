/*
 * program.h -- what server and client need around the loop
 */
#ifndef PROGRAM_H
#define PROGRAM_H

/* The command line: [-w WORKERS] [-t IDLE_SECONDS] [-h] [HOST [PORT]] */
struct options {
    const char *host;
    const char *port;
    int n_workers; /* -w: 0 if it is not there */
    int idle_ms; /* -t, as milliseconds: 0 if it is not there */
};

/*
 * Reads the command line. allowed has the letters, as for getopt(3). Exits
 * with 2, after the reason and usage on stderr, if something is wrong with
 * it; with 0 and usage on stdout after -h.
 */
struct options program_options(int argc, char *argv[], const char *allowed,
                               const char *usage);

/*
 * To be called before the first socket is made. Ignores SIGPIPE (signal(7)),
 * sees to it that no socket becomes descriptor 0, 1 or 2, and takes as many
 * descriptors as are allowed (getrlimit(2)).
 */
void program_prepare(void);

/* Tells of trouble that the program survives, on stderr: at most once a
   second in each process, and not at all while nobody reads that. Never
   waits. */
void program_report(const char *what, const char *why);

#endif
