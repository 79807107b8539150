/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the PostgreSQL driver: the connection, and what its files
 * offer each other, from the wire upwards. Invariant: between two calls of the
 * driver no query is under way on the connection, or it is `lost` and every
 * further call says so. Nothing here is visible outside the plugin.
 */
#ifndef PG_H
#define PG_H

#include "text.h"

#include <libpq-fe.h>
#include <mig/driver.h>

#define MARK_SIZE 24 /* a 64-bit number in decimal */
#define NAME_SIZE 64 /* NAMEDATALEN */

/* Types that the driver reads or writes by itself (pg_type.dat). */
enum oid {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_OID = 26,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_BPCHAR = 1042,
    OID_VARCHAR = 1043
};

struct statement;
struct batch_plan;
struct watch;

/* What no message may show, the longest first: one may be a part of another. */
struct secrets {
    char **texts;
    size_t count;
    bool incomplete; /* for want of memory: nothing that may hold one is shown */
};

struct mig_conn {
    PGconn *pg;
    struct mig_driver_config config; /* without the URL */
    struct secrets secrets;
    char *conninfo; /* for a second connection; holds the password */
    char *target;
    char *user;
    char *schema;
    char version[16];
    bool readonly;
    bool checks_client;       /* client_connection_check_interval can be set */
    int backend;              /* the server's process of the session, or of the last transaction */
    bool pooled;              /* it can be another from transaction to transaction */
    bool tells_start;         /* when it was started */
    int64_t server_started_s; /* tells the server from others at the same address; 0: unknown */

    /* wire.c: one exchange with the server */
    int64_t started_ms;
    int64_t deadline_ms; /* 0: none */
    int64_t asked_ms;    /* when `cancelled` was asked last */
    bool shielded;       /* this exchange must not be cancelled */
    mig_status ended;    /* what `cancelled` answered, or 0 */
    struct canceller *canceller;
    bool lost;

    /* watch.c: who keeps a statement waiting, and whether it is still run */
    bool watching; /* a migration's: worth saying */
    int64_t look_ms;
    struct watch *watch;

    /* session.c: whose session it is */
    bool guarded;            /* a migration's */
    char protect[NAME_SIZE]; /* how the names of the host's tables begin */
    bool dirty;              /* a migration had the session since its last reset */
    bool stained;            /* and that in the open transaction */
    bool names_touched;      /* it may have prepared or deallocated */
    bool locks_touched;      /* it may have taken advisory locks */
    unsigned generation;     /* of prepared statements; grows when all are gone */
    struct text garbage;     /* DEALLOCATEs that wait for a good moment */

    /* tx.c */
    char mark[MARK_SIZE]; /* of the transaction of begin(), or "" */
    unsigned tx_serial;   /* grows with every begin and end */
    struct mig_tx_options options;

    /* statement.c, cursor.c, batch.c, lock.c */
    struct statement *statements; /* known, for use again */
    size_t statement_count;
    unsigned names; /* given to statements and cursors so far */
    size_t streams; /* open cursors on the server */
    struct batch_plan *batch;
    char wal_place[24]; /* of the log, as it was at wal_ms: what standbys are */
    int64_t wal_ms;     /* measured by; "" before */
    int64_t changes;
    int64_t lock_key;
    bool locked;
    bool lock_doubted;                /* a migration spoke of unlocking */
    bool no_session_lock, no_tx_lock; /* the server was seen to lack them */
    bool pool_known;                  /* what kind of pooler it is, if it is one */

    /* lease.c: the run lock where it is none of the session */
    struct lease *lease;
};

/* ---- error.c: what the server says, as a status and a sentence ---- */

