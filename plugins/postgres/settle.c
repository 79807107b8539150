/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements that cannot run in a transaction: which they are, and what became
 * of one whose end was never recorded. One table says how to look. Invariant:
 * DONE is said only of what the catalog shows; an INVALID index is dropped
 * before REPEAT. It must not run the statement itself.
 */
#include "pg.h"
#include "words.h"

#define TEXT_SIZE 160 /* a qualified name with its quotes */

/* A table of several rows with the same pattern stays readable as one list. */
static const char *const outside[] = {
    "vacuum",
    "create unique? index concurrently",
    "drop index concurrently",
    "reindex * concurrently",
    "reindex database",
    "reindex schema",
    "reindex system",
    "reindex verbose database",
    "create database",
    "drop database",
    "alter database * set tablespace",
    "create tablespace",
    "drop tablespace",
    "alter system",
    "create subscription",
    "drop subscription",
    "alter subscription",
    "alter table * detach partition * concurrently",
    "cluster .",
    "cluster verbose .",
    "discard all",
};

bool settle_outside_tx(struct mig_conn *conn, const char *sql, size_t len)
{
    struct lexer lexer = {sql, sql + len};
    struct phrase phrase;

    (void)conn;
    if (!phrase_next(&lexer, &phrase))
        return false;
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        if (phrase_like(&phrase, outside[i], NULL))
            return true;
    return false;
}

/* Reads "name" or "name.name", as written, from token `*at` on. */
static bool take_name(const struct phrase *phrase, size_t *at, char *out, size_t size)
{
    size_t n = 0, i = *at;
    bool wants_part = true;

    for (; i < phrase->count; i++) {
        const struct token *token = &phrase->tokens[i];
        bool part = token->kind == TOKEN_WORD || token->kind == TOKEN_NAME;

        if (wants_part ? !part : !token_sign(token, '.'))
            break;
        if (n + token->len >= size)
            return false;
        memcpy(out + n, token->text, token->len);
        n += token->len;
        wants_part = !wants_part;
    }
    out[n] = '\0';
    *at = i;
    return n > 0 && !wants_part;
}

/* ---- indexes ---- */

struct index_names {
    char index[NAME_SIZE * 2];
    char table[TEXT_SIZE];
    bool if_not_exists;
};

static bool read_create_index(const struct phrase *phrase, struct index_names *out)
{
    size_t at;

    if (!phrase_like(phrase, "create unique? index concurrently", &at))
        return false;
    out->if_not_exists =
        phrase_like(phrase, "create unique? index concurrently if not exists", &at);
    if (at + 1 >= phrase->count || !token_name(&phrase->tokens[at], out->index, sizeof out->index))
        return false;
    if (!token_is(&phrase->tokens[++at], "on")) /* unnamed, or not this grammar */
        return false;
    at++;
    if (at < phrase->count && token_is(&phrase->tokens[at], "only"))
        at++;
    return take_name(phrase, &at, out->table, sizeof out->table);
}

/* An index lives in the schema of its table. */
static const char index_sql[] =
    "SELECT i.indisvalid AND i.indisready AND i.indislive, i.indrelid = t.oid,"
    " pg_catalog.format('%I.%I', n.nspname, c.relname),"
    " (SELECT p.pid FROM pg_catalog.pg_stat_progress_create_index p"
    " WHERE p.index_relid = c.oid AND p.pid <> pg_catalog.pg_backend_pid() LIMIT 1)"
    " FROM pg_catalog.pg_class t"
    " JOIN pg_catalog.pg_class c ON c.relnamespace = t.relnamespace AND c.relname = $2"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid"
    " WHERE t.oid = pg_catalog.to_regclass($1)";

enum index_column { INDEX_VALID, INDEX_OF_TABLE, INDEX_NAME, INDEX_BUILDER };

static mig_status find_index(struct mig_conn *conn, const struct index_names *names, PGresult **out,
                             struct mig_err *err)
{
    const char *values[] = {names->table, names->index};

    return wire_ask(conn, index_sql, 2, values, out, err);
}

