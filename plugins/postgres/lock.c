/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run lock: an advisory lock of the session, or a lease where the server,
 * or what stands before it, was seen to give none. It is tried and never waited
 * for, since a session that waits holds a snapshot and so deadlocks with
 * CREATE INDEX CONCURRENTLY. The key is FNV-1a, 64 bits, of the lock's name.
 * Invariant: `locked` means that pg_locks shows it as ours. It must not retry.
 */
#include "pg.h"

#include <inttypes.h>

#define FNV_OFFSET UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)
#define KEY_SIZE 24

/* A lock on a 64-bit key stands in pg_locks in two halves and objsubid 1. A
 * session has no locks in databases other than its own; another may. */
#define IN_PG_LOCKS                                              \
    "l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"   \
    " AND l.classid::bigint = (($1::bigint >> 32) & 4294967295)" \
    " AND l.objid::bigint = ($1::bigint & 4294967295)"
#define OURS "l.pid = pg_catalog.pg_backend_pid() AND " IN_PG_LOCKS
#define IN_THIS_DATABASE                                   \
    "l.database = (SELECT oid FROM pg_catalog.pg_database" \
    " WHERE datname = pg_catalog.current_database())"

#define JUDGED(before, function)                                                     \
    "SELECT CASE " before "WHEN NOT pg_catalog." function "($1::bigint) THEN 'busy'" \
    " WHEN EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE " OURS ") THEN"           \
    " 'ours' ELSE 'nowhere' END"

/* $2 is the process that we know. Where another one answers, a pooler stands
 * between, and then the lock must not even be tried: it would stay there. Nor
 * where there are leases, $3: their holder would find it taken when it begins. */
#define TRY_PARAMS 3
static const char try_sql[] = JUDGED("WHEN pg_catalog.pg_backend_pid() <> $2::int THEN 'pooled'"
                                     " WHEN $3 <> '' AND pg_catalog.to_regclass($3) IS NOT NULL"
                                     " THEN 'leases' ",
                                     "pg_try_advisory_lock");
#define TRY_IN_TX_PARAMS 1
static const char try_in_tx_sql[] = JUDGED("", "pg_try_advisory_xact_lock");

static const char held_sql[] = "SELECT 1 FROM pg_catalog.pg_locks l WHERE " OURS;

static const char holder_sql[] =
    "SELECT a.pid, coalesce(a.usename, '?'), coalesce(pg_catalog.host(a.client_addr),"
    " 'this machine'), coalesce(a.application_name, ''),"
    " pg_catalog.to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),"
    " extract(epoch FROM pg_catalog.clock_timestamp() - a.backend_start)::bigint,"
    " coalesce(a.state, 'unknown'),"
    " extract(epoch FROM pg_catalog.clock_timestamp() - a.state_change)::bigint,"
    " CASE WHEN a.query ILIKE '%password%' THEN '(hidden)'"
    " ELSE pg_catalog.\"left\"(a.query, 120) END"
    " FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid"
    " WHERE " IN_PG_LOCKS " AND " IN_THIS_DATABASE;

/* Of those who hold the lock, our own former process: it may run on where the server
 * has not noticed that its client is gone. */
static const char end_orphan_sql[] =
    "SELECT pg_catalog.pg_terminate_backend(a.pid)"
    " FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid"
    " WHERE " IN_PG_LOCKS " AND " IN_THIS_DATABASE
    " AND a.usename = session_user AND a.application_name = $2"
    " AND a.pid <> pg_catalog.pg_backend_pid()";

enum holder {
    HOLDER_PID,
    HOLDER_USER,
    HOLDER_CLIENT,
    HOLDER_APPLICATION,
    HOLDER_SINCE,
    HOLDER_AGE_S,
    HOLDER_STATE,
    HOLDER_STATE_AGE_S,
    HOLDER_QUERY
};

int64_t lock_key(const char *name)
{
    uint64_t hash = FNV_OFFSET;

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * FNV_PRIME;
    return (int64_t)hash;
}

