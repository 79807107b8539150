/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mig.h - all that the author of a migration module includes.
 *
 * A module is a shared object with one exported symbol, `mig_module`, and one
 * ELF note, both written by MIG_MODULE(). The host reads the note without
 * loading the module; it loads the module only in the process that runs it,
 * and hands up() or down() a database handle. Everything that a module can ask
 * for goes through the function table behind that handle, so a module links
 * nothing of ours and keeps working with every later host of the same major.
 *
 * ABI 1.0. The table only grows at its end: a function that the running host
 * lacks answers MIG_E_UNSUPPORTED and never crashes. Functions without a
 * "since" line are in 1.0.
 *
 * Conventions. Text is UTF-8. Sizes are bytes. Parameters of a statement count
 * from 1, as `$1` does in SQL; columns count from 0. Neither side frees the
 * other's memory: text given to the host is copied before the call returns,
 * and text got from the host stays valid as the function says. Handles belong
 * to the one call of up() or down() that received them, and to its thread.
 */
#ifndef MIG_H
#define MIG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MIG_ABI_MAJOR 1
#define MIG_ABI_MINOR 0

#define MIG_EXPORT __attribute__((visibility("default")))
#define MIG_MUST_USE __attribute__((warn_unused_result))
#define MIG_PRINTF(text, first) __attribute__((format(printf, text, first)))

/*
 * Statuses: name, number, exit code of the command when it ends with it, text.
 * Negative is failure; the numbers never change and are never reused.
 */
#define MIG_STATUS_MAP(X)                                                    \
    X(MIG_E_FAILED, -1, 1, "the migration failed")                           \
    X(MIG_E_SQL, -2, 1, "the database refused a statement")                  \
    X(MIG_E_CONSTRAINT, -3, 1, "a constraint of the database was violated")  \
    X(MIG_E_CONFLICT, -4, 1, "a deadlock or serialization failure")          \
    X(MIG_E_TYPE, -5, 1, "a value has another type")                         \
    X(MIG_E_RANGE, -6, 1, "an index or a value is out of range")             \
    X(MIG_E_MISUSE, -7, 1, "a function was called wrongly")                  \
    X(MIG_E_UNSUPPORTED, -8, 1, "not supported here")                        \
    X(MIG_E_TIMEOUT, -9, 1, "the time allowed ran out")                      \
    X(MIG_E_CONNECTION, -10, 3, "the connection to the database was lost")   \
    X(MIG_E_USAGE, -11, 2, "wrong usage or configuration")                   \
    X(MIG_E_UNREACHABLE, -12, 3, "the database cannot be reached or opened") \
    X(MIG_E_READONLY, -13, 3, "the database is read-only")                   \
    X(MIG_E_BUSY, -14, 4, "another process holds the lock")                  \
    X(MIG_E_BUNDLE, -15, 5, "a file of the bundle is wrong")                 \
    X(MIG_E_HISTORY, -16, 5, "bundle and history disagree")                  \
    X(MIG_E_REFUSED, -17, 6, "refused by the load checks")                   \
    X(MIG_E_PARTIAL, -18, 7, "stopped part way")                             \
    X(MIG_E_GATE, -19, 8, "waiting at a gate")                               \
    X(MIG_E_VERIFY, -20, 9, "verification failed")                           \
    X(MIG_E_PENDING, -21, 10, "something is pending")                        \
    X(MIG_E_OUTCOME, -22, 11, "the outcome is not known")                    \
    X(MIG_E_NOMEM, -23, 12, "out of memory")                                 \
    X(MIG_E_FULL, -24, 12, "the disk is full")                               \
    X(MIG_E_LIMIT, -25, 12, "out of descriptors or processes")               \
    X(MIG_E_IO, -26, 3, "reading or writing failed")                         \
    X(MIG_E_CORRUPT, -27, 3, "not a database, or a damaged one")             \
    X(MIG_E_NOTFOUND, -28, 3, "not found")                                   \
    X(MIG_E_INTERRUPTED, -29, 130, "interrupted")                            \
    X(MIG_E_TERMINATED, -30, 143, "terminated")                              \
    X(MIG_E_CRASHED, -31, 1, "the module crashed")                           \
    X(MIG_E_INTERNAL, -32, 70, "a fault of mighost itself")

