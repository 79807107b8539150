/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows come by key (WHERE key > last ORDER BY key LIMIT n), so that a page is
 * one short index walk. A page that an earlier run has begun is read by both
 * its ends, and the rows whose turn has been are left out.
 */
#include "transform_rows.h"

#define ROOM_FIRST 256

void transform_rows_clear(struct transform_rows *rows)
{
    free(rows->keys);
    free(rows->reads);
    free(rows->writes);
    free(rows->written);
    arena_clear(&rows->texts);
    *rows = (struct transform_rows){0};
}

/* --- statements ------------------------------------------------------------------- */

/* As the module's own statement: the driver keeps none of those, since the
 * module's next step may change the table behind it. */
mig_status transform_query_start(struct db *db, const struct buf *sql,
                                 struct transform_query *query, struct mig_err *err)
{
    const struct db_config *config = &db->config;
    bool was;
    mig_status status;

    MIG_TRY(buf_check(sql, err));
    query->driver = config->driver;
    was = db_guard(db, true);
    status = config->driver->prepare(config->conn, sql->data, sql->len, 0, &query->cursor, err);
    db_guard(db, was);
    return status;
}

/* (a, b) > ($1, $2): both engines compare rows, and use the index for it. */
static void add_bound(struct buf *sql, const struct names *keys, const char *sign, size_t first)
{
    buf_putc(sql, '(');
    transform_names_add(sql, keys, ", ");
    buf_printf(sql, ") %s (", sign);
    for (size_t i = 0; i < keys->count; i++)
        buf_printf(sql, "%s$%zu", i ? ", " : "", first + i);
    buf_putc(sql, ')');
}

static void add_columns(struct buf *sql, const struct transform_shape *shape)
{
    buf_puts(sql, "SELECT ");
    transform_names_add(sql, &shape->keys, ", ");
    buf_puts(sql, ", ");
    transform_names_add(sql, &shape->reads, ", ");
    buf_printf(sql, " FROM %s", shape->table);
}

static mig_status bind_key(const struct transform_query *query, const struct mig_value *values,
                           size_t count, int *parameter, struct mig_err *err)
{
    for (size_t i = 0; i < count; i++)
        MIG_TRY(query->driver->bind(query->cursor, (*parameter)++, &values[i], err));
    return MIG_OK;
}

static void page_sql(const struct transform_shape *shape, const struct transform_place *place,
                     const struct transform_key *end, size_t most, struct buf *sql)
{
    const struct names *keys = &shape->keys;
    const char *word = " WHERE ";
    size_t parameter = 1;

    add_columns(sql, shape);
    if (place->last.set) {
        buf_puts(sql, word);
        add_bound(sql, keys, ">", parameter);
        parameter += keys->count;
        word = " AND ";
    }
    if (end->set) {
        buf_puts(sql, word);
        add_bound(sql, keys, "<=", parameter);
        word = " AND ";
    }
    if (shape->spec.filter)
        buf_printf(sql, "%s(%s)", word, shape->spec.filter);
    buf_puts(sql, " ORDER BY ");
    transform_names_add(sql, keys, ", ");
    if (!place->turn)
        buf_printf(sql, " LIMIT %zu", most);
}

/* --- reading ---------------------------------------------------------------------- */

static bool grow(struct mig_value **values, size_t room)
{
    struct mig_value *grown = realloc(*values, room * sizeof *grown);

    if (grown)
        *values = grown;
    return grown;
}

static mig_status rows_reserve(struct transform_rows *rows, const struct transform_shape *shape,
                               size_t room, struct mig_err *err)
{
    bool *written;

    if (room <= rows->room)
        return MIG_OK;
    written = realloc(rows->written, room * sizeof *written);
    if (!written)
        return err_nomem(err);
    rows->written = written;
    if (!grow(&rows->keys, room * shape->keys.count) ||
        !grow(&rows->reads, room * shape->reads.count) ||
        !grow(&rows->writes, room * shape->writes.count))
        return err_nomem(err);
    rows->room = room;
    return MIG_OK;
}

/* The row under the cursor: keys, then reads, copied. */
static mig_status row_copy(struct transform_rows *rows, const struct transform_shape *shape,
                           const struct transform_query *query, size_t index, struct mig_err *err)
{
    size_t keys = shape->keys.count;
    size_t reads = shape->reads.count;

    for (size_t i = 0; i < keys + reads; i++) {
        struct mig_value *to =
            i < keys ? &rows->keys[index * keys + i] : &rows->reads[index * reads + i - keys];
        struct mig_value value;

        MIG_TRY(query->driver->column(query->cursor, (int)i, &value, err));
        MIG_TRY(value_copy(&rows->texts, &value, to, err));
        rows->bytes += value.type == MIG_TEXT || value.type == MIG_BLOB ? value.len : 0;
    }
    return MIG_OK;
}

/* SQLite lets a primary key be NULL, unless its columns are told not to, and has
 * such rows before all others: so they are met before any page passes them over. */
static mig_status check_key(const struct transform_shape *shape, const struct mig_value *key,
                            struct mig_err *err)
{
    for (size_t i = 0; i < shape->keys.count; i++)
        if (key[i].type == MIG_NULL)
            return err_set(err, MIG_E_MISUSE,
                           "mig_transform: %s is NULL in a row of table %s, so it is no key: name "
                           "other columns in `.key`, or leave such rows out with `.filter`",
                           shape->keys.quoted[i], shape->spec.table);
    return MIG_OK;
}

