/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bracket around a migration's own work, one for each mode. In all three
 * the history row comes first: inserted (or, going down, marked) before the
 * work and finished after it. The primary key then refuses a second host, and
 * a row left `running` shows that a transaction was ended behind our back. An
 * atomic text needs neither where it is alone in the database: see
 * row_comes_last().
 */
#include "apply_work.h"

#include "buf.h"
#include "clock.h"
#include "columns.h"
#include "fs.h"
#include "load.h"
#include "script.h"
#include "sha256.h"
#include "text.h"
#include "transform.h"
#include <errno.h>
#include <sys/stat.h>

static bool going_up(const struct work *work)
{
    return work->item->direction == MIGHOST_UP;
}

static int64_t elapsed_ms(const struct work *work)
{
    return (clock_mono_ns() - work->began_ns) / 1000000;
}

struct mig_tx_options work_tx_options(const struct work *work)
{
    const struct sql_settings *settings = &work->item->settings;

    return (struct mig_tx_options){
        .size = sizeof(struct mig_tx_options),
        .foreign_keys = settings->foreign_keys,
        .lock_timeout_ms = settings->lock_timeout_ms >= 0 ? settings->lock_timeout_ms
                                                          : work->session->lock_timeout_ms,
        .statement_timeout_ms = settings->statement_timeout_ms >= 0
                                    ? settings->statement_timeout_ms
                                    : work->session->statement_timeout_ms,
    };
}

/* --- events ---------------------------------------------------------------- */

void work_emit(struct work *work, struct mighost_event event)
{
    AUTO(free) char *shown = NULL;

    event.size = sizeof event;
    event.direction = work->item->direction;
    event.id = work->item->id_text;
    event.description = work->item->description;
    event.run_id = work->session->run_id;
    event.index = work->item->index;
    event.count = work->item->count;
    if (event.text && work->session->secrets) {
        shown = strdup(event.text); /* without memory for it, it is not shown */
        event.text = shown;
        if (shown)
            text_hide_values(shown, work->session->secrets);
    }
    if (!event.text)
        event.text = "";
    pthread_mutex_lock(&work->telling);
    work->session->listener(&event, work->session->user);
    pthread_mutex_unlock(&work->telling);
}

static void on_step(void *arg, int64_t finished)
{
    work_emit(arg, (struct mighost_event){.kind = MIGHOST_EVENT_STEP, .done = finished});
}

static mig_status on_again(void *arg, int attempt, struct mig_err *err)
{
    return work_again(arg, attempt, WORK_ATTEMPTS, err);
}

static void on_log(void *arg, enum mig_level level, const char *text)
{
    work_emit(arg, (struct mighost_event){.kind = MIGHOST_EVENT_LOG, .level = level, .text = text});
}

static void on_progress(void *arg, int64_t done, int64_t total)
{
    work_emit(arg,
              (struct mighost_event){.kind = MIGHOST_EVENT_PROGRESS, .done = done, .total = total});
}

/* --- the carrier ------------------------------------------------------------ */

static mig_status read_carry(struct work *work, struct mig_err *err)
{
    const struct sql_source *carry = &work->item->carry;

    if (!going_up(work) || carry->len < 0)
        return MIG_OK;
    if (!buf_reserve(&work->carry, (size_t)carry->len))
        return err_nomem(err);
    if (carry->data) {
        buf_add(&work->carry, carry->data, (size_t)carry->len);
    } else {
        MIG_TRY(fs_pread(carry->fd, carry->name, work->carry.data, (size_t)carry->len,
                         carry->offset, &work->carry.len, err));
        work->carry.data[work->carry.len] = '\0';
    }
    return sha256_once(work->carry.data, work->carry.len, work->carrier, err);
}

mig_status apply_carry_module(int memfd, const char *file, struct apply_item *item,
                              struct mig_err *err)
{
    struct stat facts;

    item->carry = (struct sql_source){.name = file, .fd = memfd, .len = -1};
    if (!item->module->down)
        return MIG_OK;
    if (fstat(memfd, &facts) != 0)
        return err_errno(err, MIG_E_IO, errno, "reading %s", file);
    item->carry.len = facts.st_size;
    return MIG_OK;
}

