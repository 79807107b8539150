/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows come by key (WHERE key > last ORDER BY key LIMIT n), so that each page
 * is one short index walk. Its values are held in one arena, mapped, and
 * written in one batch that demands the read columns to be still what they
 * were; rows that were not written are read and mapped anew.
 */
#include "transform_page.h"

#include <inttypes.h>
#include <unistd.h>

#define PAGE_FIRST 1000
#define PAGE_MIN 100
#define PAGE_MAX 10000
#define PAGE_TARGET_MS 200 /* a batch should hold its locks about this long */
#define REREADS_MAX 20     /* of a row that changes again and again */
#define SAID_ROWS 20       /* rejected rows that are named one by one */

struct page {
    size_t rows;
    struct mig_value *keys;
    struct mig_value *reads;
    struct mig_value *writes;
    bool *written;
    struct arena texts;
};

void transform_lane_init(struct transform_lane *lane, const struct transform *transform,
                         const struct transform_shape *shape, struct transform_tally *tally,
                         struct db *db, size_t number)
{
    *lane = (struct transform_lane){
        .transform = transform,
        .shape = shape,
        .tally = tally,
        .db = db,
        .driver = db->config.driver,
        .conn = db->config.conn,
        .page_rows = shape->spec.batch ? shape->spec.batch : PAGE_FIRST,
    };
    lane->spot = number < transform->spot_count ? &transform->spots[number] : &lane->own_spot;
    *lane->spot = (struct transform_spot){
        .table = shape->spec.table,
        .keys = shape->keys.quoted,
        .key_count = shape->keys.count,
        .thread = gettid(),
    };
}

void transform_lane_clear(struct transform_lane *lane)
{
    *lane->spot = (struct transform_spot){0};
    transform_key_clear(&lane->last);
    transform_key_clear(&lane->until);
}

void transform_lane_adapt(struct transform_lane *lane, int64_t took_ms)
{
    if (lane->shape->spec.batch)
        return;
    if (took_ms < PAGE_TARGET_MS / 2 && lane->page_rows * 2 <= PAGE_MAX)
        lane->page_rows *= 2;
    else if (took_ms > PAGE_TARGET_MS * 2 && lane->page_rows / 2 >= PAGE_MIN)
        lane->page_rows /= 2;
}

/* --- reading -------------------------------------------------------------------- */

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

static void page_sql(const struct transform_lane *lane, struct buf *sql)
{
    const struct names *keys = &lane->shape->keys;
    const char *word = " WHERE ";
    size_t parameter = 1;

    add_columns(sql, lane->shape);
    if (lane->last.set) {
        buf_puts(sql, word);
        add_bound(sql, keys, ">", parameter);
        parameter += keys->count;
        word = " AND ";
    }
    if (lane->until.set) {
        buf_puts(sql, word);
        add_bound(sql, keys, "<=", parameter);
        word = " AND ";
    }
    if (lane->shape->spec.filter)
        buf_printf(sql, "%s(%s)", word, lane->shape->spec.filter);
    buf_puts(sql, " ORDER BY ");
    transform_names_add(sql, keys, ", ");
    buf_printf(sql, " LIMIT %zu", lane->page_rows);
}

static mig_status bind_key(const struct transform_query *query, const struct mig_value *values,
                           size_t count, int *parameter, struct mig_err *err)
{
    for (size_t i = 0; i < count; i++)
        MIG_TRY(query->driver->bind(query->cursor, (*parameter)++, &values[i], err));
    return MIG_OK;
}

static void page_clear(struct page *page)
{
    free(page->keys);
    free(page->reads);
    free(page->writes);
    free(page->written);
    arena_clear(&page->texts);
    *page = (struct page){0};
}
AUTO_VALUE(page, struct page, page_clear)

static mig_status page_alloc(const struct transform_lane *lane, struct page *page,
                             struct mig_err *err)
{
    const struct transform_shape *shape = lane->shape;

    page->keys = calloc(lane->page_rows * shape->keys.count, sizeof *page->keys);
    page->reads = calloc(lane->page_rows * shape->reads.count, sizeof *page->reads);
    page->writes = calloc(lane->page_rows * shape->writes.count, sizeof *page->writes);
    page->written = calloc(lane->page_rows, sizeof *page->written);
    return page->keys && page->reads && page->writes && page->written ? MIG_OK : err_nomem(err);
}

/* The row under the cursor: keys, then reads, copied. */
static mig_status row_copy(const struct transform_lane *lane, struct mig_cursor *cursor,
                           size_t index, struct page *page, struct mig_err *err)
{
    size_t keys = lane->shape->keys.count;
    size_t reads = lane->shape->reads.count;

    for (size_t i = 0; i < keys + reads; i++) {
        struct mig_value *to =
            i < keys ? &page->keys[index * keys + i] : &page->reads[index * reads + i - keys];
        struct mig_value value;

        MIG_TRY(lane->driver->column(cursor, (int)i, &value, err));
        MIG_TRY(value_copy(&page->texts, &value, to, err));
    }
    return MIG_OK;
}