typedef int32_t mig_status;

enum {
    MIG_OK = 0,     /* done; from mig_step(): no more rows */
    MIG_ROW = 1,    /* from mig_step(): a row is ready; from a load's callback: a row is given */
    MIG_SKIP = 2,   /* from a transform's or a load's callback: leave this row out */
    MIG_REJECT = 3, /* from a transform's callback: this row is bad; --max-rejects counts */
#define MIG_STATUS_ENUM(name, code, exit_code, text) name = (code),
    MIG_STATUS_MAP(MIG_STATUS_ENUM)
#undef MIG_STATUS_ENUM
};

/* How a migration meets transactions (see the author's guide). */
enum mig_mode {
    MIG_ATOMIC = 0,  /* up() and the history row in one transaction */
    MIG_DURABLE = 1, /* every top-level call is a journaled step */
    MIG_NONE = 2     /* no transaction and no journal */
};

enum mig_type { MIG_NULL = 0, MIG_INT64, MIG_DOUBLE, MIG_TEXT, MIG_BLOB };

enum mig_level { MIG_DEBUG = 0, MIG_INFO, MIG_WARN, MIG_ERROR };

/*
 * The one error type: a value that the caller owns, of fixed size, so that it
 * outlives whatever filled it in and needs no freeing.
 */
struct mig_err {
    mig_status status;
    char sqlstate[8];   /* five characters from the server, or "" */
    int64_t offset;     /* byte offset in the text that was run, or -1 */
    char where[384];    /* "file:line:column", a module, an id; or "" */
    char message[1664]; /* one sentence, UTF-8, no line breaks */
};

/* One value of a row or a parameter. `data` is text or blob, `len` its bytes;
 * text is also NUL-terminated. */
struct mig_value {
    enum mig_type type;
    size_t len;
    union {
        int64_t int64;
        double real;
        const void *data;
    } as;
};

struct mig_api;

/* The database handle. Its own members are the host's affair. */
struct mig_db {
    const struct mig_api *api;
};

/* A prepared statement, or a streaming read. */
struct mig_stmt {
    struct mig_db *db;
};

/* A row in a callback: read from `in`, write into `out`. */
struct mig_row {
    struct mig_db *db;
};

#define MIG_SHA256_BYTES 32
#define MIG_SHA256_HEX 65 /* 64 digits and the NUL */

/*
 * A data migration: every row of `table`, page by page in the order of its key,
 * goes through `map`, which reads the columns of `read` from `in` (by their
 * place, from 0) and sets those of `write` in `out`. The host owns the loop:
 * memory is bounded by the page, and rows that another session changed in
 * between are read and mapped again. In mode durable each page is committed
 * with the cursor behind it; a large one on PostgreSQL in four parts, each
 * spread over all of it, so that the later ones find room beside the row
 * versions that the earlier ones left. Within a page the order is not promised.
 * In mode none each page is committed and no cursor kept: where it was cut short
 * it begins anew, so a filter must then leave out what is done.
 *
 * The key must tell each row from all others and is never NULL, and `write` names
 * none of its columns; another transform is refused. A row is written if it
 * still meets the filter then. A row that comes to lie behind the page that is
 * being read (inserted with a smaller key, or given one) is not seen: a second
 * transform with a `filter` for what is left finds it. A batch waits a fifth of
 * a second for a row that somebody else has locked, lets go of its other rows
 * and is tried again, up to 20 times.
 *
 * `map` may read from the database through its own handle, `out->db`, and may
 * not write.
 */
