/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API table. Owns the statements that a module opens: live ones in a list,
 * ended ones in a small ring, so that a handle used after mig_finalize() is
 * recognised for a while instead of crashing. Each failure is kept with the
 * statement it happened in; text of the module is cut and made UTF-8 on the
 * way in. Knows nothing of journals, transactions and history.
 */
#include "db.h"

#include "clock.h"
#include "db_sql.h"
#include "text.h"

#define PROGRESS_EVERY_MS 100
#define STMT_ALIVE 0x6d696773u /* "migs" */
#define STMT_ENDED 0x64656164u

struct db_stmt {
    struct mig_stmt base;
    uint32_t magic;
    bool has_row;
    bool finished;
    struct mig_cursor *cursor;
    struct db_stmt *next;
    struct db_stmt *previous;
    char excerpt[DB_EXCERPT];
};

static struct db_stmt *stmt_of(struct mig_stmt *stmt)
{
    return (struct db_stmt *)stmt;
}

/* Failures. */

/* PostgreSQL: "current transaction is aborted"; the reason came before. */
static bool only_follows(const struct mig_err *err)
{
    return strcmp(err->sqlstate, "25P02") == 0;
}

static bool is_final(mig_status status)
{
    return status == MIG_E_CONNECTION || status == MIG_E_OUTCOME || status == MIG_E_INTERRUPTED ||
           status == MIG_E_TERMINATED;
}

mig_status db_failed(struct db *db, const struct mig_err *err)
{
    mig_status status = err->status;

    if (!(only_follows(err) && db->err.status < 0)) {
        db->err = *err;
        db->err_is_old = false;
    }
    if (is_final(status))
        db->final = status;
    return status;
}

MIG_PRINTF(3, 4)
static mig_status misuse(struct db *db, mig_status status, const char *format, ...)
{
    struct mig_err err;
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err_set(&err, status, "%s", text);
    return db_failed(db, &err);
}

/* A driver's failure: the statement behind it, and no place, which would be
 * one in the module's text. */
static mig_status in_statement(struct db *db, struct mig_err *err, mig_status status,
                               const char *excerpt)
{
    err->status = status;
    err->offset = -1;
    if (*excerpt)
        err_append(err, "in statement '%s'", excerpt);
    return db_failed(db, err);
}

static mig_status went_well(struct db *db, mig_status status)
{
    db->err_is_old = true;
    return status;
}

/* What every call asks first: whether it may still be answered. */
static mig_status ready(struct db *db)
{
    mig_status status;

    if (db->final < 0)
        return db->final;
    status = db->config.cancelled ? db->config.cancelled(db->config.ctx) : MIG_OK;
    if (status < 0)
        return misuse(db, status, "%s", status_text(status));
    return MIG_OK;
}

bool db_guard(struct db *db, bool on)
{
    bool was = db->guarded;

    if (on != was && db->config.protect)
        db->config.driver->guard(db->config.conn, on ? db->config.protect : NULL);
    db->guarded = on;
    return was;
}

/* Steps: exec, transform and load. */

static mig_status begin_step(struct db *db, const char *kind, const char *text, bool *skip)
{
    struct mig_err err;
    mig_status status;
    bool guarded;

    *skip = false;
    if (!db->config.step_begin)
        return MIG_OK;
    guarded = db_guard(db, false);
    status = db->config.step_begin(db->config.ctx, kind, text, skip, &err);
    db_guard(db, guarded);
    if (status >= 0)
        return MIG_OK;
    db->final = status;
    return db_failed(db, &err);
}

/* Ends the step that `status` came out of. */
static mig_status end_step(struct db *db, mig_status status)
{
    struct mig_err err;
    bool guarded;

    if (!db->config.step_begin)
        return status;
    if (status >= 0) {
        guarded = db_guard(db, false);
        status = db->config.step_end ? db->config.step_end(db->config.ctx, &err) : MIG_OK;
        db_guard(db, guarded);
        if (status < 0)
            db_failed(db, &err);
    }
    if (status < 0)
        db->final = status;
    return status;
}

