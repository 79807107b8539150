/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundle and history are merged by id into pairs, and every rule looks at one
 * pair. First a choice is made of what was asked for, then two tables of rules
 * say what stands in its way: those of the whole history, and those of the
 * chosen. A rule names all its offenders in one message. Steps are in the
 * order in which they are to be taken, what must be gone on with first.
 */
#include "plan.h"

#include "buf.h"
#include "sha256.h"
#include "vec.h"

#include <string.h>
#include <strings.h>

#define IDS_NAMED 10 /* in a message; the rest is counted */

/* One id: in the bundle, in the history, or in both. */
struct pair {
    const struct migration *migration;
    const struct applied *applied;
    bool changed;
    bool accepted; /* named by --accept-changed */
    bool chosen;
};

VEC_DEFINE(pairs, struct pair);
VEC_DEFINE(steps, struct plan_step);
VEC_DEFINE(accepteds, const struct applied *);
VEC_DEFINE(order, struct pair *);

struct store {
    struct plan plan; /* first: what is handed out */
    struct steps steps;
    struct accepteds accepted;
};

struct planner {
    const struct plan_request *request;
    struct pairs pairs;  /* ascending by id */
    struct order order;  /* of the steps: addresses in `pairs` */
    uint64_t newest;     /* id that the history knows, in whatever state */
    struct store *store; /* the result */
};

static void store_free(struct store *store)
{
    if (!store)
        return;
    steps_clear(&store->steps);
    accepteds_clear(&store->accepted);
    free(store);
}

static void planner_clear(struct planner *planner)
{
    pairs_clear(&planner->pairs);
    order_clear(&planner->order);
    store_free(planner->store);
}
AUTO_VALUE(planner, struct planner, planner_clear)

void plan_free(struct plan *plan)
{
    store_free((struct store *)plan);
}

/* ---- what a pair is --------------------------------------------------- */

static uint64_t id_of(const struct pair *pair)
{
    return pair->migration ? pair->migration->id : pair->applied->id;
}

static const char *id_text_of(const struct pair *pair)
{
    return pair->applied ? pair->applied->id_text : pair->migration->id_text;
}

static bool is_changed(const struct migration *migration, const struct applied *applied)
{
    char now[HISTORY_HEX];

    if (!migration || !applied || !applied->checksum[0])
        return false;
    sha256_hex(migration->checksum, now);
    return strcasecmp(applied->checksum, now) != 0;
}

static bool in_state(const struct pair *pair, enum mighost_state state)
{
    return pair->applied && pair->applied->state == state;
}

static bool is_pending(const struct pair *pair)
{
    return !pair->applied;
}

/* Durable, and begun: `up` goes on. */
static bool is_partial(const struct pair *pair)
{
    return in_state(pair, MIGHOST_PARTIAL) ||
           (in_state(pair, MIGHOST_RUNNING) && pair->applied->mode == MIG_DURABLE);
}

static bool has_carrier(const struct pair *pair)
{
    return pair->applied->carrier[0] != '\0';
}

/* Of a changed migration the carrier is the down that belongs to what ran. */
static bool down_by_file(const struct pair *pair)
{
    return pair->migration && pair->migration->has_down && !(pair->changed && has_carrier(pair));
}

static bool opens(const char *text, const struct migration *migration)
{
    struct mig_err ignored;
    uint64_t id;

    return strcmp(text, migration->gate) == 0 ||
           (id_parse(text, &id, &ignored) == MIG_OK && id == migration->id);
}

/* Held by its gate. One that has begun is behind it. */
static bool is_waiting(const struct planner *planner, const struct pair *pair)
{
    const char *const *texts = planner->request->open_gates;

    if (planner->request->direction == MIGHOST_DOWN || !is_pending(pair) || !pair->migration->gate)
        return false;
    for (; texts && *texts; texts++)
        if (opens(*texts, pair->migration))
            return false;
    return true;
}

/* ---- rules ------------------------------------------------------------ */

static bool committed_behind_us(const struct planner *planner, const struct pair *pair)
{
    (void)planner;
    return in_state(pair, MIGHOST_RUNNING) && pair->applied->mode == MIG_ATOMIC;
}