mig_status sqlstate_status(const char *sqlstate);
/* Fills `err` from a failed result. */
mig_status error_result(struct mig_conn *conn, const PGresult *result, struct mig_err *err);
/* The connection is gone, for a reason in libpq's words, or had no memory to go on. */
mig_status error_lost(struct mig_conn *conn, struct mig_err *err);
mig_status error_nomem(struct mig_err *err);
/* No such function; none for this user; known and not made. */
bool error_refuses_function(const struct mig_err *err);
/* Whether what libpq says of its last failure is that it had no memory. */
bool error_is_memory(const char *said);
/* The same where an address or the server, who begins with a severity, may say so too. */
bool error_begins_with_memory(const char *said);
/* libpq's message of a connection in one line without secrets. */
void error_libpq(const PGconn *pg, const struct secrets *secrets, char *out, size_t size);
void secrets_add(struct secrets *secrets, const char *text, size_t len);
void secrets_mask(const struct secrets *secrets, char *line, size_t size);
/* A masked copy, for a text that is still to be cut or folded: of a secret that
 * was changed nothing would be found. NULL: out of memory. */
char *secrets_hide(const struct secrets *secrets, const char *text);
void secrets_clear(struct secrets *secrets);

/* ---- wire.c: exchanges with deadlines ---- */

/* How long a statement of the driver's own may take before the server counts
 * as dead. Generous: a loaded server is slow, not lost. */
#define OWN_LIMIT_MS 60000
/* How long the last words to a connection may take. */
#define LAST_LIMIT_MS 10000

int64_t clock_ms(void);
/* Begins an exchange; `limit_ms` 0: no limit but `cancelled`. */
mig_status wire_start(struct mig_conn *conn, int64_t limit_ms, struct mig_err *err);
/* Lets go of what the last exchange left behind. */
void wire_end(struct mig_conn *conn);
/* The next result, NULL at the end of a query. Fails only when the connection
 * is lost or given up; a failed statement is a result. */
mig_status wire_next(struct mig_conn *conn, PGresult **out, struct mig_err *err);
/* Ends a COPY that wants to speak with the client; false if it is none. */
bool wire_end_copy(struct mig_conn *conn, const PGresult *result);
/* Runs `sql`, several statements, by the simple protocol. `*last`, unless
 * NULL, is the last result. */
mig_status wire_simple(struct mig_conn *conn, const char *sql, int64_t limit_ms, PGresult **last,
                       struct mig_err *err);

/* One statement by the extended protocol, perhaps with others before it in
 * the same round trip. */
struct call {
    const char *sql; /* NULL: run the prepared `name` */
    const char *name;
    const char *prepare; /* text to prepare as `name` first, or NULL */
    int params;
    const Oid *types;
    const char *const *values;
    const int *lengths;
    const int *formats;
    int64_t limit_ms;
};

mig_status wire_call(struct mig_conn *conn, const struct call *call, PGresult **out,
                     struct mig_err *err);
/* A statement of the driver's own with text parameters. */
mig_status wire_ask(struct mig_conn *conn, const char *sql, int params, const char *const *values,
                    PGresult **out, struct mig_err *err);
/* Parses `sql` and describes it. */
mig_status wire_describe(struct mig_conn *conn, const char *sql, PGresult **out,
                         struct mig_err *err);

static inline void auto_result(PGresult **result)
{
    PQclear(*result);
}

/* ---- address.c: what the user wrote ---- */

/* Without our own scheme: what libpq understands. */
const char *address_words(const char *url);
const char *address_option(const PQconninfoOption *options, const char *keyword);
/* Notes the secrets in it first. NULL options: it is a database's name alone. */
mig_status address_parse(const char *conninfo, struct secrets *secrets, PQconninfoOption **out,
                         struct mig_err *err);
/* Notes `text`, which may be NULL, unless it is no secret at all. */
void address_secret(struct secrets *secrets, const char *text, const char *user,
                    const char *database);

/* ---- connect.c ---- */

mig_status connection_open(const struct mig_driver_config *config, struct mig_conn **out,
                           struct mig_err *err);
void connection_close(struct mig_conn *conn);
const char *connection_info(struct mig_conn *conn, enum mig_info what);
/* Starts a second connection to the same server, without waiting. */
PGconn *connection_again(struct mig_conn *conn);
/* Whether it was the server that turned it away, in words of its own. */
bool connection_answered(const PGconn *pg);

