/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into the host: makes one call fail, once, the Nth of its kind. It
 * sits before the sanitizers' own functions and hands every other call on to
 * them, so that the same run also tells of leaks. Counted is what the program
 * and its libraries call between the beginning and the end of main(): the loader
 * and the libraries' own beginnings belong to no host. Other programs that the
 * host starts are left alone, but for the worker where it is the one meant.
 *
 *   MIGHOST_FAIL=KIND:NUMBER  KIND: memory, io, space (the disk is full), descriptors,
 *                             talk (sockets), or the name of one function
 *   MIGHOST_FAIL_IN=NAME      the program meant: mighost or mighost-worker
 *   MIGHOST_FAIL_BY=kill      the program is killed instead, before it makes that call
 *   MIGHOST_FAIL_LOG=FILE     gets a line, and the calls that led there, when one failed;
 *                             else, at the end, how many calls of the kind there were
 *   MIGHOST_CLOCK=SECONDS     the clock jumps back so far with every reading of it
 */
#undef _FORTIFY_SOURCE /* its headers would define some of the functions that we do */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define EARLY_BYTES 65536 /* what dlsym() may want while it looks for malloc() */
#define ALIGNMENT 16
#define FRAMES 40
#define LINE_BYTES 160
#define SETTINGS 6 /* of the environment, given to a worker */

enum kind { MEMORY, IO, SPACE, DESCRIPTORS, TALK, KINDS };

static const char *const kind_names[KINDS] = {"memory", "io", "space", "descriptors", "talk"};

/* What a function fails with, by kind; 0: it is not of that kind. */
struct failure {
    int errors[KINDS];
};

static const struct failure OF_MEMORY = {{[MEMORY] = ENOMEM}};
static const struct failure OF_OPENING = {{[IO] = EIO, [DESCRIPTORS] = EMFILE}};
static const struct failure OF_MAKING = {{[IO] = EIO, [SPACE] = ENOSPC, [DESCRIPTORS] = EMFILE}};
static const struct failure OF_DESCRIPTORS = {{[DESCRIPTORS] = EMFILE}};
static const struct failure OF_READING = {{[IO] = EIO}};
static const struct failure OF_WRITING = {{[IO] = EIO, [SPACE] = ENOSPC}};
static const struct failure OF_TALKING = {{[TALK] = ECONNRESET}};
static const struct failure OF_STARTING = {{[MEMORY] = ENOMEM, [DESCRIPTORS] = EAGAIN}};

static _Alignas(ALIGNMENT) char early[EARLY_BYTES];
static size_t early_used;
static atomic_bool counting;
static atomic_long count;
static char wanted[64]; /* a kind's name, or a function's */
static long fail_at;

/* Appends a line, with nothing that could fail in its turn. */
static int tell(const char *line)
{
    const char *path = getenv("MIGHOST_FAIL_LOG");
    int file = path ? (int)syscall(SYS_openat, AT_FDCWD, path,
                                   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)
                    : -1;

    if (file >= 0)
        syscall(SYS_write, file, line, strlen(line));
    return file;
}

static void tell_failure(const char *function, int error)
{
    void *frames[FRAMES];
    char line[LINE_BYTES];
    int file;

    snprintf(line, sizeof line, "failed: %s with error %d\n", function, error);
    file = tell(line);
    if (file < 0)
        return;
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES), file);
    syscall(SYS_close, file);
}

/* The end of the program, before a sanitizer looks for leaks. */
static void end(void)
{
    char line[LINE_BYTES];

    if (!atomic_exchange(&counting, false))
        return;
    snprintf(line, sizeof line, "%ld calls\n", atomic_load(&count));
    syscall(SYS_close, tell(line));
}

/* As a worker ends. */
EXPORT void _exit(int status)
{
    end();
    for (;;)
        syscall(SYS_exit_group, status);
}

/* What the call fails with when it is its turn; 0: it is none that is meant. */
static int error_of(const char *function, const struct failure *failure)
{
    bool named = strcmp(function, wanted) == 0;

    for (size_t i = 0; i < KINDS; i++)
        if (failure->errors[i] && (named || strcmp(kind_names[i], wanted) == 0))
            return failure->errors[i];
    return 0;
}

