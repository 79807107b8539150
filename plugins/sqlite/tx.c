/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions. The engine ends one by itself on some errors (OR ROLLBACK, full
 * disk, I/O); so each statement is followed by a look whether ours is still
 * there, and the hooks count ends, so that a COMMIT and BEGIN through the
 * native handle is seen as well. After such an end nothing more runs until the
 * host rolls back: a statement would otherwise be committed on its own. A COMMIT
 * that failed may have taken effect: the file tells.
 */
#include "conn.h"

/* Of the header of the file: a number that a commit raises. */
#define COUNTER_OFFSET 24
#define COUNTER_BYTES 4

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

void tx_uninstall(struct mig_conn *conn)
{
    sqlite3_commit_hook(conn->db, NULL, NULL);
    sqlite3_rollback_hook(conn->db, NULL, NULL);
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

/* Reads the counter of commits, as SQLite reads the file: whoever opens it beside
 * SQLite drops its locks. A file that is still empty counts from zero. */
static bool read_counter(struct mig_conn *conn, unsigned char out[COUNTER_BYTES])
{
    sqlite3_file *file = NULL;
    int rc;

    memset(out, 0, COUNTER_BYTES);
    if (sqlite3_file_control(conn->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
        !file || !file->pMethods)
        return false;
    rc = file->pMethods->xRead(file, out, COUNTER_BYTES, COUNTER_OFFSET);
    return rc == SQLITE_OK || rc == SQLITE_IOERR_SHORT_READ;
}

/* Whether a COMMIT that failed has left everything as it was. Where it failed at
 * the very end the pages are written and nobody rolls them back; the look lets
 * SQLite first roll back what it can. */
static bool commit_undone(struct mig_conn *conn, const unsigned char before[COUNTER_BYTES])
{
    unsigned char now[COUNTER_BYTES];

    return session_run(conn, "SELECT count(*) FROM sqlite_schema") == SQLITE_OK &&
           read_counter(conn, now) && memcmp(before, now, COUNTER_BYTES) == 0;
}

static mig_status commit_now(struct mig_conn *conn, struct mig_err *err)
{
    unsigned char before[COUNTER_BYTES];
    bool counted = read_counter(conn, before);
    int rc = run_own(conn, OWN_COMMIT);
    char reason[512];
    mig_status status;

    if (rc == SQLITE_OK && !sqlite3_get_autocommit(conn->db))
        rc = SQLITE_INTERNAL;
    if (rc == SQLITE_OK)
        return MIG_OK;
    status = fault_report(conn, rc, err);
    if (!counted || !sqlite3_get_autocommit(conn->db) || commit_undone(conn, before))
        return status;
    snprintf(reason, sizeof reason, "%.500s", err->message);
    return mig_err_set(err, MIG_E_OUTCOME,
                       "it is not known whether the transaction was committed: %s", reason);
}

mig_status tx_commit(struct mig_conn *conn, struct mig_err *err)
{
    mig_status status;

    if (!conn->tx_wanted)
        return mig_err_set(err, MIG_E_MISUSE, "no transaction was begun");
    status = tx_alive(conn, err);
    if (status == MIG_OK)
        status = foreign_check(conn, err);
    if (status == MIG_OK)
        status = commit_now(conn, err);
    if (status != MIG_OK)
        tx_rollback(conn);
    else
        edges_committed(conn);
    conn->tx_wanted = false;
    return status;
}
