/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who keeps a statement waiting. While a statement of a migration runs long, a
 * second connection asks the server what it waits for and tells the host, so
 * that a person can act in time. It owns that connection for as
 * long as the statement runs. Invariant: looking never fails and never blocks
 * longer than its budget. It must not end anybody's session.
 */
#include "pg.h"

#include <poll.h>

#define FIRST_LOOK_MS 1000 /* ordinary statements are over by then */
#define NEXT_LOOK_MS 5000
#define BUDGET_MS 100 /* of one call, so that the statement's end is seen soon */
#define FOUND_SIZE 640

enum stage { STAGE_CONNECTING, STAGE_IDLE, STAGE_ASKING, STAGE_BROKEN };

struct watch {
    PGconn *pg;
    enum stage stage;
    PostgresPollingStatusType want;
    char found[FOUND_SIZE];
};

static const char blocker_sql[] =
    "SELECT coalesce(w.relation::pg_catalog.regclass::text, w.locktype, 'something'), b.pid,"
    " coalesce(b.usename, '?'), coalesce(pg_catalog.host(b.client_addr), 'this machine'),"
    " coalesce(b.application_name, ''), coalesce(b.state, 'unknown'),"
    " coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - b.xact_start)::bigint, 0),"
    " CASE WHEN b.query ILIKE '%password%' THEN '(hidden)'"
    " ELSE pg_catalog.\"left\"(b.query, 120) END"
    " FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids($1::int)) p(pid)"
    " JOIN pg_catalog.pg_stat_activity b ON b.pid = p.pid"
    " LEFT JOIN pg_catalog.pg_locks w ON w.pid = $1::int AND NOT w.granted LIMIT 1";

enum blocker {
    BLOCKER_LOCK,
    BLOCKER_PID,
    BLOCKER_USER,
    BLOCKER_CLIENT,
    BLOCKER_APPLICATION,
    BLOCKER_STATE,
    BLOCKER_AGE_S,
    BLOCKER_QUERY
};

static void take_answer(struct mig_conn *conn)
{
    struct watch *watch = conn->watch;
    AUTO(result) PGresult *r = PQgetResult(watch->pg);

    watch->stage = r && PQresultStatus(r) == PGRES_TUPLES_OK ? STAGE_IDLE : STAGE_BROKEN;
    conn->look_ms = clock_ms() + NEXT_LOOK_MS;
    if (watch->stage == STAGE_IDLE)
        PQclear(PQgetResult(watch->pg)); /* the end of the query has come with it */
    watch->found[0] = '\0';
    if (watch->stage == STAGE_BROKEN || !PQntuples(r))
        return;
    snprintf(watch->found, sizeof watch->found,
             "a lock on %s, held by server process %s (user %s, client %s, application \"%s\"), "
             "%s, in its transaction for %s s, last statement: %s",
             PQgetvalue(r, 0, BLOCKER_LOCK), PQgetvalue(r, 0, BLOCKER_PID),
             PQgetvalue(r, 0, BLOCKER_USER), PQgetvalue(r, 0, BLOCKER_CLIENT),
             PQgetvalue(r, 0, BLOCKER_APPLICATION), PQgetvalue(r, 0, BLOCKER_STATE),
             PQgetvalue(r, 0, BLOCKER_AGE_S), PQgetvalue(r, 0, BLOCKER_QUERY));
    line_cut(watch->found, sizeof watch->found);
    line_fold(watch->found);
    secrets_mask(&conn->secrets, watch->found, sizeof watch->found);
    if (conn->config.waiting)
        conn->config.waiting(conn->config.arg, watch->found);
}

static void send_question(struct mig_conn *conn)
{
    struct watch *watch = conn->watch;
    char pid[16];
    const char *values[] = {pid};

    snprintf(pid, sizeof pid, "%d", conn->backend);
    watch->stage = PQsendQueryParams(watch->pg, blocker_sql, 1, NULL, values, NULL, NULL, 0)
                       ? STAGE_ASKING
                       : STAGE_BROKEN;
}

static void go_on_connecting(struct mig_conn *conn)
{
    struct watch *watch = conn->watch;

    watch->want = PQconnectPoll(watch->pg);
    if (watch->want == PGRES_POLLING_FAILED)
        watch->stage = STAGE_BROKEN;
    else if (watch->want == PGRES_POLLING_OK)
        send_question(conn);
}

/* One piece of work, if there is one within `limit_ms`. */
static bool watch_step(struct mig_conn *conn, int64_t limit_ms)
{
    struct watch *watch = conn->watch;
    bool writes = watch->stage == STAGE_CONNECTING && watch->want == PGRES_POLLING_WRITING;
    struct pollfd fd = {PQsocket(watch->pg), writes ? POLLOUT : POLLIN, 0};

    if (watch->stage != STAGE_CONNECTING && watch->stage != STAGE_ASKING)
        return false;
    if (poll(&fd, 1, limit_ms > 0 ? (int)limit_ms : 0) <= 0)
        return false;
    if (watch->stage == STAGE_CONNECTING)
        go_on_connecting(conn);
    else if (!PQconsumeInput(watch->pg))
        watch->stage = STAGE_BROKEN;
    else if (!PQisBusy(watch->pg))
        take_answer(conn);
    return true;
}

static bool watch_open(struct mig_conn *conn)
{
    struct watch *watch = calloc(1, sizeof *watch);

    if (!watch)
        return false;
    conn->watch = watch;
    watch->pg = connection_again(conn);
    watch->want = PGRES_POLLING_WRITING;
    watch->stage =
        watch->pg && PQstatus(watch->pg) != CONNECTION_BAD ? STAGE_CONNECTING : STAGE_BROKEN;
    return true;
}

/* Soon enough to name the culprit before lock_timeout strikes. */
static int64_t first_look(const struct mig_conn *conn)
{
    int64_t limit = conn->options.lock_timeout_ms / 3;

    return conn->started_ms + (limit > 0 && limit < FIRST_LOOK_MS ? limit : FIRST_LOOK_MS);
}

int64_t watch_due(struct mig_conn *conn)
{
    if (!conn->look_ms)
        conn->look_ms = first_look(conn);
    return conn->look_ms;
}

void watch_look(struct mig_conn *conn)
{
    int64_t now = clock_ms(), until = now + BUDGET_MS;

    if (now < watch_due(conn) && !(conn->watch && conn->watch->stage == STAGE_ASKING))
        return;
    if (!conn->watch && !watch_open(conn))
        return;
    if (conn->watch->stage == STAGE_IDLE)
        send_question(conn);
    while (watch_step(conn, until - clock_ms()))
        ;
}

const char *watch_found(struct mig_conn *conn)
{
    return conn->watch ? conn->watch->found : "";
}

void watch_end(struct mig_conn *conn)
{
    if (!conn->watch)
        return;
    PQfinish(conn->watch->pg);
    free(conn->watch);
    conn->watch = NULL;
}
