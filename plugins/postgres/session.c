/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose session it is. A migration may change anything in its session; the
 * host's own statements must never see it. This file knows our settings, puts
 * the session back, and refuses what a migration may not say. Invariant: a
 * session that a migration had is `dirty` until a reset was committed. It must
 * not begin or end the host's transaction.
 */
#include "pg.h"
#include "words.h"

/* In force in every session of ours; what a server lacks is left out. */
#define SETTINGS(more)                                                 \
    ")) FROM (VALUES"                                                  \
    " ('standard_conforming_strings', 'on'), ('bytea_output', 'hex')," \
    " ('DateStyle', 'ISO'), ('extra_float_digits', '1'),"              \
    " ('client_encoding', 'UTF8'),"                                    \
    " ('statement_timeout', '0'), ('lock_timeout', '0'),"              \
    " ('idle_in_transaction_session_timeout', '0'),"                   \
    " ('idle_session_timeout', '0'), ('transaction_timeout', '0'),"    \
    " ('default_transaction_isolation', 'read committed')" more        \
    ") s(n, v) WHERE pg_catalog.current_setting(n, true) IS NOT NULL"

/* The second lets the server notice soon that we died in the middle of a
 * statement; a server on a system that cannot tell refuses it. */
static const char *const settings[] = {
    SETTINGS(""),
    SETTINGS(", ('client_connection_check_interval', '500ms')"),
};

/* `local`, an expression: whether they end with the transaction. */
static void put_settings(const struct mig_conn *conn, const char *local, struct text *sql)
{
    text_put(sql, "SELECT pg_catalog.count(pg_catalog.set_config(n, v, ");
    text_put(sql, local);
    text_put(sql, settings[conn->checks_client]);
}

#define INVALID_VALUE "22023" /* the SQLSTATE of that refusal */
#define OLDEST_SERVER 120000
#define OLDEST_SERVER_TEXT "12"

#define ABOUT(started)                                                                      \
    "SELECT session_user, coalesce(pg_catalog.current_schema(), 'public'),"                 \
    " pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')," \
    " pg_catalog.pg_backend_pid(), " started

static const char *const about_sql[] = {
    ABOUT("0"),
    ABOUT("extract(epoch FROM pg_catalog.pg_postmaster_start_time())::bigint"),
};

enum about {
    ABOUT_USER,
    ABOUT_SCHEMA,
    ABOUT_STANDBY,
    ABOUT_READ_ONLY,
    ABOUT_BACKEND,
    ABOUT_STARTED
};

static mig_status refuse_server(struct mig_conn *conn, PGresult *about, struct mig_err *err)
{
    if (conn->readonly)
        return MIG_OK;
    if (*PQgetvalue(about, 0, ABOUT_STANDBY) == 't')
        return mig_err_set(err, MIG_E_READONLY,
                           "the server at %s is a standby, which cannot be written; "
                           "give the address of its primary",
                           conn->target);
    if (!strcmp(PQgetvalue(about, 0, ABOUT_READ_ONLY), "on"))
        return mig_err_set(err, MIG_E_READONLY,
                           "the sessions of %s are read-only (default_transaction_read_only is "
                           "on); turn that off for this user or database",
                           conn->target);
    return MIG_OK;
}

static mig_status note_about(struct mig_conn *conn, PGresult *about, struct mig_err *err)
{
    if (!about || PQntuples(about) != 1)
        return mig_err_set(err, MIG_E_UNREACHABLE, "the server at %s does not answer as PostgreSQL",
                           conn->target);
    conn->user = strdup(PQgetvalue(about, 0, ABOUT_USER));
    conn->schema = strdup(PQgetvalue(about, 0, ABOUT_SCHEMA));
    if (!conn->user || !conn->schema)
        return error_nomem(err);
    conn->backend = atoi(PQgetvalue(about, 0, ABOUT_BACKEND));
    conn->pooled = conn->backend != PQbackendPID(conn->pg);
    conn->server_started_s = strtoll(PQgetvalue(about, 0, ABOUT_STARTED), NULL, 10);
    return refuse_server(conn, about, err);
}

/* Settings and the question who answers are one exchange. Behind a pooler the
 * session is not ours: the next client of that server process would inherit
 * the settings, so there they end with the transaction that this is. */
