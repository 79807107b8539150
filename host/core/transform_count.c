/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a key that is not the table's primary one is a key at all, asked once,
 * before the first page. Rows whose key is NULL are behind no key and before none,
 * so no page would have them: they are counted column by column, which a key's index
 * answers at once. Of rows that share a key a page's end would cut some off, and one
 * would get what was computed of another.
 */
#include "transform_count.h"

#include <inttypes.h>

/* Counting fewer rows takes no time worth speaking of. */
#define ESTIMATE_FROM 100000

static mig_status read_number(struct db *db, const struct buf *sql, int64_t *out,
                              struct mig_err *err)
{
    AUTO(transform_query) struct transform_query query = {0};
    struct mig_value value;
    mig_status status;

    MIG_TRY(transform_query_start(db, sql, &query, err));
    status = query.driver->step(query.cursor, err);
    if (status < 0)
        return status;
    *out = 0;
    if (status == MIG_ROW) {
        MIG_TRY(query.driver->column(query.cursor, 0, &value, err));
        *out = mig_value_int64(&value);
    }
    return MIG_OK;
}

/* The number of rows that `sql` answers with. It is the first statement that
 * has the author's filter in it. */
static mig_status ask_number(struct db *db, const struct transform_shape *shape,
                             const struct buf *sql, int64_t *out, struct mig_err *err)
{
    const char *filter = shape->spec.filter;
    mig_status status = read_number(db, sql, out, err);

    if (status >= 0)
        return status;
    if (filter)
        return err_wrap(err, "counting rows of table %s with the filter (%s)", shape->spec.table,
                        filter);
    return err_wrap(err, "counting rows of table %s", shape->spec.table);
}

static mig_status check_missing(struct db *db, const struct transform_shape *shape,
                                struct mig_err *err)
{
    const char *filter = shape->spec.filter;

    for (size_t i = 0; i < shape->keys.count; i++) {
        const char *key = shape->keys.quoted[i];
        AUTO(buf) struct buf sql = {0};
        int64_t missing;

        buf_printf(&sql, "SELECT COUNT(*) FROM %s WHERE %s IS NULL", shape->table, key);
        if (filter)
            buf_printf(&sql, " AND (%s)", filter);
        MIG_TRY(ask_number(db, shape, &sql, &missing, err));
        if (missing > 0)
            return err_set(err, MIG_E_MISUSE,
                           "mig_transform: %s is NULL in %" PRId64
                           " of the rows of table %s, so it is no key: name other columns in "
                           "`.key`, or leave those rows out with `.filter`",
                           key, missing, shape->spec.table);
    }
    return MIG_OK;
}

/* Asks for the number of rows that share a key, of any such. Rows that the filter
 * leaves out count as well: an UPDATE by the key would find them. */
static void put_shared(const struct transform_shape *shape, struct buf *sql)
{
    const struct names *keys = &shape->keys;

    buf_printf(sql, "SELECT COUNT(*) FROM %s WHERE ", shape->table);
    for (size_t i = 0; i < keys->count; i++)
        buf_printf(sql, "%s%s IS NOT NULL", i ? " AND " : "", keys->quoted[i]);
    buf_puts(sql, " GROUP BY ");
    transform_names_add(sql, keys, ", ");
    buf_puts(sql, " HAVING COUNT(*) > 1 LIMIT 1");
}

static mig_status check_shared(struct db *db, const struct transform_shape *shape,
                               struct mig_err *err)
{
    AUTO(buf) struct buf sql = {0};
    AUTO(buf) struct buf names = {0};
    int64_t shared;

    put_shared(shape, &sql);
    transform_names_add(&names, &shape->keys, ", ");
    MIG_TRY(buf_check(&names, err));
    MIG_TRY(ask_number(db, shape, &sql, &shared, err));
    if (shared == 0)
        return MIG_OK;
    return err_set(err, MIG_E_MISUSE,
                   "mig_transform: %" PRId64 " rows of table %s have the same %s, so it is no "
                   "key: name columns in `.key` that tell each row from all others",
                   shared, shape->spec.table, buf_text(&names));
}

mig_status transform_check_keys(struct db *db, const struct transform_shape *shape,
                                struct mig_err *err)
{
    if (shape->primary)
        return MIG_OK;
    MIG_TRY(check_missing(db, shape, err));
    return check_shared(db, shape, err);
}

mig_status transform_count(struct db *db, const struct transform_shape *shape, int64_t *out,
                           struct mig_err *err)
{
    AUTO(buf) struct buf sql = {0};

    if (!shape->spec.filter && shape->estimate.rows >= ESTIMATE_FROM) {
        *out = shape->estimate.rows;
        return MIG_OK;
    }
    buf_printf(&sql, "SELECT COUNT(*) FROM %s", shape->table);
    if (shape->spec.filter)
        buf_printf(&sql, " WHERE (%s)", shape->spec.filter);
    return ask_number(db, shape, &sql, out, err);
}
