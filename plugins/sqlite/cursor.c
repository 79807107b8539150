/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cursors: one prepared statement each. They outlive a session reset: before
 * the handle goes they keep their text, and compile it again when next used;
 * values have to be bound anew then. A cursor notes which tables it writes, so
 * that foreign keys are watched in every transaction that it runs in. Rows of
 * a stream come out of a temporary table.
 */
#include "conn.h"

#include <limits.h>

enum cursor_state { CURSOR_READY, CURSOR_ROW, CURSOR_DONE };

struct mig_cursor {
    struct mig_conn *conn;
    struct mig_cursor *next;
    struct mig_cursor *previous;
    sqlite3_stmt *stmt; /* NULL after a reset of the session */
    char *text;         /* what to compile then */
    uint32_t flags;
    enum cursor_state state;
    int parameters;
    bool unbound; /* compiled again, and no value bound since */
    bool vacuum;
    int *numbers; /* of $1, $2, ... in the statement; NULL: in order */
    int number_count;
    struct touches touches;
    uint64_t watched; /* conn->foreign.serial when foreign keys were looked at */
    sqlite3_int64 total;
    struct stream stream;
};

int parameter_number(const char *name, int place)
{
    char *end;
    long number;

    if (!name)
        return place;
    if (name[0] != '$' && name[0] != '?')
        return 0;
    number = strtol(name + 1, &end, 10);
    return *end || number < 1 || number > INT_MAX ? 0 : (int)number;
}

/* Which parameter of the statement is meant by $1, $2, ... */
static mig_status number_parameters(struct mig_cursor *cursor, struct mig_err *err)
{
    int count = sqlite3_bind_parameter_count(cursor->stmt);
    int highest = 0;
    bool in_order = true;
    int i;

    cursor->parameters = count;
    for (i = 1; i <= count; i++) {
        const char *name = sqlite3_bind_parameter_name(cursor->stmt, i);
        int number = parameter_number(name, i);

        if (!name && in_order && number > highest + 1)
            number = i; /* a hole that "?9" makes */
        if (number == 0)
            return mig_err_set(err, MIG_E_MISUSE,
                               "the placeholder %s is not understood: write $1, $2, ...", name);
        in_order &= number == i;
        highest = number > highest ? number : highest;
    }
    cursor->number_count = highest;
    if (in_order)
        return MIG_OK;
    if (highest > count + SHRT_MAX)
        return mig_err_set(err, MIG_E_RANGE, "the placeholder $%d is too high", highest);
    cursor->numbers = (int *)calloc((size_t)highest + 1, sizeof *cursor->numbers);
    if (!cursor->numbers)
        return fault_nomem(err);
    for (i = 1; i <= count; i++)
        cursor->numbers[parameter_number(sqlite3_bind_parameter_name(cursor->stmt, i), i)] = i;
    return MIG_OK;
}

static mig_status compile(struct mig_cursor *cursor, const char *text, size_t len,
                          struct mig_err *err)
{
    struct mig_conn *conn = cursor->conn;
    const char *tail = text;
    int rc;

    touches_clear(&conn->foreign.noted);
    rc = sqlite3_prepare_v3(conn->db, text, (int)len, 0, &cursor->stmt, &tail);
    if (rc != SQLITE_OK) {
        mig_status status = fault_report(conn, rc, err);

        if (err)
            err->offset = sqlite3_error_offset(conn->db);
        return status;
    }
    if (!cursor->stmt)
        return mig_err_set(err, MIG_E_MISUSE, "there is no statement in the text to prepare");
    if (text_skip_blank(tail, text + len) != text + len)
        return mig_err_set(err, MIG_E_MISUSE,
                           "more than one statement in a text to prepare: run them one by one");
    touches_clear(&cursor->touches);
    free(cursor->touches.items);
    cursor->touches = conn->foreign.noted;
    conn->foreign.noted = (struct touches){0};
    cursor->watched = 0;
    cursor->vacuum = text_begins_with(text, text + len, "VACUUM");
    if (conn->journal_named)
        journal_release(conn);
    return number_parameters(cursor, err);
}

