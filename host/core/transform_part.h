/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table cut into ranges of its key, which lanes can work on at the same time.
 * Together they are the whole table, also where rows come in meanwhile: the
 * first has no beginning, the last no end, and each ends where the next begins.
 * There are many more than lanes, so that a dense range holds nobody up.
 */
#ifndef MIGHOST_TRANSFORM_PART_H
#define MIGHOST_TRANSFORM_PART_H

#include "transform_page.h"

struct transform_parts {
    size_t count;
    struct journal_row *items; /* numbered from 1; of the step that the owner knows */
    struct arena texts;
};

/* Cuts the table into about `wanted` ranges; one or none: it is not worth it. */
mig_status transform_parts_make(struct transform_parts *parts, struct db *db,
                                const struct transform_shape *shape, int64_t total, size_t wanted,
                                struct mig_err *err);
/* Those that an earlier run has made, as the journal has them. */
mig_status transform_parts_copy(struct transform_parts *parts, const struct journal_row *rows,
                                size_t count, struct mig_err *err);
void transform_parts_clear(struct transform_parts *parts);

#endif
