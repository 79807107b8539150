/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a text of many statements. SQLite's own parser finds where each one
 * ends. It wants text that ends in NUL, and copies what it is given when it
 * does not; so the text goes through a window of bounded size, which grows only
 * for a statement that does not fit. A statement counts as whole when more
 * text follows it in the window, or when the window reaches the end.
 */
#include "conn.h"

enum {
    WINDOW_SIZE = 64 * 1024,
    WINDOW_KEPT = 1024 * 1024, /* a larger one is freed after the call */
};

/* Where we are in the text, and which stretch of it the window holds. */
struct reading {
    const char *text;
    size_t len;
    size_t at;   /* the statement begins here */
    size_t from; /* the window's stretch of the text */
    size_t until;
};

static mig_status window_reserve(struct mig_conn *conn, size_t size, struct mig_err *err)
{
    char *grown;

    if (conn->window_size >= size)
        return MIG_OK;
    grown = (char *)realloc(conn->window, size);
    if (!grown)
        return fault_nomem(err);
    conn->window = grown;
    conn->window_size = size;
    return MIG_OK;
}

/* Makes the window begin at the current statement and hold at least `want`. */
static mig_status window_fill(struct mig_conn *conn, struct reading *reading, size_t want,
                              struct mig_err *err)
{
    size_t left = reading->len - reading->at;
    size_t size = want < left ? want : left;
    mig_status status = window_reserve(conn, size + 1, err);
    const char *nul;

    if (status != MIG_OK)
        return status;
    nul = (const char *)memchr(reading->text + reading->at, '\0', size);
    if (nul) {
        mig_err_set(err, MIG_E_SQL, "the text holds a NUL byte, behind which SQLite reads nothing");
        if (err)
            err->offset = nul - reading->text;
        return MIG_E_SQL;
    }
    memcpy(conn->window, reading->text + reading->at, size);
    conn->window[size] = '\0';
    reading->from = reading->at;
    reading->until = reading->at + size;
    return MIG_OK;
}

static void set_offset(struct mig_conn *conn, const struct reading *reading, struct mig_err *err)
{
    int inside = conn->db ? sqlite3_error_offset(conn->db) : -1;

    if (err)
        err->offset = (int64_t)reading->at + (inside > 0 ? inside : 0);
}

/* Compiles the statement at the current place; `*length` is what it takes of
 * the text. `*out` is NULL for blanks at the end. */
static mig_status compile_next(struct mig_conn *conn, struct reading *reading, size_t *length,
                               sqlite3_stmt **out, struct mig_err *err)
{
    for (;;) {
        const char *start = conn->window + (reading->at - reading->from);
        bool whole = reading->until == reading->len;
        const char *tail = start;
        sqlite3_stmt *stmt = NULL;
        mig_status status;
        int rc;

        touches_clear(&conn->foreign.noted);
        conn->foreign.brief = true;
        rc = sqlite3_prepare_v3(conn->db, start, -1, 0, &stmt, &tail);
        conn->foreign.brief = false;
        if (whole || (rc == SQLITE_OK && *tail)) {
            if (rc != SQLITE_OK) {
                status = fault_report(conn, rc, err);
                set_offset(conn, reading, err);
                return status;
            }
            *length = (size_t)(tail - start);
            *out = stmt;
            return MIG_OK;
        }
        sqlite3_finalize(stmt);
        conn->refusal[0] = '\0';
        status = window_fill(
            conn, reading,
            reading->at > reading->from ? WINDOW_SIZE : 2 * (reading->until - reading->from), err);
        if (status != MIG_OK)
            return status;
    }
}

static mig_status run_compiled(struct mig_conn *conn, sqlite3_stmt *stmt,
                               struct mig_exec_result *result, struct mig_err *err)
{
    struct touches *noted = &conn->foreign.noted;
    const char *sql = sqlite3_sql(stmt);
    sqlite3_int64 total = sqlite3_total_changes64(conn->db);
    mig_status status = foreign_before(conn, noted, sql, err);
    int rc;

    if (status != MIG_OK)
        return status;
    if (conn->journal_named)
        journal_release(conn);
    conn->in_vacuum = text_begins_with(sql, sql + strnlen(sql, 64), "VACUUM");
    do {
        rc = sqlite3_step(stmt);
    } while (rc == SQLITE_ROW);
    conn->in_vacuum = false;
    if (rc != SQLITE_DONE)
        return tx_explain(conn, fault_report(conn, rc, err), err);
    conn->changes = 0;
    if (sqlite3_total_changes64(conn->db) != total) {
        conn->changes = sqlite3_changes64(conn->db);
        result->changes = conn->changes;
    }
    status = tx_alive(conn, err);
    return status == MIG_OK ? foreign_after(conn, noted, sql, err) : status;
}

/* Runs the next statement, when there is one. */
static mig_status run_next(struct mig_conn *conn, struct reading *reading,
                           struct mig_exec_result *result, struct mig_err *err)
{
    AUTO(stmt) sqlite3_stmt *stmt = NULL;
    size_t length = 0;
    mig_status status = tx_alive(conn, err);

    if (status == MIG_OK)
        status = compile_next(conn, reading, &length, &stmt, err);
    if (status != MIG_OK)
        return status;
    if (stmt) {
        status = run_compiled(conn, stmt, result, err);
        if (status != MIG_OK && err && err->offset < 0)
            set_offset(conn, reading, err);
        if (status != MIG_OK)
            return status;
        result->statements++;
    }
    reading->at += length;
    return MIG_OK;
}

static mig_status run_all(struct mig_conn *conn, struct reading *reading,
                          struct mig_exec_result *result, struct mig_err *err)
{
    mig_status status = MIG_OK;

    while (status == MIG_OK && reading->at < reading->len) {
        const char *end = reading->text + reading->len;

        reading->at = (size_t)(text_skip_blank(reading->text + reading->at, end) - reading->text);
        if (reading->at == reading->len)
            break;
        if (reading->at >= reading->until)
            status = window_fill(conn, reading, WINDOW_SIZE, err);
        if (status == MIG_OK)
            status = run_next(conn, reading, result, err);
    }
    return status;
}

mig_status exec_text(struct mig_conn *conn, const char *text, size_t len,
                     struct mig_exec_result *result, struct mig_err *err)
{
    struct mig_exec_result unwanted = {.size = sizeof unwanted};
    struct reading reading = {.text = text, .len = len};
    mig_status status = conn_ready(conn, err);

    if (!result)
        result = &unwanted;
    result->statements = 0;
    result->offset = 0;
    result->changes = 0;
    if (status == MIG_OK)
        status = run_all(conn, &reading, result, err);
    result->offset = reading.at;
    touches_clear(&conn->foreign.noted);
    if (conn->window_size > WINDOW_KEPT) {
        free(conn->window);
        conn->window = NULL;
        conn->window_size = 0;
    }
    return status;
}
