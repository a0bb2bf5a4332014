/*
 * main -- one test of loop.c or net.c, or all of them
 *
 * usage: loop_test [NAME]        without a name, all
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hooks.h"

/* Returns how many it has run. None may hang for PATIENCE seconds (30). */
static int run(const struct test *tests, const char *name)
{
    const char *patience = getenv("PATIENCE");
    int n = 0;

    for (; tests->name != NULL; tests++) {
        if (name != NULL && strcmp(name, tests->name) != 0)
            continue;
        alarm(patience == NULL ? 30 : (unsigned)atoi(patience));
        tests->run();
        n++;
    }
    return n;
}

int main(int argc, char *argv[])
{
    const char *name = argc > 1 ? argv[1] : NULL;

    signal(SIGPIPE, SIG_IGN);
    if (run(loop_tests, name) + run(net_tests, name) == 0) {
        fprintf(stderr, "there is no test %s\n", name);
        return 2;
    }
    return 0;
}
