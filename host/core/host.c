/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The facade behind mighost.h: fills in the defaults of a configuration, owns
 * its copies, and turns each public call into one of the core. Looking opens a
 * session without the lock; a database that is not there yet looks empty.
 */
#include <mighost.h>

#include "create.h"
#include "dso.h"
#include "fs.h"
#include "inspect.h"
#include "run.h"
#include "settle.h"
#include "text.h"
#include "view.h"
#include <signal.h>
#include <stdatomic.h>

#define WAIT_MS 60000
#define CONNECT_TIMEOUT_MS 10000
#define BUSY_TIMEOUT_MS 5000
#define LOCK_TIMEOUT_MS 5000
#define PATH_SIZE 4096
#define SHOWN_TEXT_MAX ((size_t)1 << 20) /* a longer script is not shown */

struct mighost {
    struct mighost_config config; /* its texts are ours */
    char *texts[8];
    size_t text_count;
    char **params;
    char **secrets;
    char **libraries;
    char worker[PATH_SIZE];
    const struct mig_module **registered; /* NULL at the end */
    size_t registered_count;
    atomic_int signal_number;
    atomic_bool paused;
};

/* --- configuration ------------------------------------------------------------ */

static void ignore_event(const struct mighost_event *event, void *user)
{
    (void)event;
    (void)user;
}

static void strings_free(char **strings)
{
    for (size_t i = 0; strings && strings[i]; i++)
        free(strings[i]);
    free(strings);
}

static mig_status strings_copy(const char *const *from, char ***out, struct mig_err *err)
{
    size_t count = 0;

    while (from && from[count])
        count++;
    *out = calloc(count + 1, sizeof **out);
    if (!*out)
        return err_nomem(err);
    for (size_t i = 0; i < count; i++)
        if (!((*out)[i] = strdup(from[i])))
            return err_nomem(err);
    return MIG_OK;
}

static mig_status own_text(struct mighost *host, const char **text, const char *otherwise,
                           struct mig_err *err)
{
    char *copy;

    if (!*text)
        *text = otherwise;
    if (!*text)
        return MIG_OK;
    copy = strdup(*text);
    if (!copy)
        return err_nomem(err);
    host->texts[host->text_count++] = copy;
    *text = copy;
    return MIG_OK;
}

/* The worker of the tree or the installation that this code is of. */
static mig_status find_worker(struct mighost *host, struct mig_err *err)
{
    if (host->config.worker) {
        snprintf(host->worker, sizeof host->worker, "%s", host->config.worker);
        return MIG_OK;
    }
    for (size_t i = 0; i < DSO_PLACES; i++) {
        MIG_TRY(dso_place(i, MIGHOST_WORKER_SUBDIR "/mighost-worker", host->worker,
                          sizeof host->worker, err));
        if (access(host->worker, X_OK) == 0)
            break;
    }
    return MIG_OK;
}

static int64_t duration(int64_t given, int64_t otherwise)
{
    if (given == 0)
        return otherwise;
    return given < TEXT_DURATION_MAX ? given : TEXT_DURATION_MAX;
}

static void fill_numbers(struct mighost_config *config)
{
    config->wait_ms = duration(config->wait_ms, WAIT_MS);
    config->timeout_ms = duration(config->timeout_ms, 0);
    config->connect_timeout_ms = duration(config->connect_timeout_ms, CONNECT_TIMEOUT_MS);
    config->busy_timeout_ms = duration(config->busy_timeout_ms, BUSY_TIMEOUT_MS);
    config->lock_timeout_ms = duration(config->lock_timeout_ms, LOCK_TIMEOUT_MS);
    config->statement_timeout_ms = duration(config->statement_timeout_ms, 0);
    config->max_cpu_ms = duration(config->max_cpu_ms, 0);
    config->max_lag_ms = duration(config->max_lag_ms, 0);
    if (!config->listener)
        config->listener = ignore_event;
}