/* Whether this call is the one; sets errno then. */
static bool fails(const char *function, const struct failure *failure)
{
    int error = atomic_load(&counting) ? error_of(function, failure) : 0;

    if (error == 0 || atomic_fetch_add(&count, 1) + 1 != fail_at)
        return false;
    atomic_store(&counting, false);
    tell_failure(function, error);
    if (getenv("MIGHOST_FAIL_BY"))
        raise(SIGKILL);
    errno = error;
    return true;
}

/* ---- memory ---------------------------------------------------------------------- */

static void *early_alloc(size_t size)
{
    char *data = early + early_used;

    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (size > sizeof early - early_used)
        abort();
    early_used += size;
    return data;
}

static bool is_early(const void *data)
{
    return (const char *)data >= early && (const char *)data < early + sizeof early;
}

/* A sanitizer has a __tls_get_addr() of its own, which does not work so early;
 * and the compiler believes that dlsym() calls nothing of this file. */
static __thread volatile bool looking __attribute__((tls_model("initial-exec")));

static void *look_up(const char *name)
{
    void *found;

    if (looking)
        return NULL;
    looking = true;
    found = dlsym(RTLD_NEXT, name);
    looking = false;
    return found;
}

/* The next function of that name: of a sanitizer, or of the C library. While it
 * is looked for there is none, and memory comes from `early`. */
#define NEXT(name)                 \
    static __typeof__(name) *next; \
    if (!next)                     \
        *(void **)&next = look_up(#name);

EXPORT void *malloc(size_t size)
{
    NEXT(malloc)
    if (!next)
        return early_alloc(size);
    return fails(__func__, &OF_MEMORY) ? NULL : next(size);
}

EXPORT void *calloc(size_t many, size_t size)
{
    NEXT(calloc)
    if (!next)
        return early_alloc(many * size);
    return fails(__func__, &OF_MEMORY) ? NULL : next(many, size);
}

EXPORT void *realloc(void *data, size_t size)
{
    NEXT(realloc)
    void *moved;

    if (!next || is_early(data)) {
        moved = malloc(size);
        return data && moved ? memcpy(moved, data, size) : moved;
    }
    return fails(__func__, &OF_MEMORY) ? NULL : next(data, size);
}

EXPORT void *reallocarray(void *data, size_t many, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(many, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(data, bytes);
}

EXPORT void free(void *data)
{
    NEXT(free)
    if (next && !is_early(data))
        next(data);
}

EXPORT int posix_memalign(void **out, size_t alignment, size_t size)
{
    NEXT(posix_memalign)
    return fails(__func__, &OF_MEMORY) ? ENOMEM : next(out, alignment, size);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    NEXT(aligned_alloc)
    return fails(__func__, &OF_MEMORY) ? NULL : next(alignment, size);
}

EXPORT char *strndup(const char *text, size_t max)
{
    size_t len = strnlen(text, max);
    char *copy = malloc(len + 1);

    if (copy) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

EXPORT char *strdup(const char *text)
{
    return strndup(text, SIZE_MAX);
}

EXPORT void *mmap(void *where, size_t size, int rights, int flags, int file, off_t offset)
{
    NEXT(mmap)
    return fails(__func__, &OF_MEMORY) ? MAP_FAILED
                                       : next(where, size, rights, flags, file, offset);
}

/* ---- files, descriptors, sockets ------------------------------------------------------ */

/* CALL(result, name, parameters, arguments, how it fails, what it returns then) */
#define CALL(type, name, parameters, arguments, failure, failed)        \
    EXPORT type name parameters                                         \
    {                                                                   \
        NEXT(name)                                                      \
        return fails(__func__, &(failure)) ? (failed) : next arguments; \
    }

CALL(ssize_t, read, (int fd, void *to, size_t size), (fd, to, size), OF_READING, -1)
CALL(ssize_t, pread, (int fd, void *to, size_t size, off_t at), (fd, to, size, at), OF_READING, -1)
CALL(ssize_t, pread64, (int fd, void *to, size_t size, off_t at), (fd, to, size, at), OF_READING,
     -1)
CALL(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size), OF_WRITING, -1)
CALL(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at),
     OF_WRITING, -1)
CALL(ssize_t, pwrite64, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at),
     OF_WRITING, -1)