/* ---- session.c ---- */

/* Our settings in a fresh session, and what the server is. */
mig_status session_begin(struct mig_conn *conn, int64_t limit_ms, struct mig_err *err);
/* Behind a pooler that keeps `backend` for this connection: makes it ours. */
mig_status session_keep(struct mig_conn *conn, int backend, struct mig_err *err);
/* SQL that puts the session back, each statement ended; nothing if clean. */
void session_reset_sql(struct mig_conn *conn, struct text *sql);
/* The two ends of a transaction behind a pooler that keeps none: our settings
 * behind BEGIN, and before COMMIT what leaves nothing to the next client. */
void session_local_sql(const struct mig_conn *conn, struct text *sql);
void session_leave_sql(struct mig_conn *conn, struct text *sql);
const char *session_rollback_sql(const struct mig_conn *conn);
/* It ran and was committed. */
void session_was_reset(struct mig_conn *conn);
mig_status session_reset(struct mig_conn *conn, struct mig_err *err);
void session_guard(struct mig_conn *conn, const char *protect);
/* A migration ran `sql` (NULL: unknown text). */
void session_touched(struct mig_conn *conn, const char *sql);
/* Whether the server reports that its setting `name` is `value`. */
bool session_has(struct mig_conn *conn, const char *name, const char *value);
/* Makes the session ours before a statement of the host. */
mig_status session_own(struct mig_conn *conn, struct mig_err *err);
/* The same inside a transaction as SQL to send first, or NULL. */
const char *session_own_sql(struct mig_conn *conn, struct text *sql);
/* Refuses what a migration may not say, before any of it runs. */
mig_status guard_check(struct mig_conn *conn, const char *sql, size_t len, struct mig_err *err);
/* Whether the statement with this command tag meddled with transactions. */
bool guard_tag(const char *tag);

/* ---- tx.c ---- */

mig_status tx_begin(struct mig_conn *conn, const struct mig_tx_options *options,
                    struct mig_err *err);
mig_status tx_commit(struct mig_conn *conn, struct mig_err *err);
void tx_rollback(struct mig_conn *conn);
bool tx_open(struct mig_conn *conn);
/* Whether the open transaction can only be rolled back. */
bool tx_failed(struct mig_conn *conn);
/* After a migration's statement: is the transaction still open? `was` says
 * whether there was one before. */
mig_status tx_check(struct mig_conn *conn, bool was, struct mig_err *err);

/* The parts of begin() and commit(), for those who send them along with
 * statements of their own. */
mig_status tx_begin_check(struct mig_conn *conn, const struct mig_tx_options *options,
                          struct mig_err *err);
void tx_begin_sql(struct mig_conn *conn, struct text *sql);
/* BEGIN did not come about. */
mig_status tx_begin_failed(struct mig_conn *conn, mig_status status, struct mig_err *err);
/* `result`: the answer to the last statement of tx_begin_sql(). */
mig_status tx_begun(struct mig_conn *conn, PGresult *result, struct mig_err *err);
mig_status tx_commit_check(struct mig_conn *conn, struct mig_err *err);
void tx_commit_sql(struct mig_conn *conn, struct text *sql);
/* What became of COMMIT: `status` of the exchange, and its last result. */
mig_status tx_committed(struct mig_conn *conn, mig_status status, PGresult *result,
                        struct mig_err *err);

/* ---- series.c ---- */

mig_status series_run(struct mig_conn *conn, const struct mig_series *series, int64_t *failed,
                      struct mig_err *err);

/* ---- exec.c ---- */

mig_status text_exec(struct mig_conn *conn, const char *sql, size_t len,
                     struct mig_exec_result *result, struct mig_err *err);
/* The byte of `sql` at which a failed result points, or -1. */
int64_t result_offset(const struct mig_conn *conn, const PGresult *result, const char *sql);
/* Rows that a statement changed, or -1 when it is not of that kind. */
int64_t result_changes(PGresult *result);

