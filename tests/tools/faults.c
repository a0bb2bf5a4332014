/*
 * faults -- prints what the fault shim has done
 *
 * usage: faults FILE [NAME]   FILE is what SHIM_COUNT named
 *
 * A line for each kind of call or fault that came up: its name, the faults
 * injected, the calls seen. With NAME only the number of its faults; NAME
 * "all" is the sum, "calls" the number of calls seen.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shim.h"

static const char *const names[] = {
#define NAME_OF_KIND(name, err) #name,
#define NAME_OF_FAULT(name) #name,
    SHIM_KINDS(NAME_OF_KIND) "any", SHIM_FAULTS(NAME_OF_FAULT)};

int main(int argc, char *argv[])
{
    struct shim_counts c;
    unsigned long long all = 0;

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: faults FILE [NAME]\n");
        return 2;
    }
    FILE *file = fopen(argv[1], "rb");
    if (file == NULL || fread(&c, sizeof(c), 1, file) != 1) {
        perror(argv[1]);
        return 1;
    }
    for (int i = 0; i < SHIM_N_COUNTS; i++)
        all += c.faults[i];
    if (argc == 3 && strcmp(argv[2], "all") == 0) {
        printf("%llu\n", all);
        return 0;
    }
    if (argc == 3 && strcmp(argv[2], "calls") == 0) {
        printf("%llu\n", (unsigned long long)c.calls[K_any]);
        return 0;
    }
    for (int i = 0; i < SHIM_N_COUNTS; i++) {
        if (argc == 2 && c.faults[i] + c.calls[i] > 0)
            printf("%-12s %8llu faults %8llu calls\n", names[i],
                   (unsigned long long)c.faults[i],
                   (unsigned long long)c.calls[i]);
        if (argc == 3 && strcmp(argv[2], names[i]) == 0) {
            printf("%llu\n", (unsigned long long)c.faults[i]);
            return 0;
        }
    }
    return argc == 3;
}
