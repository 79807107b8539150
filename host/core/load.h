/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bulk load: rows that a callback of the module gives, one after the other,
 * into a table. Owns the loop: the batch that is being filled, its insertion by
 * the driver, progress, the wish to end. Memory is bounded by the batch.
 * Transactions are its caller's, and after a failure it is the caller who
 * undoes what went in before.
 */
#ifndef MIGHOST_LOAD_H
#define MIGHOST_LOAD_H

#include "db.h"

/* For db_config. `*rows`: how many were inserted. */
mig_status load_run(struct db *db, const struct mig_load *spec, int64_t *rows, struct mig_err *err);

#endif