/* --- the history row --------------------------------------------------------- */

static struct applied row_of(const struct work *work)
{
    const struct apply_item *item = work->item;

    return (struct applied){
        .id = item->id,
        .id_text = item->id_text,
        .description = item->description,
        .kind = item->kind,
        .mode = item->mode,
        .checksum = item->checksum,
        .carrier = work->carrier,
        .run_id = work->session->run_id,
        .host_version = mighost_version(),
        .who = work->session->who,
        .signer = work->session->signer,
    };
}

/* Another host was faster: nothing is open and there is nothing to do. */
static mig_status note_skipped(struct work *work)
{
    work->driver->rollback(work->conn);
    work->skipped = true;
    return MIG_OK;
}

/* Looks what the history says now, after a row could not be inserted. */
static mig_status explain_double(struct work *work, struct mig_err *err)
{
    struct mig_err cause = *err;
    struct mig_err found;
    AUTO(applied_list) struct applied_list *list = NULL;

    work->driver->rollback(work->conn);
    if (history_find(work->session->history, work->item->id, &list, &found) < 0) {
        *err = cause;
        return err->status;
    }
    if (list->items[0].state == MIGHOST_APPLIED)
        return note_skipped(work);
    return err_set(err, MIG_E_HISTORY,
                   "migration %s is in the history as `%s` already: look with `mighost show %s`",
                   work->item->id_text, mighost_state_name(list->items[0].state),
                   work->item->id_text);
}

/* Where nobody else can write meanwhile, one INSERT at the end says it all. A module may
 * find a way to commit by itself: there the row has to tell of it. */
static bool row_comes_last(const struct work *work)
{
    return work->driver->alone && going_up(work) && work->item->mode == MIG_ATOMIC &&
           !work->item->module;
}

/* Begins, and up: inserts the row unless it comes last, down: marks it, in state `state`. Sets
 * work->skipped when another host has done it; then nothing is open. What the
 * connection loses here was not committed, so it is simply tried again. */
static mig_status row_enter(struct work *work, enum mighost_state state, struct mig_err *err)
{
    struct history *history = work->session->history;
    struct mig_tx_options options = work_tx_options(work);
    struct applied row = row_of(work);
    mig_status status;

    row.state = state;
    row.carrier = ""; /* it comes with its digest, at the end */
    MIG_TRY(history_hold(history, err));
    if (!going_up(work))
        history_mark(history, work->item->id, state, err);
    else if (!row_comes_last(work))
        history_add(history, &row, err);
    status = history_send(history, &options, false, err);
    if (status == MIG_E_CONSTRAINT && going_up(work))
        return explain_double(work, err);
    if (status == MIG_E_NOTFOUND && !going_up(work))
        return note_skipped(work);
    work->session->began = work->session->began || status != MIG_E_CONNECTION;
    work->entered = work->entered || status == MIG_OK;
    return status;
}

static mig_status log_attempt(struct work *work, const char *outcome, const char *error,
                              struct mig_err *err)
{
    struct attempt attempt = {
        .id_text = work->item->id_text,
        .action = going_up(work) ? "up" : "down",
        .outcome = outcome,
        .error = error,
        .started_at_ms = work->began_wall_ms,
        .duration_ms = elapsed_ms(work),
        .run_id = work->session->run_id,
        .who = work->session->who,
    };

    return history_log(work->session->history, &attempt, err);
}

/* The end of the record: log, last of all the row itself, and COMMIT. */
static mig_status row_finish(struct work *work, struct mig_err *err)
{
    struct history *history = work->session->history;
    const struct apply_item *item = work->item;
    struct applied row = row_of(work);

    row.state = MIGHOST_APPLIED;
    row.duration_ms = elapsed_ms(work);
    row.body = work->carry.data;
    row.body_len = work->carry.len;
    MIG_TRY(history_hold(history, err));
    if (!going_up(work)) {
        log_attempt(work, "rolled back", NULL, err);
        history_remove(history, item->id, err);
        return history_send(history, NULL, true, err);
    }
    if (row_comes_last(work))
        history_add(history, &row, err);
    log_attempt(work, "applied", NULL, err);
    if (item->mode == MIG_DURABLE)
        history_journal_clear(history, item->id, err);
    if (!row_comes_last(work))
        history_finish(history, &row, err);
    return history_send(history, NULL, true, err);
}

