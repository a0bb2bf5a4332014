/* common.h -- what the helper programs share */
#ifndef COMMON_H
#define COMMON_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Each program defines its name, for messages. */
extern const char tool[];

/* What die exits with: 1, unless the program says otherwise. */
extern int die_status;

/* Prints "TOOL: MESSAGE" on stderr and exits. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format,
                                                         ...);

/* The same for a call that has failed: "TOOL: CALL: what errno says". */
__attribute__((noreturn)) void die_errno(const char *call);

/* Returns the number in text, which may end in K, M or G. Exits with 2 unless
   it is from min to max. */
uint64_t number(const char *text, uint64_t min, uint64_t max);

int64_t now_us(void);

/* Returns after how many seconds without progress a program gives up: the
   environment's PATIENCE, or 10. */
int patience(void);

/* Compares two int64_t for qsort. */
int compare_times(const void *a, const void *b);

/* Returns a number that looks random and follows from x (SplitMix64). */
static inline uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* A stream's key determines the byte at each place, so that what comes back
   can be compared without keeping what was sent. */
void stream_fill(char *to, uint64_t key, uint64_t at, size_t n);

/* Returns how many of the n bytes, from the first one on, are the stream's. */
size_t stream_same(const char *from, uint64_t key, uint64_t at, size_t n);

/* Returns getaddrinfo's list, or exits. A HOST with a '/' in it is the path
   of a Unix-domain socket. */
struct addrinfo *resolve(const char *host, const char *port);

/* Makes the close of fd send RST instead of FIN. */
void reset_on_close(int fd);

/* Raises the limit of open files as far as it goes. Returns the new limit. */
uint64_t raise_descriptor_limit(void);

/* Does what pipe does, but exits if that fails, and spawned programs don't
   inherit the pipe. */
void open_pipe(int fds[2]);

/* Starts a command with these descriptors as stdin, stdout and stderr, and
   with SIGPIPE at its default. Returns its process id. */
pid_t spawn(char *argv[], int in, int out, int err, bool own_group);

#endif