/* Compiles again what a session reset took away. */
static mig_status revive(struct mig_cursor *cursor, struct mig_err *err)
{
    mig_status status;

    if (cursor->stmt)
        return MIG_OK;
    status = conn_ready(cursor->conn, err);
    if (status != MIG_OK)
        return status;
    if (!cursor->text)
        return fault_nomem(err);
    free(cursor->numbers);
    cursor->numbers = NULL;
    status = compile(cursor, cursor->text, strlen(cursor->text), err);
    cursor->state = CURSOR_READY;
    cursor->unbound = cursor->parameters > 0;
    return status;
}

static void cursor_link(struct mig_cursor *cursor)
{
    struct mig_conn *conn = cursor->conn;

    cursor->next = conn->cursors;
    if (cursor->next)
        cursor->next->previous = cursor;
    conn->cursors = cursor;
}

static void cursor_unlink(struct mig_cursor *cursor)
{
    if (cursor->next)
        cursor->next->previous = cursor->previous;
    if (cursor->previous)
        cursor->previous->next = cursor->next;
    else
        cursor->conn->cursors = cursor->next;
}

void cursor_finalize(struct mig_cursor *cursor)
{
    if (!cursor)
        return;
    stream_clear(cursor->conn, &cursor->stream);
    sqlite3_finalize(cursor->stmt);
    cursor_unlink(cursor);
    touches_clear(&cursor->touches);
    free(cursor->touches.items);
    free(cursor->numbers);
    free(cursor->text);
    free(cursor);
}

void cursor_suspend_all(struct mig_conn *conn)
{
    struct mig_cursor *cursor;

    for (cursor = conn->cursors; cursor; cursor = cursor->next) {
        if (!cursor->stmt)
            continue;
        stream_clear(conn, &cursor->stream);
        free(cursor->text);
        cursor->text = strdup(sqlite3_sql(cursor->stmt));
        sqlite3_finalize(cursor->stmt);
        cursor->stmt = NULL;
    }
}

mig_status cursor_prepare(struct mig_conn *conn, const char *text, size_t len, uint32_t flags,
                          struct mig_cursor **out, struct mig_err *err)
{
    struct mig_cursor *cursor;
    mig_status status = conn_ready(conn, err);

    if (status != MIG_OK)
        return status;
    if (len >= INT_MAX)
        return mig_err_set(err, MIG_E_RANGE, "a statement of %zu bytes is too long", len);
    if (memchr(text, '\0', len))
        return mig_err_set(err, MIG_E_SQL, "the statement holds a NUL byte");
    cursor = (struct mig_cursor *)calloc(1, sizeof *cursor);
    if (!cursor)
        return fault_nomem(err);
    cursor->conn = conn;
    cursor->flags = flags;
    cursor->stream.slot = -1;
    cursor_link(cursor);
    status = compile(cursor, text, len, err);
    if (status != MIG_OK)
        cursor_finalize(cursor);
    else
        *out = cursor;
    return status;
}

int value_bind(sqlite3_stmt *stmt, int index, const struct mig_value *value,
               sqlite3_destructor_type keep)
{
    switch (value->type) {
    case MIG_INT64: return sqlite3_bind_int64(stmt, index, value->as.int64);
    case MIG_DOUBLE: return sqlite3_bind_double(stmt, index, value->as.real);
    case MIG_TEXT:
        return sqlite3_bind_text64(stmt, index, (const char *)value->as.data, value->len, keep,
                                   SQLITE_UTF8);
    case MIG_BLOB:
        if (!value->len)
            return sqlite3_bind_zeroblob(stmt, index, 0);
        return sqlite3_bind_blob64(stmt, index, value->as.data, value->len, keep);
    case MIG_NULL: break;
    }
    return sqlite3_bind_null(stmt, index);
}