static mig_status page_read(struct transform_lane *lane, struct page *page, struct mig_err *err)
{
    AUTO(buf) struct buf sql = {0};
    AUTO(transform_query) struct transform_query query = {0};
    size_t keys = lane->shape->keys.count;
    int parameter = 1;
    mig_status status;

    page_sql(lane, &sql);
    MIG_TRY(page_alloc(lane, page, err));
    MIG_TRY(transform_query_start(lane->db, &sql, &query, err));
    if (lane->last.set)
        MIG_TRY(bind_key(&query, lane->last.values, keys, &parameter, err));
    if (lane->until.set)
        MIG_TRY(bind_key(&query, lane->until.values, keys, &parameter, err));
    while ((status = lane->driver->step(query.cursor, err)) == MIG_ROW)
        MIG_TRY(row_copy(lane, query.cursor, page->rows++, page, err));
    return status;
}

/* --- the callback ------------------------------------------------------------------ */

static void warn_of_row(const struct transform_lane *lane, const char *where, const char *said)
{
    const struct transform *transform = lane->transform;
    AUTO(buf) struct buf text = {0};

    if (!transform->owner || !transform->owner->warn || lane->tally->said++ >= SAID_ROWS)
        return;
    buf_printf(&text, "the callback rejected the row of table %s with %s%s%s",
               lane->shape->spec.table, where, *said ? ": " : "", said);
    transform->owner->warn(transform->ctx, buf_text(&text));
}

/* A row that the callback calls bad is left as it is, as long as they are few. */
static mig_status row_rejected(struct transform_lane *lane, const struct mig_value *keys,
                               struct mig_err *err)
{
    int64_t most = lane->transform->limits.max_rejects;
    const char *said = lane->db->fail;
    AUTO(buf) struct buf where = {0};

    transform_key_say(&lane->shape->keys, keys, &where);
    lane->rejected++;
    if (++lane->tally->rejected > most) {
        err_set(err, MIG_E_FAILED,
                "the callback rejected the row of table %s with %s%s%s; --max-rejects allows "
                "%" PRId64,
                lane->shape->spec.table, buf_text(&where), *said ? ": " : "", said, most);
        lane->db->fail[0] = '\0'; /* said above */
        return err->status;
    }
    warn_of_row(lane, buf_text(&where), said);
    lane->db->fail[0] = '\0';
    return MIG_OK;
}

static mig_status row_failed(struct transform_lane *lane, mig_status status,
                             const struct mig_value *keys, struct mig_err *err)
{
    AUTO(buf) struct buf where = {0};
    const char *said = lane->db->fail;

    transform_key_say(&lane->shape->keys, keys, &where);
    err_set(err, MIG_E_FAILED, "the callback failed on the row of table %s with %s: %s",
            lane->shape->spec.table, buf_text(&where),
            *said ? said : status_text(status < 0 ? status : MIG_E_FAILED));
    lane->db->fail[0] = '\0'; /* said above */
    return err->status;
}

/* Maps row `index`; `*keep`: there is something to write. */
static mig_status map_row(struct transform_lane *lane, struct page *page, size_t index, bool *keep,
                          struct mig_err *err)
{
    const struct transform_shape *shape = lane->shape;
    const struct mig_value *keys = &page->keys[index * shape->keys.count];
    struct row in = {
        .base.db = db_handle(lane->db),
        .reads = &page->reads[index * shape->reads.count],
        .count = shape->reads.count,
    };
    struct row out = {
        .base.db = in.base.db,
        .writes = &page->writes[index * shape->writes.count],
        .count = shape->writes.count,
        .texts = &page->texts,
    };
    mig_status status;

    memset(out.writes, 0, shape->writes.count * sizeof *out.writes);
    lane->db->fail[0] = '\0';
    lane->spot->here = keys;
    status = shape->spec.map(&in.base, &out.base, shape->spec.user);
    lane->spot->here = NULL;
    if (out.nomem)
        return err_nomem(err);
    *keep = status == MIG_OK;
    if (status == MIG_OK || status == MIG_SKIP)
        return MIG_OK;
    return status == MIG_REJECT ? row_rejected(lane, keys, err)
                                : row_failed(lane, status, keys, err);
}

static void row_move(const struct transform_shape *shape, struct page *page, size_t from, size_t to)
{
    size_t keys = shape->keys.count;
    size_t reads = shape->reads.count;
    size_t writes = shape->writes.count;

    if (from == to)
        return;
    memcpy(&page->keys[to * keys], &page->keys[from * keys], keys * sizeof *page->keys);
    memcpy(&page->reads[to * reads], &page->reads[from * reads], reads * sizeof *page->reads);
    memcpy(&page->writes[to * writes], &page->writes[from * writes], writes * sizeof *page->writes);
}

