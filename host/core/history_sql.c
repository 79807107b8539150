/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All SQL of the history stands in the two tables at the top, written once for
 * all engines: `@name` becomes the full quoted name of our table, `@key` and
 * `@blob` a column type of the driver, `$1` the engine's cheapest parameter. Rows
 * are written whole, in the order of their table's columns.
 */
#include "history_sql.h"

#include <ctype.h>

#define LAYOUT_KEY "layout"

static const char *const layout_tables[] = {
    "CREATE TABLE @meta (key VARCHAR(40) NOT NULL PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE @history (id @key NOT NULL PRIMARY KEY, id_text VARCHAR(20) NOT NULL,"
    " sequence BIGINT NOT NULL, state VARCHAR(20) NOT NULL, kind VARCHAR(20) NOT NULL,"
    " mode VARCHAR(20) NOT NULL, description TEXT NOT NULL, checksum VARCHAR(64) NOT NULL,"
    " carrier VARCHAR(64) NOT NULL, applied_at_ms BIGINT NOT NULL, duration_ms BIGINT NOT NULL,"
    " run_id VARCHAR(40) NOT NULL, host_version VARCHAR(40) NOT NULL, who TEXT NOT NULL,"
    " signer VARCHAR(64) NOT NULL, body @blob NOT NULL)",
    "CREATE TABLE @log (number @key NOT NULL PRIMARY KEY, id_text VARCHAR(20) NOT NULL,"
    " action VARCHAR(20) NOT NULL, outcome VARCHAR(20) NOT NULL, error TEXT,"
    " started_at_ms BIGINT NOT NULL, duration_ms BIGINT NOT NULL, run_id VARCHAR(40) NOT NULL,"
    " host_version VARCHAR(40) NOT NULL, who TEXT NOT NULL)",
    "CREATE TABLE @journal (id BIGINT NOT NULL, step BIGINT NOT NULL, part BIGINT NOT NULL,"
    " finished BIGINT NOT NULL, kind VARCHAR(20) NOT NULL, fingerprint VARCHAR(64) NOT NULL,"
    " cursor_at TEXT NOT NULL, until_at TEXT NOT NULL, done BIGINT NOT NULL,"
    " rejected BIGINT NOT NULL, total BIGINT NOT NULL, PRIMARY KEY (id, step, part))",
    "INSERT INTO @meta (key, value) VALUES ('" LAYOUT_KEY "', '1')",
};

/* As they are read: first what plans are made of. */
#define PLAN_COLUMNS \
    "id, id_text, sequence, state, kind, mode, description, checksum, carrier, run_id"
#define READ_COLUMNS PLAN_COLUMNS ", applied_at_ms, duration_ms, host_version, who, signer"
#define LOG_COLUMNS                                                                \
    "number, id_text, action, outcome, error, started_at_ms, duration_ms, run_id," \
    " host_version, who"
#define JOURNAL_COLUMNS \
    "step, part, finished, kind, fingerprint, cursor_at, until_at, done, rejected, total"

static const char *const statements[] = {
    [GET_LAYOUT] = "SELECT value FROM @meta WHERE key = '" LAYOUT_KEY "'",
    [LOAD] = "SELECT " READ_COLUMNS " FROM @history ORDER BY id",
    [LOAD_PLAN] = "SELECT " PLAN_COLUMNS " FROM @history ORDER BY id",
    [FIND] = "SELECT " READ_COLUMNS " FROM @history WHERE id = $1",
    [NEXT_NUMBER] = "SELECT COALESCE(MAX(number), 0) + 1 FROM @log",
    [ADD] = "INSERT INTO @history VALUES"
            " ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    [MARK] = "UPDATE @history SET state = $2 WHERE id = $1",
    [SET_STATE] = "UPDATE @history SET state = $2, duration_ms = $3, applied_at_ms = $4"
                  " WHERE id = $1",
    [FINISH] = "UPDATE @history SET state = $2, duration_ms = $3, applied_at_ms = $4, carrier = $5,"
               " run_id = $6, host_version = $7, who = $8, signer = $9, body = $10"
               " WHERE id = $1",
    [SET_CHECKSUM] = "UPDATE @history SET checksum = $2 WHERE id = $1",
    [REMOVE] = "DELETE FROM @history WHERE id = $1",
    [LOG] = "INSERT INTO @log VALUES"
            " ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    [ATTEMPTS] = "SELECT " LOG_COLUMNS " FROM @log WHERE $1 = '' OR id_text = $1"
                 " ORDER BY number DESC LIMIT $2",
    [GET_CARRIER] = "SELECT body FROM @history WHERE id = $1",
    [JOURNAL] = "SELECT " JOURNAL_COLUMNS " FROM @journal WHERE id = $1 ORDER BY step, part",
    [JOURNAL_ADD] = "INSERT INTO @journal"
                    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    [JOURNAL_UPDATE] = "UPDATE @journal SET finished = $4, kind = $5, fingerprint = $6,"
                       " cursor_at = $7, until_at = $8, done = $9, rejected = $10, total = $11"
                       " WHERE id = $1 AND step = $2 AND part = $3 AND finished = 0"
                       " AND cursor_at = $12",
    [JOURNAL_CLEAR] = "DELETE FROM @journal WHERE id = $1",
};

