/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carrying out a plan. The session is closed while a worker runs, because lock,
 * history and work share one session, and that is then the worker's. It is
 * opened again by whoever needs it next: after a worker that has read its own
 * row in the history that is the next step, if there is one.
 */
#include "run.h"

#include "apply.h"
#include "clock.h"
#include "material.h"
#include "module.h"
#include "script.h"
#include "sha256.h"
#include "verdict.h"
#include "worker_link.h"
#include <pwd.h>
#include <sys/random.h>

#define NAME_SIZE 256 /* of a file in a folder, as Linux limits it */
/* Of checked texts that wait in memory for their turn: thousands of ordinary
 * files, and little beside the 64 MB that the host may take. */
#define KEPT_BYTES ((size_t)8 * 1024 * 1024)

struct run {
    const struct run_config *config;
    struct session session;
    struct session_config session_config;
    struct catalog *catalog;
    struct mighost_result result;
    char who[RUN_WHO];
    int64_t began_ms;
    int64_t deadline_ms;   /* of the migration at hand, 0: none */
    int64_t paused_ms;     /* when it was found paused last, 0: it was not */
    size_t count;          /* steps of the plan at hand */
    bool current_unknown;  /* `result` has a current version that may be gone */
    struct materials kept; /* of those steps */
};

/* --- names of a run --------------------------------------------------------- */

static void make_run_id(char out[HISTORY_RUN_ID])
{
    unsigned char random[6] = {0};
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm utc;
    size_t len;

    gmtime_r(&now, &utc);
    len = strftime(out, HISTORY_RUN_ID, "%Y%m%dT%H%M%SZ-", &utc);
    if (getrandom(random, sizeof random, 0) < 0)
        memcpy(random, &now, sizeof random);
    mig_hex(random, sizeof random, out + len);
}

void run_who(char out[RUN_WHO])
{
    const struct passwd *user = getpwuid(geteuid());
    char host[64] = "";

    if (gethostname(host, sizeof host - 1) != 0)
        snprintf(host, sizeof host, "unknown");
    if (user)
        snprintf(out, RUN_WHO, "%.80s@%s", user->pw_name, host);
    else
        snprintf(out, RUN_WHO, "uid %u@%s", (unsigned)geteuid(), host);
}

static uint64_t step_number(const struct plan_step *step)
{
    return step->migration ? step->migration->id : step->applied->id;
}

static const char *step_id(const struct plan_step *step)
{
    return step->migration ? step->migration->id_text : step->applied->id_text;
}

static const char *step_description(const struct plan_step *step)
{
    return step->migration ? step->migration->description : step->applied->description;
}

/* --- events ------------------------------------------------------------------ */

static void emit(struct run *run, struct mighost_event event)
{
    event.size = sizeof event;
    event.run_id = run->result.run_id;
    event.count = run->count;
    if (!event.id)
        event.id = event.description = "";
    if (!event.text)
        event.text = "";
    run->config->config->listener(&event, run->config->config->user);
}

static void emit_step(struct run *run, const struct plan_step *step, size_t index,
                      struct mighost_event event)
{
    event.id = step_id(step);
    event.description = step_description(step);
    event.direction = step->direction;
    event.index = index;
    emit(run, event);
}

/* --- stopping ------------------------------------------------------------------ */

static bool paused(void *arg)
{
    const struct run *run = arg;

    return run->config->paused && run->config->paused(run->config->arg);
}

/* Time that is spent in a pause does not count. */
static void extend_deadline(struct run *run)
{
    int64_t now = clock_mono_ms();

    if (run->deadline_ms && run->paused_ms)
        run->deadline_ms += now - run->paused_ms;
    run->paused_ms = paused(run) ? now : 0;
}

static mig_status cancelled(void *arg)
{
    struct run *run = arg;
    mig_status status =
        run->config->interrupted ? run->config->interrupted(run->config->arg) : MIG_OK;

    if (status < 0)
        return status;
    extend_deadline(run);
    return run->deadline_ms && clock_mono_ms() > run->deadline_ms ? MIG_E_TIMEOUT : MIG_OK;
}

