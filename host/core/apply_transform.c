/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transform inside a migration: its limits come from the session, its marks
 * go into the journal where the mode is durable, and what it has to say becomes
 * events. In mode atomic it runs in the transaction of its migration, in mode
 * none each of its batches has one and no mark is kept.
 */
#include "apply_work.h"

#include "columns.h"
#include "transform.h"

/* While it waits for one of its rows a batch holds others, so it does not wait for
 * long: it is taken back and tried again. */
struct mig_tx_options work_batch_options(const struct work *work)
{
    struct mig_tx_options options = work_tx_options(work);

    if (options.lock_timeout_ms == 0 || options.lock_timeout_ms > TRANSFORM_BATCH_MS)
        options.lock_timeout_ms = TRANSFORM_BATCH_MS;
    return options;
}

static mig_status on_commit(void *ctx, const struct transform_mark *mark, struct mig_err *err)
{
    struct work *work = ctx;
    const struct journal_row row = {
        .cursor = mark->cursor,
        .done = mark->done,
        .rejected = mark->rejected,
        .total = mark->total,
    };

    return durable_commit(&work->durable, &row, err);
}

static mig_status on_begin(void *ctx, struct mig_err *err)
{
    struct work *work = ctx;

    return durable_next(&work->durable, err);
}

/* Nothing of the step but its batch is taken back: what is journaled stands. */
static mig_status on_again(void *ctx, int attempt, struct mig_err *err)
{
    struct work *work = ctx;

    work->driver->rollback(work->conn);
    MIG_TRY(work_again(work, attempt, WORK_BATCH_ATTEMPTS, err));
    return durable_next(&work->durable, err);
}

static void on_warn(void *ctx, const char *text)
{
    work_emit(ctx, (struct mighost_event){.kind = MIGHOST_EVENT_WARNING, .text = text});
}

static void on_progress(void *ctx, const struct transform_progress *progress)
{
    work_emit(ctx, (struct mighost_event){
                       .kind = MIGHOST_EVENT_PROGRESS,
                       .done = progress->done,
                       .total = progress->total,
                       .rate = progress->rate,
                       .eta_ms = progress->eta_ms,
                       .batch = progress->batch,
                       .rejected = progress->rejected,
                       .pace = progress->pace,
                   });
}

static bool on_paused(void *ctx)
{
    const struct apply_session *session = ((const struct work *)ctx)->session;

    return session->paused && session->paused(session->cancel_arg);
}

/* --- further connections ----------------------------------------------------------- */

struct seat {
    struct transform_seat base; /* first */
    struct work *work;
    mig_status (*stopped)(void *arg);
    void *arg;
    struct session session;
    struct durable_part part;
    struct db db;
};

static struct seat *seat_of(struct transform_seat *seat)
{
    return (struct seat *)(void *)seat;
}

static mig_status on_divide(void *ctx, const struct journal_row *parts, size_t count,
                            const struct transform_mark *mark, struct mig_err *err)
{
    struct work *work = ctx;
    const struct journal_row row = {.cursor = mark->cursor, .total = mark->total};

    return durable_divide(&work->durable, parts, count, &row, err);
}

static mig_status seat_stopped(void *arg)
{
    const struct seat *seat = arg;

    return seat->stopped(seat->arg);
}

static void seat_log(void *arg, enum mig_level level, const char *text)
{
    const struct seat *seat = arg;

    work_emit(seat->work,
              (struct mighost_event){.kind = MIGHOST_EVENT_LOG, .level = level, .text = text});
}

static void on_thread(const struct work *work, bool begins)
{
    if (work->session->on_thread)
        work->session->on_thread(begins);
}

static mig_status seat_connect(struct seat *seat, struct mig_err *err)
{
    const struct apply_session *session = seat->work->session;
    struct session_config config = *session->session_config;

    config.cancelled = seat_stopped;
    config.cancel_arg = seat;
    config.listener = NULL;
    seat->session.plugin = session->session->plugin;
    if (session_open(&seat->session, &config, SESSION_JOIN, err) == MIG_OK)
        return MIG_OK;
    return err_wrap(err, "another connection for a worker (--workers says how many there may be)");
}

/* The handle of one lane's callback. */
static void seat_handle(struct seat *seat)
{
    const struct work *work = seat->work;
    const struct db_config config = {
        .driver = seat->session.driver,
        .conn = seat->session.conn,
        .params = work->session->params,
        .secrets = work->session->secrets,
        .protect = history_prefix(work->session->history),
        .mode = MIG_DURABLE,
        .log = seat_log,
        .cancelled = seat_stopped,
        .row_get = row_get,
        .row_set = row_set,
        .ctx = seat,
    };

    db_open(&seat->db, &config);
    db_guard(&seat->db, false);
    seat->db.callback = "transform";
}

static mig_status on_seat_open(void *ctx, mig_status (*stopped)(void *arg), void *arg,
                               struct transform_seat **out, struct mig_err *err)
{
    struct work *work = ctx;
    AUTO(free) struct seat *seat = calloc(1, sizeof *seat);

