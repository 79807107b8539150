/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a batch of rows: one UPDATE, prepared once and kept while the batches
 * ask for the same columns, run once a row. Columns that were read are compared
 * byte for byte and without their index, so that a row that changed meanwhile is
 * left alone and the key alone finds the row.
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

static char *batch_sql(const struct mig_batch *batch)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);

    sqlite3_str_appendf(sql, "UPDATE %s SET ", batch->table);
    append_list(sql, "%s = ?", ", ", batch->writes, batch->write_count);
    sqlite3_str_appendall(sql, " WHERE ");
    append_list(sql, "%s = ?", " AND ", batch->keys, batch->key_count);
    if (batch->read_count) {
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

static mig_status batch_prepare(struct mig_conn *conn, const struct mig_batch *batch, bool sweeping,
                                struct mig_err *err)
{
    char *sql = sweeping ? sweep_sql(batch) : batch_sql(batch);
    mig_status status;
    int rc;

    if (!sql)
        return fault_nomem(err);
    if (conn->batch && strcmp(sql, conn->batch_text) == 0) {
        sqlite3_free(sql);
        return MIG_OK;
    }
    batch_forget(conn);
    touches_clear(&conn->foreign.noted);
    rc = sweeping ? sweep_install(conn) : SQLITE_OK;
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v3(conn->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &conn->batch, NULL);
    if (rc == SQLITE_OK) {
        conn->batch_text = sql;
        conn->batch_touches = conn->foreign.noted;
        conn->foreign.noted = (struct touches){0};
        return MIG_OK;
    }
    status = fault_report(conn, rc, err);
    sqlite3_free(sql);
    return status;
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

static int write_row(sqlite3_stmt *stmt, const struct mig_batch *batch, size_t row)
{
    int index = 0;
    int rc = bind_columns(stmt, &index, batch->news + row * batch->write_count, batch->write_count);

    if (rc == SQLITE_OK)
        rc = bind_columns(stmt, &index, batch->key_values + row * batch->key_count,
                          batch->key_count);
    if (rc == SQLITE_OK && batch->read_count)
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
        rc = write_row(conn->batch, batch, row);
        if (rc == SQLITE_OK)
            written[row] = sqlite3_changes(conn->db) > 0;
        if (rc == SQLITE_OK && written[row])
            conn->changes++;
    }
    return rc;
}

mig_status batch_update(struct mig_conn *conn, const struct mig_batch *batch, bool *written,
                        struct mig_err *err)
{
    mig_status status = conn_ready(conn, err);
    bool sweeping = sweep_suits(batch);
    int rc;

    if (status == MIG_OK)
        status = tx_alive(conn, err);
    if (status == MIG_OK)
        status = batch_prepare(conn, batch, sweeping, err);
    if (status == MIG_OK)
        status = foreign_before(conn, &conn->batch_touches, conn->batch_text, err);
    if (status != MIG_OK)
        return status;
    rc = sweeping ? sweep_run(conn, batch, written) : run_rows(conn, batch, written);
    if (rc != SQLITE_OK)
        status = tx_explain(conn, fault_report(conn, rc, err), err);
    sqlite3_clear_bindings(conn->batch); /* they pointed into the batch */
    return status == MIG_OK ? tx_alive(conn, err) : status;
}