mig_status lock_holder(struct mig_conn *conn, int64_t number, struct mig_err *err)
{
    char key[KEY_SIZE];
    const char *values[] = {key};
    AUTO(result) PGresult *r = NULL;
    char query[160];

    snprintf(key, sizeof key, "%" PRId64, number);
    if (wire_ask(conn, holder_sql, 1, values, &r, NULL) || !r || !PQntuples(r))
        return mig_err_set(err, MIG_E_BUSY,
                           "another session held the run lock a moment ago and cannot be named");
    snprintf(query, sizeof query, "%s", PQgetvalue(r, 0, HOLDER_QUERY));
    line_fold(query);
    mig_err_set(err, MIG_E_BUSY,
                "the run lock is held by server process %s (user %s, client %s, application "
                "\"%s\"), connected since %s UTC (%s s), %s for %s s, last statement: %s",
                PQgetvalue(r, 0, HOLDER_PID), PQgetvalue(r, 0, HOLDER_USER),
                PQgetvalue(r, 0, HOLDER_CLIENT), PQgetvalue(r, 0, HOLDER_APPLICATION),
                PQgetvalue(r, 0, HOLDER_SINCE), PQgetvalue(r, 0, HOLDER_AGE_S),
                PQgetvalue(r, 0, HOLDER_STATE), PQgetvalue(r, 0, HOLDER_STATE_AGE_S), query);
    if (err)
        secrets_mask(&conn->secrets, err->message, sizeof err->message);
    return MIG_E_BUSY;
}

/* ---- what the server makes of it ---- */

enum answer {
    ANSWER_OURS,
    ANSWER_BUSY,
    ANSWER_POOLED,
    ANSWER_LEASES,
    ANSWER_NOWHERE,
    ANSWER_REFUSED
};

/* Asks for the lock by `sql`, one of the two above, with the first `params` of what
 * they ask for. `table`: of leases, or "". */
static mig_status try_by(struct mig_conn *conn, const char *sql, int params, int64_t number,
                         const char *table, enum answer *out, struct mig_err *err)
{
    static const char *const words[] = {"ours", "busy", "pooled", "leases", "nowhere"};
    AUTO(result) PGresult *result = NULL;
    char key[KEY_SIZE], pid[KEY_SIZE];
    const char *values[] = {key, pid, table};
    mig_status status;

    snprintf(key, sizeof key, "%" PRId64, number);
    snprintf(pid, sizeof pid, "%d", conn->backend);
    status = wire_ask(conn, sql, params, values, &result, err);
    *out = ANSWER_REFUSED;
    if (status && err && error_refuses_function(err))
        return MIG_OK;
    if (status)
        return status;
    if (PQntuples(result) != 1)
        return mig_err_set(err, MIG_E_INTERNAL, "the lock was asked for without an answer");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(PQgetvalue(result, 0, 0), words[i]))
            *out = (enum answer)i;
    return MIG_OK;
}

/* A server may have kept what pg_locks does not show. */
static void give_back(struct mig_conn *conn, int64_t number)
{
    char sql[sizeof "SELECT pg_catalog.pg_advisory_unlock()" + KEY_SIZE];
    bool was = conn->shielded;

    snprintf(sql, sizeof sql, "SELECT pg_catalog.pg_advisory_unlock(%" PRId64 ")", number);
    conn->shielded = true;
    wire_simple(conn, sql, OWN_LIMIT_MS, NULL, NULL);
    conn->shielded = was;
}

/* Where hosts have held leases, nobody must hold one when the lock is tried, and
 * nobody may have taken one meanwhile. `name` NULL: that has been seen to. */
static mig_status try_session(struct mig_conn *conn, const char *name, int64_t number,
                              enum answer *out, struct mig_err *err)
{
    AUTO(free) char *table = name ? lease_table(conn, name) : strdup("");
    mig_status status;

    if (!table)
        return error_nomem(err);
    MIG_TRY(try_by(conn, try_sql, TRY_PARAMS, number, table, out, err));
    if (*out != ANSWER_LEASES)
        return MIG_OK;
    MIG_TRY(lease_await(conn, name, err));
    MIG_TRY(try_by(conn, try_sql, TRY_PARAMS, number, "", out, err));
    if (*out != ANSWER_OURS)
        return MIG_OK;
    status = lease_await(conn, name, err);
    if (status)
        give_back(conn, number);
    return status;
}

/* MIG_E_BUSY, and the holder. Where that is an orphan of this run it is ended; where the
 * user's own words name the application, no run can be told from another. */