static mig_status drop_invalid(struct mig_conn *conn, const PGresult *found, struct mig_err *err)
{
    const char *name = PQgetvalue(found, 0, INDEX_NAME);
    AUTO(text) struct text sql = {0};

    if (!PQgetisnull(found, 0, INDEX_BUILDER))
        return mig_err_set(err, MIG_E_BUSY,
                           "index %s is still being built by server process %s; wait for it, or "
                           "end it with pg_terminate_backend()",
                           name, PQgetvalue(found, 0, INDEX_BUILDER));
    text_format(&sql, "DROP INDEX CONCURRENTLY IF EXISTS %s", name);
    if (sql.failed)
        return error_nomem(err);
    return wire_simple(conn, text_string(&sql), 0, NULL, err);
}

static mig_status settle_create_index(struct mig_conn *conn, const struct phrase *phrase, size_t at,
                                      enum mig_settled *out, struct mig_err *err)
{
    AUTO(result) PGresult *found = NULL;
    struct index_names names;

    (void)at;
    *out = MIG_SETTLED_UNKNOWN;
    if (!read_create_index(phrase, &names))
        return MIG_OK;
    MIG_TRY(find_index(conn, &names, &found, err));
    if (PQntuples(found) && *PQgetvalue(found, 0, INDEX_OF_TABLE) != 't')
        return MIG_OK; /* the name belongs to an index of another table */
    if (PQntuples(found) && *PQgetvalue(found, 0, INDEX_VALID) == 't') {
        *out = MIG_SETTLED_DONE;
        return MIG_OK;
    }
    if (PQntuples(found))
        MIG_TRY(drop_invalid(conn, found, err));
    *out = MIG_SETTLED_REPEAT;
    return MIG_OK;
}

mig_status settle_check_index(struct mig_conn *conn, const char *sql, size_t len,
                              struct mig_err *err)
{
    struct lexer lexer = {sql, sql + len};
    AUTO(result) PGresult *found = NULL;
    struct index_names names;
    struct phrase phrase;

    if (!phrase_next(&lexer, &phrase) || !read_create_index(&phrase, &names) ||
        !names.if_not_exists)
        return MIG_OK;
    MIG_TRY(find_index(conn, &names, &found, err));
    if (!PQntuples(found) || *PQgetvalue(found, 0, INDEX_VALID) == 't')
        return MIG_OK;
    return mig_err_set(err, MIG_E_FAILED,
                       "index %s exists but is INVALID, so IF NOT EXISTS skipped it; drop it with "
                       "DROP INDEX CONCURRENTLY and run this again",
                       PQgetvalue(found, 0, INDEX_NAME));
}

/* ---- what either exists or does not ---- */

static mig_status ask_exists(struct mig_conn *conn, const char *sql, int params,
                             const char *const *values, bool *out, struct mig_err *err)
{
    AUTO(result) PGresult *result = NULL;

    MIG_TRY(wire_ask(conn, sql, params, values, &result, err));
    *out = PQntuples(result) > 0;
    return MIG_OK;
}

static mig_status settle_by_name(struct mig_conn *conn, const struct phrase *phrase, size_t at,
                                 const char *sql, bool made, enum mig_settled *out,
                                 struct mig_err *err)
{
    char name[NAME_SIZE * 2];
    const char *values[] = {name};
    bool exists;

    *out = MIG_SETTLED_UNKNOWN;
    if (at >= phrase->count || !token_name(&phrase->tokens[at], name, sizeof name))
        return MIG_OK;
    MIG_TRY(ask_exists(conn, sql, 1, values, &exists, err));
    *out = exists == made ? MIG_SETTLED_DONE : MIG_SETTLED_REPEAT;
    return MIG_OK;
}

static const char database_sql[] = "SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1";
static const char tablespace_sql[] = "SELECT 1 FROM pg_catalog.pg_tablespace WHERE spcname = $1";

static mig_status settle_create_database(struct mig_conn *conn, const struct phrase *phrase,
                                         size_t at, enum mig_settled *out, struct mig_err *err)
{
    return settle_by_name(conn, phrase, at, database_sql, true, out, err);
}

static mig_status settle_drop_database(struct mig_conn *conn, const struct phrase *phrase,
                                       size_t at, enum mig_settled *out, struct mig_err *err)
{
    return settle_by_name(conn, phrase, at, database_sql, false, out, err);
}

static mig_status settle_create_tablespace(struct mig_conn *conn, const struct phrase *phrase,
                                           size_t at, enum mig_settled *out, struct mig_err *err)
{
    return settle_by_name(conn, phrase, at, tablespace_sql, true, out, err);
}

