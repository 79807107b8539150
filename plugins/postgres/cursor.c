/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prepared statements and streaming reads. A plain statement runs at its first
 * step and holds its whole result; a stream is a cursor on the server, read in
 * portions of bounded size, so other statements can run meanwhile. Invariant:
 * column data stays until the next step, restart or finalize. It must not know
 * who asks.
 */
#include "pg.h"
#include "words.h"

/* Rows of the first portion of a stream, and the limits of later ones. */
#define PORTION_FIRST 64
#define PORTION_MAX 5000
#define PORTION_BYTES (2 << 20)

enum state {
    STATE_READY, /* not run since prepare or restart */
    STATE_ROW,
    STATE_DONE,
    STATE_FAILED
};

struct mig_cursor {
    struct mig_conn *conn;
    struct statement *statement;
    enum state state;
    bool stream;

    struct param *params;
    const char **values; /* the three arrays that libpq wants */
    int *lengths;
    int *formats;

    PGresult *result;
    int row;
    struct bytes *held; /* one a column */
    int held_count;

    char portal[NAME_SIZE]; /* the open cursor on the server, or "" */
    bool hold;              /* it outlives the transaction */
    unsigned tx_serial;     /* of its transaction, unless `hold` */
    int portion;
    bool last_portion;
};

static int param_count(const struct mig_cursor *cursor)
{
    return PQnparams(cursor->statement->description);
}

static void leave_row(struct mig_cursor *cursor)
{
    for (int i = 0; i < cursor->held_count; i++)
        bytes_clear(&cursor->held[i]);
}

static bool portal_lives(const struct mig_cursor *cursor)
{
    return cursor->portal[0] && !cursor->conn->lost &&
           (cursor->hold || cursor->tx_serial == cursor->conn->tx_serial);
}

static void portal_close(struct mig_cursor *cursor)
{
    char sql[NAME_SIZE + 16];

    if (cursor->portal[0])
        cursor->conn->streams--;
    if (portal_lives(cursor) && !tx_failed(cursor->conn)) {
        snprintf(sql, sizeof sql, "CLOSE %s", cursor->portal);
        wire_simple(cursor->conn, sql, OWN_LIMIT_MS, NULL, NULL);
    }
    cursor->portal[0] = '\0';
}

static void drop_result(struct mig_cursor *cursor)
{
    leave_row(cursor);
    PQclear(cursor->result);
    cursor->result = NULL;
    cursor->row = -1;
}

void cursor_finalize(struct mig_cursor *cursor)
{
    if (!cursor)
        return;
    portal_close(cursor);
    drop_result(cursor);
    for (int i = 0; cursor->params && i < param_count(cursor); i++)
        param_clear(&cursor->params[i]);
    if (cursor->statement)
        statement_release(cursor->conn, cursor->statement);
    free(cursor->params);
    free(cursor->values);
    free(cursor->lengths);
    free(cursor->formats);
    free(cursor->held);
    free(cursor);
}

static void auto_cursor(struct mig_cursor **cursor)
{
    cursor_finalize(*cursor);
}

/* Room for the values of a row, unless there is. */
static bool hold_columns(struct mig_cursor *cursor, const PGresult *result)
{
    int columns = PQnfields(result) + 1; /* never an empty allocation */

    if (columns <= cursor->held_count)
        return true;
    free(cursor->held);
    cursor->held = calloc((size_t)columns, sizeof *cursor->held);
    cursor->held_count = cursor->held ? columns : 0;
    return cursor->held;
}

static bool cursor_allocate(struct mig_cursor *cursor)
{
    size_t params = (size_t)param_count(cursor) + 1;

    cursor->params = calloc(params, sizeof *cursor->params);
    cursor->values = calloc(params, sizeof *cursor->values);
    cursor->lengths = calloc(params, sizeof *cursor->lengths);
    cursor->formats = calloc(params, sizeof *cursor->formats);
    if (!cursor->params || !cursor->values || !cursor->lengths || !cursor->formats)
        return false;
    for (size_t i = 0; i < params; i++)
        cursor->params[i].null = true;
    return hold_columns(cursor, cursor->statement->description);
}

/* The text may hold one statement alone; on success it is `*phrase`. */
static mig_status one_statement(const char *sql, size_t len, struct phrase *phrase,
                                struct mig_err *err)
{
    struct lexer lexer = {sql, sql + len};
    struct phrase second;

    if (memchr(sql, '\0', len))
        return mig_err_set(err, MIG_E_SQL, "the text has a NUL byte");
    if (!phrase_next(&lexer, phrase))
        return mig_err_set(err, MIG_E_MISUSE, "there is no statement to prepare");
    if (!phrase_next(&lexer, &second))
        return MIG_OK;
    mig_err_set(err, MIG_E_MISUSE, "only one statement can be prepared at a time");
    if (err)
        err->offset = second.text - sql;
    return MIG_E_MISUSE;
}

