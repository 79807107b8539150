/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who keeps a statement waiting, and whether it is still run at all. While an
 * answer is long in coming, a second connection asks the server what the first
 * one's process does: a person hears whom it waits for, and an answer that was
 * lost on its way is not waited for without end. It owns that connection for
 * as long as the statement runs. Invariant: looking never fails and never blocks
 * longer than its budget; a statement that the server works on is never called
 * lost, however long it takes. It must not end anybody's session.
 */
#include "pg.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_LOOK_MS 1000 /* ordinary statements are over by then */
#define OWN_LOOK_MS 5000   /* of the driver's own, which nobody wants to hear of */
#define NEXT_LOOK_MS 5000
#define NEVER_MS INT64_MAX
#define BUDGET_MS 100 /* of one call, so that the statement's end is seen soon */
#define FOUND_SIZE 640

enum stage { STAGE_CONNECTING, STAGE_IDLE, STAGE_ASKING, STAGE_BROKEN, STAGE_USELESS };

/* What speaks against an answer that may still come. */
enum doubt { DOUBT_NONE, DOUBT_GONE, DOUBT_IDLE, DOUBT_UNREACHABLE };

/* For how long it has to, look after look. An answer can be on its way for a
 * while; a network may be away for as long as TCP holds the first connection. */
static const struct {
    int64_t limit_ms;
    const char *why;
} doubts[] = {
    [DOUBT_GONE] = {10000, "is gone"},
    [DOUBT_IDLE] = {10000, "is idle"},
    [DOUBT_UNREACHABLE] = {45000, "is silent, and there is no other connection to be had"},
};

struct watch {
    PGconn *pg;
    enum stage stage;
    PostgresPollingStatusType want;
    int64_t asked_ms; /* when it was begun to connect, or to ask */
    enum doubt doubt;
    int64_t doubted_ms; /* since when */
    char found[FOUND_SIZE];
};

/* Another server at the same address, or one for which nobody but a reader has
 * to wait, knows nothing of our process. */
#define DOING                                                                          \
    "CASE WHEN pg_catalog.pg_is_in_recovery() OR"                                      \
    " extract(epoch FROM pg_catalog.pg_postmaster_start_time())::bigint <> $2::bigint" \
    " THEN 'unknown' WHEN me.pid IS NULL THEN 'gone'"                                  \
    " WHEN me.state LIKE 'idle%' OR me.wait_event IN ('ClientRead', 'ClientWrite')"    \
    " THEN 'idle' ELSE 'works' END"

static const char look_sql[] =
    "SELECT " DOING
    ", coalesce(w.relation::pg_catalog.regclass::text, w.locktype, 'something'), b.pid,"
    " coalesce(b.usename, '?'), coalesce(pg_catalog.host(b.client_addr), 'this machine'),"
    " coalesce(b.application_name, ''), coalesce(b.state, 'unknown'),"
    " coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - b.xact_start)::bigint, 0),"
    " CASE WHEN b.query ILIKE '%password%' THEN '(hidden)'"
    " ELSE pg_catalog.\"left\"(b.query, 120) END"
    " FROM (SELECT $1::int) one(pid)"
    " LEFT JOIN pg_catalog.pg_stat_activity me ON me.pid = one.pid"
    " LEFT JOIN pg_catalog.unnest(pg_catalog.pg_blocking_pids($1::int)) p(pid) ON true"
    " LEFT JOIN pg_catalog.pg_stat_activity b ON b.pid = p.pid"
    " LEFT JOIN pg_catalog.pg_locks w ON w.pid = one.pid AND NOT w.granted"
    " ORDER BY b.pid LIMIT 1";

enum look {
    LOOK_DOING,
    BLOCKER_LOCK,
    BLOCKER_PID,
    BLOCKER_USER,
    BLOCKER_CLIENT,
    BLOCKER_APPLICATION,
    BLOCKER_STATE,
    BLOCKER_AGE_S,
    BLOCKER_QUERY
};

static void note_doubt(struct watch *watch, enum doubt doubt)
{
    if (watch->doubt == DOUBT_NONE)
        watch->doubted_ms = clock_ms();
    watch->doubt = doubt;
}

static enum doubt doubt_of(const char *doing)
{
    if (!strcmp(doing, "gone"))
        return DOUBT_GONE;
    return strcmp(doing, "idle") ? DOUBT_NONE : DOUBT_IDLE;
}

