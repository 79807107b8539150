/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One merge of two lists ordered by id makes all lists. Each result is a store
 * of its own: the public struct first, the arena that owns its texts behind it.
 */
#include "view.h"

#include "arena.h"
#include "sha256.h"
#include "vec.h"

VEC_DEFINE(item_vec, struct mighost_item);

struct list_store {
    struct mighost_list list; /* first: what is handed out */
    struct item_vec items;
    struct arena texts;
    bool failed; /* out of memory */
};

struct overview_store {
    struct mighost_overview overview; /* first: what is handed out */
    struct list_store *all;
    struct arena texts;
};

struct detail_store {
    struct mighost_detail detail; /* first: what is handed out */
    struct list_store *item;
    struct arena texts;
};

void mighost_list_free(struct mighost_list *list)
{
    struct list_store *store = (struct list_store *)list;

    if (!store)
        return;
    item_vec_clear(&store->items);
    arena_clear(&store->texts);
    free(store);
}

static void list_store_free(struct list_store *store)
{
    mighost_list_free(store ? &store->list : NULL);
}
AUTO_POINTER(list_store, struct list_store, list_store_free)

void mighost_overview_free(struct mighost_overview *overview)
{
    struct overview_store *store = (struct overview_store *)overview;

    if (!store)
        return;
    list_store_free(store->all);
    arena_clear(&store->texts);
    free(store);
}

void mighost_detail_free(struct mighost_detail *detail)
{
    struct detail_store *store = (struct detail_store *)detail;

    if (!store)
        return;
    list_store_free(store->item);
    arena_clear(&store->texts);
    free(store);
}

static const char *keep(struct list_store *store, const char *text)
{
    const char *copy = arena_strdup(&store->texts, text ? text : "");

    if (!copy)
        store->failed = true;
    return copy;
}

/* As keep(), for what mostly says the same as the item before, `last`. */
static const char *keep_again(struct list_store *store, const char *text, const char *last)
{
    return last && strcmp(last, text) == 0 ? last : keep(store, text);
}

static void fill_from_bundle(struct list_store *store, const struct migration *migration,
                             struct mighost_item *item)
{
    item->id = keep(store, migration->id_text);
    item->description = keep(store, migration->description);
    item->file = keep(store, migration->parts[CATALOG_UP].file);
    item->kind = migration->kind;
    item->mode = migration->mode;
}

static void fill_from_history(struct list_store *store, const struct applied *applied, bool alone,
                              struct mighost_item *item)
{
    static const struct mighost_item none = {0};
    const struct mighost_item *last = store->items.len > 1 ? item - 1 : &none;

    if (alone) {
        item->id = keep(store, applied->id_text);
        item->description = keep(store, applied->description);
        item->file = "";
    }
    item->kind = applied->kind;
    item->mode = applied->mode;
    item->state = applied->state;
    item->sequence = applied->sequence;
    item->applied_at_ms = applied->applied_at_ms;
    item->duration_ms = applied->duration_ms;
    item->run_id = keep_again(store, applied->run_id, last->run_id);
    item->host_version = keep_again(store, applied->host_version, last->host_version);
    item->who = keep_again(store, applied->who, last->who);
    item->signer = keep_again(store, applied->signer, last->signer);
}

/* What was applied, or else what would be. */
static const char *checksum_of(struct list_store *store, const struct migration *migration,
                               const struct applied *applied)
{
    char hex[MIG_SHA256_HEX];

    if (applied)
        return keep(store, applied->checksum);
    sha256_hex(migration->checksum, hex);
    return keep(store, hex);
}

static void add_item(struct list_store *store, const struct migration *migration,
                     const struct applied *applied, uint64_t newest)
{
    struct mighost_item *item = item_vec_add(&store->items);

    if (!item) {
        store->failed = true;
        return;
    }
    item->run_id = item->host_version = item->who = item->signer = item->gate = "";
    if (migration)
        fill_from_bundle(store, migration, item);
    if (applied)
        fill_from_history(store, applied, !migration, item);
    else if (migration->gate)
        item->gate = keep(store, migration->gate);
    item->checksum = checksum_of(store, migration, applied);
    item->flags = plan_flags(migration, applied, newest);
}

static uint64_t newest_id(const struct applied_list *history)
{
    const struct applied *current = plan_current(history);

    return current ? current->id : 0;
}

