/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the history says of one migration now, which is the only truth about
 * it: asked by a worker behind its COMMIT, and by the host wherever a worker
 * has not said so or a connection broke. Reads one row.
 */
#ifndef MIGHOST_VERDICT_H
#define MIGHOST_VERDICT_H

#include "history.h"

enum verdict {
    VERDICT_DONE,
    VERDICT_SKIPPED, /* done, by another run */
    VERDICT_NOT_DONE,
    VERDICT_HALF, /* something of it stands */
};

mig_status verdict_read(struct history *history, uint64_t id, enum mighost_direction direction,
                        const char *run_id, enum verdict *out, struct mig_err *err);

#endif
