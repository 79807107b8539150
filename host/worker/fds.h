/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's own descriptors: those of its session, of the run lock and of the
 * channel to its host. A module can close them, or keep them open in a child that
 * outlives everything. Both are seen to here.
 */
#ifndef MIGHOST_WORKER_FDS_H
#define MIGHOST_WORKER_FDS_H

#include "err.h"

#include <stdbool.h>

/* What is open now is the worker's own, `control` among it. Called once, before module
 * code runs. From now on a child that fork() makes has none of it. */
mig_status fds_note(int control, struct mig_err *err);

/* Whether all of it still leads where it did. */
bool fds_are_same(void);

#endif
