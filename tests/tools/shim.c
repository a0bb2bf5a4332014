/*
 * shim -- LD_PRELOAD library: makes system calls fail, as a seed decides
 *
 * usage: LD_PRELOAD=shim.so SHIM_SEED=7 SHIM_SHORT=30 ... PROGRAM
 *
 * SHIM_SEED=N         where the sequence starts (0)
 * SHIM_FIRST=N        index of the first accepted connection (0)
 * SHIM_SHORT=PERCENT  of reads and writes that are cut short
 * SHIM_EINTR=PERCENT  of reads, writes, accepts and waits: EINTR
 * SHIM_EAGAIN=PERCENT of reads, writes and accepts, on non-blocking fds only
 * SHIM_SPURIOUS=PERCENT  of waits that report an idle socket as readable
 * SHIM_ACCEPT_DELAY=MS   before every accept
 * SHIM_FAIL=RULE,...  RULE is KIND:ERRNO:WHICH. KIND is in shim.h, or "any";
 *                     ERRNO is a name, AUTO, or for accept STEAL: the
 *                     connection is gone before accept; WHICH is N, N+, or
 *                     N-M, from 1
 * SHIM_ADDRESS=1      getaddrinfo also returns ::1, as the first address
 * SHIM_SIGNAL_AT=NAME:N  raises the signal just before the Nth wait; 0: after
 *                     a call failed by a RULE, before the program sees errno
 * SHIM_CLOCK=SECONDS:MS  the wall clock jumps, MS after the start
 * SHIM_CLOCK_DELAY=MS before every reading of the monotonic clock
 * SHIM_COUNT=FILE     see shim.h; SHIM_LOG=FILE gets a line for each fault
 *
 * Each accepted connection, and each other descriptor, has its own sequence,
 * which the seed decides, and draws from it once a call. Connection I of
 * SHIM_SEED=S meets the same faults whatever the others do, and SHIM_FIRST=I
 * replays it as the first. The kernel's timing isn't replayed.
 *
 * The shim does nothing that no kernel does: EAGAIN on a blocking
 * descriptor, EINTR from connect, close or a regular file, readiness of
 * anything but a listening or connected socket, anything to descriptors that
 * are neither sockets nor a pipe on 0 or 1, a short write of up to PIPE_BUF
 * bytes to a pipe, anything to a socketpair, a failed epoll_ctl other than ADD
 * (the others need no memory), EAGAIN or a short transfer on an edge-triggered
 * descriptor without a new edge, and EAGAIN or a short read once the other end
 * has hung up (POLLHUP), since the rest can't be still on its way. Nothing
 * here allocates memory. It isn't for threads, whose faults can't be replayed.
 */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "common.h"
#include "shim.h"

#define MAX_FDS 65536
#define MAX_RULES 32
#define STEAL (-2) /* instead of an errno */
#define AUTO (-1)

