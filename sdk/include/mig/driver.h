/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mig/driver.h - all that the author of a driver plugin includes.
 *
 * A driver is a shared object `libmigdrv_<name>.so` with one exported symbol,
 * `mig_driver`, a constant table of functions. It speaks to one kind of
 * database and knows nothing of migrations: no history, no plan, no files.
 * A connection is used by one thread at a time; different connections may be
 * used by different threads at once.
 *
 * Every fallible function returns a mig_status, fills `err` with one sentence
 * when that is negative, and writes its outputs only on success. No message
 * may contain a password. A driver never prints, never exits and leaves signal
 * dispositions alone. Every wait ends by a deadline or by `cancelled`.
 *
 * Driver ABI 1.0: major must be equal, minor at most the host's. The table
 * begins with its size and only grows at its end.
 */
#ifndef MIG_DRIVER_H
#define MIG_DRIVER_H

#include <mig.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MIG_DRIVER_ABI_MAJOR 1
#define MIG_DRIVER_ABI_MINOR 0

struct mig_conn;   /* a connection; the driver's own */
struct mig_cursor; /* a prepared statement; the driver's own */

/* How the engine reads SQL text, so that the host can find where statements
 * end. Common to all: '...' with doubled quotes, "..." , -- and slash-star comments. */
enum mig_lexis {
    MIG_LEX_NESTED_COMMENTS = 1,  /* comments nest; a CR alone ends a "--" comment */
    MIG_LEX_DOLLAR_QUOTES = 2,    /* $tag$ ... $tag$ */
    MIG_LEX_ESCAPE_STRINGS = 4,   /* E'...' with backslash escapes */
    MIG_LEX_BRACKETS = 8,         /* [name] and `name` */
    MIG_LEX_TRIGGER_BODIES = 16,  /* CREATE TRIGGER ... BEGIN ...; ... END; */
    MIG_LEX_ATOMIC_BODIES = 32,   /* CREATE FUNCTION ... BEGIN ATOMIC ...; END */
    MIG_LEX_PAREN_DEPTH = 64,     /* a semicolon inside parentheses ends nothing */
    MIG_LEX_COPY_STDIN = 128,     /* refuses COPY ... FROM stdin and psql's backslash commands */
    MIG_LEX_QUESTION_MARKS = 256, /* parameters: ?7, and ? for the one behind the highest yet */
};

enum mig_open_flags {
    MIG_OPEN_CREATE = 1,   /* may create the database file */
    MIG_OPEN_READONLY = 2, /* will only read: never waits for a writer's lock */
    /* `application` is this run's alone, and this its only session that locks: one of
     * that name that still holds the lock is an orphan, which lock_try() may end. */
    MIG_OPEN_RUN = 4,
};

struct mig_driver_config {
    uint32_t size;
    uint32_t flags;          /* enum mig_open_flags */
    const char *url;         /* as the user gave it; may hold a password */
    const char *application; /* shown to the server's administrator */
    int64_t connect_timeout_ms;
    int64_t busy_timeout_ms; /* how long a statement waits for a locked file */
    /* Asked at least every 200 ms of waiting: 0, or the status to end with
     * (MIG_E_INTERRUPTED, MIG_E_TERMINATED, MIG_E_TIMEOUT). May be NULL. */
    mig_status (*cancelled)(void *arg);
    /* A notice or warning of the server, one line. May be NULL. */
    void (*notice)(void *arg, const char *text);
    /* A statement waits: for what, and who is in the way, one line. Said while
     * it waits. May be NULL. */
    void (*waiting)(void *arg, const char *text);
    void *arg;
};

enum mig_info {
    MIG_INFO_VERSION, /* "15.10", "3.40.1" */
    MIG_INFO_TARGET,  /* where we are connected, fit to print, without secrets */
    MIG_INFO_SCHEMA,  /* schema of the host's tables unless configured: "public", "main" */
    MIG_INFO_USER,    /* the database user; "" where there are none */
    /* After lock_try(): why the run lock is a lease, which holds transactions
     * alone; "" where it is a lock of the session. */
    MIG_INFO_LEASE,
};

