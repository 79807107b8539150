/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person decides about the history: a migration that stopped half way is
 * to be tried again, counts as applied or as reverted; an existing database is
 * adopted by recording migrations that were never run here. Changes the history
 * alone, in one transaction, on a session that holds the lock.
 */
#ifndef MIGHOST_SETTLE_H
#define MIGHOST_SETTLE_H

#include "catalog.h"
#include "session.h"

mig_status settle_resolve(struct session *session, const struct catalog *catalog, uint64_t id,
                          enum mighost_resolution how, const char *who, struct mig_err *err);
/* `*recorded`: how many. */
mig_status settle_baseline(struct session *session, const struct catalog *catalog, uint64_t id,
                           const char *who, size_t *recorded, struct mig_err *err);

#define SETTLE_HINT 400

/* Where nothing is recorded and the database has the history of another tool: a
 * sentence about that, else "". */
mig_status settle_hint(struct session *session, const struct applied_list *history,
                       char out[SETTLE_HINT], struct mig_err *err);

#endif
