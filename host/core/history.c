/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of what is applied, and the tables as a whole: whether they are
 * there and ours, read at once or one by one, written in the transaction of
 * whoever calls. The way back of each, the carrier, may be large: it is the last
 * column of the row, and only read by itself.
 */
#include "history.h"

#include "clock.h"
#include "history_sql.h"
#include "sha256.h"
#include "vec.h"

#define PREFIX_DEFAULT "mighost"

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
    snprintf(history->lock_name, sizeof history->lock_name, "%s.%s", history->schema,
             history->prefix);
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
    char name[HISTORY_PREFIX_MAX + 20];

    snprintf(name, sizeof name, "%s_%s", history->prefix, table);
    return history->driver->table_exists(history->conn, history->schema, name, out, err);
}

mig_status history_check(struct history *history, struct mig_err *err)
{
    AUTO(history_query) struct history_query query = {0};
    long layout;
    mig_status status;

    MIG_TRY(history_query(history, GET_LAYOUT, NULL, 0, &query, err));
    status = history_step(&query, err);
    if (status < 0)
        return status;
    layout = status == MIG_ROW ? strtol(history_text(&query, 0), NULL, 10) : 0;
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

/* No migration has failed then: the database cannot be written. */
static mig_status not_created(const struct history *history, struct mig_err *err)
{
    bool refused = err->status == MIG_E_SQL;

    if (err->status == MIG_E_HISTORY)
        return err->status;
    err_wrap(err, "making the history tables in %s",
             history->driver->info(history->conn, MIG_INFO_TARGET));
    if (!refused)
        return err->status;
    err->status = MIG_E_UNREACHABLE;
    return err_append(err, "nothing was run: give the user the right to make tables there, or name "
                           "another place that exists with --history-table");
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
        status = history_write_layout(history, err);
    if (status == MIG_OK)
        status = driver->commit(history->conn, err);
    if (status == MIG_OK)
        return MIG_OK;
    driver->rollback(history->conn);
    return not_created(history, err);
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

static bool applied_read(struct history_query *query, bool all, struct applied_store *store)
{
    static const struct applied none = {0};
    struct arena *texts = &store->texts;
    struct applied *row = applied_vec_add(&store->rows);
    const struct applied *last;

    if (!row)
        return false;
    last = store->rows.len > 1 ? row - 1 : &none;
    row->id = (uint64_t)history_int(query, 0);
    row->id_text = history_keep(query, 1, texts, NULL);
    row->sequence = history_int(query, 2);
    row->state =
        (enum mighost_state)name_index(history_text(query, 3), state_name, MIGHOST_REVERTING + 1,
                                       (int)last->state, MIGHOST_RUNNING);
    row->kind = (enum mighost_kind)name_index(history_text(query, 4), kind_name,
                                              MIGHOST_BASELINE + 1, (int)last->kind, MIGHOST_SQL);
    row->mode = (enum mig_mode)name_index(history_text(query, 5), mode_name, MIG_NONE + 1,
                                          (int)last->mode, MIG_NONE);
    row->description = history_keep(query, 6, texts, NULL);
    row->checksum = history_keep(query, 7, texts, NULL);
    row->carrier = history_keep(query, 8, texts, NULL);
    row->run_id = history_keep(query, 9, texts, last->run_id);
    row->host_version = row->who = row->signer = "";
    if (all) {
        row->applied_at_ms = history_int(query, 10);
        row->duration_ms = history_int(query, 11);
        row->host_version = history_keep(query, 12, texts, last->host_version);
        row->who = history_keep(query, 13, texts, last->who);
        row->signer = history_keep(query, 14, texts, last->signer);
    }
    return row->id_text && row->description && row->checksum && row->carrier && row->run_id &&
           row->host_version && row->who && row->signer;
}

static mig_status applied_query(struct history *history, enum history_statement which,
                                const struct mig_value *values, size_t count,
                                struct applied_list **out, struct mig_err *err)
{
    AUTO(history_query) struct history_query query = {0};
    AUTO(applied_list) struct applied_list *list = calloc(1, sizeof(struct applied_store));
    struct applied_store *store = (struct applied_store *)list;
    mig_status status;

    if (!store)
        return err_nomem(err);
    MIG_TRY(history_query(history, which, values, count, &query, err));
    while ((status = history_step(&query, err)) == MIG_ROW)
        if (!applied_read(&query, which != LOAD_PLAN, store))
            return err_nomem(err);
    if (status < 0)
        return err_wrap(err, "reading the history");
    list->items = store->rows.data;
    list->count = store->rows.len;
    *out = TAKE(list);
    return MIG_OK;
}

static mig_status load(struct history *history, enum history_statement which,
                       struct applied_list **out, struct mig_err *err)
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
    struct mig_value key = history_int_value((int64_t)id);
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

mig_status history_add(struct history *history, const struct applied *row, struct mig_err *err)
{
    MIG_TRY(history_next_number(history, err));

    const struct mig_value values[] = {
        history_int_value((int64_t)row->id),
        history_text_value(row->id_text),
        history_int_value(history->next_number),
        history_text_value(state_name((int)row->state)),
        history_text_value(kind_name((int)row->kind)),
        history_text_value(mode_name((int)row->mode)),
        history_text_value(row->description),
        history_text_value(row->checksum),
        history_text_value(row->carrier),
        history_int_value(clock_wall_ms()),
        history_int_value(row->duration_ms),
        history_text_value(row->run_id),
        history_text_value(row->host_version),
        history_text_value(row->who),
        history_text_value(row->signer),
        {.type = MIG_BLOB, .len = row->body_len, .as.data = row->body},
    };

    return history_write(history, ADD, values, sizeof values / sizeof values[0], -1, err);
}

mig_status history_mark(struct history *history, uint64_t id, enum mighost_state state,
                        struct mig_err *err)
{
    const struct mig_value values[] = {history_int_value((int64_t)id),
                                       history_text_value(state_name((int)state))};

    return history_write(history, MARK, values, 2, 1, err);
}

mig_status history_set_state(struct history *history, uint64_t id, enum mighost_state state,
                             int64_t duration_ms, struct mig_err *err)
{
    const struct mig_value values[] = {
        history_int_value((int64_t)id),
        history_text_value(state_name((int)state)),
        history_int_value(duration_ms),
        history_int_value(clock_wall_ms()),
    };

    return history_write(history, SET_STATE, values, sizeof values / sizeof values[0], 1, err);
}

mig_status history_finish(struct history *history, const struct applied *row, struct mig_err *err)
{
    const struct mig_value values[] = {
        history_int_value((int64_t)row->id),
        history_text_value(state_name((int)row->state)),
        history_int_value(row->duration_ms),
        history_int_value(clock_wall_ms()),
        history_text_value(row->carrier),
        history_text_value(row->run_id),
        history_text_value(row->host_version),
        history_text_value(row->who),
        history_text_value(row->signer),
        {.type = MIG_BLOB, .len = row->body_len, .as.data = row->body},
    };

    return history_write(history, FINISH, values, sizeof values / sizeof values[0], 1, err);
}

mig_status history_set_checksum(struct history *history, uint64_t id, const char *checksum,
                                struct mig_err *err)
{
    const struct mig_value values[] = {history_int_value((int64_t)id),
                                       history_text_value(checksum)};

    return history_write(history, SET_CHECKSUM, values, 2, 1, err);
}

mig_status history_remove(struct history *history, uint64_t id, struct mig_err *err)
{
    struct mig_value key = history_int_value((int64_t)id);

    MIG_TRY(history_journal_clear(history, id, err));
    return history_write(history, REMOVE, &key, 1, 1, err);
}

/* --- carriers -------------------------------------------------------------- */

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
    struct mig_value key = history_int_value((int64_t)id);
    struct mig_value body;
    AUTO(history_query) struct history_query query = {0};
    mig_status status;

    MIG_TRY(history_query(history, GET_CARRIER, &key, 1, &query, err));
    status = history_step(&query, err);
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
