/* SPDX-License-Identifier: Apache-2.0 */
/*
 * posix_spawn() with everything said: glibc makes the child with vfork
 * semantics, so the size of the host and its threads do not matter. Owns
 * nothing that outlives the call. The environment is an allowlist: what the
 * database client library reads, and where it looks for files.
 */
#include "worker_spawn.h"

#include "vec.h"
#include "worker_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>

/* Names let through; one that ends in * stands for all that begin so. */
static const char *const PASSED[] = {
    "HOME",         "LANG",          "LC_*",          "TZ",     "PG*",
    "SSL_CERT_*",   "KRB5*",         "SQLITE_TMPDIR", "TMPDIR",
#if defined(__SANITIZE_ADDRESS__) || defined(MIGHOST_SANITIZED)
    "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
#endif
};

VEC_DEFINE(environment, char *);

static bool is_passed(const char *variable)
{
    for (size_t i = 0; i < sizeof PASSED / sizeof *PASSED; i++) {
        size_t len = strlen(PASSED[i]);

        if (PASSED[i][len - 1] == '*' && strncmp(variable, PASSED[i], len - 1) == 0)
            return true;
        if (strncmp(variable, PASSED[i], len) == 0 && variable[len] == '=')
            return true;
    }
    return false;
}

static bool collect(struct environment *environment)
{
    char **slot;

    for (char **variable = environ; variable && *variable; variable++) {
        if (!is_passed(*variable))
            continue;
        slot = environment_add(environment);
        if (!slot)
            return false;
        *slot = *variable;
    }
    return environment_add(environment) != NULL; /* the NULL at the end */
}

/* The descriptor out of the way of those that the child will have. */
static int lift(int fd)
{
    return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, WIRE_FD_END);
}

static int add_descriptor(posix_spawn_file_actions_t *actions, int from, int to)
{
    if (from >= 0)
        return posix_spawn_file_actions_adddup2(actions, from, to);
    if (to > STDERR_FILENO)
        return posix_spawn_file_actions_addclose(actions, to);
    return posix_spawn_file_actions_addopen(actions, to, "/dev/null", O_RDWR, 0);
}

/* Fills in the actions; 0 or an errno value. `from` is indexed by the
 * descriptor that it becomes. */
static int add_actions(posix_spawn_file_actions_t *actions, const int from[WIRE_FD_END])
{
    int failed = 0;

    for (int to = 0; to < WIRE_FD_END && !failed; to++)
        failed = add_descriptor(actions, from[to], to);
    return failed ? failed : posix_spawn_file_actions_addclosefrom_np(actions, WIRE_FD_END);
}

static int add_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    int failed;

    sigfillset(&all);
    sigemptyset(&none);
    failed = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF |
                                                      POSIX_SPAWN_SETSIGMASK);
    if (!failed)
        failed = posix_spawnattr_setsigdefault(attributes, &all);
    return failed ? failed : posix_spawnattr_setsigmask(attributes, &none);
}

static int start(const struct worker_spawn *spawn, const int from[WIRE_FD_END], char **environment,
                 pid_t *out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int failed = posix_spawn_file_actions_init(&actions);

    if (failed)
        return failed;
    failed = posix_spawnattr_init(&attributes);
    if (!failed) {
        failed = add_actions(&actions, from);
        if (!failed)
            failed = add_attributes(&attributes);
        if (!failed)
            failed = posix_spawn(out, spawn->path, &actions, &attributes,
                                 (char *const *)(uintptr_t)spawn->argv, environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

mig_status worker_spawn(const struct worker_spawn *spawn, pid_t *out, struct mig_err *err)
{
    AUTO(environment) struct environment environment = {0};
    AUTO(close) int output = lift(spawn->output);
    bool together = spawn->error == spawn->output; /* one descriptor does for both */
    AUTO(close) int error = together ? -1 : lift(spawn->error);
    AUTO(close) int control = lift(spawn->control);
    AUTO(close) int module = lift(spawn->module);
    const int from[WIRE_FD_END] = {-1, output, together ? output : error, control, module};
    const int wanted[WIRE_FD_END] = {-1, spawn->output, spawn->error, spawn->control,
                                     spawn->module};
    int failed;

    for (size_t i = 0; i < WIRE_FD_END; i++)
        if (wanted[i] >= 0 && from[i] < 0)
            return err_errno(err, MIG_E_LIMIT, errno, "no descriptor is left for %s", spawn->path);
    if (!collect(&environment))
        return err_nomem(err);
    failed = start(spawn, from, environment.data, out);
    if (failed)
        return err_errno(err, failed == EAGAIN ? MIG_E_LIMIT : MIG_E_NOTFOUND, failed,
                         "the worker %s cannot be started", spawn->path);
    return MIG_OK;
}
