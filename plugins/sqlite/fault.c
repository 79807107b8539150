/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults: what a SQLite result code means to the host. One table gives status
 * and sentence; an extended code without a row of its own takes the row of its
 * primary code. Faults of a statement keep the engine's own words, faults of
 * the file say which file and what to look at. It never changes the handle.
 */
#include "conn.h"

#include <errno.h>

/* How the sentence is made. */
enum fault_kind {
    FAULT_STATEMENT, /* the engine's words alone */
    FAULT_FILE,      /* "<file>: <text> (<engine's words>)" */
};

static const struct fault {
    int code;
    mig_status status;
    enum fault_kind kind;
    const char *text;
} faults[] = {
    {SQLITE_NOMEM, MIG_E_NOMEM, FAULT_FILE, "there is not enough memory"},
    {SQLITE_IOERR_NOMEM, MIG_E_NOMEM, FAULT_FILE, "there is not enough memory"},
    {SQLITE_FULL, MIG_E_FULL, FAULT_FILE, "the disk or the database is full"},
    {SQLITE_BUSY, MIG_E_BUSY, FAULT_FILE, "the file is locked by another process"},
    {SQLITE_BUSY_SNAPSHOT, MIG_E_CONFLICT, FAULT_STATEMENT, NULL},
    {SQLITE_LOCKED, MIG_E_BUSY, FAULT_STATEMENT, NULL},
    {SQLITE_READONLY, MIG_E_READONLY, FAULT_FILE, "the database cannot be written"},
    {SQLITE_READONLY_DIRECTORY, MIG_E_READONLY, FAULT_FILE,
     "the folder cannot be written, and SQLite needs to make its journal there"},
    {SQLITE_READONLY_DBMOVED, MIG_E_READONLY, FAULT_FILE,
     "the file was moved or deleted while it was open"},
    {SQLITE_READONLY_RECOVERY, MIG_E_READONLY, FAULT_FILE,
     "the write-ahead log needs recovery, which this user may not do"},
    {SQLITE_READONLY_ROLLBACK, MIG_E_READONLY, FAULT_FILE,
     "a crash left a journal that this user may not roll back"},
    {SQLITE_PERM, MIG_E_UNREACHABLE, FAULT_FILE, "permission denied"},
    {SQLITE_CANTOPEN, MIG_E_UNREACHABLE, FAULT_FILE,
     "the file, or a journal beside it, cannot be opened: look at the permissions of the file "
     "and its folder, and at the number of open files allowed"},
    {SQLITE_NOTADB, MIG_E_CORRUPT, FAULT_FILE,
     "the file is not a SQLite database, or it is encrypted"},
    {SQLITE_CORRUPT, MIG_E_CORRUPT, FAULT_FILE,
     "the database is damaged or cut short: restore a backup, or look at it with `PRAGMA "
     "integrity_check`"},
    {SQLITE_IOERR_GETTEMPPATH, MIG_E_IO, FAULT_FILE,
     "SQLite found no folder for its temporary files: set SQLITE_TMPDIR to one"},
    {SQLITE_IOERR, MIG_E_IO, FAULT_FILE, "reading or writing the file failed"},
    {SQLITE_NOLFS, MIG_E_IO, FAULT_FILE, "the file is larger than this system can read"},
    {SQLITE_CONSTRAINT, MIG_E_CONSTRAINT, FAULT_STATEMENT, NULL},
    {SQLITE_MISMATCH, MIG_E_TYPE, FAULT_STATEMENT, NULL},
    {SQLITE_RANGE, MIG_E_RANGE, FAULT_STATEMENT, NULL},
    {SQLITE_TOOBIG, MIG_E_RANGE, FAULT_STATEMENT, NULL},
    {SQLITE_MISUSE, MIG_E_MISUSE, FAULT_STATEMENT, NULL},
    {SQLITE_INTERRUPT, MIG_E_INTERRUPTED, FAULT_STATEMENT, NULL},
    {SQLITE_AUTH, MIG_E_MISUSE, FAULT_STATEMENT, NULL},
    {SQLITE_INTERNAL, MIG_E_INTERNAL, FAULT_STATEMENT, NULL},
    {SQLITE_ERROR, MIG_E_SQL, FAULT_STATEMENT, NULL},
};

