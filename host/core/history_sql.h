/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the history, for its own files alone: every statement on its
 * tables by its name, and how to run one. Queries are prepared, run and ended at
 * once: none outlives a transaction, whose session a migration may have changed.
 * What writes is a series, which can be held back to go to the engine together.
 */
#ifndef MIGHOST_HISTORY_SQL_H
#define MIGHOST_HISTORY_SQL_H

#include "arena.h"
#include "history.h"
#include "series.h"

#define HISTORY_PREFIX_MAX 63 /* what PostgreSQL keeps of a name (NAMEDATALEN - 1) */

enum history_statement {
    GET_LAYOUT,
    LOAD,
    LOAD_PLAN,
    FIND,
    NEXT_NUMBER,
    ADD,
    SET_STATE,
    FINISH,
    MARK,
    SET_CHECKSUM,
    REMOVE,
    LOG,
    ATTEMPTS,
    GET_CARRIER,
    JOURNAL,
    JOURNAL_ADD,
    JOURNAL_UPDATE,
    JOURNAL_CLEAR,
    STATEMENT_COUNT
};

struct history {
    const struct mig_driver *driver;
    struct mig_conn *conn;
    char schema[HISTORY_PREFIX_MAX + 1];
    char prefix[HISTORY_PREFIX_MAX + 1];
    char lock_name[2 * HISTORY_PREFIX_MAX + 2];
    int64_t next_number;          /* of the log, under the lock; 0: not asked yet */
    bool known;                   /* the tables were seen, and are of our layout */
    char *texts[STATEMENT_COUNT]; /* with our names in them; NULL: not asked for yet */
    struct series series;         /* of statements that write */
    bool held;                    /* they wait for history_send() */
};

static inline struct mig_value history_int_value(int64_t number)
{
    return (struct mig_value){.type = MIG_INT64, .as.int64 = number};
}

static inline struct mig_value history_text_value(const char *text)
{
    if (!text)
        return (struct mig_value){.type = MIG_NULL};
    return (struct mig_value){.type = MIG_TEXT, .len = strlen(text), .as.data = text};
}

/* A statement on its way: ended by history_query_clear(). */
struct history_query {
    const struct mig_driver *driver;
    struct mig_cursor *cursor;
};

static inline void history_query_clear(struct history_query *query)
{
    if (query->cursor)
        query->driver->finalize(query->cursor);
    query->cursor = NULL;
}
AUTO_VALUE(history_query, struct history_query, history_query_clear)

mig_status history_query(struct history *history, enum history_statement which,
                         const struct mig_value *values, size_t count, struct history_query *out,
                         struct mig_err *err);
mig_status history_step(struct history_query *query, struct mig_err *err);
/* Columns of the row at hand; 0 and "" where it has no such value. */
int64_t history_int(struct history_query *query, int column);
const char *history_text(struct history_query *query, int column);
/* A text that lives as long as `texts`; NULL without memory. `before` is that of
 * the row before, which mostly says the same and is then used again; or NULL. */
const char *history_keep(struct history_query *query, int column, struct arena *texts,
                         const char *before);

/* Runs a statement that writes, or keeps it for history_send(). It must change
 * `rows` rows; -1: any number. */
mig_status history_write(struct history *history, enum history_statement which,
                         const struct mig_value *values, size_t count, int64_t rows,
                         struct mig_err *err);
/* The number of the next attempt, in history->next_number. */
mig_status history_next_number(struct history *history, struct mig_err *err);
/* Makes the tables, in the open transaction. */
mig_status history_write_layout(struct history *history, struct mig_err *err);

#endif
