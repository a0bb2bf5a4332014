/*
 * calls -- LD_PRELOAD library: records a server's calls, for the exercises
 *
 * usage: LD_PRELOAD=calls.so CALLS=FILE ... PROGRAM
 *
 * CALLS=FILE       gets a line for each call: NAME FD RESULT [DETAIL]
 *                      wait -1 2        a wait reported 2 events
 *                      wait -1 2 51     the same of poll, for which the
 *                                       program wrote 51 elements since then
 *                      read 5 100 16384 100 bytes of at most 16384
 *                      write 5 -1 100   and accept, epoll_ctl, timer_settime
 *                      realloc 0 512    the size asked for
 *                      limit 5 0 2000   SO_RCVTIMEO or a timer, in ms; with -1
 *                                       for the descriptor, that of the
 *                                       epoll_wait that begins here
 * CALLS_SHORT=N    a read from a socket gets at most N bytes
 * CALLS_STOP=FILE  while it exists, raises SIGSTOP before each call that waits
 *                  for a child, a signal, an event or a time
 * CALLS_NO_THREAD=FILE  while it exists, pthread_create fails with EAGAIN
 * CALLS_HOLD=FILE  while it exists, writes to a non-blocking socket fail with
 *                  EAGAIN, after 5 ms, since the socket stays ready
 * CALLS_BAIT=1     every second time that poll finds one ready element, marks
 *                  another one in the middle and doesn't count it: a walk that
 *                  stops at the count never sees it
 * CALLS_NO_SHRINK=1  the first two reallocs to less than the last one fail
 *
 * strace wouldn't see what a program does between calls, such as how much it
 * writes into an array, and few containers allow it to trace.
 */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SEEN 0x4000 /* in events: poll has seen this; no kernel uses it */

/* The function that the program would have called without this. */
#define REAL(name) \
    __extension__({ \
        static __typeof__(&(name)) real_##name; \
        if (real_##name == NULL) \
            real_##name = (__typeof__(&(name)))dlsym(RTLD_NEXT, #name); \
        real_##name; \
    })

/* Records a call. Keeps errno, since signal handlers call this too. */
__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    int saved_errno = errno;
    const char *path = getenv("CALLS");
    char line[100];
    va_list args;

    if (path == NULL)
        return;
    va_start(args, format);
    int n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    long fd = syscall(SYS_openat, AT_FDCWD, path,
                      O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd == -1 || syscall(SYS_write, fd, line, (size_t)n) != n)
        abort();
    syscall(SYS_close, fd);
    errno = saved_errno;
}

static bool is_socket(int fd)
{
    int type;
    socklen_t len = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
}

/* Returns how many of n bytes a read may get. */
static size_t shortened(int fd, size_t n)
{
    const char *text = getenv("CALLS_SHORT");
    size_t most = text != NULL ? strtoul(text, NULL, 10) : n;

    return most < n && is_socket(fd) ? most : n;
}

/* True while the file exists that this variable names. */
static bool is_on(const char *name)
{
    const char *path = getenv(name);

    return path != NULL && access(path, F_OK) == 0;
}

static bool is_held(int fd)
{
    const struct timespec delay = {.tv_nsec = 5000000};

    if (!is_on("CALLS_HOLD") || !is_socket(fd) ||
        !(fcntl(fd, F_GETFL) & O_NONBLOCK))
        return false;
    REAL(nanosleep)(&delay, NULL);
    errno = EAGAIN;
    return true;
}

/* Stops the process where the last chance to see a signal is missed. */
static void stop_here(void)
{
    int saved_errno = errno;

    if (is_on("CALLS_STOP"))
        raise(SIGSTOP);
    errno = saved_errno;
}

ssize_t read(int fd, void *buf, size_t n)
{
    ssize_t result = REAL(read)(fd, buf, shortened(fd, n));

    note("read %d %zd %zu\n", fd, result, n);
    return result;
}

ssize_t recv(int fd, void *buf, size_t n, int flags)
{
    ssize_t result = REAL(recv)(fd, buf, shortened(fd, n), flags);

    note("read %d %zd %zu\n", fd, result, n);
    return result;
}

ssize_t write(int fd, const void *buf, size_t n)
{
    ssize_t result = is_held(fd) ? -1 : REAL(write)(fd, buf, n);

    note("write %d %zd %zu\n", fd, result, n);
    return result;
}

ssize_t send(int fd, const void *buf, size_t n, int flags)
{
    ssize_t result = is_held(fd) ? -1 : REAL(send)(fd, buf, n, flags);

    note("write %d %zd %zu\n", fd, result, n);
    return result;
}

