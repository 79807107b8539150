/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transform engine: every row of a table, in the order of its key, through
 * a callback of the module. Owns the loop: pages read by key, the module's
 * values, one batched write a page, the cursor. Memory is bounded by the page.
 * A row that changed between reading and writing is read and mapped again, so
 * that no write of the application is lost. Transactions are its owner's:
 * where there is a commit(), it is called after each page with the cursor.
 */
#ifndef MIGHOST_TRANSFORM_H
#define MIGHOST_TRANSFORM_H

#include "db.h"
#include "history.h"
#include "spot.h"

/* A batch should hold its locks about this long: what it writes is sized for it,
 * and a row that another holds is not waited for longer. */
#define TRANSFORM_BATCH_MS 200

/* How far the work has come. */
struct transform_mark {
    const char *cursor; /* the key of the last row, as text; NULL or "": none yet */
    int64_t done;       /* rows, rejected ones among them */
    int64_t rejected;
    int64_t total; /* rows there are; 0: not counted yet */
};

struct transform_limits {
    int64_t max_rejects; /* rows that the callback may call bad */
    int64_t throttle;    /* percent of the time that it may work; 0: all of it */
    int64_t max_lag_ms;  /* of a standby; 0: no limit */
    int64_t workers;     /* at most; 0: as the author wants it */
};

struct transform_progress {
    int64_t done;
    int64_t total;
    int64_t rejected;
    int64_t batch;  /* rows a batch at present */
    int64_t rate;   /* rows a second; 0: not known */
    int64_t eta_ms; /* until the end; 0: not known */
    enum mighost_pace pace;
};

/* A connection of the owner's for one lane; first in a struct of its own. */
struct transform_seat {
    struct db *db; /* on that connection, for the callback */
};

/* What the transform asks of its owner. Members may be NULL. */
struct transform_owner {
    /* Commits what was done so far together with the mark. */
    mig_status (*commit)(void *ctx, const struct transform_mark *mark, struct mig_err *err);
    /* Opens the transaction of the next page, after a commit(). */
    mig_status (*begin)(void *ctx, struct mig_err *err);
    /* After a failure, the `attempt`th in a row, takes back what was done since the
     * last commit. MIG_OK: it is to be tried again, and a transaction is open. Else
     * the failure. */
    mig_status (*again)(void *ctx, int attempt, struct mig_err *err);
    void (*warn)(void *ctx, const char *text);
    void (*progress)(void *ctx, const struct transform_progress *progress);
    bool (*paused)(void *ctx);
    /* For several lanes at once, all or none. divide() records the ranges as new,
     * and commits. The others are called by the lane's own thread: seat_commit()
     * commits its rows with the row of its range, which stood at `was`. `stopped`
     * says how statements under way are to end. */
    mig_status (*divide)(void *ctx, const struct journal_row *parts, size_t count,
                         const struct transform_mark *mark, struct mig_err *err);
    mig_status (*seat_open)(void *ctx, mig_status (*stopped)(void *arg), void *arg,
                            struct transform_seat **out, struct mig_err *err);
    void (*seat_close)(struct transform_seat *seat);
    mig_status (*seat_begin)(struct transform_seat *seat, struct mig_err *err);
    mig_status (*seat_again)(struct transform_seat *seat, int attempt, struct mig_err *err);
    mig_status (*seat_commit)(struct transform_seat *seat, const struct journal_row *part,
                              const char *was, struct mig_err *err);
};

struct transform {
    struct db *db;
    const struct mig_transform *spec;
    struct transform_limits limits;
    struct transform_mark from;      /* where an earlier run stopped */
    const struct journal_row *parts; /* ranges that an earlier run has made */
    size_t part_count;
    struct transform_mark reached; /* set by transform_run(): by all lanes together; zero
                                      where one has failed, whose commits tell */
    struct spot *spots;            /* one a lane, as far as they go; may be NULL */
    size_t spot_count;
    const struct transform_owner *owner;
    void *ctx;
};

mig_status transform_run(struct transform *transform, struct mig_err *err);

#endif