static mig_status fill_config(struct mighost *host, struct mig_err *err)
{
    struct mighost_config *config = &host->config;

    MIG_TRY(own_text(host, &config->database, NULL, err));
    MIG_TRY(own_text(host, &config->bundle, "migrations", err));
    MIG_TRY(own_text(host, &config->history, "mighost", err));
    MIG_TRY(own_text(host, &config->driver_dir, NULL, err));
    MIG_TRY(own_text(host, &config->worker, NULL, err));
    MIG_TRY(own_text(host, &config->trust, NULL, err));
    MIG_TRY(strings_copy(config->params, &host->params, err));
    MIG_TRY(strings_copy(config->secrets, &host->secrets, err));
    MIG_TRY(strings_copy(config->libraries, &host->libraries, err));
    config->params = (const char *const *)host->params;
    config->secrets = (const char *const *)host->secrets;
    config->libraries = (const char *const *)host->libraries;
    fill_numbers(config);
    MIG_TRY(history_check_prefix(config->history, err));
    return find_worker(host, err);
}

mig_status mighost_open(const struct mighost_config *config, struct mighost **out,
                        struct mig_err *err)
{
    struct mighost *host = calloc(1, sizeof *host);
    mig_status status;

    if (!host)
        return err_nomem(err);
    memcpy(&host->config, config,
           config->size < sizeof host->config ? config->size : sizeof host->config);
    host->registered = calloc(1, sizeof *host->registered);
    status = host->registered ? fill_config(host, err) : err_nomem(err);
    if (status < 0) {
        mighost_close(host);
        return status;
    }
    *out = host;
    return MIG_OK;
}

void mighost_close(struct mighost *host)
{
    if (!host)
        return;
    for (size_t i = 0; i < host->text_count; i++)
        free(host->texts[i]);
    strings_free(host->params);
    strings_free(host->secrets);
    strings_free(host->libraries);
    free(host->registered);
    free(host);
}

void mighost_interrupt(struct mighost *host, int signal_number)
{
    atomic_store(&host->signal_number, signal_number);
}

static mig_status interrupted(void *arg)
{
    struct mighost *host = arg;
    int number = atomic_load(&host->signal_number);

    if (number == 0)
        return MIG_OK;
    return number == SIGINT ? MIG_E_INTERRUPTED : MIG_E_TERMINATED;
}

void mighost_pause(struct mighost *host)
{
    atomic_store(&host->paused, true);
}

void mighost_resume(struct mighost *host)
{
    atomic_store(&host->paused, false);
}

static bool is_paused(void *arg)
{
    struct mighost *host = arg;

    return atomic_load(&host->paused);
}

mig_status mighost_register(struct mighost *host, const struct mig_module *module,
                            struct mig_err *err)
{
    const struct mig_module **grown;
    uint64_t id;

    if (!module->up)
        return err_set(err, MIG_E_BUNDLE, "the registered migration %s has no up()", module->id);
    MIG_TRY(id_parse(module->id, &id, err));
    for (size_t i = 0; i < host->registered_count; i++)
        if (strcmp(host->registered[i]->id, module->id) == 0)
            return err_set(err, MIG_E_BUNDLE, "two migrations with the id %s are registered",
                           module->id);
    grown = realloc(host->registered, (host->registered_count + 2) * sizeof *grown);
    if (!grown)
        return err_nomem(err);
    host->registered = grown;
    host->registered[host->registered_count++] = module;
    host->registered[host->registered_count] = NULL;
    return MIG_OK;
}

/* --- running ------------------------------------------------------------------- */

static struct run_config run_config_of(struct mighost *host)
{
    return (struct run_config){
        .config = &host->config,
        .worker = host->worker,
        .registered = host->registered,
        .interrupted = interrupted,
        .paused = is_paused,
        .arg = host,
    };
}

static mig_status need_database(const struct mighost *host, struct mig_err *err)
{
    if (host->config.database && *host->config.database)
        return MIG_OK;
    return err_set(err, MIG_E_USAGE,
                   "no database is given: use -d URL, $DATABASE_URL, or a `database` in "
                   "mighost.ini; for example -d sqlite:app.db");
}

/* Those of a program that was built with a shorter struct end earlier. */
static struct mighost_options options_of(const struct mighost_options *given)
{
    struct mighost_options options = {.size = sizeof options};

    if (given)
        memcpy(&options, given, given->size < sizeof options ? given->size : sizeof options);
    return options;
}

