/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges with the server, every one with a deadline: libpq is never let
 * wait by itself. It owns the state of the exchange in a connection and the
 * thread that carries a request to cancel. Invariant: when a function returns
 * the answer was read to its end, or the connection is lost. It must not know
 * what the statements mean.
 */
#include "pg.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#define SLICE_MS 200         /* `cancelled` is asked at least so often */
#define LOOK_SLICE_MS 20     /* while there is something to look at */
#define CANCEL_LIMIT_MS 2000 /* to answer after a request to cancel */
#define MS_PER_SECOND 1000
#define NS_PER_MS 1000000

int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * MS_PER_SECOND + now.tv_nsec / NS_PER_MS;
}

/* ---- cancelling: PQcancel() waits without limit, so a thread calls it ---- */

struct canceller {
    pthread_t thread;
};

static void *cancel_run(void *arg)
{
    char reason[256];

    PQcancel(arg, reason, sizeof reason);
    PQfreeCancel(arg);
    return NULL;
}

static void cancel_send(struct mig_conn *conn)
{
    struct canceller *canceller = conn->canceller ? NULL : malloc(sizeof *canceller);
    PGcancel *request = canceller ? PQgetCancel(conn->pg) : NULL;
    sigset_t all, before;
    int failed = 1;

    if (request) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        failed = pthread_create(&canceller->thread, NULL, cancel_run, request);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (failed) {
        PQfreeCancel(request);
        free(canceller);
        return;
    }
    conn->canceller = canceller;
}

/* The request must have arrived before the next statement is sent, or it
 * would hit that one. */
static void cancel_join(struct mig_conn *conn)
{
    struct timespec limit;

    if (!conn->canceller)
        return;
    clock_gettime(CLOCK_MONOTONIC, &limit);
    limit.tv_sec += CANCEL_LIMIT_MS / MS_PER_SECOND;
    if (pthread_clockjoin_np(conn->canceller->thread, NULL, CLOCK_MONOTONIC, &limit)) {
        pthread_detach(conn->canceller->thread);
        conn->lost = true;
    }
    free(conn->canceller);
    conn->canceller = NULL;
}

void wire_end(struct mig_conn *conn)
{
    if (conn->canceller)
        pthread_detach(conn->canceller->thread);
    free(conn->canceller);
    conn->canceller = NULL;
}

/* ---- waiting ---- */

mig_status wire_start(struct mig_conn *conn, int64_t limit_ms, struct mig_err *err)
{
    if (conn->lost || PQstatus(conn->pg) == CONNECTION_BAD)
        return error_lost(conn, err);
    conn->started_ms = conn->asked_ms = clock_ms();
    conn->deadline_ms = limit_ms ? conn->started_ms + limit_ms : 0;
    watch_end(conn);
    conn->look_ms = 0;
    conn->ended = MIG_OK;
    return MIG_OK;
}

static mig_status give_up(struct mig_conn *conn, struct mig_err *err)
{
    conn->lost = true;
    if (conn->ended)
        return mig_err_set(err, conn->ended,
                           "stopped, but the server at %s did not confirm it within %d s",
                           conn->target, CANCEL_LIMIT_MS / MS_PER_SECOND);
    return mig_err_set(err, MIG_E_CONNECTION, "the server at %s did not answer within %lld s",
                       conn->target,
                       (long long)(conn->deadline_ms - conn->started_ms) / MS_PER_SECOND);
}

static void ask(struct mig_conn *conn, int64_t now)
{
    conn->asked_ms = now;
    if (conn->ended || conn->shielded || !conn->config.cancelled)
        return;
    conn->ended = conn->config.cancelled(conn->config.arg);
    if (conn->ended >= 0) {
        conn->ended = MIG_OK;
        return;
    }
    conn->deadline_ms = now + CANCEL_LIMIT_MS;
    cancel_send(conn);
}

/* The other side is there and silent, as a proxy is behind which the server has
 * gone: that would be waited for without end. */
static mig_status give_up_silent(struct mig_conn *conn, const char *why, struct mig_err *err)
{
    conn->lost = true;
    return mig_err_set(err, MIG_E_CONNECTION,
                       "the answer of the server at %s was lost: its process %d %s", conn->target,
                       conn->backend, why);
}

/* Behind a pooler the process that runs the statement is known in transactions. */
static bool can_watch(const struct mig_conn *conn)
{
    return conn->backend && !conn->ended && (!conn->pooled || conn->mark[0]);
}

