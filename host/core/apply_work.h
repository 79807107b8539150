/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One migration on its way: what the files that run it share. Nobody else
 * includes it.
 */
#ifndef MIGHOST_APPLY_WORK_H
#define MIGHOST_APPLY_WORK_H

#include "apply.h"
#include "db.h"
#include "durable.h"

#include <pthread.h>

struct work {
    struct apply_session *session;
    const struct apply_item *item;
    const struct mig_driver *driver;
    struct mig_conn *conn;
    struct durable durable;
    struct buf carry; /* what goes into the carrier */
    char carrier[HISTORY_HEX];
    int64_t began_wall_ms;
    int64_t began_ns;
    bool skipped;
    bool entered; /* its row was written, in a transaction that may have been rolled back */
    pthread_mutex_t telling; /* one event at a time, whichever thread it comes from */
};

/* As the migration's file, or else the session has it. */
struct mig_tx_options work_tx_options(const struct work *work);
/* For one batch of a transform. */
struct mig_tx_options work_batch_options(const struct work *work);

/* Fills in what all events of the migration have in common. */
void work_emit(struct work *work, struct mighost_event event);

/* How often a migration or a step is tried, and one batch of many, which waits
 * for a lock much shorter each time. */
enum { WORK_ATTEMPTS = 5, WORK_BATCH_ATTEMPTS = 20 };

/* After an attempt that failed and was rolled back, the `attempt`th from 1 of
 * `most`: MIG_OK when it is to be made again, which has been said, and a pause
 * made. Else the failure, which says how often it was tried. */
mig_status work_again(struct work *work, int attempt, int most, struct mig_err *err);
/* The same for a thread of its own, which asks `stopped` instead of the session. */
mig_status work_again_unless(struct work *work, int attempt, int most,
                             mig_status (*stopped)(void *arg), void *arg, struct mig_err *err);

/* mig_transform(), for the handle of the module. */
mig_status work_transform(struct db *db, const struct mig_transform *spec, struct mig_err *err);

#endif