static mig_status introduce(struct mig_conn *conn, int64_t limit_ms, PGresult **about,
                            struct mig_err *err)
{
    AUTO(text) struct text sql = {0};
    char local[64];

    snprintf(local, sizeof local, "pg_catalog.pg_backend_pid() <> %d", PQbackendPID(conn->pg));
    put_settings(conn, local, &sql);
    text_put(&sql, ";");
    text_put(&sql, about_sql[conn->tells_start]);
    if (sql.failed)
        return error_nomem(err);
    return wire_simple(conn, text_string(&sql), limit_ms, about, err);
}

/* What the server refused can be done without, so it is not asked for again. */
static bool do_without(struct mig_conn *conn, const struct mig_err *refusal)
{
    bool *refused = !strcmp(refusal->sqlstate, INVALID_VALUE) ? &conn->checks_client
                    : error_refuses_function(refusal)         ? &conn->tells_start
                                                              : NULL;
    bool was = refused && *refused;

    if (was)
        *refused = false;
    return was;
}

mig_status session_begin(struct mig_conn *conn, int64_t limit_ms, struct mig_err *err)
{
    AUTO(result) PGresult *about = NULL;
    int number = PQserverVersion(conn->pg);
    const char *version = PQparameterStatus(conn->pg, "server_version");
    struct mig_err refusal;
    mig_status status;

    snprintf(conn->version, sizeof conn->version, "%.*s", (int)strcspn(version ? version : "", " "),
             version ? version : "");
    if (number < OLDEST_SERVER)
        return mig_err_set(err, MIG_E_UNREACHABLE,
                           "the server at %s is PostgreSQL %s; mighost needs " OLDEST_SERVER_TEXT
                           " or newer",
                           conn->target, conn->version);
    conn->checks_client = conn->tells_start = true;
    do {
        refusal = (struct mig_err){0};
        status = introduce(conn, limit_ms, &about, &refusal);
    } while (status && do_without(conn, &refusal));
    if (status && err)
        *err = refusal;
    return status ? status : note_about(conn, about, err);
}

mig_status session_keep(struct mig_conn *conn, int backend, struct mig_err *err)
{
    AUTO(text) struct text sql = {0};

    put_settings(conn, "false", &sql);
    if (sql.failed)
        return error_nomem(err);
    MIG_TRY(wire_simple(conn, text_string(&sql), OWN_LIMIT_MS, NULL, err));
    conn->pooled = false;
    conn->backend = backend;
    return MIG_OK;
}

void session_local_sql(const struct mig_conn *conn, struct text *sql)
{
    if (!conn->pooled)
        return;
    text_put(sql, ";");
    put_settings(conn, "true", sql);
}

/* ---- putting the session back ---- */

#define UNLOCK "SELECT pg_catalog.pg_advisory_unlock_all()"

/* DISCARD ALL would drop the run lock as well, so its parts are spelt out. */
static void put_reset(struct mig_conn *conn, struct text *sql)
{
    text_put(sql, "RESET SESSION AUTHORIZATION;RESET ROLE;RESET ALL;");
    text_put(sql, conn->names_touched ? "DEALLOCATE ALL;" : text_string(&conn->garbage));
    if (!conn->streams)
        text_put(sql, "CLOSE ALL;");
    text_put(sql, "UNLISTEN *;DISCARD TEMP;DISCARD SEQUENCES;");
}

void session_reset_sql(struct mig_conn *conn, struct text *sql)
{
    if (!conn->dirty || conn->pooled) {
        text_put(sql, text_string(&conn->garbage));
        return;
    }
    text_put(sql, conn->readonly ? "BEGIN;" : "BEGIN READ WRITE;");
    put_reset(conn, sql);
    put_settings(conn, "false", sql);
    text_put(sql, ";COMMIT;");
}

/* What COMMIT would run as the migration left things runs before the reset. */
void session_leave_sql(struct mig_conn *conn, struct text *sql)
{
    if (!conn->dirty || !conn->pooled)
        return;
    text_put(sql, "SET CONSTRAINTS ALL IMMEDIATE;");
    put_reset(conn, sql);
    text_put(sql, "SET client_encoding = 'UTF8';");
    if (conn->locks_touched)
        text_put(sql, UNLOCK ";");
}