/* Maps every row and closes the gaps of those that stay as they are, so that
 * what is to be written lies together; `*count` of them. */
static mig_status page_map(struct transform_lane *lane, struct page *page, size_t *count,
                           struct mig_err *err)
{
    size_t kept = 0;

    db_guard(lane->db, true);
    for (size_t i = 0; i < page->rows; i++) {
        bool keep;

        MIG_TRY(map_row(lane, page, i, &keep, err));
        if (keep)
            row_move(lane->shape, page, i, kept++);
    }
    db_guard(lane->db, false);
    *count = kept;
    return MIG_OK;
}

/* --- writing ------------------------------------------------------------------------ */

static mig_status write_rows(struct transform_lane *lane, struct page *page, size_t first,
                             size_t count, struct mig_err *err)
{
    const struct transform_shape *shape = lane->shape;
    const struct mig_batch batch = {
        .size = sizeof batch,
        .table = shape->table,
        .keys = shape->keys.quoted,
        .key_count = shape->keys.count,
        .reads = shape->reads.quoted,
        .read_count = shape->reads.count,
        .writes = shape->writes.quoted,
        .write_count = shape->writes.count,
        .rows = count,
        .key_values = &page->keys[first * shape->keys.count],
        .olds = &page->reads[first * shape->reads.count],
        .news = &page->writes[first * shape->writes.count],
    };

    return lane->driver->update_batch(lane->conn, &batch, &page->written[first], err);
}

/* Reads one row by its key again; `*found`: it is still there. */
static mig_status reread(struct transform_lane *lane, struct page *page, size_t index, bool *found,
                         struct mig_err *err)
{
    const struct names *keys = &lane->shape->keys;
    AUTO(buf) struct buf sql = {0};
    AUTO(transform_query) struct transform_query query = {0};
    int parameter = 1;
    mig_status status;

    add_columns(&sql, lane->shape);
    buf_puts(&sql, " WHERE ");
    for (size_t i = 0; i < keys->count; i++)
        buf_printf(&sql, "%s%s = $%zu", i ? " AND " : "", keys->quoted[i], i + 1);
    if (lane->shape->spec.filter)
        buf_printf(&sql, " AND (%s)", lane->shape->spec.filter);
    MIG_TRY(transform_query_start(lane->db, &sql, &query, err));
    MIG_TRY(bind_key(&query, &page->keys[index * keys->count], keys->count, &parameter, err));
    status = lane->driver->step(query.cursor, err);
    *found = status == MIG_ROW;
    return status == MIG_ROW ? row_copy(lane, query.cursor, index, page, err) : status;
}

/* A row that another session changed or removed after we read it. */
static mig_status write_again(struct transform_lane *lane, struct page *page, size_t index,
                              struct mig_err *err)
{
    for (int attempt = 0; attempt < REREADS_MAX; attempt++) {
        bool found = false;
        bool keep = false;

        MIG_TRY(reread(lane, page, index, &found, err));
        if (!found)
            return MIG_OK;
        db_guard(lane->db, true);
        MIG_TRY(map_row(lane, page, index, &keep, err));
        db_guard(lane->db, false);
        if (!keep)
            return MIG_OK;
        MIG_TRY(write_rows(lane, page, index, 1, err));
        if (page->written[index])
            return MIG_OK;
    }
    return err_set(err, MIG_E_CONFLICT,
                   "a row of table %s is changed by others faster than it can be transformed",
                   lane->shape->spec.table);
}

static mig_status page_write(struct transform_lane *lane, struct page *page, size_t count,
                             struct mig_err *err)
{
    if (count == 0)
        return MIG_OK;
    MIG_TRY(write_rows(lane, page, 0, count, err));
    for (size_t i = 0; i < count; i++)
        if (!page->written[i])
            MIG_TRY(write_again(lane, page, i, err));
    return MIG_OK;
}

mig_status transform_page(struct transform_lane *lane, size_t *rows, struct mig_err *err)
{
    const struct transform_shape *shape = lane->shape;
    AUTO(page) struct page page = {0};
    size_t count;
    mig_status status = page_read(lane, &page, err);

    if (status < 0)
        return err_wrap(err, "reading table %s", shape->spec.table);
    *rows = page.rows;
    if (page.rows == 0)
        return MIG_OK;
    MIG_TRY(transform_key_set(&lane->last, &page.keys[(page.rows - 1) * shape->keys.count],
                              shape->keys.count, err));
    MIG_TRY(page_map(lane, &page, &count, err));
    status = page_write(lane, &page, count, err);
    if (status < 0)
        return err_wrap(err, "writing table %s", shape->spec.table);
    lane->done += (int64_t)page.rows;
    lane->tally->done += (int64_t)page.rows;
    return MIG_OK;
}
