/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run lock where no lock of the session can be had: behind a pooler that
 * lends sessions for a transaction, or on a server without advisory locks. It
 * is a row that one host holds for some seconds at a time and renews, with a
 * token that grows with each holder. Each transaction of the holder locks the
 * row and finds its token in it, or does not begin: whoever has been overtaken
 * can commit nothing, however long it stood still. Invariant: at no time do two
 * hosts have a transaction open behind the fence. It must not hold what runs
 * outside of transactions: that cannot be done.
 *
 *   <prefix>_lock  name PK ('run'), token, holder, since, until: by the server's clock
 */
#include "pg.h"

#include <inttypes.h>
#include <unistd.h>

#define LEASE "10 s" /* how long a host that died is waited for */
#define TRIES 4      /* without the table, without advisory locks, made by another, and well */
#define ASIDE_LIMIT_MS 2000

/* Settings that nobody has: asking for them is how the fence fails, with a
 * message that nothing else has. */
#define LEASE_LOST "mighost.lease_lost"
#define LOCK_BUSY "mighost.lock_busy"

#define UNDEFINED_TABLE "42P01"

struct lease {
    char *table; /* quoted */
    char *name;
    char *why;
    int64_t key; /* of the advisory lock that goes with it */
    int64_t token;
    bool with_lock;
    struct beat *beat;
};

static void lease_free(struct lease *lease)
{
    if (!lease)
        return;
    free(lease->table);
    free(lease->name);
    free(lease->why);
    free(lease);
}

static void auto_lease(struct lease **lease)
{
    lease_free(*lease);
}

/* ---- statements: @ is the table, # the token ---- */

/* A waiter must not queue for the row: it would hold a snapshot meanwhile. */
static const char take_sql[] =
    "WITH free AS (SELECT name FROM @ WHERE name = 'run'"
    " AND until < pg_catalog.clock_timestamp() FOR UPDATE SKIP LOCKED)"
    " UPDATE @ l SET token = l.token + 1, holder = $1, since = pg_catalog.clock_timestamp(),"
    " until = pg_catalog.clock_timestamp() + interval '" LEASE "' FROM free"
    " WHERE l.name = free.name RETURNING l.token";

static const char make_sql[] =
    "CREATE TABLE IF NOT EXISTS @ (name VARCHAR(20) NOT NULL PRIMARY KEY,"
    " token BIGINT NOT NULL, holder TEXT NOT NULL, since TIMESTAMPTZ NOT NULL,"
    " until TIMESTAMPTZ NOT NULL);"
    "INSERT INTO @ VALUES ('run', 0, '', 'epoch', 'epoch') ON CONFLICT DO NOTHING";

static const char holder_sql[] =
    "SELECT holder, pg_catalog.to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),"
    " extract(epoch FROM pg_catalog.clock_timestamp() - since)::bigint,"
    " CASE WHEN until > pg_catalog.clock_timestamp() THEN 'for another '"
    " || pg_catalog.ceil(extract(epoch FROM until - pg_catalog.clock_timestamp()))::bigint"
    " || ' s unless it is renewed' ELSE 'as long as its transaction is open' END"
    " FROM @ WHERE name = 'run'";

static const char live_sql[] =
    "SELECT 1 FROM @ WHERE name = 'run' AND until > pg_catalog.clock_timestamp()";

static const char fence_sql[] =
    ";WITH mine AS (UPDATE @ SET until = pg_catalog.clock_timestamp() + interval '" LEASE "'"
    " WHERE name = 'run' AND token = # RETURNING 1)"
    " SELECT CASE pg_catalog.count(*) WHEN 1 THEN ''"
    " ELSE pg_catalog.current_setting('" LEASE_LOST "') END FROM mine";

/* In the way of nobody: where the row is locked, it is by our own transaction,
 * which renews it, or by our successor's. */
static const char beat_sql[] =
    "UPDATE @ SET until = pg_catalog.clock_timestamp() + interval '" LEASE "'"
    " WHERE name = (SELECT name FROM @ WHERE name = 'run' AND token = # FOR UPDATE SKIP LOCKED)";

static const char release_sql[] = "UPDATE @ SET until = 'epoch' WHERE name = 'run' AND token = #";

static void put_sql(const struct lease *lease, const char *template, struct text *sql)
{
    for (size_t len; *template; template += len) {
        len = strcspn(template, "@#");
        text_add(sql, template, len);
        if (template[len] == '@')
            text_put(sql, lease->table);
        if (template[len] == '#')
            text_format(sql, "%" PRId64, lease->token);
        len += template[len] != '\0';
    }
}

/* ---- taking it ---- */