static mig_status run_text(struct db *db, const char *sql, size_t len)
{
    struct mig_exec_result result = {.size = sizeof result};
    struct mig_err err;
    char excerpt[DB_EXCERPT];
    mig_status status;
    size_t at;

    err_clear(&err);
    status = db->config.driver->exec(db->config.conn, sql, len, &result, &err);
    if (status >= 0) {
        db->changes = result.changes;
        return went_well(db, MIG_OK);
    }
    at = result.offset < len ? result.offset : 0;
    db_excerpt(excerpt, sql + at, len - at);
    return in_statement(db, &err, status, excerpt);
}

static bool try_again(struct db *db, int attempt)
{
    bool guarded;
    mig_status status;

    if (!db->config.step_again)
        return false;
    guarded = db_guard(db, false);
    status = db->config.step_again(db->config.ctx, attempt, &db->err);
    db_guard(db, guarded);
    return status >= 0;
}

static mig_status run_step_text(struct db *db, const char *sql, size_t len)
{
    mig_status status = run_text(db, sql, len);

    for (int attempt = 1; status < 0; attempt++) {
        if (!try_again(db, attempt))
            return db->err.status;
        status = run_text(db, sql, len);
    }
    return status;
}

static mig_status api_exec(struct mig_db *handle, const char *sql)
{
    struct db *db = db_of(handle);
    struct mig_err err;
    mig_status status = ready(db);
    size_t len;
    bool skip;

    if (status < 0)
        return status;
    if (!sql)
        return misuse(db, MIG_E_MISUSE, "mig_exec() was given no SQL text");
    if (db->callback)
        return misuse(db, MIG_E_MISUSE,
                      "mig_exec() was called in a %s's callback, where nothing may be written: "
                      "set columns there, and write before or after it",
                      db->callback);
    len = strlen(sql);
    status = db_sql_check(sql, len, db->config.driver->lexis, &err);
    if (status < 0)
        return db_failed(db, &err);
    status = begin_step(db, "exec", sql, &skip);
    if (status < 0 || skip)
        return status;
    return end_step(db, run_step_text(db, sql, len));
}

/* A transform in words, by which the journal knows it again. */
static void describe(const struct mig_transform *spec, struct buf *out)
{
    const char *const parts[] = {spec->table, spec->key, spec->read, spec->write, spec->filter};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        buf_printf(out, "%s%s", i ? "\n" : "", parts[i] ? parts[i] : "");
}

static mig_status not_in_callback(struct db *db, const char *call)
{
    if (!db->callback)
        return MIG_OK;
    return misuse(db, MIG_E_MISUSE, "%s() was called in a %s's callback", call, db->callback);
}

static mig_status check_transform(struct db *db, const struct mig_transform *spec)
{
    if (!db->config.transform)
        return misuse(db, MIG_E_UNSUPPORTED, "mig_transform() is not available here");
    if (!spec || spec->size < offsetof(struct mig_transform, batch))
        return misuse(db, MIG_E_MISUSE,
                      "mig_transform() needs a struct mig_transform with its size set");
    if (!spec->table || !spec->read || !spec->write || !spec->map)
        return misuse(db, MIG_E_MISUSE, "mig_transform() needs table, read, write and map");
    return not_in_callback(db, "mig_transform");
}

static mig_status run_transform(struct db *db, const struct mig_transform *spec)
{
    struct mig_err err;
    mig_status status;
    bool guarded = db_guard(db, false);

    err_clear(&err);
    db->callback = "transform";
    status = db->config.transform(db, spec, &err);
    db->callback = NULL;
    db_guard(db, guarded);
    return status < 0 ? db_failed(db, &err) : MIG_OK;
}