/* What outlives ROLLBACK, of all that a migration may leave behind. */
const char *session_rollback_sql(const struct mig_conn *conn)
{
    static const char *const texts[][2] = {{"ROLLBACK", "ROLLBACK;DEALLOCATE ALL"},
                                           {"ROLLBACK;" UNLOCK, "ROLLBACK;DEALLOCATE ALL;" UNLOCK}};

    return conn->pooled ? texts[conn->locks_touched][conn->names_touched] : "ROLLBACK";
}

void session_was_reset(struct mig_conn *conn)
{
    if (conn->dirty && conn->names_touched) {
        conn->generation++;
        conn->names_touched = false;
    }
    text_reset(&conn->garbage);
    conn->dirty = conn->stained = false;
}

mig_status session_reset(struct mig_conn *conn, struct mig_err *err)
{
    AUTO(text) struct text sql = {0};
    mig_status status;

    if (tx_open(conn))
        return mig_err_set(err, MIG_E_MISUSE, "a session is not reset inside a transaction");
    if (conn->pooled)
        return MIG_OK; /* its transactions have left nothing behind */
    conn->dirty = true;
    session_reset_sql(conn, &sql);
    if (sql.failed)
        return error_nomem(err);
    status = wire_simple(conn, text_string(&sql), OWN_LIMIT_MS, NULL, err);
    if (status) {
        text_reset(&conn->garbage);
        tx_rollback(conn);
        return status;
    }
    session_was_reset(conn);
    return MIG_OK;
}

bool session_has(struct mig_conn *conn, const char *name, const char *value)
{
    const char *now = PQparameterStatus(conn->pg, name);

    return now && !strcmp(now, value);
}

/* search_path stays: our statements name schemas, and deferred triggers run
 * at COMMIT as the migration left things. */
const char *session_own_sql(struct mig_conn *conn, struct text *sql)
{
    if (conn->pooled && !conn->guarded && !tx_open(conn)) {
        put_settings(conn, "true", sql);
        return sql->failed ? NULL : text_string(sql);
    }
    if (conn->guarded || !conn->stained || !tx_open(conn) || tx_failed(conn))
        return NULL;
    text_put(sql, "SELECT ");
    if (!session_has(conn, "session_authorization", conn->user)) {
        char *user = PQescapeLiteral(conn->pg, conn->user, strlen(conn->user));

        text_format(sql, "pg_catalog.set_config('session_authorization', %s, true), ",
                    user ? user : "''");
        PQfreemem(user);
    }
    text_format(sql,
                "pg_catalog.set_config('role', 'none', true), "
                "pg_catalog.set_config('client_encoding', 'UTF8', true), "
                "pg_catalog.set_config('lock_timeout', '%lld', true), "
                "pg_catalog.set_config('statement_timeout', '%lld', true)",
                (long long)conn->options.lock_timeout_ms,
                (long long)conn->options.statement_timeout_ms);
    return sql->failed ? NULL : text_string(sql);
}

mig_status session_own(struct mig_conn *conn, struct mig_err *err)
{
    AUTO(text) struct text own = {0};
    const char *sql;

    if (conn->guarded || conn->lost)
        return MIG_OK;
    if (!tx_open(conn))
        return conn->dirty && !conn->pooled ? session_reset(conn, err) : MIG_OK;
    sql = session_own_sql(conn, &own);
    if (sql)
        MIG_TRY(wire_simple(conn, sql, OWN_LIMIT_MS, NULL, err));
    conn->stained = conn->stained && !sql;
    return MIG_OK;
}

/* ---- the guard ---- */

void session_guard(struct mig_conn *conn, const char *protect)
{
    conn->guarded = protect != NULL;
    snprintf(conn->protect, sizeof conn->protect, "%s", protect ? protect : "");
}

/* Text that may drop prepared statements makes every name of ours doubtful:
 * they are prepared anew under new names. */
void session_touched(struct mig_conn *conn, const char *sql)
{
    bool drops = !sql || strcasestr(sql, "deallocate") || strcasestr(sql, "discard");

    conn->dirty = true;
    conn->stained = tx_open(conn);
    conn->names_touched |= drops || strcasestr(sql, "prepare");
    conn->generation += drops;
    conn->lock_doubted |= !sql || strcasestr(sql, "advisory_unlock");
    conn->locks_touched |= !sql || strcasestr(sql, "advisory");
}