static int slice(struct mig_conn *conn)
{
    int64_t now = clock_ms(), left = SLICE_MS;

    if (conn->deadline_ms && conn->deadline_ms - now < left)
        left = conn->deadline_ms - now;
    if (can_watch(conn) && watch_due(conn) - now < left)
        left = watch_due(conn) - now > LOOK_SLICE_MS ? watch_due(conn) - now : LOOK_SLICE_MS;
    return left > 0 ? (int)left : 0;
}

/* A server that has just said whom our statement waits for is not dead. */
static bool is_alive(struct mig_conn *conn)
{
    return conn->watching && !conn->ended && *watch_found(conn);
}

static mig_status wait_once(struct mig_conn *conn, short events, struct mig_err *err)
{
    struct pollfd fd = {PQsocket(conn->pg), events, 0};
    int ready = poll(&fd, 1, slice(conn));
    const char *why;
    int64_t now;

    if (ready < 0 && errno != EINTR)
        return error_lost(conn, err);
    now = clock_ms();
    if (conn->deadline_ms && ready <= 0 && now >= conn->deadline_ms) {
        if (!is_alive(conn))
            return give_up(conn, err);
        conn->deadline_ms = now + OWN_LIMIT_MS;
    }
    if (ready < 0 || now - conn->asked_ms >= SLICE_MS)
        ask(conn, now);
    if (ready > 0)
        watch_heard(conn);
    if (ready != 0 || !can_watch(conn))
        return MIG_OK;
    watch_look(conn);
    why = watch_lost(conn);
    return why ? give_up_silent(conn, why, err) : MIG_OK;
}

/* Without memory for the end of a pipeline libpq notes that, and waits for more. */
static bool has_choked(const struct mig_conn *conn)
{
    return PQpipelineStatus(conn->pg) != PQ_PIPELINE_OFF &&
           error_begins_with_memory(PQerrorMessage(conn->pg));
}

mig_status wire_next(struct mig_conn *conn, PGresult **out, struct mig_err *err)
{
    for (;;) {
        int flushing = PQflush(conn->pg);

        if (flushing <= 0 && !PQisBusy(conn->pg))
            break;
        if (has_choked(conn))
            return error_lost(conn, err);
        if (PQsocket(conn->pg) < 0)
            break; /* closed: what libpq has is all there is */
        MIG_TRY(wait_once(conn, (short)(POLLIN | (flushing > 0 ? POLLOUT : 0)), err));
        if (!PQconsumeInput(conn->pg))
            break;
    }
    *out = PQgetResult(conn->pg);
    if (!*out)
        cancel_join(conn);
    return MIG_OK;
}

/* Takes the rows of a COPY TO STDOUT and throws them away. */
static void drain_copy(struct mig_conn *conn)
{
    for (;;) {
        char *row = NULL;
        int got = PQgetCopyData(conn->pg, &row, 1);

        PQfreemem(row);
        if (got < 0)
            return;
        if (got > 0)
            continue;
        if (wait_once(conn, POLLIN, NULL) || !PQconsumeInput(conn->pg))
            return;
    }
}

bool wire_end_copy(struct mig_conn *conn, const PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_COPY_IN:
        while (PQputCopyEnd(conn->pg, "mighost sends no data") == 0)
            if (wait_once(conn, POLLOUT, NULL))
                break;
        return true;
    case PGRES_COPY_OUT: drain_copy(conn); return true;
    default: return false;
    }
}

static bool failed(const PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
    case PGRES_PIPELINE_SYNC: return false;
    default: return true;
    }
}

/* libpq had no memory for an answer. In a pipeline it loses its place by that: it may
 * hand out the sync in place of the answer, and then wait for what it has thrown away. */
static bool has_lost_its_place(const struct mig_conn *conn, const PGresult *result)
{
    if (PQresultStatus(result) == PGRES_PIPELINE_SYNC)
        return true;
    return PQpipelineStatus(conn->pg) != PQ_PIPELINE_OFF && failed(result) &&
           !PQresultErrorField(result, PG_DIAG_SQLSTATE) &&
           error_is_memory(PQresultErrorMessage(result));
}

/* Reads one query to its end. The first failure goes into `err`, the last
 * good result into `*last`. */
static mig_status collect(struct mig_conn *conn, PGresult **last, struct mig_err *err)
{
    mig_status status = MIG_OK;

    for (;;) {
        AUTO(result) PGresult *result = NULL;

        MIG_TRY(wire_next(conn, &result, err));
        if (!result)
            return status;
        /* libpq forgets to end the single-row mode of an earlier exec when a
         * pipeline begins: its first statement, never the one asked for, may
         * answer so. */
        if (PQresultStatus(result) == PGRES_PIPELINE_ABORTED ||
            PQresultStatus(result) == PGRES_SINGLE_TUPLE)
            continue;
        if (has_lost_its_place(conn, result))
            return error_lost(conn, err);
        if (wire_end_copy(conn, result)) {
            status = mig_err_set(err, MIG_E_UNSUPPORTED,
                                 "COPY from STDIN or to STDOUT has nobody to speak with here");
        } else if (failed(result)) {
            status = status ? status : error_result(conn, result, err);
        } else {
            PQclear(*last);
            *last = TAKE(result);
        }
    }
}