static mig_status stop_between(struct run *run, struct mig_err *err)
{
    mig_status status = cancelled(run);

    if (status == MIG_OK)
        return MIG_OK;
    return err_set(err, status, "%s between two migrations: %zu of %zu done, the rest is untouched",
                   status_text(status), run->result.done, run->count);
}

/* --- the session ----------------------------------------------------------------- */

struct session_config run_session_config(const struct run_config *run)
{
    const struct mighost_config *config = run->config;

    return (struct session_config){
        .database = config->database,
        .driver_dir = config->driver_dir,
        .history = config->history,
        .wait_ms = config->wait_ms,
        .connect_timeout_ms = config->connect_timeout_ms,
        .busy_timeout_ms = config->busy_timeout_ms,
        .listener = config->listener,
        .user = config->user,
        .cancelled = run->interrupted,
        .cancel_arg = run->arg,
    };
}

/* There is none behind a worker that confirmed its work. */
static mig_status need_session(struct run *run, struct mig_err *err)
{
    if (run->session.conn)
        return MIG_OK;
    return session_open(&run->session, &run->session_config, SESSION_WRITE, err);
}

mig_status run_catalog(const struct run_config *run, struct session *session, struct catalog **out,
                       struct mig_err *err)
{
    const struct mighost_config *config = run->config;

    if (!session->plugin)
        MIG_TRY(driver_open(config->database, config->driver_dir, &session->plugin, err));
    return catalog_load(config->bundle, session->plugin->api->name, session->plugin->api->lexis,
                        run->registered, out, err);
}

/* --- what a step runs --------------------------------------------------------------- */

/* Opens and checks all that `step` will run. */
static mig_status open_material(struct run *run, const struct plan_step *step,
                                struct material *material, struct mig_err *err)
{
    struct material_place place = {
        .catalog = run->catalog,
        .bundle = run->config->config->bundle,
        .lexis = run->session.driver->lexis,
    };

    if (step->by_carrier)
        MIG_TRY(need_session(run, err));
    place.history = run->session.history;
    return material_open(&place, step, material, err);
}

static void module_file(const struct plan_step *step, char out[NAME_SIZE])
{
    if (step->migration && !step->by_carrier)
        snprintf(out, NAME_SIZE, "%s", step->migration->parts[CATALOG_UP].file);
    else
        snprintf(out, NAME_SIZE, MODULE_PREFIX "%s" MODULE_SUFFIX, step_id(step));
}

static mig_status check_module(struct run *run, const struct plan_step *step,
                               const struct material *material, struct note *note,
                               struct mig_err *err)
{
    char file[NAME_SIZE];

    module_file(step, file);
    return module_check(material->module_fd, file, run->config->config->libraries, note, err);
}

/* Before anything runs: every step's text or module is readable, whole and
 * allowed. What is in memory by then, and small, is kept for the step. */
static mig_status check_all(struct run *run, const struct plan *plan, struct mig_err *err)
{
    size_t room = KEPT_BYTES;

    materials_clear(&run->kept);
    MIG_TRY(materials_init(&run->kept, plan->count, err));
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_step *step = &plan->steps[i];
        AUTO(material) struct material material = MATERIAL_NONE;
        struct note note;

        MIG_TRY(open_material(run, step, &material, err));
        if (material_kind(step) == MIGHOST_NATIVE)
            MIG_TRY(check_module(run, step, &material, &note, err));
        MIG_TRY(materials_keep(&run->kept, i, &material, &room, err));
    }
    return MIG_OK;
}

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
        .params = config->params,
        .lock_timeout_ms = config->lock_timeout_ms > 0 ? config->lock_timeout_ms : 0,
        .statement_timeout_ms = config->statement_timeout_ms,
        .max_rejects = config->max_rejects,
        .throttle = config->throttle,
        .max_lag_ms = config->max_lag_ms,
        .listener = config->listener,
        .user = config->user,
        .cancelled = cancelled,
        .paused = paused,
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