/* The schema is the last dot's left side: a prefix has no dot. */
char *lease_table(const struct mig_conn *conn, const char *name)
{
    const char *dot = strrchr(name, '.');
    AUTO(free) char *schema = dot ? strndup(name, (size_t)(dot - name)) : strdup(conn->schema);
    char quoted[2 * NAME_SIZE + 3], table[3 * NAME_SIZE];
    char *out;

    if (!schema)
        return NULL;
    mig_quote_identifier(schema, quoted, sizeof quoted);
    snprintf(table, sizeof table, "%.*s_lock", NAME_SIZE, dot ? dot + 1 : name);
    out = malloc(strlen(quoted) + 2 * strlen(table) + 4);
    if (!out)
        return NULL;
    memcpy(out, quoted, strlen(quoted));
    out[strlen(quoted)] = '.';
    mig_quote_identifier(table, out + strlen(quoted) + 1, 2 * strlen(table) + 3);
    return out;
}

static mig_status lease_new(const struct mig_conn *conn, const char *name, const char *why,
                            struct lease **out, struct mig_err *err)
{
    AUTO(lease) struct lease *lease = calloc(1, sizeof *lease);

    if (!lease || !(lease->table = lease_table(conn, name)) || !(lease->name = strdup(name)) ||
        !(lease->why = strdup(why)))
        return error_nomem(err);
    lease->key = lock_key(name);
    *out = TAKE(lease);
    return MIG_OK;
}

static void me(const struct mig_conn *conn, char *out, size_t size)
{
    char host[64] = "";

    if (gethostname(host, sizeof host - 1))
        snprintf(host, sizeof host, "an unknown host");
    snprintf(out, size, "process %ld on %s (user %s)", (long)getpid(), host, conn->user);
}

static mig_status lease_ask(struct mig_conn *conn, const struct lease *lease, const char *template,
                            int params, const char *const *values, PGresult **out,
                            struct mig_err *err)
{
    AUTO(text) struct text sql = {0};

    put_sql(lease, template, &sql);
    return sql.failed ? error_nomem(err)
                      : wire_ask(conn, text_string(&sql), params, values, out, err);
}

/* Several hosts may make it at once: all but one are refused, by the unique index
 * of one catalog or another, and look again. */
static bool made_by_another(mig_status status, const struct mig_err *err)
{
    return status == MIG_E_CONSTRAINT || !strcmp(err->sqlstate, "42P07") ||
           !strcmp(err->sqlstate, "42710");
}

static mig_status make(struct mig_conn *conn, const struct lease *lease, struct mig_err *err)
{
    AUTO(text) struct text sql = {0};
    char reason[512];
    mig_status status;

    put_sql(lease, make_sql, &sql);
    if (sql.failed)
        return error_nomem(err);
    status = tx_begin(conn, NULL, err);
    if (!status)
        status = wire_simple(conn, text_string(&sql), OWN_LIMIT_MS, NULL, err);
    if (!status)
        return tx_commit(conn, err);
    tx_rollback(conn);
    if (made_by_another(status, err))
        return MIG_OK;
    snprintf(reason, sizeof reason, "%.500s", err->message);
    return mig_err_set(err, status, "the table %s, for the run lock, cannot be made: %s",
                       lease->table, reason);
}

static mig_status held(struct mig_conn *conn, const struct lease *lease, struct mig_err *err)
{
    AUTO(result) PGresult *r = NULL;
    char holder[200];

    if (lease_ask(conn, lease, holder_sql, 0, NULL, &r, NULL) || !r || !PQntuples(r))
        return mig_err_set(err, MIG_E_BUSY,
                           "another host held the run lock a moment ago and cannot be named");
    snprintf(holder, sizeof holder, "%s", PQgetvalue(r, 0, 0));
    line_fold(holder);
    return mig_err_set(err, MIG_E_BUSY, "the run lock is held by %s since %s UTC (%s s), %s",
                       *holder ? holder : "a host that is just leaving", PQgetvalue(r, 0, 1),
                       PQgetvalue(r, 0, 2), PQgetvalue(r, 0, 3));
}

/* The row first, so that only who gets it asks for the advisory lock: a waiter
 * must not hold that, however shortly, when the holder begins. */
static mig_status take_row(struct mig_conn *conn, struct lease *lease, struct mig_err *err)
{
    AUTO(result) PGresult *result = NULL;
    char holder[200];
    const char *values[] = {holder};

    me(conn, holder, sizeof holder);
    MIG_TRY(lease_ask(conn, lease, take_sql, 1, values, &result, err));
    if (!PQntuples(result))
        return held(conn, lease, err);
    lease->token = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    return lock_in_tx(conn, lease->key, &lease->with_lock, err);
}

