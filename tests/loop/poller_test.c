/*
 * poller_test.c -- poller.h's promises, one by one
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hooks.h"
#include "poller.h"

#define PROMISED_IN "poller.h"

static struct poller *poller;
static struct poller_event out[300];

static void start(void)
{
    poller = poller_new();
    CHECK(poller != NULL);
}

static void end(void)
{
    poller_free(poller);
    CHECK(hook_bytes == 0);
}

/* Two connected sockets; fds[0] has a byte to read. */
static void pair(int fds[2])
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    CHECK(write(fds[1], "x", 1) == 1);
}

static void set(int fd, int old_events, int events)
{
    CHECK(poller_set(poller, fd, old_events, events) == 0);
}

/* Waits. Returns the events of fd, if they are all that there is, or 0. */
static int events_of(int fd)
{
    int n = poller_wait(poller, out, 10, 0);

    CHECK(n == 0 || (n == 1 && out[0].fd == fd));
    return n == 1 ? out[0].events : 0;
}

TEST(pollers, only_what_is_asked,
     "Changes what fd is waited for, from old_events (0: fd is new) to events "
     "(0: fd is taken off the list, so that not even errors wake the loop; "
     "this can't fail).")
{
    int fds[2];

    /* stdin has hung up: nobody asks. */
    CHECK(pipe(fds) == 0 && dup2(fds[0], 0) == 0);
    close(fds[0]);
    close(fds[1]);
    start();
    pair(fds);
    set(fds[0], 0, POLLER_READ);
    CHECK(events_of(fds[0]) == POLLER_READ);
    set(fds[0], POLLER_READ, POLLER_WRITE);
    CHECK(events_of(fds[0]) == POLLER_WRITE);
    set(fds[0], POLLER_WRITE, POLLER_READ | POLLER_WRITE);
    CHECK(events_of(fds[0]) == (POLLER_READ | POLLER_WRITE));
    CHECK(read(fds[0], out, 1) == 1);
    CHECK(events_of(fds[0]) == POLLER_WRITE);
    set(fds[0], POLLER_READ | POLLER_WRITE, POLLER_READ);
    CHECK(events_of(fds[0]) == 0);
    set(fds[0], POLLER_READ, 0);
    close(fds[1]);
    CHECK(events_of(fds[0]) == 0);
    /* Files, as well. */
    int file = open("/dev/null", O_RDWR);
    set(file, 0, POLLER_READ);
    CHECK(events_of(file) == POLLER_READ);
    set(file, POLLER_READ, POLLER_WRITE);
    CHECK(events_of(file) == POLLER_WRITE);
    set(file, POLLER_WRITE, 0);
    CHECK(events_of(file) == 0);
    close(file);
    close(fds[0]);
    end();
}

TEST(pollers, errors_are_both, "Errors and hang-ups count as both.")
{
    int fds[2];

    start();
    /* EPOLLHUP: a pipe without a writer. */
    CHECK(pipe(fds) == 0);
    set(fds[0], 0, POLLER_READ);
    close(fds[1]);
    CHECK(events_of(fds[0]) == (POLLER_READ | POLLER_WRITE));
    set(fds[0], POLLER_READ, 0);
    close(fds[0]);
    /* EPOLLERR: a pipe without a reader. */
    CHECK(pipe(fds) == 0);
    set(fds[1], 0, POLLER_WRITE);
    close(fds[0]);
    CHECK(events_of(fds[1]) == (POLLER_READ | POLLER_WRITE));
    set(fds[1], POLLER_WRITE, 0);
    close(fds[1]);
    end();
}

/* What is ready, whether socket or file, has its turn in few calls, though
   there is more than fits. */
