/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a module says of tables and columns, and the rows that its callbacks
 * hold: names as they stand in a specification become quoted ones, values that
 * a callback sets are copied. Everything is kept in the caller's arenas. Knows
 * neither the loops that use it nor the database.
 */
#ifndef MIGHOST_COLUMNS_H
#define MIGHOST_COLUMNS_H

#include "arena.h"
#include "err.h"

#include <stdbool.h>

struct names {
    size_t count;
    const char **quoted;
};

/* Splits "a, b" at its commas; a name in double quotes is taken as it is.
 * `caller` is for the message: "mig_load". More than `most` are refused. */
mig_status names_parse(struct arena *arena, const char *caller, const char *list, size_t most,
                       struct names *out, struct mig_err *err);
/* "schema.table" becomes "schema"."table", each in quotes. */
mig_status names_table(struct arena *arena, const char *caller, const char *name, const char **out,
                       struct mig_err *err);
/* Whether the name of such a table begins so, whatever its schema; in any case. */
bool names_begin_with(const char *table, const char *prefix);

/* A row while its callback runs. */
struct row {
    struct mig_row base; /* what the callback holds; first */
    const struct mig_value *reads;
    struct mig_value *writes;
    size_t count; /* columns of the one that is used */
    struct arena *texts;
    bool nomem;
};

/* For the API table. */
mig_status row_get(const struct mig_row *row, int column, struct mig_value *out);
mig_status row_set(struct mig_row *row, int column, const struct mig_value *value);

mig_status value_copy(struct arena *arena, const struct mig_value *from, struct mig_value *to,
                      struct mig_err *err);

#endif