struct mig_tx_options {
    uint32_t size;
    bool foreign_keys;            /* SQLite: keep enforcement on inside */
    int64_t lock_timeout_ms;      /* 0: no limit; ignored where there is none */
    int64_t statement_timeout_ms; /* 0: no limit; ignored where there is none */
    /* The answer to COMMIT need not wait for the disk: should the server's machine fail,
     * this transaction may be lost, whole, and with it every later one that is committed so;
     * one that is committed otherwise afterwards makes it last. Ignored where the engine
     * cannot promise all of that. */
    bool relaxed;
};

/* What exec() did. On failure `statements` counts those finished before the
 * one that failed and `offset` is where that one begins. */
struct mig_exec_result {
    uint32_t size;
    size_t statements;
    size_t offset;
    int64_t changes; /* of the last statement that changed rows */
};

/* Flags of prepare(). */
enum mig_prepare_flags {
    MIG_PREPARE_STREAM = 1, /* bounded memory; rows as of the first step, also
                               while the same connection writes the table */
    MIG_PREPARE_KNOWN = 2   /* the host's own text, which is right: a fault in it may
                               show at the first step, as may its columns */
};

/* What became of a statement that cannot run in a transaction and whose end
 * was never recorded. */
enum mig_settled {
    MIG_SETTLED_REPEAT, /* nothing of it is left: run it again */
    MIG_SETTLED_DONE,   /* it had taken effect */
    MIG_SETTLED_UNKNOWN /* a person must look */
};

/* One batch of rows to write, for update_batch(): UPDATE table SET writes = values WHERE keys = ...
 * Names are quoted already. Arrays are row-major: row r, column c at
 * [r * columns + c]. Where `reads` is given, a row is written only if its
 * read columns still equal `olds` (NULL equal to NULL). */
struct mig_batch {
    uint32_t size;
    const char *table;
    const char *const *keys;
    size_t key_count;
    const char *const *reads; /* may be NULL with read_count 0 */
    size_t read_count;
    const char *const *writes;
    size_t write_count;
    size_t rows;
    const struct mig_value *key_values;
    const struct mig_value *olds;
    const struct mig_value *news;
    bool sorted; /* the rows ascend by their keys, as the engine orders them */
    /* An SQL condition that a row must still meet to be written, or NULL. An
     * engine on which nobody else can write meanwhile need not look again. */
    const char *filter;
    /* The rows were read in the very transaction, and nobody else can have written
     * since: what only another could change need not be compared. */
    bool exclusive;
};

/* One statement of the host's own, with the values of $1, $2, ... in order, or
 * of ? and ?2 where the lexis has them. Rows that it returns are discarded. */
struct mig_statement {
    const char *text; /* need not end in NUL */
    size_t len;
    const struct mig_value *values;
    size_t value_count;
    int64_t rows; /* that it must change, or -1; then it has no RETURNING */
};

/* Statements that belong together, perhaps with the ends of a transaction. */
struct mig_series {
    uint32_t size;
    const struct mig_tx_options *begin; /* not NULL: begin() comes first */
    const struct mig_statement *statements;
    size_t count;
    bool commit; /* commit() comes last */
};

/* About how large a table is. */
struct mig_estimate {
    uint32_t size;
    int64_t rows;
    int64_t row_bytes; /* that a row takes of the table's pages; 0: not known */
};

#define MIG_SERIES_BEGIN (-1) /* what failed is begin() */

/*
 * The driver. `conn` is never NULL. Functions that end or free something
 * accept half-built objects and report nothing. Cursors end before begin(),
 * reset() and close() are called: the host keeps none over them.
 */
struct mig_driver {
    uint32_t size;
    uint16_t abi_major;
    uint16_t abi_minor;
    const char *name;           /* "sqlite" */
    const char *const *schemes; /* URL schemes, NULL at the end */
    uint32_t lexis;             /* enum mig_lexis */
    const char *blob_type;      /* the column type for bytes: "BLOB", "BYTEA" */
    const char *key_type;       /* the best type for a 64-bit primary key: "INTEGER", "BIGINT" */

    /* MIG_E_NOTFOUND: there is no such database and CREATE was not given;
     * MIG_E_UNREACHABLE, MIG_E_READONLY, MIG_E_CORRUPT, MIG_E_BUSY otherwise. */
    mig_status (*open)(const struct mig_driver_config *config, struct mig_conn **out,
                       struct mig_err *err);
    /* Rolls back what is open, and gives the run lock up. */
    void (*close)(struct mig_conn *conn);
    /* Text valid until close(); never NULL. */
    const char *(*info)(struct mig_conn *conn, enum mig_info what);