void value_result(sqlite3_context *context, const struct mig_value *value)
{
    switch (value->type) {
    case MIG_INT64: sqlite3_result_int64(context, value->as.int64); return;
    case MIG_DOUBLE: sqlite3_result_double(context, value->as.real); return;
    case MIG_TEXT:
        sqlite3_result_text64(context, (const char *)value->as.data, value->len, SQLITE_STATIC,
                              SQLITE_UTF8);
        return;
    case MIG_BLOB:
        if (value->len)
            sqlite3_result_blob64(context, value->as.data, value->len, SQLITE_STATIC);
        else
            sqlite3_result_zeroblob(context, 0);
        return;
    case MIG_NULL: break;
    }
    sqlite3_result_null(context);
}

mig_status cursor_bind(struct mig_cursor *cursor, int index, const struct mig_value *value,
                       struct mig_err *err)
{
    mig_status status = revive(cursor, err);
    int place = index;
    int rc;

    if (status != MIG_OK)
        return status;
    if (cursor->state == CURSOR_ROW)
        return mig_err_set(err, MIG_E_MISUSE,
                           "a value cannot be bound while rows are being read: restart first");
    if (index < 1 || index > cursor->number_count)
        return mig_err_set(err, MIG_E_RANGE,
                           "there is no parameter $%d: the statement has %d of them", index,
                           cursor->number_count);
    if (cursor->numbers)
        place = cursor->numbers[index];
    if (!place) /* a number that the statement leaves out */
        return MIG_OK;
    rc = value_bind(cursor->stmt, place, value, SQLITE_TRANSIENT);
    if (rc != SQLITE_OK)
        return fault_report(cursor->conn, rc, err);
    cursor->unbound = false;
    return MIG_OK;
}

static bool wants_copy(const struct mig_cursor *cursor)
{
    static const char *const reading[] = {"SELECT", "WITH", "VALUES"};
    const char *sql = sqlite3_sql(cursor->stmt);
    size_t i;

    if (!(cursor->flags & MIG_PREPARE_STREAM) || !sqlite3_stmt_readonly(cursor->stmt) ||
        (cursor->conn->config.flags & MIG_OPEN_READONLY))
        return false;
    for (i = 0; i < sizeof reading / sizeof *reading; i++)
        if (text_begins_with(sql, sql + strlen(sql), reading[i]))
            return true;
    return false;
}

/* What comes before the first row of a run. */
static mig_status start(struct mig_cursor *cursor, struct mig_err *err)
{
    struct mig_conn *conn = cursor->conn;
    mig_status status = revive(cursor, err);

    if (status == MIG_OK && cursor->unbound)
        status = mig_err_set(err, MIG_E_MISUSE,
                             "the session was reset: the statement's parameters have to be bound "
                             "again");
    if (status == MIG_OK)
        status = tx_alive(conn, err);
    if (status == MIG_OK && cursor->touches.count && cursor->watched != conn->foreign.serial) {
        status = foreign_before(conn, &cursor->touches, sqlite3_sql(cursor->stmt), err);
        cursor->watched = conn->foreign.serial;
    }
    if (status == MIG_OK && wants_copy(cursor))
        status = stream_fill(conn, cursor->stmt, &cursor->stream, err);
    cursor->total = sqlite3_total_changes64(conn->db);
    return status;
}

static mig_status finish(struct mig_cursor *cursor, struct mig_err *err)
{
    struct mig_conn *conn = cursor->conn;
    mig_status status = MIG_OK;

    conn->changes =
        sqlite3_total_changes64(conn->db) != cursor->total ? sqlite3_changes64(conn->db) : 0;
    sqlite3_reset(cursor->stmt);
    stream_clear(conn, &cursor->stream);
    cursor->state = CURSOR_DONE;
    status = tx_alive(conn, err);
    if (status == MIG_OK && cursor->touches.count)
        status = foreign_after(conn, &cursor->touches, sqlite3_sql(cursor->stmt), err);
    return status;
}