static mig_status api_transform(struct mig_db *handle, const struct mig_transform *spec)
{
    struct db *db = db_of(handle);
    AUTO(buf) struct buf text = {0};
    struct mig_err err;
    mig_status status = ready(db);
    bool skip;

    if (status >= 0)
        status = check_transform(db, spec);
    if (status < 0)
        return status;
    describe(spec, &text);
    if (buf_check(&text, &err) < 0)
        return db_failed(db, &err);
    status = begin_step(db, "transform", buf_text(&text), &skip);
    if (status < 0 || skip)
        return status;
    return end_step(db, run_transform(db, spec));
}

static mig_status check_load(struct db *db, const struct mig_load *spec)
{
    if (!db->config.load)
        return misuse(db, MIG_E_UNSUPPORTED, "mig_load() is not available here");
    if (!spec || spec->size < offsetof(struct mig_load, batch))
        return misuse(db, MIG_E_MISUSE, "mig_load() needs a struct mig_load with its size set");
    if (!spec->table || !spec->columns || !spec->next)
        return misuse(db, MIG_E_MISUSE, "mig_load() needs table, columns and next");
    return not_in_callback(db, "mig_load");
}

/* Batches that went in before the failure are still there, so nothing may
 * follow that would commit them. */
static mig_status run_load(struct db *db, const struct mig_load *spec)
{
    struct mig_err err;
    mig_status status;
    int64_t rows = 0;

    err_clear(&err);
    db->callback = "load";
    status = db->config.load(db, spec, &rows, &err);
    db->callback = NULL;
    if (status < 0)
        return db->final = db_failed(db, &err);
    db->changes = rows;
    return went_well(db, MIG_OK);
}

static mig_status api_load(struct mig_db *handle, const struct mig_load *spec)
{
    struct db *db = db_of(handle);
    AUTO(buf) struct buf text = {0};
    struct mig_err err;
    mig_status status = ready(db);
    bool skip;

    if (status >= 0)
        status = check_load(db, spec);
    if (status < 0)
        return status;
    buf_printf(&text, "%s\n%s", spec->table, spec->columns);
    if (buf_check(&text, &err) < 0)
        return db_failed(db, &err);
    status = begin_step(db, "load", buf_text(&text), &skip);
    if (status < 0 || skip)
        return status;
    return end_step(db, run_load(db, spec));
}

/* Statements. */

static mig_status may_prepare(struct db *db, const char *sql, size_t len)
{
    struct mig_err err;
    mig_status status = db_sql_check(sql, len, db->config.driver->lexis, &err);

    if (status < 0)
        return db_failed(db, &err);
    if (db_sql_reads(sql, len, db->config.driver->lexis))
        return MIG_OK;
    if (db->callback)
        return misuse(db, MIG_E_MISUSE,
                      "a %s's callback may only read from the database: set columns of the row "
                      "instead",
                      db->callback);
    if (db->config.mode == MIG_DURABLE)
        return misuse(db, MIG_E_MISUSE,
                      "in a durable migration a prepared statement may only read, because the "
                      "journal cannot tell which of its rows were written: use "
                      "mig_transform(), mig_load() or mig_exec()");
    return MIG_OK;
}

static void stmt_link(struct db *db, struct db_stmt *stmt)
{
    stmt->next = db->open;
    if (db->open)
        db->open->previous = stmt;
    db->open = stmt;
}

static void stmt_unlink(struct db *db, struct db_stmt *stmt)
{
    if (stmt->next)
        stmt->next->previous = stmt->previous;
    if (stmt->previous)
        stmt->previous->next = stmt->next;
    else
        db->open = stmt->next;
    stmt->next = stmt->previous = NULL;
}

static mig_status open_cursor(struct db *db, struct db_stmt *stmt, const char *sql, size_t len,
                              uint32_t flags)
{
    const struct db_config *config = &db->config;
    struct mig_err err;
    bool guarded = db_guard(db, true);
    mig_status status;

    err_clear(&err);
    status = config->driver->prepare(config->conn, sql, len, flags, &stmt->cursor, &err);
    db_guard(db, guarded);
    return status < 0 ? in_statement(db, &err, status, stmt->excerpt) : went_well(db, MIG_OK);
}

