/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a process that knows no more than it must: a session of its own,
 * default signal dispositions, a list of environment variables that are let
 * through, and the descriptors named here. It is exec'd at once: nothing of the
 * program around us runs in the child. Knows nothing of what is started.
 */
#ifndef MIGHOST_WORKER_SPAWN_H
#define MIGHOST_WORKER_SPAWN_H

#include "err.h"

#include <sys/types.h>

/* Descriptors are borrowed; -1 means /dev/null for the first three and none
 * for the others, which become WIRE_FD_CONTROL and WIRE_FD_MODULE. */
struct worker_spawn {
    const char *path;
    const char *const *argv;
    int output;
    int error;
    int control;
    int module;
};

mig_status worker_spawn(const struct worker_spawn *spawn, pid_t *out, struct mig_err *err);

#endif
