/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one command for tools/bench and adds a line to a file: the name given,
 * wall time and CPU time in microseconds, peak memory in KiB, exit code, peak
 * memory of all its processes together in KiB, bytes written. CPU, memory and
 * bytes are those of the command and of every process it waited for; its
 * output goes where this program's goes. Memory together is sampled, and only
 * with --tree, so that nothing else is disturbed. A shell's own `time` knows
 * neither microseconds nor memory.
 */
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_CANNOT_RUN = 127 };

#define SAMPLE_NS 20000000 /* between two looks at the memory */
#define PATH_SIZE 64
#define DEPTH_MAX 8 /* of processes below the command */

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

/* Resident now; 0 for a process that has ended. */
static int64_t resident_kib(int pid)
{
    char path[PATH_SIZE];
    long long pages = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/statm", pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%*s %lld", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int64_t tree_kib(int pid, int depth);

/* Of what one thread of `pid` has started. */
static int64_t children_kib(int pid, const char *thread, int depth)
{
    char path[PATH_SIZE + sizeof((struct dirent *)NULL)->d_name];
    int64_t sum = 0;
    FILE *file;
    int child;

    snprintf(path, sizeof path, "/proc/%d/task/%s/children", pid, thread);
    file = fopen(path, "re");
    if (!file)
        return 0;
    while (fscanf(file, "%d", &child) == 1)
        sum += tree_kib(child, depth + 1);
    fclose(file);
    return sum;
}

static int64_t tree_kib(int pid, int depth)
{
    int64_t sum = resident_kib(pid);
    const struct dirent *entry;
    char path[PATH_SIZE];
    DIR *threads;

    snprintf(path, sizeof path, "/proc/%d/task", pid);
    threads = depth < DEPTH_MAX ? opendir(path) : NULL;
    if (!threads)
        return sum;
    while ((entry = readdir(threads)) != NULL)
        if (entry->d_name[0] != '.')
            sum += children_kib(pid, entry->d_name, depth);
    closedir(threads);
    return sum;
}

/* What was handed to the system to write, also by processes that it waited
 * for: known until the command itself is waited for. */
static int64_t written_bytes(int pid)
{
    int64_t bytes = 0;
    char path[PATH_SIZE];
    char line[PATH_SIZE];
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/io", pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, "wchar: ", 7))
            bytes = strtoll(line + 7, NULL, 10);
    fclose(file);
    return bytes;
}

/* Waits until the command has ended, without taking its status. */
static int64_t watch(pid_t child, bool tree)
{
    const struct timespec pause = {.tv_nsec = SAMPLE_NS};
    siginfo_t info = {0};
    int64_t peak = 0;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    while (waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT | (tree ? WNOHANG : 0)) == 0 &&
           info.si_pid == 0) {
        int64_t kib = tree_kib(child, 0);

        peak = kib > peak ? kib : peak;
        sigtimedwait(&set, NULL, &pause);
    }
    return peak;
}

static pid_t start_command(char **argv)
{
    sigset_t set;
    sigset_t before;
    pid_t child;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, &before);
    child = vfork();
    if (child == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        execvp(argv[0], argv);
        _exit(EXIT_CANNOT_RUN);
    }
    return child;
}

int main(int argc, char **argv)
{
    bool tree = argc > 1 && !strcmp(argv[1], "--tree");
    struct rusage usage;
    int64_t start, peak, written;
    int status, code;
    pid_t child;
    FILE *file;

    argv += tree;
    argc -= tree;
    if (argc < 4) {
        fprintf(stderr, "usage: measure [--tree] FILE NAME COMMAND [ARGUMENT]...\n");
        return EXIT_USAGE;
    }
    start = now_us();
    child = start_command(argv + 3);
    if (child < 0) {
        perror("measure");
        return EXIT_CANNOT_RUN;
    }
    peak = watch(child, tree);
    start = now_us() - start;
    written = written_bytes(child);
    if (wait4(child, &status, 0, &usage) != child) {
        perror("measure");
        return EXIT_CANNOT_RUN;
    }
    code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

    file = fopen(argv[1], "ae");
    if (!file) {
        perror(argv[1]);
        return EXIT_CANNOT_RUN;
    }
    fprintf(file, "%s %" PRId64 " %" PRId64 " %ld %d %" PRId64 " %" PRId64 "\n", argv[2], start,
            as_us(usage.ru_utime) + as_us(usage.ru_stime), usage.ru_maxrss, code,
            peak > usage.ru_maxrss ? peak : usage.ru_maxrss, written);
    return fclose(file) == 0 ? code : EXIT_CANNOT_RUN;
}