static bool has_failed(const struct planner *planner, const struct pair *pair)
{
    (void)planner;
    return in_state(pair, MIGHOST_FAILED) ||
           (in_state(pair, MIGHOST_RUNNING) && pair->applied->mode == MIG_NONE);
}

static bool half_reverted(const struct planner *planner, const struct pair *pair)
{
    (void)planner;
    return in_state(pair, MIGHOST_REVERTING);
}

static bool changed_since(const struct planner *planner, const struct pair *pair)
{
    (void)planner;
    return pair->changed && in_state(pair, MIGHOST_APPLIED) && !pair->accepted;
}

static bool partial_and_changed(const struct planner *planner, const struct pair *pair)
{
    (void)planner;
    return pair->changed && is_partial(pair);
}

static bool partial_and_missing(const struct planner *planner, const struct pair *pair)
{
    (void)planner;
    return !pair->migration && is_partial(pair);
}

static bool partial_elsewhere(const struct planner *planner, const struct pair *pair)
{
    return planner->request->select == PLAN_ONE && !pair->chosen && is_partial(pair);
}

static bool out_of_order(const struct planner *planner, const struct pair *pair)
{
    return !planner->request->allow_out_of_order && is_pending(pair) &&
           id_of(pair) < planner->newest;
}

static bool applied_in_part(const struct planner *planner, const struct pair *pair)
{
    (void)planner;
    return is_partial(pair);
}

static bool changed_without_carrier(const struct planner *planner, const struct pair *pair)
{
    (void)planner;
    return pair->changed && !pair->accepted && down_by_file(pair);
}

static bool irreversible(const struct planner *planner, const struct pair *pair)
{
    (void)planner;
    return !down_by_file(pair) && !has_carrier(pair);
}

/* And it is what was asked for, so that nothing can be gone past. */
static bool irreversible_itself(const struct planner *planner, const struct pair *pair)
{
    return planner->request->select == PLAN_ONE && irreversible(planner, pair);
}

struct rule {
    bool (*broken)(const struct planner *planner, const struct pair *pair);
    bool chosen_only;
    const char *what;   /* stands before the ids */
    const char *advice; /* and behind them */
};

#define SETTLE "settle it with mighost resolve ID --retry, --applied or --reverted"

static const struct rule up_rules[] = {
    {committed_behind_us, false, "recorded as running although its mode is atomic",
     "something in it committed the host's transaction: look at what it left, then " SETTLE},
    {has_failed, false, "failed or was stopped outside of a transaction",
     "look at what it left, then " SETTLE},
    {half_reverted, false, "rolled back only in part", "finish that with mighost down, or " SETTLE},
    {partial_and_missing, false, "applied only in part, and not in the bundle any more",
     "deploy the bundle that has it, or " SETTLE},
    {partial_and_changed, false, "applied only in part, and its file has changed since",
     "put the old file back, or take the new one with mighost resolve ID --retry"},
    {partial_elsewhere, false, "applied only in part", "finish that first with mighost up"},
    {changed_since, false, "applied, and its file has changed since",
     "put the old file back, or take the new one as applied with --accept-changed ID"},
    {out_of_order, true, "older than the newest applied migration",
     "give it a newer id, or apply it all the same with --allow-out-of-order"},
};

static const struct rule down_rules[] = {
    {committed_behind_us, true, "recorded as running although its mode is atomic",
     "something in it committed the host's transaction: look at what it left, then " SETTLE},
    {has_failed, true, "failed or was stopped outside of a transaction",
     "look at what it left, then " SETTLE},
    {applied_in_part, true, "applied only in part",
     "finish it with mighost up before rolling it back, or " SETTLE},
    {irreversible_itself, true, "cannot be rolled back, having no down", "add one"},
    {irreversible, true, "cannot be rolled back, having no down",
     "add one, or leave it applied with --skip-irreversible"},
    {changed_without_carrier, true,
     "changed since it was applied, and the history does not carry its down",
     "put the old file back, or use the new down with --accept-changed ID"},
};

static bool breaks(const struct planner *planner, const struct pair *pair, const struct rule *rule)
{
    return (!rule->chosen_only || pair->chosen) && rule->broken(planner, pair);
}

