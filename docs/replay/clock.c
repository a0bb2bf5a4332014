/*
 * clock -- preloaded: a clock that stands still while the recorder looks
 *
 * gdb needs seconds for what a server does in a millisecond. So time passes
 * only in calls that wait for it: the recorder adds what they have waited.
 */
#include <time.h>

long long replay_ms = 1000;

int clock_gettime(clockid_t id, struct timespec *now)
{
    (void)id;
    now->tv_sec = replay_ms / 1000;
    now->tv_nsec = replay_ms % 1000 * 1000000;
    return 0;
}

time_t time(time_t *now)
{
    time_t s = replay_ms / 1000;

    if (now != NULL)
        *now = s;
    return s;
}
