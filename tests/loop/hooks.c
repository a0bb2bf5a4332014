/*
 * hooks.c -- see hooks.h
 */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "hooks.h"

long hook_fail_alloc;
long hook_n_allocs;
long hook_bytes;
bool hook_virtual_time;
long hook_n_wall_clock;
long hook_wall_jump_s;
long hook_n_waits;
int hook_last_timeout;
void (*hook_before_wait)(void);
int hook_wait_error;
long hook_n_reads;
long hook_n_writes;
long hook_n_epoll_ctls;
long hook_n_moved;
size_t hook_most_written;
int hook_unsent = -1;
struct addrinfo *hook_addrs;
int hook_gai_error;
int hook_gai_flags;
int hook_n_addrs;
struct hook_failure hook_accept_fails;
struct hook_failure hook_connect_fails;
struct hook_failure hook_read_fails;
struct hook_failure hook_write_fails;
struct hook_failure hook_fork_fails;
struct hook_failure hook_getpeername_fails;
struct hook_failure hook_fcntl_fails;
int64_t hook_fork_ms[16];
int hook_n_forks;
void (*hook_in_child)(void);

static int64_t jumped_ms; /* since the virtual clock was switched on */

/* Declares libc's own function, and what stands in for it. */
#define HOOKED(result, name, ...) \
    result __real_##name(__VA_ARGS__); \
    result __wrap_##name(__VA_ARGS__)

HOOKED(void *, malloc, size_t n);
HOOKED(void *, calloc, size_t n, size_t size);
HOOKED(void *, realloc, void *p, size_t n);
HOOKED(void, free, void *p);
HOOKED(void *, memcpy, void *to, const void *from, size_t n);
HOOKED(void *, memmove, void *to, const void *from, size_t n);
HOOKED(int, clock_gettime, clockid_t id, struct timespec *ts);
HOOKED(int, nanosleep, const struct timespec *ts, struct timespec *left);
HOOKED(int, epoll_wait, int fd, struct epoll_event *events, int max, int ms);
HOOKED(int, epoll_ctl, int epoll_fd, int op, int fd, struct epoll_event *e);
HOOKED(int, poll, struct pollfd *fds, nfds_t n, int ms);
HOOKED(ssize_t, read, int fd, void *buf, size_t n);
HOOKED(int, close, int fd);
HOOKED(ssize_t, write, int fd, const void *buf, size_t n);
HOOKED(int, ioctl, int fd, unsigned long op, int *value);
HOOKED(int, fcntl, int fd, int op, long value);
HOOKED(pid_t, fork, void);
HOOKED(int, accept4, int fd, struct sockaddr *addr, socklen_t *len, int flags);
HOOKED(int, connect, int fd, const struct sockaddr *addr, socklen_t len);
HOOKED(int, getpeername, int fd, struct sockaddr *addr, socklen_t *len);
HOOKED(int, getaddrinfo, const char *host, const char *port,
       const struct addrinfo *hints, struct addrinfo **list);
HOOKED(void, freeaddrinfo, struct addrinfo *list);

static bool fails(struct hook_failure *f)
{
    if (f->times == 0)
        return false;
    f->times--;
    errno = f->error;
    return true;
}

static bool alloc_fails(void)
{
    hook_n_allocs++;
    if (hook_fail_alloc == 0 || --hook_fail_alloc > 0)
        return false;
    errno = ENOMEM;
    return true;
}

static void *counted(void *p)
{
    if (p != NULL)
        hook_bytes += malloc_usable_size(p);
    return p;
}

static void *poisoned(void *p, size_t from, size_t n)
{
    if (p != NULL && n > from)
        memset((char *)p + from, 0xA5, n - from);
    return p;
}

