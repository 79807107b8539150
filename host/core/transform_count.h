/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of the table before a transform begins: how many rows it will
 * meet, and whether its key has a value in each of them. Only reads.
 */
#ifndef MIGHOST_TRANSFORM_COUNT_H
#define MIGHOST_TRANSFORM_COUNT_H

#include "transform_page.h"

/* MIG_E_MISUSE where a column of a named key is NULL in some row: pages would
 * miss it. The primary key has none. */
mig_status transform_check_keys(struct db *db, const struct transform_shape *shape,
                                struct mig_err *err);
/* About how many rows: exact, unless there are very many and the engine has an
 * idea of their number without reading them all. */
mig_status transform_count(struct db *db, const struct transform_shape *shape, int64_t *out,
                           struct mig_err *err);

#endif
