/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of one page in memory: keys, what was read, what is to be written,
 * row by row, those of one turn together and in the order of their keys. All of
 * it is gone with the page. Reads them from the table; maps and writes nothing.
 */
#ifndef MIGHOST_TRANSFORM_ROWS_H
#define MIGHOST_TRANSFORM_ROWS_H

#include "db.h"
#include "transform_place.h"

struct transform_rows {
    size_t count;
    size_t room;
    size_t bytes; /* of the texts and blobs that were read */
    bool cut;     /* there may be more, but they were too many bytes */
    struct mig_value *keys;
    struct mig_value *reads;
    struct mig_value *writes;
    bool *written;
    struct arena texts;
    size_t begins[TRANSFORM_TURNS_MAX + 1]; /* of each turn; the last: where all end */
};

void transform_rows_clear(struct transform_rows *rows);

/* Of the texts and blobs of a page; it is held three times over. */
#define TRANSFORM_PAGE_BYTES ((size_t)4 << 20)

/* Reads at most `most` rows behind place->last, up to `until` where it is set,
 * and none behind the one that fills the page, unless its author sized it; or,
 * inside of a page, all of that page whose turns are still to come. */
mig_status transform_rows_read(struct transform_rows *rows, struct db *db,
                               const struct transform_shape *shape,
                               const struct transform_place *place,
                               const struct transform_key *until, size_t most, struct mig_err *err);
/* Deals them out to turns. */
mig_status transform_rows_deal(struct transform_rows *rows, const struct transform_shape *shape,
                               const struct transform_deal *how, struct mig_err *err);
/* Reads one row by its key again; `*found`: it is still there. */
mig_status transform_rows_reread(struct transform_rows *rows, struct db *db,
                                 const struct transform_shape *shape, size_t index, bool *found,
                                 struct mig_err *err);

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
