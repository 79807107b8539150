/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key of one row: kept while the connection moves on, written into the
 * journal as text and read from there, and put into words for a person. The
 * text of the journal is exact: what comes back compares equal in the engine.
 */
#ifndef MIGHOST_TRANSFORM_KEY_H
#define MIGHOST_TRANSFORM_KEY_H

#include "transform_shape.h"

#include <stdbool.h>

struct transform_key {
    bool set;
    size_t count;
    struct mig_value values[TRANSFORM_COLUMNS_MAX];
    struct arena texts; /* what the values point to */
};

void transform_key_clear(struct transform_key *key);
/* A copy; on failure the key stays as it was. */
mig_status transform_key_set(struct transform_key *key, const struct mig_value *values,
                             size_t count, struct mig_err *err);

/* As the journal has it; "" where the key is not set. Appends. */
void transform_key_write(const struct transform_key *key, struct buf *out);
/* The way back, for a key of `count` columns; "" unsets it. False: it is no such text. */
bool transform_key_read(struct transform_key *key, size_t count, const char *text);
/* The same of the front of a text, which then begins behind the key. */
bool transform_key_scan(struct transform_key *key, size_t count, const char **text);

/* "n" = 7, "s" = 'seven': for messages. Appends. */
void transform_key_say(const struct names *names, const struct mig_value *values, struct buf *out);

#endif