static mig_status prepare(struct mig_db *handle, const char *sql, struct mig_stmt **out,
                          uint32_t flags)
{
    struct db *db = db_of(handle);
    AUTO(free) struct db_stmt *stmt = NULL;
    mig_status status = ready(db);
    size_t len;

    if (status < 0)
        return status;
    if (!sql || !out)
        return misuse(db, MIG_E_MISUSE, "mig_prepare() was given no %s",
                      sql ? "place for the statement" : "SQL text");
    len = strlen(sql);
    status = may_prepare(db, sql, len);
    if (status < 0)
        return status;
    stmt = calloc(1, sizeof *stmt);
    if (!stmt)
        return misuse(db, MIG_E_NOMEM, "out of memory for a statement");
    stmt->base.db = handle;
    stmt->magic = STMT_ALIVE;
    db_excerpt(stmt->excerpt, sql, len);
    status = open_cursor(db, stmt, sql, len, flags);
    if (status < 0)
        return status;
    stmt_link(db, stmt);
    *out = &TAKE(stmt)->base;
    return MIG_OK;
}

static mig_status api_prepare(struct mig_db *handle, const char *sql, struct mig_stmt **out)
{
    return prepare(handle, sql, out, 0);
}

static mig_status api_query(struct mig_db *handle, const char *sql, struct mig_stmt **out)
{
    return prepare(handle, sql, out, MIG_PREPARE_STREAM);
}

/* The statement behind a handle; NULL, and the reason kept, for an ended one. */
static struct db_stmt *alive(struct mig_stmt *stmt, const char *call)
{
    struct db_stmt *own = stmt_of(stmt);

    if (!own)
        return NULL;
    if (own->magic == STMT_ALIVE)
        return own;
    misuse(db_of(stmt->db), MIG_E_MISUSE,
           "%s() was called on a statement after mig_finalize() or after the call that opened it",
           call);
    return NULL;
}

static mig_status check_value(struct db *db, const struct mig_value *value)
{
    if (!value)
        return misuse(db, MIG_E_MISUSE, "mig_bind() was given no value");
    if (value->type < MIG_NULL || value->type > MIG_BLOB)
        return misuse(db, MIG_E_TYPE, "mig_bind() was given a value of the unknown type %d",
                      (int)value->type);
    if ((value->type == MIG_TEXT || value->type == MIG_BLOB) && !value->as.data && value->len)
        return misuse(db, MIG_E_MISUSE, "mig_bind() was given %zu bytes at no address", value->len);
    return MIG_OK;
}

static mig_status api_bind(struct mig_stmt *handle, int index, const struct mig_value *value)
{
    struct db_stmt *stmt = alive(handle, "mig_bind");
    struct db *db;
    struct mig_err err;
    mig_status status;

    if (!stmt)
        return MIG_E_MISUSE;
    db = db_of(stmt->base.db);
    status = ready(db);
    if (status >= 0)
        status = check_value(db, value);
    if (status < 0)
        return status;
    if (index < 1)
        return misuse(db, MIG_E_RANGE, "parameters count from 1; mig_bind() was given %d", index);
    err_clear(&err);
    status = db->config.driver->bind(stmt->cursor, index, value, &err);
    return status < 0 ? in_statement(db, &err, status, stmt->excerpt) : MIG_OK;
}