mig_status cursor_step(struct mig_cursor *cursor, struct mig_err *err)
{
    struct mig_conn *conn = cursor->conn;
    mig_status status = MIG_OK;
    sqlite3_stmt *stmt;
    int rc;

    if (cursor->state == CURSOR_DONE)
        return mig_err_set(err, MIG_E_MISUSE, "the statement has ended: restart it first");
    if (cursor->state == CURSOR_READY)
        status = start(cursor, err);
    else if (!cursor->stmt)
        status = mig_err_set(err, MIG_E_MISUSE,
                             "the session was reset while rows were read, as it was changed by a "
                             "PRAGMA or a temporary table");
    if (status != MIG_OK)
        return status;
    stmt = cursor->stream.read ? cursor->stream.read : cursor->stmt;
    conn->in_vacuum = cursor->vacuum;
    rc = sqlite3_step(stmt);
    conn->in_vacuum = false;
    if (rc == SQLITE_ROW) {
        cursor->state = CURSOR_ROW;
        return MIG_ROW;
    }
    if (rc == SQLITE_DONE)
        return finish(cursor, err);
    status = tx_explain(conn, fault_report(conn, rc, err), err);
    sqlite3_reset(cursor->stmt);
    stream_clear(conn, &cursor->stream);
    cursor->state = CURSOR_DONE;
    return status;
}

mig_status cursor_restart(struct mig_cursor *cursor, struct mig_err *err)
{
    (void)err;
    sqlite3_reset(cursor->stmt);
    stream_clear(cursor->conn, &cursor->stream);
    cursor->state = CURSOR_READY;
    return MIG_OK;
}

int cursor_column_count(struct mig_cursor *cursor)
{
    return revive(cursor, NULL) == MIG_OK ? sqlite3_column_count(cursor->stmt) : 0;
}

const char *cursor_column_name(struct mig_cursor *cursor, int column)
{
    if (column < 0 || column >= cursor_column_count(cursor))
        return NULL;
    return sqlite3_column_name(cursor->stmt, column);
}

mig_status cursor_column(struct mig_cursor *cursor, int column, struct mig_value *out,
                         struct mig_err *err)
{
    sqlite3_stmt *stmt = cursor->stream.read ? cursor->stream.read : cursor->stmt;
    sqlite3_value *value; /* one thread alone uses the connection, so it may be read */
    const void *data;

    if (cursor->state != CURSOR_ROW || !stmt)
        return mig_err_set(err, MIG_E_MISUSE, "there is no row to read a column of");
    if (column < 0 || column >= sqlite3_data_count(stmt))
        return mig_err_set(err, MIG_E_RANGE, "there is no column %d: the row has %d", column,
                           sqlite3_data_count(stmt));
    value = sqlite3_column_value(stmt, column);
    switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
        *out = (struct mig_value){.type = MIG_INT64};
        out->as.int64 = sqlite3_value_int64(value);
        return MIG_OK;
    case SQLITE_FLOAT:
        *out = (struct mig_value){.type = MIG_DOUBLE};
        out->as.real = sqlite3_value_double(value);
        return MIG_OK;
    case SQLITE_TEXT:
        data = sqlite3_value_text(value);
        if (!data)
            return fault_nomem(err);
        *out = (struct mig_value){.type = MIG_TEXT};
        break;
    case SQLITE_BLOB:
        data = sqlite3_value_blob(value);
        *out = (struct mig_value){.type = MIG_BLOB};
        break;
    default: *out = (struct mig_value){.type = MIG_NULL}; return MIG_OK;
    }
    out->len = (size_t)sqlite3_value_bytes(value);
    out->as.data = data ? data : "";
    return MIG_OK;
}
