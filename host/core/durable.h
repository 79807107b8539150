/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durable migrations: one step after the other, each committed together with
 * its row in the journal, so that a run that was cut anywhere goes on behind
 * the last finished step. A step is known by its number and its fingerprint
 * (SHA-256 of kind and text): a text that has changed cannot go on in another's
 * journal. Owns the transactions of the steps; the migration's own history row
 * is the caller's.
 */
#ifndef MIGHOST_DURABLE_H
#define MIGHOST_DURABLE_H

#include "buf.h"
#include "history.h"
#include "script.h"

struct durable {
    const struct mig_driver *driver;
    struct mig_conn *conn;
    struct history *history;
    uint64_t id;
    struct mig_tx_options tx;    /* of a step */
    struct mig_tx_options batch; /* of each batch of a transform */
    /* Called after each step that was run, with how many are finished. */
    void (*on_step)(void *arg, int64_t finished);
    /* Whether a statement that failed, and was rolled back, is run once more; may be NULL. */
    mig_status (*again)(void *arg, int attempt, struct mig_err *err);
    void *arg;
    struct journal *journal; /* as it was found */
    struct journal_row row;  /* the step at hand */
    bool stands;             /* and it is in the journal already */
    char *cursor;            /* of a transform, owned */
    int64_t finished;        /* steps, those of earlier runs included */
    struct buf session;      /* what finished steps have set for the session */
    bool started;            /* a statement outside of transactions that has not ended well:
                     it may have left something behind */
};

/* Reads the journal. durable_close() frees it and ends an open step. */
mig_status durable_open(struct durable *durable, struct mig_err *err);
void durable_close(struct durable *durable);

/* Begins the next step. `*skip`: it was finished by an earlier run, and there
 * is no durable_end(). Otherwise a transaction is open. MIG_E_HISTORY: the
 * journal's step has another fingerprint. */
mig_status durable_begin(struct durable *durable, const char *kind, const char *text, size_t len,
                         bool *skip, struct mig_err *err);
/* Journals the step as finished, and commits. */
mig_status durable_end(struct durable *durable, struct mig_err *err);
/* After a failure in a step, the `attempt`th, of which nothing was committed:
 * MIG_OK when the owner wants it run again, for which a transaction is open.
 * Else the failure. */
mig_status durable_again(struct durable *durable, int attempt, struct mig_err *err);
/* Commits what the open step has done so far with its cursor: how a transform
 * comes forward batch by batch. Of the mark, cursor, done, rejected and total
 * count. Nothing is open afterwards, until durable_next(). MIG_E_PARTIAL: another
 * host has brought the step on meanwhile, and nothing was committed. */
mig_status durable_commit(struct durable *durable, const struct journal_row *mark,
                          struct mig_err *err);
mig_status durable_next(struct durable *durable, struct mig_err *err);

/* The ranges into which an earlier run has divided the step at hand. */
size_t durable_parts(const struct durable *durable, const struct journal_row **out);
/* Records new ones, and commits with the mark as durable_commit() does. */
mig_status durable_divide(struct durable *durable, const struct journal_row *parts, size_t count,
                          const struct journal_row *mark, struct mig_err *err);

/* A second connection, for one range after the other. Several may be at work,
 * each on a thread of its own, as long as nothing else is done to the step. */
struct durable_part {
    const struct durable *durable;
    struct mig_conn *conn;
    struct history *history;
};

mig_status durable_part_begin(const struct durable_part *part, struct mig_err *err);
/* Commits the work together with the row of its range, which stood at `was`. */
mig_status durable_part_commit(const struct durable_part *part, const struct journal_row *now,
                               const char *was, struct mig_err *err);

/* Runs every statement of the text as a step of its own. */
mig_status durable_run(struct durable *durable, const struct script *script, struct mig_err *err);

#endif
