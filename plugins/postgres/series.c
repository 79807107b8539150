/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's own statements that belong together, with BEGIN before or COMMIT
 * behind them, as one text in one exchange: what a round trip costs is most of
 * what a small migration costs. Values stand in the text as literals that mean
 * the same whatever a migration has set; large ones go by themselves, as
 * parameters. Invariant: the server, not we, keeps COMMIT from running behind
 * a statement that failed or changed another number of rows than it must.
 */
#include "pg.h"
#include "words.h"

/* A larger value would be copied too often on its way through a text. */
#define LITERAL_MAX (32 * 1024)

/* A setting that nobody has: asking for it is how the comparison of the number
 * of rows fails, with a message that nothing else has. */
#define OTHER_ROWS "mighost.other_rows"

/* ---- the text ---- */

static mig_status put_text(struct mig_conn *conn, struct text *sql, const struct mig_value *value,
                           size_t index, struct mig_err *err)
{
    char *literal;

    if (value->len && memchr(value->as.data, '\0', value->len))
        return mig_err_set(err, MIG_E_TYPE,
                           "the text for parameter $%zu has a NUL byte, which PostgreSQL cannot "
                           "store in a text; bind it as a blob",
                           index);
    literal = PQescapeLiteral(conn->pg, value->as.data, value->len);
    if (!literal && error_is_memory(PQerrorMessage(conn->pg)))
        return error_nomem(err);
    if (!literal)
        return mig_err_set(err, MIG_E_TYPE, "the text for parameter $%zu is not UTF-8", index);
    text_put(sql, literal);
    PQfreemem(literal);
    return MIG_OK;
}

static void put_blob(struct text *sql, const struct mig_value *value)
{
    text_put(sql, "E'\\\\x");
    text_hex(sql, value->as.data, value->len);
    text_put(sql, "'::pg_catalog.bytea");
}

static void put_int(struct text *sql, int64_t number)
{
    char digits[24], *at = digits + sizeof digits;
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;

    *--at = '\'';
    do
        *--at = (char)('0' + left % 10);
    while ((left /= 10));
    if (number < 0)
        *--at = '-';
    *--at = '\'';
    text_add(sql, at, (size_t)(digits + sizeof digits - at));
}

/* Quoted, so that the server gives it the type that it would give a parameter. */
static mig_status put_value(struct mig_conn *conn, struct text *sql, const struct mig_value *value,
                            size_t index, struct mig_err *err)
{
    char number[NUMBER_ROOM];

    switch (value->type) {
    case MIG_NULL: text_put(sql, "NULL"); return MIG_OK;
    case MIG_INT64: put_int(sql, value->as.int64); return MIG_OK;
    case MIG_DOUBLE: text_format(sql, "'%s'", double_write(number, value->as.real)); return MIG_OK;
    case MIG_TEXT: return put_text(conn, sql, value, index, err);
    case MIG_BLOB: put_blob(sql, value); return MIG_OK;
    }
    return mig_err_set(err, MIG_E_TYPE, "parameter $%zu has an unknown type (%d)", index,
                       (int)value->type);
}

/* The text with its values in it. */
static mig_status put_filled(struct mig_conn *conn, struct text *sql,
                             const struct mig_statement *statement, struct mig_err *err)
{
    struct lexer lexer = {statement->text, statement->text + statement->len};
    const char *from = statement->text;

    for (struct token token; (token = token_next(&lexer)).kind != TOKEN_END;) {
        size_t index;

        if (token.kind != TOKEN_NUMBER || *token.text != '$')
            continue;
        index = strtoul(token.text + 1, NULL, 10);
        if (index < 1 || index > statement->value_count)
            return mig_err_set(err, MIG_E_RANGE, "there is no value for parameter $%zu", index);
        text_add(sql, from, (size_t)(token.text - from));
        MIG_TRY(put_value(conn, sql, &statement->values[index - 1], index, err));
        from = token.text + token.len;
    }
    text_add(sql, from, (size_t)(statement->text + statement->len - from));
    return MIG_OK;
}

/* Where something follows in the same text, the server counts the rows: the
 * answer would come to us too late. */
static mig_status put_statement(struct mig_conn *conn, struct text *sql,
                                const struct mig_statement *statement, bool last,
                                struct mig_err *err)
{
    bool counted = statement->rows >= 0 && !last;

