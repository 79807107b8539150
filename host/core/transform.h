/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transform engine: every row of a table, in the order of its key, through
 * a callback of the module. Owns the loop: pages read by key, the module's
 * values, one batched write a page, the cursor. Memory is bounded by the page.
 * A row that changed between reading and writing is read and mapped again, so
 * that no write of the application is lost. Transactions are its owner's:
 * where there is an advance(), it is called after each page and commits it.
 */
#ifndef MIGHOST_TRANSFORM_H
#define MIGHOST_TRANSFORM_H

#include "db.h"

struct transform {
    struct db *db;
    const struct mig_transform *spec;
    const char *cursor; /* where an earlier run stopped; NULL or "": at the start */
    int64_t done;       /* rows that it had done */
    /* Commits what was done so far together with the cursor; may be NULL. */
    mig_status (*advance)(void *ctx, const char *cursor, int64_t done, struct mig_err *err);
    void *ctx;
};

mig_status transform_run(struct transform *transform, struct mig_err *err);

#endif
