/*
 * main -- runs tests of stage 06, each in a process and a directory of its own
 *
 * usage: loop_test [GROUP|NAME]...    without one, all
 *        loop_test --list             GROUP NAME, a line each
 *
 * Prints nothing but what has failed, and which promise that breaks. JOBS
 * tests (default: 4) run at a time. One that takes longer than LIMIT seconds
 * (default: 20), times SLOWER (default: 1), has failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hooks.h"

#define MAX_JOBS 16

struct job {
    const struct test *test; /* NULL: none */
    pid_t pid;
    time_t end;
    FILE *said;
    char dir[32];
};

static struct test *tests;
static struct test **tests_end = &tests;
static struct job jobs[MAX_JOBS];
static int n_running;
static int n_failed;
static long limit_s;

void test_add(struct test *t)
{
    *tests_end = t;
    tests_end = &t->next;
}

/* Returns a number from the environment, or value. */
static long setting(const char *name, long value)
{
    const char *text = getenv(name);
    long n = text != NULL ? strtol(text, NULL, 10) : 0;

    return n > 0 ? n : value;
}

static time_t now(void)
{
    return hook_clock_ms() / 1000;
}

/* In the child: only stdin, stdout and the file that gets stderr are open. */
static void run(const struct job *job)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(fileno(job->said), STDERR_FILENO);
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    hook_n_forks = 0;
    CHECK(chdir(job->dir) == 0);
    job->test->run();
    exit(0);
}

static void start(struct job *job, const struct test *t)
{
    job->test = t;
    job->said = tmpfile();
    job->pid = -1;
    strcpy(job->dir, "/tmp/loop_test.XXXXXX");
    if (job->said != NULL && mkdtemp(job->dir) != NULL)
        job->pid = fork();
    if (job->pid == -1) {
        perror("loop_test");
        exit(2);
    }
    if (job->pid == 0)
        run(job);
    job->end = now() + limit_s;
    n_running++;
}

static void tell(struct job *job, int status)
{
    char line[1024];

    printf("failed:  %s (%s)\n", job->test->name, job->test->group);
    printf("promise: %s\n", job->test->promise);
    printf("read:    06-eventloop/%s\n", job->test->file);
    if (WIFSIGNALED(status))
        printf("         %s\n", now() >= job->end
                                    ? "it took too long"
                                    : strsignal(WTERMSIG(status)));
    rewind(job->said);
    while (fgets(line, sizeof(line), job->said) != NULL)
        printf("         %s", line);
    fflush(stdout);
}

static void look_at(struct job *job)
{
    char remove[64];
    int status;
    bool late = now() >= job->end;

    if (job->test == NULL)
        return;
    if (late)
        kill(job->pid, SIGKILL);
    if (waitpid(job->pid, &status, late ? 0 : WNOHANG) != job->pid)
        return;
    kill(-job->pid, SIGKILL); /* what it has started, and left */
    snprintf(remove, sizeof(remove), "rm -rf %s", job->dir);
    if (rmdir(job->dir) == -1 && system(remove) != 0)
        perror(job->dir);
    if (status != 0) {
        tell(job, status);
        n_failed++;
    }
    fclose(job->said);
    job->test = NULL;
    n_running--;
}

/* Waits until fewer than n are running. */
static void wait_for_fewer(int n)
{
    struct timespec second = {.tv_sec = 1};
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    while (n_running >= n) {
        sigtimedwait(&child, NULL, &second);
        for (int i = 0; i < MAX_JOBS; i++)
            look_at(&jobs[i]);
    }
}

static bool is_chosen(const struct test *t, int argc, char *argv[])
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], t->group) == 0 || strcmp(argv[i], t->name) == 0)
            return true;
    }
    return argc == 1;
}

int main(int argc, char *argv[])
{
    bool list = argc == 2 && strcmp(argv[1], "--list") == 0;
    long most = setting("JOBS", 4);
    int n = 0;
    sigset_t child;

    limit_s = setting("LIMIT", 20) * setting("SLOWER", 1);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    for (const struct test *t = tests; t != NULL; t = t->next) {
        if (list)
            printf("%s %s\n", t->group, t->name);
        if (list || !is_chosen(t, argc, argv))
            continue;
        wait_for_fewer(most < MAX_JOBS ? most : MAX_JOBS);
        n++;
        for (int i = 0; i < MAX_JOBS; i++) {
            if (jobs[i].test == NULL) {
                start(&jobs[i], t);
                break;
            }
        }
    }
    wait_for_fewer(1);
    if (n == 0 && !list) {
        fprintf(stderr, "there is no test %s\n", argc > 1 ? argv[1] : "");
        return 2;
    }
    return n_failed > 0 ? 1 : 0;
}
