/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of a transform. Rows come in pages by key (WHERE key > last ORDER BY
 * key LIMIT n), so that each page is one short index walk and the cursor is the
 * last key. The page's values are held in one arena, mapped by the callback,
 * and written by the driver in one batch that demands the read columns to be
 * still what they were; rows that it did not write are read and mapped anew.
 */
#include "transform.h"

#include "buf.h"
#include "clock.h"
#include "columns.h"
#include "text.h"
#include <inttypes.h>

#define PAGE_FIRST 1000
#define PAGE_MIN 100
#define PAGE_MAX 10000
#define PAGE_TARGET_MS 200 /* a batch should hold its locks about this long */
#define COLUMNS_MAX 32
#define REREADS_MAX 20 /* of a row that changes again and again */
#define CALLER "mig_transform"

struct page {
    size_t rows;
    struct mig_value *keys;
    struct mig_value *reads;
    struct mig_value *writes;
    bool *written;
    struct arena texts;
};

struct loop {
    struct transform *transform;
    const struct mig_driver *driver;
    struct mig_conn *conn;
    const struct mig_transform *spec;
    struct arena names;
    const char *table; /* quoted */
    struct names keys;
    struct names reads;
    struct names writes;
    size_t page_rows;
    int64_t done;
    int64_t total;
    struct mig_value last[COLUMNS_MAX]; /* the key that the next page begins behind */
    bool has_last;
    struct arena last_texts;
};

/* --- names ------------------------------------------------------------------- */

static mig_status find_keys(struct loop *loop, struct mig_err *err)
{
    char keys[COLUMNS_MAX * 64];

    if (loop->spec->key)
        return names_parse(&loop->names, CALLER, loop->spec->key, COLUMNS_MAX, &loop->keys, err);
    MIG_TRY(loop->driver->primary_key(loop->conn, loop->table, keys, sizeof keys, err));
    if (!*keys)
        return err_set(err, MIG_E_MISUSE,
                       "mig_transform: table %s has no primary key: name a unique key in `.key`",
                       loop->spec->table);
    return names_parse(&loop->names, CALLER, keys, COLUMNS_MAX, &loop->keys, err);
}

static mig_status check_spec(const struct mig_transform *spec, struct mig_err *err)
{
    if (spec->size < offsetof(struct mig_transform, batch) || !spec->table || !spec->read ||
        !spec->write || !spec->map)
        return err_set(err, MIG_E_MISUSE,
                       "mig_transform needs .size, .table, .read, .write and .map");
    if (spec->workers > 1)
        return err_set(err, MIG_E_UNSUPPORTED,
                       "mig_transform: this host runs one worker; leave .workers at 0 or 1");
    return MIG_OK;
}

static mig_status loop_prepare(struct loop *loop, struct mig_err *err)
{
    MIG_TRY(check_spec(loop->spec, err));
    MIG_TRY(names_table(&loop->names, CALLER, loop->spec->table, &loop->table, err));
    MIG_TRY(find_keys(loop, err));
    MIG_TRY(names_parse(&loop->names, CALLER, loop->spec->read, COLUMNS_MAX, &loop->reads, err));
    MIG_TRY(names_parse(&loop->names, CALLER, loop->spec->write, COLUMNS_MAX, &loop->writes, err));
    if (loop->keys.count == 0 || loop->reads.count == 0 || loop->writes.count == 0)
        return err_set(err, MIG_E_MISUSE, "mig_transform: .key, .read or .write names no column");
    loop->page_rows = loop->spec->batch ? loop->spec->batch : PAGE_FIRST;
    return MIG_OK;
}

/* --- the cursor as text --------------------------------------------------------- */

/* One key a line: a letter for the type, then the value; text and blob in hex,
 * so that nothing needs escaping. */