static mig_status api_step(struct mig_stmt *handle)
{
    struct db_stmt *stmt = alive(handle, "mig_step");
    struct db *db;
    struct mig_err err;
    mig_status status;
    bool guarded;

    if (!stmt)
        return MIG_E_MISUSE;
    db = db_of(stmt->base.db);
    status = ready(db);
    if (status < 0)
        return status;
    if (stmt->finished)
        return misuse(db, MIG_E_MISUSE,
                      "the statement '%s' is finished: call mig_reset() before "
                      "it runs again",
                      stmt->excerpt);
    err_clear(&err);
    guarded = db_guard(db, true);
    status = db->config.driver->step(stmt->cursor, &err);
    db_guard(db, guarded);
    stmt->has_row = status == MIG_ROW;
    stmt->finished = status != MIG_ROW;
    if (status < 0)
        return in_statement(db, &err, status, stmt->excerpt);
    if (status == MIG_OK)
        db->changes = db->config.driver->changes(db->config.conn);
    return went_well(db, status);
}

static mig_status api_reset(struct mig_stmt *handle)
{
    struct db_stmt *stmt = alive(handle, "mig_reset");
    struct db *db;
    struct mig_err err;
    mig_status status;

    if (!stmt)
        return MIG_E_MISUSE;
    db = db_of(stmt->base.db);
    status = ready(db);
    if (status < 0)
        return status;
    err_clear(&err);
    status = db->config.driver->restart(stmt->cursor, &err);
    stmt->has_row = false;
    stmt->finished = status < 0;
    return status < 0 ? in_statement(db, &err, status, stmt->excerpt) : MIG_OK;
}

/* Ends the statement; its handle stays readable until the ring comes round. */
static void bury(struct db *db, struct db_stmt *stmt)
{
    stmt_unlink(db, stmt);
    db->config.driver->finalize(stmt->cursor);
    stmt->cursor = NULL;
    stmt->magic = STMT_ENDED;
    free(db->dead[db->next_dead]);
    db->dead[db->next_dead] = stmt;
    db->next_dead = (db->next_dead + 1) % DB_GRAVEYARD;
}

static void api_finalize(struct mig_stmt *handle)
{
    struct db_stmt *stmt = alive(handle, "mig_finalize");

    if (stmt)
        bury(db_of(stmt->base.db), stmt);
}

static int api_column_count(struct mig_stmt *handle)
{
    struct db_stmt *stmt = alive(handle, "mig_column_count");

    return stmt ? db_of(stmt->base.db)->config.driver->column_count(stmt->cursor) : 0;
}

static const char *api_column_name(struct mig_stmt *handle, int column)
{
    struct db_stmt *stmt = alive(handle, "mig_column_name");
    const struct mig_driver *driver;

    if (!stmt)
        return NULL;
    driver = db_of(stmt->base.db)->config.driver;
    if (column < 0 || column >= driver->column_count(stmt->cursor))
        return NULL;
    return driver->column_name(stmt->cursor, column);
}

static mig_status api_column(struct mig_stmt *handle, int column, struct mig_value *out)
{
    struct db_stmt *stmt = alive(handle, "mig_column");
    struct db *db;
    struct mig_err err;
    mig_status status;
    int count;

    if (!stmt)
        return MIG_E_MISUSE;
    db = db_of(stmt->base.db);
    if (!out)
        return misuse(db, MIG_E_MISUSE, "mig_column() was given no place for the value");
    if (!stmt->has_row)
        return misuse(db, MIG_E_MISUSE,
                      "mig_column() was called without a row: mig_step() has to answer MIG_ROW "
                      "before, in statement '%s'",
                      stmt->excerpt);
    count = db->config.driver->column_count(stmt->cursor);
    if (column < 0 || column >= count)
        return misuse(db, MIG_E_RANGE, "there is no column %d; the statement '%s' has %d, from 0",
                      column, stmt->excerpt, count);
    err_clear(&err);
    status = db->config.driver->column(stmt->cursor, column, out, &err);
    return status < 0 ? in_statement(db, &err, status, stmt->excerpt) : MIG_OK;
}

static int64_t api_changes(struct mig_db *handle)
{
    return db_of(handle)->changes;
}

/* The rest of the table. */

