/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a statement's text: its parameters and columns, and whether
 * the server has it prepared. The host says the same few statements around
 * every migration, so theirs are kept: preparing one again costs no round
 * trip, and from its second run on it goes by name. Invariant: a name is used
 * only in the generation in which it was given. A migration's statements are
 * never kept, as its next one may change the tables behind them.
 */
#include "pg.h"

#define KEPT_MAX 64      /* statements of the host; it has fewer */
#define GARBAGE_MAX 4096 /* bytes of DEALLOCATEs before they are sent alone */

static void statement_free(struct statement *statement)
{
    if (!statement)
        return;
    PQclear(statement->description);
    free(statement->sql);
    free(statement);
}

static void auto_statement(struct statement **statement)
{
    statement_free(*statement);
}

static struct statement *statement_find(struct mig_conn *conn, const char *sql, size_t len)
{
    struct statement *at;

    for (at = conn->statements; at; at = at->next)
        if (at->len == len && !memcmp(at->sql, sql, len))
            return at;
    return NULL;
}

static mig_status describe(struct mig_conn *conn, struct statement *statement, bool right,
                           struct mig_err *err)
{
    if (!right)
        return wire_describe(conn, statement->sql, &statement->description, err);
    statement->description = PQmakeEmptyPGresult(conn->pg, PGRES_COMMAND_OK);
    statement->unasked = true;
    return statement->description ? MIG_OK : error_nomem(err);
}

mig_status statement_learn(struct statement *statement, const PGresult *result, struct mig_err *err)
{
    PGresult *columns;

    if (!statement->unasked)
        return MIG_OK;
    columns = PQcopyResult(result, PG_COPYRES_ATTRS);
    if (!columns)
        return error_nomem(err);
    PQclear(statement->description);
    statement->description = columns;
    statement->unasked = false;
    return MIG_OK;
}

mig_status statement_get(struct mig_conn *conn, const char *sql, size_t len, bool right,
                         struct statement **out, struct mig_err *err)
{
    AUTO(statement) struct statement *made = NULL;
    struct statement *known = conn->guarded ? NULL : statement_find(conn, sql, len);

    if (known) {
        known->users++;
        *out = known;
        return MIG_OK;
    }
    made = calloc(1, sizeof *made);
    if (!made || !(made->sql = strndup(sql, len)))
        return error_nomem(err);
    made->len = len;
    MIG_TRY(describe(conn, made, right, err));
    made->users = 1;
    if (!conn->guarded && conn->statement_count < KEPT_MAX) {
        made->kept = true;
        made->next = conn->statements;
        conn->statements = made;
        conn->statement_count++;
    }
    *out = TAKE(made);
    return MIG_OK;
}

static bool has_name(const struct mig_conn *conn, const struct statement *statement)
{
    return statement->name[0] && statement->generation == conn->generation;
}

void statement_release(struct mig_conn *conn, struct statement *statement)
{
    if (!statement || --statement->users || statement->kept)
        return;
    if (has_name(conn, statement) && !conn->lost) {
        text_format(&conn->garbage, "DEALLOCATE %s;", statement->name);
        if (conn->garbage.len > GARBAGE_MAX && !tx_failed(conn)) {
            wire_simple(conn, text_string(&conn->garbage), OWN_LIMIT_MS, NULL, NULL);
            text_reset(&conn->garbage);
        }
    }
    statement_free(statement);
}

void statements_clear(struct mig_conn *conn)
{
    while (conn->statements) {
        struct statement *first = conn->statements;

        conn->statements = first->next;
        statement_free(first);
    }
    conn->statement_count = 0;
}

/* The first run goes unnamed: most statements have no second. A name that
 * another server process does not know is none. */
void statement_call(struct mig_conn *conn, struct statement *statement, struct call *call)
{
    if (!statement->runs || conn->pooled) {
        call->sql = statement->sql;
        return;
    }
    if (!has_name(conn, statement)) {
        snprintf(statement->name, sizeof statement->name, "mighost_%u", ++conn->names);
        statement->generation = conn->generation - 1;
        call->prepare = statement->sql;
    }
    call->name = statement->name;
}

void statement_ran(struct mig_conn *conn, struct statement *statement, bool well)
{
    statement->runs += well;
    if (well && statement->name[0])
        statement->generation = conn->generation;
}