static mig_status settle_drop_tablespace(struct mig_conn *conn, const struct phrase *phrase,
                                         size_t at, enum mig_settled *out, struct mig_err *err)
{
    return settle_by_name(conn, phrase, at, tablespace_sql, false, out, err);
}

static mig_status settle_drop_index(struct mig_conn *conn, const struct phrase *phrase, size_t at,
                                    enum mig_settled *out, struct mig_err *err)
{
    char name[TEXT_SIZE];
    const char *values[] = {name};
    bool exists;

    *out = MIG_SETTLED_UNKNOWN;
    if (!take_name(phrase, &at, name, sizeof name))
        return MIG_OK;
    MIG_TRY(ask_exists(conn,
                       "SELECT 1 FROM pg_catalog.pg_class"
                       " WHERE oid = pg_catalog.to_regclass($1) AND relkind IN ('i', 'I')",
                       1, values, &exists, err));
    *out = exists ? MIG_SETTLED_REPEAT : MIG_SETTLED_DONE;
    return MIG_OK;
}

/* 'text' without its quotes; false for other kinds of strings. */
static bool plain_string(const struct token *token, char *out, size_t size)
{
    size_t n = 0;

    if (token->kind != TOKEN_STRING || *token->text != '\'' || token->len < 2 || token->len >= size)
        return false;
    for (size_t i = 1; i + 1 < token->len; i++) {
        out[n++] = token->text[i];
        i += token->text[i] == '\'';
    }
    out[n] = '\0';
    return true;
}

static mig_status settle_enum(struct mig_conn *conn, const struct phrase *phrase, size_t at,
                              enum mig_settled *out, struct mig_err *err)
{
    char type[TEXT_SIZE], label[NAME_SIZE * 2];
    const char *values[] = {type, label};
    size_t behind;
    bool exists;

    *out = MIG_SETTLED_UNKNOWN;
    if (!take_name(phrase, &at, type, sizeof type) ||
        !phrase_like(phrase, "alter type * add value if? not? exists?", &behind) ||
        behind >= phrase->count || !plain_string(&phrase->tokens[behind], label, sizeof label))
        return MIG_OK;
    MIG_TRY(ask_exists(conn,
                       "SELECT 1 FROM pg_catalog.pg_enum"
                       " WHERE enumtypid = pg_catalog.to_regtype($1) AND enumlabel = $2",
                       2, values, &exists, err));
    *out = exists ? MIG_SETTLED_DONE : MIG_SETTLED_REPEAT;
    return MIG_OK;
}

static mig_status settle_repeat(struct mig_conn *conn, const struct phrase *phrase, size_t at,
                                enum mig_settled *out, struct mig_err *err)
{
    (void)conn;
    (void)phrase;
    (void)at;
    (void)err;
    *out = MIG_SETTLED_REPEAT;
    return MIG_OK;
}

struct settler {
    const char *pattern;
    mig_status (*settle)(struct mig_conn *conn, const struct phrase *phrase, size_t at,
                         enum mig_settled *out, struct mig_err *err);
};

static const struct settler settlers[] = {
    {"create unique? index concurrently", settle_create_index},
    {"drop index concurrently if? exists?", settle_drop_index},
    {"vacuum", settle_repeat},
    {"analyze", settle_repeat},
    {"reindex", settle_repeat},
    {"cluster", settle_repeat},
    {"alter system", settle_repeat},
    {"alter type", settle_enum},
    {"create database", settle_create_database},
    {"drop database if? exists?", settle_drop_database},
    {"create tablespace", settle_create_tablespace},
    {"drop tablespace if? exists?", settle_drop_tablespace},
};

mig_status settle_statement(struct mig_conn *conn, const char *sql, size_t len,
                            enum mig_settled *out, struct mig_err *err)
{
    struct lexer lexer = {sql, sql + len};
    enum mig_settled settled = MIG_SETTLED_UNKNOWN;
    struct phrase phrase;
    size_t at;

    if (phrase_next(&lexer, &phrase)) {
        for (size_t i = 0; i < sizeof settlers / sizeof *settlers; i++) {
            if (!phrase_like(&phrase, settlers[i].pattern, &at))
                continue;
            MIG_TRY(settlers[i].settle(conn, &phrase, at, &settled, err));
            break;
        }
    }
    *out = settled;
    return MIG_OK;
}