CALL(int, fsync, (int fd), (fd), OF_WRITING, -1)
CALL(int, fdatasync, (int fd), (fd), OF_WRITING, -1)
CALL(int, ftruncate, (int fd, off_t size), (fd, size), OF_WRITING, -1)
CALL(int, ftruncate64, (int fd, off_t size), (fd, size), OF_WRITING, -1)
CALL(int, fallocate, (int fd, int mode, off_t at, off_t size), (fd, mode, at, size), OF_WRITING, -1)
CALL(int, rename, (const char *from, const char *to), (from, to), OF_WRITING, -1)
CALL(int, unlink, (const char *path), (path), OF_READING, -1)
CALL(int, mkdir, (const char *path, mode_t mode), (path, mode), OF_WRITING, -1)
CALL(int, stat, (const char *path, struct stat *out), (path, out), OF_READING, -1)
CALL(int, stat64, (const char *path, struct stat64 *out), (path, out), OF_READING, -1)
CALL(int, lstat, (const char *path, struct stat *out), (path, out), OF_READING, -1)
CALL(int, lstat64, (const char *path, struct stat64 *out), (path, out), OF_READING, -1)
CALL(int, fstat, (int fd, struct stat *out), (fd, out), OF_READING, -1)
CALL(int, fstat64, (int fd, struct stat64 *out), (fd, out), OF_READING, -1)
CALL(int, fstatat, (int fd, const char *path, struct stat *out, int flags), (fd, path, out, flags),
     OF_READING, -1)
CALL(FILE *, fopen, (const char *path, const char *mode), (path, mode), OF_OPENING, NULL)
CALL(DIR *, opendir, (const char *path), (path), OF_OPENING, NULL)
CALL(DIR *, fdopendir, (int fd), (fd), OF_OPENING, NULL)
CALL(struct dirent *, readdir, (DIR * folder), (folder), OF_READING, NULL)
CALL(struct dirent64 *, readdir64, (DIR * folder), (folder), OF_READING, NULL)
CALL(int, pipe2, (int fds[2], int flags), (fds, flags), OF_DESCRIPTORS, -1)
CALL(int, socketpair, (int domain, int type, int protocol, int fds[2]),
     (domain, type, protocol, fds), OF_DESCRIPTORS, -1)
CALL(int, socket, (int domain, int type, int protocol), (domain, type, protocol), OF_DESCRIPTORS,
     -1)
CALL(int, memfd_create, (const char *name, unsigned flags), (name, flags), OF_MAKING, -1)
/* The channel between host and worker breaks only with one of them. */
static bool is_connection(int fd)
{
    int domain = AF_UNIX;
    socklen_t len = sizeof domain;

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain != AF_UNIX;
}

/* A connection that breaks is broken for both. */
#define TALKING(name, parameters, arguments)                     \
    EXPORT ssize_t name parameters                               \
    {                                                            \
        NEXT(name)                                               \
        if (!is_connection(fd) || !fails(__func__, &OF_TALKING)) \
            return next arguments;                               \
        shutdown(fd, SHUT_RDWR);                                 \
        errno = ECONNRESET;                                      \
        return -1;                                               \
    }

TALKING(send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags))
TALKING(recv, (int fd, void *to, size_t size, int flags), (fd, to, size, flags))

/* open() has a mode only where it makes a file. */
#define OPENING(name, parameters, arguments)                                                      \
    EXPORT int name parameters                                                                    \
    {                                                                                             \
        NEXT(name)                                                                                \
        mode_t mode = 0;                                                                          \
        va_list args;                                                                             \
                                                                                                  \
        va_start(args, flags);                                                                    \
        if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE)                                \
            mode = va_arg(args, mode_t);                                                          \
        va_end(args);                                                                             \
        return fails(__func__, flags & O_CREAT ? &OF_MAKING : &OF_OPENING) ? -1 : next arguments; \
    }

