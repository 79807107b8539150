/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API table and what it is worth in the end. Each failure is kept with the
 * statement it happened in; text of the module is cut and made UTF-8 on the
 * way in. Knows nothing of journals, transactions and history.
 */
#include "db.h"

#include "clock.h"
#include "db_api.h"
#include "text.h"

#define PROGRESS_EVERY_MS 100
#define PROGRESS_MAX (INT64_MAX / 1000) /* shares and paces are reckoned with it */

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

mig_status db_misuse(struct db *db, mig_status status, const char *format, ...)
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

mig_status db_in_statement(struct db *db, struct mig_err *err, mig_status status,
                           const char *excerpt)
{
    err->status = status;
    err->offset = -1;
    if (*excerpt)
        err_append(err, "in statement '%s'", excerpt);
    return db_failed(db, err);
}

mig_status db_went_well(struct db *db, mig_status status)
{
    db->err_is_old = true;
    return status;
}

mig_status db_ready(struct db *db)
{
    mig_status status;

    if (db->final < 0)
        return db->final;
    status = db->config.cancelled ? db->config.cancelled(db->config.ctx) : MIG_OK;
    if (status < 0)
        return db_misuse(db, status, "%s", status_text(status));
    return MIG_OK;
}

mig_status db_ready_here(struct db *db)
{
    if (!db_came_back(db))
        return db_misuse(db, MIG_E_MISUSE,
                         "the database was used in a child process, and its session is the "
                         "parent's alone");
    return db_ready(db);
}

bool db_came_back(const struct db *db)
{
    return getpid() == db->owner;
}

bool db_jumped(struct db *db)
{
    if (!db->callback)
        return false;
    db->final = db_misuse(db, MIG_E_MISUSE,
                          "a %s's callback was left by longjmp() or an exception: it has to "
                          "return",
                          db->callback);
    return true;
}

bool db_guard(struct db *db, bool on)
{
    bool was = db->guarded;

    if (on != was && db->config.protect)
        db->config.driver->guard(db->config.conn, on ? db->config.protect : NULL);
    db->guarded = on;
    return was;
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
    text_clean(clean, sizeof clean, text);
    db->config.log(db->config.ctx, level, clean);
}

static void report_progress(struct db *db)
{
    db->progress_held = false;
    db->progress_at_ms = clock_mono_ms();
    if (db->config.progress)
        db->config.progress(db->config.ctx, db->progress_done, db->progress_total);
}

static int64_t within_progress(int64_t rows)
{
    return rows < 0 ? 0 : rows > PROGRESS_MAX ? PROGRESS_MAX : rows;
}

static void api_progress(struct mig_db *handle, int64_t done, int64_t total)
{
    struct db *db = db_of(handle);

    db->progress_done = within_progress(done);
    db->progress_total = within_progress(total);
    db->progress_held = true;
    if (clock_mono_ms() - db->progress_at_ms >= PROGRESS_EVERY_MS)
        report_progress(db);
}

static void api_fail(struct mig_db *handle, const char *text)
{
    struct db *db = db_of(handle);

    if (text)
        text_clean(db->fail, sizeof db->fail, text);
}

/* The value in the pairs, of which there may be none. */
static const char *find_value(const char *const *pairs, const char *key, size_t len)
{
    for (; pairs && *pairs; pairs++)
        if (strncmp(*pairs, key, len) == 0 && (*pairs)[len] == '=')
            return *pairs + len + 1;
    return NULL;
}

static const char *api_param(struct mig_db *handle, const char *key)
{
    const struct db_config *config = &db_of(handle)->config;
    size_t len = key ? strlen(key) : 0;
    const char *value;

    if (!len || strchr(key, '='))
        return NULL;
    value = find_value(config->params, key, len);
    return value ? value : find_value(config->secrets, key, len);
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

static mig_status not_a_column(struct db *db, const char *call, int column, const char *used)
{
    return db_misuse(db, MIG_E_RANGE,
                     "%s(): there is no column %d among those that are %s, which count from 0",
                     call, column, used);
}

static mig_status api_row_get(const struct mig_row *row, int column, struct mig_value *out)
{
    struct db *db;
    mig_status status;

    if (!row)
        return MIG_E_MISUSE;
    db = db_of(row->db);
    if (!out)
        return db_misuse(db, MIG_E_MISUSE, "mig_row_get() was given no place for the value");
    if (!db->config.row_get)
        return db_misuse(db, MIG_E_UNSUPPORTED, "mig_row_get() is not available here");
    status = db->config.row_get(row, column, out);
    return status == MIG_E_RANGE ? not_a_column(db, "mig_row_get", column, "read") : status;
}

static mig_status api_row_set(struct mig_row *row, int column, const struct mig_value *value)
{
    struct db *db;
    mig_status status;

    if (!row)
        return MIG_E_MISUSE;
    db = db_of(row->db);
    if (!db->config.row_set)
        return db_misuse(db, MIG_E_UNSUPPORTED, "mig_row_set() is not available here");
    status = db_check_value(db, value);
    if (status < 0)
        return status;
    status = db->config.row_set(row, column, value);
    return status == MIG_E_RANGE ? not_a_column(db, "mig_row_set", column, "written") : status;
}

static const struct mig_api API = {
    .size = sizeof API,
    .abi_major = MIG_ABI_MAJOR,
    .abi_minor = MIG_ABI_MINOR,
    .exec = db_api_exec,
    .prepare = db_api_prepare,
    .query = db_api_query,
    .bind = db_api_bind,
    .step = db_api_step,
    .reset = db_api_reset,
    .finalize = db_api_finalize,
    .column_count = db_api_column_count,
    .column_name = db_api_column_name,
    .column = db_api_column,
    .changes = db_api_changes,
    .sha256 = api_sha256,
    .log = api_log,
    .progress = api_progress,
    .fail = api_fail,
    .param = api_param,
    .engine = api_engine,
    .engine_version = api_engine_version,
    .native = api_native,
    .transform = db_api_transform,
    .row_get = api_row_get,
    .row_set = api_row_set,
    .load = db_api_load,
};

void db_open(struct db *db, const struct db_config *config)
{
    memset(db, 0, sizeof *db);
    db->base.api = &API;
    db->owner = getpid();
    db->config = *config;
    err_clear(&db->err);
    db_guard(db, true);
}

void db_close(struct db *db)
{
    if (!db->base.api)
        return;
    while (db->open)
        db_bury(db, db->open);
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

void db_callback_begin(struct db *db)
{
    db->fail[0] = '\0';
    db->err_is_old = true;
}

mig_status db_callback_failed(struct db *db, mig_status status, struct mig_err *err,
                              const char *format, ...)
{
    char where[512];
    va_list args;

    va_start(args, format);
    vsnprintf(where, sizeof where, format, args);
    va_end(args);
    if (db->err.status == status && !db->err_is_old)
        *err = db->err;
    else
        describe_return(status, err);
    if (*db->fail)
        snprintf(err->message, sizeof err->message, "%s", db->fail);
    db->fail[0] = '\0'; /* said here */
    return err_wrap(err, "%s", where);
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