/* --- names ----------------------------------------------------------------- */

static bool name_is_plain(const char *name, size_t len)
{
    if (len == 0 || len > HISTORY_PREFIX_MAX || isdigit((unsigned char)name[0]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '_')
            return false;
    return true;
}

mig_status history_check_prefix(const char *prefix, struct mig_err *err)
{
    const char *dot = strchr(prefix, '.');
    const char *name = dot ? dot + 1 : prefix;
    bool ok = (!dot || name_is_plain(prefix, (size_t)(dot - prefix))) &&
              name_is_plain(name, strlen(name)) &&
              strlen(name) <= HISTORY_PREFIX_MAX - strlen("_history");

    return ok ? MIG_OK
              : err_set(err, MIG_E_USAGE,
                        "\"%s\" cannot begin the names of the history tables: give letters, "
                        "digits and underscores, with a schema and a dot before them if need be",
                        prefix);
}

const char *history_prefix(const struct history *history)
{
    return history->prefix;
}

const char *history_lock_name(const struct history *history)
{
    return history->lock_name;
}

/* Appends the full name of our table `word`, quoted. The parts are plain
 * names, apart from a schema that the server itself told us. */
static void expand_table(const struct history *history, const char *word, size_t len,
                         struct buf *out)
{
    char schema[2 * HISTORY_PREFIX_MAX + 3];

    mig_quote_identifier(history->schema, schema, sizeof schema);
    buf_printf(out, "%s.\"%s_%.*s\"", schema, history->prefix, (int)len, word);
}

static const char *expand_word(const struct history *history, const char *word, struct buf *out)
{
    size_t len = strspn(word, "abcdefghijklmnopqrstuvwxyz");

    if (len == 3 && strncmp(word, "key", len) == 0)
        buf_puts(out, history->driver->key_type ? history->driver->key_type : "BIGINT");
    else if (len == 4 && strncmp(word, "blob", len) == 0)
        buf_puts(out, history->driver->blob_type);
    else
        expand_table(history, word, len, out);
    return word + len;
}

/* A parameter with a name is compared with all before it, one that is only
 * counted is not. */
static const char *expand_parameter(const struct history *history, const char *digits,
                                    long *highest, struct buf *out)
{
    char *end;
    long number = strtol(digits, &end, 10);

    if (!(history->driver->lexis & MIG_LEX_QUESTION_MARKS))
        buf_printf(out, "$%ld", number);
    else if (number == *highest + 1)
        buf_puts(out, "?");
    else
        buf_printf(out, "?%ld", number);
    *highest = number > *highest ? number : *highest;
    return end;
}

static void expand(const struct history *history, const char *template, struct buf *out)
{
    long highest = 0;

    for (const char *at; (at = strpbrk(template, "@$"));) {
        buf_add(out, template, (size_t)(at - template));
        template = *at == '@' ? expand_word(history, at + 1, out)
                              : expand_parameter(history, at + 1, &highest, out);
    }
    buf_puts(out, template);
}

/* --- statements ------------------------------------------------------------ */

/* The text with our names in it, made once. */
static mig_status statement_text(struct history *history, enum history_statement which,
                                 const char **out, struct mig_err *err)
{
    AUTO(buf) struct buf text = {0};

    if (!history->texts[which]) {
        expand(history, statements[which], &text);
        MIG_TRY(buf_check(&text, err));
        history->texts[which] = TAKE(text.data);
    }
    *out = history->texts[which];
    return MIG_OK;
}

mig_status history_query(struct history *history, enum history_statement which,
                         const struct mig_value *values, size_t count, struct history_query *out,
                         struct mig_err *err)
{
    const struct mig_driver *driver = history->driver;
    AUTO(history_query) struct history_query query = {.driver = driver};
    const char *text;

    MIG_TRY(statement_text(history, which, &text, err));
    MIG_TRY(
        driver->prepare(history->conn, text, strlen(text), MIG_PREPARE_KNOWN, &query.cursor, err));
    for (size_t i = 0; i < count; i++)
        MIG_TRY(driver->bind(query.cursor, (int)i + 1, &values[i], err));
    *out = (struct history_query){driver, TAKE(query.cursor)};
    return MIG_OK;
}

mig_status history_step(struct history_query *query, struct mig_err *err)
{
    return query->driver->step(query->cursor, err);
}

int64_t history_int(struct history_query *query, int column)
{
    struct mig_value value = {0};

    return query->driver->column(query->cursor, column, &value, NULL) < 0 ? 0
                                                                          : mig_value_int64(&value);
}

const char *history_text(struct history_query *query, int column)
{
    struct mig_value value = {0};
    const char *text = query->driver->column(query->cursor, column, &value, NULL) < 0
                           ? NULL
                           : mig_value_text(&value);

    return text ? text : "";
}

/* A text that lives as long as `texts`; NULL without memory. `before` is that of
 * the row before, which mostly says the same and is then used again; or NULL. */
const char *history_keep(struct history_query *query, int column, struct arena *texts,
                         const char *before)
{
    struct mig_value value = {0};
    const char *text;

    if (query->driver->column(query->cursor, column, &value, NULL) < 0)
        return "";
    text = mig_value_text(&value);
    if (!text || !*text)
        return "";
    if (before && strcmp(before, text) == 0)
        return before;
    return arena_strndup(texts, text, value.len);
}

/* --- what writes ----------------------------------------------------------- */

mig_status history_write_layout(struct history *history, struct mig_err *err)
{
    AUTO(buf) struct buf text = {0};
    struct mig_exec_result result = {.size = sizeof result};

    for (size_t i = 0; i < sizeof layout_tables / sizeof layout_tables[0]; i++) {
        expand(history, layout_tables[i], &text);
        buf_puts(&text, ";\n");
    }
    MIG_TRY(buf_check(&text, err));
    return history->driver->exec(history->conn, text.data, text.len, &result, err);
}

/* The number of the next attempt. Nobody else counts on while we hold the
 * lock, so that it is asked for once. */
mig_status history_next_number(struct history *history, struct mig_err *err)
{
    AUTO(history_query) struct history_query query = {0};
    mig_status status;

    if (history->next_number > 0)
        return MIG_OK;
    MIG_TRY(history_query(history, NEXT_NUMBER, NULL, 0, &query, err));
    status = history_step(&query, err);
    if (status == MIG_ROW)
        history->next_number = history_int(&query, 0);
    return status < 0 ? err_wrap(err, "reading the log") : MIG_OK;
}

/* Says which row it was that a statement did not find, or whose statement failed. */
static mig_status explain(struct history *history, int64_t failed, mig_status status,
                          struct mig_err *err)
{
    const struct mig_statement *statement = &history->series.statements[failed];

    if (status == MIG_E_NOTFOUND && statement->rows >= 0)
        return err_set(err, MIG_E_NOTFOUND,
                       "the history has no row of migration %lld any more: something else removed "
                       "it",
                       (long long)statement->values[0].as.int64);
    return err_wrap(err, "the history in %s",
                    history->driver->info(history->conn, MIG_INFO_TARGET));
}

mig_status history_send(struct history *history, const struct mig_tx_options *begin, bool commit,
                        struct mig_err *err)
{
    const struct series *series = &history->series;
    int64_t failed;
    mig_status status =
        series_run(series, history->driver, history->conn, begin, commit, &failed, err);

    history->held = false;
    if (status >= 0)
        return MIG_OK;
    return failed >= 0 && (size_t)failed < series->count ? explain(history, failed, status, err)
                                                         : status;
}

/* Runs a statement that writes, or keeps it for history_send(). It must change
 * `rows` rows; -1: any number. */
mig_status history_write(struct history *history, enum history_statement which,
                         const struct mig_value *values, size_t count, int64_t rows,
                         struct mig_err *err)
{
    struct series *series = &history->series;
    const char *text;

    if (!history->held)
        series_clear(series);
    if (statement_text(history, which, &text, err) == MIG_OK)
        series_add(series, text, values, count, rows);
    else
        series_fail(series, err);
    return history->held ? MIG_OK : history_send(history, NULL, false, err);
}

mig_status history_hold(struct history *history, struct mig_err *err)
{
    MIG_TRY(history_next_number(history, err));
    series_clear(&history->series);
    history->held = true;
    return MIG_OK;
}
