/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's own statements that belong together. The engine is in our own
 * process and an exchange costs nothing, so they simply run one by one.
 * Invariant: nothing is committed behind a statement that failed or changed
 * another number of rows than it must. It knows nothing of what they say.
 */
#include "conn.h"

/* A statement of the host says $1, $2, ... in any order. */
static int bind_all(sqlite3_stmt *stmt, const struct mig_statement *statement)
{
    int count = sqlite3_bind_parameter_count(stmt);
    int rc = SQLITE_OK;
    int i;

    for (i = 1; rc == SQLITE_OK && i <= count; i++) {
        int number = parameter_number(sqlite3_bind_parameter_name(stmt, i), i);

        if (number < 1 || (size_t)number > statement->value_count)
            return SQLITE_RANGE;
        rc = value_bind(stmt, i, &statement->values[number - 1], SQLITE_STATIC);
    }
    return rc;
}

/* Without a cursor, and without what is noted for a migration's own statements:
 * compiling is most of what a short statement costs, and nothing should add to it. */
static int run_raw(struct mig_conn *conn, const struct mig_statement *statement)
{
    AUTO(stmt) sqlite3_stmt *stmt = NULL;
    sqlite3_int64 total = sqlite3_total_changes64(conn->db);
    int rc = sqlite3_prepare_v3(conn->db, statement->text, (int)statement->len, 0, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = bind_all(stmt, statement);
    if (rc == SQLITE_OK)
        do
            rc = sqlite3_step(stmt);
        while (rc == SQLITE_ROW);
    conn->changes = sqlite3_total_changes64(conn->db) != total ? sqlite3_changes64(conn->db) : 0;
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static mig_status statement_run(struct mig_conn *conn, const struct mig_statement *statement,
                                struct mig_err *err)
{
    mig_status status = conn_ready(conn, err);
    int rc;

    if (status == MIG_OK)
        status = tx_alive(conn, err);
    if (status != MIG_OK)
        return status;
    conn->in_driver = true;
    rc = run_raw(conn, statement);
    conn->in_driver = false;
    if (rc != SQLITE_OK)
        return tx_explain(conn, fault_report(conn, rc, err), err);
    if (statement->rows < 0 || conn->changes == statement->rows)
        return tx_alive(conn, err);
    return mig_err_set(err, MIG_E_NOTFOUND, "the statement changed %lld rows where it must be %lld",
                       (long long)conn->changes, (long long)statement->rows);
}

static mig_status series_begin(struct mig_conn *conn, const struct mig_series *series,
                               struct mig_err *err)
{
    mig_status status = conn_ready(conn, err);

    return status == MIG_OK ? tx_begin(conn, series->begin, err) : status;
}

mig_status series_run(struct mig_conn *conn, const struct mig_series *series, int64_t *failed,
                      struct mig_err *err)
{
    int64_t at = MIG_SERIES_BEGIN;
    mig_status status = series->begin ? series_begin(conn, series, err) : MIG_OK;

    while (status == MIG_OK && (size_t)++at < series->count)
        status = statement_run(conn, &series->statements[at], err);
    if (status == MIG_OK && series->commit)
        status = tx_commit(conn, err);
    if (status < 0)
        *failed = at;
    return status;
}