    if (!seat)
        return err_nomem(err);
    seat->work = work;
    seat->stopped = stopped;
    seat->arg = arg;
    MIG_TRY(seat_connect(seat, err));
    seat_handle(seat);
    seat->part = (struct durable_part){
        .durable = &work->durable,
        .conn = seat->session.conn,
        .history = seat->session.history,
    };
    seat->base.db = &seat->db;
    on_thread(work, true);
    *out = &TAKE(seat)->base;
    return MIG_OK;
}

static void on_seat_close(struct transform_seat *base)
{
    struct seat *seat = seat_of(base);

    on_thread(seat->work, false);
    db_close(&seat->db);
    session_close(&seat->session);
    free(seat);
}

static mig_status on_seat_begin(struct transform_seat *seat, struct mig_err *err)
{
    return durable_part_begin(&seat_of(seat)->part, err);
}

static mig_status on_seat_again(struct transform_seat *base, int attempt, struct mig_err *err)
{
    struct seat *seat = seat_of(base);

    seat->session.driver->rollback(seat->session.conn);
    MIG_TRY(
        work_again_unless(seat->work, attempt, WORK_BATCH_ATTEMPTS, seat->stopped, seat->arg, err));
    return durable_part_begin(&seat->part, err);
}

static mig_status on_seat_commit(struct transform_seat *seat, const struct journal_row *part,
                                 const char *was, struct mig_err *err)
{
    return durable_part_commit(&seat_of(seat)->part, part, was, err);
}

static const struct transform_owner owner_durable = {
    .commit = on_commit,
    .begin = on_begin,
    .again = on_again,
    .warn = on_warn,
    .progress = on_progress,
    .paused = on_paused,
    .divide = on_divide,
    .seat_open = on_seat_open,
    .seat_close = on_seat_close,
    .seat_begin = on_seat_begin,
    .seat_again = on_seat_again,
    .seat_commit = on_seat_commit,
};

static const struct transform_owner owner_atomic = {
    .warn = on_warn,
    .progress = on_progress,
    .paused = on_paused,
};

/* --- without a journal --------------------------------------------------------------- */

static mig_status none_begin(void *ctx, struct mig_err *err)
{
    struct work *work = ctx;
    struct mig_tx_options options = work_batch_options(work);

    return work->driver->begin(work->conn, &options, err);
}

static mig_status none_commit(void *ctx, const struct transform_mark *mark, struct mig_err *err)
{
    struct work *work = ctx;

    (void)mark;
    return work->driver->commit(work->conn, err);
}

static mig_status none_again(void *ctx, int attempt, struct mig_err *err)
{
    struct work *work = ctx;

    work->driver->rollback(work->conn);
    MIG_TRY(work_again(work, attempt, WORK_BATCH_ATTEMPTS, err));
    return none_begin(work, err);
}

static const struct transform_owner owner_none = {
    .commit = none_commit,
    .begin = none_begin,
    .again = none_again,
    .warn = on_warn,
    .progress = on_progress,
    .paused = on_paused,
};

/* The batches before one that fails stay, as with all that such a migration does. */
static mig_status run_none(struct work *work, struct transform *transform, struct mig_err *err)
{
    mig_status status;

    transform->owner = &owner_none;
    MIG_TRY(none_begin(work, err));
    status = transform_run(transform, err);
    if (status == MIG_OK)
        return work->driver->commit(work->conn, err);
    work->driver->rollback(work->conn);
    return status;
}

/* --- the transform ----------------------------------------------------------------- */

static mig_status run_atomic(struct work *work, struct transform *transform, struct mig_err *err)
{
    (void)work;
    transform->owner = &owner_atomic;
    return transform_run(transform, err);
}

static mig_status run_durable(struct work *work, struct transform *transform, struct mig_err *err)
{
    struct journal_row *row = &work->durable.row;
    mig_status status;

    transform->owner = &owner_durable;
    transform->from = (struct transform_mark){
        .cursor = row->cursor,
        .done = row->done,
        .rejected = row->rejected,
        .total = row->total,
    };
    transform->part_count = durable_parts(&work->durable, &transform->parts);
    status = transform_run(transform, err);
    if (transform->reached.total) {
        row->done = transform->reached.done;
        row->rejected = transform->reached.rejected;
        row->total = transform->reached.total;
    }
    return status;
}

mig_status work_transform(struct db *db, const struct mig_transform *spec, struct mig_err *err)
{
    static mig_status (*const run[])(struct work *, struct transform *, struct mig_err *) = {
        [MIG_ATOMIC] = run_atomic,
        [MIG_DURABLE] = run_durable,
        [MIG_NONE] = run_none,
    };
    struct work *work = db->config.ctx;
    const struct apply_session *session = work->session;
    struct transform transform = {
        .db = db,
        .spec = spec,
        .limits = {.max_rejects = session->max_rejects,
                   .throttle = session->throttle,
                   .max_lag_ms = session->max_lag_ms,
                   .workers = session->session_config ? session->workers : 1},
        .spots = session->spots,
        .spot_count = session->spot_count,
        .ctx = work,
    };

    return run[work->item->mode](work, &transform, err);
}