static void cursor_write(const struct loop *loop, struct buf *out)
{
    buf_reset(out);
    for (size_t i = 0; i < loop->keys.count; i++) {
        const struct mig_value *key = &loop->last[i];

        if (key->type == MIG_INT64)
            buf_printf(out, "i%" PRId64 "\n", key->as.int64);
        else if (key->type == MIG_DOUBLE)
            buf_printf(out, "d%a\n", key->as.real);
        else {
            buf_putc(out, key->type == MIG_BLOB ? 'b' : 't');
            for (size_t n = 0; n < key->len; n++)
                buf_printf(out, "%02x", ((const unsigned char *)key->as.data)[n]);
            buf_putc(out, '\n');
        }
    }
}

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static bool cursor_bytes(struct loop *loop, const char *hex, size_t len, struct mig_value *out)
{
    char *bytes = arena_alloc(&loop->last_texts, len / 2 + 1);

    if (!bytes || len % 2 || strspn(hex, "0123456789abcdef") < len)
        return false;
    for (size_t i = 0; i < len / 2; i++)
        bytes[i] = (char)(hex_digit(hex[2 * i]) * 16 + hex_digit(hex[2 * i + 1]));
    out->len = len / 2;
    out->as.data = bytes;
    return true;
}

static bool cursor_key(struct loop *loop, const char *line, size_t len, struct mig_value *out)
{
    switch (line[0]) {
    case 'i':
        *out = (struct mig_value){.type = MIG_INT64, .as.int64 = strtoll(line + 1, NULL, 10)};
        return true;
    case 'd':
        *out = (struct mig_value){.type = MIG_DOUBLE, .as.real = strtod(line + 1, NULL)};
        return true;
    case 't':
    case 'b':
        *out = (struct mig_value){.type = line[0] == 't' ? MIG_TEXT : MIG_BLOB};
        return cursor_bytes(loop, line + 1, len - 1, out);
    default: return false;
    }
}

static mig_status cursor_read(struct loop *loop, const char *text, struct mig_err *err)
{
    for (size_t i = 0; i < loop->keys.count; i++) {
        size_t len = strcspn(text, "\n");

        if (len == 0 || text[len] != '\n' || !cursor_key(loop, text, len, &loop->last[i]))
            return err_set(err, MIG_E_HISTORY,
                           "the journal's cursor of the transform of %s cannot be read",
                           loop->spec->table);
        text += len + 1;
    }
    loop->has_last = true;
    return MIG_OK;
}

static mig_status remember_last(struct loop *loop, const struct mig_value *keys,
                                struct mig_err *err)
{
    struct arena kept = {0};

    for (size_t i = 0; i < loop->keys.count; i++) {
        mig_status status = value_copy(&kept, &keys[i], &loop->last[i], err);

        if (status < 0) {
            arena_clear(&kept);
            return status;
        }
    }
    arena_clear(&loop->last_texts);
    loop->last_texts = kept;
    loop->has_last = true;
    return MIG_OK;
}

/* --- reading a page -------------------------------------------------------------- */

static void add_names(struct buf *sql, const struct names *names, const char *between)
{
    for (size_t i = 0; i < names->count; i++)
        buf_printf(sql, "%s%s", i ? between : "", names->quoted[i]);
}

/* (a, b) > ($1, $2): both engines compare rows, and use the index for it. */
static void add_behind_last(struct buf *sql, const struct loop *loop)
{
    buf_putc(sql, '(');
    add_names(sql, &loop->keys, ", ");
    buf_puts(sql, ") > (");
    for (size_t i = 0; i < loop->keys.count; i++)
        buf_printf(sql, "%s$%zu", i ? ", " : "", i + 1);
    buf_putc(sql, ')');
}

