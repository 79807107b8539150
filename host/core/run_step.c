/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One step of a plan: in this process, or in a worker, whose session it then
 * is. However it ends, the history is asked what became of it; what a worker,
 * a signal or a broken connection says explains the answer and is never the
 * answer.
 */
#include "run_step.h"

#include "clock.h"
#include "script.h"
#include "verdict.h"
#include "worker_link.h"

/* --- one step in this process --------------------------------------------------------- */

static struct apply_session apply_session_of(struct run *run)
{
    const struct mighost_config *config = run->config->config;

    return (struct apply_session){
        .driver = run->session.driver,
        .conn = run->session.conn,
        .history = run->session.history,
        .run_id = run->result.run_id,
        .who = run->who,
        .signer = run_signer(run),
        .params = config->params,
        .secrets = config->secrets,
        .lock_timeout_ms = config->lock_timeout_ms > 0 ? config->lock_timeout_ms : 0,
        .statement_timeout_ms = config->statement_timeout_ms,
        .timeout_ms = config->timeout_ms,
        .max_rejects = config->max_rejects,
        .throttle = config->throttle,
        .max_lag_ms = config->max_lag_ms,
        .listener = config->listener,
        .user = config->user,
        .cancelled = run_cancelled,
        .paused = run_paused,
        .session = &run->session,
        .session_config = &run->session_config,
        .workers = config->workers,
        .cancel_arg = run,
    };
}

static enum mig_mode step_mode(const struct plan_step *step, const struct sql_facts *facts)
{
    if (facts->settings.has_mode)
        return facts->settings.mode;
    if (material_kind(step) == MIGHOST_NATIVE || material_kind(step) == MIGHOST_REGISTERED)
        return step->migration ? step->migration->mode : step->applied->mode;
    return MIG_ATOMIC;
}

static struct apply_item item_of(const struct run *run, const struct plan_step *step,
                                 const struct material *material, size_t index)
{
    struct apply_item item = {
        .direction = step->direction,
        .id = step_number(step),
        .id_text = step_id(step),
        .description = step_description(step),
        .kind = material_kind(step),
        .mode = step_mode(step, &material->facts),
        .settings = material->facts.settings,
        .index = index,
        .count = run->count,
        .text = material->text,
        .carry = material->carry,
        .verify = material->verify,
    };

    memcpy(item.checksum, material->checksum, sizeof item.checksum);
    if (material_kind(step) == MIGHOST_REGISTERED || material_kind(step) == MIGHOST_NATIVE)
        item.settings.lock_timeout_ms = item.settings.statement_timeout_ms = -1;
    return item;
}

/* A text that says nothing of its mode, and is nothing but what no transaction
 * can hold, runs statement by statement: files of other tools are like that.
 * What was begun so goes on so, whatever has been put into the file since. */
static mig_status choose_mode(struct run *run, const struct plan_step *step,
                              const struct material *material, struct apply_item *item,
                              struct mig_err *err)
{
    const struct script script = {
        .driver = run->session.driver,
        .conn = run->session.conn,
        .source = &material->text,
    };
    bool outside = step->resume && step->applied->mode == MIG_DURABLE;

    if (item->kind == MIGHOST_REGISTERED || item->settings.has_mode || material->facts.wrapped)
        return MIG_OK;
    if (!outside)
        MIG_TRY(script_is_outside(&script, &outside, err));
    if (outside)
        item->mode = MIG_DURABLE;
    return MIG_OK;
}

/* Nothing but a transaction can be tied to the row of a lease: what runs outside
 * of one goes on at the server when the lease has long been another's. */
mig_status run_check_lease(struct run *run, const struct plan_step *step,
                           const struct material *material, struct mig_err *err)
{
    const struct session *session = &run->session;
    const char *why = session->driver->info(session->conn, MIG_INFO_LEASE);
    const struct script script = {
        .driver = session->driver,
        .conn = session->conn,
        .source = &material->text,
    };
    struct apply_item item = item_of(run, step, material, 0);
    bool is_text = item.kind != MIGHOST_REGISTERED && item.kind != MIGHOST_NATIVE;
    bool outside = false;

    if (!*why)
        return MIG_OK;
    if (is_text)
        MIG_TRY(choose_mode(run, step, material, &item, err));
    if (is_text && item.mode == MIG_DURABLE)
        MIG_TRY(script_has_outside(&script, &outside, err));
    if (item.mode != MIG_NONE && !outside)
        return MIG_OK;
    return err_set(err, MIG_E_REFUSED,
                   "migration %s (%s) %s, which needs a session of its own and a lock of that "
                   "session, and %s; nothing was run",
                   item.id_text, item.description,
                   outside ? "has a statement that cannot run in a transaction" : "has mode none",
                   why);
}