mig_status cursor_prepare(struct mig_conn *conn, const char *sql, size_t len, uint32_t flags,
                          struct mig_cursor **out, struct mig_err *err)
{
    AUTO(cursor) struct mig_cursor *cursor = NULL;
    struct phrase phrase = {0};

    MIG_TRY(one_statement(sql, len, &phrase, err));
    MIG_TRY(guard_check(conn, sql, len, err));
    cursor = calloc(1, sizeof *cursor);
    if (!cursor)
        return error_nomem(err);
    cursor->conn = conn;
    cursor->row = -1;
    cursor->stream = flags & MIG_PREPARE_STREAM;
    MIG_TRY(statement_get(conn, phrase.text, phrase.len,
                          (flags & MIG_PREPARE_KNOWN) && !memchr(sql, '$', len), &cursor->statement,
                          err));
    if (!cursor_allocate(cursor))
        return error_nomem(err);
    *out = TAKE(cursor);
    return MIG_OK;
}

mig_status cursor_bind(struct mig_cursor *cursor, int index, const struct mig_value *value,
                       struct mig_err *err)
{
    struct param *param;

    if (index < 1 || index > param_count(cursor))
        return mig_err_set(err, MIG_E_RANGE, "there is no parameter $%d; the statement has %d",
                           index, param_count(cursor));
    if (cursor->state != STATE_READY)
        return mig_err_set(err, MIG_E_MISUSE,
                           "parameter $%d is bound while the statement runs; reset it first",
                           index);
    param = &cursor->params[index - 1];
    return param_set(param, value, PQparamtype(cursor->statement->description, index - 1), index,
                     err);
}

static void fill_call(struct mig_cursor *cursor, struct call *call)
{
    call->params = param_count(cursor);
    for (int i = 0; i < call->params; i++) {
        const struct param *param = &cursor->params[i];

        cursor->values[i] = param->null ? NULL : param->data;
        cursor->lengths[i] = param->len;
        cursor->formats[i] = param->format;
    }
    call->values = cursor->values;
    call->lengths = cursor->lengths;
    call->formats = cursor->formats;
}

/* ---- running ---- */

static mig_status judge(struct mig_cursor *cursor, bool in_tx, struct mig_err *err)
{
    struct mig_conn *conn = cursor->conn;

    if (!conn->guarded)
        return MIG_OK;
    if (in_tx && cursor->result && guard_tag(PQcmdStatus(cursor->result)))
        return mig_err_set(err, MIG_E_FAILED,
                           "a statement said %s: the transaction belongs to the host",
                           PQcmdStatus(cursor->result));
    return tx_check(conn, in_tx, err);
}

static mig_status run_call(struct mig_cursor *cursor, const struct call *call, struct mig_err *err)
{
    struct mig_conn *conn = cursor->conn;
    bool in_tx = tx_open(conn);
    mig_status status;

    if (conn->guarded)
        session_touched(conn, cursor->statement->sql);
    conn->watching = true;
    status = wire_call(conn, call, &cursor->result, err);
    conn->watching = false;
    watch_end(conn);
    return status ? status : judge(cursor, in_tx, err);
}

/* What nobody asked for before, the rows themselves tell. */
static mig_status take_columns(struct mig_cursor *cursor, struct mig_err *err)
{
    if (!cursor->result)
        return MIG_OK;
    MIG_TRY(statement_learn(cursor->statement, cursor->result, err));
    return hold_columns(cursor, cursor->result) ? MIG_OK : error_nomem(err);
}

static mig_status run_plain(struct mig_cursor *cursor, struct mig_err *err)
{
    struct call call = {0};
    int64_t changes;
    mig_status status;

    fill_call(cursor, &call);
    statement_call(cursor->conn, cursor->statement, &call);
    status = run_call(cursor, &call, err);
    statement_ran(cursor->conn, cursor->statement, status == MIG_OK);
    MIG_TRY(status);
    MIG_TRY(take_columns(cursor, err));
    changes = cursor->result ? result_changes(cursor->result) : -1;
    if (changes >= 0)
        cursor->conn->changes = changes;
    return MIG_OK;
}

static mig_status portal_open(struct mig_cursor *cursor, struct mig_err *err)
{
    struct mig_conn *conn = cursor->conn;
    AUTO(text) struct text sql = {0};
    struct call call = {0};
    Oid *types = calloc((size_t)param_count(cursor) + 1, sizeof *types);
    mig_status status;

    if (!types)
        return error_nomem(err);
    for (int i = 0; i < param_count(cursor); i++)
        types[i] = PQparamtype(cursor->statement->description, i);
    cursor->hold = !tx_open(conn);
    snprintf(cursor->portal, sizeof cursor->portal, "mighost_%u", ++conn->names);
    text_format(&sql, "DECLARE %s NO SCROLL CURSOR %s FOR %s", cursor->portal,
                cursor->hold ? "WITH HOLD" : "WITHOUT HOLD", cursor->statement->sql);
    fill_call(cursor, &call);
    call.sql = text_string(&sql);
    call.types = types;
    status = sql.failed ? error_nomem(err) : run_call(cursor, &call, err);
    free(types);
    if (status) {
        cursor->portal[0] = '\0';
        return status;
    }
    conn->streams++;
    cursor->tx_serial = conn->tx_serial;
    cursor->portion = PORTION_FIRST;
    cursor->last_portion = false;
    return MIG_OK;
}

