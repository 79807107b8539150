/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: one row for each attempt of any kind. It is written and read, and
 * never changed.
 */
#include "history.h"

#include "history_sql.h"
#include "vec.h"

mig_status history_log(struct history *history, const struct attempt *attempt, struct mig_err *err)
{
    MIG_TRY(history_next_number(history, err));

    const struct mig_value values[] = {
        history_int_value(history->next_number++), history_text_value(attempt->id_text),
        history_text_value(attempt->action),       history_text_value(attempt->outcome),
        history_text_value(attempt->error),        history_int_value(attempt->started_at_ms),
        history_int_value(attempt->duration_ms),   history_text_value(attempt->run_id),
        history_text_value(mighost_version()),     history_text_value(attempt->who),
    };

    return history_write(history, LOG, values, sizeof values / sizeof values[0], -1, err);
}

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

static bool attempt_read(struct history_query *query, struct attempt_store *store)
{
    struct mighost_attempt *row = attempt_vec_add(&store->rows);

    if (!row)
        return false;
    row->number = history_int(query, 0);
    row->id = arena_strdup(&store->texts, history_text(query, 1));
    row->action = arena_strdup(&store->texts, history_text(query, 2));
    row->outcome = arena_strdup(&store->texts, history_text(query, 3));
    row->error = arena_strdup(&store->texts, history_text(query, 4));
    row->started_at_ms = history_int(query, 5);
    row->duration_ms = history_int(query, 6);
    row->run_id = arena_strdup(&store->texts, history_text(query, 7));
    row->host_version = arena_strdup(&store->texts, history_text(query, 8));
    row->who = arena_strdup(&store->texts, history_text(query, 9));
    return row->id && row->action && row->outcome && row->error && row->run_id &&
           row->host_version && row->who;
}

static mig_status attempts_read(struct history *history, const struct mig_value *values,
                                struct attempt_store *store, struct mig_err *err)
{
    AUTO(history_query) struct history_query query = {0};
    bool exists;
    mig_status status;

    MIG_TRY(history_exists(history, &exists, err));
    if (!exists)
        return MIG_OK;
    MIG_TRY(history_query(history, ATTEMPTS, values, 2, &query, err));
    while ((status = history_step(&query, err)) == MIG_ROW)
        if (!attempt_read(&query, store))
            return err_nomem(err);
    return status < 0 ? err_wrap(err, "reading the log") : MIG_OK;
}

mig_status history_attempts(struct history *history, const char *id_text, size_t limit,
                            struct mighost_attempts **out, struct mig_err *err)
{
    const struct mig_value values[] = {
        history_text_value(id_text ? id_text : ""),
        history_int_value(limit == 0 || limit > INT64_MAX ? INT64_MAX : (int64_t)limit),
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