static mig_status busy(struct mig_conn *conn, int64_t number, struct mig_err *err)
{
    char key[KEY_SIZE];
    const char *name = conn->config.application;
    const char *values[] = {key, name};
    AUTO(result) PGresult *result = NULL;
    size_t used;

    lock_holder(conn, number, err);
    snprintf(key, sizeof key, "%" PRId64, number);
    if (!(conn->config.flags & MIG_OPEN_RUN) || !session_has(conn, "application_name", name) ||
        wire_ask(conn, end_orphan_sql, 2, values, &result, NULL) || !PQntuples(result) || !err)
        return MIG_E_BUSY;
    used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used,
             "; it is left over from this very run, and was ended");
    return MIG_E_BUSY;
}

/* Tries the lock of the session. MIG_E_UNSUPPORTED: there is none to be had. */
static mig_status lock_take(struct mig_conn *conn, const char *name, int64_t number,
                            struct mig_err *err)
{
    enum answer answer;

    MIG_TRY(try_session(conn, name, number, &answer, err));
    switch (answer) {
    case ANSWER_OURS:
        conn->lock_key = number;
        conn->locked = true;
        conn->lock_doubted = false;
        return MIG_OK;
    case ANSWER_BUSY: return busy(conn, number, err);
    case ANSWER_LEASES: break;
    case ANSWER_POOLED: conn->pooled = true; break;
    case ANSWER_NOWHERE: give_back(conn, number); /* fall through */
    case ANSWER_REFUSED: conn->no_session_lock = true;
    }
    return mig_err_set(err, MIG_E_UNSUPPORTED, "%s gives no lock of the session", conn->target);
}

mig_status lock_in_tx(struct mig_conn *conn, int64_t number, bool *got, struct mig_err *err)
{
    enum answer answer = ANSWER_NOWHERE;

    if (!conn->no_tx_lock)
        MIG_TRY(try_by(conn, try_in_tx_sql, TRY_IN_TX_PARAMS, number, "", &answer, err));
    if (answer == ANSWER_BUSY)
        return lock_holder(conn, number, err);
    *got = answer == ANSWER_OURS;
    conn->no_tx_lock = !*got;
    return MIG_OK;
}

/* ---- the lock ---- */

static mig_status take_lease(struct mig_conn *conn, const char *name, struct mig_err *err)
{
    AUTO(text) struct text why = {0};

    if (conn->pooled)
        text_format(&why,
                    "%s leads to a connection pooler that lends a session for one transaction "
                    "only, as pgbouncer does: connect to the server directly, or set pool_mode = "
                    "session for this database",
                    conn->target);
    else
        text_format(&why,
                    "the server at %s gives no advisory locks (pg_try_advisory_lock): allow them "
                    "to the user %s, or connect to a server that has them",
                    conn->target, conn->user);
    return why.failed ? error_nomem(err) : lease_take(conn, name, text_string(&why), err);
}

mig_status lock_try(struct mig_conn *conn, const char *name, struct mig_err *err)
{
    int64_t number = lock_key(name);
    struct mig_err own;
    mig_status status;

    err = err ? err : &own;
    if (conn->locked && conn->lock_key == number)
        return MIG_OK;
    if (conn->locked)
        return mig_err_set(err, MIG_E_MISUSE, "the connection holds another lock already");
    if (conn->pooled && !conn->pool_known)
        MIG_TRY(pool_look(conn, err));
    conn->pool_known = true;
    if (conn->pooled || conn->no_session_lock)
        return take_lease(conn, name, err);
    status = lock_take(conn, name, number, err);
    return status == MIG_E_UNSUPPORTED ? take_lease(conn, name, err) : status;
}

mig_status lock_confirm(struct mig_conn *conn, struct mig_err *err)
{
    AUTO(result) PGresult *result = NULL;
    char key[KEY_SIZE];
    const char *values[] = {key};

    if (!conn->locked || !conn->lock_doubted)
        return MIG_OK;
    snprintf(key, sizeof key, "%" PRId64, conn->lock_key);
    MIG_TRY(wire_ask(conn, held_sql, 1, values, &result, err));
    conn->lock_doubted = false;
    if (PQntuples(result))
        return MIG_OK;
    conn->locked = false;
    return lock_take(conn, NULL, conn->lock_key, err);
}

/* As it is: putting the session back first would help nobody, and a lock that
 * is not given back so ends with the connection. */
void lock_release(struct mig_conn *conn)
{
    lease_release(conn);
    if (!conn->locked)
        return;
    conn->locked = false;
    give_back(conn, conn->lock_key);
}