int accept(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len)
{
    int result = REAL(accept)(fd, addr, len);

    note("accept %d %d\n", fd, result);
    return result;
}

int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len, int flags)
{
    int result = REAL(accept4)(fd, addr, len, flags);

    note("accept %d %d\n", fd, result);
    return result;
}

int epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
    int result = REAL(epoll_ctl)(epoll_fd, op, fd, event);

    note("epoll_ctl %d %d %d\n", fd, result, op);
    return result;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    int result = REAL(setsockopt)(fd, level, name, value, len);

    if (level == SOL_SOCKET && name == SO_RCVTIMEO) {
        const struct timeval *time = value;
        note("limit %d %d %lld\n", fd, result,
             time->tv_sec * 1000LL + time->tv_usec / 1000);
    }
    return result;
}

int pthread_create(pthread_t *restrict thread,
                   const pthread_attr_t *restrict attr, void *(*start)(void *),
                   void *restrict arg)
{
    int err = is_on("CALLS_NO_THREAD")
                  ? EAGAIN
                  : REAL(pthread_create)(thread, attr, start, arg);

    note("pthread_create 0 %d\n", err == 0 ? 0 : -1);
    return err;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *time,
                    struct itimerspec *old)
{
    int result = REAL(timerfd_settime)(fd, flags, time, old);

    note("timer_settime %d %d\n", fd, result);
    if (!(flags & TFD_TIMER_ABSTIME))
        note("limit %d %d %lld\n", fd, result,
             time->it_value.tv_sec * 1000LL +
                 time->it_value.tv_nsec / 1000000);
    return result;
}

void *realloc(void *p, size_t n)
{
    static size_t last;
    static int failures;

    note("realloc 0 %zu\n", n);
    if (n < last && getenv("CALLS_NO_SHRINK") != NULL && failures++ < 2) {
        errno = ENOMEM;
        return NULL;
    }
    last = n;
    return REAL(realloc)(p, n);
}

int select(int n, fd_set *restrict r, fd_set *restrict w, fd_set *restrict e,
           struct timeval *restrict timeout)
{
    stop_here();
    int result = REAL(select)(n, r, w, e, timeout);

    note("wait -1 %d\n", result);
    return result;
}

int epoll_wait(int epoll_fd, struct epoll_event *events, int max, int timeout)
{
    note("limit -1 0 %d\n", timeout);
    int result = REAL(epoll_wait)(epoll_fd, events, max, timeout);

    note("wait -1 %d\n", result);
    return result;
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
    static unsigned baits;
    nfds_t written = 0, bait = n;

    for (nfds_t i = 0; i < n; i++) {
        written += (fds[i].events & SEEN) == 0;
        fds[i].events &= ~SEEN;
    }
    stop_here();
    int result = REAL(poll)(fds, n, timeout);
    for (nfds_t i = 0; i < n; i++) {
        /* Not the listening socket, and in the middle. */
        if (i > 0 && i <= (n + 1) / 2 && fds[i].revents == 0 && fds[i].events)
            bait = i;
        fds[i].events |= SEEN;
    }
    if (getenv("CALLS_BAIT") != NULL && result == 1 && bait < n &&
        baits++ % 2 == 0)
        fds[bait].revents = POLLIN;
    note("wait -1 %d %zu\n", result, (size_t)written);
    return result;
}

/* With _FORTIFY_SOURCE the program calls these. */
ssize_t __read_chk(int fd, void *buf, size_t n, size_t size);
ssize_t __recv_chk(int fd, void *buf, size_t n, size_t size, int flags);
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size);

ssize_t __read_chk(int fd, void *buf, size_t n, size_t size)
{
    (void)size;
    return read(fd, buf, n);
}

ssize_t __recv_chk(int fd, void *buf, size_t n, size_t size, int flags)
{
    (void)size;
    return recv(fd, buf, n, flags);
}

int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size)
{
    (void)size;
    return poll(fds, n, timeout);
}

int pause(void)
{
    stop_here();
    return REAL(pause)();
}

int sigsuspend(const sigset_t *mask)
{
    stop_here();
    return REAL(sigsuspend)(mask);
}

pid_t waitpid(pid_t pid, int *status, int options)
{
    if (!(options & WNOHANG))
        stop_here();
    return REAL(waitpid)(pid, status, options);
}

pid_t wait(int *status)
{
    return waitpid(-1, status, 0);
}

int nanosleep(const struct timespec *time, struct timespec *left)
{
    stop_here();
    return REAL(nanosleep)(time, left);
}
