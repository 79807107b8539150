/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carrying out a plan: checked as a whole, then step by step, and undone where
 * that was asked for. The session is opened by whoever needs it next: after a
 * worker that has read its own row in the history that is the next step, if
 * there is one. What one step takes is elsewhere.
 */
#include "run.h"

#include "clock.h"
#include "run_step.h"
#include "settle.h"
#include "sha256.h"
#include <pwd.h>
#include <sys/random.h>

/* Of checked texts that wait in memory for their turn: thousands of ordinary
 * files, and little beside the 64 MB that the host may take. */
#define KEPT_BYTES ((size_t)8 * 1024 * 1024)

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

/* From the file of the machine's own users: the way through all directories of users
 * that glibc knows (getpwuid) falls over where it has no memory, and is needed for
 * the others alone. */
static bool local_user(uid_t uid, char *out, size_t size)
{
    FILE *file = fopen("/etc/passwd", "re");
    struct passwd entry;
    struct passwd *found;
    char line[1024];
    bool is_it = false;

    while (file && !is_it && fgetpwent_r(file, &entry, line, sizeof line, &found) == 0)
        is_it = entry.pw_uid == uid;
    if (is_it)
        snprintf(out, size, "%s", entry.pw_name);
    if (file)
        fclose(file);
    return is_it;
}

static void user_name(uid_t uid, char *out, size_t size)
{
    const struct passwd *user;

    if (local_user(uid, out, size))
        return;
    user = getpwuid(uid);
    if (user)
        snprintf(out, size, "%s", user->pw_name);
    else
        snprintf(out, size, "uid %u", (unsigned)uid);
}

void run_who(char out[RUN_WHO])
{
    char user[81];
    char host[64] = "";

    user_name(geteuid(), user, sizeof user);
    if (gethostname(host, sizeof host - 1) != 0)
        snprintf(host, sizeof host, "unknown");
    snprintf(out, RUN_WHO, "%s@%s", user, host);
}

/* --- events ------------------------------------------------------------------ */

void run_emit(struct run *run, struct mighost_event event)
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

void run_emit_step(struct run *run, const struct plan_step *step, size_t index,
                   struct mighost_event event)
{
    event.id = step_id(step);
    event.description = step_description(step);
    event.direction = step->direction;
    event.index = index;
    run_emit(run, event);
}

/* --- stopping ------------------------------------------------------------------ */

bool run_paused(void *arg)
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
    run->paused_ms = run_paused(run) ? now : 0;
}

mig_status run_cancelled(void *arg)
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
    mig_status status = run_cancelled(run);

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
mig_status run_need_session(struct run *run, struct mig_err *err)
{
    if (run->session.conn)
        return MIG_OK;
    return session_open(&run->session, &run->session_config, SESSION_WRITE, err);
}

mig_status run_catalog(const struct run_config *run, struct session *session, struct trust **trust,
                       struct catalog **out, struct mig_err *err)
{
    const struct mighost_config *config = run->config;

    if (!session->plugin)
        MIG_TRY(driver_open(config->database, config->driver_dir, &session->plugin, err));
    if (config->trust || config->require_signed) {
        MIG_TRY(trust_open(config->trust, trust, err));
        MIG_TRY(trust_verify_bundle(*trust, config->bundle, err));
    }
    return catalog_load(config->bundle, session->plugin->api->name, session->plugin->api->lexis,
                        run->registered, *trust ? (*trust)->manifest : NULL, out, err);
}

/* --- what a step runs --------------------------------------------------------------- */

/* Opens and checks all that `step` will run. */
mig_status run_open_material(struct run *run, const struct plan_step *step,
                             struct material *material, struct mig_err *err)
{
    struct material_place place = {
        .catalog = run->catalog,
        .trust = run->trust,
        .bundle = run->config->config->bundle,
        .lexis = run->session.driver->lexis,
    };

    if (step->by_carrier)
        MIG_TRY(run_need_session(run, err));
    place.history = run->session.history;
    return material_open(&place, step, material, err);
}

void run_module_file(const struct plan_step *step, char out[NAME_SIZE])
{
    if (step->migration && !step->by_carrier)
        snprintf(out, NAME_SIZE, "%s", step->migration->parts[CATALOG_UP].file);
    else
        snprintf(out, NAME_SIZE, MODULE_PREFIX "%s" MODULE_SUFFIX, step_id(step));
}

mig_status run_check_module(struct run *run, const struct plan_step *step,
                            const struct material *material, struct note *note, struct mig_err *err)
{
    char file[NAME_SIZE];

    run_module_file(step, file);
    return module_check(material->module_fd, file, run->config->config->libraries, note, err);
}

