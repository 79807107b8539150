/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history in the target database: what is applied, the log of attempts,
 * the journal of durable migrations, and the down carriers. Owns the tables'
 * layout and their upgrade. Every statement names its tables in full, so that
 * no search_path or role of a migration matters. It begins and ends no
 * transaction itself unless a function says so; whoever runs a migration does,
 * so that the row and the work commit together.
 *
 *   <prefix>_history  id PK, sequence, state, kind, mode, description, checksum,
 *                     carrier, applied_at, duration_ms, run_id, host_version, who, signer, body
 *   <prefix>_log      number PK, id, action, outcome, error, started_at, duration_ms, run_id, ...
 *   <prefix>_journal  (id, step, part) PK, finished, kind, fingerprint, cursor_at, until_at, done,
 *                     rejected, total: part 0 is the step, others are ranges of its keys
 *   <prefix>_meta     key PK, value: the layout's version
 *
 * Beside them a driver may keep <prefix>_lock, where its run lock is a lease.
 */
#ifndef MIGHOST_HISTORY_H
#define MIGHOST_HISTORY_H

#include "auto.h"
#include "buf.h"
#include "err.h"
#include "mig/driver.h"
#include <mighost.h>

#define HISTORY_LAYOUT 1
#define HISTORY_RUN_ID 40
#define HISTORY_HEX 65

struct history; /* bound to one open connection */

/* One applied (or partial, failed, running) migration. */
struct applied {
    uint64_t id;
    const char *id_text;
    const char *description;
    int64_t sequence;
    enum mighost_state state;
    enum mighost_kind kind;
    enum mig_mode mode;
    const char *checksum; /* in hex; "": none is known */
    const char *carrier;  /* digest of the down carrier, or "" */
    int64_t applied_at_ms;
    int64_t duration_ms;
    const char *run_id;
    const char *host_version;
    const char *who;
    const char *signer; /* fingerprint of the key that had signed what was applied, or "" */

    /* The carrier, what rolls the migration back: its down text, or the module's
     * bytes. Written with the row, never read with it. */
    const void *body;
    size_t body_len;
};

struct applied_list {
    size_t count;
    const struct applied *items; /* ascending by id */
};

/* A row of the log about to be written. */
struct attempt {
    const char *id_text;
    const char *action;
    const char *outcome;
    const char *error; /* NULL when it went well */
    int64_t started_at_ms;
    int64_t duration_ms;
    const char *run_id;
    const char *who;
};

struct journal_row {
    int64_t step;
    int64_t part; /* 0: the step itself; others: a range of its keys */
    bool finished;
    char kind[16];
    char fingerprint[HISTORY_HEX];
    const char *cursor; /* where a transform has come to; "" else */
    const char *until;  /* the last key of a range; "" where it has no end */
    int64_t done;       /* rows */
    int64_t rejected;
    int64_t total; /* rows there are; 0: not counted */
};

struct journal {
    size_t count;
    const struct journal_row *items; /* ascending by step, then part */
};

/* Binds to a connection. `prefix`: "mighost" or "schema.prefix"; checked by
 * history_check_prefix(). Reads and writes nothing. */
mig_status history_open(const struct mig_driver *driver, struct mig_conn *conn, const char *prefix,
                        struct history **out, struct mig_err *err);
void history_close(struct history *history);
AUTO_POINTER(history, struct history, history_close)

/* MIG_E_USAGE where the prefix is no plain name or schema.name. */
mig_status history_check_prefix(const char *prefix, struct mig_err *err);
/* The beginning of our tables' names, for the driver's guard. */
const char *history_prefix(const struct history *history);
/* What the run lock is called: "schema.prefix". */
const char *history_lock_name(const struct history *history);

/* Whether the tables are there; seen once, they stay for this connection.
 * MIG_E_HISTORY: they are of a newer host, or a table of that name belongs to
 * something else. */
mig_status history_exists(struct history *history, bool *out, struct mig_err *err);
/* That tables which must be there are of our layout. */
mig_status history_check(struct history *history, struct mig_err *err);
/* Makes or upgrades the tables, in a transaction of its own. */
mig_status history_create(struct history *history, struct mig_err *err);

