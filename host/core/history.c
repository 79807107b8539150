/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history's tables and every statement on them. All SQL stands in the two
 * tables at the top, written once for all engines: `@name` becomes the full
 * quoted name of our table, `@key` and `@blob` a column type of the driver.
 * Queries are prepared, run and ended at once: none outlives a transaction,
 * whose session a migration may have changed. What writes is a series, which
 * can be held back to go to the engine together.
 */
#include "history.h"

#include "arena.h"
#include "clock.h"
#include "series.h"
#include "sha256.h"
#include "vec.h"
#include <ctype.h>

#define PREFIX_DEFAULT "mighost"
#define PREFIX_MAX 63 /* what PostgreSQL keeps of a name (NAMEDATALEN - 1) */
#define LAYOUT_KEY "layout"

static const char *const layout_tables[] = {
    "CREATE TABLE @meta (key VARCHAR(40) NOT NULL PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE @history (id @key NOT NULL PRIMARY KEY, id_text VARCHAR(20) NOT NULL,"
    " sequence BIGINT NOT NULL, state VARCHAR(20) NOT NULL, kind VARCHAR(20) NOT NULL,"
    " mode VARCHAR(20) NOT NULL, description TEXT NOT NULL, checksum VARCHAR(64) NOT NULL,"
    " carrier VARCHAR(64) NOT NULL, applied_at_ms BIGINT NOT NULL, duration_ms BIGINT NOT NULL,"
    " run_id VARCHAR(40) NOT NULL, host_version VARCHAR(40) NOT NULL, who TEXT NOT NULL)",
    "CREATE TABLE @log (number @key NOT NULL PRIMARY KEY, id_text VARCHAR(20) NOT NULL,"
    " action VARCHAR(20) NOT NULL, outcome VARCHAR(20) NOT NULL, error TEXT,"
    " started_at_ms BIGINT NOT NULL, duration_ms BIGINT NOT NULL, run_id VARCHAR(40) NOT NULL,"
    " host_version VARCHAR(40) NOT NULL, who TEXT NOT NULL)",
    "CREATE TABLE @journal (id BIGINT NOT NULL, step BIGINT NOT NULL, part BIGINT NOT NULL,"
    " finished BIGINT NOT NULL, kind VARCHAR(20) NOT NULL, fingerprint VARCHAR(64) NOT NULL,"
    " cursor_at TEXT NOT NULL, until_at TEXT NOT NULL, done BIGINT NOT NULL,"
    " rejected BIGINT NOT NULL, total BIGINT NOT NULL, PRIMARY KEY (id, step, part))",
    "CREATE TABLE @carrier (id @key NOT NULL PRIMARY KEY, digest VARCHAR(64) NOT NULL,"
    " kind VARCHAR(20) NOT NULL, body @blob NOT NULL)",
    "INSERT INTO @meta (key, value) VALUES ('" LAYOUT_KEY "', '1')",
};

#define HISTORY_COLUMNS                                                         \
    "id, id_text, sequence, state, kind, mode, description, checksum, carrier," \
    " applied_at_ms, duration_ms, run_id, host_version, who"
/* As they are read: first what plans are made of. */
#define PLAN_COLUMNS \
    "id, id_text, sequence, state, kind, mode, description, checksum, carrier, run_id"
#define READ_COLUMNS PLAN_COLUMNS ", applied_at_ms, duration_ms, host_version, who"
#define LOG_COLUMNS                                                                \
    "number, id_text, action, outcome, error, started_at_ms, duration_ms, run_id," \
    " host_version, who"
#define JOURNAL_COLUMNS \
    "step, part, finished, kind, fingerprint, cursor_at, until_at, done, rejected, total"

enum statement {
    GET_LAYOUT,
    LOAD,
    LOAD_PLAN,
    FIND,
    NEXT_NUMBER,
    START,
    SET_STATE,
    FINISH,
    MARK,
    SET_CHECKSUM,
    REMOVE,
    LOG,
    ATTEMPTS,
    PUT_CARRIER,
    GET_CARRIER,
    DROP_CARRIER,
    JOURNAL,
    JOURNAL_ADD,
    JOURNAL_UPDATE,
    JOURNAL_CLEAR,
    STATEMENT_COUNT
};

