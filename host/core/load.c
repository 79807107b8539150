/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of a load. The callback fills a batch, whose values are copied into
 * one arena, until it has its rows or its bytes; then the driver inserts it as
 * a whole. Rows are counted as the callback is called, those left out included,
 * so that a number in a message leads its author to the row.
 */
#include "load.h"

#include "columns.h"
#include "text.h"

#define CALLER "mig_load"
#define BATCH_ROWS 50000              /* what a COPY costs beside its rows is paid seldom */
#define BATCH_BYTES ((size_t)4 << 20) /* of texts and blobs, and of values as well */
#define COLUMNS_MAX 2000

struct load {
    struct db *db;
    const struct mig_load *spec;
    struct arena names;
    const char *table;
    struct names columns;
    size_t room; /* rows of a batch, at most */
    struct mig_value *values;
    int64_t *numbers; /* of the batch's rows */
    struct arena texts;
    size_t rows; /* in the batch */
    int64_t asked;
    int64_t done;
    bool ended;
};

static void load_clear(struct load *load)
{
    arena_clear(&load->names);
    arena_clear(&load->texts);
    free(load->values);
    free(load->numbers);
}
AUTO_VALUE(load, struct load, load_clear)

static mig_status load_prepare(struct load *load, struct mig_err *err)
{
    const struct mig_load *spec = load->spec;
    size_t fit;

    MIG_TRY(names_table(&load->names, CALLER, spec->table, &load->table, err));
    MIG_TRY(names_parse(&load->names, CALLER, spec->columns, COLUMNS_MAX, &load->columns, err));
    if (load->columns.count == 0)
        return err_set(err, MIG_E_MISUSE, CALLER ": .columns names no column");
    fit = BATCH_BYTES / (load->columns.count * sizeof *load->values);
    load->room = spec->size >= sizeof *spec && spec->batch ? spec->batch : BATCH_ROWS;
    load->room = load->room < fit ? load->room : fit;
    load->values = calloc(load->room * load->columns.count, sizeof *load->values);
    load->numbers = calloc(load->room, sizeof *load->numbers);
    return load->values && load->numbers ? MIG_OK : err_nomem(err);
}

/* --- filling a batch -------------------------------------------------------------- */

static mig_status next_failed(const struct load *load, mig_status status, struct mig_err *err)
{
    if (status > 0)
        return err_set(err, MIG_E_MISUSE,
                       "the callback answered %d at row %lld of the load into table %s: MIG_ROW, "
                       "MIG_SKIP, MIG_OK or a failure is expected",
                       (int)status, (long long)load->asked, load->spec->table);
    return db_callback_failed(load->db, status, err,
                              "the callback failed at row %lld of the load into table %s",
                              (long long)load->asked, load->spec->table);
}

static size_t row_bytes(const struct mig_value *values, size_t count)
{
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += values[i].type == MIG_TEXT || values[i].type == MIG_BLOB ? values[i].len : 0;
    return bytes;
}

/* Calls back once: MIG_ROW, MIG_SKIP, MIG_OK, or a failure. */
static mig_status row_fill(struct load *load, struct mig_value *values, struct mig_err *err)
{
    struct row row = {
        .base.db = db_handle(load->db),
        .writes = values,
        .count = load->columns.count,
        .texts = &load->texts,
    };
    mig_status status;

    memset(values, 0, row.count * sizeof *values);
    load->asked++;
    db_callback_begin(load->db);
    status = load->spec->next(&row.base, load->spec->user);
    if (row.nomem)
        return err_nomem(err);
    if (status == MIG_OK || status == MIG_ROW || status == MIG_SKIP)
        return status;
    return next_failed(load, status, err);
}

static mig_status batch_fill(struct load *load, struct mig_err *err)
{
    size_t count = load->columns.count;
    size_t bytes = 0;

    load->rows = 0;
    for (size_t calls = 0; calls < load->room && bytes < BATCH_BYTES; calls++) {
        struct mig_value *values = &load->values[load->rows * count];
        mig_status status = row_fill(load, values, err);

        if (status < 0)
            return status;
        load->ended = status == MIG_OK;
        if (load->ended)
            return MIG_OK;
        bytes += row_bytes(values, count); /* of a row left out as well: it was copied */
        if (status == MIG_ROW)
            load->numbers[load->rows++] = load->asked;
    }
    return MIG_OK;
}

/* --- inserting it ------------------------------------------------------------------ */

static mig_status insert_failed(const struct load *load, size_t row, struct mig_err *err)
{
    err->offset = -1; /* it would be one in a text that the author never saw */
    if (row < load->rows)
        return err_wrap(err, "loading row %lld into table %s", (long long)load->numbers[row],
                        load->spec->table);
    return err_wrap(err, "loading rows %lld to %lld into table %s", (long long)load->numbers[0],
                    (long long)load->numbers[load->rows - 1], load->spec->table);
}

static mig_status batch_insert(struct load *load, struct mig_err *err)
{
    const struct db_config *config = &load->db->config;
    const struct mig_batch batch = {
        .size = sizeof batch,
        .table = load->table,
        .writes = load->columns.quoted,
        .write_count = load->columns.count,
        .rows = load->rows,
        .news = load->values,
    };
    size_t failed_row = load->rows;

    if (load->rows == 0)
        return MIG_OK;
    if (config->driver->insert_batch(config->conn, &batch, &failed_row, err) < 0)
        return insert_failed(load, failed_row, err);
    load->done += (int64_t)load->rows;
    if (config->progress)
        config->progress(config->ctx, load->done, 0);
    return MIG_OK;
}

static mig_status stop_asked(const struct load *load, struct mig_err *err)
{
    const struct db_config *config = &load->db->config;
    mig_status status = config->cancelled ? config->cancelled(config->ctx) : MIG_OK;

    if (status == MIG_OK)
        return MIG_OK;
    return err_set(err, status, "%s after %lld rows loaded into table %s", status_text(status),
                   (long long)load->done, load->spec->table);
}

/* Whether the driver is new enough to load at all. */
static bool can_load(const struct mig_driver *driver)
{
    return driver->size >=
               offsetof(struct mig_driver, insert_batch) + sizeof driver->insert_batch &&
           driver->insert_batch;
}

mig_status load_run(struct db *db, const struct mig_load *spec, int64_t *rows, struct mig_err *err)
{
    AUTO(load) struct load load = {.db = db, .spec = spec};

    if (!can_load(db->config.driver))
        return err_set(err, MIG_E_UNSUPPORTED, "the driver %s cannot load",
                       db->config.driver->name);
    MIG_TRY(load_prepare(&load, err));
    while (!load.ended) {
        MIG_TRY(stop_asked(&load, err));
        MIG_TRY(batch_fill(&load, err));
        MIG_TRY(batch_insert(&load, err));
        arena_clear(&load.texts);
    }
    *rows = load.done;
    return MIG_OK;
}