/* So many rows that they fill the bytes allowed, going by the last portion. */
static int next_portion(const struct mig_cursor *cursor)
{
    size_t bytes = cursor->result ? PQresultMemorySize(cursor->result) : 0;
    size_t rows = cursor->result ? (size_t)PQntuples(cursor->result) : 0;
    size_t fit = rows && bytes ? rows * PORTION_BYTES / bytes : PORTION_FIRST;

    fit = fit < PORTION_MAX ? fit : PORTION_MAX;
    return fit ? (int)fit : 1;
}

static mig_status fetch(struct mig_cursor *cursor, struct mig_err *err)
{
    char sql[NAME_SIZE + 48];
    struct call call = {.sql = sql};

    if (!portal_lives(cursor))
        return mig_err_set(err, MIG_E_MISUSE,
                           "the transaction in which the reading began has ended");
    snprintf(sql, sizeof sql, "FETCH FORWARD %d FROM %s", cursor->portion, cursor->portal);
    drop_result(cursor);
    MIG_TRY(run_call(cursor, &call, err));
    MIG_TRY(take_columns(cursor, err));
    cursor->last_portion = PQntuples(cursor->result) < cursor->portion;
    cursor->portion = next_portion(cursor);
    return MIG_OK;
}

static mig_status no_session(const struct mig_conn *conn, struct mig_err *err)
{
    return mig_err_set(err, MIG_E_UNSUPPORTED,
                       "rows that are read one by one outside of a transaction need a session of "
                       "their own, and %s leads to a pooler (such as pgbouncer) that lends one for "
                       "a transaction at a time: give the direct address of the server",
                       conn->target);
}

static mig_status run(struct mig_cursor *cursor, struct mig_err *err)
{
    drop_result(cursor);
    if (!cursor->stream)
        return run_plain(cursor, err);
    if (cursor->conn->pooled && !tx_open(cursor->conn))
        return no_session(cursor->conn, err);
    MIG_TRY(portal_open(cursor, err));
    return fetch(cursor, err);
}

static mig_status finish(struct mig_cursor *cursor)
{
    cursor->state = STATE_DONE;
    if (cursor->stream)
        portal_close(cursor);
    return MIG_OK;
}

mig_status cursor_step(struct mig_cursor *cursor, struct mig_err *err)
{
    mig_status status = MIG_OK;

    if (cursor->state == STATE_DONE)
        return MIG_OK;
    if (cursor->state == STATE_FAILED)
        return mig_err_set(err, MIG_E_MISUSE, "the statement has failed; reset it first");
    if (cursor->state == STATE_READY)
        status = run(cursor, err);
    else
        leave_row(cursor);
    cursor->row++;
    if (!status && cursor->stream && cursor->row >= PQntuples(cursor->result) &&
        !cursor->last_portion) {
        status = fetch(cursor, err);
        cursor->row = 0;
    }
    if (status) {
        finish(cursor);
        cursor->state = STATE_FAILED;
        return status;
    }
    if (!cursor->result || cursor->row >= PQntuples(cursor->result))
        return finish(cursor);
    cursor->state = STATE_ROW;
    return MIG_ROW;
}

mig_status cursor_restart(struct mig_cursor *cursor, struct mig_err *err)
{
    (void)err;
    portal_close(cursor);
    drop_result(cursor);
    cursor->state = STATE_READY;
    return MIG_OK;
}

/* ---- columns ---- */

int cursor_column_count(struct mig_cursor *cursor)
{
    return PQnfields(cursor->statement->description);
}

const char *cursor_column_name(struct mig_cursor *cursor, int column)
{
    if (column < 0 || column >= cursor_column_count(cursor))
        return NULL;
    return PQfname(cursor->statement->description, column);
}

mig_status cursor_column(struct mig_cursor *cursor, int column, struct mig_value *out,
                         struct mig_err *err)
{
    if (cursor->state != STATE_ROW)
        return mig_err_set(err, MIG_E_MISUSE, "there is no current row");
    if (column < 0 || column >= cursor_column_count(cursor))
        return mig_err_set(err, MIG_E_RANGE, "there is no column %d; the row has %d", column,
                           cursor_column_count(cursor));
    return field_get(cursor->result, cursor->row, column, &cursor->held[column], out, err);
}