static void page_sql(const struct loop *loop, struct buf *sql)
{
    const char *word = " WHERE ";

    buf_puts(sql, "SELECT ");
    add_names(sql, &loop->keys, ", ");
    buf_puts(sql, ", ");
    add_names(sql, &loop->reads, ", ");
    buf_printf(sql, " FROM %s", loop->table);
    if (loop->has_last) {
        buf_puts(sql, word);
        add_behind_last(sql, loop);
        word = " AND ";
    }
    if (loop->spec->filter)
        buf_printf(sql, "%s(%s)", word, loop->spec->filter);
    buf_puts(sql, " ORDER BY ");
    add_names(sql, &loop->keys, ", ");
    buf_printf(sql, " LIMIT %zu", loop->page_rows);
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

static mig_status page_alloc(const struct loop *loop, struct page *page, struct mig_err *err)
{
    page->keys = calloc(loop->page_rows * loop->keys.count, sizeof *page->keys);
    page->reads = calloc(loop->page_rows * loop->reads.count, sizeof *page->reads);
    page->writes = calloc(loop->page_rows * loop->writes.count, sizeof *page->writes);
    page->written = calloc(loop->page_rows, sizeof *page->written);
    return page->keys && page->reads && page->writes && page->written ? MIG_OK : err_nomem(err);
}

struct cursor {
    const struct mig_driver *driver;
    struct mig_cursor *handle;
};

static void cursor_clear(struct cursor *cursor)
{
    if (cursor->handle)
        cursor->driver->finalize(cursor->handle);
}
AUTO_VALUE(cursor, struct cursor, cursor_clear)

/* As the module's own statement: the driver keeps none of those, since the
 * module's next step may change the table behind it. */
static mig_status prepare(const struct loop *loop, const struct buf *sql, struct cursor *cursor,
                          struct mig_err *err)
{
    struct db *db = loop->transform->db;
    bool was = db_guard(db, true);
    mig_status status =
        loop->driver->prepare(loop->conn, sql->data, sql->len, 0, &cursor->handle, err);

    db_guard(db, was);
    return status;
}

/* The row under the cursor: keys, then reads, copied. */
static mig_status row_copy(const struct loop *loop, struct mig_cursor *cursor, size_t index,
                           struct page *page, struct mig_err *err)
{
    size_t keys = loop->keys.count;
    size_t reads = loop->reads.count;

    for (size_t i = 0; i < keys + reads; i++) {
        struct mig_value *to =
            i < keys ? &page->keys[index * keys + i] : &page->reads[index * reads + i - keys];
        struct mig_value value;

        MIG_TRY(loop->driver->column(cursor, (int)i, &value, err));
        MIG_TRY(value_copy(&page->texts, &value, to, err));
    }
    return MIG_OK;
}

static mig_status page_read(struct loop *loop, struct page *page, struct mig_err *err)
{
    AUTO(buf) struct buf sql = {0};
    AUTO(cursor) struct cursor cursor = {.driver = loop->driver};
    mig_status status;

    page_sql(loop, &sql);
    MIG_TRY(buf_check(&sql, err));
    MIG_TRY(page_alloc(loop, page, err));
    MIG_TRY(prepare(loop, &sql, &cursor, err));
    for (size_t i = 0; loop->has_last && i < loop->keys.count; i++)
        MIG_TRY(loop->driver->bind(cursor.handle, (int)i + 1, &loop->last[i], err));
    while ((status = loop->driver->step(cursor.handle, err)) == MIG_ROW)
        MIG_TRY(row_copy(loop, cursor.handle, page->rows++, page, err));
    return status;
}

/* --- the callback ------------------------------------------------------------------ */

static void key_text(const struct loop *loop, const struct mig_value *keys, struct buf *out)
{
    for (size_t i = 0; i < loop->keys.count; i++) {
        const struct mig_value *key = &keys[i];

        buf_printf(out, "%s%s = ", i ? ", " : "", loop->keys.quoted[i]);
        if (key->type == MIG_INT64)
            buf_printf(out, "%" PRId64, key->as.int64);
        else if (key->type == MIG_DOUBLE)
            buf_printf(out, "%g", key->as.real);
        else if (key->type == MIG_TEXT)
            buf_printf(out, "'%.*s'", key->len > 80 ? 80 : (int)key->len,
                       (const char *)key->as.data);
        else
            buf_printf(out, "%zu bytes", key->len);
    }
}

static mig_status callback_failed(struct loop *loop, mig_status status,
                                  const struct mig_value *keys, struct mig_err *err)
{
    AUTO(buf) struct buf where = {0};
    const char *said = loop->transform->db->fail;

    key_text(loop, keys, &where);
    if (status == MIG_REJECT)
        return err_set(err, MIG_E_FAILED, "the callback rejected the row of table %s with %s",
                       loop->spec->table, buf_text(&where));
    return err_set(err, MIG_E_FAILED, "the callback failed on the row of table %s with %s: %s",
                   loop->spec->table, buf_text(&where),
                   *said ? said : status_text(status < 0 ? status : MIG_E_FAILED));
}

/* Maps row `index`; `*keep`: there is something to write. */
static mig_status map_row(struct loop *loop, struct page *page, size_t index, bool *keep,
                          struct mig_err *err)
{
    struct row in = {
        .base.db = db_handle(loop->transform->db),
        .reads = &page->reads[index * loop->reads.count],
        .count = loop->reads.count,
    };
    struct row out = {
        .base.db = in.base.db,
        .writes = &page->writes[index * loop->writes.count],
        .count = loop->writes.count,
        .texts = &page->texts,
    };
    mig_status status;

    memset(out.writes, 0, loop->writes.count * sizeof *out.writes);
    status = loop->spec->map(&in.base, &out.base, loop->spec->user);
    if (out.nomem)
        return err_nomem(err);
    *keep = status == MIG_OK;
    return status == MIG_OK || status == MIG_SKIP
               ? MIG_OK
               : callback_failed(loop, status, &page->keys[index * loop->keys.count], err);
}

/* Maps every row and closes the gaps of skipped ones, so that what is to be
 * written lies together; `*count` of them. */
static mig_status page_map(struct loop *loop, struct page *page, size_t *count, struct mig_err *err)
{
    size_t kept = 0;

    db_guard(loop->transform->db, true);
    for (size_t i = 0; i < page->rows; i++) {
        bool keep;

        MIG_TRY(map_row(loop, page, i, &keep, err));
        if (!keep)
            continue;
        memmove(&page->keys[kept * loop->keys.count], &page->keys[i * loop->keys.count],
                loop->keys.count * sizeof *page->keys);
        memmove(&page->reads[kept * loop->reads.count], &page->reads[i * loop->reads.count],
                loop->reads.count * sizeof *page->reads);
        memmove(&page->writes[kept * loop->writes.count], &page->writes[i * loop->writes.count],
                loop->writes.count * sizeof *page->writes);
        kept++;
    }
    db_guard(loop->transform->db, false);
    *count = kept;
    return MIG_OK;
}

/* --- writing ------------------------------------------------------------------------ */

static mig_status write_rows(struct loop *loop, struct page *page, size_t first, size_t count,
                             struct mig_err *err)
{
    const struct mig_batch batch = {
        .size = sizeof batch,
        .table = loop->table,
        .keys = loop->keys.quoted,
        .key_count = loop->keys.count,
        .reads = loop->reads.quoted,
        .read_count = loop->reads.count,
        .writes = loop->writes.quoted,
        .write_count = loop->writes.count,
        .rows = count,
        .key_values = &page->keys[first * loop->keys.count],
        .olds = &page->reads[first * loop->reads.count],
        .news = &page->writes[first * loop->writes.count],
    };

    return loop->driver->update_batch(loop->conn, &batch, &page->written[first], err);
}

/* Reads one row by its key again; `*found`: it is still there. */
static mig_status reread(struct loop *loop, struct page *page, size_t index, bool *found,
                         struct mig_err *err)
{
    AUTO(buf) struct buf sql = {0};
    AUTO(cursor) struct cursor cursor = {.driver = loop->driver};
    mig_status status;

    buf_puts(&sql, "SELECT ");
    add_names(&sql, &loop->keys, ", ");
    buf_puts(&sql, ", ");
    add_names(&sql, &loop->reads, ", ");
    buf_printf(&sql, " FROM %s WHERE ", loop->table);
    for (size_t i = 0; i < loop->keys.count; i++)
        buf_printf(&sql, "%s%s = $%zu", i ? " AND " : "", loop->keys.quoted[i], i + 1);
    if (loop->spec->filter)
        buf_printf(&sql, " AND (%s)", loop->spec->filter);
    MIG_TRY(buf_check(&sql, err));
    MIG_TRY(prepare(loop, &sql, &cursor, err));
    for (size_t i = 0; i < loop->keys.count; i++)
        MIG_TRY(loop->driver->bind(cursor.handle, (int)i + 1,
                                   &page->keys[index * loop->keys.count + i], err));
    status = loop->driver->step(cursor.handle, err);
    *found = status == MIG_ROW;
    return status == MIG_ROW ? row_copy(loop, cursor.handle, index, page, err) : status;
}

/* A row that another session changed or removed after we read it. */
static mig_status write_again(struct loop *loop, struct page *page, size_t index,
                              struct mig_err *err)
{
    for (int attempt = 0; attempt < REREADS_MAX; attempt++) {
        bool found = false;
        bool keep = false;

        MIG_TRY(reread(loop, page, index, &found, err));
        if (!found)
            return MIG_OK;
        db_guard(loop->transform->db, true);
        MIG_TRY(map_row(loop, page, index, &keep, err));
        db_guard(loop->transform->db, false);
        if (!keep)
            return MIG_OK;
        MIG_TRY(write_rows(loop, page, index, 1, err));
        if (page->written[index])
            return MIG_OK;
    }
    return err_set(err, MIG_E_CONFLICT,
                   "a row of table %s is changed by others faster than it can be transformed",
                   loop->spec->table);
}

static mig_status page_write(struct loop *loop, struct page *page, size_t count,
                             struct mig_err *err)
{
    if (count == 0)
        return MIG_OK;
    MIG_TRY(write_rows(loop, page, 0, count, err));
    for (size_t i = 0; i < count; i++)
        if (!page->written[i])
            MIG_TRY(write_again(loop, page, i, err));
    return MIG_OK;
}

/* --- the loop ------------------------------------------------------------------------- */

/* Rows whose key is NULL are behind no key and before none: pages would miss
 * them. The primary key has none. */
static mig_status check_keys(const struct loop *loop, struct mig_cursor *cursor,
                             struct mig_err *err)
{
    for (size_t i = 0; loop->spec->key && i < loop->keys.count; i++) {
        struct mig_value value;

        MIG_TRY(loop->driver->column(cursor, (int)i + 1, &value, err));
        if (mig_value_int64(&value) > 0)
            return err_set(err, MIG_E_MISUSE,
                           "mig_transform: %s is NULL in %" PRId64
                           " of the rows of table %s, so it "
                           "is no key: name other columns in `.key`, or leave those rows out with "
                           "`.filter`",
                           loop->keys.quoted[i], mig_value_int64(&value), loop->spec->table);
    }
    return MIG_OK;
}

/* How many rows there are, and for each column of a named key how many have no
 * value there: counted apart, a key's index answers that at once. */
static void count_sql(const struct loop *loop, struct buf *sql)
{
    const char *filter = loop->spec->filter;

    buf_puts(sql, "SELECT COUNT(*)");
    for (size_t i = 0; loop->spec->key && i < loop->keys.count; i++) {
        buf_printf(sql, ", (SELECT COUNT(*) FROM %s WHERE %s IS NULL", loop->table,
                   loop->keys.quoted[i]);
        if (filter)
            buf_printf(sql, " AND (%s)", filter);
        buf_puts(sql, ")");
    }
    buf_printf(sql, " FROM %s", loop->table);
    if (filter)
        buf_printf(sql, " WHERE (%s)", filter);
}

static mig_status count_rows(struct loop *loop, struct mig_err *err)
{
    AUTO(buf) struct buf sql = {0};
    AUTO(cursor) struct cursor cursor = {.driver = loop->driver};
    struct mig_value value;
    mig_status status;

    count_sql(loop, &sql);
    MIG_TRY(buf_check(&sql, err));
    MIG_TRY(prepare(loop, &sql, &cursor, err));
    status = loop->driver->step(cursor.handle, err);
    if (status != MIG_ROW)
        return status;
    MIG_TRY(loop->driver->column(cursor.handle, 0, &value, err));
    loop->total = mig_value_int64(&value);
    return check_keys(loop, cursor.handle, err);
}

static void adapt(struct loop *loop, int64_t took_ms)
{
    if (loop->spec->batch)
        return;
    if (took_ms < PAGE_TARGET_MS / 2 && loop->page_rows * 2 <= PAGE_MAX)
        loop->page_rows *= 2;
    else if (took_ms > PAGE_TARGET_MS * 2 && loop->page_rows / 2 >= PAGE_MIN)
        loop->page_rows /= 2;
}

static mig_status page_commit(struct loop *loop, struct mig_err *err)
{
    AUTO(buf) struct buf cursor = {0};
    struct transform *transform = loop->transform;

    if (transform->advance) {
        cursor_write(loop, &cursor);
        MIG_TRY(buf_check(&cursor, err));
        MIG_TRY(transform->advance(transform->ctx, cursor.data, loop->done, err));
    }
    if (transform->db->config.progress)
        transform->db->config.progress(transform->db->config.ctx, loop->done, loop->total);
    return MIG_OK;
}

static mig_status stop_asked(const struct loop *loop, struct mig_err *err)
{
    const struct db_config *config = &loop->transform->db->config;
    mig_status status = config->cancelled ? config->cancelled(config->ctx) : MIG_OK;

    if (status == MIG_OK)
        return MIG_OK;
    return err_set(err, status, "%s after %lld rows of table %s", status_text(status),
                   (long long)loop->done, loop->spec->table);
}

static mig_status one_page(struct loop *loop, bool *more, struct mig_err *err)
{
    AUTO(page) struct page page = {0};
    int64_t began_ms = clock_mono_ms();
    size_t count;
    size_t rows;
    mig_status status;

    MIG_TRY(stop_asked(loop, err));
    status = page_read(loop, &page, err);
    if (status < 0)
        return err_wrap(err, "reading table %s", loop->spec->table);
    rows = page.rows;
    *more = rows == loop->page_rows;
    if (rows == 0)
        return MIG_OK;
    MIG_TRY(remember_last(loop, &page.keys[(rows - 1) * loop->keys.count], err));
    MIG_TRY(page_map(loop, &page, &count, err));
    status = page_write(loop, &page, count, err);
    if (status < 0)
        return err_wrap(err, "writing table %s", loop->spec->table);
    loop->done += (int64_t)rows;
    MIG_TRY(page_commit(loop, err));
    adapt(loop, clock_mono_ms() - began_ms);
    return MIG_OK;
}

static mig_status loop_run(struct loop *loop, struct mig_err *err)
{
    const char *cursor = loop->transform->cursor;
    bool more = true;

    MIG_TRY(loop_prepare(loop, err));
    if (cursor && *cursor)
        MIG_TRY(cursor_read(loop, cursor, err));
    MIG_TRY(count_rows(loop, err));
    if (loop->total < loop->done)
        loop->total = loop->done;
    while (more)
        MIG_TRY(one_page(loop, &more, err));
    return MIG_OK;
}

mig_status transform_run(struct transform *transform, struct mig_err *err)
{
    struct loop loop = {
        .transform = transform,
        .driver = transform->db->config.driver,
        .conn = transform->db->config.conn,
        .spec = transform->spec,
        .done = transform->done,
    };
    mig_status status = loop_run(&loop, err);

    arena_clear(&loop.names);
    arena_clear(&loop.last_texts);
    return status;
}