static const char *const statements[] = {
    [GET_LAYOUT] = "SELECT value FROM @meta WHERE key = '" LAYOUT_KEY "'",
    [LOAD] = "SELECT " READ_COLUMNS " FROM @history ORDER BY id",
    [LOAD_PLAN] = "SELECT " PLAN_COLUMNS " FROM @history ORDER BY id",
    [FIND] = "SELECT " READ_COLUMNS " FROM @history WHERE id = $1",
    [NEXT_NUMBER] = "SELECT COALESCE(MAX(number), 0) + 1 FROM @log",
    [START] = "INSERT INTO @history (" HISTORY_COLUMNS ") VALUES"
              " ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    [MARK] = "UPDATE @history SET state = $2 WHERE id = $1",
    [SET_STATE] = "UPDATE @history SET state = $2, duration_ms = $3, applied_at_ms = $4"
                  " WHERE id = $1",
    [FINISH] = "UPDATE @history SET state = $2, duration_ms = $3, applied_at_ms = $4, carrier = $5,"
               " run_id = $6, host_version = $7, who = $8 WHERE id = $1",
    [SET_CHECKSUM] = "UPDATE @history SET checksum = $2 WHERE id = $1",
    [REMOVE] = "DELETE FROM @history WHERE id = $1",
    [LOG] = "INSERT INTO @log (" LOG_COLUMNS ") VALUES"
            " ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    [ATTEMPTS] = "SELECT " LOG_COLUMNS " FROM @log WHERE $1 = '' OR id_text = $1"
                 " ORDER BY number DESC LIMIT $2",
    [PUT_CARRIER] = "INSERT INTO @carrier (id, digest, kind, body) VALUES ($1, $2, $3, $4)",
    [GET_CARRIER] = "SELECT body FROM @carrier WHERE id = $1",
    [DROP_CARRIER] = "DELETE FROM @carrier WHERE id = $1",
    [JOURNAL] = "SELECT " JOURNAL_COLUMNS " FROM @journal WHERE id = $1 ORDER BY step, part",
    [JOURNAL_ADD] = "INSERT INTO @journal (id, " JOURNAL_COLUMNS ")"
                    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    [JOURNAL_UPDATE] = "UPDATE @journal SET finished = $4, kind = $5, fingerprint = $6,"
                       " cursor_at = $7, until_at = $8, done = $9, rejected = $10, total = $11"
                       " WHERE id = $1 AND step = $2 AND part = $3 AND finished = 0"
                       " AND cursor_at = $12",
    [JOURNAL_CLEAR] = "DELETE FROM @journal WHERE id = $1",
};

struct history {
    const struct mig_driver *driver;
    struct mig_conn *conn;
    char schema[PREFIX_MAX + 1];
    char prefix[PREFIX_MAX + 1];
    int64_t next_number;          /* of the log, under the lock; 0: not asked yet */
    bool known;                   /* the tables were seen, and are of our layout */
    char *texts[STATEMENT_COUNT]; /* with our names in them; NULL: not asked for yet */
    struct series series;         /* of statements that write */
    bool held;                    /* they wait for history_send() */
};

static struct mig_value int_value(int64_t number)
{
    return (struct mig_value){.type = MIG_INT64, .as.int64 = number};
}

static struct mig_value text_value(const char *text)
{
    if (!text)
        return (struct mig_value){.type = MIG_NULL};
    return (struct mig_value){.type = MIG_TEXT, .len = strlen(text), .as.data = text};
}

/* --- names ----------------------------------------------------------------- */

