/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions of the host: each begun in a clean session, and committed only
 * if it is the very one that was begun. It owns the transaction's mark.
 * Invariant: success of commit means that the server said COMMIT to that
 * transaction. It must not know what ran inside.
 */
#include "pg.h"

/* A setting that nobody has: asking for it is how the comparison before COMMIT
 * fails, with a message that nothing else has. */
#define OTHER_TRANSACTION "mighost.other_transaction"

bool tx_open(struct mig_conn *conn)
{
    PGTransactionStatusType status = PQtransactionStatus(conn->pg);

    return !conn->lost &&
           (status == PQTRANS_INTRANS || status == PQTRANS_INERROR || status == PQTRANS_ACTIVE);
}

bool tx_failed(struct mig_conn *conn)
{
    return PQtransactionStatus(conn->pg) == PQTRANS_INERROR;
}

static void tx_ended(struct mig_conn *conn)
{
    conn->mark[0] = '\0';
    conn->stained = false;
    conn->dirty = conn->dirty && !conn->pooled;
    conn->names_touched = conn->names_touched && !conn->pooled;
    conn->locks_touched = false;
    conn->tx_serial++;
}

mig_status tx_begin_check(struct mig_conn *conn, const struct mig_tx_options *options,
                          struct mig_err *err)
{
    static const struct mig_tx_options none = {.size = sizeof none};

    if (tx_open(conn))
        return mig_err_set(err, MIG_E_MISUSE, "a transaction is open already");
    MIG_TRY(lock_confirm(conn, err));
    conn->options = options ? *options : none;
    return MIG_OK;
}

/* Tells a transaction from any that is begun later: foreign text never goes in the message
 * that begins it, and a transaction keeps the time at which that message came, in
 * microseconds (PostgreSQL documentation, section 9.9.5). Unlike a transaction's number, every
 * server has it, and it makes no transaction a writer. */
#define TX_MARK "(extract(epoch FROM pg_catalog.transaction_timestamp()) * 1000000)::bigint"