/* ---- statement.c: what is known of a text, kept for use again ---- */

struct statement {
    struct statement *next;
    char *sql;
    size_t len;
    PGresult *description; /* parameters and columns */
    bool unasked;          /* `description` is empty: nobody asked the server yet */
    char name[NAME_SIZE];  /* prepared as, or "" */
    unsigned generation;   /* in which `name` holds */
    unsigned runs;
    unsigned users;
    bool kept; /* in the list of the connection */
};

/* `right`: the text is, and has no parameters, so its first run tells the rest. */
mig_status statement_get(struct mig_conn *conn, const char *sql, size_t len, bool right,
                         struct statement **out, struct mig_err *err);
/* After a run: what its result says of the columns. */
mig_status statement_learn(struct statement *statement, const PGresult *result,
                           struct mig_err *err);
void statement_release(struct mig_conn *conn, struct statement *statement);
void statements_clear(struct mig_conn *conn);
/* Fills in how to run it: by name where that pays. */
void statement_call(struct mig_conn *conn, struct statement *statement, struct call *call);
void statement_ran(struct mig_conn *conn, struct statement *statement, bool well);

/* ---- value.c ---- */

/* A parameter as libpq wants it. `data` is NULL for NULL. */
struct param {
    char *data;
    size_t room;
    int len;
    int format;
    bool null;
};

mig_status param_set(struct param *param, const struct mig_value *value, Oid type, int index,
                     struct mig_err *err);
void param_clear(struct param *param);
/* Bytes decoded from a field; kept until the row is left. */
struct bytes {
    unsigned char *data;
    size_t len;
};

void bytes_clear(struct bytes *bytes);
/* Decodes one field; `held` keeps the bytes of a blob. */
mig_status field_get(const PGresult *result, int row, int column, struct bytes *held,
                     struct mig_value *out, struct mig_err *err);

/* ---- cursor.c ---- */

mig_status cursor_prepare(struct mig_conn *conn, const char *sql, size_t len, uint32_t flags,
                          struct mig_cursor **out, struct mig_err *err);
mig_status cursor_bind(struct mig_cursor *cursor, int index, const struct mig_value *value,
                       struct mig_err *err);
mig_status cursor_step(struct mig_cursor *cursor, struct mig_err *err);
mig_status cursor_restart(struct mig_cursor *cursor, struct mig_err *err);
void cursor_finalize(struct mig_cursor *cursor);
int cursor_column_count(struct mig_cursor *cursor);
const char *cursor_column_name(struct mig_cursor *cursor, int column);
mig_status cursor_column(struct mig_cursor *cursor, int column, struct mig_value *out,
                         struct mig_err *err);

/* ---- lock.c ---- */

mig_status lock_try(struct mig_conn *conn, const char *name, struct mig_err *err);
/* After a migration that may have unlocked everything: takes it again. */
mig_status lock_confirm(struct mig_conn *conn, struct mig_err *err);
void lock_release(struct mig_conn *conn);
int64_t lock_key(const char *name);
/* Inside a transaction, for as long as it is open: `*got` false where there is
 * no such lock, and a refusal may have spoilt it. MIG_E_BUSY: another has it. */
mig_status lock_in_tx(struct mig_conn *conn, int64_t number, bool *got, struct mig_err *err);
/* Who holds the lock with this key, as pg_locks has it; MIG_E_BUSY. */
mig_status lock_holder(struct mig_conn *conn, int64_t number, struct mig_err *err);

/* ---- pool.c ---- */

/* Whether a session outlasts its transactions, where another process answers
 * than the one that greeted us: if so, the connection is `pooled` no more. */
mig_status pool_look(struct mig_conn *conn, struct mig_err *err);

/* ---- lease.c ---- */

/* Takes the lease in place of the lock `name`, for the reason `why`. */
mig_status lease_take(struct mig_conn *conn, const char *name, const char *why,
                      struct mig_err *err);
