/*
 * hooks.h -- what the tests of loop.c and net.c put in place of libc
 *
 * The linker's --wrap leads calls of the stage to hooks.c. Everything is off
 * at the start.
 */
#ifndef HOOKS_H
#define HOOKS_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Ends the test, which fails, and tells the place, unless x is true. */
#define CHECK(x) \
    do { \
        if (!(x)) { \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #x); \
            _exit(1); \
        } \
    } while (0)

/* A test, and the promise that it is about. */
struct test {
    const char *group;
    const char *name;
    const char *promise;
    const char *file; /* where the promise is */
    void (*run)(void);
    struct test *next;
};

void test_add(struct test *t);

/* TEST(group, name, "promise") { … } is a test. The promise is quoted from
   PROMISED_IN, a header of the stage, word for word: see tests/loop/promises.
   Each test runs in a process of its own. */
#define TEST(group_, name_, promise_) \
    static void test_##name_(void); \
    __attribute__((constructor)) static void add_##name_(void) \
    { \
        static struct test t = {.group = #group_, \
                                .name = #name_, \
                                .promise = (promise_), \
                                .file = PROMISED_IN, \
                                .run = test_##name_}; \
        test_add(&t); \
    } \
    static void test_##name_(void)

/* Fails the nth allocation from now on, and only that; 0: none. What is
   allocated holds no zeroes by chance. */
extern long hook_fail_alloc;
/* Allocations made, and bytes that are allocated now. */
extern long hook_n_allocs;
extern long hook_bytes;

/* The clock stands, and jumps in place of every wait in which nothing is
   ready. */
extern bool hook_virtual_time;
/* The virtual clock goes on, as if somebody had been busy. */
void hook_pass_ms(int64_t ms);
/* Monotonic milliseconds, virtual or not, without the loop's caching. */
int64_t hook_clock_ms(void);
/* Readings of any clock but CLOCK_MONOTONIC, and how far ahead those are. */
extern long hook_n_wall_clock;
extern long hook_wall_jump_s;

/* Waits so far, the timeout of the last, and what is called before one. */
extern long hook_n_waits;
extern int hook_last_timeout;
extern void (*hook_before_wait)(void);
/* The next wait fails with this errno, and only that one; 0: none. */
extern int hook_wait_error;

/* These fail so many times from now on, with this errno. */
struct hook_failure {
    int times;
    int error;
};
extern struct hook_failure hook_accept_fails;
extern struct hook_failure hook_connect_fails;
extern struct hook_failure hook_read_fails;
extern struct hook_failure hook_write_fails;
extern struct hook_failure hook_fork_fails;
extern struct hook_failure hook_getpeername_fails;
extern struct hook_failure hook_fcntl_fails;

/* When fork was called, and what is called in the child. */
extern int64_t hook_fork_ms[16];
extern int hook_n_forks;
extern void (*hook_in_child)(void);

/* Calls so far. */
extern long hook_n_reads;
extern long hook_n_writes;
extern long hook_n_epoll_ctls;
/* Bytes that memcpy, memmove and realloc have moved. */
extern long hook_n_moved;

/* A write takes so many bytes at most; 0: as many as the kernel takes. */
extern size_t hook_most_written;

/* What the kernel says that it still has to send; -1: ask it. */
extern int hook_unsent;

/* What getaddrinfo gives, if not NULL: that list, which is not freed. If
   hook_gai_error is not 0, it fails with that. */
extern struct addrinfo *hook_addrs;
extern int hook_gai_error;
/* The flags that it was last called with. */
extern int hook_gai_flags;
/* Lists of getaddrinfo's that haven't been freed. */
extern int hook_n_addrs;

#endif
