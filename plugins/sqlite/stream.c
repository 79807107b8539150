/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: the rows of a query copied into a temporary table at the first
 * step, so that the same connection may write the tables it reads. SQLite
 * spills temporary tables to a file: memory stays bounded. The columns have no
 * type, so that every value stays as it was, and rows come back in the order in
 * which they went in. Tables are emptied and used again, because making one
 * expires every prepared statement.
 */
#include "conn.h"

enum { STREAM_SLOTS = 64 }; /* bits of conn->streams */

static int slot_take(struct mig_conn *conn)
{
    int slot;

    for (slot = 0; slot < STREAM_SLOTS; slot++) {
        if (!(conn->streams & (UINT64_C(1) << slot))) {
            conn->streams |= UINT64_C(1) << slot;
            return slot;
        }
    }
    return -1;
}

static char *table_create(const struct stream *stream)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);
    int i;

    sqlite3_str_appendf(sql, "CREATE TABLE IF NOT EXISTS temp.mighost_stream_%d_%d(", stream->slot,
                        stream->columns);
    for (i = 0; i < stream->columns; i++)
        sqlite3_str_appendf(sql, "%sc%d", i ? ", " : "", i);
    sqlite3_str_appendall(sql, ")");
    return sqlite3_str_finish(sql);
}

static int run_and_free(struct mig_conn *conn, char *sql)
{
    int rc = sql ? sqlite3_exec(conn->db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;

    sqlite3_free(sql);
    return rc;
}

static int table_empty(struct mig_conn *conn, const struct stream *stream)
{
    return run_and_free(conn, sqlite3_mprintf("DELETE FROM temp.mighost_stream_%d_%d", stream->slot,
                                              stream->columns));
}

static int compile_and_free(struct mig_conn *conn, char *sql, sqlite3_stmt **out)
{
    int rc = sql ? sqlite3_prepare_v2(conn->db, sql, -1, out, NULL) : SQLITE_NOMEM;

    sqlite3_free(sql);
    return rc;
}

/* Copies the rows; the query's parameters are lent to the copy and returned. */
static int rows_copy(struct mig_conn *conn, sqlite3_stmt *query, const struct stream *stream)
{
    AUTO(stmt) sqlite3_stmt *copy = NULL;
    int count = sqlite3_bind_parameter_count(query);
    int rc = compile_and_free(conn,
                              sqlite3_mprintf("INSERT INTO temp.mighost_stream_%d_%d %s",
                                              stream->slot, stream->columns, sqlite3_sql(query)),
                              &copy);

    if (rc == SQLITE_OK && count)
        rc = sqlite3_transfer_bindings(query, copy);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(copy);
    sqlite3_reset(copy);
    if (count)
        sqlite3_transfer_bindings(copy, query);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

mig_status stream_fill(struct mig_conn *conn, sqlite3_stmt *query, struct stream *stream,
                       struct mig_err *err)
{
    mig_status status = MIG_OK;
    int rc;

    stream_clear(conn, stream);
    stream->slot = slot_take(conn);
    if (stream->slot < 0)
        return mig_err_set(err, MIG_E_LIMIT, "more than %d streams are open", STREAM_SLOTS);
    stream->columns = sqlite3_column_count(query);
    conn->in_driver = true;
    rc = run_and_free(conn, table_create(stream));
    if (rc == SQLITE_OK)
        rc = table_empty(conn, stream);
    if (rc == SQLITE_OK)
        rc = rows_copy(conn, query, stream);
    if (rc == SQLITE_OK)
        rc = compile_and_free(conn,
                              sqlite3_mprintf("SELECT * FROM temp.mighost_stream_%d_%d "
                                              "ORDER BY rowid",
                                              stream->slot, stream->columns),
                              &stream->read);
    if (rc != SQLITE_OK)
        status = tx_explain(conn, fault_report(conn, rc, err), err);
    conn->in_driver = false;
    if (status != MIG_OK)
        stream_clear(conn, stream);
    return status;
}

void stream_clear(struct mig_conn *conn, struct stream *stream)
{
    if (stream->slot < 0)
        return;
    sqlite3_finalize(stream->read);
    stream->read = NULL;
    conn->in_driver = true;
    table_empty(conn, stream); /* gone already after a rollback */
    conn->in_driver = false;
    conn->streams &= ~(UINT64_C(1) << stream->slot);
    stream->slot = -1;
}