static void all_have_turns(int n_pairs, int n_files, int max)
{
    static bool seen[1024];
    int fds[300][2];
    int n_calls = 0;
    int left = n_pairs + n_files;

    start();
    memset(seen, 0, sizeof(seen));
    for (int i = 0; i < n_pairs; i++) {
        pair(fds[i]);
        set(fds[i][0], 0, POLLER_READ);
    }
    for (int i = n_pairs; i < n_pairs + n_files; i++) {
        fds[i][0] = open("/dev/null", O_RDONLY);
        set(fds[i][0], 0, POLLER_READ);
    }
    while (left > 0) {
        int n = poller_wait(poller, out, max, -1);
        CHECK(n > 0 && n <= max);
        CHECK(++n_calls <= 3 + 4 * (n_pairs + n_files) / max);
        for (int i = 0; i < n; i++) {
            CHECK(out[i].events == POLLER_READ);
            left -= !seen[out[i].fd];
            seen[out[i].fd] = true;
        }
    }
    for (int i = 0; i < n_pairs + n_files; i++) {
        set(fds[i][0], POLLER_READ, 0);
        close(fds[i][0]);
        if (i < n_pairs)
            close(fds[i][1]);
    }
    CHECK(poller_wait(poller, out, max, 0) == 0);
    end();
}

TEST(pollers, more_than_fit,
     "Fills in at most max events and returns their number; 0 also after a "
     "signal. When more than max are ready, the next calls return the "
     "others.")
{
    all_have_turns(10, 0, 4);
    all_have_turns(0, 10, 4);
    all_have_turns(7, 10, 4);
    all_have_turns(3, 2, 8);
    all_have_turns(200, 0, 300);
    all_have_turns(100, 0, 128);
    all_have_turns(100, 140, 128);
}

static void handler(int signo)
{
    CHECK(signo == SIGALRM);
}

TEST(pollers, after_a_signal,
     "Waits until something is ready or timeout_ms have passed (-1: no "
     "limit). Fills in at most max events and returns their number; 0 also "
     "after a signal.")
{
    struct sigaction action = {.sa_handler = handler};
    int64_t began = hook_clock_ms();

    start();
    CHECK(poller_wait(poller, out, 10, 20) == 0);
    CHECK(hook_clock_ms() >= began + 19);
    sigaction(SIGALRM, &action, NULL);
    ualarm(20000, 20000);
    CHECK(poller_wait(poller, out, 10, -1) == 0);
    ualarm(0, 0);
    /* With a file, too, which is ready all the time. */
    int file = open("/dev/null", O_RDONLY);
    set(file, 0, POLLER_READ);
    hook_wait_error = EINTR;
    int n = poller_wait(poller, out, 10, -1);
    CHECK(n == 0 || n == 1);
    CHECK(events_of(file) == POLLER_READ && hook_last_timeout == 0);
    hook_wait_error = ENOMEM;
    errno = 0;
    CHECK(poller_wait(poller, out, 10, -1) == -1 && errno == ENOMEM);
    set(file, POLLER_READ, 0);
    close(file);
    end();
}

TEST(pollers, failures_change_nothing,
     "Functions return -1 or NULL with errno set; then nothing has changed. "
     "Returns 0, or -1: ENOMEM, EBADF, ENOSPC, see epoll_ctl(2).")
{
    int file = open("/dev/null", O_RDONLY);
    int fds[2];

    hook_fail_alloc = 1;
    errno = 0;
    CHECK(poller_new() == NULL && errno == ENOMEM && hook_bytes == 0);
    start();
    pair(fds);
    hook_fail_alloc = 1;
    errno = 0;
    /* With epoll it's the file that needs memory, with poll the first one. */
    if (poller_set(poller, file, 0, POLLER_READ) == 0)
        CHECK(hook_fail_alloc == 1);
    else
        CHECK(errno == ENOMEM);
    hook_fail_alloc = 0;
    set(fds[0], 0, POLLER_READ);
    CHECK(events_of(fds[0]) == POLLER_READ);
    /* poll would tell only later. */
    close(file);
    hook_n_epoll_ctls = 0;
    errno = 0;
    int result = poller_set(poller, file, 0, POLLER_READ);
    CHECK(result == 0 || (result == -1 && errno == EBADF));
    CHECK(result == (hook_n_epoll_ctls > 0 ? -1 : 0));
    close(fds[0]);
    close(fds[1]);
    end();
}

TEST(pollers, out_of_descriptors,
     "Returns NULL with ENOMEM, EMFILE or ENFILE.")
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 3; /* 0, 1 and 2 are open */
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    errno = 0;
    poller = poller_new();
    CHECK(poller != NULL || errno == EMFILE);
    if (poller != NULL) { /* poll needs none */
        set(0, 0, POLLER_READ);
        poller_free(poller);
    }
    CHECK(hook_bytes == 0);
}