static mig_status request_of(enum mighost_direction direction, const struct mighost_options *given,
                             struct plan_request *out, struct mig_err *err)
{
    struct mighost_options options = options_of(given);
    struct plan_request request = {
        .direction = direction,
        .allow_out_of_order = options.allow_out_of_order,
        .skip_irreversible = options.skip_irreversible,
        .accept_changed = options.accept_changed,
        .open_gates = options.open_gates,
        .count = options.count,
    };

    if (options.to)
        request.select = PLAN_TO;
    else if (options.count > 0)
        request.select = PLAN_COUNT;
    else if (options.all)
        request.select = PLAN_ALL;
    if (options.to && *options.to)
        MIG_TRY(id_parse(options.to, &request.id, err));
    *out = request;
    return MIG_OK;
}

static mig_status execute(struct mighost *host, const struct plan_request *request,
                          const struct mighost_options *options, struct mighost_result *result,
                          struct mig_err *err)
{
    struct run_config config = run_config_of(host);
    bool undo = request->direction == MIGHOST_UP && options_of(options).rollback_on_failure;

    MIG_TRY(need_database(host, err));
    return run_execute(&config, request, undo, result, err);
}

mig_status mighost_up(struct mighost *host, const struct mighost_options *options,
                      struct mighost_result *result, struct mig_err *err)
{
    struct plan_request request;

    MIG_TRY(request_of(MIGHOST_UP, options, &request, err));
    return execute(host, &request, options, result, err);
}

mig_status mighost_up_to(struct mighost *host, const char *id, struct mig_err *err)
{
    struct mighost_options options = {.size = sizeof options, .to = id};

    return mighost_up(host, &options, NULL, err);
}

mig_status mighost_down(struct mighost *host, const struct mighost_options *options,
                        struct mighost_result *result, struct mig_err *err)
{
    struct plan_request request;

    MIG_TRY(request_of(MIGHOST_DOWN, options, &request, err));
    return execute(host, &request, options, result, err);
}

mig_status mighost_down_to(struct mighost *host, const char *id, struct mig_err *err)
{
    struct mighost_options options = {.size = sizeof options, .to = id};

    return mighost_down(host, &options, NULL, err);
}

static mig_status request_one(uint64_t id, enum mighost_direction direction,
                              const struct mighost_options *options, struct plan_request *request,
                              struct mig_err *err)
{
    MIG_TRY(request_of(direction, options, request, err));
    request->select = PLAN_ONE;
    request->id = id;
    return MIG_OK;
}

static mig_status run_one(struct mighost *host, uint64_t id, enum mighost_direction direction,
                          const struct mighost_options *options, struct mighost_result *result,
                          struct mig_err *err)
{
    struct plan_request request;

    MIG_TRY(request_one(id, direction, options, &request, err));
    return execute(host, &request, NULL, result, err);
}

mig_status mighost_run(struct mighost *host, const char *id, enum mighost_direction direction,
                       const struct mighost_options *options, struct mighost_result *result,
                       struct mig_err *err)
{
    uint64_t number;

    MIG_TRY(id_parse(id, &number, err));
    return run_one(host, number, direction, options, result, err);
}

/* --- looking -------------------------------------------------------------------- */

/* What a look at bundle and history needs; cleared by look_clear(). */
struct look {
    struct session session;
    struct trust *trust;
    struct catalog *catalog;
    struct applied_list *history;
    bool reachable; /* false: there is no such database yet */
};

static void look_clear(struct look *look)
{
    applied_list_free(look->history);
    catalog_free(look->catalog);
    trust_close(look->trust);
    session_clear(&look->session);
}
AUTO_VALUE(look, struct look, look_clear)

static mig_status look_connect(struct mighost *host, struct look *look, struct mig_err *err)
{
    struct run_config config = run_config_of(host);
    struct session_config session = run_session_config(&config);
    mig_status status = session_open(&look->session, &session, SESSION_READ, err);

    if (status == MIG_E_NOTFOUND && !err->sqlstate[0]) /* a server's answer is an error */
        return applied_list_empty(&look->history, err);
    if (status < 0)
        return status;
    look->reachable = true;
    return history_load(look->session.history, &look->history, err);
}