/* Puts up to ten ids into `ids`, and how many more there are. */
static void name_offenders(const struct planner *planner, const struct rule *rule, struct buf *ids)
{
    size_t count = 0;

    for (size_t i = 0; i < planner->pairs.len; i++) {
        const struct pair *pair = &planner->pairs.data[i];

        if (!breaks(planner, pair, rule))
            continue;
        if (count++ < IDS_NAMED)
            buf_printf(ids, "%s%s", count > 1 ? ", " : "", id_text_of(pair));
    }
    if (count > IDS_NAMED)
        buf_printf(ids, " and %zu more", count - IDS_NAMED);
}

/* The first rule that any pair breaks, in one pass; `count` where none is. */
static size_t first_broken(const struct planner *planner, const struct rule *rules, size_t count)
{
    for (size_t i = 0; i < planner->pairs.len; i++)
        for (size_t j = 0; j < count; j++)
            if (breaks(planner, &planner->pairs.data[i], &rules[j]))
                count = j;
    return count;
}

static mig_status check_rules(const struct planner *planner, const struct rule *rules, size_t count,
                              struct mig_err *err)
{
    size_t broken = first_broken(planner, rules, count);
    AUTO(buf) struct buf ids = {0};

    if (broken == count)
        return MIG_OK;
    name_offenders(planner, &rules[broken], &ids);
    MIG_TRY(buf_check(&ids, err));
    return err_set(err, MIG_E_HISTORY, "%s: %s; %s", rules[broken].what, buf_text(&ids),
                   rules[broken].advice);
}

/* ---- pairs ------------------------------------------------------------ */

static mig_status merge(struct planner *planner, const struct catalog *catalog,
                        const struct applied_list *history, struct mig_err *err)
{
    size_t i = 0;
    size_t j = 0;

    while (i < catalog->count || j < history->count) {
        const struct migration *migration = i < catalog->count ? &catalog->items[i] : NULL;
        const struct applied *applied = j < history->count ? &history->items[j] : NULL;
        struct pair *pair = pairs_add(&planner->pairs);

        if (!pair)
            return err_nomem(err);
        if (migration && applied && migration->id < applied->id)
            applied = NULL;
        else if (migration && applied && migration->id > applied->id)
            migration = NULL;
        i += migration != NULL;
        j += applied != NULL;
        *pair = (struct pair){migration, applied, is_changed(migration, applied), false, false};
    }
    if (history->count > 0)
        planner->newest = history->items[history->count - 1].id;
    return MIG_OK;
}

