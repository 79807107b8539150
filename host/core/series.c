/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements gathered to be run together. The room is fixed: the longest
 * series of the host is known, and a longer one is a mistake of ours, which is
 * answered as such.
 */
#include "series.h"

void series_clear(struct series *series)
{
    series->count = series->value_count = 0;
    series->status = MIG_OK;
}

void series_fail(struct series *series, const struct mig_err *err)
{
    if (series->status < 0)
        return;
    series->err = *err;
    series->status = err->status;
}

void series_add(struct series *series, const char *text, const struct mig_value *values,
                size_t count, int64_t rows)
{
    struct mig_value *copy = series->values + series->value_count;
    struct mig_err err;

    if (series->count == SERIES_STATEMENTS || count > SERIES_VALUES - series->value_count) {
        err_set(&err, MIG_E_INTERNAL, "more statements were put together than there is room for");
        series_fail(series, &err);
        return;
    }
    if (count)
        memcpy(copy, values, count * sizeof *values);
    series->value_count += count;
    series->statements[series->count++] = (struct mig_statement){
        .text = text,
        .len = strlen(text),
        .values = copy,
        .value_count = count,
        .rows = rows,
    };
}

mig_status series_run(const struct series *series, const struct mig_driver *driver,
                      struct mig_conn *conn, const struct mig_tx_options *begin, bool commit,
                      int64_t *failed, struct mig_err *err)
{
    const struct mig_series whole = {
        .size = sizeof whole,
        .begin = begin,
        .statements = series->statements,
        .count = series->count,
        .commit = commit,
    };

    *failed = MIG_SERIES_BEGIN;
    if (series->status < 0) {
        *err = series->err;
        return series->status;
    }
    return driver->run_series(conn, &whole, failed, err);
}