/* A list with nothing in it: the history of a database that is not there. */
mig_status applied_list_empty(struct applied_list **out, struct mig_err *err);
/* Everything, in one query. An absent history is an empty list. */
mig_status history_load(struct history *history, struct applied_list **out, struct mig_err *err);
/* The same without what no plan asks: applied_at_ms and duration_ms are 0,
 * host_version, who and signer are empty. */
mig_status history_load_plan(struct history *history, struct applied_list **out,
                             struct mig_err *err);
void applied_list_free(struct applied_list *list);
AUTO_POINTER(applied_list, struct applied_list, applied_list_free)
const struct applied *applied_find(const struct applied_list *list, uint64_t id);

/* One row; MIG_E_NOTFOUND where there is none. Free with applied_list_free();
 * the list has one item. */
mig_status history_find(struct history *history, uint64_t id, struct applied_list **out,
                        struct mig_err *err);

/* Between these two the functions below that write only gather, in order, and
 * answer MIG_OK; history_send() hands all to the engine at once and says what
 * was wrong. Texts and bytes given to them must stay until then. `begin` not
 * NULL: in a transaction that is begun first; `commit`: which ends behind them.
 * After a failure an open transaction is the caller's to roll back. */
mig_status history_hold(struct history *history, struct mig_err *err);
mig_status history_send(struct history *history, const struct mig_tx_options *begin, bool commit,
                        struct mig_err *err);

/* Inserts the row as of now, with the next sequence. The primary key refuses a
 * second one: MIG_E_CONSTRAINT. */
mig_status history_add(struct history *history, const struct applied *row, struct mig_err *err);
/* Sets the state alone: when it was applied, and in what time, stays. */
mig_status history_mark(struct history *history, uint64_t id, enum mighost_state state,
                        struct mig_err *err);
/* Sets state, duration and moment. */
mig_status history_set_state(struct history *history, uint64_t id, enum mighost_state state,
                             int64_t duration_ms, struct mig_err *err);
/* The row of a migration that this run has applied, whoever began it: applied
 * now, by this run and host, with this carrier and this signer. */
mig_status history_finish(struct history *history, const struct applied *row, struct mig_err *err);
/* Replaces the checksum of an applied row (--accept-changed). */
mig_status history_set_checksum(struct history *history, uint64_t id, const char *checksum,
                                struct mig_err *err);
/* Removes the row, its journal and its carrier. MIG_E_NOTFOUND where there was
 * none. */
mig_status history_remove(struct history *history, uint64_t id, struct mig_err *err);

mig_status history_log(struct history *history, const struct attempt *attempt, struct mig_err *err);
/* The newest `limit` (0: all), of one id or of all (id_text NULL). */
mig_status history_attempts(struct history *history, const char *id_text, size_t limit,
                            struct mighost_attempts **out, struct mig_err *err);

/* MIG_E_NOTFOUND, or MIG_E_HISTORY where the body does not match `digest`. */
mig_status history_get_carrier(struct history *history, uint64_t id, const char *digest,
                               struct buf *out, struct mig_err *err);

mig_status history_journal(struct history *history, uint64_t id, struct journal **out,
                           struct mig_err *err);
void journal_free(struct journal *journal);
AUTO_POINTER(journal, struct journal, journal_free)
/* A step's first row. MIG_E_CONSTRAINT: there is one already. */
mig_status history_journal_add(struct history *history, uint64_t id, const struct journal_row *row,
                               struct mig_err *err);
/* Brings a row that stands unfinished at `cursor_was` up to date; whoever comes
 * second with the same old cursor finds no such row: MIG_E_NOTFOUND. */
mig_status history_journal_update(struct history *history, uint64_t id,
                                  const struct journal_row *row, const char *cursor_was,
                                  struct mig_err *err);
mig_status history_journal_clear(struct history *history, uint64_t id, struct mig_err *err);

#endif
