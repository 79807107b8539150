/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of a transform: what its author has described, checked, with every
 * name quoted as the engine wants it. Made once, read by all who work on its
 * rows, at the same time if need be. Owns the names; the author's texts are
 * borrowed. Knows nothing of rows and transactions.
 */
#ifndef MIGHOST_TRANSFORM_SHAPE_H
#define MIGHOST_TRANSFORM_SHAPE_H

#include "arena.h"
#include "buf.h"
#include "columns.h"
#include "err.h"
#include "mig/driver.h"

#define TRANSFORM_COLUMNS_MAX 32 /* of keys, of reads, of writes */

struct transform_shape {
    struct mig_transform spec; /* members that the author's lacks are zero */
    struct arena names;
    const char *table; /* quoted */
    struct names keys;
    bool primary; /* they are the table's primary key */
    struct names reads;
    struct names writes;
    int read_of[TRANSFORM_COLUMNS_MAX]; /* of a written column, its place among the reads; or -1 */
    struct mig_estimate estimate;       /* of the table; zero where nothing is known */
};

/* The connection is asked for the primary key. A table whose name begins with
 * `protect` is refused; NULL: none is. */
mig_status transform_shape_init(struct transform_shape *shape, const struct mig_transform *spec,
                                const struct mig_driver *driver, struct mig_conn *conn,
                                const char *protect, struct mig_err *err);
/* Asks the connection how large the table is. */
mig_status transform_shape_estimate(struct transform_shape *shape, const struct mig_driver *driver,
                                    struct mig_conn *conn, struct mig_err *err);
void transform_shape_clear(struct transform_shape *shape);

/* Appends the names with `between` between them. */
void transform_names_add(struct buf *sql, const struct names *names, const char *between);

#endif