static mig_status tx_begin(struct work *work, struct mig_err *err)
{
    struct mig_tx_options options = work_tx_options(work);

    MIG_TRY(work->driver->begin(work->conn, &options, err));
    work->session->began = true;
    return MIG_OK;
}

static mig_status tx_commit(struct work *work, struct mig_err *err)
{
    return work->driver->commit(work->conn, err);
}

/* --- the migration's own work ------------------------------------------------ */

static struct script script_of(const struct work *work)
{
    return (struct script){
        .driver = work->driver,
        .conn = work->conn,
        .source = &work->item->text,
        .protect = history_prefix(work->session->history),
    };
}

/* What was run must be what was checked, also where the file changed since. */
static mig_status same_text(const struct work *work, const unsigned char checksum[32],
                            struct mig_err *err)
{
    char hex[HISTORY_HEX];

    sha256_hex(checksum, hex);
    if (!going_up(work) || strcmp(hex, work->item->checksum) == 0)
        return MIG_OK;
    return err_set(err, MIG_E_BUNDLE, "%s changed while it was being run", work->item->text.name);
}

static mig_status run_text(struct work *work, struct mig_err *err)
{
    struct script script = script_of(work);
    unsigned char checksum[32];

    MIG_TRY(script_run(&script, checksum, err));
    return same_text(work, checksum, err);
}

static mig_status step_begin(void *arg, const char *kind, const char *text, bool *skip,
                             struct mig_err *err)
{
    struct work *work = arg;

    return durable_begin(&work->durable, kind, text, strlen(text), skip, err);
}

static mig_status step_end(void *arg, struct mig_err *err)
{
    struct work *work = arg;

    return durable_end(&work->durable, err);
}

static mig_status step_again(void *arg, int attempt, struct mig_err *err)
{
    struct work *work = arg;

    return durable_again(&work->durable, attempt, err);
}

static mig_status is_cancelled(void *arg)
{
    const struct work *work = arg;

    return work->session->cancelled ? work->session->cancelled(work->session->cancel_arg) : MIG_OK;
}

/* Calls one function of the module; in mode durable its calls are steps. */
static mig_status call_module(struct work *work, mig_entry entry, enum mig_mode mode,
                              struct mig_err *err)
{
    bool durable = mode == MIG_DURABLE;
    const struct db_config config = {
        .driver = work->driver,
        .conn = work->conn,
        .params = work->session->params,
        .secrets = work->session->secrets,
        .protect = history_prefix(work->session->history),
        .mode = mode,
        .log = on_log,
        .progress = on_progress,
        .cancelled = is_cancelled,
        .step_begin = durable ? step_begin : NULL,
        .step_end = durable ? step_end : NULL,
        .step_again = durable ? step_again : NULL,
        .transform = work_transform,
        .row_get = row_get,
        .row_set = row_set,
        .load = load_run,
        .ctx = work,
    };
    AUTO(free) struct db *db = calloc(1, sizeof *db);
    mig_status status;
    bool jumped;

    if (!db)
        return err_nomem(err);
    db_open(db, &config);
    status = entry(db_handle(db));
    if (!db_came_back(db)) /* a COMMIT or ROLLBACK here would be the parent's */
        _exit(EXIT_FAILURE);
    jumped = db_jumped(db);
    db_close(db);
    if (jumped)
        work->driver->rollback(work->conn);
    return db_outcome(db, status, err);
}

static mig_status run_module(struct work *work, struct mig_err *err)
{
    const struct mig_module *module = work->item->module;

    return call_module(work, going_up(work) ? module->up : module->down, work->item->mode, err);
}

/* Looks, in the transaction that will end the record, whether what was applied
 * is as it should be. */