static mig_status look_open(struct mighost *host, struct look *look, struct mig_err *err)
{
    struct run_config config = run_config_of(host);

    MIG_TRY(need_database(host, err));
    MIG_TRY(run_catalog(&config, &look->session, &look->trust, &look->catalog, err));
    return look_connect(host, look, err);
}

static void tell_warning(const struct mighost *host, const char *text)
{
    const struct mighost_event event = {
        .size = sizeof event,
        .kind = MIGHOST_EVENT_WARNING,
        .id = "",
        .description = "",
        .run_id = "",
        .text = text,
    };

    host->config.listener(&event, host->config.user);
}

/* What `up` would warn of before it begins. */
static mig_status tell_warnings(const struct mighost *host, struct look *look, struct mig_err *err)
{
    char hint[SETTLE_HINT] = "";

    for (size_t i = 0; i < look->catalog->warning_count; i++)
        tell_warning(host, look->catalog->warnings[i]);
    if (look->reachable && look->catalog->count > 0)
        MIG_TRY(settle_hint(&look->session, look->history, hint, err));
    if (*hint)
        tell_warning(host, hint);
    return MIG_OK;
}

static mig_status list_of(struct mighost *host, enum view_filter filter, struct mighost_list **out,
                          struct mig_err *err)
{
    AUTO(look) struct look look = {0};

    MIG_TRY(look_open(host, &look, err));
    if (filter == VIEW_PENDING)
        MIG_TRY(tell_warnings(host, &look, err));
    return view_list(look.catalog, look.history, filter, out, err);
}

mig_status mighost_pending(struct mighost *host, struct mighost_list **out, struct mig_err *err)
{
    return list_of(host, VIEW_PENDING, out, err);
}

mig_status mighost_applied(struct mighost *host, struct mighost_list **out, struct mig_err *err)
{
    return list_of(host, VIEW_APPLIED, out, err);
}

mig_status mighost_plan(struct mighost *host, enum mighost_direction direction,
                        const struct mighost_options *options, struct mighost_list **out,
                        struct mig_err *err)
{
    AUTO(look) struct look look = {0};
    AUTO(plan) struct plan *plan = NULL;
    struct plan_request request;

    MIG_TRY(request_of(direction, options, &request, err));
    MIG_TRY(look_open(host, &look, err));
    MIG_TRY(tell_warnings(host, &look, err));
    MIG_TRY(plan_build(look.catalog, look.history, &request, &plan, err));
    return view_plan(plan, look.history, out, err);
}

static void engine_text(const struct look *look, char *out, size_t size)
{
    const struct session *session = &look->session;

    snprintf(out, size, "%s%s%s", session->driver->name, look->reachable ? " " : "",
             look->reachable ? session->driver->info(session->conn, MIG_INFO_VERSION) : "");
}

mig_status mighost_status(struct mighost *host, struct mighost_overview **out, struct mig_err *err)
{
    AUTO(look) struct look look = {0};
    struct mighost_attempts *attempts = NULL;
    char engine[80];
    mig_status status = look_open(host, &look, err);

    if (status == MIG_OK)
        status = tell_warnings(host, &look, err);
    if (status == MIG_OK && look.reachable)
        status = history_attempts(look.session.history, NULL, 1, &attempts, err);
    if (status < 0)
        return status;
    engine_text(&look, engine, sizeof engine);
    status =
        view_status(look.catalog, look.history,
                    look.reachable ? look.session.driver->info(look.session.conn, MIG_INFO_TARGET)
                                   : "a database that is not there yet",
                    engine, attempts, out, err);
    mighost_attempts_free(attempts);
    return status;
}

/* The history alone: no bundle is needed. */
static mig_status look_history(struct mighost *host, struct look *look, struct mig_err *err)
{
    MIG_TRY(need_database(host, err));
    return look_connect(host, look, err);
}

static void copy_id(const struct applied *applied, char out[MIG_ID_SIZE])
{
    snprintf(out, MIG_ID_SIZE, "%s", applied ? applied->id_text : "");
}

mig_status mighost_current(struct mighost *host, char id[MIG_ID_SIZE], struct mig_err *err)
{
    AUTO(look) struct look look = {0};

    MIG_TRY(look_history(host, &look, err));
    copy_id(plan_current(look.history), id);
    return MIG_OK;
}