static mig_status apply_here(struct run *run, const struct plan_step *step, size_t index,
                             bool *skipped, bool *began, struct mig_err *err)
{
    AUTO(material) struct material opened = MATERIAL_NONE;
    const struct material *material = materials_at(&run->kept, index - 1);
    struct apply_session session;
    struct apply_item item;
    enum apply_outcome outcome;
    mig_status status;

    MIG_TRY(run_need_session(run, err));
    session = apply_session_of(run);
    if (!material) {
        MIG_TRY(run_open_material(run, step, &opened, err));
        material = &opened;
    }
    item = item_of(run, step, material, index);
    MIG_TRY(choose_mode(run, step, material, &item, err));
    if (item.kind == MIGHOST_REGISTERED)
        item.module = step->migration->registered;
    status = apply_migration(&session, &item, &outcome, err);
    *began = session.began;
    if (status == MIG_OK)
        *skipped = outcome == APPLY_SKIPPED;
    return status;
}

/* --- what the history says now ---------------------------------------------------------- */

static bool lost(mig_status status)
{
    return status == MIG_E_CONNECTION || status == MIG_E_OUTCOME;
}

/* Reads the row again, on a new connection and under the lock, which waits an
 * orphaned session out. */
static mig_status judge_once(struct run *run, const struct plan_step *step, enum verdict *out,
                             struct mig_err *err)
{
    MIG_TRY(run_need_session(run, err));
    return verdict_read(run->session.history, step_number(step), step->direction,
                        run->result.run_id, out, err);
}

/* Looking can be repeated: a connection that breaks meanwhile, or before it was
 * quite made, is made again. */
static mig_status judge(struct run *run, const struct plan_step *step, enum verdict *out,
                        struct mig_err *err)
{
    mig_status status = judge_once(run, step, out, err);

    if (!lost(status) && status != MIG_E_UNREACHABLE)
        return status;
    session_close(&run->session);
    return judge_once(run, step, out, err);
}

/* A server that cannot be asked leaves it open whether a COMMIT took place. */
static mig_status leave_open(const struct mig_err *again, struct mig_err *err)
{
    if (err->status != MIG_E_OUTCOME)
        return err_append(err, "and connecting again failed too: %s", again->message);
    return err_append(err,
                      "and the server cannot be asked (%s): the migration was applied once or not "
                      "at all, the next run will find out",
                      again->message);
}

/* The connection broke: what became of the migration? */
static mig_status reconcile(struct run *run, const struct plan_step *step, enum verdict *out,
                            struct mig_err *err)
{
    struct mig_err again;

    session_close(&run->session);
    return judge(run, step, out, &again) == MIG_OK ? MIG_OK : leave_open(&again, err);
}

/* The connection was lost and the history has been read since: the outcome is
 * no longer unknown, and the server can be reached. */
static mig_status tell_verdict(enum verdict verdict, struct mig_err *err)
{
    err->status = verdict == VERDICT_HALF ? MIG_E_PARTIAL : MIG_E_FAILED;
    if (verdict != VERDICT_HALF)
        return err_append(err, "the history shows that nothing of this migration was applied");
    return err_append(err, "the history shows that a part of this migration stands: run the "
                           "command again, which goes on or says what to do");
}

/* --- one step in a worker ------------------------------------------------------------------ */

