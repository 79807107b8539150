/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan: which migrations a command will run, in which order, computed from
 * bundle, history and request alone. Pure: no I/O, no clock, no globals. Every
 * disagreement of bundle and history is found here, before anything runs, and
 * named with its ids. Steps point into the catalog and the history that were
 * given, which must outlive the plan.
 */
#ifndef MIGHOST_PLAN_H
#define MIGHOST_PLAN_H

#include "catalog.h"
#include "history.h"

enum plan_select {
    PLAN_DEFAULT, /* up: all that is pending; down: one */
    PLAN_TO,      /* up: including `id`; down: everything after `id` */
    PLAN_COUNT,
    PLAN_ALL,
    PLAN_ONE, /* the migration `id` alone */
    PLAN_RUN, /* down: what the run `run_id` applied */
};

struct plan_request {
    enum mighost_direction direction;
    enum plan_select select;
    uint64_t id;
    size_t count;
    const char *run_id;
    bool allow_out_of_order;
    bool skip_irreversible;
    const char *const *accept_changed; /* NULL at the end; may be NULL */
    const char *const *open_gates;     /* ids, or texts of gates; likewise */
};

struct plan_step {
    enum mighost_direction direction;
    const struct migration *migration; /* NULL: only the history knows it */
    const struct applied *applied;     /* NULL: pending */
    bool by_carrier;                   /* down with what the history carries */
    bool resume;                       /* a durable one that stopped part way */
};

struct plan {
    size_t count;
    const struct plan_step *steps;
    const struct migration *waiting; /* would be next, but its gate is not open; NULL: none */
    size_t accepted_count;
    const struct applied *const *accepted; /* whose new checksum is to be recorded */
};

/*
 * MIG_E_HISTORY: changed, out of order, irreversible, failed (needs resolve),
 * already applied or not applied (PLAN_ONE); MIG_E_USAGE: an id that no migration
 * has (up --to, PLAN_ONE).
 */
mig_status plan_build(const struct catalog *catalog, const struct applied_list *history,
                      const struct plan_request *request, struct plan **out, struct mig_err *err);
void plan_free(struct plan *plan);
AUTO_POINTER(plan, struct plan, plan_free)

/* What bundle and history say of one migration: MIGHOST_* flags. Either may be
 * NULL; `newest` is the highest applied id, 0 where there is none. */
uint32_t plan_flags(const struct migration *migration, const struct applied *applied,
                    uint64_t newest);
/* The applied id with the highest value, or NULL; and the one before `id`. */
const struct applied *plan_current(const struct applied_list *history);
const struct applied *plan_previous(const struct applied_list *history, uint64_t id);

#endif