static void say_blocker(struct mig_conn *conn, const PGresult *r)
{
    struct watch *watch = conn->watch;

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

/* The connection is no good; the next look makes another. */
static void break_off(struct mig_conn *conn, enum doubt doubt)
{
    conn->watch->stage = STAGE_BROKEN;
    conn->look_ms = clock_ms() + NEXT_LOOK_MS;
    note_doubt(conn->watch, doubt);
}

static void take_answer(struct mig_conn *conn)
{
    struct watch *watch = conn->watch;
    AUTO(result) PGresult *r = PQgetResult(watch->pg);
    bool told = PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r);

    watch->found[0] = '\0';
    if (PQstatus(watch->pg) == CONNECTION_BAD) {
        break_off(conn, DOUBT_UNREACHABLE);
        return;
    }
    watch->stage = told ? STAGE_IDLE : STAGE_USELESS;
    conn->look_ms = told ? clock_ms() + NEXT_LOOK_MS : NEVER_MS;
    note_doubt(watch, told ? doubt_of(PQgetvalue(r, 0, LOOK_DOING)) : DOUBT_NONE);
    if (!told)
        return;
    PQclear(PQgetResult(watch->pg)); /* the end of the query has come with it */
    if (conn->watching && !PQgetisnull(r, 0, BLOCKER_PID))
        say_blocker(conn, r);
}

static void send_question(struct mig_conn *conn)
{
    struct watch *watch = conn->watch;
    char pid[16], started[24];
    const char *values[] = {pid, started};

    snprintf(pid, sizeof pid, "%d", conn->backend);
    snprintf(started, sizeof started, "%lld", (long long)conn->server_started_s);
    watch->asked_ms = clock_ms();
    watch->stage = STAGE_ASKING;
    if (!PQsendQueryParams(watch->pg, look_sql, 2, NULL, values, NULL, NULL, 0))
        break_off(conn, PQstatus(watch->pg) == CONNECTION_BAD ? DOUBT_UNREACHABLE : DOUBT_NONE);
}

/* A server that says why it takes nobody is there. */
static void connecting_failed(struct mig_conn *conn)
{
    const PGconn *pg = conn->watch->pg;
    bool ours = !pg || error_is_memory(PQerrorMessage(pg));

    break_off(conn, ours || connection_answered(pg) ? DOUBT_NONE : DOUBT_UNREACHABLE);
}

static void go_on_connecting(struct mig_conn *conn)
{
    struct watch *watch = conn->watch;

    watch->want = PQconnectPoll(watch->pg);
    if (watch->want == PGRES_POLLING_FAILED)
        connecting_failed(conn);
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
        break_off(conn, DOUBT_UNREACHABLE);
    else if (!PQisBusy(watch->pg))
        take_answer(conn);
    return true;
}

/* Want of descriptors is no silence of the server. */
static bool can_connect(void)
{
    int spare = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (spare >= 0)
        close(spare);
    return spare >= 0;
}

static void start_connecting(struct mig_conn *conn)
{
    struct watch *watch = conn->watch;

    PQfinish(watch->pg);
    watch->pg = NULL;
    if (!can_connect()) {
        break_off(conn, DOUBT_NONE);
        return;
    }
    watch->pg = connection_again(conn);
    watch->want = PGRES_POLLING_WRITING;
    watch->asked_ms = clock_ms();
    watch->stage = STAGE_CONNECTING;
    if (!watch->pg || PQstatus(watch->pg) == CONNECTION_BAD)
        connecting_failed(conn);
}

/* Soon enough to name the culprit before lock_timeout strikes. */
static int64_t first_look(const struct mig_conn *conn)
{
    int64_t limit = conn->options.lock_timeout_ms / 3;

    if (!conn->watching)
        return conn->started_ms + OWN_LOOK_MS;
    return conn->started_ms + (limit > 0 && limit < FIRST_LOOK_MS ? limit : FIRST_LOOK_MS);
}

int64_t watch_due(struct mig_conn *conn)
{
    if (!conn->look_ms)
        conn->look_ms = first_look(conn);
    return conn->look_ms;
}

/* What is due now; false: nothing. */
static bool begin_look(struct mig_conn *conn, int64_t now)
{
    struct watch *watch = conn->watch;

    if (!watch) {
        if (now < watch_due(conn))
            return false;
        conn->watch = watch = calloc(1, sizeof *watch);
        if (!watch)
            return false;
        start_connecting(conn);
        return true;
    }
    if (watch->stage == STAGE_CONNECTING || watch->stage == STAGE_ASKING) {
        if (now - watch->asked_ms >= NEXT_LOOK_MS)
            note_doubt(watch, DOUBT_UNREACHABLE);
        return true;
    }
    if (watch->stage == STAGE_USELESS || now < watch_due(conn))
        return false;
    if (watch->stage == STAGE_IDLE)
        send_question(conn);
    else
        start_connecting(conn);
    return true;
}

void watch_look(struct mig_conn *conn)
{
    int64_t now = clock_ms(), until = now + BUDGET_MS;

    if (begin_look(conn, now))
        while (watch_step(conn, until - clock_ms()))
            ;
}

void watch_heard(struct mig_conn *conn)
{
    if (conn->watch)
        conn->watch->doubt = DOUBT_NONE;
}

const char *watch_lost(struct mig_conn *conn)
{
    const struct watch *watch = conn->watch;
    bool is_lost = watch && watch->doubt != DOUBT_NONE &&
                   clock_ms() - watch->doubted_ms >= doubts[watch->doubt].limit_ms;

    return is_lost ? doubts[watch->doubt].why : NULL;
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
