/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The statements that a module opens: live ones in a list, ended ones in a
 * small ring, so that a handle used after mig_finalize() is recognised for a
 * while instead of crashing. Values are checked before a driver sees them.
 */
#include "db_api.h"
#include "db_sql.h"
#include "text.h"

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

static mig_status may_prepare(struct db *db, const char *sql, size_t len)
{
    struct mig_err err;
    mig_status status = db_sql_check(sql, len, db->config.driver->lexis, &err);

    if (status < 0)
        return db_failed(db, &err);
    if (db_sql_reads(sql, len, db->config.driver->lexis))
        return MIG_OK;
    if (db->callback)
        return db_misuse(db, MIG_E_MISUSE,
                         "a %s's callback may only read from the database: set columns of the row "
                         "instead",
                         db->callback);
    if (db->config.mode == MIG_DURABLE)
        return db_misuse(db, MIG_E_MISUSE,
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
    return status < 0 ? db_in_statement(db, &err, status, stmt->excerpt) : db_went_well(db, MIG_OK);
}

static mig_status prepare(struct mig_db *handle, const char *sql, struct mig_stmt **out,
                          uint32_t flags)
{
    struct db *db = db_of(handle);
    AUTO(free) struct db_stmt *stmt = NULL;
    mig_status status = db_ready_here(db);
    size_t len;

    if (status < 0)
        return status;
    if (!sql || !out)
        return db_misuse(db, MIG_E_MISUSE, "mig_prepare() was given no %s",
                         sql ? "place for the statement" : "SQL text");
    len = strlen(sql);
    status = may_prepare(db, sql, len);
    if (status < 0)
        return status;
    stmt = calloc(1, sizeof *stmt);
    if (!stmt)
        return db_misuse(db, MIG_E_NOMEM, "out of memory for a statement");
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

mig_status db_api_prepare(struct mig_db *handle, const char *sql, struct mig_stmt **out)
{
    return prepare(handle, sql, out, 0);
}

mig_status db_api_query(struct mig_db *handle, const char *sql, struct mig_stmt **out)
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
    db_misuse(
        db_of(stmt->db), MIG_E_MISUSE,
        "%s() was called on a statement after mig_finalize() or after the call that opened it",
        call);
    return NULL;
}

/* The statement of a call and the handle that it is of, where both may be used. */
static mig_status enter(struct mig_stmt *handle, const char *call, struct db_stmt **stmt,
                        struct db **db)
{
    *stmt = alive(handle, call);
    if (!*stmt)
        return MIG_E_MISUSE;
    *db = db_of((*stmt)->base.db);
    return db_ready(*db);
}

mig_status db_check_value(struct db *db, const struct mig_value *value)
{
    if (!value)
        return db_misuse(db, MIG_E_MISUSE, "mig_bind() was given no value");
    if (value->type < MIG_NULL || value->type > MIG_BLOB)
        return db_misuse(db, MIG_E_TYPE, "mig_bind() was given a value of the unknown type %d",
                         (int)value->type);
    if ((value->type == MIG_TEXT || value->type == MIG_BLOB) && !value->as.data && value->len)
        return db_misuse(db, MIG_E_MISUSE, "mig_bind() was given %zu bytes at no address",
                         value->len);
    return MIG_OK;
}

mig_status db_api_bind(struct mig_stmt *handle, int index, const struct mig_value *value)
{
    struct db_stmt *stmt = NULL;
    struct db *db = NULL;
    struct mig_err err;
    mig_status status = enter(handle, "mig_bind", &stmt, &db);

    if (status >= 0)
        status = db_check_value(db, value);
    if (status < 0)
        return status;
    if (index < 1)
        return db_misuse(db, MIG_E_RANGE, "parameters count from 1; mig_bind() was given %d",
                         index);
    err_clear(&err);
    status = db->config.driver->bind(stmt->cursor, index, value, &err);
    return status < 0 ? db_in_statement(db, &err, status, stmt->excerpt) : MIG_OK;
}

mig_status db_api_step(struct mig_stmt *handle)
{
    struct db_stmt *stmt = NULL;
    struct db *db = NULL;
    struct mig_err err;
    mig_status status = enter(handle, "mig_step", &stmt, &db);
    bool guarded;

    if (status < 0)
        return status;
    if (stmt->finished)
        return db_misuse(db, MIG_E_MISUSE,
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
        return db_in_statement(db, &err, status, stmt->excerpt);
    if (status == MIG_OK)
        db->changes = db->config.driver->changes(db->config.conn);
    return db_went_well(db, status);
}

mig_status db_api_reset(struct mig_stmt *handle)
{
    struct db_stmt *stmt = NULL;
    struct db *db = NULL;
    struct mig_err err;
    mig_status status = enter(handle, "mig_reset", &stmt, &db);

    if (status < 0)
        return status;
    err_clear(&err);
    status = db->config.driver->restart(stmt->cursor, &err);
    stmt->has_row = false;
    stmt->finished = status < 0;
    return status < 0 ? db_in_statement(db, &err, status, stmt->excerpt) : MIG_OK;
}

void db_bury(struct db *db, struct db_stmt *stmt)
{
    stmt_unlink(db, stmt);
    db->config.driver->finalize(stmt->cursor);
    stmt->cursor = NULL;
    stmt->magic = STMT_ENDED;
    free(db->dead[db->next_dead]);
    db->dead[db->next_dead] = stmt;
    db->next_dead = (db->next_dead + 1) % DB_GRAVEYARD;
}

void db_api_finalize(struct mig_stmt *handle)
{
    struct db_stmt *stmt = alive(handle, "mig_finalize");

    if (stmt)
        db_bury(db_of(stmt->base.db), stmt);
}

int db_api_column_count(struct mig_stmt *handle)
{
    struct db_stmt *stmt = alive(handle, "mig_column_count");

    return stmt ? db_of(stmt->base.db)->config.driver->column_count(stmt->cursor) : 0;
}

const char *db_api_column_name(struct mig_stmt *handle, int column)
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

mig_status db_api_column(struct mig_stmt *handle, int column, struct mig_value *out)
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
        return db_misuse(db, MIG_E_MISUSE, "mig_column() was given no place for the value");
    if (!stmt->has_row)
        return db_misuse(db, MIG_E_MISUSE,
                         "mig_column() was called without a row: mig_step() has to answer MIG_ROW "
                         "before, in statement '%s'",
                         stmt->excerpt);
    count = db->config.driver->column_count(stmt->cursor);
    if (column < 0 || column >= count)
        return db_misuse(db, MIG_E_RANGE,
                         "there is no column %d; the statement '%s' has %d, from 0", column,
                         stmt->excerpt, count);
    err_clear(&err);
    status = db->config.driver->column(stmt->cursor, column, out, &err);
    return status < 0 ? db_in_statement(db, &err, status, stmt->excerpt) : MIG_OK;
}

int64_t db_api_changes(struct mig_db *handle)
{
    return db_of(handle)->changes;
}