static struct worker_job job_of(struct run *run, const struct plan_step *step,
                                const struct material *material, size_t index)
{
    const struct mighost_config *config = run->config->config;

    return (struct worker_job){
        .worker = run->config->worker,
        .module_fd = material->module_fd,
        .database = config->database,
        .driver_dir = config->driver_dir,
        .history = config->history,
        .id = step_id(step),
        .description = step_description(step),
        .checksum = material->checksum,
        .run_id = run->result.run_id,
        .who = run->who,
        .signer = run_signer(run),
        .params = config->params,
        .secrets = config->secrets,
        .libraries = config->libraries,
        .direction = step->direction,
        .index = index,
        .count = run->count,
        .wait_ms = config->wait_ms,
        .timeout_ms = config->timeout_ms,
        .connect_timeout_ms = config->connect_timeout_ms,
        .busy_timeout_ms = config->busy_timeout_ms,
        .lock_timeout_ms = config->lock_timeout_ms,
        .statement_timeout_ms = config->statement_timeout_ms,
        .max_memory = config->max_memory,
        .max_cpu_ms = config->max_cpu_ms,
        .max_rejects = config->max_rejects,
        .throttle = config->throttle,
        .max_lag_ms = config->max_lag_ms,
        .workers = config->workers,
        .listener = config->listener,
        .user = config->user,
        .cancelled = run->config->interrupted,
        .paused = run->config->paused,
        .cancel_arg = run->config->arg,
    };
}

/* Who died, or had lost the connection, could not write the failure into the log. */
static void log_death(struct run *run, const struct plan_step *step, int64_t began_wall_ms,
                      int64_t duration_ms, const struct mig_err *err)
{
    struct mig_err ignored;
    struct mig_tx_options options = {.size = sizeof options};
    struct attempt attempt = {
        .id_text = step_id(step),
        .action = step->direction == MIGHOST_UP ? "up" : "down",
        .outcome = "failed",
        .error = err->message,
        .started_at_ms = began_wall_ms,
        .duration_ms = duration_ms,
        .run_id = run->result.run_id,
        .who = run->who,
    };
    const struct session *session = &run->session;

    if (session->driver->begin(session->conn, &options, &ignored) == MIG_OK &&
        history_log(session->history, &attempt, &ignored) == MIG_OK &&
        session->driver->commit(session->conn, &ignored) == MIG_OK)
        return;
    session->driver->rollback(session->conn);
}

/* The worker, or the connection, came to its end behind the last commit: the
 * history decides, and what happened is told beside it. */
static void warn_late(struct run *run, const struct plan_step *step, size_t index, bool skipped,
                      struct mig_err *err)
{
    err_append(err, skipped ? "yet another host has done it meanwhile"
                            : "yet its last transaction had been committed: it is done");
    run_emit_step(run, step, index,
                  (struct mighost_event){.kind = MIGHOST_EVENT_WARNING, .text = err->message});
    err_clear(err);
}

/* The worker failed or died: says what is left, as the history has it. */
static mig_status explain_failure(const struct plan_step *step, enum verdict verdict,
                                  const struct worker_end *end, struct mig_err *err)
{
    enum mig_mode mode = step->migration ? step->migration->mode : step->applied->mode;

    if (lost(err->status))
        return tell_verdict(verdict, err);
    if (end->reported)
        return err->status;
    if (verdict == VERDICT_NOT_DONE)
        return err_append(err, "nothing of this migration is left, those before it stand");
    err->status = MIG_E_PARTIAL;
    if (mode == MIG_DURABLE)
        return err_append(err, "its finished steps stand: run the command again to go on");
    return err_append(err,
                      "what it had committed itself stands: look, then `mighost resolve %s` with "
                      "--retry, --applied or --reverted",
                      step_id(step));
}

/* The worker reported success, and the history knows of none: the report counts for nothing. */
static void disbelieve(const struct plan_step *step, struct worker_end *end, struct mig_err *err)
{
    end->reported = false;
    err_set(err, MIG_E_FAILED,
            "the worker reported success, but the history does not have migration %s as done: the "
            "module closed descriptors that are not its own, or something else changed the "
            "history",
            step_id(step));
}

/* The process loads its libraries while our session comes to its end. */
static mig_status run_worker(struct run *run, const struct worker_job *job, struct worker_end *end,
                             struct mig_err *err)
{
    AUTO(worker) struct worker *worker = NULL;

    MIG_TRY(worker_start(job, &worker, err));
    session_close(&run->session);
    return worker_run(worker, end, err);
}

/* What the result says after a step that the worker alone has seen the end of.
 * After rolling back that needs the whole history. */
static void note_confirmed(struct run *run, const struct plan_step *step)
{
    struct mighost_result *result = &run->result;

    if (step->direction == MIGHOST_DOWN) {
        run->current_unknown = true;
        return;
    }
    if (!step->applied || step->applied->state != MIGHOST_APPLIED)
        result->applied++;
    if (step_number(step) > strtoull(result->current, NULL, 10))
        snprintf(result->current, sizeof result->current, "%s", step_id(step));
}