mig_status mighost_previous(struct mighost *host, const char *id, char out[MIG_ID_SIZE],
                            struct mig_err *err)
{
    AUTO(look) struct look look = {0};
    const struct applied *current;
    uint64_t number = 0;

    if (id && *id)
        MIG_TRY(id_parse(id, &number, err));
    MIG_TRY(look_history(host, &look, err));
    current = plan_current(look.history);
    if (number == 0 && current)
        number = current->id;
    copy_id(number ? plan_previous(look.history, number) : NULL, out);
    return MIG_OK;
}

/* Ids are found by value: "1" finds the migration 000001. */
static const char *text_of_id(const struct look *look, const char *id, uint64_t number)
{
    const struct applied *applied = applied_find(look->history, number);

    return applied ? applied->id_text : id;
}

mig_status mighost_log(struct mighost *host, const char *id, size_t limit,
                       struct mighost_attempts **out, struct mig_err *err)
{
    AUTO(look) struct look look = {0};
    uint64_t number = 0;

    if (id)
        MIG_TRY(id_parse(id, &number, err));
    MIG_TRY(look_history(host, &look, err));
    if (look.reachable)
        return history_attempts(look.session.history, id ? text_of_id(&look, id, number) : NULL,
                                limit, out, err);
    return err_set(err, MIG_E_NOTFOUND, "there is no such database yet, and so no log");
}

/* --- one migration in detail ------------------------------------------------------ */

struct detail_texts {
    struct buf up;
    struct buf down;
    struct journal *journal;
    struct mighost_attempts *attempts;
};

static void detail_texts_clear(struct detail_texts *texts)
{
    buf_clear(&texts->up);
    buf_clear(&texts->down);
    journal_free(texts->journal);
    mighost_attempts_free(texts->attempts);
}
AUTO_VALUE(detail_texts, struct detail_texts, detail_texts_clear)

static mig_status read_part(const struct look *look, const struct migration *migration,
                            enum catalog_role role, struct buf *out, struct mig_err *err)
{
    struct sql_source source;
    size_t got = 0;
    mig_status status;

    MIG_TRY(catalog_open_part(look->catalog, migration, role, CATALOG_LOOK, &source, err));
    if (source.len > (int64_t)SHOWN_TEXT_MAX)
        source.len = (int64_t)SHOWN_TEXT_MAX;
    status = buf_reserve(out, (size_t)source.len)
                 ? fs_pread(source.fd, source.name, out->data, (size_t)source.len, source.offset,
                            &got, err)
                 : err_nomem(err);
    if (status == MIG_OK) {
        out->len = got;
        out->data[got] = '\0';
    }
    close(source.fd);
    return status;
}

static mig_status read_bundle_texts(const struct look *look, struct view_parts *parts,
                                    struct detail_texts *texts, struct mig_err *err)
{
    const struct migration *migration = parts->migration;

    if (!migration || (migration->kind != MIGHOST_SQL && migration->kind != MIGHOST_SQL_MODULE))
        return MIG_OK;
    MIG_TRY(read_part(look, migration, CATALOG_UP, &texts->up, err));
    parts->up = buf_text(&texts->up);
    if (!migration->has_down)
        return MIG_OK;
    MIG_TRY(read_part(look, migration, CATALOG_DOWN, &texts->down, err));
    parts->down = buf_text(&texts->down);
    return MIG_OK;
}

/* The down that a rollback would use is the history's, where the file is gone
 * or has changed. */
static mig_status read_carried_text(const struct look *look, struct view_parts *parts,
                                    struct detail_texts *texts, struct mig_err *err)
{
    const struct applied *applied = parts->applied;
    uint32_t flags = plan_flags(parts->migration, applied, parts->newest);

    if (!applied || !applied->carrier[0] || applied->kind == MIGHOST_NATIVE ||
        !(flags & (MIGHOST_CHANGED | MIGHOST_MISSING)))
        return MIG_OK;
    buf_reset(&texts->down);
    MIG_TRY(history_get_carrier(look->session.history, applied->id, applied->carrier, &texts->down,
                                err));
    parts->down = buf_text(&texts->down);
    parts->down_is_carrier = true;
    return MIG_OK;
}