void *__wrap_malloc(size_t n)
{
    return alloc_fails() ? NULL : poisoned(counted(__real_malloc(n)), 0, n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return alloc_fails() ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t n)
{
    if (alloc_fails())
        return NULL;
    long before = p != NULL ? malloc_usable_size(p) : 0;
    void *q = counted(__real_realloc(p, n));
    hook_n_moved += before;
    if (q != NULL)
        hook_bytes -= before;
    return q;
}

void __wrap_free(void *p)
{
    if (p != NULL)
        hook_bytes -= malloc_usable_size(p);
    __real_free(p);
}

void *__wrap_memcpy(void *to, const void *from, size_t n)
{
    hook_n_moved += n;
    return __real_memcpy(to, from, n);
}

void *__wrap_memmove(void *to, const void *from, size_t n)
{
    hook_n_moved += n;
    return __real_memmove(to, from, n);
}

static int64_t clock_ns(void)
{
    static int64_t frozen_ns;
    struct timespec ts;

    __real_clock_gettime(CLOCK_MONOTONIC, &ts);
    int64_t ns = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
    if (!hook_virtual_time)
        return ns;
    if (frozen_ns == 0)
        frozen_ns = ns;
    return frozen_ns + jumped_ms * 1000000;
}

void hook_pass_ms(int64_t ms)
{
    jumped_ms += ms;
}

int64_t hook_clock_ms(void)
{
    return clock_ns() / 1000000;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
    if (id != CLOCK_MONOTONIC) {
        CHECK(++hook_n_wall_clock < 10000);
        int result = __real_clock_gettime(id, ts);
        ts->tv_sec += hook_wall_jump_s;
        return result;
    }
    int64_t ns = clock_ns();
    ts->tv_sec = ns / 1000000000;
    ts->tv_nsec = ns % 1000000000;
    return 0;
}

/* Before a wait. Returns how long it may really be. */
static int waits(int ms)
{
    hook_n_waits++;
    hook_last_timeout = ms;
    if (hook_before_wait != NULL)
        hook_before_wait();
    return hook_virtual_time && ms > 0 ? 0 : ms;
}

/* Returns true if this wait fails. */
static bool wait_fails(void)
{
    if (hook_wait_error == 0)
        return false;
    errno = hook_wait_error;
    hook_wait_error = 0;
    return true;
}

/* The virtual clock stands still in waits for 0 ms: no loop needs many. */
static int waited(int n_ready, int ms)
{
    static int n_spins;

    n_spins = hook_virtual_time && n_ready == 0 && ms == 0 ? n_spins + 1 : 0;
    CHECK(n_spins < 10000);
    if (hook_virtual_time && n_ready == 0 && ms > 0)
        jumped_ms += ms;
    return n_ready;
}

int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int ms)
{
    if (wait_fails())
        return -1;
    return waited(__real_epoll_wait(fd, events, max, waits(ms)), ms);
}

/* The log's poll, of stderr alone, is no wait of a loop's. */
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
    if (n == 1 && fds[0].fd == STDERR_FILENO)
        return __real_poll(fds, n, ms);
    if (wait_fails())
        return -1;
    return waited(__real_poll(fds, n, waits(ms)), ms);
}

int __wrap_epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
    hook_n_epoll_ctls++;
    return __real_epoll_ctl(epoll_fd, op, fd, event);
}

ssize_t __wrap_read(int fd, void *buf, size_t n)
{
    hook_n_reads++;
    return fails(&hook_read_fails) ? -1 : __real_read(fd, buf, n);
}

/* POSIX leaves open what errno is after a success. */
int __wrap_close(int fd)
{
    int result = __real_close(fd);

    if (result == 0)
        errno = EDOM;
    return result;
}

ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
    hook_n_writes++;
    if (hook_most_written != 0 && n > hook_most_written)
        n = hook_most_written;
    return fails(&hook_write_fails) ? -1 : __real_write(fd, buf, n);
}

int __wrap_ioctl(int fd, unsigned long op, int *value)
{
    if (hook_unsent == -1)
        return __real_ioctl(fd, op, value);
    *value = hook_unsent;
    return 0;
}

int __wrap_getaddrinfo(const char *host, const char *port,
                       const struct addrinfo *hints, struct addrinfo **list)
{
    hook_gai_flags = hints->ai_flags;
    if (hook_gai_error != 0)
        return hook_gai_error;
    if (alloc_fails())
        return EAI_MEMORY;
    *list = hook_addrs;
    int result = 0;
    if (hook_addrs == NULL)
        result = __real_getaddrinfo(host, port, hints, list);
    hook_n_addrs += result == 0;
    return result;
}

void __wrap_freeaddrinfo(struct addrinfo *list)
{
    hook_n_addrs--;
    if (list != hook_addrs)
        __real_freeaddrinfo(list);
}

int __wrap_nanosleep(const struct timespec *ts, struct timespec *left)
{
    if (!hook_virtual_time)
        return __real_nanosleep(ts, left);
    hook_pass_ms((int64_t)ts->tv_sec * 1000 + ts->tv_nsec / 1000000);
    return 0;
}

int __wrap_fcntl(int fd, int op, long value)
{
    return fails(&hook_fcntl_fails) ? -1 : __real_fcntl(fd, op, value);
}

pid_t __wrap_fork(void)
{
    if (hook_n_forks < 16)
        hook_fork_ms[hook_n_forks++] = hook_clock_ms();
    pid_t pid = fails(&hook_fork_fails) ? -1 : __real_fork();
    if (pid == 0 && hook_in_child != NULL)
        hook_in_child();
    return pid;
}

int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    return fails(&hook_accept_fails) ? -1
                                     : __real_accept4(fd, addr, len, flags);
}

int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    return fails(&hook_connect_fails) ? -1 : __real_connect(fd, addr, len);
}

int __wrap_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
    return fails(&hook_getpeername_fails) ? -1
                                          : __real_getpeername(fd, addr, len);
}
