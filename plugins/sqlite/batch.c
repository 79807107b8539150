/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a batch of rows: one UPDATE, prepared once and kept while the batches
 * ask for the same columns, run once a row. Columns that were read are compared
 * byte for byte and without their index, so that a row that changed meanwhile is
 * left alone and the key alone finds the row. Where nobody else can have written
 * meanwhile they are not, unless the UPDATE itself does more than it says.
 */
#include "conn.h"

static void append_list(sqlite3_str *sql, const char *format, const char *separator,
                        const char *const *names, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (i)
            sqlite3_str_appendall(sql, separator);
        sqlite3_str_appendf(sql, format, names[i]);
    }
}

static char *batch_sql(const struct mig_batch *batch, bool compares)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);

    sqlite3_str_appendf(sql, "UPDATE %s SET ", batch->table);
    append_list(sql, "%s = ?", ", ", batch->writes, batch->write_count);
    sqlite3_str_appendall(sql, " WHERE ");
    append_list(sql, "%s = ?", " AND ", batch->keys, batch->key_count);
    if (compares) {
        sqlite3_str_appendall(sql, " AND ");
        append_list(sql, "+%s COLLATE BINARY IS ?", " AND ", batch->reads, batch->read_count);
    }
    return sqlite3_str_finish(sql);
}

void batch_forget(struct mig_conn *conn)
{
    sqlite3_finalize(conn->batch);
    sqlite3_free(conn->batch_text);
    touches_clear(&conn->batch_touches);
    free(conn->batch_touches.items);
    conn->batch_touches = (struct touches){0};
    conn->batch = NULL;
    conn->batch_text = NULL;
}

/* Triggers and foreign keys write as well: perhaps rows that the batch has yet to
 * come to, of which a sweep has made up its mind before. */
static bool others_write(const struct mig_conn *conn, const struct mig_batch *batch)
{
    return batch->read_count > 0 && conn->noted_writes > batch->write_count;
}

static mig_status batch_compile(struct mig_conn *conn, char *sql, struct mig_err *err)
{
    int rc;

    batch_forget(conn);
    touches_clear(&conn->foreign.noted);
    conn->noted_writes = 0;
    rc = sqlite3_prepare_v3(conn->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &conn->batch, NULL);
    if (rc != SQLITE_OK) {
        sqlite3_free(sql);
        return fault_report(conn, rc, err);
    }
    conn->batch_text = sql;
    conn->batch_touches = conn->foreign.noted;
    conn->foreign.noted = (struct touches){0};
    return MIG_OK;
}

/* Takes `sql`. */
static mig_status batch_prepare(struct mig_conn *conn, char *sql, struct mig_err *err)
{
    if (!sql)
        return fault_nomem(err);
    if (!conn->batch || strcmp(sql, conn->batch_text) != 0)
        return batch_compile(conn, sql, err);
    sqlite3_free(sql);
    return MIG_OK;
}

static mig_status prepare_rows(struct mig_conn *conn, const struct mig_batch *batch, bool compares,
                               struct mig_err *err)
{
    conn->batch_sweeps = false;
    conn->batch_compares = compares;
    return batch_prepare(conn, batch_sql(batch, compares), err);
}

static mig_status prepare_sweep(struct mig_conn *conn, const struct mig_batch *batch, bool compares,
                                struct mig_err *err)
{
    enum sweep_how how = compares ? SWEEP_COMPARE : SWEEP_ASK;
    mig_status status = MIG_OK;
    bool all = !compares && sweep_is_dense(batch);
    int rc = sweep_install(conn);

    if (rc != SQLITE_OK)
        return fault_report(conn, rc, err);
    if (all)
        status = schema_is_rowid(conn, batch->table, batch->keys[0], &all, err);
    conn->batch_sweeps = true;
    conn->batch_compares = compares;
    return status == MIG_OK ? batch_prepare(conn, sweep_sql(batch, all ? SWEEP_ALL : how), err)
                            : status;
}

/* In the fastest way that suits the batch. */
static mig_status batch_choose(struct mig_conn *conn, const struct mig_batch *batch,
                               struct mig_err *err)
{
    bool compares = batch->read_count > 0 && !batch->exclusive;
    mig_status status = sweep_suits(batch) ? prepare_sweep(conn, batch, compares, err)
                                           : prepare_rows(conn, batch, compares, err);

    return status == MIG_OK && others_write(conn, batch) ? prepare_rows(conn, batch, true, err)
                                                         : status;
}

static int bind_columns(sqlite3_stmt *stmt, int *index, const struct mig_value *values,
                        size_t count)
{
    int rc = SQLITE_OK;
    size_t i;

    for (i = 0; rc == SQLITE_OK && i < count; i++)
        rc = value_bind(stmt, ++*index, &values[i], SQLITE_STATIC);
    return rc;
}

static int write_row(const struct mig_conn *conn, const struct mig_batch *batch, size_t row)
{
    sqlite3_stmt *stmt = conn->batch;
    int index = 0;
    int rc = bind_columns(stmt, &index, batch->news + row * batch->write_count, batch->write_count);

    if (rc == SQLITE_OK)
        rc = bind_columns(stmt, &index, batch->key_values + row * batch->key_count,
                          batch->key_count);
    if (rc == SQLITE_OK && conn->batch_compares)
        rc = bind_columns(stmt, &index, batch->olds + row * batch->read_count, batch->read_count);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_step(stmt);
    return sqlite3_reset(stmt);
}

/* One UPDATE a row. */
static int run_rows(struct mig_conn *conn, const struct mig_batch *batch, bool *written)
{
    int rc = SQLITE_OK;
    size_t row;

    conn->changes = 0;
    for (row = 0; rc == SQLITE_OK && row < batch->rows; row++) {
        rc = write_row(conn, batch, row);
        if (rc == SQLITE_OK)
            written[row] = sqlite3_changes(conn->db) > 0;
        if (rc == SQLITE_OK && written[row])
            conn->changes++;
    }
    return rc;
}

/* Where the schema has changed since it was compiled, SQLite compiles it anew. */
static mig_status batch_settled(const struct mig_conn *conn, const struct mig_batch *batch,
                                struct mig_err *err)
{
    if (!others_write(conn, batch) || (conn->batch_compares && !conn->batch_sweeps))
        return MIG_OK;
    return mig_err_set(err, MIG_E_CONFLICT,
                       "table %s has got a trigger or a foreign key meanwhile that writes as well",
                       batch->table);
}

mig_status batch_update(struct mig_conn *conn, const struct mig_batch *batch, bool *written,
                        struct mig_err *err)
{
    mig_status status = conn_ready(conn, err);
    int rc;

    if (status == MIG_OK)
        status = tx_alive(conn, err);
    if (status == MIG_OK)
        status = batch_choose(conn, batch, err);
    if (status == MIG_OK)
        status = foreign_before(conn, &conn->batch_touches, conn->batch_text, err);
    if (status != MIG_OK)
        return status;
    conn->noted_writes = 0;
    rc = conn->batch_sweeps ? sweep_run(conn, batch, written) : run_rows(conn, batch, written);
    status = rc == SQLITE_OK ? batch_settled(conn, batch, err)
                             : tx_explain(conn, fault_report(conn, rc, err), err);
    sqlite3_clear_bindings(conn->batch); /* they pointed into the batch */
    return status == MIG_OK ? tx_alive(conn, err) : status;
}