static mig_status read_records(const struct look *look, struct view_parts *parts,
                               struct detail_texts *texts, const char *id_text, uint64_t id,
                               struct mig_err *err)
{
    bool exists;

    if (!look->reachable)
        return MIG_OK;
    MIG_TRY(history_attempts(look->session.history, id_text, 0, &texts->attempts, err));
    parts->attempts = texts->attempts;
    MIG_TRY(history_exists(look->session.history, &exists, err));
    if (exists)
        MIG_TRY(history_journal(look->session.history, id, &texts->journal, err));
    parts->journal = texts->journal;
    return MIG_OK;
}

mig_status mighost_show(struct mighost *host, const char *id, struct mighost_detail **out,
                        struct mig_err *err)
{
    AUTO(look) struct look look = {0};
    AUTO(detail_texts) struct detail_texts texts = {0};
    struct view_parts parts = {0};
    uint64_t number;
    const char *id_text;

    MIG_TRY(id_parse(id, &number, err));
    MIG_TRY(look_open(host, &look, err));
    parts.migration = catalog_find(look.catalog, number);
    parts.applied = applied_find(look.history, number);
    if (!parts.migration && !parts.applied)
        return err_set(err, MIG_E_USAGE, "neither the bundle nor the history has a migration %s",
                       id);
    parts.newest = plan_current(look.history) ? plan_current(look.history)->id : 0;
    id_text = parts.applied ? parts.applied->id_text : parts.migration->id_text;
    MIG_TRY(read_bundle_texts(&look, &parts, &texts, err));
    MIG_TRY(read_carried_text(&look, &parts, &texts, err));
    MIG_TRY(read_records(&look, &parts, &texts, id_text, number, err));
    return view_detail(&parts, out, err);
}

/* --- redo, settling, creating ------------------------------------------------------- */

/* The one applied last: what `down` would take first. */
static mig_status newest_applied(struct mighost *host, uint64_t *id, struct mig_err *err)
{
    AUTO(look) struct look look = {0};
    const struct applied *newest = NULL;

    MIG_TRY(look_history(host, &look, err));
    for (size_t i = 0; i < look.history->count; i++)
        if (look.history->items[i].state == MIGHOST_APPLIED &&
            (!newest || look.history->items[i].sequence > newest->sequence))
            newest = &look.history->items[i];
    if (!newest)
        return err_set(err, MIG_E_HISTORY, "nothing is applied, so there is nothing to redo");
    *id = newest->id;
    return MIG_OK;
}

/* The history as it will be once `id` is rolled back. */
static size_t copy_without(const struct applied_list *history, uint64_t id, struct applied *out)
{
    size_t count = 0;

    for (size_t i = 0; i < history->count; i++)
        if (history->items[i].id != id)
            out[count++] = history->items[i];
    return count;
}

/* Whether it could be applied again once it is rolled back. */
static mig_status check_redo(struct mighost *host, uint64_t id,
                             const struct mighost_options *options, struct mig_err *err)
{
    AUTO(look) struct look look = {0};
    AUTO(plan) struct plan *plan = NULL;
    AUTO(free) struct applied *items = NULL;
    struct applied_list after;
    struct plan_request request;

    MIG_TRY(request_one(id, MIGHOST_UP, options, &request, err));
    MIG_TRY(look_open(host, &look, err));
    if (!catalog_find(look.catalog, id))
        return err_set(err, MIG_E_HISTORY,
                       "the bundle has no migration %llu, so it could not be applied again; "
                       "nothing was done",
                       (unsigned long long)id);
    items = calloc(look.history->count + 1, sizeof *items);
    if (!items)
        return err_nomem(err);
    after = (struct applied_list){copy_without(look.history, id, items), items};
    if (plan_build(look.catalog, &after, &request, &plan, err) == MIG_OK)
        return MIG_OK;
    return err_append(err, "it could not be applied again, so nothing was rolled back");
}

/* Redo must not begin what it could not finish. */
mig_status mighost_redo(struct mighost *host, const struct mighost_options *options,
                        struct mighost_result *result, struct mig_err *err)
{
    struct mighost_options up = options_of(options);
    char text[MIG_ID_SIZE];
    uint64_t id = 0;