OPENING(open, (const char *path, int flags, ...), (path, flags, mode))
OPENING(open64, (const char *path, int flags, ...), (path, flags, mode))
OPENING(openat, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
OPENING(openat64, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))

/* Locks and copies of descriptors; the rest of what it does cannot fail. */
#define CONTROLLING(name)                                         \
    EXPORT int name(int fd, int what, ...)                        \
    {                                                             \
        NEXT(name)                                                \
        bool copies = what == F_DUPFD || what == F_DUPFD_CLOEXEC; \
        bool locks = what == F_SETLK || what == F_OFD_SETLK;      \
        void *argument;                                           \
        va_list args;                                             \
                                                                  \
        va_start(args, what);                                     \
        argument = va_arg(args, void *);                          \
        va_end(args);                                             \
        if ((copies && fails(__func__, &OF_DESCRIPTORS)) ||       \
            (locks && fails(__func__, &OF_READING)))              \
            return -1;                                            \
        return next(fd, what, argument);                          \
    }

CONTROLLING(fcntl)
CONTROLLING(fcntl64)

/* ---- the clock ------------------------------------------------------------------------ */

EXPORT int clock_gettime(clockid_t which, struct timespec *out)
{
    static atomic_long jumped;
    const char *jump = getenv("MIGHOST_CLOCK");
    NEXT(clock_gettime)
    int failed = next ? next(which, out) : (int)syscall(SYS_clock_gettime, which, out);

    if (jump && !failed && which == CLOCK_REALTIME)
        out->tv_sec -= atomic_fetch_add(&jumped, atol(jump));
    return failed;
}

/* ---- which program -------------------------------------------------------------------- */

/* The environment of a worker is clean: it gets the settings of this file again. */
EXPORT int posix_spawn(pid_t *out, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
    static const char *const passed[SETTINGS] = {
        "LD_PRELOAD=",      "MIGHOST_FAIL=",     "MIGHOST_FAIL_IN=",
        "MIGHOST_FAIL_BY=", "MIGHOST_FAIL_LOG=", "MIGHOST_CLOCK="};
    NEXT(posix_spawn)
    char *environment[256];
    size_t used = 0;

    if (fails(__func__, &OF_STARTING))
        return errno;
    while (envp[used] && used < sizeof environment / sizeof *environment - SETTINGS - 1) {
        environment[used] = envp[used];
        used++;
    }
    for (char **variable = environ; *variable; variable++)
        for (size_t i = 0; i < SETTINGS; i++)
            if (strncmp(*variable, passed[i], strlen(passed[i])) == 0)
                environment[used++] = *variable;
    environment[used] = NULL;
    return next(out, path, actions, attributes, argv, environment);
}

CALL(int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument),
     (thread, attributes, start, argument), OF_STARTING, errno)

static bool is_meant(void)
{
    const char *name = getenv("MIGHOST_FAIL_IN");

    return name && strcmp(name, program_invocation_short_name) == 0;
}

/* Starts to count, where the settings want it. */
static void begin(void)
{
    const char *setting = getenv("MIGHOST_FAIL");
    void *frame;

    if (!setting || !is_meant() || sscanf(setting, "%63[^:]:%ld", wanted, &fail_at) != 2)
        return;
    backtrace(&frame, 1); /* loads what it needs */
    atomic_store(&counting, fail_at > 0);
}

typedef int main_function(int argc, char **argv, char **envp);

static main_function *real_main;

static int counted_main(int argc, char **argv, char **envp)
{
    int code;

    begin();
    code = real_main(argc, argv, envp);
    end();
    return code;
}

int __libc_start_main(main_function *start, int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*at_exit)(void), void *stack);

EXPORT int __libc_start_main(main_function *start, int argc, char **argv, void (*init)(void),
                             void (*fini)(void), void (*at_exit)(void), void *stack)
{
    NEXT(__libc_start_main)

    real_main = start;
    return next(counted_main, argc, argv, init, fini, at_exit, stack);
}
