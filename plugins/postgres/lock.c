/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run lock: an advisory lock of the session. It is tried and never waited
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

/* $2 is the process that we were greeted by. Behind a pooler another one
 * answers, and then the lock must not even be tried: it would stay there. */
static const char try_sql[] =
    "SELECT CASE WHEN got IS NULL THEN 'pooled' WHEN NOT got THEN 'busy'"
    " WHEN EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE " OURS ") THEN 'ours'"
    " ELSE 'nowhere' END"
    " FROM (SELECT CASE WHEN pg_catalog.pg_backend_pid() = $2::int"
    " THEN pg_catalog.pg_try_advisory_lock($1::bigint) END AS got OFFSET 0) t";

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

static int64_t lock_key(const char *name)
{
    uint64_t hash = FNV_OFFSET;

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * FNV_PRIME;
    return (int64_t)hash;
}

static mig_status busy(struct mig_conn *conn, const char *key, struct mig_err *err)
{
    const char *values[] = {key};
    AUTO(result) PGresult *r = NULL;
    char query[160];

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

static mig_status pooled(struct mig_conn *conn, struct mig_err *err)
{
    return mig_err_set(err, MIG_E_UNSUPPORTED,
                       "%s leads to a connection pooler (such as pgbouncer), where a lock of the "
                       "session holds nothing; give the direct address of the server",
                       conn->target);
}

static mig_status lock_take(struct mig_conn *conn, int64_t number, struct mig_err *err)
{
    AUTO(result) PGresult *result = NULL;
    char key[KEY_SIZE], pid[KEY_SIZE];
    const char *values[] = {key, pid}, *answer;

    snprintf(key, sizeof key, "%" PRId64, number);
    snprintf(pid, sizeof pid, "%d", PQbackendPID(conn->pg));
    MIG_TRY(wire_ask(conn, try_sql, 2, values, &result, err));
    if (PQntuples(result) != 1)
        return mig_err_set(err, MIG_E_INTERNAL, "the lock was asked for without an answer");
    answer = PQgetvalue(result, 0, 0);
    if (!strcmp(answer, "pooled"))
        return pooled(conn, err);
    if (!strcmp(answer, "busy"))
        return busy(conn, key, err);
    if (strcmp(answer, "ours") != 0)
        return mig_err_set(err, MIG_E_UNSUPPORTED,
                           "the server at %s grants advisory locks without keeping them",
                           conn->target);
    conn->lock_key = number;
    conn->locked = true;
    conn->lock_doubted = false;
    return MIG_OK;
}

mig_status lock_try(struct mig_conn *conn, const char *name, struct mig_err *err)
{
    int64_t number = lock_key(name);

    if (conn->locked && conn->lock_key == number)
        return MIG_OK;
    if (conn->locked)
        return mig_err_set(err, MIG_E_MISUSE, "the connection holds another lock already");
    return lock_take(conn, number, err);
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
    return lock_take(conn, conn->lock_key, err);
}

/* As it is: putting the session back first would help nobody, and a lock that
 * is not given back so ends with the connection. */
void lock_release(struct mig_conn *conn)
{
    char sql[sizeof "SELECT pg_catalog.pg_advisory_unlock()" + KEY_SIZE];
    bool was = conn->shielded;

    if (!conn->locked)
        return;
    conn->locked = false;
    snprintf(sql, sizeof sql, "SELECT pg_catalog.pg_advisory_unlock(%" PRId64 ")", conn->lock_key);
    conn->shielded = true;
    wire_simple(conn, sql, OWN_LIMIT_MS, NULL, NULL);
    conn->shielded = was;
}