static mig_status verify(struct work *work, struct mig_err *err)
{
    const struct mig_module *module = work->item->module;
    struct script script = script_of(work);

    if (!going_up(work))
        return MIG_OK;
    script.source = &work->item->verify;
    if (!module)
        return work->item->verify.len < 0 ? MIG_OK : script_verify(&script, err);
    if (!module->verify || call_module(work, module->verify, MIG_ATOMIC, err) == MIG_OK)
        return MIG_OK;
    if (err->status == MIG_E_FAILED)
        err->status = MIG_E_VERIFY;
    return err_wrap(err, "verifying");
}

static mig_status verify_and_finish(struct work *work, struct mig_err *err)
{
    MIG_TRY(verify(work, err));
    return row_finish(work, err);
}

static mig_status run_body(struct work *work, struct mig_err *err)
{
    return work->item->module ? run_module(work, err) : run_text(work, err);
}

/* Which limit a statement ran into: the driver, which stopped it, does not know. */
static void say_limit(const struct work *work, struct mig_err *err)
{
    const struct apply_session *session = work->session;
    char limit[TEXT_SHORT];

    if (err->status != MIG_E_TIMEOUT || session->timeout_ms <= 0 || !session->cancelled ||
        session->cancelled(session->cancel_arg) != MIG_E_TIMEOUT)
        return;
    text_duration(limit, session->timeout_ms);
    err_append(err, "--timeout allows %s for one migration", limit);
}

/* --- mode atomic -------------------------------------------------------------- */

static mig_status atomic_once(struct work *work, struct mig_err *err)
{
    MIG_TRY(row_enter(work, MIGHOST_RUNNING, err));
    if (work->skipped)
        return MIG_OK;
    MIG_TRY(run_body(work, err));
    if (!work->driver->in_tx(work->conn))
        return err_set(err, MIG_E_FAILED, "the engine ended the transaction by itself");
    return verify_and_finish(work, err);
}

/* Whether the history has the migration in that state, our transaction being gone. */
static bool stands_as(const struct work *work, enum mighost_state state)
{
    AUTO(applied_list) struct applied_list *list = NULL;
    struct mig_err ignored;

    return history_find(work->session->history, work->item->id, &list, &ignored) == MIG_OK &&
           list->items[0].state == state;
}

/* Where the row comes last, it shows only by the failure that another host has done the
 * same before us, whom the lock should have kept out. */
static bool done_by_another(const struct work *work)
{
    return row_comes_last(work) && stands_as(work, MIGHOST_APPLIED);
}

/* Where it came first, something in the migration has committed it. */
static bool has_committed(const struct work *work)
{
    return work->entered && !row_comes_last(work) && stands_as(work, MIGHOST_RUNNING);
}

static mig_status atomic_broken(const struct work *work, struct mig_err *err)
{
    err->status = MIG_E_PARTIAL;
    return err_append(err,
                      "it has ended the host's transaction by itself, and what it committed so "
                      "stands: look, then `mighost resolve %s` with --retry, --applied or "
                      "--reverted",
                      work->item->id_text);
}

/* Where the connection was lost, whoever called reads what is left. */
static mig_status run_atomic(struct work *work, struct mig_err *err)
{
    mig_status status = atomic_once(work, err);

    for (int attempt = 1; status < 0 && status != MIG_E_OUTCOME && status != MIG_E_CONNECTION;
         attempt++) {
        work->driver->rollback(work->conn);
        if (done_by_another(work))
            return note_skipped(work);
        if (has_committed(work))
            return atomic_broken(work, err);
        if (work_again(work, attempt, WORK_ATTEMPTS, err) < 0) {
            say_limit(work, err);
            return err_append(err, "nothing of this migration is left, those before it stand");
        }
        status = atomic_once(work, err);
    }
    return status;
}

/* --- mode durable -------------------------------------------------------------- */

static enum mighost_state durable_state(const struct work *work)
{
    return going_up(work) ? MIGHOST_PARTIAL : MIGHOST_REVERTING;
}

/* Makes sure that the row stands, in a transaction of its own; `*fresh`: this
 * run is the first attempt. */