/* The function that the program would have called without the shim. */
#define REAL(name) \
    __extension__({ \
        static __typeof__(&(name)) real_##name; \
        if (real_##name == NULL) \
            real_##name = (__typeof__(&(name)))dlsym(RTLD_NEXT, #name); \
        real_##name; \
    })

struct rule {
    int kind;
    int err;
    uint64_t from;
    uint64_t to;
};

struct fd_state {
    uint64_t stream; /* its sequence; 0: that of its number */
    uint64_t n_drawn;
    int epoll_fd; /* plus 1; 0: on no interest list */
    struct epoll_event interest;
};

static struct fd_state fd_states[MAX_FDS];
static int max_fd;
static struct rule rules[MAX_RULES];
static int n_rules;
static uint64_t seed, n_accepted, n_waits_drawn, n_forks;
static unsigned pct_short, pct_eintr, pct_eagain, pct_spurious;
static unsigned accept_delay_ms, clock_delay_ms;
static bool one_address_more;
static int signal_no;
static uint64_t signal_at;
static int64_t clock_jump_s, clock_after_ms, start_ms;
static struct shim_counts private_counts, *counts = &private_counts;
static int log_fd = -1;
static bool started;
static uintptr_t program_start, program_end;

static const char *const names[] = {SHIM_NAMES};

static const int auto_errors[] = {
#define ERRNO_OF_KIND(name, err) err,
    SHIM_KINDS(ERRNO_OF_KIND)};

static const struct {
    const char *name;
    int value;
} error_names[] = {
#define E(name) \
    { \
#name, name \
    }
    E(EACCES),     E(EADDRINUSE),   E(EADDRNOTAVAIL), E(EAFNOSUPPORT),
    E(EAGAIN),     E(EBADF),        E(ECONNABORTED),  E(ECONNREFUSED),
    E(ECONNRESET), E(EHOSTUNREACH), E(EINTR),         E(EINVAL),
    E(EIO),        E(EMFILE),       E(ENETDOWN),      E(ENETUNREACH),
    E(ENFILE),     E(ENOBUFS),      E(ENOMEM),        E(ENOSPC),
    E(ENOTCONN),   E(EPERM),        E(EPIPE),         E(EPROTO),
    E(ETIMEDOUT),  {"AUTO", AUTO},  {"STEAL", STEAL}, {"EHOSTDOWN", EHOSTDOWN},
};

static const struct {
    const char *name;
    int value;
} signal_names[] = {{"TERM", SIGTERM}, {"INT", SIGINT},   {"HUP", SIGHUP},
                    {"USR1", SIGUSR1}, {"CHLD", SIGCHLD}, {"CONT", SIGCONT}};

static int64_t monotonic_ms(void)
{
    struct timespec now;

    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* "pid kind fd number", in one write, with nothing of stdio. */
static void log_fault(int kind, int fd, uint64_t number)
{
    char line[80];
    size_t end = sizeof(line);
    uint64_t values[3] = {number, fd < 0 ? 0 : (uint64_t)fd,
                          (uint64_t)getpid()};

    line[--end] = '\n';
    for (int i = 0; i < 3; i++) {
        do
            line[--end] = '0' + values[i] % 10;
        while ((values[i] /= 10) != 0);
        line[--end] = ' ';
        if (i == 1) {
            size_t n = strlen(names[kind]);
            end -= n;
            memcpy(line + end, names[kind], n);
            line[--end] = ' ';
        }
    }
    syscall(SYS_write, log_fd, line + end + 1, sizeof(line) - end - 1);
}

static void injected(int kind, int fd)
{
    uint64_t n = __atomic_add_fetch(&counts->faults[kind], 1, 0);

    if (log_fd != -1)
        log_fault(kind, fd, n);
}

static uint64_t to_number(const char *text, const char **end)
{
    uint64_t n = 0;

    while (*text >= '0' && *text <= '9')
        n = n * 10 + (uint64_t)(*text++ - '0');
    if (end != NULL)
        *end = text;
    return n;
}

static uint64_t from_env(const char *name)
{
    const char *text = getenv(name);

    return text == NULL ? 0 : to_number(text, NULL);
}

/* With a typing error in a rule, no test must pass. */
static void refuse(const char *text)
{
    static const char what[] = "shim: cannot understand ";

    syscall(SYS_write, 2, what, sizeof(what) - 1);
    syscall(SYS_write, 2, text, strlen(text));
    syscall(SYS_write, 2, "\n", 1);
    _exit(99);
}

static bool same(const char *name, const char *text, size_t n)
{
    return strlen(name) == n && memcmp(name, text, n) == 0;
}

static void parse_rules(const char *text)
{
    const char *at = text;

    while (*at != '\0') {
        struct rule r = {.kind = -1, .err = 0};
        size_t n = strcspn(at, ":");
        for (int i = 0; i <= K_any; i++)
            if (same(names[i], at, n))
                r.kind = i;
        at += n + (at[n] == ':');
        n = strcspn(at, ":");
        for (size_t i = 0; i < sizeof(error_names) / sizeof(*error_names); i++)
            if (same(error_names[i].name, at, n))
                r.err = error_names[i].value;
        at += n + (at[n] == ':');
        r.from = r.to = to_number(at, &at);
        if (*at == '+') {
            r.to = UINT64_MAX;
            at++;
        } else if (*at == '-') {
            r.to = to_number(at + 1, &at);
        }
        if (r.kind == -1 || r.err == 0 || r.from == 0 || n_rules == MAX_RULES)
            refuse(text);
        if (*at == ',')
            at++;
        else if (*at != '\0')
            refuse(text);
        rules[n_rules++] = r;
    }
}

static void parse_signal(const char *text)
{
    size_t n = strcspn(text, ":");

    for (size_t i = 0; i < sizeof(signal_names) / sizeof(*signal_names); i++)
        if (same(signal_names[i].name, text, n))
            signal_no = signal_names[i].value;
    if (signal_no == 0 || text[n] != ':')
        refuse(text);
    signal_at = to_number(text + n + 1, NULL);
}

static void map_counts(const char *path)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path,
                          O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    if (fd == -1 || syscall(SYS_ftruncate, fd, sizeof(*counts)) == -1)
        refuse(path);
    void *p =
        mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        refuse(path);
    counts = p;
    syscall(SYS_close, fd);
}

/* The first object is the program itself. */
static int find_program(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t from = info->dlpi_addr + p->p_vaddr;

        if (p->p_type != PT_LOAD)
            continue;
        if (program_start == 0 || from < program_start)
            program_start = from;
        if (from + p->p_memsz > program_end)
            program_end = from + p->p_memsz;
    }
    return 1;
}

