/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two passes. The first looks at every migration that bundle or history knows
 * and collects what stands in the way, so that one message names all ids at
 * once; the second makes the steps. Both lists are ordered by id and are merged
 * in one walk; nothing is quadratic.
 */
#include "plan.h"

#include "buf.h"
#include "sha256.h"
#include "vec.h"
#include <inttypes.h>

#define NAMED_MAX 10 /* ids that a message lists before it counts the rest */

VEC_DEFINE(step_vec, struct plan_step);
VEC_DEFINE(accepted_vec, const struct applied *);

struct plan_store {
    struct plan plan; /* first: what is handed out */
    struct step_vec steps;
    struct accepted_vec accepted;
};

/* Ids for one message. */
struct named {
    struct buf text;
    size_t count;
};

struct planner {
    const struct catalog *catalog;
    const struct applied_list *history;
    const struct plan_request *request;
    struct plan_store *store;
    uint64_t newest; /* highest applied id */
    bool nomem;
};

void plan_free(struct plan *plan)
{
    struct plan_store *store = (struct plan_store *)plan;

    if (!store)
        return;
    step_vec_clear(&store->steps);
    accepted_vec_clear(&store->accepted);
    free(store);
}

/* --- questions about one migration ---------------------------------------------- */

static bool is_changed(const struct migration *migration, const struct applied *applied)
{
    char hex[HISTORY_HEX];

    if (!migration || !applied)
        return false;
    sha256_hex(migration->checksum, hex);
    return strcmp(hex, applied->checksum) != 0;
}

static bool is_applied(const struct applied *applied)
{
    return applied && applied->state == MIGHOST_APPLIED;
}

/* Whether the bundle's own down belongs to what was applied. */
static bool down_by_file(const struct migration *migration, const struct applied *applied)
{
    return migration && migration->has_down && !is_changed(migration, applied);
}

uint32_t plan_flags(const struct migration *migration, const struct applied *applied,
                    uint64_t newest)
{
    uint32_t flags = 0;
    bool has_down =
        applied ? down_by_file(migration, applied) || applied->carrier[0] : migration->has_down;

    if (is_changed(migration, applied))
        flags |= MIGHOST_CHANGED;
    if (!migration)
        flags |= MIGHOST_MISSING;
    if (!applied && migration->id < newest)
        flags |= MIGHOST_OUT_OF_ORDER;
    if (has_down)
        flags |= MIGHOST_HAS_DOWN;
    if (migration && migration->has_verify)
        flags |= MIGHOST_HAS_VERIFY;
    return flags;
}

const struct applied *plan_previous(const struct applied_list *history, uint64_t id)
{
    for (size_t i = history->count; i > 0; i--)
        if (history->items[i - 1].id < id && is_applied(&history->items[i - 1]))
            return &history->items[i - 1];
    return NULL;
}

const struct applied *plan_current(const struct applied_list *history)
{
    return plan_previous(history, UINT64_MAX);
}

/* --- lists of ids ------------------------------------------------------------------ */

static void named_clear(struct named *named)
{
    buf_clear(&named->text);
}
AUTO_VALUE(named, struct named, named_clear)

static void named_add(struct named *named, const char *id_text)
{
    if (named->count++ < NAMED_MAX)
        buf_printf(&named->text, "%s%s", named->count > 1 ? ", " : "", id_text);
}

static const char *named_text(struct named *named)
{
    if (named->count > NAMED_MAX)
        buf_printf(&named->text, " and %zu more", named->count - NAMED_MAX);
    named->count = named->count > NAMED_MAX ? NAMED_MAX : named->count;
    return buf_text(&named->text);
}

static const char *plural(const struct named *named, const char *one, const char *many)
{
    return named->count == 1 ? one : many;
}

/* --- states that need a person ------------------------------------------------------ */

/* A message for each state in which a migration must not stand while others go
 * on in that direction; NULL where it is no obstacle. */