mig_status wire_simple(struct mig_conn *conn, const char *sql, int64_t limit_ms, PGresult **last,
                       struct mig_err *err)
{
    AUTO(result) PGresult *result = NULL;

    MIG_TRY(wire_start(conn, limit_ms, err));
    if (!PQsendQuery(conn->pg, sql))
        return error_lost(conn, err);
    MIG_TRY(collect(conn, &result, err));
    if (last)
        *last = TAKE(result);
    return MIG_OK;
}

/* ---- the extended protocol ---- */

static int send_call(struct mig_conn *conn, const struct call *call)
{
    if (call->sql)
        return PQsendQueryParams(conn->pg, call->sql, call->params, call->types, call->values,
                                 call->lengths, call->formats, 0);
    return PQsendQueryPrepared(conn->pg, call->name, call->params, call->values, call->lengths,
                               call->formats, 0);
}

/* Reads the answers of `queries` statements and of the sync behind them. */
static mig_status collect_pipeline(struct mig_conn *conn, int queries, PGresult **last,
                                   struct mig_err *err)
{
    AUTO(result) PGresult *sync = NULL;
    mig_status status = MIG_OK;

    for (int i = 0; i < queries; i++) {
        struct mig_err *into = status ? NULL : err;
        mig_status one = collect(conn, last, into);

        if (conn->lost)
            return status ? status : one;
        status = status ? status : one;
    }
    MIG_TRY(wire_next(conn, &sync, err));
    if (!PQexitPipelineMode(conn->pg))
        return error_lost(conn, err);
    return status;
}

mig_status wire_call(struct mig_conn *conn, const struct call *call, PGresult **out,
                     struct mig_err *err)
{
    AUTO(text) struct text own = {0};
    AUTO(result) PGresult *last = NULL;
    const char *first = session_own_sql(conn, &own);
    int queries = 1, sent = 1;

    if (!first)
        MIG_TRY(session_own(conn, err));
    MIG_TRY(wire_start(conn, call->limit_ms, err));
    if (!first && !call->prepare) {
        if (!send_call(conn, call))
            return error_lost(conn, err);
        MIG_TRY(collect(conn, &last, err));
        *out = TAKE(last);
        return MIG_OK;
    }
    sent &= PQenterPipelineMode(conn->pg);
    if (first) {
        sent &= PQsendQueryParams(conn->pg, first, 0, NULL, NULL, NULL, NULL, 0);
        queries++;
    }
    if (call->prepare) {
        sent &= PQsendPrepare(conn->pg, call->name, call->prepare, call->params, call->types);
        queries++;
    }
    sent &= send_call(conn, call);
    sent &= PQpipelineSync(conn->pg);
    if (!sent)
        return error_lost(conn, err);
    MIG_TRY(collect_pipeline(conn, queries, &last, err));
    if (first)
        conn->stained = false;
    *out = TAKE(last);
    return MIG_OK;
}

mig_status wire_ask(struct mig_conn *conn, const char *sql, int params, const char *const *values,
                    PGresult **out, struct mig_err *err)
{
    struct call call = {.sql = sql, .params = params, .values = values, .limit_ms = OWN_LIMIT_MS};

    return wire_call(conn, &call, out, err);
}

mig_status wire_describe(struct mig_conn *conn, const char *sql, PGresult **out,
                         struct mig_err *err)
{
    AUTO(text) struct text own = {0};
    AUTO(result) PGresult *last = NULL;
    const char *first = session_own_sql(conn, &own);
    int sent = 1;

    if (!first)
        MIG_TRY(session_own(conn, err));
    MIG_TRY(wire_start(conn, 0, err)); /* parsing may wait for a table's lock */
    sent &= PQenterPipelineMode(conn->pg);
    if (first)
        sent &= PQsendQueryParams(conn->pg, first, 0, NULL, NULL, NULL, NULL, 0);
    sent &= PQsendPrepare(conn->pg, "", sql, 0, NULL);
    sent &= PQsendDescribePrepared(conn->pg, "");
    sent &= PQpipelineSync(conn->pg);
    if (!sent)
        return error_lost(conn, err);
    MIG_TRY(collect_pipeline(conn, first ? 3 : 2, &last, err));
    if (first)
        conn->stained = false;
    *out = TAKE(last);
    return MIG_OK;
}