__attribute__((constructor)) static void start(void)
{
    const char *text;

    if (started)
        return;
    started = true;
    dl_iterate_phdr(find_program, NULL);
    seed = from_env("SHIM_SEED");
    n_accepted = from_env("SHIM_FIRST");
    pct_short = (unsigned)from_env("SHIM_SHORT");
    pct_eintr = (unsigned)from_env("SHIM_EINTR");
    pct_eagain = (unsigned)from_env("SHIM_EAGAIN");
    pct_spurious = (unsigned)from_env("SHIM_SPURIOUS");
    accept_delay_ms = (unsigned)from_env("SHIM_ACCEPT_DELAY");
    clock_delay_ms = (unsigned)from_env("SHIM_CLOCK_DELAY");
    one_address_more = from_env("SHIM_ADDRESS") != 0;
    if ((text = getenv("SHIM_FAIL")) != NULL)
        parse_rules(text);
    if ((text = getenv("SHIM_SIGNAL_AT")) != NULL)
        parse_signal(text);
    if ((text = getenv("SHIM_CLOCK")) != NULL) {
        bool back = *text == '-';
        clock_jump_s = (int64_t)to_number(text + back, &text);
        clock_jump_s = back ? -clock_jump_s : clock_jump_s;
        clock_after_ms = *text == ':' ? (int64_t)to_number(text + 1, NULL) : 0;
        start_ms = monotonic_ms();
    }
    if ((text = getenv("SHIM_COUNT")) != NULL)
        map_counts(text);
    if ((text = getenv("SHIM_LOG")) != NULL) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, text,
                              O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        /* Out of the way of what the program opens, where the limit lets it.
         */
        log_fd = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 900);
        if (log_fd == -1)
            log_fd = fd;
        else
            syscall(SYS_close, fd);
    }
}

/* Returns true, with errno set, if this call must fail by a rule. */
static int fails(int kind, int fd)
{
    start();
    uint64_t n = __atomic_add_fetch(&counts->calls[kind], 1, 0);
    uint64_t any = __atomic_add_fetch(&counts->calls[K_any], 1, 0);

    for (int i = 0; i < n_rules; i++) {
        const struct rule *r = &rules[i];
        uint64_t number = r->kind == K_any ? any : n;

        if ((r->kind == kind || r->kind == K_any) && number >= r->from &&
            number <= r->to) {
            injected(kind, fd);
            errno = r->err == AUTO ? auto_errors[kind] : r->err;
            if (signal_no != 0 && signal_at == 0)
                raise(signal_no);
            return r->err == STEAL ? STEAL : 1;
        }
    }
    return 0;
}