static void warn_empty(struct run *run, const struct plan_step *step, size_t index)
{
    char text[NAME_SIZE + 64];

    if (step->direction == MIGHOST_DOWN || !step->migration->is_empty)
        return;
    snprintf(text, sizeof text, "%s holds no statement: applying it does nothing",
             step->migration->parts[CATALOG_UP].file);
    run_emit_step(run, step, index,
                  (struct mighost_event){.kind = MIGHOST_EVENT_WARNING, .text = text});
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

        MIG_TRY(run_open_material(run, step, &material, err));
        if (material_kind(step) == MIGHOST_NATIVE)
            MIG_TRY(run_check_module(run, step, &material, &note, err));
        MIG_TRY(run_check_lease(run, step, &material, err));
        MIG_TRY(materials_keep(&run->kept, i, &material, &room, err));
        warn_empty(run, step, i + 1);
    }
    return MIG_OK;
}

/* --- the loop --------------------------------------------------------------------------------- */

static mig_status run_step(struct run *run, const struct plan_step *step, size_t index,
                           struct mig_err *err)
{
    int64_t began_ms = clock_mono_ms();
    int64_t timeout_ms = run->config->config->timeout_ms;
    bool skipped = false;
    mig_status status;

    MIG_TRY(stop_between(run, err));
    run_emit_step(run, step, index, (struct mighost_event){.kind = MIGHOST_EVENT_START});
    run->deadline_ms = timeout_ms > 0 ? began_ms + timeout_ms : 0;
    status = run_one(run, step, index, &skipped, err);
    run->deadline_ms = 0;
    if (status < 0) {
        err_wrap(err, "migration %s (%s)", step_id(step), step_description(step));
        run_emit_step(run, step, index,
                      (struct mighost_event){.kind = MIGHOST_EVENT_FAILED, .text = err->message});
        return err->status;
    }
    if (skipped)
        run->result.skipped++;
    else
        run->result.done++;
    run_emit_step(run, step, index,
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

static mig_status wait_at_gate(const struct migration *waiting, struct mig_err *err)
{
    if (!waiting)
        return MIG_OK;
    return err_set(
        err, MIG_E_GATE,
        "migration %s waits at its gate \"%s\": nothing of it was run, and what was applied "
        "before it stays; once that is so, give the same command --open-gate %s",
        waiting->id_text, waiting->gate, waiting->id_text);
}

static mig_status run_plan(struct run *run, const struct plan *plan, struct mig_err *err)
{
    run->count = plan->count;
    if (plan->count > 0)
        run_who(run->who);
    MIG_TRY(check_all(run, plan, err));
    MIG_TRY(record_accepted(run, plan, err));
    run_emit(run, (struct mighost_event){.kind = MIGHOST_EVENT_RUN});
    for (size_t i = 0; i < plan->count; i++)
        MIG_TRY(run_step(run, &plan->steps[i], i + 1, err));
    return wait_at_gate(plan->waiting, err);
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
    run_emit(run, (struct mighost_event){.kind = MIGHOST_EVENT_WARNING, .text = text});
}

/* Before the first migration is run on a database that is not new. */
static mig_status warn_of_others(struct run *run, const struct applied_list *history,
                                 struct mig_err *err)
{
    char text[SETTLE_HINT];

    MIG_TRY(settle_hint(&run->session, history, text, err));
    if (*text)
        run_emit(run, (struct mighost_event){.kind = MIGHOST_EVENT_WARNING, .text = text});
    return MIG_OK;
}

static mig_status plan_and_run(struct run *run, const struct plan_request *request,
                               struct mig_err *err)
{
    AUTO(applied_list) struct applied_list *history = NULL;
    AUTO(plan) struct plan *plan = NULL;

    MIG_TRY(run_need_session(run, err));
    MIG_TRY(history_load_plan(run->session.history, &history, err));
    note_current(run, history);
    if (request->direction == MIGHOST_UP)
        warn_missing(run, history);
    MIG_TRY(plan_build(run->catalog, history, request, &plan, err));
    if (plan->count > 0)
        MIG_TRY(warn_of_others(run, history, err));
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

    if (status < 0 && status != MIG_E_GATE && rollback_on_failure && run->result.done > 0)
        status = undo(run, err);
    run->result.duration_ms = clock_mono_ms() - run->began_ms;
    find_current(run);
    run_emit(run, (struct mighost_event){
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
    run.session_config.run = run.result.run_id;
    run.session_config.cancelled = run_cancelled;
    run.session_config.cancel_arg = &run;
    status = run_catalog(config, &run.session, &run.trust, &run.catalog, err);
    if (status == MIG_OK)
        for (size_t i = 0; i < run.catalog->warning_count; i++)
            run_emit(&run, (struct mighost_event){.kind = MIGHOST_EVENT_WARNING,
                                                  .text = run.catalog->warnings[i]});
    if (status == MIG_OK)
        status = execute(&run, request, rollback_on_failure, err);
    session_clear(&run.session);
    materials_clear(&run.kept);
    catalog_free(run.catalog);
    trust_close(run.trust);
    if (result)
        *result = run.result;
    return status;
}
