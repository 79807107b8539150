/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal of durable migrations: a row for each step, and one for each range
 * of a step that several work on. A row is changed only from where it stood.
 */
#include "history.h"

#include "history_sql.h"
#include "vec.h"

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

static bool journal_read(struct history_query *query, struct journal_store *store)
{
    struct journal_row *row = journal_vec_add(&store->rows);

    if (!row)
        return false;
    row->step = history_int(query, 0);
    row->part = history_int(query, 1);
    row->finished = history_int(query, 2) != 0;
    snprintf(row->kind, sizeof row->kind, "%s", history_text(query, 3));
    snprintf(row->fingerprint, sizeof row->fingerprint, "%s", history_text(query, 4));
    row->cursor = arena_strdup(&store->texts, history_text(query, 5));
    row->until = arena_strdup(&store->texts, history_text(query, 6));
    row->done = history_int(query, 7);
    row->rejected = history_int(query, 8);
    row->total = history_int(query, 9);
    return row->cursor && row->until;
}

mig_status history_journal(struct history *history, uint64_t id, struct journal **out,
                           struct mig_err *err)
{
    struct mig_value key = history_int_value((int64_t)id);
    AUTO(history_query) struct history_query query = {0};
    AUTO(journal) struct journal *list = calloc(1, sizeof(struct journal_store));
    struct journal_store *store = (struct journal_store *)list;
    mig_status status;

    if (!store)
        return err_nomem(err);
    MIG_TRY(history_query(history, JOURNAL, &key, 1, &query, err));
    while ((status = history_step(&query, err)) == MIG_ROW)
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
        history_int_value((int64_t)id),
        history_int_value(row->step),
        history_int_value(row->part),
        history_int_value(row->finished),
        history_text_value(row->kind),
        history_text_value(row->fingerprint),
        history_text_value(row->cursor ? row->cursor : ""),
        history_text_value(row->until ? row->until : ""),
        history_int_value(row->done),
        history_int_value(row->rejected),
        history_int_value(row->total),
    };

    memcpy(values, all, sizeof all);
}

mig_status history_journal_add(struct history *history, uint64_t id, const struct journal_row *row,
                               struct mig_err *err)
{
    struct mig_value values[JOURNAL_VALUES];

    journal_values(id, row, values);
    return history_write(history, JOURNAL_ADD, values, JOURNAL_VALUES, -1, err);
}

mig_status history_journal_update(struct history *history, uint64_t id,
                                  const struct journal_row *row, const char *cursor_was,
                                  struct mig_err *err)
{
    struct mig_value values[JOURNAL_VALUES + 1];

    journal_values(id, row, values);
    values[JOURNAL_VALUES] = history_text_value(cursor_was ? cursor_was : "");
    return history_write(history, JOURNAL_UPDATE, values, JOURNAL_VALUES + 1, 1, err);
}

mig_status history_journal_clear(struct history *history, uint64_t id, struct mig_err *err)
{
    struct mig_value key = history_int_value((int64_t)id);

    return history_write(history, JOURNAL_CLEAR, &key, 1, -1, err);
}