/* What the system said, where SQLite's own code names only the operation. */
static const struct cause {
    int code; /* primary */
    int error;
    struct fault fault;
} causes[] = {
    {SQLITE_CANTOPEN, EMFILE, {0, MIG_E_LIMIT, FAULT_FILE, "this process has too many open files"}},
    {SQLITE_CANTOPEN, ENFILE, {0, MIG_E_LIMIT, FAULT_FILE, "the system has too many open files"}},
    {SQLITE_CANTOPEN, ENOSPC, {0, MIG_E_FULL, FAULT_FILE, "the disk is full"}},
    {SQLITE_CANTOPEN, EDQUOT, {0, MIG_E_FULL, FAULT_FILE, "the disk quota is used up"}},
    {SQLITE_IOERR, EMFILE, {0, MIG_E_LIMIT, FAULT_FILE, "this process has too many open files"}},
    {SQLITE_IOERR, ENOSPC, {0, MIG_E_FULL, FAULT_FILE, "the disk is full"}},
    {SQLITE_IOERR,
     EFBIG,
     {0, MIG_E_FULL, FAULT_FILE, "the file is as large as this process may make one (ulimit -f)"}},
    {SQLITE_IOERR, EDQUOT, {0, MIG_E_FULL, FAULT_FILE, "the disk quota is used up"}},
    {SQLITE_IOERR, ENOMEM, {0, MIG_E_NOMEM, FAULT_FILE, "there is not enough memory"}},
};

static const struct fault *cause_find(const struct mig_conn *conn, int rc)
{
    int error = conn->db ? sqlite3_system_errno(conn->db) : 0;
    size_t i;

    for (i = 0; error && i < sizeof causes / sizeof *causes; i++)
        if (causes[i].code == (rc & 0xff) && causes[i].error == error)
            return &causes[i].fault;
    return NULL;
}

static const struct fault *fault_find(int rc)
{
    const struct fault *primary = &faults[sizeof faults / sizeof *faults - 1];
    size_t i;

    for (i = 0; i < sizeof faults / sizeof *faults; i++) {
        if (faults[i].code == rc)
            return &faults[i];
        if (faults[i].code == (rc & 0xff))
            primary = &faults[i];
    }
    return primary;
}

static mig_status fault_cancelled(mig_status status, struct mig_err *err)
{
    return mig_err_set(err, status, "%s",
                       status == MIG_E_TIMEOUT ? "the statement was stopped: its time ran out"
                                               : "the statement was interrupted");
}

static mig_status fault_busy(struct mig_conn *conn, struct mig_err *err)
{
    pid_t holder = wait_holder(conn);
    char who[64] = "another process";

    if (holder > 0)
        snprintf(who, sizeof who, "process %ld", (long)holder);
    return mig_err_set(err, MIG_E_BUSY,
                       "%s is locked by %s, and %lld ms of waiting were not enough", conn->target,
                       who, (long long)conn->config.busy_timeout_ms);
}

mig_status fault_nomem(struct mig_err *err)
{
    return mig_err_set(err, MIG_E_NOMEM, "there is not enough memory");
}

mig_status fault_report(struct mig_conn *conn, int rc, struct mig_err *err)
{
    const struct fault *cause = cause_find(conn, rc);
    const struct fault *fault = cause ? cause : fault_find(rc);
    const char *words = conn->db ? sqlite3_errmsg(conn->db) : sqlite3_errstr(rc);
    mig_status cancelled = conn->cancelled;
    char refusal[sizeof conn->refusal];

    memcpy(refusal, conn->refusal, sizeof refusal);
    conn->refusal[0] = '\0';
    conn->cancelled = MIG_OK;
    if (cancelled && ((rc & 0xff) == SQLITE_INTERRUPT || (rc & 0xff) == SQLITE_BUSY))
        return fault_cancelled(cancelled, err);
    if (rc == SQLITE_AUTH && refusal[0])
        return mig_err_set(err, fault->status, "%s", refusal);
    if ((rc & 0xff) == SQLITE_BUSY && fault->status == MIG_E_BUSY)
        return fault_busy(conn, err);
    if (fault->kind == FAULT_FILE)
        return mig_err_set(err, fault->status, "%s: %s (%s)", conn->target, fault->text,
                           sqlite3_errstr(rc));
    return mig_err_set(err, fault->status, "%s", words);
}
