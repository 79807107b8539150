/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions. The engine ends one by itself on some errors (OR ROLLBACK, full
 * disk, I/O); so each statement is followed by a look whether ours is still
 * there, and the hooks count ends, so that a COMMIT and BEGIN through the
 * native handle is seen as well. After such an end nothing more runs until the
 * host rolls back: a statement would otherwise be committed on its own.
 */
#include "conn.h"

static int on_commit(void *arg)
{
    ((struct mig_conn *)arg)->tx_ends++;
    return 0;
}

static void on_rollback(void *arg)
{
    ((struct mig_conn *)arg)->tx_ends++;
}

void tx_install(struct mig_conn *conn)
{
    sqlite3_commit_hook(conn->db, on_commit, conn);
    sqlite3_rollback_hook(conn->db, on_rollback, conn);
}

/* Runs one of the statements kept prepared. */
static int run_own(struct mig_conn *conn, enum own_statement which)
{
    static const char *const texts[OWN_COUNT] = {
        [OWN_BEGIN] = "BEGIN IMMEDIATE",
        [OWN_COMMIT] = "COMMIT",
        [OWN_ROLLBACK] = "ROLLBACK",
    };
    sqlite3_stmt **stmt = &conn->own[which];
    int rc = SQLITE_OK;

    conn->in_driver = true;
    if (!*stmt)
        rc = sqlite3_prepare_v3(conn->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(*stmt);
        sqlite3_reset(*stmt);
    }
    conn->in_driver = false;
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

bool tx_open(struct mig_conn *conn)
{
    return conn->db && conn->tx_wanted && !sqlite3_get_autocommit(conn->db) &&
           conn->tx_ends == conn->tx_mark;
}

mig_status tx_alive(struct mig_conn *conn, struct mig_err *err)
{
    if (!conn->tx_wanted || tx_open(conn))
        return MIG_OK;
    return mig_err_set(err, MIG_E_FAILED,
                       "the transaction is no longer open: SQLite rolled it back, or a statement "
                       "ended it; nothing more can be done in it");
}

mig_status tx_explain(struct mig_conn *conn, mig_status status, struct mig_err *err)
{
    size_t len;

    if (!err || !conn->tx_wanted || tx_open(conn))
        return status;
    len = strlen(err->message);
    snprintf(err->message + len, sizeof err->message - len,
             "; SQLite rolled the whole transaction back");
    return status;
}

/* Inside a transaction the setting cannot be changed: so it is made before. */
static mig_status set_foreign_keys(struct mig_conn *conn, bool on, struct mig_err *err)
{
    int now = -1;

    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_ENABLE_FKEY, (int)on, &now);
    if (now == (int)on)
        return MIG_OK;
    return mig_err_set(err, MIG_E_UNSUPPORTED, "this build of SQLite cannot switch foreign keys %s",
                       on ? "on" : "off");
}

mig_status tx_begin(struct mig_conn *conn, const struct mig_tx_options *options,
                    struct mig_err *err)
{
    bool enforce = options && options->foreign_keys;
    mig_status status = MIG_OK;
    int rc;

    if (conn->tx_wanted || !sqlite3_get_autocommit(conn->db))
        return mig_err_set(err, MIG_E_MISUSE, "a transaction is open already");
    if (conn->dirty)
        status = session_reset(conn, err);
    if (status == MIG_OK)
        status = set_foreign_keys(conn, enforce, err);
    if (status != MIG_OK)
        return status;
    rc = run_own(conn, OWN_BEGIN);
    if (rc != SQLITE_OK)
        return fault_report(conn, rc, err);
    conn->tx_wanted = true;
    conn->tx_mark = conn->tx_ends;
    status = foreign_begin(conn, enforce, err);
    if (status != MIG_OK)
        tx_rollback(conn);
    return status;
}

void tx_rollback(struct mig_conn *conn)
{
    if (!conn->db)
        conn->tx_wanted = false;
    if (!conn->tx_wanted)
        return;
    if (!sqlite3_get_autocommit(conn->db))
        run_own(conn, OWN_ROLLBACK);
    conn->tx_wanted = false;
    foreign_forget(conn);
}

mig_status tx_commit(struct mig_conn *conn, struct mig_err *err)
{
    mig_status status;
    int rc;

    if (!conn->tx_wanted)
        return mig_err_set(err, MIG_E_MISUSE, "no transaction was begun");
    status = tx_alive(conn, err);
    if (status == MIG_OK)
        status = foreign_check(conn, err);
    if (status == MIG_OK) {
        rc = run_own(conn, OWN_COMMIT);
        if (rc == SQLITE_OK && !sqlite3_get_autocommit(conn->db))
            rc = SQLITE_INTERNAL;
        if (rc != SQLITE_OK)
            status = fault_report(conn, rc, err);
    }
    if (status != MIG_OK)
        tx_rollback(conn);
    conn->tx_wanted = false;
    return status;
}