/* For who locks by the session: MIG_E_BUSY while another has the lease. */
mig_status lease_await(struct mig_conn *conn, const char *name, struct mig_err *err);
/* The quoted name of the table, for free(); NULL: out of memory. */
char *lease_table(const struct mig_conn *conn, const char *name);
/* Behind BEGIN: fails unless the lease is ours, and keeps it so until the end. */
void lease_fence_sql(const struct mig_conn *conn, struct text *sql);
/* Makes what the fence has said into a sentence. */
mig_status lease_fenced(struct mig_conn *conn, mig_status status, struct mig_err *err);
void lease_release(struct mig_conn *conn);
/* Why there is one; "" where there is none. */
const char *lease_why(const struct mig_conn *conn);

/* ---- beat.c: a lease is renewed while its holder is at work elsewhere ---- */

struct beat;

/* Says `sql` by a connection of its own every now and then. NULL: it cannot. */
struct beat *beat_start(struct mig_conn *conn, const char *sql);
void beat_stop(struct beat *beat);

/* ---- aside.c: a second connection that waits for nobody ---- */

/* Both give up at `deadline_ms`, or when `stop_fd` (or -1) can be read. NULL
 * is all there is to say of a failure. */
PGconn *aside_open(struct mig_conn *conn, int64_t deadline_ms, int stop_fd);
PGresult *aside_ask(PGconn *pg, const char *sql, int64_t deadline_ms, int stop_fd);

/* ---- catalog.c ---- */

mig_status catalog_table_exists(struct mig_conn *conn, const char *schema, const char *table,
                                bool *out, struct mig_err *err);
mig_status catalog_primary_key(struct mig_conn *conn, const char *table, char *out, size_t size,
                               struct mig_err *err);
mig_status catalog_estimate(struct mig_conn *conn, const char *table, struct mig_estimate *out,
                            struct mig_err *err);

/* ---- standby.c ---- */

mig_status standby_lag(struct mig_conn *conn, int64_t *out, struct mig_err *err);

/* ---- settle.c ---- */

bool settle_outside_tx(struct mig_conn *conn, const char *sql, size_t len);
mig_status settle_statement(struct mig_conn *conn, const char *sql, size_t len,
                            enum mig_settled *out, struct mig_err *err);
/* After CREATE INDEX CONCURRENTLY IF NOT EXISTS: an invalid index of that name
 * made the server skip it. */
mig_status settle_check_index(struct mig_conn *conn, const char *sql, size_t len,
                              struct mig_err *err);

/* ---- binary.c: values in the server's own form ---- */

struct binary_kind {
    Oid type;
    enum mig_type value;
    int width; /* bytes of a number; 0: the value's own */
};

/* NULL: its form is not known here. */
const struct binary_kind *binary_kind(Oid type);
bool binary_fits(const struct binary_kind *kind, const struct mig_value *value);
/* A field: its length, and the value, which fits. */
void binary_put(struct text *out, const struct binary_kind *kind, const struct mig_value *value);
void binary_int32(struct text *out, int64_t number);

/* ---- copy.c ---- */

mig_status copy_batch(struct mig_conn *conn, const struct mig_batch *batch, size_t *failed_row,
                      struct mig_err *err);

/* ---- batch.c ---- */

mig_status batch_update(struct mig_conn *conn, const struct mig_batch *batch, bool *written,
                        struct mig_err *err);
void batch_forget(struct mig_conn *conn);

/* ---- watch.c ---- */

/* Looks, by a second connection, whether the statement is still run, and what it
 * waits for. Never fails; takes little time at each call. */
void watch_look(struct mig_conn *conn);
/* When that is worth doing next. */
int64_t watch_due(struct mig_conn *conn);
/* Something has come from the server, or it has taken something. */
void watch_heard(struct mig_conn *conn);
/* What the server's process does, so that no answer can come; NULL: one may. */
const char *watch_lost(struct mig_conn *conn);
/* What it was, "" if it did not wait; and ends the looking. */
const char *watch_found(struct mig_conn *conn);
void watch_end(struct mig_conn *conn);

#endif