static void api_sha256(struct mig_db *handle, const void *data, size_t len, unsigned char *out)
{
    struct db *db = db_of(handle);
    struct mig_err err;
    mig_status status = MIG_OK;

    if (!out)
        return;
    memset(out, 0, MIG_SHA256_BYTES);
    if (!db->has_hash)
        status = sha256_init(&db->hash, &err);
    db->has_hash = true;
    if (status == MIG_OK)
        status = sha256_data(&db->hash, data ? data : "", data ? len : 0, out, &err);
    if (status < 0) /* the caller cannot see it, so nothing may follow */
        db->final = db_failed(db, &err);
}

static void api_log(struct mig_db *handle, enum mig_level level, const char *text)
{
    struct db *db = db_of(handle);
    char clean[MIG_TEXT_MAX];

    if (!db->config.log || !text)
        return;
    if (level < MIG_DEBUG)
        level = MIG_DEBUG;
    if (level > MIG_ERROR)
        level = MIG_ERROR;
    db_clean_text(clean, sizeof clean, text);
    db->config.log(db->config.ctx, level, clean);
}

static void report_progress(struct db *db)
{
    db->progress_held = false;
    db->progress_at_ms = clock_mono_ms();
    if (db->config.progress)
        db->config.progress(db->config.ctx, db->progress_done, db->progress_total);
}

static void api_progress(struct mig_db *handle, int64_t done, int64_t total)
{
    struct db *db = db_of(handle);

    db->progress_done = done < 0 ? 0 : done;
    db->progress_total = total < 0 ? 0 : total;
    db->progress_held = true;
    if (clock_mono_ms() - db->progress_at_ms >= PROGRESS_EVERY_MS)
        report_progress(db);
}

static void api_fail(struct mig_db *handle, const char *text)
{
    struct db *db = db_of(handle);

    if (text)
        db_clean_text(db->fail, sizeof db->fail, text);
}

static const char *api_param(struct mig_db *handle, const char *key)
{
    const char *const *params = db_of(handle)->config.params;
    size_t len = key ? strlen(key) : 0;

    if (!len || !params || strchr(key, '='))
        return NULL;
    for (; *params; params++)
        if (strncmp(*params, key, len) == 0 && (*params)[len] == '=')
            return *params + len + 1;
    return NULL;
}

static const char *api_engine(struct mig_db *handle)
{
    return db_of(handle)->config.driver->name;
}

static const char *api_engine_version(struct mig_db *handle)
{
    const struct db_config *config = &db_of(handle)->config;

    return config->driver->info(config->conn, MIG_INFO_VERSION);
}

static void *api_native(struct mig_db *handle, const char *engine)
{
    const struct db_config *config = &db_of(handle)->config;

    if (!engine || strcmp(engine, config->driver->name) != 0)
        return NULL;
    return config->driver->native(config->conn);
}

static mig_status api_row_get(const struct mig_row *row, int column, struct mig_value *out)
{
    struct db *db;

    if (!row)
        return MIG_E_MISUSE;
    db = db_of(row->db);
    if (!out)
        return misuse(db, MIG_E_MISUSE, "mig_row_get() was given no place for the value");
    if (!db->config.row_get)
        return misuse(db, MIG_E_UNSUPPORTED, "mig_row_get() is not available here");
    return db->config.row_get(row, column, out);
}

static mig_status api_row_set(struct mig_row *row, int column, const struct mig_value *value)
{
    struct db *db;
    mig_status status;

    if (!row)
        return MIG_E_MISUSE;
    db = db_of(row->db);
    if (!db->config.row_set)
        return misuse(db, MIG_E_UNSUPPORTED, "mig_row_set() is not available here");
    status = check_value(db, value);
    return status < 0 ? status : db->config.row_set(row, column, value);
}