static struct fd_state *state_of(int fd)
{
    if (fd < 0 || fd >= MAX_FDS)
        return NULL;
    if (fd > max_fd)
        max_fd = fd;
    return &fd_states[fd];
}

/* Returns the next number of fd's own sequence. */
static uint64_t draw(int fd)
{
    struct fd_state *s = state_of(fd);

    if (s == NULL)
        return UINT64_MAX;
    uint64_t stream = s->stream != 0 ? s->stream : (1ull << 40) + fd;
    return mix(mix(mix(seed) ^ stream) ^ s->n_drawn++);
}

static bool hit(uint64_t number, unsigned percent)
{
    return number % 100 < percent;
}

static bool is_nonblocking(int fd)
{
    long flags = syscall(SYS_fcntl, fd, F_GETFL);

    return flags != -1 && (flags & O_NONBLOCK) != 0;
}

/* Returns true for a socketpair, with which a program may wake itself. EAGAIN
   there means that the other end has enough to read already. */
static bool is_pair(int fd)
{
    struct sockaddr_storage addr;
    socklen_t own = sizeof(addr), other = sizeof(addr);

    return getsockname(fd, (struct sockaddr *)&addr, &own) == 0 &&
           getpeername(fd, (struct sockaddr *)&addr, &other) == 0 &&
           own <= sizeof(sa_family_t) && other <= sizeof(sa_family_t);
}

static mode_t type_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) == -1 ? 0 : st.st_mode & S_IFMT;
}

/*
 * An edge-triggered descriptor that is said to be drained, or full, and isn't:
 * as if the rest had come a moment later, which is a new edge.
 */
static void new_edge(int fd)
{
    struct fd_state *s = state_of(fd);

    if (s != NULL && s->epoll_fd != 0 && (s->interest.events & EPOLLET) &&
        !(s->interest.events & EPOLLONESHOT))
        REAL(epoll_ctl)(s->epoll_fd - 1, EPOLL_CTL_MOD, fd, &s->interest);
}

/* Returns true if both sides have sent FIN, the connection is broken, or
   nobody has the other end of a pipe anymore. */
