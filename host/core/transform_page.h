/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One page of rows on one connection: read in the order of the key, mapped by
 * the callback, written in one batch. A lane is a connection with its place in
 * the table; lanes share the shape and the tally and nothing else, so that each
 * can have a thread of its own. Begins and ends no transaction.
 */
#ifndef MIGHOST_TRANSFORM_PAGE_H
#define MIGHOST_TRANSFORM_PAGE_H

#include "transform.h"
#include "transform_key.h"

#include <stdatomic.h>

/* What all lanes of one transform have done, and earlier runs before them. */
struct transform_tally {
    _Atomic int64_t done;
    _Atomic int64_t rejected;
    _Atomic int64_t said; /* rejected rows that were warned about */
    int64_t total;
};

struct transform_lane {
    const struct transform *transform;
    const struct transform_shape *shape;
    struct transform_tally *tally;
    struct db *db; /* handed to the callback */
    const struct mig_driver *driver;
    struct mig_conn *conn;
    size_t page_rows;
    struct transform_key last;  /* the next page begins behind it */
    struct transform_key until; /* and ends with it, where it is set */
    struct transform_spot *spot;
    struct transform_spot own_spot; /* where the owner gave none */
    int64_t done;                   /* of the part at hand */
    int64_t rejected;
};

/* `number` from 0 on: the lane's own. Called by the thread that will use it. */
void transform_lane_init(struct transform_lane *lane, const struct transform *transform,
                         const struct transform_shape *shape, struct transform_tally *tally,
                         struct db *db, size_t number);
void transform_lane_clear(struct transform_lane *lane);
/* After a page that took so long: makes the next one larger or smaller. */
void transform_lane_adapt(struct transform_lane *lane, int64_t took_ms);

/* Does the next page; `*rows` were read, fewer than page_rows at the end. */
mig_status transform_page(struct transform_lane *lane, size_t *rows, struct mig_err *err);

/* A statement of the transform's own, on its way. */
struct transform_query {
    const struct mig_driver *driver;
    struct mig_cursor *cursor;
};

static inline void transform_query_clear(struct transform_query *query)
{
    if (query->cursor)
        query->driver->finalize(query->cursor);
    query->cursor = NULL;
}
AUTO_VALUE(transform_query, struct transform_query, transform_query_clear)

mig_status transform_query_start(struct db *db, const struct buf *sql,
                                 struct transform_query *query, struct mig_err *err);

#endif