static bool name_is_plain(const char *name, size_t len)
{
    if (len == 0 || len > PREFIX_MAX || isdigit((unsigned char)name[0]))
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
              name_is_plain(name, strlen(name)) && strlen(name) <= PREFIX_MAX - strlen("_history");

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

/* Appends the full name of our table `word`, quoted. The parts are plain
 * names, apart from a schema that the server itself told us. */
static void expand_table(const struct history *history, const char *word, size_t len,
                         struct buf *out)
{
    char schema[2 * PREFIX_MAX + 3];

    mig_quote_identifier(history->schema, schema, sizeof schema);
    buf_printf(out, "%s.\"%s_%.*s\"", schema, history->prefix, (int)len, word);
}

static void expand(const struct history *history, const char *template, struct buf *out)
{
    for (const char *at; (at = strchr(template, '@')); template = at) {
        size_t len;

        buf_add(out, template, (size_t)(at - template));
        at++;
        len = strspn(at, "abcdefghijklmnopqrstuvwxyz");
        if (len == 3 && strncmp(at, "key", len) == 0)
            buf_puts(out, history->driver->key_type ? history->driver->key_type : "BIGINT");
        else if (len == 4 && strncmp(at, "blob", len) == 0)
            buf_puts(out, history->driver->blob_type);
        else
            expand_table(history, at, len, out);
        at += len;
    }
    buf_puts(out, template);
}

/* --- statements ------------------------------------------------------------ */

/* A statement on its way: ended by query_clear(). */
struct query {
    const struct mig_driver *driver;
    struct mig_cursor *cursor;
};

static void query_clear(struct query *query)
{
    if (query->cursor)
        query->driver->finalize(query->cursor);
    query->cursor = NULL;
}
AUTO_VALUE(query, struct query, query_clear)

/* The text with our names in it, made once. */
static mig_status statement_text(struct history *history, enum statement which, const char **out,
                                 struct mig_err *err)
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

static mig_status query_start(struct history *history, enum statement which,
                              const struct mig_value *values, size_t count, struct query *out,
                              struct mig_err *err)
{
    const struct mig_driver *driver = history->driver;
    AUTO(query) struct query query = {.driver = driver};
    const char *text;

    MIG_TRY(statement_text(history, which, &text, err));
    MIG_TRY(
        driver->prepare(history->conn, text, strlen(text), MIG_PREPARE_KNOWN, &query.cursor, err));
    for (size_t i = 0; i < count; i++)
        MIG_TRY(driver->bind(query.cursor, (int)i + 1, &values[i], err));
    *out = (struct query){driver, TAKE(query.cursor)};
    return MIG_OK;
}

static mig_status query_step(struct query *query, struct mig_err *err)
{
    return query->driver->step(query->cursor, err);
}

static int64_t query_int(struct query *query, int column)
{
    struct mig_value value = {0};

    return query->driver->column(query->cursor, column, &value, NULL) < 0 ? 0
                                                                          : mig_value_int64(&value);
}

static const char *query_text(struct query *query, int column)
{
    struct mig_value value = {0};
    const char *text = query->driver->column(query->cursor, column, &value, NULL) < 0
                           ? NULL
                           : mig_value_text(&value);

    return text ? text : "";
}

static void query_copy(struct query *query, int column, char *out, size_t size)
{
    snprintf(out, size, "%s", query_text(query, column));
}

/* A text that lives as long as `texts`; NULL without memory. `before` is that of
 * the row before, which mostly says the same and is then used again; or NULL. */
static const char *query_keep(struct query *query, int column, struct arena *texts,
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

/* --- names of states, kinds and modes -------------------------------------- */

/* `likely` is tried first. */
static int name_index(const char *name, const char *(*name_of)(int), int count, int likely,
                      int otherwise)
{
    if (strcmp(name, name_of(likely)) == 0)
        return likely;
    for (int i = 0; i < count; i++)
        if (strcmp(name, name_of(i)) == 0)
            return i;
    return otherwise;
}

static const char *state_name(int state)
{
    return mighost_state_name((enum mighost_state)state);
}

static const char *kind_name(int kind)
{
    return mighost_kind_name((enum mighost_kind)kind);
}

static const char *mode_name(int mode)
{
    return mighost_mode_name((enum mig_mode)mode);
}

/* --- opening and making ---------------------------------------------------- */

mig_status history_open(const struct mig_driver *driver, struct mig_conn *conn, const char *prefix,
                        struct history **out, struct mig_err *err)
{
    const char *given = prefix && *prefix ? prefix : PREFIX_DEFAULT;
    const char *dot = strchr(given, '.');
    struct history *history;

    MIG_TRY(history_check_prefix(given, err));
    history = calloc(1, sizeof *history);
    if (!history)
        return err_nomem(err);
    history->driver = driver;
    history->conn = conn;
    snprintf(history->prefix, sizeof history->prefix, "%s", dot ? dot + 1 : given);
    if (dot)
        snprintf(history->schema, sizeof history->schema, "%.*s", (int)(dot - given), given);
    else
        snprintf(history->schema, sizeof history->schema, "%s",
                 driver->info(conn, MIG_INFO_SCHEMA));
    *out = history;
    return MIG_OK;
}

void history_close(struct history *history)
{
    for (size_t i = 0; history && i < STATEMENT_COUNT; i++)
        free(history->texts[i]);
    free(history);
}

static mig_status table_exists(struct history *history, const char *table, bool *out,
                               struct mig_err *err)
{
    char name[PREFIX_MAX + 20];

    snprintf(name, sizeof name, "%s_%s", history->prefix, table);
    return history->driver->table_exists(history->conn, history->schema, name, out, err);
}

mig_status history_check(struct history *history, struct mig_err *err)
{
    AUTO(query) struct query query = {0};
    long layout;
    mig_status status;

    MIG_TRY(query_start(history, GET_LAYOUT, NULL, 0, &query, err));
    status = query_step(&query, err);
    if (status < 0)
        return status;
    layout = status == MIG_ROW ? strtol(query_text(&query, 0), NULL, 10) : 0;
    history->known = layout == HISTORY_LAYOUT;
    if (history->known)
        return MIG_OK;
    return err_set(err, MIG_E_HISTORY,
                   "the history in %s has layout %ld, and this host (%s) knows layout %d: use the "
                   "newer mighost that made it; nothing was changed",
                   history->driver->info(history->conn, MIG_INFO_TARGET), layout, mighost_version(),
                   HISTORY_LAYOUT);
}

mig_status history_exists(struct history *history, bool *out, struct mig_err *err)
{
    bool meta;
    bool rows;

    if (history->known) {
        *out = true;
        return MIG_OK;
    }
    MIG_TRY(table_exists(history, "meta", &meta, err));
    if (meta) {
        MIG_TRY(history_check(history, err));
        *out = true;
        return MIG_OK;
    }
    MIG_TRY(table_exists(history, "history", &rows, err));
    if (rows)
        return err_set(err, MIG_E_HISTORY,
                       "%s holds a table %s_history that is not ours: choose other names with "
                       "--history-table, or move that table away; nothing was changed",
                       history->driver->info(history->conn, MIG_INFO_TARGET), history->prefix);
    *out = false;
    return MIG_OK;
}

static mig_status layout_write(struct history *history, struct mig_err *err)
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

mig_status history_create(struct history *history, struct mig_err *err)
{
    const struct mig_driver *driver = history->driver;
    struct mig_tx_options options = {.size = sizeof options};
    bool exists;
    mig_status status;

    MIG_TRY(driver->begin(history->conn, &options, err));
    status = history_exists(history, &exists, err);
    if (status == MIG_OK && !exists)
        status = layout_write(history, err);
    if (status == MIG_OK)
        status = driver->commit(history->conn, err);
    if (status == MIG_OK)
        return MIG_OK;
    driver->rollback(history->conn);
    return err->status == MIG_E_HISTORY ? status
                                        : err_wrap(err, "making the history tables in %s",
                                                   driver->info(history->conn, MIG_INFO_TARGET));
}

/* --- reading --------------------------------------------------------------- */

VEC_DEFINE(applied_vec, struct applied);

struct applied_store {
    struct applied_list list; /* first: what is handed out */
    struct applied_vec rows;
    struct arena texts;
};

void applied_list_free(struct applied_list *list)
{
    struct applied_store *store = (struct applied_store *)list;

    if (!store)
        return;
    applied_vec_clear(&store->rows);
    arena_clear(&store->texts);
    free(store);
}

mig_status applied_list_empty(struct applied_list **out, struct mig_err *err)
{
    struct applied_store *store = calloc(1, sizeof *store);

    if (!store)
        return err_nomem(err);
    *out = &store->list;
    return MIG_OK;
}

static bool applied_read(struct query *query, bool all, struct applied_store *store)
{
    static const struct applied none = {0};
    struct arena *texts = &store->texts;
    struct applied *row = applied_vec_add(&store->rows);
    const struct applied *last;

    if (!row)
        return false;
    last = store->rows.len > 1 ? row - 1 : &none;
    row->id = (uint64_t)query_int(query, 0);
    row->id_text = query_keep(query, 1, texts, NULL);
    row->sequence = query_int(query, 2);
    row->state = (enum mighost_state)name_index(
        query_text(query, 3), state_name, MIGHOST_REVERTING + 1, (int)last->state, MIGHOST_RUNNING);
    row->kind = (enum mighost_kind)name_index(query_text(query, 4), kind_name, MIGHOST_BASELINE + 1,
                                              (int)last->kind, MIGHOST_SQL);
    row->mode = (enum mig_mode)name_index(query_text(query, 5), mode_name, MIG_NONE + 1,
                                          (int)last->mode, MIG_NONE);
    row->description = query_keep(query, 6, texts, NULL);
    row->checksum = query_keep(query, 7, texts, NULL);
    row->carrier = query_keep(query, 8, texts, NULL);
    row->run_id = query_keep(query, 9, texts, last->run_id);
    row->host_version = row->who = "";
    if (all) {
        row->applied_at_ms = query_int(query, 10);
        row->duration_ms = query_int(query, 11);
        row->host_version = query_keep(query, 12, texts, last->host_version);
        row->who = query_keep(query, 13, texts, last->who);
    }
    return row->id_text && row->description && row->checksum && row->carrier && row->run_id &&
           row->host_version && row->who;
}

static mig_status applied_query(struct history *history, enum statement which,
                                const struct mig_value *values, size_t count,
                                struct applied_list **out, struct mig_err *err)
{
    AUTO(query) struct query query = {0};
    AUTO(applied_list) struct applied_list *list = calloc(1, sizeof(struct applied_store));
    struct applied_store *store = (struct applied_store *)list;
    mig_status status;

    if (!store)
        return err_nomem(err);
    MIG_TRY(query_start(history, which, values, count, &query, err));
    while ((status = query_step(&query, err)) == MIG_ROW)
        if (!applied_read(&query, which != LOAD_PLAN, store))
            return err_nomem(err);
    if (status < 0)
        return err_wrap(err, "reading the history");
    list->items = store->rows.data;
    list->count = store->rows.len;
    *out = TAKE(list);
    return MIG_OK;
}

static mig_status load(struct history *history, enum statement which, struct applied_list **out,
                       struct mig_err *err)
{
    bool exists;

    MIG_TRY(history_exists(history, &exists, err));
    if (exists)
        return applied_query(history, which, NULL, 0, out, err);
    return applied_list_empty(out, err);
}

mig_status history_load(struct history *history, struct applied_list **out, struct mig_err *err)
{
    return load(history, LOAD, out, err);
}

mig_status history_load_plan(struct history *history, struct applied_list **out,
                             struct mig_err *err)
{
    return load(history, LOAD_PLAN, out, err);
}

mig_status history_find(struct history *history, uint64_t id, struct applied_list **out,
                        struct mig_err *err)
{
    struct mig_value key = int_value((int64_t)id);
    AUTO(applied_list) struct applied_list *list = NULL;

    MIG_TRY(applied_query(history, FIND, &key, 1, &list, err));
    if (list->count == 0)
        return err_set(err, MIG_E_NOTFOUND, "the history has no migration %llu",
                       (unsigned long long)id);
    *out = TAKE(list);
    return MIG_OK;
}

const struct applied *applied_find(const struct applied_list *list, uint64_t id)
{
    size_t low = 0;
    size_t high = list->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (list->items[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < list->count && list->items[low].id == id ? &list->items[low] : NULL;
}

/* --- writing --------------------------------------------------------------- */

/* The number of the next attempt. Nobody else counts on while we hold the
 * lock, so that it is asked for once. */
static mig_status next_number(struct history *history, struct mig_err *err)
{
    AUTO(query) struct query query = {0};
    mig_status status;

    if (history->next_number > 0)
        return MIG_OK;
    MIG_TRY(query_start(history, NEXT_NUMBER, NULL, 0, &query, err));
    status = query_step(&query, err);
    if (status == MIG_ROW)
        history->next_number = query_int(&query, 0);
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

static mig_status series_send(struct history *history, const struct mig_tx_options *begin,
                              bool commit, struct mig_err *err)
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
static mig_status write_run(struct history *history, enum statement which,
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
    return history->held ? MIG_OK : series_send(history, NULL, false, err);
}

mig_status history_hold(struct history *history, struct mig_err *err)
{
    MIG_TRY(next_number(history, err));
    series_clear(&history->series);
    history->held = true;
    return MIG_OK;
}

mig_status history_send(struct history *history, const struct mig_tx_options *begin, bool commit,
                        struct mig_err *err)
{
    return series_send(history, begin, commit, err);
}

mig_status history_start(struct history *history, const struct applied *row, struct mig_err *err)
{
    MIG_TRY(next_number(history, err));

    const struct mig_value values[] = {
        int_value((int64_t)row->id),
        text_value(row->id_text),
        int_value(history->next_number),
        text_value(state_name(MIGHOST_RUNNING)),
        text_value(kind_name((int)row->kind)),
        text_value(mode_name((int)row->mode)),
        text_value(row->description),
        text_value(row->checksum),
        text_value(row->carrier),
        int_value(clock_wall_ms()),
        int_value(0),
        text_value(row->run_id),
        text_value(row->host_version),
        text_value(row->who),
    };

    return write_run(history, START, values, sizeof values / sizeof values[0], -1, err);
}

mig_status history_mark(struct history *history, uint64_t id, enum mighost_state state,
                        struct mig_err *err)
{
    const struct mig_value values[] = {int_value((int64_t)id), text_value(state_name((int)state))};

    return write_run(history, MARK, values, 2, 1, err);
}

mig_status history_set_state(struct history *history, uint64_t id, enum mighost_state state,
                             int64_t duration_ms, struct mig_err *err)
{
    const struct mig_value values[] = {
        int_value((int64_t)id),
        text_value(state_name((int)state)),
        int_value(duration_ms),
        int_value(clock_wall_ms()),
    };

    return write_run(history, SET_STATE, values, sizeof values / sizeof values[0], 1, err);
}

mig_status history_finish(struct history *history, const struct applied *row, int64_t duration_ms,
                          struct mig_err *err)
{
    const struct mig_value values[] = {
        int_value((int64_t)row->id),   text_value(state_name(MIGHOST_APPLIED)),
        int_value(duration_ms),        int_value(clock_wall_ms()),
        text_value(row->carrier),      text_value(row->run_id),
        text_value(row->host_version), text_value(row->who),
    };

    return write_run(history, FINISH, values, sizeof values / sizeof values[0], 1, err);
}

mig_status history_set_checksum(struct history *history, uint64_t id, const char *checksum,
                                struct mig_err *err)
{
    const struct mig_value values[] = {int_value((int64_t)id), text_value(checksum)};

    return write_run(history, SET_CHECKSUM, values, 2, 1, err);
}

mig_status history_remove(struct history *history, uint64_t id, struct mig_err *err)
{
    struct mig_value key = int_value((int64_t)id);

    MIG_TRY(history_journal_clear(history, id, err));
    MIG_TRY(write_run(history, DROP_CARRIER, &key, 1, -1, err));
    return write_run(history, REMOVE, &key, 1, 1, err);
}

mig_status history_log(struct history *history, const struct attempt *attempt, struct mig_err *err)
{
    MIG_TRY(next_number(history, err));

    const struct mig_value values[] = {
        int_value(history->next_number++), text_value(attempt->id_text),
        text_value(attempt->action),       text_value(attempt->outcome),
        text_value(attempt->error),        int_value(attempt->started_at_ms),
        int_value(attempt->duration_ms),   text_value(attempt->run_id),
        text_value(mighost_version()),     text_value(attempt->who),
    };

    return write_run(history, LOG, values, sizeof values / sizeof values[0], -1, err);
}

/* --- the log --------------------------------------------------------------- */

VEC_DEFINE(attempt_vec, struct mighost_attempt);

struct attempt_store {
    struct mighost_attempts list; /* first: what is handed out */
    struct attempt_vec rows;
    struct arena texts;
};

void mighost_attempts_free(struct mighost_attempts *attempts)
{
    struct attempt_store *store = (struct attempt_store *)attempts;

    if (!store)
        return;
    attempt_vec_clear(&store->rows);
    arena_clear(&store->texts);
    free(store);
}

static bool attempt_read(struct query *query, struct attempt_store *store)
{
    struct mighost_attempt *row = attempt_vec_add(&store->rows);

    if (!row)
        return false;
    row->number = query_int(query, 0);
    row->id = arena_strdup(&store->texts, query_text(query, 1));
    row->action = arena_strdup(&store->texts, query_text(query, 2));
    row->outcome = arena_strdup(&store->texts, query_text(query, 3));
    row->error = arena_strdup(&store->texts, query_text(query, 4));
    row->started_at_ms = query_int(query, 5);
    row->duration_ms = query_int(query, 6);
    row->run_id = arena_strdup(&store->texts, query_text(query, 7));
    row->host_version = arena_strdup(&store->texts, query_text(query, 8));
    row->who = arena_strdup(&store->texts, query_text(query, 9));
    return row->id && row->action && row->outcome && row->error && row->run_id &&
           row->host_version && row->who;
}

static mig_status attempts_read(struct history *history, const struct mig_value *values,
                                struct attempt_store *store, struct mig_err *err)
{
    AUTO(query) struct query query = {0};
    bool exists;
    mig_status status;

    MIG_TRY(history_exists(history, &exists, err));
    if (!exists)
        return MIG_OK;
    MIG_TRY(query_start(history, ATTEMPTS, values, 2, &query, err));
    while ((status = query_step(&query, err)) == MIG_ROW)
        if (!attempt_read(&query, store))
            return err_nomem(err);
    return status < 0 ? err_wrap(err, "reading the log") : MIG_OK;
}

mig_status history_attempts(struct history *history, const char *id_text, size_t limit,
                            struct mighost_attempts **out, struct mig_err *err)
{
    const struct mig_value values[] = {
        text_value(id_text ? id_text : ""),
        int_value(limit == 0 || limit > INT64_MAX ? INT64_MAX : (int64_t)limit),
    };
    struct attempt_store *store = calloc(1, sizeof *store);
    mig_status status;

    if (!store)
        return err_nomem(err);
    status = attempts_read(history, values, store, err);
    if (status < 0) {
        mighost_attempts_free(&store->list);
        return status;
    }
    store->list.items = store->rows.data;
    store->list.count = store->rows.len;
    *out = &store->list;
    return MIG_OK;
}

/* --- carriers -------------------------------------------------------------- */

mig_status history_put_carrier(struct history *history, uint64_t id, const char *digest,
                               enum mighost_kind kind, const void *body, size_t len,
                               struct mig_err *err)
{
    const struct mig_value values[] = {
        int_value((int64_t)id),
        text_value(digest),
        text_value(kind_name((int)kind)),
        {.type = MIG_BLOB, .len = len, .as.data = body},
    };

    return write_run(history, PUT_CARRIER, values, sizeof values / sizeof values[0], -1, err);
}

static mig_status carrier_check(const struct mig_value *body, const char *digest,
                                struct mig_err *err)
{
    char found[HISTORY_HEX];

    if (body->type != MIG_BLOB && body->type != MIG_TEXT)
        return err_set(err, MIG_E_HISTORY, "the down carrier in the history is empty");
    MIG_TRY(sha256_once(body->as.data, body->len, found, err));
    if (strcmp(found, digest) == 0)
        return MIG_OK;
    return err_set(err, MIG_E_HISTORY,
                   "the down carrier in the history was changed (its digest is %s and should be "
                   "%s): it will not be run; restore the table from a backup",
                   found, digest);
}

mig_status history_get_carrier(struct history *history, uint64_t id, const char *digest,
                               struct buf *out, struct mig_err *err)
{
    struct mig_value key = int_value((int64_t)id);
    struct mig_value body;
    AUTO(query) struct query query = {0};
    mig_status status;

    MIG_TRY(query_start(history, GET_CARRIER, &key, 1, &query, err));
    status = query_step(&query, err);
    if (status < 0)
        return status;
    if (status != MIG_ROW)
        return err_set(err, MIG_E_NOTFOUND, "the history carries no down of migration %llu",
                       (unsigned long long)id);
    MIG_TRY(history->driver->column(query.cursor, 0, &body, err));
    MIG_TRY(carrier_check(&body, digest, err));
    buf_reset(out);
    buf_add(out, body.as.data, body.len);
    return buf_check(out, err);
}

/* --- the journal ----------------------------------------------------------- */

VEC_DEFINE(journal_vec, struct journal_row);

struct journal_store {
    struct journal list; /* first: what is handed out */
    struct journal_vec rows;
    struct arena texts;
};

void journal_free(struct journal *journal)
{
    struct journal_store *store = (struct journal_store *)journal;

    if (!store)
        return;
    journal_vec_clear(&store->rows);
    arena_clear(&store->texts);
    free(store);
}

static bool journal_read(struct query *query, struct journal_store *store)
{
    struct journal_row *row = journal_vec_add(&store->rows);

    if (!row)
        return false;
    row->step = query_int(query, 0);
    row->part = query_int(query, 1);
    row->finished = query_int(query, 2) != 0;
    query_copy(query, 3, row->kind, sizeof row->kind);
    query_copy(query, 4, row->fingerprint, sizeof row->fingerprint);
    row->cursor = arena_strdup(&store->texts, query_text(query, 5));
    row->until = arena_strdup(&store->texts, query_text(query, 6));
    row->done = query_int(query, 7);
    row->rejected = query_int(query, 8);
    row->total = query_int(query, 9);
    return row->cursor && row->until;
}

mig_status history_journal(struct history *history, uint64_t id, struct journal **out,
                           struct mig_err *err)
{
    struct mig_value key = int_value((int64_t)id);
    AUTO(query) struct query query = {0};
    AUTO(journal) struct journal *list = calloc(1, sizeof(struct journal_store));
    struct journal_store *store = (struct journal_store *)list;
    mig_status status;

    if (!store)
        return err_nomem(err);
    MIG_TRY(query_start(history, JOURNAL, &key, 1, &query, err));
    while ((status = query_step(&query, err)) == MIG_ROW)
        if (!journal_read(&query, store))
            return err_nomem(err);
    if (status < 0)
        return err_wrap(err, "reading the journal");
    list->items = store->rows.data;
    list->count = store->rows.len;
    *out = TAKE(list);
    return MIG_OK;
}

#define JOURNAL_VALUES 11

static void journal_values(uint64_t id, const struct journal_row *row,
                           struct mig_value values[JOURNAL_VALUES])
{
    const struct mig_value all[JOURNAL_VALUES] = {
        int_value((int64_t)id),
        int_value(row->step),
        int_value(row->part),
        int_value(row->finished),
        text_value(row->kind),
        text_value(row->fingerprint),
        text_value(row->cursor ? row->cursor : ""),
        text_value(row->until ? row->until : ""),
        int_value(row->done),
        int_value(row->rejected),
        int_value(row->total),
    };

    memcpy(values, all, sizeof all);
}

mig_status history_journal_add(struct history *history, uint64_t id, const struct journal_row *row,
                               struct mig_err *err)
{
    struct mig_value values[JOURNAL_VALUES];

    journal_values(id, row, values);
    return write_run(history, JOURNAL_ADD, values, JOURNAL_VALUES, -1, err);
}

mig_status history_journal_update(struct history *history, uint64_t id,
                                  const struct journal_row *row, const char *cursor_was,
                                  struct mig_err *err)
{
    struct mig_value values[JOURNAL_VALUES + 1];

    journal_values(id, row, values);
    values[JOURNAL_VALUES] = text_value(cursor_was ? cursor_was : "");
    return write_run(history, JOURNAL_UPDATE, values, JOURNAL_VALUES + 1, 1, err);
}

mig_status history_journal_clear(struct history *history, uint64_t id, struct mig_err *err)
{
    struct mig_value key = int_value((int64_t)id);

    return write_run(history, JOURNAL_CLEAR, &key, 1, -1, err);
}
