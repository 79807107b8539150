/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is a step in a durable migration: mig_exec(), mig_transform() and
 * mig_load(). Each is checked, begun and ended by whoever owns the handle, and
 * described in words by which a journal knows it again. Does no step itself
 * but the running of a text.
 */
#include "buf.h"
#include "db_api.h"
#include "db_sql.h"

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
        return db_went_well(db, MIG_OK);
    }
    at = result.offset < len ? result.offset : 0;
    db_excerpt(excerpt, sql + at, len - at);
    return db_in_statement(db, &err, status, excerpt);
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

mig_status db_api_exec(struct mig_db *handle, const char *sql)
{
    struct db *db = db_of(handle);
    struct mig_err err;
    mig_status status = db_ready_here(db);
    size_t len;
    bool skip;

    if (status < 0)
        return status;
    if (!sql)
        return db_misuse(db, MIG_E_MISUSE, "mig_exec() was given no SQL text");
    if (db->callback)
        return db_misuse(db, MIG_E_MISUSE,
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

/* As begin_step(), for what is described in `text`. */
static mig_status begin_described(struct db *db, const char *kind, const struct buf *text,
                                  bool *skip)
{
    struct mig_err err;

    *skip = false;
    return buf_check(text, &err) < 0 ? db_failed(db, &err)
                                     : begin_step(db, kind, buf_text(text), skip);
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
    return db_misuse(db, MIG_E_MISUSE, "%s() was called in a %s's callback", call, db->callback);
}

static mig_status check_transform(struct db *db, const struct mig_transform *spec)
{
    if (!db->config.transform)
        return db_misuse(db, MIG_E_UNSUPPORTED, "mig_transform() is not available here");
    if (!spec || spec->size < offsetof(struct mig_transform, batch))
        return db_misuse(db, MIG_E_MISUSE,
                         "mig_transform() needs a struct mig_transform with its size set");
    if (!spec->table || !spec->read || !spec->write || !spec->map)
        return db_misuse(db, MIG_E_MISUSE, "mig_transform() needs table, read, write and map");
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

mig_status db_api_transform(struct mig_db *handle, const struct mig_transform *spec)
{
    struct db *db = db_of(handle);
    AUTO(buf) struct buf text = {0};
    mig_status status = db_ready_here(db);
    bool skip;

    if (status >= 0)
        status = check_transform(db, spec);
    if (status < 0)
        return status;
    describe(spec, &text);
    status = begin_described(db, "transform", &text, &skip);
    if (status < 0 || skip)
        return status;
    return end_step(db, run_transform(db, spec));
}

static mig_status check_load(struct db *db, const struct mig_load *spec)
{
    if (!db->config.load)
        return db_misuse(db, MIG_E_UNSUPPORTED, "mig_load() is not available here");
    if (!spec || spec->size < offsetof(struct mig_load, batch))
        return db_misuse(db, MIG_E_MISUSE, "mig_load() needs a struct mig_load with its size set");
    if (!spec->table || !spec->columns || !spec->next)
        return db_misuse(db, MIG_E_MISUSE, "mig_load() needs table, columns and next");
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
    return db_went_well(db, MIG_OK);
}

mig_status db_api_load(struct mig_db *handle, const struct mig_load *spec)
{
    struct db *db = db_of(handle);
    AUTO(buf) struct buf text = {0};
    mig_status status = db_ready_here(db);
    bool skip;

    if (status >= 0)
        status = check_load(db, spec);
    if (status < 0)
        return status;
    buf_printf(&text, "%s\n%s", spec->table, spec->columns);
    status = begin_described(db, "load", &text, &skip);
    if (status < 0 || skip)
        return status;
    return end_step(db, run_load(db, spec));
}