void tx_begin_sql(struct mig_conn *conn, struct text *sql)
{
    const struct mig_tx_options *options = &conn->options;

    session_reset_sql(conn, sql);
    text_put(sql, conn->readonly ? "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"
                                 : "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
    session_local_sql(conn, sql);
    lease_fence_sql(conn, sql);
    if (options->lock_timeout_ms > 0)
        text_format(sql, ";SET LOCAL lock_timeout=%lld", (long long)options->lock_timeout_ms);
    if (options->statement_timeout_ms > 0)
        text_format(sql, ";SET LOCAL statement_timeout=%lld",
                    (long long)options->statement_timeout_ms);
    if (options->relaxed)
        text_put(sql, ";SET LOCAL synchronous_commit=off");
    if (!conn->readonly)
        text_put(sql, ";SELECT " TX_MARK ", pg_catalog.pg_backend_pid()");
}

mig_status tx_begin_failed(struct mig_conn *conn, mig_status status, struct mig_err *err)
{
    text_reset(&conn->garbage);
    tx_rollback(conn);
    return lease_fenced(conn, status, err);
}

/* A pooler that passes on the greeting of one server process and then gives us
 * others: the lock of the session is where we shall never be again. */
static mig_status same_backend(struct mig_conn *conn, int backend, struct mig_err *err)
{
    char sql[sizeof "SELECT pg_catalog.pg_terminate_backend()" + MARK_SIZE];
    int was = conn->backend;

    conn->backend = backend;
    if (conn->pooled || was == backend)
        return MIG_OK;
    conn->pooled = true;
    tx_rollback(conn);
    if (conn->locked) {
        snprintf(sql, sizeof sql, "SELECT pg_catalog.pg_terminate_backend(%d)", was);
        wire_simple(conn, sql, OWN_LIMIT_MS, NULL, NULL);
    }
    conn->locked = false;
    return mig_err_set(err, MIG_E_CONNECTION,
                       "the connection to %s was led to another server process (%d, before %d): "
                       "a pooler stands between; give the direct address of the server",
                       conn->target, backend, was);
}

mig_status tx_begun(struct mig_conn *conn, PGresult *result, struct mig_err *err)
{
    bool known = result && PQntuples(result) == 1;

    if (!tx_open(conn) || (!known && !conn->readonly)) {
        bool no_memory = error_is_memory(PQerrorMessage(conn->pg));

        tx_rollback(conn);
        if (no_memory)
            return error_nomem(err);
        return mig_err_set(err, MIG_E_INTERNAL, "BEGIN was answered without a transaction");
    }
    snprintf(conn->mark, sizeof conn->mark, "%s", conn->readonly ? "" : PQgetvalue(result, 0, 0));
    session_was_reset(conn);
    conn->tx_serial++;
    return conn->readonly ? MIG_OK : same_backend(conn, atoi(PQgetvalue(result, 0, 1)), err);
}

mig_status tx_begin(struct mig_conn *conn, const struct mig_tx_options *options,
                    struct mig_err *err)
{
    AUTO(text) struct text sql = {0};
    AUTO(result) PGresult *result = NULL;
    mig_status status;

    MIG_TRY(tx_begin_check(conn, options, err));
    tx_begin_sql(conn, &sql);
    if (sql.failed)
        return error_nomem(err);
    status = wire_simple(conn, text_string(&sql), OWN_LIMIT_MS, &result, err);
    return status ? tx_begin_failed(conn, status, err) : tx_begun(conn, result, err);
}

/* Fails, and so keeps COMMIT from being run, when the transaction is another
 * than the one of begin(). */
void tx_commit_sql(struct mig_conn *conn, struct text *sql)
{
    session_leave_sql(conn, sql);
    if (conn->mark[0])
        text_format(sql,
                    "SELECT CASE " TX_MARK " WHEN %s THEN ''"
                    " ELSE pg_catalog.current_setting('" OTHER_TRANSACTION "') END;",
                    conn->mark);
    text_put(sql, "COMMIT");
}

static mig_status commit_failed(struct mig_conn *conn, mig_status status, struct mig_err *err)
{
    char reason[512];

    if (status == MIG_E_NOMEM)
        conn->lost = true; /* for the answer, perhaps: what it said is not known */
    if (conn->lost) {
        snprintf(reason, sizeof reason, "%.500s", err->message[0] ? err->message : "no answer");
        return mig_err_set(err, MIG_E_OUTCOME,
                           "it is not known whether the transaction was committed: %s", reason);
    }
    tx_rollback(conn);
    if (strstr(err->message, OTHER_TRANSACTION))
        status = mig_err_set(err, MIG_E_FAILED,
                             "the transaction is no longer the one that was begun: a statement "
                             "has ended it and begun another");
    return status;
}

mig_status tx_commit_check(struct mig_conn *conn, struct mig_err *err)
{
    mig_status status;

    if (conn->lost || PQstatus(conn->pg) == CONNECTION_BAD)
        return error_lost(conn, err); /* COMMIT was never sent */
    if (!tx_open(conn)) {
        status = conn->mark[0] ? MIG_E_FAILED : MIG_E_MISUSE;
        tx_ended(conn);
        return mig_err_set(err, status, "there is no open transaction to commit");
    }
    if (!tx_failed(conn))
        return MIG_OK;
    tx_rollback(conn);
    return mig_err_set(err, MIG_E_FAILED,
                       "the transaction was rolled back, as a statement in it had failed");
}

mig_status tx_committed(struct mig_conn *conn, mig_status status, PGresult *result,
                        struct mig_err *err)
{
    if (status)
        status = commit_failed(conn, status, err);
    else if (!result || strcmp(PQcmdStatus(result), "COMMIT") != 0)
        status = mig_err_set(err, MIG_E_FAILED, "the server rolled back instead of committing");
    tx_ended(conn);
    return status;
}

mig_status tx_commit(struct mig_conn *conn, struct mig_err *err)
{
    AUTO(text) struct text sql = {0};
    AUTO(result) PGresult *result = NULL;
    struct mig_err own = {0};
    mig_status status;

    MIG_TRY(tx_commit_check(conn, err));
    tx_commit_sql(conn, &sql);
    if (sql.failed)
        return error_nomem(err);
    err = err ? err : &own;
    status = wire_simple(conn, text_string(&sql), 0, &result, err);
    watch_end(conn);
    return tx_committed(conn, status, result, err);
}

void tx_rollback(struct mig_conn *conn)
{
    bool was = conn->shielded;

    if (!conn->lost && tx_open(conn)) {
        conn->shielded = true;
        if (wire_simple(conn, session_rollback_sql(conn), LAST_LIMIT_MS, NULL, NULL))
            conn->lost = true;
        conn->shielded = was;
    }
    tx_ended(conn);
}

mig_status tx_check(struct mig_conn *conn, bool was, struct mig_err *err)
{
    if (conn->lost || was == tx_open(conn))
        return MIG_OK;
    if (was)
        return mig_err_set(err, MIG_E_FAILED,
                           "the statement ended the host's transaction, which it must not");
    tx_rollback(conn);
    return mig_err_set(err, MIG_E_FAILED,
                       "the statement left a transaction open, which was rolled back");
}
