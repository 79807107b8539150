/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views: what bundle and history together look like to somebody who asks -
 * the status, lists, the details of one migration. Reads, and never runs or
 * writes anything. What it hands out owns its texts, so that it outlives the
 * catalog and the connection.
 */
#ifndef MIGHOST_VIEW_H
#define MIGHOST_VIEW_H

#include "plan.h"

enum view_filter { VIEW_ALL, VIEW_PENDING, VIEW_APPLIED };

/* Ascending by id; VIEW_APPLIED in order of application. */
mig_status view_list(const struct catalog *catalog, const struct applied_list *history,
                     enum view_filter filter, struct mighost_list **out, struct mig_err *err);
mig_status view_plan(const struct plan *plan, const struct applied_list *history,
                     struct mighost_list **out, struct mig_err *err);
/* `attempts`: the newest first, one is enough; may be NULL. */
mig_status view_status(const struct catalog *catalog, const struct applied_list *history,
                       const char *target, const char *engine,
                       const struct mighost_attempts *attempts, struct mighost_overview **out,
                       struct mig_err *err);

/* What view_detail() is made of; borrowed. */
struct view_parts {
    const struct migration *migration; /* or NULL */
    const struct applied *applied;     /* or NULL */
    uint64_t newest;
    const char *up;
    const char *down;
    bool down_is_carrier;
    const struct journal *journal;
    const struct mighost_attempts *attempts;
};
mig_status view_detail(const struct view_parts *parts, struct mighost_detail **out,
                       struct mig_err *err);

#endif