    if (counted)
        text_put(sql, "WITH changed AS (");
    MIG_TRY(put_filled(conn, sql, statement, err));
    if (counted)
        text_format(sql,
                    "\nRETURNING 1) SELECT CASE pg_catalog.count(*) WHEN %lld THEN '' ELSE"
                    " pg_catalog.current_setting('" OTHER_ROWS "') END FROM changed",
                    (long long)statement->rows);
    text_put(sql, "\n;");
    return MIG_OK;
}

static mig_status other_rows(struct mig_err *err)
{
    return mig_err_set(err, MIG_E_NOTFOUND,
                       "the statement changed another number of rows than it must");
}

/* ---- one exchange ---- */

/* A stretch of a series that goes in one text. */
struct stretch {
    struct mig_conn *conn;
    const struct mig_series *series;
    size_t before; /* statements of ours before the first of the series */
    size_t seen;   /* statements that have ended well */
    bool failed;
    PGresult *begun; /* the last answer of begin */
    PGresult *last;
};

static void stretch_clear(struct stretch *stretch)
{
    PQclear(stretch->begun);
    PQclear(stretch->last);
}

static inline void auto_stretch(struct stretch *stretch)
{
    stretch_clear(stretch);
}

static size_t count_statements(const struct text *sql)
{
    struct lexer lexer = {text_string(sql), text_string(sql) + sql->len};
    struct phrase phrase;
    size_t count = 0;

    while (phrase_next(&lexer, &phrase))
        count++;
    return count;
}

/* What makes the session ours, or resets it and begins. */
static mig_status put_first(struct stretch *stretch, struct text *sql, struct mig_err *err)
{
    struct mig_conn *conn = stretch->conn;

    if (stretch->series->begin) {
        tx_begin_sql(conn, sql);
        text_put(sql, ";");
        stretch->before = count_statements(sql);
    } else if (session_own_sql(conn, sql)) {
        text_put(sql, ";");
        stretch->before = 1;
    } else {
        MIG_TRY(session_own(conn, err));
    }
    return MIG_OK;
}

static mig_status put_all(struct stretch *stretch, struct text *sql, struct mig_err *err)
{
    const struct mig_series *series = stretch->series;

    MIG_TRY(put_first(stretch, sql, err));
    for (size_t i = 0; i < series->count; i++)
        MIG_TRY(put_statement(stretch->conn, sql, &series->statements[i],
                              i + 1 == series->count && !series->commit, err));
    if (series->commit)
        tx_commit_sql(stretch->conn, sql);
    return sql->failed ? error_nomem(err) : MIG_OK;
}

static void keep(PGresult **place, PGresult **result)
{
    PQclear(*place);
    *place = TAKE(*result);
}