struct refusal {
    const char *pattern;
    const char *why;
};

#define OWN_TRANSACTION "transaction control belongs to the host; remove it"

static const struct refusal refusals[] = {
    {"begin", OWN_TRANSACTION},
    {"start transaction", OWN_TRANSACTION},
    {"commit", OWN_TRANSACTION},
    {"end", OWN_TRANSACTION},
    {"rollback", OWN_TRANSACTION},
    {"abort", OWN_TRANSACTION},
    {"savepoint", OWN_TRANSACTION},
    {"release", OWN_TRANSACTION},
    {"prepare transaction", OWN_TRANSACTION},
    {"set transaction", OWN_TRANSACTION},
    {"set local transaction", OWN_TRANSACTION},
    {"discard all", "it would drop the host's lock; name what to discard"},
};

/* Statements that change the tables they name. */
static const char *const changers[] = {
    "drop",
    "alter",
    "truncate",
    "insert into",
    "update",
    "delete",
    "merge into",
    "lock",
    "create trigger",
    "create rule",
    "copy",
    "create policy",
    "reindex",
    "create or replace rule",
    "create or replace trigger",
};

static bool changes_tables(const struct phrase *phrase)
{
    for (size_t i = 0; i < sizeof changers / sizeof *changers; i++)
        if (phrase_like(phrase, changers[i], NULL))
            return true;
    return false;
}

/* The protected name that the statement would change, into `name`. Reading
 * the host's tables is allowed: names behind the target do not count. */
static bool hits_protected(const struct mig_conn *conn, const struct phrase *phrase, char *name)
{
    static const char *const ends[] = {"set", "select", "values", "where", "using", "default"};
    size_t prefix = strlen(conn->protect);

    if (!prefix || !changes_tables(phrase))
        return false;
    for (size_t i = 1; i < phrase->count; i++) {
        const struct token *token = &phrase->tokens[i];

        for (size_t j = 0; j < sizeof ends / sizeof *ends; j++)
            if (token_is(token, ends[j]))
                return false;
        if (token_name(token, name, NAME_SIZE) && !strncmp(name, conn->protect, prefix))
            return true;
    }
    return false;
}

static const char *refused(const struct phrase *phrase)
{
    if (phrase->copies_stdio)
        return "there is no client to copy from or to; use INSERT or a file on the server";
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (phrase_like(phrase, refusals[i].pattern, NULL))
            return refusals[i].why;
    return NULL;
}

static mig_status refuse(struct mig_err *err, const char *sql, const struct phrase *phrase,
                         mig_status status, const char *why)
{
    char begins[64];

    snprintf(begins, sizeof begins, "%.*s", (int)(phrase->len < sizeof begins ? phrase->len : 40),
             phrase->text);
    line_cut(begins, 48);
    line_fold(begins);
    mig_err_set(err, status, "the statement \"%s%s\" is refused: %s", begins,
                phrase->len > strlen(begins) + 2 ? " ..." : "", why);
    if (err)
        err->offset = phrase->text - sql;
    return status;
}

mig_status guard_check(struct mig_conn *conn, const char *sql, size_t len, struct mig_err *err)
{
    struct lexer lexer = {sql, sql + len};
    struct phrase phrase;

    while (conn->guarded && phrase_next(&lexer, &phrase)) {
        char name[NAME_SIZE], why[NAME_SIZE + 64];
        const char *reason = refused(&phrase);

        if (reason)
            return refuse(err, sql, &phrase, phrase.copies_stdio ? MIG_E_UNSUPPORTED : MIG_E_FAILED,
                          reason);
        if (!hits_protected(conn, &phrase, name))
            continue;
        snprintf(why, sizeof why, "\"%s\" belongs to the host", name);
        return refuse(err, sql, &phrase, MIG_E_FAILED, why);
    }
    return MIG_OK;
}

bool guard_tag(const char *tag)
{
    static const char *const tags[] = {
        "BEGIN",   "START TRANSACTION",  "COMMIT", "ROLLBACK", "SAVEPOINT",
        "RELEASE", "PREPARE TRANSACTION"};

    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (!strcmp(tag, tags[i]))
            return true;
    return false;
}