static mig_status durable_enter(struct work *work, bool *fresh, struct mig_err *err)
{
    struct history *history = work->session->history;
    AUTO(applied_list) struct applied_list *list = NULL;
    mig_status status = history_find(history, work->item->id, &list, err);

    if (status < 0 && status != MIG_E_NOTFOUND)
        return status;
    *fresh = status < 0 || list->items[0].state != durable_state(work);
    if (!*fresh)
        return MIG_OK;
    if (status == MIG_OK && going_up(work) && list->items[0].state == MIGHOST_APPLIED)
        return note_skipped(work);
    MIG_TRY(row_enter(work, durable_state(work), err));
    return work->skipped ? MIG_OK : tx_commit(work, err);
}

/* Before the first step has finished nothing has happened: take the row back. */
static mig_status durable_leave(struct work *work, struct mig_err *err)
{
    struct mig_err ignored;
    struct history *history = work->session->history;
    mig_status status = tx_begin(work, &ignored);

    if (status == MIG_OK)
        status = history_journal_clear(history, work->item->id, &ignored);
    if (status == MIG_OK)
        status = going_up(work) ? history_remove(history, work->item->id, &ignored)
                                : history_mark(history, work->item->id, MIGHOST_APPLIED, &ignored);
    if (status == MIG_OK)
        status = tx_commit(work, &ignored);
    if (status < 0)
        work->driver->rollback(work->conn);
    return err_append(err, "nothing of this migration is left, those before it stand");
}

/* Which steps, and which batches of the one that failed, need not run again. */
static void say_standing(int64_t steps, const struct journal_row *row, struct buf *out)
{
    bool batches = row->done > 0 && !row->finished;

    if (steps > 0)
        buf_printf(out, "%lld finished step%s", (long long)steps, steps == 1 ? "" : "s");
    if (batches)
        buf_printf(out, "%sthe batches of step %lld that were committed", steps > 0 ? " and " : "",
                   (long long)row->step);
    if (out->len == 0)
        buf_puts(out, "no step has finished");
    else
        buf_printf(out, " stand%s and will not run again", steps == 1 && !batches ? "s" : "");
}

static mig_status durable_failed(struct work *work, bool fresh, struct mig_err *err)
{
    bool by_request = err->status == MIG_E_INTERRUPTED || err->status == MIG_E_TERMINATED;
    int64_t steps = work->durable.finished;
    int64_t rows = work->durable.row.done;
    bool untouched = fresh && steps == 0 && rows == 0 && !work->durable.started;
    AUTO(buf) struct buf standing = {0};

    say_standing(steps, &work->durable.row, &standing);
    durable_close(&work->durable);
    say_limit(work, err);
    if (err->status == MIG_E_CONNECTION || err->status == MIG_E_OUTCOME)
        return err_append(err, "it stopped behind step %lld: run the command again to go on",
                          (long long)steps);
    if (untouched && err->status != MIG_E_PARTIAL)
        return durable_leave(work, err);
    if (work->durable.started)
        err_append(err, "what the statement left behind is looked at before it is repeated");
    if (err->status != MIG_E_HISTORY && err->status != MIG_E_VERIFY && !by_request)
        err->status = MIG_E_PARTIAL;
    return err_append(err, "%s: %s", buf_text(&standing),
                      by_request ? "run the command again to go on"
                                 : "mend the cause and run the command again; a file that you "
                                   "changed needs `mighost resolve ID --retry` first");
}

static mig_status run_durable(struct work *work, struct mig_err *err)
{
    struct script script = script_of(work);
    bool fresh = false;
    mig_status status;

    MIG_TRY(durable_enter(work, &fresh, err));
    if (work->skipped)
        return MIG_OK;
    work->durable = (struct durable){
        .driver = work->driver,
        .conn = work->conn,
        .history = work->session->history,
        .id = work->item->id,
        .tx = work_tx_options(work),
        .batch = work_batch_options(work),
        .on_step = on_step,
        .again = on_again,
        .arg = work,
    };
    status = durable_open(&work->durable, err);
    if (status == MIG_OK)
        status =
            work->item->module ? run_module(work, err) : durable_run(&work->durable, &script, err);
    if (status == MIG_OK)
        status = tx_begin(work, err);
    if (status == MIG_OK)
        status = verify_and_finish(work, err);
    if (status < 0)
        return durable_failed(work, fresh, err);
    durable_close(&work->durable);
    return MIG_OK;
}

