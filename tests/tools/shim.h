/*
 * shim.h -- what the fault shim counts, shared with the programs that read it
 *
 * SHIM_COUNT=FILE names a file that shim.so maps and shares with its forked
 * children: it is right at any moment, also after SIGKILL.
 */
#ifndef SHIM_H
#define SHIM_H

#include <stdint.h>

/* name, errno of AUTO: the likeliest error of that call */
#define SHIM_KINDS(X) \
    X(accept, EMFILE) \
    X(bind, EACCES) \
    X(connect, ECONNREFUSED) \
    X(epoll_create, EMFILE) \
    X(epoll_ctl, ENOMEM) \
    X(fcntl, EINTR) \
    X(fork, EAGAIN) \
    X(getaddrinfo, EMFILE) \
    X(getsockname, ENOBUFS) \
    X(listen, EADDRINUSE) \
    X(malloc, ENOMEM) \
    X(pipe, EMFILE) \
    X(read, ECONNRESET) \
    X(setsockopt, ENOMEM) \
    X(shutdown, ENOTCONN) \
    X(sigaction, EINVAL) \
    X(socket, EMFILE) \
    X(wait, EINTR) \
    X(write, EPIPE)

/* Faults that aren't failed calls, and have no errno of their own. */
#define SHIM_FAULTS(X) \
    X(short_read) \
    X(short_write) \
    X(eintr) \
    X(eagain) \
    X(spurious) \
    X(steal) \
    X(delay) \
    X(signal) \
    X(clock)

#define SHIM_ENUM_KIND(name, err) K_##name,
#define SHIM_ENUM_FAULT(name) F_##name,

enum shim_kind { SHIM_KINDS(SHIM_ENUM_KIND) K_any };

enum shim_fault {
    F_first = K_any, /* "any" itself */
    SHIM_FAULTS(SHIM_ENUM_FAULT) SHIM_N_COUNTS
};

#define SHIM_NAME_OF_KIND(name, err) #name,
#define SHIM_NAME_OF_FAULT(name) #name,
#define SHIM_NAMES \
    SHIM_KINDS(SHIM_NAME_OF_KIND) "any", SHIM_FAULTS(SHIM_NAME_OF_FAULT)

struct shim_counts {
    uint64_t calls[SHIM_N_COUNTS];
    uint64_t faults[SHIM_N_COUNTS];
};

#endif
