/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a transform is in its table: behind one key and, where a page is
 * written in several turns, in which turn of the page that ends with another.
 * The text of the journal says just that. A row's turn comes of its key alone,
 * so that whoever goes on finds for each row whether it has been written.
 */
#ifndef MIGHOST_TRANSFORM_PLACE_H
#define MIGHOST_TRANSFORM_PLACE_H

#include "transform_key.h"

#define TRANSFORM_TURNS_MAX 16

/* How the rows of a page are dealt out. */
struct transform_deal {
    unsigned turns; /* at least 1 */
    unsigned ratio; /* of 100: as many rows in a turn, for 100 of the turn before it */
};

struct transform_place {
    struct transform_key last;  /* the page at hand begins behind it */
    struct transform_key end;   /* and ends with it; not set between two pages */
    struct transform_deal deal; /* of the page at hand */
    unsigned turn;              /* those that are done */
};

void transform_place_clear(struct transform_place *place);
/* As the journal has it; appends. "" is the beginning of the table. */
void transform_place_write(const struct transform_place *place, struct buf *out);
/* The way back, for keys of `count` columns. False: it is no such text. */
bool transform_place_read(struct transform_place *place, size_t count, const char *text);

/* Turn to which the row with this key belongs, from 0 on: neighbours apart, and evenly
 * but for the ratio. */
unsigned transform_turn(const struct transform_deal *deal, const struct mig_value *key,
                        size_t count);

#endif