static mig_status apply_here(struct run *run, const struct plan_step *step, size_t index,
                             bool *skipped, bool *began, struct mig_err *err)
{
    AUTO(material) struct material opened = MATERIAL_NONE;
    const struct material *material = materials_at(&run->kept, index - 1);
    struct apply_session session;
    struct apply_item item;
    enum apply_outcome outcome;
    mig_status status;

    MIG_TRY(need_session(run, err));
    session = apply_session_of(run);
    if (!material) {
        MIG_TRY(open_material(run, step, &opened, err));
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
    MIG_TRY(need_session(run, err));
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

/* The connection broke: what became of the migration? A server that cannot be
 * reached leaves that open. */
static mig_status reconcile(struct run *run, const struct plan_step *step, enum verdict *out,
                            struct mig_err *err)
{
    struct mig_err again;
    bool unknown = err->status == MIG_E_OUTCOME;
    mig_status status;

    session_close(&run->session);
    status = judge(run, step, out, &again);
    if (status == MIG_OK)
        return MIG_OK;
    if (!unknown)
        return err_append(err, "and connecting again failed too: %s", again.message);
    return err_append(err,
                      "and the server cannot be asked (%s): the migration was applied once or not "
                      "at all, the next run will find out",
                      again.message);
}

/* The history has been read since: the outcome is no longer unknown. */
static void know_outcome(enum verdict verdict, struct mig_err *err)
{
    if (lost(err->status))
        err->status = verdict == VERDICT_HALF ? MIG_E_PARTIAL : MIG_E_CONNECTION;
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
        .params = config->params,
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

/* A worker that died could not write its failure into the log. */
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

/* The worker came to its end behind its last commit: the history decides, and
 * what became of the worker is told beside it. */
static void warn_late(struct run *run, const struct plan_step *step, size_t index, bool skipped,
                      struct mig_err *err)
{
    err_append(err, skipped ? "yet another host has done it meanwhile"
                            : "yet its last transaction had been committed: it is done");
    emit_step(run, step, index,
              (struct mighost_event){.kind = MIGHOST_EVENT_WARNING, .text = err->message});
    err_clear(err);
}

/* The worker failed or died: says what is left, as the history has it. */
static mig_status explain_failure(const struct plan_step *step, enum verdict verdict,
                                  const struct worker_end *end, struct mig_err *err)
{
    enum mig_mode mode = step->migration ? step->migration->mode : step->applied->mode;

    know_outcome(verdict, err);
    if (verdict == VERDICT_NOT_DONE)
        return end->reported
                   ? err->status
                   : err_append(err, "nothing of this migration is left, those before it stand");
    if (end->reported)
        return err->status;
    err->status = MIG_E_PARTIAL;
    if (mode == MIG_DURABLE)
        return err_append(err, "its finished steps stand: run the command again to go on");
    return err_append(err,
                      "what it had committed itself stands: look, then `mighost resolve %s` with "
                      "--retry, --applied or --reverted",
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

    MIG_TRY(open_material(run, step, &material, err));
    module_file(step, file);
    job = job_of(run, step, &material, index);
    job.file = file;
    status = run_worker(run, &job, &end, err);
    if (status == MIG_OK && end.confirmed) {
        *skipped = end.skipped;
        note_confirmed(run, step);
        return MIG_OK;
    }
    if (judge(run, step, &verdict, &again) < 0) {
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
        return err_set(err, MIG_E_FAILED,
                       "the worker reported success, but the history does not have migration %s "
                       "as done: something else changed the history",
                       step_id(step));
    if (!end.reported)
        log_death(run, step, began_wall_ms, clock_mono_ms() - began_ms, err);
    return explain_failure(step, verdict, &end, err);
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

    MIG_TRY(need_session(run, err));
    session = apply_session_of(run);
    MIG_TRY(open_material(run, step, &material, err));
    MIG_TRY(check_module(run, step, &material, &note, err));
    module_file(step, file);
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

/* --- the loop --------------------------------------------------------------------------------- */

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

/* One step; where the connection was lost, the history decides. A connection
 * that was dead before anything began is simply made again, once. */
static mig_status step_settled(struct run *run, const struct plan_step *step, size_t index,
                               bool *skipped, struct mig_err *err)
{
    bool began;
    enum verdict verdict;
    mig_status status = step_once(run, step, index, skipped, &began, err);

    if (!lost(status) ||
        (material_kind(step) == MIGHOST_NATIVE && !run->config->config->in_process))
        return status;
    MIG_TRY(reconcile(run, step, &verdict, err));
    if (verdict == VERDICT_DONE || verdict == VERDICT_SKIPPED) {
        *skipped = verdict == VERDICT_SKIPPED;
        return MIG_OK;
    }
    if (!began)
        return step_once(run, step, index, skipped, &began, err);
    know_outcome(verdict, err);
    return verdict == VERDICT_HALF
               ? err->status
               : err_append(err, "the history shows that nothing of this migration was applied");
}

static mig_status run_step(struct run *run, const struct plan_step *step, size_t index,
                           struct mig_err *err)
{
    int64_t began_ms = clock_mono_ms();
    int64_t timeout_ms = run->config->config->timeout_ms;
    bool skipped = false;
    mig_status status;

    MIG_TRY(stop_between(run, err));
    emit_step(run, step, index, (struct mighost_event){.kind = MIGHOST_EVENT_START});
    run->deadline_ms = timeout_ms > 0 ? began_ms + timeout_ms : 0;
    status = step_settled(run, step, index, &skipped, err);
    run->deadline_ms = 0;
    if (status < 0) {
        err_wrap(err, "migration %s (%s)", step_id(step), step_description(step));
        emit_step(run, step, index,
                  (struct mighost_event){.kind = MIGHOST_EVENT_FAILED, .text = err->message});
        return status == MIG_OK ? MIG_OK : err->status;
    }
    if (skipped)
        run->result.skipped++;
    else
        run->result.done++;
    emit_step(run, step, index,
              (struct mighost_event){
                  .kind = skipped ? MIGHOST_EVENT_SKIPPED : MIGHOST_EVENT_DONE,
                  .duration_ms = clock_mono_ms() - began_ms,
              });
    return MIG_OK;
}

static mig_status record_accepted(struct run *run, const struct plan *plan, struct mig_err *err)
{
    const struct mig_driver *driver = run->session.driver;
    struct mig_tx_options options = {.size = sizeof options};
    char hex[HISTORY_HEX];

    if (plan->accepted_count == 0)
        return MIG_OK;
    MIG_TRY(driver->begin(run->session.conn, &options, err));
    for (size_t i = 0; i < plan->accepted_count; i++) {
        const struct migration *migration = catalog_find(run->catalog, plan->accepted[i]->id);

        sha256_hex(migration->checksum, hex);
        MIG_TRY(history_set_checksum(run->session.history, migration->id, hex, err));
    }
    return driver->commit(run->session.conn, err);
}

static mig_status run_plan(struct run *run, const struct plan *plan, struct mig_err *err)
{
    run->count = plan->count;
    MIG_TRY(check_all(run, plan, err));
    MIG_TRY(record_accepted(run, plan, err));
    emit(run, (struct mighost_event){.kind = MIGHOST_EVENT_RUN});
    for (size_t i = 0; i < plan->count; i++)
        MIG_TRY(run_step(run, &plan->steps[i], i + 1, err));
    return MIG_OK;
}

static void note_current(struct run *run, const struct applied_list *history)
{
    const struct applied *current = plan_current(history);

    snprintf(run->result.current, sizeof run->result.current, "%s",
             current ? current->id_text : "");
    run->result.applied = 0;
    for (size_t i = 0; i < history->count; i++)
        run->result.applied += history->items[i].state == MIGHOST_APPLIED;
}

/* An older bundle than the database has seen is fine, and said. */
static void warn_missing(struct run *run, const struct applied_list *history)
{
    const struct catalog *catalog = run->catalog;
    const struct applied *newest = NULL;
    char text[200];
    size_t missing = 0;

    /* Both ascend by id. */
    for (size_t i = 0, j = 0; i < history->count; i++) {
        while (j < catalog->count && catalog->items[j].id < history->items[i].id)
            j++;
        if (j < catalog->count && catalog->items[j].id == history->items[i].id)
            continue;
        missing++;
        newest = &history->items[i];
    }
    if (!newest)
        return;
    snprintf(text, sizeof text,
             "applied, but not in the bundle: %zu migration%s, the newest is %s; a rollback uses "
             "what the history carries",
             missing, missing == 1 ? "" : "s", newest->id_text);
    emit(run, (struct mighost_event){.kind = MIGHOST_EVENT_WARNING, .text = text});
}

static mig_status plan_and_run(struct run *run, const struct plan_request *request,
                               struct mig_err *err)
{
    AUTO(applied_list) struct applied_list *history = NULL;
    AUTO(plan) struct plan *plan = NULL;

    MIG_TRY(need_session(run, err));
    MIG_TRY(history_load_plan(run->session.history, &history, err));
    note_current(run, history);
    if (request->direction == MIGHOST_UP)
        warn_missing(run, history);
    MIG_TRY(plan_build(run->catalog, history, request, &plan, err));
    return run_plan(run, plan, err);
}

/* Undoes what this run applied. The first failure stays the one reported. */
static mig_status undo(struct run *run, struct mig_err *err)
{
    struct plan_request request = {
        .direction = MIGHOST_DOWN,
        .select = PLAN_RUN,
        .run_id = run->result.run_id,
    };
    struct mig_err again;
    size_t applied = run->result.done;

    run->result.done = 0;
    if (plan_and_run(run, &request, &again) < 0) {
        run->result.rolled_back = run->result.done;
        run->result.done = applied - run->result.done;
        return err_append(err, "rolling back what this run had applied failed too: %s",
                          again.message);
    }
    run->result.rolled_back = run->result.done;
    run->result.done = 0;
    return err_append(err, "the %zu that this run had applied before it were rolled back",
                      run->result.rolled_back);
}

/* The version after steps were taken. */
static void find_current(struct run *run)
{
    AUTO(applied_list) struct applied_list *history = NULL;
    struct mig_err ignored;

    if (run->current_unknown && !run->session.conn)
        (void)session_open(&run->session, &run->session_config, SESSION_READ, &ignored);
    if (run->count > 0 && run->session.conn &&
        history_load_plan(run->session.history, &history, &ignored) == MIG_OK)
        note_current(run, history);
}

static mig_status execute(struct run *run, const struct plan_request *request,
                          bool rollback_on_failure, struct mig_err *err)
{
    mig_status status = plan_and_run(run, request, err);

    if (status < 0 && rollback_on_failure && run->result.done > 0)
        status = undo(run, err);
    run->result.duration_ms = clock_mono_ms() - run->began_ms;
    find_current(run);
    emit(run, (struct mighost_event){
                  .kind = MIGHOST_EVENT_END,
                  .done = (int64_t)run->result.done,
                  .duration_ms = run->result.duration_ms,
              });
    return status;
}

mig_status run_execute(const struct run_config *config, const struct plan_request *request,
                       bool rollback_on_failure, struct mighost_result *result, struct mig_err *err)
{
    struct run run = {
        .config = config,
        .session_config = run_session_config(config),
        .result = {.size = sizeof run.result},
        .began_ms = clock_mono_ms(),
    };
    mig_status status;

    make_run_id(run.result.run_id);
    run_who(run.who);
    run.session_config.cancelled = cancelled;
    run.session_config.cancel_arg = &run;
    status = run_catalog(config, &run.session, &run.catalog, err);
    if (status == MIG_OK)
        for (size_t i = 0; i < run.catalog->warning_count; i++)
            emit(&run, (struct mighost_event){.kind = MIGHOST_EVENT_WARNING,
                                              .text = run.catalog->warnings[i]});
    if (status == MIG_OK)
        status = execute(&run, request, rollback_on_failure, err);
    session_clear(&run.session);
    materials_clear(&run.kept);
    catalog_free(run.catalog);
    if (result)
        *result = run.result;
    return status;
}
