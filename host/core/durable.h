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
    struct mig_tx_options tx;
    /* Called after each step that was run, with how many are finished. */
    void (*on_step)(void *arg, int64_t finished);
    void *arg;
    struct journal *journal; /* as it was found */
    struct journal_row row;  /* the step at hand */
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
/* Commits what the open step has done so far with its cursor, and begins
 * anew: how a transform comes forward batch by batch. */
mig_status durable_advance(struct durable *durable, const char *cursor, int64_t done,
                           struct mig_err *err);

/* Runs every statement of the text as a step of its own. */
mig_status durable_run(struct durable *durable, const struct script *script, struct mig_err *err);

#endif