static bool is_over(int fd)
{
    struct pollfd p = {.fd = fd};

    return REAL(poll)(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}

/* Draws a fault for a transfer of *n bytes. Returns true if it must fail, with
   errno set. */
static bool disturb(int fd, size_t *n, int kind)
{
    if (pct_short + pct_eintr + pct_eagain == 0)
        return false;
    int saved_errno = errno;
    uint64_t number = draw(fd);
    bool interrupt = hit(number, pct_eintr);
    bool again = !interrupt && hit(number >> 8, pct_eagain);
    bool cut = hit(number >> 16, pct_short) && *n > 1;

    if (!interrupt && !again && !cut)
        return false;
    mode_t type = type_of(fd);
    if (type == S_IFSOCK && is_pair(fd))
        type = 0;
    bool over = kind == F_short_read && is_over(fd);
    errno = saved_errno;
    if (type != S_IFSOCK && !(type == S_IFIFO && fd <= 1))
        return false;
    if (interrupt) {
        injected(F_eintr, fd);
        errno = EINTR;
        return true;
    }
    if (over)
        return false;
    if (again && is_nonblocking(fd)) {
        injected(F_eagain, fd);
        new_edge(fd);
        errno = EAGAIN;
        return true;
    }
    if (!cut || (type == S_IFIFO && kind == F_short_write && *n <= PIPE_BUF))
        return false;
    /* Half of the short ones are tiny: one or a few bytes. */
    size_t most = number >> 24 & 1 && *n > 8 ? 8 : *n - 1;
    *n = 1 + (number >> 25) % most;
    injected(kind, fd);
    new_edge(fd);
    errno = saved_errno;
    return false;
}

/* Does the same for an array of buffers: *cut is what is left of the first. */
static bool disturb_iov(int fd, const struct iovec *iov, int n_iov,
                        struct iovec *cut, int kind)
{
    size_t total = 0;

    for (int i = 0; i < n_iov; i++)
        total += iov[i].iov_len;
    size_t n = total;
    cut->iov_base = NULL;
    if (disturb(fd, &n, kind))
        return true;
    if (n < total) {
        *cut = iov[0];
        if (cut->iov_len > n)
            cut->iov_len = n;
    }
    return false;
}

/* Makes a call that transfers n bytes on fd. */
#define TRANSFER(kind, name, params, args) \
    ssize_t name params \
    { \
        if (fails(K_##kind, fd) || disturb(fd, &n, F_short_##kind)) \
            return -1; \
        return REAL(name) args; \
    }

TRANSFER(read, read, (int fd, void *buf, size_t n), (fd, buf, n))
TRANSFER(read, recv, (int fd, void *buf, size_t n, int flags),
         (fd, buf, n, flags))
TRANSFER(read, recvfrom,
         (int fd, void *restrict buf, size_t n, int flags, __SOCKADDR_ARG addr,
          socklen_t *restrict len),
         (fd, buf, n, flags, addr, len))
TRANSFER(write, write, (int fd, const void *buf, size_t n), (fd, buf, n))
TRANSFER(write, send, (int fd, const void *buf, size_t n, int flags),
         (fd, buf, n, flags))
TRANSFER(write, sendto,
         (int fd, const void *buf, size_t n, int flags,
          __CONST_SOCKADDR_ARG addr, socklen_t len),
         (fd, buf, n, flags, addr, len))

/* Does the same for an array of buffers. */
#define TRANSFER_V(kind, name) \
    ssize_t name(int fd, const struct iovec *iov, int n_iov) \
    { \
        struct iovec cut; \
        if (fails(K_##kind, fd) || \
            disturb_iov(fd, iov, n_iov, &cut, F_short_##kind)) \
            return -1; \
        if (cut.iov_base != NULL) \
            return REAL(name)(fd, &cut, 1); \
        return REAL(name)(fd, iov, n_iov); \
    }

TRANSFER_V(read, readv)
TRANSFER_V(write, writev)

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    struct iovec cut;
    struct msghdr shorter = *msg;

    if (fails(K_write, fd) ||
        disturb_iov(fd, msg->msg_iov, (int)msg->msg_iovlen, &cut,
                    F_short_write))
        return -1;
    if (cut.iov_base != NULL) {
        shorter.msg_iov = &cut;
        shorter.msg_iovlen = 1;
    }
    return REAL(sendmsg)(fd, &shorter, flags);
}

/* A program that was built with _FORTIFY_SOURCE calls these. */
#define CHECKED(type, name, params, fits, call) \
    type name params; \
    type name params \
    { \
        if (!(fits)) \
            abort(); \
        return call; \
    }

CHECKED(ssize_t, __read_chk, (int fd, void *buf, size_t n, size_t size),
        n <= size, read(fd, buf, n))
CHECKED(ssize_t, __recv_chk,
        (int fd, void *buf, size_t n, size_t size, int flags), n <= size,
        recv(fd, buf, n, flags))
CHECKED(int, __poll_chk,
        (struct pollfd * fds, nfds_t n, int timeout, size_t size),
        n <= size / sizeof(*fds), poll(fds, n, timeout))

static void hold_up(unsigned ms, int fd)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};

    syscall(SYS_nanosleep, &t, NULL);
    injected(F_delay, fd);
}

/* Returns true if accept must fail, with errno set. */
static bool disturb_accept(int fd)
{
    int failure = fails(K_accept, fd);
    uint64_t number = draw(fd);

    if (failure == 1)
        return true;
    if (accept_delay_ms != 0)
        hold_up(accept_delay_ms, fd);
    if (hit(number, pct_eintr)) {
        injected(F_eintr, fd);
        errno = EINTR;
        return true;
    }
    if (hit(number >> 8, pct_eagain) && is_nonblocking(fd)) {
        injected(F_eagain, fd);
        new_edge(fd);
        errno = EAGAIN;
        return true;
    }
    if (failure == STEAL) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        if (REAL(poll)(&p, 1, 0) == 1) {
            injected(F_steal, fd);
            syscall(SYS_close, syscall(SYS_accept4, fd, NULL, NULL, 0));
        }
    }
    return false;
}

/* Starts the sequence of an accepted connection. */
static int accepted(int fd)
{
    struct fd_state *s = state_of(fd);

    if (s != NULL) {
        s->stream = ++n_accepted;
        s->n_drawn = 0;
    }
    return fd;
}

int accept(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len)
{
    return disturb_accept(fd) ? -1 : accepted(REAL(accept)(fd, addr, len));
}

int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len, int flags)
{
    return disturb_accept(fd) ? -1
                              : accepted(REAL(accept4)(fd, addr, len, flags));
}

/* Runs before every wait. Returns true if it must fail, with errno set. */
static bool disturb_wait(uint64_t *number)
{
    if (fails(K_wait, -1))
        return true;
    if (signal_no != 0 && --signal_at == 0) {
        int signo = signal_no;

        signal_no = 0;
        injected(F_signal, -1);
        raise(signo);
    }
    *number = mix(mix(seed + (1ull << 41)) ^ n_waits_drawn++);
    if (hit(*number, pct_eintr)) {
        injected(F_eintr, -1);
        errno = EINTR;
        return true;
    }
    return false;
}

/* Only the spurious wakeup of select(2): a socket is reported as readable, and
   isn't. */
static bool may_be_spurious(int fd)
{
    int listening = 0;
    socklen_t len = sizeof(listening);
    struct sockaddr_storage addr;
    socklen_t addr_len = sizeof(addr);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 &&
           (listening ||
            (getpeername(fd, (struct sockaddr *)&addr, &addr_len) == 0 &&
             !is_pair(fd)));
}

/* Adds one idle socket to those that select found. Returns true if there was
   one. */
static bool spurious_select(int n_fds, const fd_set *asked, fd_set *found,
                            uint64_t number)
{
    for (int i = 0; i < n_fds; i++) {
        int fd = (int)((number + i) % n_fds);

        if (FD_ISSET(fd, asked) && !FD_ISSET(fd, found) &&
            may_be_spurious(fd)) {
            FD_SET(fd, found);
            injected(F_spurious, fd);
            return true;
        }
    }
    return false;
}

/* Returns -1 to wait as asked, or the result with a spurious event in it. */
static int try_select(int n_fds, fd_set *r, fd_set *w, fd_set *e,
                      uint64_t number)
{
    fd_set found_r, found_w, found_e;
    struct timeval zero = {0, 0};

    if (!hit(number >> 8, pct_spurious) || r == NULL || n_fds > FD_SETSIZE ||
        n_fds <= 0)
        return -1;
    found_r = *r;
    if (w != NULL)
        found_w = *w;
    if (e != NULL)
        found_e = *e;
    int n = REAL(select)(n_fds, &found_r, w == NULL ? NULL : &found_w,
                         e == NULL ? NULL : &found_e, &zero);
    if (n == -1 || !spurious_select(n_fds, r, &found_r, number >> 16))
        return -1;
    *r = found_r;
    if (w != NULL)
        *w = found_w;
    if (e != NULL)
        *e = found_e;
    return n + 1;
}

static int try_poll(struct pollfd *fds, nfds_t n_fds, uint64_t number)
{
    if (!hit(number >> 8, pct_spurious) || n_fds == 0)
        return -1;
    int n = REAL(poll)(fds, n_fds, 0);
    for (nfds_t i = 0; n != -1 && i < n_fds; i++) {
        struct pollfd *p = &fds[((number >> 16) + i) % n_fds];

        if (p->fd >= 0 && (p->events & POLLIN) && p->revents == 0 &&
            may_be_spurious(p->fd)) {
            p->revents = POLLIN;
            injected(F_spurious, p->fd);
            return n + 1;
        }
    }
    return -1;
}

static bool is_among(const struct epoll_event *events, int n, uint64_t data)
{
    for (int i = 0; i < n; i++)
        if (events[i].data.u64 == data)
            return true;
    return false;
}

static int try_epoll(int epoll_fd, struct epoll_event *events, int max,
                     uint64_t number)
{
    if (!hit(number >> 8, pct_spurious))
        return -1;
    int n = REAL(epoll_wait)(epoll_fd, events, max, 0);
    if (n == -1 || n == max)
        return n;
    for (int i = 0; i <= max_fd; i++) {
        int fd = (int)(((number >> 16) + i) % (max_fd + 1));
        const struct fd_state *s = &fd_states[fd];

        if (s->epoll_fd == epoll_fd + 1 && (s->interest.events & EPOLLIN) &&
            !(s->interest.events & (EPOLLET | EPOLLONESHOT)) &&
            !is_among(events, n, s->interest.data.u64) &&
            may_be_spurious(fd)) {
            events[n] = (struct epoll_event){.events = EPOLLIN,
                                             .data = s->interest.data};
            injected(F_spurious, fd);
            return n + 1;
        }
    }
    return n > 0 ? n : -1;
}

/* A call that waits: it fails, or try finds a spurious event, or it is as the
   program asked. */
#define WAIT(name, try, params, args) \
    int name params \
    { \
        uint64_t number; \
        if (disturb_wait(&number)) \
            return -1; \
        int found = try; \
        return found != -1 ? found : REAL(name) args; \
    }

WAIT(select, try_select(n, r, w, e, number),
     (int n, fd_set *restrict r, fd_set *restrict w, fd_set *restrict e,
      struct timeval *restrict timeout),
     (n, r, w, e, timeout))
WAIT(pselect, try_select(n, r, w, e, number),
     (int n, fd_set *restrict r, fd_set *restrict w, fd_set *restrict e,
      const struct timespec *restrict timeout, const sigset_t *restrict mask),
     (n, r, w, e, timeout, mask))
WAIT(poll, try_poll(fds, n, number),
     (struct pollfd * fds, nfds_t n, int timeout), (fds, n, timeout))
WAIT(ppoll, try_poll(fds, n, number),
     (struct pollfd * fds, nfds_t n, const struct timespec *timeout,
      const sigset_t *mask),
     (fds, n, timeout, mask))
WAIT(epoll_wait, try_epoll(epoll_fd, events, max, number),
     (int epoll_fd, struct epoll_event *events, int max, int timeout),
     (epoll_fd, events, max, timeout))
WAIT(epoll_pwait, try_epoll(epoll_fd, events, max, number),
     (int epoll_fd, struct epoll_event *events, int max, int timeout,
      const sigset_t *mask),
     (epoll_fd, events, max, timeout, mask))

int epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
    if (op == EPOLL_CTL_ADD && fails(K_epoll_ctl, fd))
        return -1;
    int result = REAL(epoll_ctl)(epoll_fd, op, fd, event);
    struct fd_state *s = state_of(fd);
    if (result == 0 && s != NULL) {
        s->epoll_fd = op == EPOLL_CTL_DEL ? 0 : epoll_fd + 1;
        if (event != NULL)
            s->interest = *event;
    }
    return result;
}

