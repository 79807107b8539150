/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages of a table on one connection: read in the order of the key, and
 * mapped and written in one turn or several, each a transaction of its owner's.
 * A lane is a connection with its place in the table; lanes share the shape and
 * the tally and nothing else, so that each can have a thread of its own. Begins
 * and ends no transaction.
 */
#ifndef MIGHOST_TRANSFORM_PAGE_H
#define MIGHOST_TRANSFORM_PAGE_H

#include "transform.h"
#include "transform_rows.h"

#include <stdatomic.h>

/* What all lanes of one transform have done, and earlier runs before them. */
struct transform_tally {
    _Atomic int64_t done;
    _Atomic int64_t rejected;
    _Atomic int64_t said; /* rejected rows that were warned about */
    int64_t total;
};

struct transform_lane {
    const struct transform *transform;
    const struct transform_shape *shape;
    struct transform_tally *tally;
    struct db *db; /* handed to the callback */
    const struct mig_driver *driver;
    struct mig_conn *conn;
    size_t page_rows;
    int64_t longest_ms; /* that a turn of the page at hand took */
    unsigned turns;     /* that the engine wants for a page */
    struct transform_place place;
    struct transform_key until; /* the last page ends with it, where it is set */
    struct transform_rows rows; /* of the page at hand */
    bool reading;               /* there is one */
    bool at_end;                /* and it is the last */
    struct spot *spot;
    struct spot own_spot; /* where the owner gave none */
    int64_t done;         /* of the part at hand */
    int64_t rejected;
    int64_t kept;  /* rows that were mapped to be written, in this run */
    int64_t grown; /* and the bytes that they have grown by */
};

/* `number` from 0 on: the lane's own. Called by the thread that will use it. */
void transform_lane_init(struct transform_lane *lane, const struct transform *transform,
                         const struct transform_shape *shape, struct transform_tally *tally,
                         struct db *db, size_t number);
void transform_lane_clear(struct transform_lane *lane);

/* What a turn was. */
struct transform_step {
    int64_t began_ns; /* the attempt that went well */
    size_t rows;      /* of its page; 0: there were none left */
    size_t bytes;     /* and of their texts and blobs */
    bool page;        /* it was the last of its page */
    bool more;        /* there may be further ones */
};

/* After a turn that took so long: makes the next page larger or smaller, so that
 * the longest of its turns takes the time that a batch should. */
void transform_lane_adapt(struct transform_lane *lane, const struct transform_step *step,
                          int64_t took_ms);

/* Whom to ask after a failure: see again() of the transform's owner. */
struct transform_again {
    mig_status (*ask)(void *arg, int attempt, struct mig_err *err); /* NULL: nobody */
    void *arg;
};

/* Does the next turn, as often as it takes. */
mig_status transform_turn_run(struct transform_lane *lane, const struct transform_again *again,
                              struct transform_step *step, struct mig_err *err);

#endif
