/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts of one or more statements, sent whole by the simple protocol. It
 * counts what the server finished and finds where the first fault lies.
 * Invariant: rows are thrown away as they come, so memory does not grow with
 * them. It must not split a text to run it.
 */
#include "pg.h"
#include "words.h"

int64_t result_changes(PGresult *result)
{
    static const char *const tags[] = {"INSERT ", "UPDATE ", "DELETE ", "MERGE "};
    const char *tag = PQcmdStatus(result);

    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (!strncmp(tag, tags[i], strlen(tags[i])))
            return strtoll(PQcmdTuples(result), NULL, 10);
    return -1;
}

/* The server counts characters from 1; we count bytes from 0. */
int64_t result_offset(const struct mig_conn *conn, const PGresult *result, const char *sql)
{
    const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    const char *encoding = PQparameterStatus(conn->pg, "server_encoding");
    bool bytes = encoding && !strcmp(encoding, "SQL_ASCII");
    long long left = position ? strtoll(position, NULL, 10) : 0;
    const char *at = sql;

    if (left <= 0)
        return -1;
    for (left--; left > 0 && *at; left--)
        for (at++; !bytes && ((unsigned char)*at & 0xC0) == 0x80; at++)
            ;
    return at - sql;
}

/* Where statement number `which` (from 0) begins. */
static size_t statement_offset(const char *sql, size_t len, size_t which)
{
    struct lexer lexer = {sql, sql + len};
    struct phrase phrase;

    while (phrase_next(&lexer, &phrase))
        if (!which--)
            return (size_t)(phrase.text - sql);
    return 0;
}

/* What one text has come to. */
struct run {
    struct mig_conn *conn;
    const char *sql;
    bool in_tx;
    struct mig_exec_result done;
    mig_status status; /* the first failure */
    int64_t offset;
    struct mig_err *err;
};

static void run_failed(struct run *run, const PGresult *result)
{
    if (run->status)
        return;
    run->status = error_result(run->conn, result, run->err);
    run->offset = result_offset(run->conn, result, run->sql);
}

static void run_finished(struct run *run, PGresult *result)
{
    int64_t changes = result_changes(result);

    if (changes >= 0)
        run->done.changes = changes;
    if (run->conn->guarded && run->in_tx && !run->status && guard_tag(PQcmdStatus(result)))
        run->status = mig_err_set(run->err, MIG_E_FAILED,
                                  "a statement said %s: the transaction belongs to the host",
                                  PQcmdStatus(result));
    if (!run->status)
        run->done.statements++;
}

static void run_take(struct run *run, PGresult *result)
{
    if (wire_end_copy(run->conn, result)) {
        run->status = run->status
                          ? run->status
                          : mig_err_set(run->err, MIG_E_UNSUPPORTED,
                                        "COPY from STDIN or to STDOUT has nobody to speak with "
                                        "here; use INSERT or a file on the server");
        return;
    }
    switch (PQresultStatus(result)) {
    case PGRES_SINGLE_TUPLE:
    case PGRES_EMPTY_QUERY: return;
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK: run_finished(run, result); return;
    default: run_failed(run, result);
    }
}

static mig_status run_all(struct run *run)
{
    struct mig_conn *conn = run->conn;

    MIG_TRY(wire_start(conn, 0, run->err));
    if (!PQsendQuery(conn->pg, run->sql))
        return error_lost(conn, run->err);
    PQsetSingleRowMode(conn->pg);
    for (;;) {
        AUTO(result) PGresult *result = NULL;

        MIG_TRY(wire_next(conn, &result, run->err));
        if (!result)
            return run->status;
        run_take(run, result);
    }
}

/* A migration's text also has to leave the transaction and its index well. */
static mig_status run_judged(struct run *run, size_t len)
{
    struct mig_conn *conn = run->conn;
    mig_status status;

    conn->watching = true;
    status = run_all(run);
    conn->watching = false;
    watch_end(conn);
    if (!conn->guarded || status == MIG_E_OUTCOME)
        return status;
    if (status)
        tx_check(conn, run->in_tx, NULL);
    else
        status = tx_check(conn, run->in_tx, run->err);
    if (!status && !run->in_tx)
        status = settle_check_index(conn, run->sql, len, run->err);
    return status;
}

mig_status text_exec(struct mig_conn *conn, const char *sql, size_t len,
                     struct mig_exec_result *result, struct mig_err *err)
{
    AUTO(free) char *copy = strndup(sql, len);
    struct run run = {.conn = conn, .sql = copy, .offset = -1, .err = err};
    mig_status status;

    if (!copy)
        return error_nomem(err);
    if (strlen(copy) != len)
        return mig_err_set(err, MIG_E_SQL, "the text has a NUL byte at offset %zu", strlen(copy));
    run.in_tx = tx_open(conn);
    batch_forget(conn); /* the text may change the types of columns */
    if (conn->guarded) {
        status = guard_check(conn, copy, len, err);
        if (status) {
            if (result)
                *result = (struct mig_exec_result){
                    .size = result->size,
                    .offset = err && err->offset > 0 ? (size_t)err->offset : 0};
            return status;
        }
        session_touched(conn, copy);
    } else {
        MIG_TRY(session_own(conn, err));
    }
    status = run_judged(&run, len);
    conn->changes = run.done.changes;
    if (status && err)
        err->offset = run.offset;
    if (status)
        run.done.offset = statement_offset(copy, len, run.done.statements);
    if (result) {
        run.done.size = result->size;
        *result = run.done;
    }
    return status;
}
