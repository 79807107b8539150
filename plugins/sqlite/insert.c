/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inserting a batch of rows. Several rows a statement save compiling and ending
 * one for each; but then a statement that may fail half way keeps the pages that
 * it changes, which costs more than it saves where indexes are many. OR FAIL
 * spares that, and changes nothing where the table is plain: whoever called
 * rolls back in any case. Other tables get a row a statement. A hook counts the
 * rows, and so finds the one that failed.
 */
#include "conn.h"

enum {
    GROUP_VALUES = 192, /* parameters of a statement; more save nothing */
};

/* One batch on its way. */
struct insert {
    struct mig_conn *conn;
    const struct mig_batch *batch;
    sqlite3_stmt *many; /* `group` rows at once, or NULL */
    sqlite3_stmt *one;
    size_t group;
    bool plain;
    size_t begun; /* first row of the statement that runs */
    size_t rows;  /* of that statement */
    size_t seen;  /* those that it has inserted so far */
};

static char *insert_sql(const struct mig_batch *batch, size_t rows, bool plain)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);
    size_t row;
    size_t i;

    sqlite3_str_appendf(sql, "INSERT %sINTO %s (", plain ? "OR FAIL " : "", batch->table);
    for (i = 0; i < batch->write_count; i++)
        sqlite3_str_appendf(sql, "%s%s", i ? ", " : "", batch->writes[i]);
    sqlite3_str_appendall(sql, ") VALUES ");
    for (row = 0; row < rows; row++) {
        sqlite3_str_appendall(sql, row ? ", (" : "(");
        for (i = 0; i < batch->write_count; i++)
            sqlite3_str_appendall(sql, i ? ", ?" : "?");
        sqlite3_str_appendall(sql, ")");
    }
    return sqlite3_str_finish(sql);
}

static int prepare(struct insert *insert, size_t rows, sqlite3_stmt **out)
{
    struct foreign *foreign = &insert->conn->foreign;
    char *sql = insert_sql(insert->batch, rows, insert->plain);
    int rc = SQLITE_NOMEM;

    if (!sql)
        return rc;
    touches_clear(&foreign->noted);
    foreign->brief = true;
    rc = sqlite3_prepare_v2(insert->conn->db, sql, -1, out, NULL);
    foreign->brief = false;
    sqlite3_free(sql);
    return rc;
}

static int prepare_all(struct insert *insert)
{
    int limit = sqlite3_limit(insert->conn->db, SQLITE_LIMIT_VARIABLE_NUMBER, -1);
    size_t most = limit < GROUP_VALUES ? (size_t)limit : GROUP_VALUES;
    int rc = SQLITE_OK;

    insert->group = most / insert->batch->write_count;
    if (insert->plain && insert->group > 1 && insert->batch->rows >= insert->group)
        rc = prepare(insert, insert->group, &insert->many);
    return rc == SQLITE_OK ? prepare(insert, 1, &insert->one) : rc;
}

static int run(struct insert *insert, sqlite3_stmt *stmt, size_t rows)
{
    const struct mig_batch *batch = insert->batch;
    const struct mig_value *values = &batch->news[insert->begun * batch->write_count];
    size_t count = rows * batch->write_count;
    int rc = SQLITE_OK;
    size_t i;

    insert->rows = rows;
    insert->seen = 0;
    for (i = 0; rc == SQLITE_OK && i < count; i++)
        rc = value_bind(stmt, (int)i + 1, &values[i], SQLITE_STATIC);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_step(stmt);
    rc = sqlite3_reset(stmt);
    insert->begun += rc == SQLITE_OK ? rows : 0;
    return rc;
}

static int run_all(struct insert *insert)
{
    int rc = SQLITE_OK;

    while (rc == SQLITE_OK && insert->begun < insert->batch->rows) {
        if (insert->many && insert->batch->rows - insert->begun >= insert->group)
            rc = run(insert, insert->many, insert->group);
        else
            rc = run(insert, insert->one, 1);
    }
    return rc;
}

static void on_row(void *arg, int operation, const char *database, const char *table,
                   sqlite3_int64 rowid)
{
    struct insert *insert = (struct insert *)arg;

    (void)database;
    (void)table;
    (void)rowid;
    insert->seen += operation == SQLITE_INSERT;
}

/* Without a transaction of the host's the batch gets one. */
static int bracket(struct mig_conn *conn, bool own, const char *sql)
{
    return own ? session_run(conn, sql) : SQLITE_OK;
}

static mig_status insert_failed(struct insert *insert, int rc, bool own, size_t *failed_row,
                                struct mig_err *err)
{
    struct mig_conn *conn = insert->conn;
    mig_status status = tx_explain(conn, fault_report(conn, rc, err), err);

    if (insert->rows == 1)
        *failed_row = insert->begun;
    else if (insert->seen < insert->rows) /* else at the statement's end */
        *failed_row = insert->begun + insert->seen;
    bracket(conn, own && !sqlite3_get_autocommit(conn->db), "ROLLBACK");
    return status;
}

static mig_status insert_run(struct insert *insert, size_t *failed_row, struct mig_err *err)
{
    struct mig_conn *conn = insert->conn;
    bool own = sqlite3_get_autocommit(conn->db) != 0;
    mig_status status = foreign_before(conn, &conn->foreign.noted, sqlite3_sql(insert->one), err);
    int rc;

    if (status != MIG_OK)
        return status;
    rc = bracket(conn, own, "BEGIN IMMEDIATE");
    if (rc == SQLITE_OK) {
        sqlite3_update_hook(conn->db, on_row, insert);
        rc = run_all(insert);
        sqlite3_update_hook(conn->db, NULL, NULL);
    }
    if (rc == SQLITE_OK)
        rc = bracket(conn, own, "COMMIT");
    if (rc != SQLITE_OK)
        return insert_failed(insert, rc, own, failed_row, err);
    conn->changes = (int64_t)insert->batch->rows;
    return tx_alive(conn, err);
}

mig_status insert_batch(struct mig_conn *conn, const struct mig_batch *batch, size_t *failed_row,
                        struct mig_err *err)
{
    struct insert insert = {.conn = conn, .batch = batch};
    mig_status status = conn_ready(conn, err);
    int rc;

    *failed_row = batch->rows;
    if (status == MIG_OK)
        status = tx_alive(conn, err);
    if (status != MIG_OK || !batch->rows)
        return status;
    if (!batch->write_count)
        return mig_err_set(err, MIG_E_MISUSE, "a batch needs a column to write");
    status = schema_is_plain(conn, batch->table, &insert.plain, err);
    if (status != MIG_OK)
        return status;
    rc = prepare_all(&insert);
    status = rc == SQLITE_OK ? insert_run(&insert, failed_row, err) : fault_report(conn, rc, err);
    touches_clear(&conn->foreign.noted);
    sqlite3_finalize(insert.many);
    sqlite3_finalize(insert.one);
    return status;
}