int close(int fd)
{
    start();
    if (fd >= 0 && fd <= max_fd) {
        for (int i = 0; pct_spurious != 0 && i <= max_fd; i++)
            if (fd_states[i].epoll_fd == fd + 1)
                fd_states[i].epoll_fd = 0;
        memset(&fd_states[fd], 0, sizeof(fd_states[fd]));
    }
    return REAL(close)(fd);
}

static struct addrinfo extra;

int getaddrinfo(const char *restrict host, const char *restrict port,
                const struct addrinfo *restrict hints,
                struct addrinfo **restrict list)
{
    static struct sockaddr_in6 addr;

    if (fails(K_getaddrinfo, -1))
        return EAI_SYSTEM;
    int err = REAL(getaddrinfo)(host, port, hints, list);
    if (err != 0 || !one_address_more)
        return err;
    addr.sin6_family = AF_INET6;
    addr.sin6_addr = in6addr_loopback;
    addr.sin6_port = htons((uint16_t)to_number(port, NULL));
    extra = **list;
    extra.ai_family = AF_INET6;
    extra.ai_addr = (struct sockaddr *)&addr;
    extra.ai_addrlen = sizeof(addr);
    extra.ai_canonname = NULL;
    extra.ai_next = *list;
    *list = &extra;
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    REAL(freeaddrinfo)(list == &extra ? extra.ai_next : list);
}

