/*
 * faults -- prints what the fault shim has done
 *
 * usage: faults FILE [NAME]   FILE is what SHIM_COUNT named
 *
 * Prints a line for each kind of call or fault that occurred: its name, the
 * faults injected, the calls seen. With NAME, prints only the number of its
 * faults; NAME "all" is the sum.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shim.h"

static const char *const names[] = {SHIM_NAMES};

int main(int argc, char *argv[])
{
    struct shim_counts c;
    unsigned long long all = 0;
    long long named = -1;

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: faults FILE [NAME]\n");
        return 2;
    }
    FILE *file = fopen(argv[1], "rb");
    if (file == NULL || fread(&c, sizeof(c), 1, file) != 1) {
        perror(argv[1]);
        return 1;
    }
    for (int i = 0; i < SHIM_N_COUNTS; i++) {
        all += c.faults[i];
        if (argc == 2 && c.faults[i] + c.calls[i] > 0)
            printf("%-12s %8llu faults %8llu calls\n", names[i],
                   (unsigned long long)c.faults[i],
                   (unsigned long long)c.calls[i]);
        if (argc == 3 && strcmp(argv[2], names[i]) == 0)
            named = (long long)c.faults[i];
    }
    if (argc == 3 && strcmp(argv[2], "all") == 0)
        named = (long long)all;
    if (named >= 0)
        printf("%lld\n", named);
    return argc == 3 && named < 0;
}
