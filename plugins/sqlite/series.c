/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's own statements that belong together. The engine is in our own
 * process and an exchange costs nothing, so they simply run one by one.
 * Invariant: nothing is committed behind a statement that failed or changed
 * another number of rows than it must. It knows nothing of what they say.
 */
#include "conn.h"

static void auto_cursor(struct mig_cursor **cursor)
{
    cursor_finalize(*cursor);
}

static mig_status statement_run(struct mig_conn *conn, const struct mig_statement *statement,
                                struct mig_err *err)
{
    AUTO(cursor) struct mig_cursor *cursor = NULL;
    mig_status status = cursor_prepare(conn, statement->text, statement->len, 0, &cursor, err);

    for (size_t i = 0; status == MIG_OK && i < statement->value_count; i++)
        status = cursor_bind(cursor, (int)i + 1, &statement->values[i], err);
    if (status == MIG_OK)
        do
            status = cursor_step(cursor, err);
        while (status == MIG_ROW);
    if (status < 0 || statement->rows < 0 || conn->changes == statement->rows)
        return status;
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