static mig_status apply_in_worker(struct run *run, const struct plan_step *step, size_t index,
                                  bool *skipped, struct mig_err *err)
{
    AUTO(material) struct material material = MATERIAL_NONE;
    struct worker_job job;
    char file[NAME_SIZE];
    struct worker_end end = {0};
    struct mig_err again;
    enum verdict verdict;
    int64_t began_wall_ms = clock_wall_ms();
    int64_t began_ms = clock_mono_ms();
    mig_status status;

    MIG_TRY(run_open_material(run, step, &material, err));
    run_module_file(step, file);
    job = job_of(run, step, &material, index);
    job.file = file;
    status = run_worker(run, &job, &end, err);
    if (status == MIG_OK && end.confirmed) {
        *skipped = end.skipped;
        note_confirmed(run, step);
        return MIG_OK;
    }
    if (judge(run, step, &verdict, &again) < 0) {
        if (lost(status))
            return leave_open(&again, err);
        if (status < 0)
            return err_append(err, "what became of migration %s could not be read afterwards: %s",
                              step_id(step), again.message);
        *err = again;
        return err_wrap(err, "the worker reported success, which the history cannot confirm");
    }
    if (verdict == VERDICT_DONE || verdict == VERDICT_SKIPPED) {
        *skipped = end.skipped || verdict == VERDICT_SKIPPED;
        if (status < 0)
            warn_late(run, step, index, *skipped, err);
        return MIG_OK;
    }
    if (status == MIG_OK)
        disbelieve(step, &end, err);
    explain_failure(step, verdict, &end, err);
    if (!end.reported || lost(status))
        log_death(run, step, began_wall_ms, clock_mono_ms() - began_ms, err);
    return err->status;
}

/* A module in this process, for programs that chose so. */
static mig_status apply_in_process(struct run *run, const struct plan_step *step, size_t index,
                                   bool *skipped, bool *began, struct mig_err *err)
{
    AUTO(material) struct material material = MATERIAL_NONE;
    AUTO(module) struct module *module = NULL;
    struct apply_session session;
    struct apply_item item;
    struct note note;
    enum apply_outcome outcome;
    char file[NAME_SIZE];
    mig_status status;

    MIG_TRY(run_need_session(run, err));
    session = apply_session_of(run);
    MIG_TRY(run_open_material(run, step, &material, err));
    MIG_TRY(run_check_module(run, step, &material, &note, err));
    run_module_file(step, file);
    MIG_TRY(module_load(material.module_fd, file, &note, &module, err));
    item = item_of(run, step, &material, index);
    item.module = module->descriptor;
    MIG_TRY(apply_carry_module(material.module_fd, file, &item, err));
    status = apply_migration(&session, &item, &outcome, err);
    *began = session.began;
    if (status == MIG_OK)
        *skipped = outcome == APPLY_SKIPPED;
    return status;
}

/* --- one step, wherever ------------------------------------------------------------------- */

static mig_status step_once(struct run *run, const struct plan_step *step, size_t index,
                            bool *skipped, bool *began, struct mig_err *err)
{
    *began = false;
    if (material_kind(step) != MIGHOST_NATIVE)
        return apply_here(run, step, index, skipped, began, err);
    if (run->config->config->in_process)
        return apply_in_process(run, step, index, skipped, began, err);
    *began = true;
    return apply_in_worker(run, step, index, skipped, err);
}

mig_status run_one(struct run *run, const struct plan_step *step, size_t index, bool *skipped,
                   struct mig_err *err)
{
    bool began;
    enum verdict verdict;
    int64_t began_wall_ms = clock_wall_ms();
    int64_t began_ms = clock_mono_ms();
    mig_status status = step_once(run, step, index, skipped, &began, err);

    if (!lost(status) ||
        (material_kind(step) == MIGHOST_NATIVE && !run->config->config->in_process))
        return status;
    MIG_TRY(reconcile(run, step, &verdict, err));
    if (verdict == VERDICT_DONE || verdict == VERDICT_SKIPPED) {
        *skipped = verdict == VERDICT_SKIPPED;
        warn_late(run, step, index, *skipped, err);
        return MIG_OK;
    }
    if (!began)
        return step_once(run, step, index, skipped, &began, err);
    tell_verdict(verdict, err);
    log_death(run, step, began_wall_ms, clock_mono_ms() - began_ms, err);
    return err->status;
}