struct mig_transform {
    uint32_t size;      /* sizeof(struct mig_transform) */
    const char *table;  /* "users", "app.users"; quoted by the host */
    const char *key;    /* "id", or "a, b": unique; NULL: the primary key */
    const char *read;   /* "email, name" */
    const char *write;  /* "email_hash" */
    const char *filter; /* an SQL condition, or NULL; "email_hash IS NULL" finds what is left */
    mig_status (*map)(const struct mig_row *in, struct mig_row *out, void *user);
    void *user;
    uint32_t batch;   /* rows of a page, see above; 0: the host chooses, for 200 ms a page */
    uint32_t workers; /* 0 or 1: one; more: see below */
    uint32_t flags;   /* enum mig_transform_flags */
};

/*
 * Several workers are threads of one process, each with a connection, a range
 * of keys and a database handle of its own (`in->db`, `out->db`). They are used
 * on PostgreSQL in mode durable; elsewhere, and for few rows, there is one.
 * `map` is then called by several threads at once, with the same `user`: it must
 * say that it can stand that.
 */
enum mig_transform_flags { MIG_TRANSFORM_THREAD_SAFE = 1 };

/*
 * A bulk load: `next` is called for one row after the other, sets the columns
 * of `columns` in `out` (by their place, from 0; what it does not set is NULL)
 * and returns
 *     MIG_ROW    the row is given
 *     MIG_SKIP   this one is left out
 *     MIG_OK     there are no more
 *     a failure  the load fails, with the reason of mig_fail()
 * Rows go in by batches of bounded memory, the fastest way that the engine has.
 *
 * `next` may read from the database, also a stream of mig_query() that was
 * opened before or by itself, and may not write. A load is one step: in mode
 * durable it is committed whole, and where it was cut short its next run
 * begins anew, so `next` must then begin anew as well: open its stream in its
 * first call. (In mode none each batch is committed.) After a load that failed
 * no other call is answered: the migration fails.
 */
struct mig_load {
    uint32_t size;       /* sizeof(struct mig_load) */
    const char *table;   /* "users", "app.users"; quoted by the host */
    const char *columns; /* "id, email" */
    mig_status (*next)(struct mig_row *out, void *user);
    void *user;
    uint32_t batch; /* at most so many rows a batch; 0: the host chooses */
};

/*
 * The host API table. Append-only: members never move or change their type.
 * Use the functions below it, which check that the running host has the slot.
 */
struct mig_api {
    uint32_t size; /* bytes of the table as the running host knows it */
    uint16_t abi_major;
    uint16_t abi_minor;
    mig_status (*exec)(struct mig_db *db, const char *sql);
    mig_status (*prepare)(struct mig_db *db, const char *sql, struct mig_stmt **out);
    mig_status (*query)(struct mig_db *db, const char *sql, struct mig_stmt **out);
    mig_status (*bind)(struct mig_stmt *stmt, int index, const struct mig_value *value);
    mig_status (*step)(struct mig_stmt *stmt);
    mig_status (*reset)(struct mig_stmt *stmt);
    void (*finalize)(struct mig_stmt *stmt);
    int (*column_count)(struct mig_stmt *stmt);
    const char *(*column_name)(struct mig_stmt *stmt, int column);
    mig_status (*column)(struct mig_stmt *stmt, int column, struct mig_value *out);
    int64_t (*changes)(struct mig_db *db);
    void (*sha256)(struct mig_db *db, const void *data, size_t len, unsigned char *out);
    void (*log)(struct mig_db *db, enum mig_level level, const char *text);
    void (*progress)(struct mig_db *db, int64_t done, int64_t total);
    void (*fail)(struct mig_db *db, const char *text);
    const char *(*param)(struct mig_db *db, const char *key);
    const char *(*engine)(struct mig_db *db);
    const char *(*engine_version)(struct mig_db *db);
    void *(*native)(struct mig_db *db, const char *engine);
    mig_status (*transform)(struct mig_db *db, const struct mig_transform *spec);
    mig_status (*row_get)(const struct mig_row *row, int column, struct mig_value *out);
    mig_status (*row_set)(struct mig_row *row, int column, const struct mig_value *value);
    mig_status (*load)(struct mig_db *db, const struct mig_load *spec);
};