static mig_status stretch_take(struct stretch *stretch, PGresult **result, struct mig_err *err)
{
    switch (PQresultStatus(*result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
        stretch->seen++;
        keep(stretch->seen == stretch->before ? &stretch->begun : &stretch->last, result);
        return MIG_OK;
    case PGRES_EMPTY_QUERY: return MIG_OK;
    default: return error_result(stretch->conn, *result, err);
    }
}

static mig_status stretch_send(struct stretch *stretch, const char *sql, struct mig_err *err)
{
    struct mig_conn *conn = stretch->conn;
    mig_status status = MIG_OK;

    MIG_TRY(wire_start(conn, stretch->series->commit || !stretch->series->begin ? 0 : OWN_LIMIT_MS,
                       err));
    if (!PQsendQuery(conn->pg, sql))
        return error_lost(conn, err);
    for (;;) {
        AUTO(result) PGresult *result = NULL;
        mig_status one;

        MIG_TRY(wire_next(conn, &result, err));
        if (!result)
            return status;
        one = stretch_take(stretch, &result, status ? NULL : err);
        status = status ? status : one;
    }
}

/* The statement that failed, as the caller counts. */
static int64_t failed_at(const struct stretch *stretch)
{
    size_t count = stretch->series->count;

    if (stretch->seen < stretch->before)
        return MIG_SERIES_BEGIN;
    return (int64_t)(stretch->seen - stretch->before < count ? stretch->seen - stretch->before
                                                             : count);
}

/* The rows of the last statement, behind which nothing stood. */
static mig_status last_rows(struct stretch *stretch, int64_t *failed, struct mig_err *err)
{
    const struct mig_series *series = stretch->series;

    if (!series->count || series->statements[series->count - 1].rows < 0 ||
        result_changes(stretch->last) == series->statements[series->count - 1].rows)
        return MIG_OK;
    *failed = (int64_t)series->count - 1;
    return other_rows(err);
}

/* Notes what has become of the session and of the transaction. */
static mig_status settle(struct stretch *stretch, mig_status status, int64_t *failed,
                         struct mig_err *err)
{
    struct mig_conn *conn = stretch->conn;
    const struct mig_series *series = stretch->series;
    int64_t at = failed_at(stretch);

    if (series->begin && at != MIG_SERIES_BEGIN)
        session_was_reset(conn);
    if (series->commit &&
        (status == MIG_OK || status == MIG_E_NOMEM || conn->lost || (size_t)at == series->count)) {
        *failed = (int64_t)series->count;
        return tx_committed(conn, status, stretch->last, err);
    }
    *failed = at;
    if (series->begin && at == MIG_SERIES_BEGIN)
        return tx_begin_failed(conn, status, err);
    if (series->begin && !conn->lost)
        MIG_TRY(tx_begun(conn, stretch->begun, err));
    if (status)
        return strstr(err->message, OTHER_ROWS) ? other_rows(err) : status;
    return last_rows(stretch, failed, err);
}

static mig_status stretch_run(struct mig_conn *conn, const struct mig_series *series,
                              int64_t *failed, struct mig_err *err)
{
    AUTO(stretch) struct stretch stretch = {.conn = conn, .series = series};
    AUTO(text) struct text sql = {0};
    mig_status status = put_all(&stretch, &sql, err);

    *failed = 0;
    if (status)
        return status;
    if (!sql.len)
        return MIG_OK;
    conn->watching = true;
    status = stretch_send(&stretch, text_string(&sql), err);
    conn->watching = false;
    watch_end(conn);
    if (status == MIG_OK && !series->begin && stretch.before)
        conn->stained = false;
    return settle(&stretch, status, failed, err);
}

/* ---- the whole ---- */

static bool is_large(const struct mig_statement *statement)
{
    for (size_t i = 0; i < statement->value_count; i++)
        if ((statement->values[i].type == MIG_TEXT || statement->values[i].type == MIG_BLOB) &&
            statement->values[i].len > LITERAL_MAX)
            return true;
    return false;
}

static void auto_cursor(struct mig_cursor **cursor)
{
    cursor_finalize(*cursor);
}

/* A statement with a large value, by itself. */
static mig_status run_alone(struct mig_conn *conn, const struct mig_statement *statement,
                            struct mig_err *err)
{
    AUTO(cursor) struct mig_cursor *cursor = NULL;
    mig_status status;

    MIG_TRY(cursor_prepare(conn, statement->text, statement->len, 0, &cursor, err));
    for (size_t i = 0; i < statement->value_count; i++)
        MIG_TRY(cursor_bind(cursor, (int)i + 1, &statement->values[i], err));
    status = cursor_step(cursor, err);
    if (status < 0)
        return status;
    if (statement->rows < 0 || conn->changes == statement->rows)
        return MIG_OK;
    return other_rows(err);
}

/* A text is read in the encoding that the session has when it arrives, so what
 * sets that right cannot stand in the same one. */
static mig_status prepare_session(struct mig_conn *conn, struct mig_series *series,
                                  struct mig_err *err)
{
    if (series->begin)
        MIG_TRY(tx_begin_check(conn, series->begin, err));
    else if (series->commit)
        MIG_TRY(tx_commit_check(conn, err));
    if (session_has(conn, "client_encoding", "UTF8"))
        return MIG_OK;
    if (!series->begin)
        return session_own(conn, err);
    MIG_TRY(tx_begin(conn, series->begin, err));
    series->begin = NULL;
    return MIG_OK;
}

mig_status series_run(struct mig_conn *conn, const struct mig_series *series, int64_t *failed,
                      struct mig_err *err)
{
    struct mig_series rest = *series;
    struct mig_err own = {0};
    mig_status status;
    size_t at = 0;

    err = err ? err : &own;
    *failed = series->begin ? MIG_SERIES_BEGIN : (int64_t)series->count;
    MIG_TRY(prepare_session(conn, &rest, err));
    for (;;) {
        struct mig_series stretch = {.begin = rest.begin, .statements = series->statements + at};

        while (at + stretch.count < series->count && !is_large(&stretch.statements[stretch.count]))
            stretch.count++;
        stretch.commit = rest.commit && at + stretch.count == series->count;
        status = stretch_run(conn, &stretch, failed, err);
        rest.begin = NULL;
        if (status && *failed >= 0)
            *failed += (int64_t)at;
        at += stretch.count;
        if (status || at == series->count)
            return status;
        *failed = (int64_t)at;
        MIG_TRY(run_alone(conn, &series->statements[at++], err));
    }
}
