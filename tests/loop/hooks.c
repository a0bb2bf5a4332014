/*
 * hooks.c -- see hooks.h
 */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
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
int hook_unsent = -1;
struct addrinfo *hook_addrs;
int hook_gai_error;
int hook_gai_flags;

static int64_t jumped_ms; /* since the virtual clock was switched on */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
int __real_ioctl(int fd, unsigned long op, int *value);
int __wrap_ioctl(int fd, unsigned long op, int *value);
int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __real_epoll_wait(int fd, struct epoll_event *events, int max, int ms);
int __real_epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event);
int __real_poll(struct pollfd *fds, nfds_t n, int ms);
ssize_t __real_read(int fd, void *buf, size_t n);
ssize_t __real_write(int fd, const void *buf, size_t n);
int __real_getaddrinfo(const char *host, const char *port,
                       const struct addrinfo *hints, struct addrinfo **list);
void __real_freeaddrinfo(struct addrinfo *list);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);
void *__real_memcpy(void *to, const void *from, size_t n);
void *__real_memmove(void *to, const void *from, size_t n);
void *__wrap_memcpy(void *to, const void *from, size_t n);
void *__wrap_memmove(void *to, const void *from, size_t n);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int ms);
int __wrap_epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event);
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms);
ssize_t __wrap_read(int fd, void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n);
int __wrap_getaddrinfo(const char *host, const char *port,
                       const struct addrinfo *hints, struct addrinfo **list);
void __wrap_freeaddrinfo(struct addrinfo *list);

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

void *__wrap_malloc(size_t n)
{
    return alloc_fails() ? NULL : counted(__real_malloc(n));
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
    void *q = __real_realloc(p, n);
    hook_n_moved += before;
    if (q != NULL)
        hook_bytes -= before;
    return counted(q);
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
        hook_n_wall_clock++;
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

static int waited(int n_ready, int ms)
{
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

int __wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
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
    return __real_read(fd, buf, n);
}

ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
    hook_n_writes++;
    return __real_write(fd, buf, n);
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
    if (hook_addrs == NULL)
        return __real_getaddrinfo(host, port, hints, list);
    *list = hook_addrs;
    return 0;
}

void __wrap_freeaddrinfo(struct addrinfo *list)
{
    if (list != hook_addrs)
        __real_freeaddrinfo(list);
}