#define MIG_HAS(api_, slot_) \
    ((api_)->size >= offsetof(struct mig_api, slot_) + sizeof((api_)->slot_))

/* Returns from the calling function when `expr` failed. */
#define MIG_TRY(expr)                 \
    do {                              \
        mig_status mig_try_ = (expr); \
        if (mig_try_ < 0)             \
            return mig_try_;          \
    } while (0)

/*
 * Runs `sql`, one or more statements without parameters. In a durable
 * migration the whole call is one step. Transaction control (BEGIN, COMMIT,
 * SAVEPOINT ...) is refused: the host owns the transaction. On failure the
 * migration should return the status; the host has the sentence.
 */
MIG_MUST_USE static inline mig_status mig_exec(struct mig_db *db, const char *sql)
{
    return MIG_HAS(db->api, exec) ? db->api->exec(db, sql) : MIG_E_UNSUPPORTED;
}

/*
 * Compiles one statement. Placeholders are `$1`, `$2`, ... on every engine.
 * The statement belongs to the caller, who ends it with mig_finalize(); what
 * is left open the host closes when up() or down() returns. A result is held
 * in memory by some drivers: read large tables with mig_query().
 */
MIG_MUST_USE static inline mig_status mig_prepare(struct mig_db *db, const char *sql,
                                                  struct mig_stmt **out)
{
    return MIG_HAS(db->api, prepare) ? db->api->prepare(db, sql, out) : MIG_E_UNSUPPORTED;
}

/*
 * As mig_prepare(), for a SELECT that is read as a stream: memory stays
 * bounded whatever the number of rows, and the rows are those of the moment of
 * the first mig_step(), also while the module writes to the same table.
 *
 * In a durable migration a stream whose first mig_step() was between two steps
 * is read on over the commits of later ones (the engine sets its rows aside on
 * disk). One whose first mig_step() was inside a callback has to be read to its
 * end there. On SQLite a stream ends, with MIG_E_MISUSE, where a step begins
 * after a PRAGMA or a temporary table has changed the session.
 */
MIG_MUST_USE static inline mig_status mig_query(struct mig_db *db, const char *sql,
                                                struct mig_stmt **out)
{
    return MIG_HAS(db->api, query) ? db->api->query(db, sql, out) : MIG_E_UNSUPPORTED;
}

/* Gives parameter `index` (from 1) a value. Values stay until they are bound
 * anew, also over mig_reset(). */
static inline mig_status mig_bind(struct mig_stmt *stmt, int index, const struct mig_value *value)
{
    return MIG_HAS(stmt->db->api, bind) ? stmt->db->api->bind(stmt, index, value)
                                        : MIG_E_UNSUPPORTED;
}

MIG_MUST_USE static inline mig_status mig_bind_int64(struct mig_stmt *stmt, int index, int64_t v)
{
    struct mig_value value;

    memset(&value, 0, sizeof value);
    value.type = MIG_INT64;
    value.as.int64 = v;
    return mig_bind(stmt, index, &value);
}

MIG_MUST_USE static inline mig_status mig_bind_double(struct mig_stmt *stmt, int index, double v)
{
    struct mig_value value;

    memset(&value, 0, sizeof value);
    value.type = MIG_DOUBLE;
    value.as.real = v;
    return mig_bind(stmt, index, &value);
}

/* NULL binds NULL. The text is copied. */
MIG_MUST_USE static inline mig_status mig_bind_text(struct mig_stmt *stmt, int index,
                                                    const char *text)
{
    struct mig_value value;

    memset(&value, 0, sizeof value);
    if (text) {
        value.type = MIG_TEXT;
        value.len = strlen(text);
        value.as.data = text;
    }
    return mig_bind(stmt, index, &value);
}

/* A NULL pointer binds NULL; a length of 0 an empty blob. Copied. */
MIG_MUST_USE static inline mig_status mig_bind_blob(struct mig_stmt *stmt, int index,
                                                    const void *data, size_t len)
{
    struct mig_value value;

    memset(&value, 0, sizeof value);
    if (data) {
        value.type = MIG_BLOB;
        value.len = len;
        value.as.data = data;
    }
    return mig_bind(stmt, index, &value);
}