static struct pair *find_pair(const struct planner *planner, uint64_t id)
{
    size_t low = 0;
    size_t high = planner->pairs.len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (id_of(&planner->pairs.data[middle]) == id)
            return &planner->pairs.data[middle];
        if (id_of(&planner->pairs.data[middle]) < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static mig_status mark_accepted(struct planner *planner, struct mig_err *err)
{
    const char *const *texts = planner->request->accept_changed;
    uint64_t id;

    for (; texts && *texts; texts++) {
        struct pair *pair;

        MIG_TRY(id_parse(*texts, &id, err));
        pair = find_pair(planner, id);
        if (!pair || !pair->applied)
            return err_set(err, MIG_E_USAGE,
                           "migration %s is not applied, so no change of it can be accepted",
                           *texts);
        pair->accepted = true;
    }
    return MIG_OK;
}

static mig_status choose(struct planner *planner, struct pair *pair, struct mig_err *err)
{
    struct pair **slot = order_add(&planner->order);

    if (!slot)
        return err_nomem(err);
    *slot = pair;
    pair->chosen = true;
    return MIG_OK;
}

/* How many may be chosen at most. */
static size_t limit_of(const struct plan_request *request)
{
    if (request->select == PLAN_COUNT)
        return request->count;
    if (request->select == PLAN_DEFAULT && request->direction == MIGHOST_DOWN)
        return 1;
    return SIZE_MAX;
}

/* ---- up --------------------------------------------------------------- */

static mig_status check_target(const struct planner *planner, struct mig_err *err)
{
    const struct pair *pair = find_pair(planner, planner->request->id);
    const struct pairs *pairs = &planner->pairs;

    if (planner->request->select != PLAN_TO || pair)
        return MIG_OK;
    if (pairs->len == 0)
        return err_set(err, MIG_E_USAGE, "the bundle holds no migration %llu; it is empty",
                       (unsigned long long)planner->request->id);
    return err_set(err, MIG_E_USAGE, "there is no migration %llu; the newest is %s",
                   (unsigned long long)planner->request->id,
                   id_text_of(&pairs->data[pairs->len - 1]));
}

static mig_status choose_up(struct planner *planner, bool (*kind)(const struct pair *),
                            struct mig_err *err)
{
    const struct plan_request *request = planner->request;
    size_t limit = limit_of(request);

    for (size_t i = 0; i < planner->pairs.len && planner->order.len < limit; i++) {
        struct pair *pair = &planner->pairs.data[i];

        if (request->select == PLAN_TO && id_of(pair) > request->id)
            break;
        if (kind(pair))
            MIG_TRY(choose(planner, pair, err));
    }
    return MIG_OK;
}

static mig_status choose_one_up(struct planner *planner, struct mig_err *err)
{
    struct pair *pair = find_pair(planner, planner->request->id);

    if (!pair)
        return err_set(err, MIG_E_USAGE, "there is no migration %llu in the bundle",
                       (unsigned long long)planner->request->id);
    if (in_state(pair, MIGHOST_APPLIED))
        return err_set(err, MIG_E_HISTORY, "migration %s is applied already", id_text_of(pair));
    return choose(planner, pair, err);
}

static mig_status accept_changed(struct planner *planner, struct mig_err *err)
{
    for (size_t i = 0; i < planner->pairs.len; i++) {
        const struct pair *pair = &planner->pairs.data[i];
        const struct applied **slot;

        if (!pair->accepted || !pair->changed)
            continue;
        slot = accepteds_add(&planner->store->accepted);
        if (!slot)
            return err_nomem(err);
        *slot = pair->applied;
    }
    return MIG_OK;
}

static mig_status plan_up(struct planner *planner, struct mig_err *err)
{
    MIG_TRY(check_target(planner, err));
    if (planner->request->select == PLAN_ONE) {
        MIG_TRY(choose_one_up(planner, err));
    } else {
        MIG_TRY(choose_up(planner, is_partial, err));
        MIG_TRY(choose_up(planner, is_pending, err));
    }
    MIG_TRY(check_rules(planner, up_rules, sizeof up_rules / sizeof up_rules[0], err));
    return accept_changed(planner, err);
}

/* ---- down ------------------------------------------------------------- */

/* Newest application first. */
static int compare_applications(const void *left, const void *right)
{
    const struct applied *a = (*(struct pair *const *)left)->applied;
    const struct applied *b = (*(struct pair *const *)right)->applied;

    if (a->sequence != b->sequence)
        return a->sequence > b->sequence ? -1 : 1;
    return a->id > b->id ? -1 : a->id < b->id;
}

static mig_status applications(const struct planner *planner, struct order *out,
                               struct mig_err *err)
{
    for (size_t i = 0; i < planner->pairs.len; i++) {
        struct pair **slot;

        if (!planner->pairs.data[i].applied)
            continue;
        slot = order_add(out);
        if (!slot)
            return err_nomem(err);
        *slot = &planner->pairs.data[i];
    }
    if (out->len > 0)
        qsort(out->data, out->len, sizeof *out->data, compare_applications);
    return MIG_OK;
}

static bool wanted_down(const struct planner *planner, const struct pair *pair)
{
    const struct plan_request *request = planner->request;

    if (request->select == PLAN_TO && pair->applied->id <= request->id)
        return false;
    if (request->select == PLAN_ONE && pair->applied->id != request->id)
        return false;
    if (request->select == PLAN_RUN && strcmp(pair->applied->run_id, request->run_id) != 0)
        return false;
    return !(request->skip_irreversible && irreversible(planner, pair));
}

static mig_status check_one_down(const struct planner *planner, struct mig_err *err)
{
    const struct pair *pair = find_pair(planner, planner->request->id);

    if (planner->request->select != PLAN_ONE)
        return MIG_OK;
    if (!pair)
        return err_set(err, MIG_E_USAGE,
                       "there is no migration %llu, neither in the bundle nor in the history",
                       (unsigned long long)planner->request->id);
    if (!pair->applied)
        return err_set(err, MIG_E_HISTORY, "migration %s is not applied", id_text_of(pair));
    return MIG_OK;
}

static mig_status plan_down(struct planner *planner, struct mig_err *err)
{
    AUTO(order) struct order all = {0};
    size_t limit = limit_of(planner->request);

    MIG_TRY(check_one_down(planner, err));
    MIG_TRY(applications(planner, &all, err));
    for (size_t i = 0; i < all.len && planner->order.len < limit; i++)
        if (wanted_down(planner, all.data[i]))
            MIG_TRY(choose(planner, all.data[i], err));
    return check_rules(planner, down_rules, sizeof down_rules / sizeof down_rules[0], err);
}

/* ---- the plan ----------------------------------------------------------- */

static struct plan_step step_of(const struct planner *planner, const struct pair *pair)
{
    bool down = planner->request->direction == MIGHOST_DOWN;

    return (struct plan_step){
        .direction = planner->request->direction,
        .migration = pair->migration,
        .applied = pair->applied,
        .by_carrier = down && !down_by_file(pair),
        .resume = down ? in_state(pair, MIGHOST_REVERTING) : is_partial(pair),
    };
}

static mig_status make_steps(struct planner *planner, struct mig_err *err)
{
    struct store *store = planner->store;

    for (size_t i = 0; i < planner->order.len; i++) {
        const struct pair *pair = planner->order.data[i];
        struct plan_step *step;

        if (is_waiting(planner, pair)) {
            store->plan.waiting = pair->migration;
            break;
        }
        step = steps_add(&store->steps);
        if (!step)
            return err_nomem(err);
        *step = step_of(planner, pair);
    }
    store->plan.count = store->steps.len;
    store->plan.steps = store->steps.data;
    store->plan.accepted_count = store->accepted.len;
    store->plan.accepted = store->accepted.data;
    return MIG_OK;
}

mig_status plan_build(const struct catalog *catalog, const struct applied_list *history,
                      const struct plan_request *request, struct plan **out, struct mig_err *err)
{
    AUTO(planner) struct planner planner = {.request = request};

    planner.store = calloc(1, sizeof *planner.store);
    if (!planner.store)
        return err_nomem(err);
    MIG_TRY(merge(&planner, catalog, history, err));
    MIG_TRY(mark_accepted(&planner, err));
    if (request->direction == MIGHOST_DOWN)
        MIG_TRY(plan_down(&planner, err));
    else
        MIG_TRY(plan_up(&planner, err));
    MIG_TRY(make_steps(&planner, err));
    *out = &TAKE(planner.store)->plan;
    return MIG_OK;
}

/* ---- single questions ------------------------------------------------- */

uint32_t plan_flags(const struct migration *migration, const struct applied *applied,
                    uint64_t newest)
{
    uint32_t flags = 0;

    if (is_changed(migration, applied))
        flags |= MIGHOST_CHANGED;
    if (applied && !migration)
        flags |= MIGHOST_MISSING;
    if (migration && !applied && migration->id < newest)
        flags |= MIGHOST_OUT_OF_ORDER;
    if ((migration && migration->has_down) || (applied && applied->carrier[0]))
        flags |= MIGHOST_HAS_DOWN;
    if (migration && migration->has_verify)
        flags |= MIGHOST_HAS_VERIFY;
    return flags;
}

/* The newest applied one with an id below `bound`. */
static const struct applied *newest_below(const struct applied_list *history, uint64_t bound)
{
    for (size_t i = history->count; i > 0; i--)
        if (history->items[i - 1].id < bound && history->items[i - 1].state == MIGHOST_APPLIED)
            return &history->items[i - 1];
    return NULL;
}

const struct applied *plan_current(const struct applied_list *history)
{
    return newest_below(history, UINT64_MAX);
}

const struct applied *plan_previous(const struct applied_list *history, uint64_t id)
{
    return newest_below(history, id);
}