    /* Tries once to take the run lock `name`, "prefix" or "schema.prefix" of
     * the host's tables, without waiting. MIG_E_BUSY: held by another; `err`
     * says by whom (pid, host, since when, doing what), as far as the engine
     * can tell. The lock ends with unlock() or the process. Where the engine
     * cannot lock so, it is a lease: a row that ends soon after the process,
     * which begin() checks and the transaction holds (MIG_INFO_LEASE). */
    mig_status (*lock_try)(struct mig_conn *conn, const char *name, struct mig_err *err);
    void (*unlock)(struct mig_conn *conn); /* nothing where there is no lock */

    /* begin() starts a transaction that can write (SQLite: IMMEDIATE), in a
     * session reset to the driver's own settings; MIG_E_BUSY: the run lock was
     * a lease, and it is another's now. commit() demands that the
     * very same transaction is still open and that the engine really committed:
     * MIG_E_FAILED when it rolled back instead, MIG_E_OUTCOME when the
     * connection broke before the answer, MIG_E_CONSTRAINT when deferred checks
     * fail (rolled back). rollback() never fails; in_tx() is false when the
     * engine has ended the transaction by itself. */
    mig_status (*begin)(struct mig_conn *conn, const struct mig_tx_options *options,
                        struct mig_err *err);
    mig_status (*commit)(struct mig_conn *conn, struct mig_err *err);
    void (*rollback)(struct mig_conn *conn);
    bool (*in_tx)(struct mig_conn *conn);
    /* Puts the session back to the driver's own settings, whatever a
     * migration did to it: search_path, role, pragmas, temporary objects. */
    mig_status (*reset)(struct mig_conn *conn, struct mig_err *err);
    /* While on, the statements are a migration's: transaction control, ATTACH
     * and changes to tables whose name begins with `protect` are refused as
     * far as the engine can refuse them. NULL turns it off. */
    void (*guard)(struct mig_conn *conn, const char *protect);

    /* Runs one or more statements; `text` need not end in NUL. Rows returned
     * are discarded. err->offset: byte offset in `text` of the fault, or -1. */
    mig_status (*exec)(struct mig_conn *conn, const char *text, size_t len,
                       struct mig_exec_result *result, struct mig_err *err);

    /* One statement; `flags` of enum mig_prepare_flags. finalize() frees the cursor. */
    mig_status (*prepare)(struct mig_conn *conn, const char *text, size_t len, uint32_t flags,
                          struct mig_cursor **out, struct mig_err *err);
    /* Parameter `index`, from 1. The value is copied, and stands until it is bound anew. */
    mig_status (*bind)(struct mig_cursor *cursor, int index, const struct mig_value *value,
                       struct mig_err *err);
    mig_status (*step)(struct mig_cursor *cursor, struct mig_err *err); /* MIG_ROW, MIG_OK */
    /* The next step() begins anew. */
    mig_status (*restart)(struct mig_cursor *cursor, struct mig_err *err);
    void (*finalize)(struct mig_cursor *cursor);
    int (*column_count)(struct mig_cursor *cursor);
    /* Columns count from 0. Valid until finalize; NULL out of range. */
    const char *(*column_name)(struct mig_cursor *cursor, int column);
    /* Its data is valid until the next step, restart or finalize. */
    mig_status (*column)(struct mig_cursor *cursor, int column, struct mig_value *out,
                         struct mig_err *err);
    /* Rows that the last statement which can change any has changed. */
    int64_t (*changes)(struct mig_conn *conn);

    /* Whether the table exists; `schema` NULL or "": the default one. */
    mig_status (*table_exists)(struct mig_conn *conn, const char *schema, const char *table,
                               bool *out, struct mig_err *err);
    /* The columns of the primary key, quoted and separated by ", ", into
     * `out`; "" where there is none. `table` is quoted already. */
    mig_status (*primary_key)(struct mig_conn *conn, const char *table, char *out, size_t size,
                              struct mig_err *err);