/* `*again`: nothing came of it, and something is known that was not before. */
static mig_status take_once(struct mig_conn *conn, struct lease *lease, bool *again,
                            struct mig_err *err)
{
    mig_status status;

    *again = false;
    MIG_TRY(tx_begin(conn, NULL, err));
    status = take_row(conn, lease, err);
    if (!status && !tx_failed(conn))
        return tx_commit(conn, err);
    *again = !status || !strcmp(err->sqlstate, UNDEFINED_TABLE);
    tx_rollback(conn);
    if (status && *again)
        return make(conn, lease, err);
    return status;
}

mig_status lease_take(struct mig_conn *conn, const char *name, const char *why, struct mig_err *err)
{
    AUTO(lease) struct lease *lease = NULL;
    AUTO(text) struct text beat = {0};
    bool again = true;

    if (conn->lease && !strcmp(conn->lease->name, name))
        return MIG_OK;
    if (conn->lease)
        return mig_err_set(err, MIG_E_MISUSE, "the connection holds another lock already");
    MIG_TRY(lease_new(conn, name, why, &lease, err));
    for (int i = 0; i < TRIES && again; i++)
        MIG_TRY(take_once(conn, lease, &again, err));
    if (again)
        return mig_err_set(err, MIG_E_INTERNAL, "the table %s goes as soon as it comes",
                           lease->table);
    put_sql(lease, beat_sql, &beat);
    conn->lease = TAKE(lease);
    conn->lease->beat = beat.failed ? NULL : beat_start(conn, text_string(&beat));
    if (conn->lease->beat)
        return MIG_OK;
    lease_release(conn);
    return error_nomem(err);
}

mig_status lease_await(struct mig_conn *conn, const char *name, struct mig_err *err)
{
    AUTO(lease) struct lease *lease = NULL;
    AUTO(result) PGresult *result = NULL;

    MIG_TRY(lease_new(conn, name, "", &lease, err));
    MIG_TRY(lease_ask(conn, lease, live_sql, 0, NULL, &result, err));
    return PQntuples(result) ? held(conn, lease, err) : MIG_OK;
}

/* ---- holding it ---- */

/* The advisory lock, where there is one, keeps those out who lock by it for
 * their session because they connect directly. */
void lease_fence_sql(const struct mig_conn *conn, struct text *sql)
{
    const struct lease *lease = conn->lease;

    if (!lease)
        return;
    if (lease->with_lock)
        text_format(sql,
                    ";SELECT CASE WHEN pg_catalog.pg_try_advisory_xact_lock(%" PRId64
                    ") THEN '' ELSE pg_catalog.current_setting('" LOCK_BUSY "') END",
                    lease->key);
    put_sql(lease, fence_sql, sql);
}

mig_status lease_fenced(struct mig_conn *conn, mig_status status, struct mig_err *err)
{
    char now[sizeof err->message];

    if (!conn->lease || !err || conn->lost)
        return status;
    if (strstr(err->message, LOCK_BUSY))
        return lock_holder(conn, conn->lease->key, err);
    if (!strstr(err->message, LEASE_LOST))
        return status;
    held(conn, conn->lease, err);
    snprintf(now, sizeof now, "%.900s", err->message);
    return mig_err_set(err, MIG_E_BUSY,
                       "this host stood still for longer than its hold on the run lock lasts "
                       "(" LEASE "), and was overtaken: %s",
                       now);
}

/* The connection is gone: by another one. What it left behind at the server has
 * the row until it ends, and is then waited for like any other transaction. */
static void release_aside(struct mig_conn *conn, const char *sql)
{
    int64_t deadline_ms = clock_ms() + ASIDE_LIMIT_MS;
    PGconn *pg = aside_open(conn, deadline_ms, -1);

    if (!pg)
        return;
    PQclear(aside_ask(pg, sql, deadline_ms, -1));
    PQfinish(pg);
}

void lease_release(struct mig_conn *conn)
{
    AUTO(lease) struct lease *lease = TAKE(conn->lease);
    AUTO(result) PGresult *result = NULL;
    AUTO(text) struct text sql = {0};
    bool was = conn->shielded;

    if (!lease)
        return;
    beat_stop(lease->beat);
    put_sql(lease, release_sql, &sql);
    if (sql.failed)
        return;
    if (conn->lost) {
        release_aside(conn, text_string(&sql));
        return;
    }
    conn->shielded = true;
    wire_call(conn, &(struct call){.sql = text_string(&sql), .limit_ms = LAST_LIMIT_MS}, &result,
              NULL);
    conn->shielded = was;
}

const char *lease_why(const struct mig_conn *conn)
{
    return conn->lease ? conn->lease->why : "";
}