static bool wanted(const struct applied *applied, enum view_filter filter)
{
    bool done = applied && applied->state == MIGHOST_APPLIED;

    return filter == VIEW_ALL || (filter == VIEW_APPLIED) == done;
}

static void merge(struct list_store *store, const struct catalog *catalog,
                  const struct applied_list *history, enum view_filter filter)
{
    uint64_t newest = newest_id(history);
    size_t i = 0;
    size_t j = 0;

    while (i < catalog->count || j < history->count) {
        const struct migration *migration = i < catalog->count ? &catalog->items[i] : NULL;
        const struct applied *applied = j < history->count ? &history->items[j] : NULL;

        if (migration && applied && migration->id < applied->id)
            applied = NULL;
        else if (migration && applied && migration->id > applied->id)
            migration = NULL;
        i += migration != NULL;
        j += applied != NULL;
        if (wanted(applied, filter))
            add_item(store, migration, applied, newest);
    }
}

static int by_sequence(const void *a, const void *b)
{
    const struct mighost_item *left = a;
    const struct mighost_item *right = b;

    return (left->sequence > right->sequence) - (left->sequence < right->sequence);
}

static mig_status list_finish(struct list_store *store, struct mig_err *err)
{
    if (store->failed)
        return err_nomem(err);
    store->list.items = store->items.data;
    store->list.count = store->items.len;
    return MIG_OK;
}

static mig_status list_make(const struct catalog *catalog, const struct applied_list *history,
                            enum view_filter filter, struct list_store **out, struct mig_err *err)
{
    AUTO(list_store) struct list_store *store = calloc(1, sizeof *store);

    if (!store)
        return err_nomem(err);
    merge(store, catalog, history, filter);
    if (filter == VIEW_APPLIED && store->items.len > 1)
        qsort(store->items.data, store->items.len, sizeof *store->items.data, by_sequence);
    MIG_TRY(list_finish(store, err));
    *out = TAKE(store);
    return MIG_OK;
}

mig_status view_list(const struct catalog *catalog, const struct applied_list *history,
                     enum view_filter filter, struct mighost_list **out, struct mig_err *err)
{
    struct list_store *store;

    MIG_TRY(list_make(catalog, history, filter, &store, err));
    *out = &store->list;
    return MIG_OK;
}

mig_status view_plan(const struct plan *plan, const struct applied_list *history,
                     struct mighost_list **out, struct mig_err *err)
{
    AUTO(list_store) struct list_store *store = calloc(1, sizeof *store);

    if (!store)
        return err_nomem(err);
    for (size_t i = 0; i < plan->count; i++)
        add_item(store, plan->steps[i].migration, plan->steps[i].applied, newest_id(history));
    for (size_t i = 0; i < store->items.len; i++)
        store->items.data[i].gate = ""; /* open, or passed long ago */
    if (plan->waiting)
        add_item(store, plan->waiting, NULL, newest_id(history));
    MIG_TRY(list_finish(store, err));
    *out = &TAKE(store)->list;
    return MIG_OK;
}

/* Whether the newest attempt of anything went wrong. */
static const char *last_error(const struct mighost_attempts *attempts)
{
    return attempts && attempts->count > 0 ? attempts->items[0].error : "";
}

static void count_items(struct mighost_overview *overview)
{
    const uint32_t odd = MIGHOST_CHANGED | MIGHOST_MISSING | MIGHOST_OUT_OF_ORDER;

    for (size_t i = 0; i < overview->all.count; i++) {
        const struct mighost_item *item = &overview->all.items[i];

        overview->applied += item->state == MIGHOST_APPLIED;
        overview->pending += item->state != MIGHOST_APPLIED;
        overview->problems += (item->flags & odd) != 0 || item->state > MIGHOST_APPLIED;
    }
}

mig_status view_status(const struct catalog *catalog, const struct applied_list *history,
                       const char *target, const char *engine,
                       const struct mighost_attempts *attempts, struct mighost_overview **out,
                       struct mig_err *err)
{
    struct overview_store *store = calloc(1, sizeof *store);
    const struct applied *current = plan_current(history);
    mig_status status;