    /* Whether one statement cannot run inside a transaction (VACUUM ...). */
    bool (*outside_tx)(struct mig_conn *conn, const char *text, size_t len);
    /* Whether such a statement, whose end nobody recorded, took effect. It runs
     * nothing but may remove what a broken attempt left. */
    mig_status (*settle)(struct mig_conn *conn, const char *text, size_t len, enum mig_settled *out,
                         struct mig_err *err);

    /* Writes a batch; `written[r]` says whether row r was (it was not when it is
     * gone, its read columns changed or the filter leaves it out by now). Inside
     * the open transaction. */
    mig_status (*update_batch)(struct mig_conn *conn, const struct mig_batch *batch, bool *written,
                               struct mig_err *err);

    /* The engine's own handle, for mig_native(): sqlite3 *, PGconn *. */
    void *(*native)(struct mig_conn *conn);

    /* Inserts rows, the fastest way the engine has: `writes` and `news` of the
     * batch; there are no keys and no reads. Inside an open transaction, which
     * can only be rolled back after a failure; without one the batch is
     * committed whole or not at all. `*failed_row`, on failure: the row that
     * was refused, from 0, or batch->rows where the engine does not tell. Runs
     * under the guard as a migration's own INSERT would. */
    mig_status (*insert_batch)(struct mig_conn *conn, const struct mig_batch *batch,
                               size_t *failed_row, struct mig_err *err);

    /* Runs the series in order, up to its first failure, in as few exchanges
     * with the engine as it can; the guard is off. MIG_E_NOTFOUND: a statement
     * changed another number of rows than it must. On failure `*failed` is the
     * index of the statement, MIG_SERIES_BEGIN, or `count` for commit(); where
     * a statement failed nothing is committed, and a transaction that is open
     * is the caller's to roll back. begin() and commit() fail as ever: a
     * connection that breaks when COMMIT may be on its way is MIG_E_OUTCOME. */
    mig_status (*run_series)(struct mig_conn *conn, const struct mig_series *series,
                             int64_t *failed, struct mig_err *err);

    /* What the engine knows of the table without reading it; its name is quoted
     * already. MIG_E_UNSUPPORTED: nothing. May be NULL. */
    mig_status (*estimate)(struct mig_conn *conn, const char *table, struct mig_estimate *out,
                           struct mig_err *err);
    /* How far the standby that is furthest behind is behind, in milliseconds; 0
     * where there is none. MIG_E_UNSUPPORTED, and in `err` why: that cannot be
     * seen. May be NULL: there are never any. */
    mig_status (*lag_ms)(struct mig_conn *conn, int64_t *out, struct mig_err *err);
    /* Several connections can write at once, without waiting for each other's
     * transactions as long as they write different rows. */
    bool parallel;
    /* In how many transactions a page of a transform is best written, each a part
     * of its rows from all over it; 0 or 1: in one. More than one pays where the
     * row versions that one transaction leaves make room for the next one's. */
    uint32_t turns;
    /* From begin() to the end of the transaction no other connection can write to
     * the database, nor begin() to do so. */
    bool alone;
};

extern MIG_EXPORT const struct mig_driver mig_driver;

/*
 * Fills `err` with one formatted sentence and returns `status`, so that a
 * driver can `return mig_err_set(err, MIG_E_..., "...", ...)`. sqlstate, where
 * and offset are emptied. `err` may be NULL.
 */
MIG_PRINTF(3, 4)
static inline mig_status mig_err_set(struct mig_err *err, mig_status status, const char *format,
                                     ...)
{
    va_list args;

    if (!err)
        return status;
    err->status = status;
    err->sqlstate[0] = '\0';
    err->where[0] = '\0';
    err->offset = -1;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return status;
}

/* An engine-side identifier: `name` in double quotes, inner quotes doubled.
 * Returns the length that the whole needs, as snprintf() does. */
static inline size_t mig_quote_identifier(const char *name, char *out, size_t size)
{
    size_t n = 0;

    if (n < size)
        out[n] = '"';
    for (n = 1; *name; name++) {
        if (*name == '"' && ++n <= size)
            out[n - 1] = '"';
        if (++n <= size)
            out[n - 1] = *name;
    }
    if (++n <= size)
        out[n - 1] = '"';
    if (size)
        out[n < size ? n : size - 1] = '\0';
    return n;
}

#ifdef __cplusplus
}
#endif
#endif