/* Makes a call that fails only by a rule. */
#define CALL(type, kind, name, fd, params, args) \
    type name params \
    { \
        return fails(K_##kind, fd) ? -1 : REAL(name) args; \
    }

CALL(ssize_t, read, recvmsg, fd, (int fd, struct msghdr *msg, int flags),
     (fd, msg, flags))
CALL(int, epoll_create, epoll_create, -1, (int size), (size))
CALL(int, epoll_create, epoll_create1, -1, (int flags), (flags))
CALL(int, socket, socket, -1, (int family, int type, int protocol),
     (family, type, protocol))
CALL(int, bind, bind, fd, (int fd, __CONST_SOCKADDR_ARG addr, socklen_t len),
     (fd, addr, len))
CALL(int, listen, listen, fd, (int fd, int backlog), (fd, backlog))
CALL(int, connect, connect, fd,
     (int fd, __CONST_SOCKADDR_ARG addr, socklen_t len), (fd, addr, len))
CALL(int, getsockname, getsockname, fd,
     (int fd, __SOCKADDR_ARG addr, socklen_t *restrict len), (fd, addr, len))
CALL(int, setsockopt, setsockopt, fd,
     (int fd, int level, int name, const void *value, socklen_t len),
     (fd, level, name, value, len))
CALL(int, shutdown, shutdown, fd, (int fd, int how), (fd, how))
CALL(int, pipe, pipe, -1, (int fds[2]), (fds))
CALL(int, pipe, pipe2, -1, (int fds[2], int flags), (fds, flags))
CALL(int, sigaction, sigaction, -1,
     (int signo, const struct sigaction *restrict action,
      struct sigaction *restrict old),
     (signo, action, old))

int fcntl(int fd, int op, ...)
{
    va_list args;

    va_start(args, op);
    void *arg = va_arg(args, void *);
    va_end(args);
    return fails(K_fcntl, fd) ? -1 : REAL(fcntl)(fd, op, arg);
}

int fcntl64(int fd, int op, ...) __attribute__((alias("fcntl")));

pid_t fork(void)
{
    if (fails(K_fork, -1))
        return -1;
    n_forks++;
    pid_t pid = REAL(fork)();
    if (pid == 0)
        n_waits_drawn += n_forks << 32; /* workers differ in their waits */
    return pid;
}

/*
 * The program's own allocations only: the C library asserts that some of its
 * own succeed.
 */
static bool alloc_fails(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;

    return started && at >= program_start && at < program_end &&
           fails(K_malloc, -1);
}

#define ALLOCATION(name, params, args) \
    void *name params \
    { \
        if (alloc_fails(__builtin_return_address(0))) \
            return NULL; \
        return REAL(name) args; \
    }

ALLOCATION(malloc, (size_t n), (n))
ALLOCATION(calloc, (size_t n, size_t size), (n, size))
ALLOCATION(realloc, (void *p, size_t n), (p, n))

/* Returns by how many seconds the wall clock is off now. */
static int64_t clock_offset(void)
{
    start();
    if (clock_jump_s == 0 || monotonic_ms() - start_ms < clock_after_ms)
        return 0;
    injected(F_clock, -1);
    return clock_jump_s;
}

time_t time(time_t *result)
{
    time_t now = REAL(time)(NULL) + clock_offset();

    if (result != NULL)
        *result = now;
    return now;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    int result = REAL(gettimeofday)(tv, zone);

    if (result == 0)
        tv->tv_sec += clock_offset();
    return result;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    start();
    if (id == CLOCK_MONOTONIC && clock_delay_ms != 0)
        hold_up(clock_delay_ms, -1);
    int result = REAL(clock_gettime)(id, t);

    if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        t->tv_sec += clock_offset();
    return result;
}