static const struct mig_api API = {
    .size = sizeof API,
    .abi_major = MIG_ABI_MAJOR,
    .abi_minor = MIG_ABI_MINOR,
    .exec = api_exec,
    .prepare = api_prepare,
    .query = api_query,
    .bind = api_bind,
    .step = api_step,
    .reset = api_reset,
    .finalize = api_finalize,
    .column_count = api_column_count,
    .column_name = api_column_name,
    .column = api_column,
    .changes = api_changes,
    .sha256 = api_sha256,
    .log = api_log,
    .progress = api_progress,
    .fail = api_fail,
    .param = api_param,
    .engine = api_engine,
    .engine_version = api_engine_version,
    .native = api_native,
    .transform = api_transform,
    .row_get = api_row_get,
    .row_set = api_row_set,
    .load = api_load,
};

void db_open(struct db *db, const struct db_config *config)
{
    memset(db, 0, sizeof *db);
    db->base.api = &API;
    db->config = *config;
    err_clear(&db->err);
    db_guard(db, true);
}

void db_close(struct db *db)
{
    if (!db->base.api)
        return;
    while (db->open)
        bury(db, db->open);
    for (size_t i = 0; i < DB_GRAVEYARD; i++) {
        free(db->dead[i]);
        db->dead[i] = NULL;
    }
    if (db->progress_held)
        report_progress(db);
    db_guard(db, false);
    if (db->has_hash)
        sha256_clear(&db->hash);
    db->has_hash = false;
}

/* What the module's status is worth. Statuses with an exit code of their own
 * claim something about locks, files or the disk: only the database's word
 * counts for them. */
static mig_status settle_status(const struct db *db, mig_status returned)
{
    if (db->final < 0)
        return db->final;
    if (returned == db->err.status)
        return returned;
    return returned != MIG_E_CRASHED && status_exit_code(returned) == 1 ? returned : MIG_E_FAILED;
}

/* Whether a module may return it: a failure of the table. */
static bool is_known(mig_status status)
{
    return status < 0 && strcmp(status_name(status), "MIG_E_UNKNOWN") != 0;
}

/* The sentence where neither the module nor the database gave one. */
static void describe_return(mig_status returned, struct mig_err *err)
{
    if (!is_known(returned))
        err_set(err, MIG_E_FAILED, "it returned %d, which is no status of mig.h", (int)returned);
    else
        err_set(err, MIG_E_FAILED, "it returned %s (%s) and gave no reason with mig_fail()",
                status_name(returned), status_text(returned));
}

/* Puts what the database said behind the module's own words. */
static void add_database_error(const struct db *db, struct mig_err *err)
{
    if (db->err.status >= 0 || db->err_is_old)
        return;
    memcpy(err->sqlstate, db->err.sqlstate, sizeof err->sqlstate);
    err_append(err, "the database said: %s", db->err.message);
}

/* Whether the connection still answers: on PostgreSQL a failed statement takes
 * the whole transaction with it, whatever the module made of it. */
static bool still_answers(const struct db *db)
{
    static const char question[] = "SELECT 1";
    struct mig_exec_result result = {.size = sizeof result};
    struct mig_err ignored;

    return db->config.driver->exec(db->config.conn, question, sizeof question - 1, &result,
                                   &ignored) >= 0;
}

mig_status db_outcome(struct db *db, mig_status returned, struct mig_err *err)
{
    if (returned == MIG_OK && db->final == MIG_OK) {
        if (db->err.status >= 0 || still_answers(db))
            return MIG_OK;
        *err = db->err;
        return err_append(err, "the module went on as if it had worked");
    }
    if (db->final == MIG_OK && *db->fail) {
        err_set(err, MIG_E_FAILED, "%s", db->fail);
        add_database_error(db, err);
    } else if (db->err.status < 0 && (db->final < 0 || is_known(returned))) {
        *err = db->err;
    } else {
        describe_return(returned, err);
        add_database_error(db, err);
    }
    err->status = settle_status(db, returned);
    return err->status;
}
