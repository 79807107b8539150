/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rollback journal between two transactions. By itself SQLite makes it and
 * removes it with every commit, which costs more than writing it; so a
 * connection that writes keeps the file from its opening to its closing, and a
 * commit ends by zeroing the journal's header. It owns that file's coming and
 * going. A journal whose header is zero is nobody's: no other process rolls it
 * back, and those that delete theirs delete it. The decision on the
 * kept journal says why a commit is as durable as before.
 */
#include "conn.h"

void journal_keep(struct mig_conn *conn)
{
    char mode[16];

    if (conn->config.flags & MIG_OPEN_READONLY)
        return;
    conn->files->keeps_journal =
        session_ask(conn, "PRAGMA main.journal_mode=PERSIST", mode, sizeof mode) == SQLITE_OK &&
        strcmp(mode, "persist") == 0;
}

/* SQLite removes the file under a lock that keeps other writers out, and leaves
 * it to the one who writes just now. So nothing is waited for, and a failure is
 * none: the file is in nobody's way. */
void journal_release(struct mig_conn *conn)
{
    bool before = conn->in_driver;
    char mode[16];

    if (!conn->files->keeps_journal)
        return;
    conn->in_driver = true;
    sqlite3_busy_handler(conn->db, NULL, NULL);
    /* Somebody may have made it a database with a write-ahead log meanwhile. */
    if (session_ask(conn, "PRAGMA main.journal_mode", mode, sizeof mode) == SQLITE_OK &&
        strcmp(mode, "persist") == 0)
        session_ask(conn, "PRAGMA main.journal_mode=DELETE", mode, sizeof mode);
    wait_install(conn);
    conn->in_driver = before;
    conn->files->keeps_journal =
        strcmp(mode, "persist") == 0; /* not inside a transaction that wrote */
    conn->journal_named = false;
}