MIG_MUST_USE static inline mig_status mig_bind_null(struct mig_stmt *stmt, int index)
{
    return mig_bind_text(stmt, index, NULL);
}

/* Runs the statement to its next row: MIG_ROW, MIG_OK when it is finished, or
 * a failure. After MIG_OK it may be reset and run again. */
MIG_MUST_USE static inline mig_status mig_step(struct mig_stmt *stmt)
{
    return MIG_HAS(stmt->db->api, step) ? stmt->db->api->step(stmt) : MIG_E_UNSUPPORTED;
}

/* Makes the statement ready to run again; parameters keep their values. */
MIG_MUST_USE static inline mig_status mig_reset(struct mig_stmt *stmt)
{
    return MIG_HAS(stmt->db->api, reset) ? stmt->db->api->reset(stmt) : MIG_E_UNSUPPORTED;
}

/* Ends the statement. NULL is allowed. */
static inline void mig_finalize(struct mig_stmt *stmt)
{
    if (stmt && MIG_HAS(stmt->db->api, finalize))
        stmt->db->api->finalize(stmt);
}

/* Columns of the current result; 0 where the statement returns none. */
static inline int mig_column_count(struct mig_stmt *stmt)
{
    return MIG_HAS(stmt->db->api, column_count) ? stmt->db->api->column_count(stmt) : 0;
}

/* The column's name, valid until mig_finalize(); NULL out of range. */
static inline const char *mig_column_name(struct mig_stmt *stmt, int column)
{
    return MIG_HAS(stmt->db->api, column_name) ? stmt->db->api->column_name(stmt, column) : NULL;
}

/* The value as the engine has it, its data valid until the next step or
 * reset. MIG_E_RANGE where there is no such column, MIG_E_MISUSE without a row. */
MIG_MUST_USE static inline mig_status mig_column(struct mig_stmt *stmt, int column,
                                                 struct mig_value *out)
{
    return MIG_HAS(stmt->db->api, column) ? stmt->db->api->column(stmt, column, out)
                                          : MIG_E_UNSUPPORTED;
}

/* A double without its fraction, or the int64 that is nearest to it; NaN is 0. */
static inline int64_t mig_value_int64(const struct mig_value *value)
{
    double real;

    if (value->type != MIG_DOUBLE)
        return value->type == MIG_INT64 ? value->as.int64 : 0;
    real = value->as.real;
    if (real >= 9223372036854775808.0)
        return INT64_MAX;
    if (real < -9223372036854775808.0)
        return INT64_MIN;
    return real == real ? (int64_t)real : 0;
}

static inline double mig_value_double(const struct mig_value *value)
{
    if (value->type == MIG_DOUBLE)
        return value->as.real;
    return value->type == MIG_INT64 ? (double)value->as.int64 : 0.0;
}

static inline const char *mig_value_text(const struct mig_value *value)
{
    return value->type == MIG_TEXT ? (const char *)value->as.data : NULL;
}

/* MIG_NULL also where there is no such column. */
static inline enum mig_type mig_column_type(struct mig_stmt *stmt, int column)
{
    struct mig_value value;

    return mig_column(stmt, column, &value) == MIG_OK ? value.type : MIG_NULL;
}

/* The number; 0 for NULL, text and blob. */
static inline int64_t mig_column_int64(struct mig_stmt *stmt, int column)
{
    struct mig_value value;

    return mig_column(stmt, column, &value) == MIG_OK ? mig_value_int64(&value) : 0;
}

/* The number; 0.0 for NULL, text and blob. */
static inline double mig_column_double(struct mig_stmt *stmt, int column)
{
    struct mig_value value;

    return mig_column(stmt, column, &value) == MIG_OK ? mig_value_double(&value) : 0.0;
}

/* The text, NUL-terminated, valid until the next step or reset; NULL for
 * NULL and for other types. */