    MIG_TRY(need_database(host, err));
    MIG_TRY(newest_applied(host, &id, err));
    snprintf(text, sizeof text, "%llu", (unsigned long long)id);
    up.allow_out_of_order = true; /* it was in its place before, and behind its gate */
    up.open_gates = (const char *const[]){text, NULL};
    MIG_TRY(check_redo(host, id, &up, err));
    MIG_TRY(run_one(host, id, MIGHOST_DOWN, options, result, err));
    return run_one(host, id, MIGHOST_UP, &up, result, err);
}

static mig_status open_to_write(struct mighost *host, struct look *look, struct mig_err *err)
{
    struct run_config config = run_config_of(host);
    struct session_config session = run_session_config(&config);

    MIG_TRY(need_database(host, err));
    return session_open(&look->session, &session, SESSION_WRITE, err);
}

mig_status mighost_init(struct mighost *host, struct mig_err *err)
{
    AUTO(look) struct look look = {0};

    return open_to_write(host, &look, err);
}

mig_status mighost_resolve(struct mighost *host, const char *id, enum mighost_resolution how,
                           struct mig_err *err)
{
    AUTO(look) struct look look = {0};
    struct run_config config = run_config_of(host);
    char who[RUN_WHO];
    uint64_t number;

    run_who(who);
    MIG_TRY(id_parse(id, &number, err));
    MIG_TRY(need_database(host, err));
    MIG_TRY(run_catalog(&config, &look.session, &look.trust, &look.catalog, err));
    MIG_TRY(open_to_write(host, &look, err));
    return settle_resolve(&look.session, look.catalog, number, how, who, err);
}

mig_status mighost_baseline(struct mighost *host, const char *id, size_t *recorded,
                            struct mig_err *err)
{
    AUTO(look) struct look look = {0};
    struct run_config config = run_config_of(host);
    char who[RUN_WHO];
    uint64_t number;
    size_t count;

    run_who(who);
    MIG_TRY(id_parse(id, &number, err));
    MIG_TRY(need_database(host, err));
    MIG_TRY(run_catalog(&config, &look.session, &look.trust, &look.catalog, err));
    MIG_TRY(open_to_write(host, &look, err));
    MIG_TRY(settle_baseline(&look.session, look.catalog, number, who, &count, err));
    if (recorded)
        *recorded = count;
    return MIG_OK;
}

mig_status mighost_create(struct mighost *host, const char *id, const char *name, const char *up,
                          const char *down, char *path, size_t size, struct mig_err *err)
{
    struct create create = {
        .bundle = host->config.bundle,
        .folder = host->config.bundle,
        .id = id,
        .name = name,
        .up = up,
        .down = down,
    };

    return create_sql(&create, path, size, err);
}

mig_status mighost_create_native(struct mighost *host, const char *id, const char *name,
                                 const char *folder, char *path, size_t size, struct mig_err *err)
{
    struct create create = {
        .bundle = host->config.bundle,
        .folder = folder,
        .id = id,
        .name = name,
    };

    return create_native(&create, path, size, err);
}

mig_status mighost_inspect(const char *path, struct mighost_module_info *out, struct mig_err *err)
{
    return inspect_module(path, out, err);
}

/* --- signatures --------------------------------------------------------------------- */

mig_status mighost_key_new(const char *path, char fingerprint[MIG_SHA256_HEX], struct mig_err *err)
{
    return trust_key_new(path, fingerprint, err);
}

mig_status mighost_sign(struct mighost *host, const char *key_path, struct mighost_signing *out,
                        struct mig_err *err)
{
    return trust_sign_bundle(host->config.bundle, key_path, out, err);
}

mig_status mighost_check(struct mighost *host, struct mighost_findings **out, struct mig_err *err)
{
    AUTO(trust) struct trust *trust = NULL;

    MIG_TRY(trust_open(host->config.trust, &trust, err));
    return trust_check_bundle(trust, host->config.bundle, out, err);
}

int mighost_exit_code(mig_status status)
{
    return status_exit_code(status);
}

const char *mighost_status_name(mig_status status)
{
    return status_name(status);
}

const char *mighost_status_text(mig_status status)
{
    return status_text(status);
}