    if (!store)
        return err_nomem(err);
    status = list_make(catalog, history, VIEW_ALL, &store->all, err);
    store->overview.current = arena_strdup(&store->texts, current ? current->id_text : "");
    store->overview.target = arena_strdup(&store->texts, target);
    store->overview.engine = arena_strdup(&store->texts, engine);
    store->overview.last_error = arena_strdup(&store->texts, last_error(attempts));
    if (status == MIG_OK && (!store->overview.current || !store->overview.target ||
                             !store->overview.engine || !store->overview.last_error))
        status = err_nomem(err);
    if (status < 0) {
        mighost_overview_free(&store->overview);
        return status;
    }
    store->overview.all = store->all->list;
    count_items(&store->overview);
    *out = &store->overview;
    return MIG_OK;
}

static bool copy_step(const struct journal_row *row, struct detail_store *store,
                      struct mighost_step *out)
{
    *out = (struct mighost_step){
        .number = row->step,
        .state = row->finished ? "finished" : "started",
        .kind = arena_strdup(&store->texts, row->kind),
        .fingerprint = arena_strdup(&store->texts, row->fingerprint),
        .done = row->done,
        .rejected = row->rejected,
    };
    return out->kind && out->fingerprint;
}

/* The ranges of a step count for it until it is finished: then it has their sum. */
static void add_part(const struct journal_row *row, struct mighost_step *step)
{
    if (strcmp(step->state, "finished") == 0)
        return;
    step->done += row->done;
    step->rejected += row->rejected;
}

static bool copy_steps(const struct journal *journal, struct detail_store *store)
{
    struct mighost_step *steps;
    size_t count = 0;

    if (!journal || journal->count == 0)
        return true;
    steps = arena_alloc(&store->texts, journal->count * sizeof *steps);
    if (!steps)
        return false;
    for (size_t i = 0; i < journal->count; i++) {
        const struct journal_row *row = &journal->items[i];

        if (row->part == 0) {
            if (!copy_step(row, store, &steps[count++]))
                return false;
        } else if (count > 0) {
            add_part(row, &steps[count - 1]);
        }
    }
    store->detail.steps = steps;
    store->detail.step_count = count;
    return true;
}

static bool copy_attempts(const struct mighost_attempts *from, struct detail_store *store)
{
    struct mighost_attempt *items;

    if (!from || from->count == 0)
        return true;
    items = arena_alloc(&store->texts, from->count * sizeof *items);
    if (!items)
        return false;
    for (size_t i = 0; i < from->count; i++) {
        items[i] = from->items[i];
        items[i].id = arena_strdup(&store->texts, from->items[i].id);
        items[i].action = arena_strdup(&store->texts, from->items[i].action);
        items[i].outcome = arena_strdup(&store->texts, from->items[i].outcome);
        items[i].error = arena_strdup(&store->texts, from->items[i].error);
        items[i].run_id = arena_strdup(&store->texts, from->items[i].run_id);
        items[i].who = arena_strdup(&store->texts, from->items[i].who);
        items[i].host_version = arena_strdup(&store->texts, from->items[i].host_version);
        if (!items[i].id || !items[i].action || !items[i].outcome || !items[i].error ||
            !items[i].run_id || !items[i].who || !items[i].host_version)
            return false;
    }
    store->detail.attempts = (struct mighost_attempts){.count = from->count, .items = items};
    return true;
}

static bool copy_text(struct detail_store *store, const char *from, const char **to)
{
    *to = from ? arena_strdup(&store->texts, from) : NULL;
    return !from || *to;
}

static bool detail_fill(const struct view_parts *parts, struct detail_store *store)
{
    store->item = calloc(1, sizeof *store->item);
    if (!store->item)
        return false;
    add_item(store->item, parts->migration, parts->applied, parts->newest);
    if (store->item->failed)
        return false;
    store->detail.item = store->item->items.data[0];
    store->detail.down_is_carrier = parts->down_is_carrier;
    return copy_text(store, parts->up, &store->detail.up) &&
           copy_text(store, parts->down, &store->detail.down) &&
           copy_steps(parts->journal, store) && copy_attempts(parts->attempts, store);
}

mig_status view_detail(const struct view_parts *parts, struct mighost_detail **out,
                       struct mig_err *err)
{
    struct detail_store *store = calloc(1, sizeof *store);

    if (!store)
        return err_nomem(err);
    if (!detail_fill(parts, store)) {
        mighost_detail_free(&store->detail);
        return err_nomem(err);
    }
    *out = &store->detail;
    return MIG_OK;
}