static const char *obstacle(const struct applied *applied, enum mighost_direction direction)
{
    switch (applied->state) {
    case MIGHOST_FAILED:
        return "stopped part way without a transaction: look at the database, then `mighost "
               "resolve %s` with --retry, --applied or --reverted";
    case MIGHOST_RUNNING:
        return applied->mode == MIG_NONE
                   ? "was started and never finished: look at the database, then `mighost "
                     "resolve %s` with --retry, --applied or --reverted"
                   : "has a committed row in the state `running`, so something ended its "
                     "transaction behind the host's back: look at the database, then `mighost "
                     "resolve %s` with --retry, --applied or --reverted";
    case MIGHOST_PARTIAL:
        return direction == MIGHOST_UP
                   ? NULL
                   : "is half applied: finish it with `mighost up`, or settle it with `mighost "
                     "resolve %s`, before rolling anything back";
    case MIGHOST_REVERTING:
        return direction == MIGHOST_DOWN
                   ? NULL
                   : "is half rolled back: finish that with `mighost down`, or settle it with "
                     "`mighost resolve %s`, before applying anything";
    case MIGHOST_PENDING:
    case MIGHOST_APPLIED:
        break;
    }
    return NULL;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static mig_status check_states(const struct planner *planner, struct mig_err *err)
{
    for (size_t i = 0; i < planner->history->count; i++) {
        const struct applied *applied = &planner->history->items[i];
        const char *text = obstacle(applied, planner->request->direction);
        char advice[400];

        if (!text)
            continue;
        snprintf(advice, sizeof advice, text, applied->id_text);
        return err_set(err, MIG_E_HISTORY, "migration %s (%s) %s; nothing was done",
                       applied->id_text, applied->description, advice);
    }
    return MIG_OK;
}
#pragma GCC diagnostic pop

/* --- up -------------------------------------------------------------------------------- */

static bool is_accepted(const struct planner *planner, const struct applied *applied)
{
    const char *const *ids = planner->request->accept_changed;

    for (size_t i = 0; ids && ids[i]; i++)
        if (strtoull(ids[i], NULL, 10) == applied->id)
            return true;
    return false;
}

static void note_changed(struct planner *planner, const struct applied *applied,
                         struct named *changed)
{
    const struct applied **slot;

    if (!is_accepted(planner, applied)) {
        named_add(changed, applied->id_text);
        return;
    }
    slot = accepted_vec_add(&planner->store->accepted);
    if (slot)
        *slot = applied;
    else
        planner->nomem = true;
}

static mig_status check_changed(struct planner *planner, struct mig_err *err)
{
    AUTO(named) struct named changed = {0};

    for (size_t i = 0; i < planner->history->count; i++) {
        const struct applied *applied = &planner->history->items[i];

        if (is_changed(catalog_find(planner->catalog, applied->id), applied))
            note_changed(planner, applied, &changed);
    }
    if (changed.count == 0)
        return planner->nomem ? err_nomem(err) : MIG_OK;
    return err_set(err, MIG_E_HISTORY,
                   "applied, but changed since: %s; put the old file back, write a new migration "
                   "for the change, or accept the file as it is with --accept-changed ID (a half "
                   "applied one: `mighost resolve ID --retry`); nothing was done",
                   named_text(&changed));
}

static bool add_step(struct planner *planner, struct plan_step step)
{
    struct plan_step *slot = step_vec_add(&planner->store->steps);

    if (!slot) {
        planner->nomem = true;
        return false;
    }
    *slot = step;
    return true;
}

static bool up_selects(const struct planner *planner, const struct migration *migration)
{
    const struct plan_request *request = planner->request;

    switch (request->select) {
    case PLAN_TO:
        return migration->id <= request->id;
    case PLAN_COUNT:
        return planner->store->steps.len < request->count;
    case PLAN_ONE:
        return migration->id == request->id;
    default:
        return true;
    }
}

static void add_pending(struct planner *planner, const struct migration *migration,
                        struct named *late)
{
    const struct applied *applied = applied_find(planner->history, migration->id);

    if (is_applied(applied) || !up_selects(planner, migration))
        return;
    if (!applied && migration->id < planner->newest)
        named_add(late, migration->id_text);
    add_step(planner, (struct plan_step){
                          .direction = MIGHOST_UP,
                          .migration = migration,
                          .applied = applied,
                          .resume = applied != NULL,
                      });
}

static mig_status check_up_target(const struct planner *planner, struct mig_err *err)
{
    const struct plan_request *request = planner->request;
    const struct applied *applied = applied_find(planner->history, request->id);

    if (request->select != PLAN_TO && request->select != PLAN_ONE)
        return MIG_OK;
    if (!catalog_find(planner->catalog, request->id) &&
        (request->select == PLAN_ONE || !applied))
        return err_set(err, MIG_E_USAGE,
                       "there is no migration %" PRIu64 " in the bundle; nothing was done",
                       request->id);
    if (request->select == PLAN_ONE && is_applied(applied))
        return err_set(err, MIG_E_HISTORY, "migration %s is applied already; nothing was done",
                       applied->id_text);
    return MIG_OK;
}

/* One migration alone must not leave older ones behind it. */
static mig_status check_left_behind(const struct planner *planner, struct mig_err *err)
{
    AUTO(named) struct named older = {0};

    if (planner->request->select != PLAN_ONE || planner->request->allow_out_of_order)
        return MIG_OK;
    for (size_t i = 0; i < planner->catalog->count; i++) {
        const struct migration *migration = &planner->catalog->items[i];

        if (migration->id >= planner->request->id)
            break;
        if (!is_applied(applied_find(planner->history, migration->id)))
            named_add(&older, migration->id_text);
    }
    if (older.count == 0)
        return MIG_OK;
    return err_set(err, MIG_E_HISTORY,
                   "older migrations are pending: %s; apply them first, or say "
                   "--allow-out-of-order; nothing was done",
                   named_text(&older));
}

static mig_status plan_up(struct planner *planner, struct mig_err *err)
{
    AUTO(named) struct named late = {0};

    MIG_TRY(check_states(planner, err));
    MIG_TRY(check_changed(planner, err));
    MIG_TRY(check_up_target(planner, err));
    MIG_TRY(check_left_behind(planner, err));
    for (size_t i = 0; i < planner->catalog->count; i++)
        add_pending(planner, &planner->catalog->items[i], &late);
    if (late.count == 0 || planner->request->allow_out_of_order)
        return MIG_OK;
    return err_set(err, MIG_E_HISTORY,
                   "pending, but older than the newest applied one (%" PRIu64
                   "): %s; give %s a newer id, or say --allow-out-of-order; nothing was done",
                   planner->newest, named_text(&late), plural(&late, "it", "them"));
}

/* --- down ---------------------------------------------------------------------------------- */

static int newest_first(const void *a, const void *b)
{
    const struct applied *left = *(const struct applied *const *)a;
    const struct applied *right = *(const struct applied *const *)b;

    if ((left->state == MIGHOST_REVERTING) != (right->state == MIGHOST_REVERTING))
        return left->state == MIGHOST_REVERTING ? -1 : 1;
    return (left->sequence < right->sequence) - (left->sequence > right->sequence);
}

static bool down_selects(const struct planner *planner, const struct applied *applied,
                         size_t taken)
{
    const struct plan_request *request = planner->request;

    switch (request->select) {
    case PLAN_DEFAULT:
        return taken < 1;
    case PLAN_COUNT:
        return taken < request->count;
    case PLAN_TO:
        return applied->id > request->id;
    case PLAN_ONE:
        return applied->id == request->id;
    case PLAN_RUN:
        return strcmp(applied->run_id, request->run_id) == 0;
    case PLAN_ALL:
        break;
    }
    return true;
}

/* The step back of one migration; false where there is no way back. */
static bool step_back(struct planner *planner, const struct applied *applied)
{
    const struct migration *migration = catalog_find(planner->catalog, applied->id);
    bool by_file = down_by_file(migration, applied);

    if (!by_file && !applied->carrier[0])
        return false;
    return add_step(planner, (struct plan_step){
                                 .direction = MIGHOST_DOWN,
                                 .migration = migration,
                                 .applied = applied,
                                 .by_carrier = !by_file,
                                 .resume = applied->state == MIGHOST_REVERTING,
                             });
}

static mig_status check_down_target(const struct planner *planner, struct mig_err *err)
{
    const struct applied *applied;

    if (planner->request->select == PLAN_RUN)
        return MIG_OK;
    MIG_TRY(check_states(planner, err));
    if (planner->request->select != PLAN_ONE)
        return MIG_OK;
    applied = applied_find(planner->history, planner->request->id);
    if (applied)
        return MIG_OK;
    return err_set(err, MIG_E_HISTORY,
                   "migration %" PRIu64 " is not applied, so it cannot be rolled back; nothing "
                   "was done",
                   planner->request->id);
}

static void collect_back(struct planner *planner, const struct applied **order, size_t count,
                         struct named *stuck)
{
    size_t taken = 0;

    for (size_t i = 0; i < count && !planner->nomem; i++) {
        if (!down_selects(planner, order[i], taken))
            continue;
        if (step_back(planner, order[i])) {
            taken++;
        } else if (!planner->nomem && !planner->request->skip_irreversible) {
            named_add(stuck, order[i]->id_text);
            taken++;
        }
    }
}

static mig_status plan_down(struct planner *planner, struct mig_err *err)
{
    AUTO(named) struct named stuck = {0};
    AUTO(free) const struct applied **order = calloc(planner->history->count + 1, sizeof *order);
    size_t count = 0;

    if (!order)
        return err_nomem(err);
    MIG_TRY(check_down_target(planner, err));
    for (size_t i = 0; i < planner->history->count; i++) {
        const struct applied *applied = &planner->history->items[i];

        if (is_applied(applied) || applied->state == MIGHOST_REVERTING)
            order[count++] = applied;
    }
    qsort(order, count, sizeof *order, newest_first);
    collect_back(planner, order, count, &stuck);
    if (stuck.count == 0)
        return MIG_OK;
    return err_set(err, MIG_E_HISTORY,
                   "cannot be rolled back, for want of a down: %s; write a .down.sql for %s, or "
                   "leave %s applied with --skip-irreversible; nothing was done",
                   named_text(&stuck), plural(&stuck, "it", "them"),
                   plural(&stuck, "it", "them"));
}

/* --- all together ------------------------------------------------------------------------------ */

mig_status plan_build(const struct catalog *catalog, const struct applied_list *history,
                      const struct plan_request *request, struct plan **out, struct mig_err *err)
{
    AUTO(plan) struct plan *plan = calloc(1, sizeof(struct plan_store));
    struct plan_store *store = (struct plan_store *)plan;
    const struct applied *current = plan_current(history);
    struct planner planner = {
        .catalog = catalog,
        .history = history,
        .request = request,
        .store = store,
        .newest = current ? current->id : 0,
    };

    if (!store)
        return err_nomem(err);
    MIG_TRY(request->direction == MIGHOST_UP ? plan_up(&planner, err) : plan_down(&planner, err));
    if (planner.nomem)
        return err_nomem(err);
    plan->steps = store->steps.data;
    plan->count = store->steps.len;
    plan->accepted = store->accepted.data;
    plan->accepted_count = store->accepted.len;
    *out = TAKE(plan);
    return MIG_OK;
}
