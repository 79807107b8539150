/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements of the host that belong together, gathered one by one and run in
 * as few exchanges with the engine as the driver can. Owns copies of the
 * values; texts and bytes behind them are borrowed until the series has run.
 * What is wrong with a statement when it is added is said when it is to run.
 * It knows nothing of what they mean.
 */
#ifndef MIGHOST_SERIES_H
#define MIGHOST_SERIES_H

#include "err.h"
#include "mig/driver.h"

/* More than the longest series that the host has. */
#define SERIES_STATEMENTS 8
#define SERIES_VALUES 64

struct series {
    size_t count;
    size_t value_count;
    mig_status status; /* of the first addition that failed */
    struct mig_err err;
    struct mig_statement statements[SERIES_STATEMENTS];
    struct mig_value values[SERIES_VALUES];
};

void series_clear(struct series *series);
/* `rows`: how many it must change, or -1. */
void series_add(struct series *series, const char *text, const struct mig_value *values,
                size_t count, int64_t rows);
/* Keeps `status` with its sentence, to be answered by series_run(). */
void series_fail(struct series *series, const struct mig_err *err);
/* Runs what was added, with begin() before it unless `begin` is NULL and with
 * commit() behind it where `commit` says so. `*failed` as in mig/driver.h. */
mig_status series_run(const struct series *series, const struct mig_driver *driver,
                      struct mig_conn *conn, const struct mig_tx_options *begin, bool commit,
                      int64_t *failed, struct mig_err *err);

#endif
