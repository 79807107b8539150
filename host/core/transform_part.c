/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A single integer key is cut by arithmetic between its least and its greatest
 * value, which an index gives at once. For any other the engine numbers the
 * rows in the order of the key, in one pass, and names every n-th.
 */
#include "transform_part.h"

#include <inttypes.h>

/* The end of one part is the beginning of the next: adds the part up to
 * `until`, "" for the last. */
static mig_status part_add(struct transform_parts *parts, const char *until, struct mig_err *err)
{
    const char *from = parts->count ? parts->items[parts->count - 1].until : "";
    struct journal_row *grown;

    grown = realloc(parts->items, (parts->count + 1) * sizeof *grown);
    if (!grown)
        return err_nomem(err);
    parts->items = grown;
    grown[parts->count] = (struct journal_row){
        .part = (int64_t)parts->count + 1,
        .kind = "part",
        .cursor = from,
        .until = arena_strdup(&parts->texts, until),
    };
    return grown[parts->count++].until ? MIG_OK : err_nomem(err);
}

static mig_status part_add_key(struct transform_parts *parts, const struct mig_value *values,
                               size_t count, struct mig_err *err)
{
    AUTO(buf) struct buf text = {0};
    struct transform_key key = {0};
    mig_status status = transform_key_set(&key, values, count, err);

    if (status == MIG_OK) {
        transform_key_write(&key, &text);
        status = buf_check(&text, err);
    }
    if (status == MIG_OK)
        status = part_add(parts, buf_text(&text), err);
    transform_key_clear(&key);
    return status;
}

/* The first or the last key of a table with a single integer one; `*found` is
 * false where there is none. */
static mig_status find_end(struct db *db, const struct transform_shape *shape, const char *order,
                           int64_t *out, bool *found, struct mig_err *err)
{
    const char *key = shape->keys.quoted[0];
    AUTO(buf) struct buf sql = {0};
    AUTO(transform_query) struct transform_query query = {0};
    struct mig_value value;
    mig_status status;

    *found = false;
    buf_printf(&sql, "SELECT %s FROM %s WHERE %s IS NOT NULL ORDER BY %s %s LIMIT 1", key,
               shape->table, key, key, order);
    MIG_TRY(transform_query_start(db, &sql, &query, err));
    status = query.driver->step(query.cursor, err);
    if (status != MIG_ROW)
        return status;
    MIG_TRY(query.driver->column(query.cursor, 0, &value, err));
    *found = value.type == MIG_INT64;
    *out = value.as.int64;
    return MIG_OK;
}

/* Without overflow: the distance of two 64-bit numbers is an unsigned one. */
static mig_status cut_integers(struct transform_parts *parts, int64_t least, int64_t most,
                               size_t wanted, struct mig_err *err)
{
    uint64_t span = (uint64_t)most - (uint64_t)least;
    uint64_t width = span / wanted + 1;

    for (uint64_t end = width; end - 1 < span; end += width) {
        const struct mig_value until = {.type = MIG_INT64,
                                        .as.int64 = (int64_t)((uint64_t)least + end - 1)};

        MIG_TRY(part_add_key(parts, &until, 1, err));
        if (end > UINT64_MAX - width)
            break;
    }
    return part_add(parts, "", err);
}

static void every_nth_sql(const struct transform_shape *shape, int64_t n, struct buf *sql)
{
    buf_puts(sql, "SELECT ");
    transform_names_add(sql, &shape->keys, ", ");
    buf_puts(sql, " FROM (SELECT ");
    transform_names_add(sql, &shape->keys, ", ");
    buf_puts(sql, ", ROW_NUMBER() OVER (ORDER BY ");
    transform_names_add(sql, &shape->keys, ", ");
    buf_printf(sql, ") AS mig_place FROM %s", shape->table);
    if (shape->spec.filter)
        buf_printf(sql, " WHERE (%s)", shape->spec.filter);
    buf_printf(sql, ") AS mig_rows WHERE mig_place %% %" PRId64 " = 0 ORDER BY mig_place", n);
}

static mig_status cut_by_place(struct transform_parts *parts, struct db *db,
                               const struct transform_shape *shape, int64_t n, struct mig_err *err)
{
    size_t keys = shape->keys.count;
    AUTO(buf) struct buf sql = {0};
    AUTO(transform_query) struct transform_query query = {0};
    struct mig_value values[TRANSFORM_COLUMNS_MAX];
    mig_status status;

    every_nth_sql(shape, n, &sql);
    MIG_TRY(transform_query_start(db, &sql, &query, err));
    while ((status = query.driver->step(query.cursor, err)) == MIG_ROW) {
        for (size_t i = 0; i < keys; i++)
            MIG_TRY(query.driver->column(query.cursor, (int)i, &values[i], err));
        MIG_TRY(part_add_key(parts, values, keys, err));
    }
    return status < 0 ? status : part_add(parts, "", err);
}

mig_status transform_parts_make(struct transform_parts *parts, struct db *db,
                                const struct transform_shape *shape, int64_t total, size_t wanted,
                                struct mig_err *err)
{
    bool first = false;
    bool last = false;
    int64_t least;
    int64_t most;

    if (wanted < 2)
        return MIG_OK;
    if (shape->keys.count == 1) {
        MIG_TRY(find_end(db, shape, "ASC", &least, &first, err));
        MIG_TRY(find_end(db, shape, "DESC", &most, &last, err));
    }
    if (first && last)
        return cut_integers(parts, least, most, wanted, err);
    return cut_by_place(parts, db, shape, total / (int64_t)wanted + 1, err);
}

mig_status transform_parts_copy(struct transform_parts *parts, const struct journal_row *rows,
                                size_t count, struct mig_err *err)
{
    parts->items = calloc(count, sizeof *parts->items);
    if (!parts->items)
        return err_nomem(err);
    memcpy(parts->items, rows, count * sizeof *rows);
    parts->count = count;
    return MIG_OK;
}

void transform_parts_clear(struct transform_parts *parts)
{
    free(parts->items);
    arena_clear(&parts->texts);
    *parts = (struct transform_parts){0};
}
