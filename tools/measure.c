/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one command for tools/bench and adds a line to a file: the name given,
 * wall time and CPU time in microseconds, peak memory in KiB, exit code. CPU
 * and memory are those of the command and of every process it waited for. Its
 * output goes where this program's goes. A shell's own `time` knows neither
 * microseconds nor memory.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_CANNOT_RUN = 127 };

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t as_us(struct timeval time)
{
    return (int64_t)time.tv_sec * 1000000 + time.tv_usec;
}

int main(int argc, char **argv)
{
    struct rusage usage;
    int status, code;
    int64_t start;
    pid_t child;
    FILE *file;

    if (argc < 4) {
        fprintf(stderr, "usage: measure FILE NAME COMMAND [ARGUMENT]...\n");
        return EXIT_USAGE;
    }
    start = now_us();
    child = vfork();
    if (child == 0) {
        execvp(argv[3], argv + 3);
        _exit(EXIT_CANNOT_RUN);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) != child) {
        perror("measure");
        return EXIT_CANNOT_RUN;
    }
    start = now_us() - start;
    code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

    file = fopen(argv[1], "ae");
    if (!file) {
        perror(argv[1]);
        return EXIT_CANNOT_RUN;
    }
    fprintf(file, "%s %lld %lld %ld %d\n", argv[2], (long long)start,
            (long long)(as_us(usage.ru_utime) + as_us(usage.ru_stime)), usage.ru_maxrss, code);
    return fclose(file) == 0 ? code : EXIT_CANNOT_RUN;
}