static inline const char *mig_column_text(struct mig_stmt *stmt, int column)
{
    struct mig_value value;

    return mig_column(stmt, column, &value) == MIG_OK ? mig_value_text(&value) : NULL;
}

/* The bytes of a blob or a text and, in `*len`, how many; NULL for others. */
static inline const void *mig_column_blob(struct mig_stmt *stmt, int column, size_t *len)
{
    struct mig_value value;

    *len = 0;
    if (mig_column(stmt, column, &value) != MIG_OK ||
        (value.type != MIG_BLOB && value.type != MIG_TEXT))
        return NULL;
    *len = value.len;
    return value.as.data;
}

/* Rows that the last finished statement inserted, updated or deleted. */
static inline int64_t mig_changes(struct mig_db *db)
{
    return MIG_HAS(db->api, changes) ? db->api->changes(db) : -1;
}

/* SHA-256 (FIPS 180-4) of `len` bytes. */
static inline void mig_sha256(struct mig_db *db, const void *data, size_t len,
                              unsigned char out[MIG_SHA256_BYTES])
{
    db->api->sha256(db, data, len, out);
}

/* Lower-case hex of `len` bytes; `out` has room for 2 * len + 1. */
static inline void mig_hex(const void *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = (const unsigned char *)data;
    size_t i;

    for (i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}

/* SHA-256 of a text, as 64 hex digits. NULL hashes as the empty text. */
static inline void mig_sha256_hex(struct mig_db *db, const char *text, char out[MIG_SHA256_HEX])
{
    unsigned char digest[MIG_SHA256_BYTES];

    mig_sha256(db, text ? text : "", text ? strlen(text) : 0, digest);
    mig_hex(digest, sizeof digest, out);
}

#define MIG_TEXT_MAX 1024 /* longer log and failure texts are cut */

/* Writes a line to the host's log. */
MIG_PRINTF(3, 4)
static inline void mig_log(struct mig_db *db, enum mig_level level, const char *format, ...)
{
    char text[MIG_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (MIG_HAS(db->api, log))
        db->api->log(db, level, text);
}

/* Says how far the migration has come; `total` is 0 where it is not known. */
static inline void mig_progress(struct mig_db *db, int64_t done, int64_t total)
{
    if (MIG_HAS(db->api, progress))
        db->api->progress(db, done, total);
}

/*
 * Gives the reason for a failure, for `return mig_fail(db, "...", ...)`.
 * Always MIG_E_FAILED.
 */
MIG_PRINTF(2, 3)
static inline mig_status mig_fail(struct mig_db *db, const char *format, ...)
{
    char text[MIG_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (MIG_HAS(db->api, fail))
        db->api->fail(db, text);
    return MIG_E_FAILED;
}

/* The value given with `--set key=value`, or held by the file of `--set-file
 * key=FILE` (for secrets), valid for the call; NULL where none was given. */
static inline const char *mig_param(struct mig_db *db, const char *key)
{
    return MIG_HAS(db->api, param) ? db->api->param(db, key) : NULL;
}

/* "sqlite" or "postgres" or another driver's name. */
static inline const char *mig_engine(struct mig_db *db)
{
    return MIG_HAS(db->api, engine) ? db->api->engine(db) : "";
}

/* The engine's own version, such as "3.40.1" or "15.10". */
static inline const char *mig_engine_version(struct mig_db *db)
{
    return MIG_HAS(db->api, engine_version) ? db->api->engine_version(db) : "";
}

/*
 * The engine's own handle (sqlite3 * for "sqlite", PGconn * for "postgres"),
 * or NULL where the engine is another. Ending the transaction, closing the
 * handle or changing its session through it breaks the host's promises.
 */
static inline void *mig_native(struct mig_db *db, const char *engine)
{
    return MIG_HAS(db->api, native) ? db->api->native(db, engine) : NULL;
}

/* Runs the transform over all its rows. A failure names table and key; of a batch
 * that PostgreSQL refused, the keys of its first and last row.
 * (The struct is a tag of the same name, which g++ -Wshadow dislikes.) */
#ifdef __cplusplus
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif
MIG_MUST_USE static inline mig_status mig_transform(struct mig_db *db,
                                                    const struct mig_transform *spec)
{
    return MIG_HAS(db->api, transform) ? db->api->transform(db, spec) : MIG_E_UNSUPPORTED;
}

/* Loads all rows that `next` gives. A failure names the table, the row (the
 * number of the call of `next`, from 1) and, where the engine tells, the column.
 * mig_changes() is then the number of rows. */
MIG_MUST_USE static inline mig_status mig_load(struct mig_db *db, const struct mig_load *spec)
{
    return MIG_HAS(db->api, load) ? db->api->load(db, spec) : MIG_E_UNSUPPORTED;
}
#ifdef __cplusplus
#pragma GCC diagnostic pop
#endif

/* A value of the row that a transform's callback was given; data valid until it returns. */
MIG_MUST_USE static inline mig_status mig_row_get(const struct mig_row *row, int column,
                                                  struct mig_value *out)
{
    return MIG_HAS(row->db->api, row_get) ? row->db->api->row_get(row, column, out)
                                          : MIG_E_UNSUPPORTED;
}

/* The text of column `column`; NULL for NULL and for other types. */
static inline const char *mig_row_text(const struct mig_row *row, int column)
{
    struct mig_value value;

    return mig_row_get(row, column, &value) == MIG_OK ? mig_value_text(&value) : NULL;
}

/* The number; 0 for NULL, text and blob. */
static inline int64_t mig_row_int64(const struct mig_row *row, int column)
{
    struct mig_value value;

    return mig_row_get(row, column, &value) == MIG_OK ? mig_value_int64(&value) : 0;
}

/* The bytes of a blob or a text and, in `*len`, how many; NULL for others. */
static inline const void *mig_row_blob(const struct mig_row *row, int column, size_t *len)
{
    struct mig_value value;

    *len = 0;
    if (mig_row_get(row, column, &value) != MIG_OK ||
        (value.type != MIG_BLOB && value.type != MIG_TEXT))
        return NULL;
    *len = value.len;
    return value.as.data;
}

/* Sets a column to write; the value is copied. A column that the callback does
 * not set becomes NULL. */
MIG_MUST_USE static inline mig_status mig_row_set(struct mig_row *row, int column,
                                                  const struct mig_value *value)
{
    return MIG_HAS(row->db->api, row_set) ? row->db->api->row_set(row, column, value)
                                          : MIG_E_UNSUPPORTED;
}

MIG_MUST_USE static inline mig_status mig_set_text(struct mig_row *row, int column,
                                                   const char *text)
{
    struct mig_value value;

    memset(&value, 0, sizeof value);
    if (text) {
        value.type = MIG_TEXT;
        value.len = strlen(text);
        value.as.data = text;
    }
    return mig_row_set(row, column, &value);
}

MIG_MUST_USE static inline mig_status mig_set_int64(struct mig_row *row, int column, int64_t v)
{
    struct mig_value value;

    memset(&value, 0, sizeof value);
    value.type = MIG_INT64;
    value.as.int64 = v;
    return mig_row_set(row, column, &value);
}

MIG_MUST_USE static inline mig_status mig_set_double(struct mig_row *row, int column, double v)
{
    struct mig_value value;

    memset(&value, 0, sizeof value);
    value.type = MIG_DOUBLE;
    value.as.real = v;
    return mig_row_set(row, column, &value);
}

MIG_MUST_USE static inline mig_status mig_set_blob(struct mig_row *row, int column,
                                                   const void *data, size_t len)
{
    struct mig_value value;

    memset(&value, 0, sizeof value);
    if (data) {
        value.type = MIG_BLOB;
        value.len = len;
        value.as.data = data;
    }
    return mig_row_set(row, column, &value);
}

typedef mig_status (*mig_entry)(struct mig_db *db);

#define MIG_ID_SIZE 20           /* 18 digits, and room for the NUL */
#define MIG_DESCRIPTION_SIZE 160 /* a longer one does not compile */
#define MIG_DRIVERS_SIZE 60

/*
 * The module descriptor: the one symbol that a module exports. Members after
 * `drivers` are addresses; the members before them stand in the note as well.
 */
struct mig_module {
    uint32_t size;
    uint16_t abi_major;
    uint16_t abi_minor;
    char id[MIG_ID_SIZE];
    char description[MIG_DESCRIPTION_SIZE];
    uint32_t mode;                  /* enum mig_mode */
    char drivers[MIG_DRIVERS_SIZE]; /* "sqlite,postgres"; "": every driver */
    mig_entry up;
    mig_entry down;   /* NULL: cannot be rolled back */
    mig_entry verify; /* NULL: nothing to verify */
};

#ifdef __cplusplus
struct mig_flag { /* C++ has no implicit way from a function to a truth value */
    bool set;
    constexpr mig_flag(mig_entry entry = nullptr) : set(entry != nullptr) {}
};
#else
typedef _Bool mig_flag;
#endif

/*
 * The metadata note's description: the same members by the same names, so that
 * one list of initialisers fills both, without addresses: up, down and verify
 * say only whether there is one. All integers are in the byte order of the
 * machine that the ELF header names.
 */
struct mig_note {
    uint32_t size;
    uint16_t abi_major;
    uint16_t abi_minor;
    char id[MIG_ID_SIZE];
    char description[MIG_DESCRIPTION_SIZE];
    uint32_t mode;
    char drivers[MIG_DRIVERS_SIZE];
    mig_flag up;
    mig_flag down;
    mig_flag verify;
    mig_flag sql_only; /* a compiled SQL migration: never loaded */
};

#define MIG_NOTE_OWNER "MIGHOST"
#define MIG_NOTE_SECTION ".note.mighost"

enum mig_note_type {
    MIG_NOTE_MODULE = 1, /* a struct mig_note */
    MIG_NOTE_SQL = 2     /* a struct mig_note_sql and the text behind it */
};

enum mig_sql_role { MIG_SQL_UP = 1, MIG_SQL_DOWN = 2, MIG_SQL_VERIFY = 3 };

/* What precedes the text of one SQL file in its note. */
struct mig_note_sql {
    uint32_t size;   /* of this struct; the text begins behind it */
    uint32_t role;   /* enum mig_sql_role */
    char engine[16]; /* "sqlite", "postgres"; "": every engine */
};

/* An ELF note as the gABI lays it out: sizes, type, owner, description. */
struct mig_note_elf {
    uint32_t owner_size;
    uint32_t desc_size;
    uint32_t type;
    char owner[8];
    struct mig_note desc;
};

extern MIG_EXPORT const struct mig_module mig_module;

/*
 * Declares the module, once, at file scope:
 *
 *     MIG_MODULE(.id = "20240126130000", .description = "hash user e-mails",
 *                .mode = MIG_DURABLE, .up = up, .down = down);
 *
 * `.id` and `.up` are needed; `.mode` is MIG_ATOMIC unless given.
 * In C++ designated initialisers need C++20.
 */
#define MIG_MODULE(...)                                                            \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Waddress\"") \
        __attribute__((used, section(MIG_NOTE_SECTION),                            \
                       aligned(4))) static const struct mig_note_elf mig_note_ = { \
            sizeof(MIG_NOTE_OWNER),                                                \
            sizeof(struct mig_note),                                               \
            MIG_NOTE_MODULE,                                                       \
            MIG_NOTE_OWNER,                                                        \
            {.size = sizeof(struct mig_note),                                      \
             .abi_major = MIG_ABI_MAJOR,                                           \
             .abi_minor = MIG_ABI_MINOR,                                           \
             __VA_ARGS__}};                                                        \
    _Pragma("GCC diagnostic pop")                                                  \
        const struct mig_module mig_module = {.size = sizeof(struct mig_module),   \
                                              .abi_major = MIG_ABI_MAJOR,          \
                                              .abi_minor = MIG_ABI_MINOR,          \
                                              __VA_ARGS__}

#ifdef __cplusplus
}
#endif
#endif