/* --- mode none ------------------------------------------------------------------ */

static mig_status none_text(struct work *work, struct mig_err *err)
{
    struct script script = script_of(work);
    struct sql_statement statement;
    AUTO(sql_reader) struct sql_reader *reader = NULL;
    mig_status status;

    if (work->item->module)
        return run_module(work, err);
    MIG_TRY(sql_reader_open(script.source, work->driver->lexis, &reader, err));
    while ((status = sql_reader_next(reader, &statement, err)) == MIG_ROW)
        if (statement.class == SQL_PLAIN)
            MIG_TRY(script_run_statement(&script, &statement, err));
    return status;
}

static mig_status none_failed(struct work *work, struct mig_err *err)
{
    struct mig_err ignored;
    mig_status status = tx_begin(work, &ignored);

    say_limit(work, err);
    if (status == MIG_OK)
        status = history_set_state(work->session->history, work->item->id, MIGHOST_FAILED,
                                   elapsed_ms(work), &ignored);
    if (status == MIG_OK)
        status = tx_commit(work, &ignored);
    if (status < 0)
        work->driver->rollback(work->conn);
    if (err->status != MIG_E_VERIFY)
        err->status = MIG_E_PARTIAL;
    return err_append(err,
                      "it runs without a transaction, so what ran before this point stands: "
                      "look, then `mighost resolve %s` with --retry, --applied or --reverted",
                      work->item->id_text);
}

static mig_status run_none(struct work *work, struct mig_err *err)
{
    mig_status status;

    MIG_TRY(row_enter(work, MIGHOST_RUNNING, err));
    if (work->skipped)
        return MIG_OK;
    MIG_TRY(tx_commit(work, err));
    status = none_text(work, err);
    if (status == MIG_OK)
        status = tx_begin(work, err);
    if (status == MIG_OK)
        status = verify_and_finish(work, err);
    if (status == MIG_OK || status == MIG_E_OUTCOME)
        return status;
    work->driver->rollback(work->conn);
    return none_failed(work, err);
}

/* --- all together ---------------------------------------------------------------- */

/* The log's row of a failure, in a transaction of its own. A failure of that
 * must not hide the first one. */
static void log_failure(struct work *work, const struct mig_err *err)
{
    char text[sizeof err->where + sizeof ": " + sizeof err->message];
    struct mig_err ignored;

    if (err->status == MIG_E_CONNECTION || err->status == MIG_E_OUTCOME)
        return;
    snprintf(text, sizeof text, "%s%s%s", err->where, err->where[0] ? ": " : "", err->message);
    if (tx_begin(work, &ignored) == MIG_OK &&
        log_attempt(work, "failed", text, &ignored) == MIG_OK &&
        tx_commit(work, &ignored) == MIG_OK)
        return;
    work->driver->rollback(work->conn);
}

mig_status apply_migration(struct apply_session *session, const struct apply_item *item,
                           enum apply_outcome *out, struct mig_err *err)
{
    static mig_status (*const run[])(struct work *, struct mig_err *) = {
        [MIG_ATOMIC] = run_atomic,
        [MIG_DURABLE] = run_durable,
        [MIG_NONE] = run_none,
    };
    struct work work = {
        .session = session,
        .item = item,
        .driver = session->driver,
        .conn = session->conn,
        .began_wall_ms = clock_wall_ms(),
        .began_ns = clock_mono_ns(),
        .telling = PTHREAD_MUTEX_INITIALIZER,
    };
    mig_status status;

    session->began = false;
    status = read_carry(&work, err);
    if (status == MIG_OK)
        status = run[item->mode](&work, err);
    buf_clear(&work.carry);
    if (status < 0) {
        text_hide_values(err->message, session->secrets);
        session->driver->rollback(session->conn);
        log_failure(&work, err);
        return status;
    }
    *out = work.skipped ? APPLY_SKIPPED : APPLY_DONE;
    return MIG_OK;
}