static mig_status row_add(struct transform_rows *rows, const struct transform_shape *shape,
                          const struct transform_place *place, const struct transform_query *query,
                          struct mig_err *err)
{
    size_t room = rows->room ? rows->room * 2 : ROOM_FIRST;
    const struct mig_value *key;

    if (rows->count == rows->room)
        MIG_TRY(rows_reserve(rows, shape, room, err));
    MIG_TRY(row_copy(rows, shape, query, rows->count, err));
    key = &rows->keys[rows->count * shape->keys.count];
    MIG_TRY(check_key(shape, key, err));
    if (!place->turn || transform_turn(&place->deal, key, shape->keys.count) >= place->turn)
        rows->count++;
    return MIG_OK;
}

/* No page is larger than its last row makes it, however many rows it was to have. */
static bool is_full(const struct transform_rows *rows, const struct transform_shape *shape,
                    const struct transform_place *place)
{
    return !shape->spec.batch && !place->turn && rows->bytes >= TRANSFORM_PAGE_BYTES;
}

mig_status transform_rows_read(struct transform_rows *rows, struct db *db,
                               const struct transform_shape *shape,
                               const struct transform_place *place,
                               const struct transform_key *until, size_t most, struct mig_err *err)
{
    const struct transform_key *end = place->turn ? &place->end : until;
    AUTO(buf) struct buf sql = {0};
    AUTO(transform_query) struct transform_query query = {0};
    int parameter = 1;
    mig_status status;

    transform_rows_clear(rows);
    page_sql(shape, place, end, most, &sql);
    MIG_TRY(rows_reserve(rows, shape, place->turn ? ROOM_FIRST : most, err));
    MIG_TRY(transform_query_start(db, &sql, &query, err));
    if (place->last.set)
        MIG_TRY(bind_key(&query, place->last.values, shape->keys.count, &parameter, err));
    if (end->set)
        MIG_TRY(bind_key(&query, end->values, shape->keys.count, &parameter, err));
    while ((status = query.driver->step(query.cursor, err)) == MIG_ROW) {
        MIG_TRY(row_add(rows, shape, place, &query, err));
        rows->cut = is_full(rows, shape, place);
        if (rows->cut)
            return MIG_OK;
    }
    return status;
}

mig_status transform_rows_reread(struct transform_rows *rows, struct db *db,
                                 const struct transform_shape *shape, size_t index, bool *found,
                                 struct mig_err *err)
{
    const struct names *keys = &shape->keys;
    AUTO(buf) struct buf sql = {0};
    AUTO(transform_query) struct transform_query query = {0};
    int parameter = 1;
    mig_status status;

    add_columns(&sql, shape);
    buf_puts(&sql, " WHERE ");
    for (size_t i = 0; i < keys->count; i++)
        buf_printf(&sql, "%s%s = $%zu", i ? " AND " : "", keys->quoted[i], i + 1);
    if (shape->spec.filter)
        buf_printf(&sql, " AND (%s)", shape->spec.filter);
    MIG_TRY(transform_query_start(db, &sql, &query, err));
    MIG_TRY(bind_key(&query, &rows->keys[index * keys->count], keys->count, &parameter, err));
    status = query.driver->step(query.cursor, err);
    *found = status == MIG_ROW;
    return status == MIG_ROW ? row_copy(rows, shape, &query, index, err) : status;
}

/* --- turns ------------------------------------------------------------------------ */

static void count_turns(struct transform_rows *rows, const struct transform_shape *shape,
                        const struct transform_deal *how, unsigned char *turn)
{
    size_t counts[TRANSFORM_TURNS_MAX] = {0};

    for (size_t i = 0; i < rows->count; i++) {
        turn[i] = (unsigned char)transform_turn(how, &rows->keys[i * shape->keys.count],
                                                shape->keys.count);
        counts[turn[i]]++;
    }
    rows->begins[0] = 0;
    for (unsigned i = 0; i < TRANSFORM_TURNS_MAX; i++)
        rows->begins[i + 1] = rows->begins[i] + counts[i];
}

/* Moves each row's values to its place among those of its turn. */
static mig_status deal(const struct transform_rows *rows, struct mig_value **values, size_t columns,
                       const unsigned char *turn, struct mig_err *err)
{
    struct mig_value *dealt = malloc(rows->room * columns * sizeof *dealt);
    size_t next[TRANSFORM_TURNS_MAX];

    if (!dealt)
        return err_nomem(err);
    memcpy(next, rows->begins, sizeof next);
    for (size_t i = 0; i < rows->count; i++)
        memcpy(&dealt[next[turn[i]]++ * columns], &(*values)[i * columns], columns * sizeof *dealt);
    free(*values);
    *values = dealt;
    return MIG_OK;
}

mig_status transform_rows_deal(struct transform_rows *rows, const struct transform_shape *shape,
                               const struct transform_deal *how, struct mig_err *err)
{
    AUTO(free) unsigned char *turn = NULL;

    rows->begins[0] = 0;
    rows->begins[1] = rows->count;
    if (how->turns < 2 || rows->count == 0)
        return MIG_OK;
    turn = malloc(rows->count);
    if (!turn)
        return err_nomem(err);
    count_turns(rows, shape, how, turn);
    MIG_TRY(deal(rows, &rows->keys, shape->keys.count, turn, err));
    return deal(rows, &rows->reads, shape->reads.count, turn, err);
}
