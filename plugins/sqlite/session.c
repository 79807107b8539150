/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session: the settings that every statement may rely on, and putting them
 * back after a migration changed them. A database in a file is closed and
 * opened again, which forgets everything; one in memory would be lost by that,
 * so the settings that are known are set and temporary objects dropped.
 * The run lock has a file of its own and outlives the reset.
 */
#include "conn.h"

/* Settings of the handle, made once. */
static const struct setting {
    int op;
    int value;
} settings[] = {
    {SQLITE_DBCONFIG_ENABLE_FKEY, 0}, {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
    {SQLITE_DBCONFIG_DQS_DML, 0},     {SQLITE_DBCONFIG_DQS_DDL, 0},
    {SQLITE_DBCONFIG_DEFENSIVE, 1},
};

/* What a migration can set in a database in memory, and what undoes it. */
static const char *const undo[] = {
    "PRAGMA ignore_check_constraints=0",
    "PRAGMA recursive_triggers=0",
    "PRAGMA case_sensitive_like=0",
    "PRAGMA reverse_unordered_selects=0",
    "PRAGMA legacy_alter_table=0",
    "PRAGMA automatic_index=1",
    "PRAGMA query_only=0",
    "PRAGMA read_uncommitted=0",
    "PRAGMA count_changes=0",
    "PRAGMA full_column_names=0",
    "PRAGMA short_column_names=1",
    "PRAGMA cell_size_check=0",
    "PRAGMA temp_store=0",
    "PRAGMA cache_size=-2000",
    "PRAGMA analysis_limit=0",
    "PRAGMA max_page_count=1073741823",
};

int session_run(struct mig_conn *conn, const char *sql)
{
    bool before = conn->in_driver;
    int rc;

    conn->in_driver = true;
    rc = sqlite3_exec(conn->db, sql, NULL, NULL, NULL);
    conn->in_driver = before;
    return rc;
}

int session_ask(struct mig_conn *conn, const char *sql, char *out, size_t size)
{
    AUTO(stmt) sqlite3_stmt *stmt = NULL;
    const char *text = NULL;
    int rc = sqlite3_prepare_v2(conn->db, sql, -1, &stmt, NULL);

    out[0] = '\0';
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        text = (const char *)sqlite3_column_text(stmt, 0);
    if (text)
        snprintf(out, size, "%s", text);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Commits must survive a power cut: with a rollback journal that takes a sync
 * of the folder as well (EXTRA) where the journal is removed, with a write-ahead
 * log FULL is enough. */
static int session_durability(struct mig_conn *conn)
{
    char mode[16];
    int rc = session_ask(conn, "PRAGMA main.journal_mode", mode, sizeof mode);

    if (rc != SQLITE_OK)
        return rc;
    if (strcmp(mode, "wal") == 0)
        return session_run(conn, "PRAGMA main.synchronous=FULL");
    journal_keep(conn);
    return session_run(conn, "PRAGMA main.synchronous=EXTRA");
}

mig_status session_configure(struct mig_conn *conn, struct mig_err *err)
{
    char ignored[32];
    size_t i;
    int rc;

    sqlite3_extended_result_codes(conn->db, 1);
    wait_install(conn);
    tx_install(conn);
    for (i = 0; i < sizeof settings / sizeof *settings; i++)
        sqlite3_db_config(conn->db, settings[i].op, settings[i].value, NULL);
    guard_install(conn);
    conn->in_driver = true;
    /* Reads the first page: here it shows whether this is a database at all. */
    rc = session_ask(conn, "PRAGMA main.schema_version", ignored, sizeof ignored);
    if (rc == SQLITE_OK && conn->path)
        rc = session_durability(conn);
    if (rc == SQLITE_OK && (conn->config.flags & MIG_OPEN_READONLY))
        rc = session_run(conn, "PRAGMA query_only=1");
    conn->in_driver = false;
    conn->dirty = 0;
    return rc == SQLITE_OK ? MIG_OK : fault_report(conn, rc, err);
}

/* Runs the statements that a query returns as rows. */
static int run_rows(struct mig_conn *conn, const char *sql)
{
    char statement[1024];
    int rc;

    do {
        rc = session_ask(conn, sql, statement, sizeof statement);
        if (rc == SQLITE_OK && statement[0])
            rc = session_run(conn, statement);
    } while (rc == SQLITE_OK && statement[0]);
    return rc;
}

/* Fails where a cursor still reads one of them. */
static int drop_temporary(struct mig_conn *conn)
{
    bool before = conn->in_driver;
    int rc;

    conn->in_driver = true;
    rc = run_rows(conn, "SELECT printf('DROP %s temp.\"%w\"', type, name) "
                        "FROM temp.sqlite_master WHERE type IN ('table', 'view', 'trigger') "
                        "AND name NOT LIKE 'sqlite~_%' ESCAPE '~' "
                        "AND name NOT LIKE 'mighost~_stream~_%' ESCAPE '~' LIMIT 1");
    conn->in_driver = before;
    return rc;
}

static mig_status reset_in_place(struct mig_conn *conn, struct mig_err *err)
{
    int rc = SQLITE_OK;
    size_t i;

    conn->in_driver = true;
    for (i = 0; rc == SQLITE_OK && i < sizeof undo / sizeof *undo; i++)
        rc = session_run(conn, undo[i]);
    if (rc == SQLITE_OK)
        rc = run_rows(conn, "SELECT printf('DETACH \"%w\"', name) FROM pragma_database_list "
                            "WHERE seq > 1 LIMIT 1");
    if (rc == SQLITE_OK)
        rc = drop_temporary(conn);
    conn->in_driver = false;
    if (rc != SQLITE_OK)
        return fault_report(conn, rc, err);
    return session_configure(conn, err);
}

mig_status session_reset(struct mig_conn *conn, struct mig_err *err)
{
    bool open = conn->tx_wanted || !sqlite3_get_autocommit(conn->db);

    if (!open)
        sqlite3_db_config(conn->db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL);
    if (!conn->dirty)
        return MIG_OK;
    if (open)
        return mig_err_set(err, MIG_E_MISUSE,
                           "the session cannot be reset while a transaction is open");
    if (conn->dirty == DIRT_TEMPORARY && drop_temporary(conn) == SQLITE_OK) {
        conn->dirty = 0;
        return MIG_OK;
    }
    if (!conn->path)
        return reset_in_place(conn, err);
    conn_disconnect(conn);
    return conn_connect(conn, err);
}
