/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run: one plan carried out under the lock, with events. Checks everything
 * that the plan will use before anything of it runs, then takes step by step:
 * SQL and registered migrations on the run's own session, modules in a worker
 * each. After whatever happened the history, read again, says what became of a
 * migration; exit statuses and frames only explain it. Neither prints nor exits.
 */
#ifndef MIGHOST_RUN_H
#define MIGHOST_RUN_H

#include "catalog.h"
#include "plan.h"
#include "session.h"
#include "trust.h"

/* All that a run needs; borrowed. */
struct run_config {
    const struct mighost_config *config;        /* defaults filled in */
    const char *worker;                         /* path of the worker */
    const struct mig_module *const *registered; /* NULL at the end; may be NULL */
    mig_status (*interrupted)(void *arg);       /* MIG_OK, or how to end */
    bool (*paused)(void *arg);                  /* may be NULL */
    void *arg;
};

#define RUN_WHO 160

/* "user@host" of this process. */
void run_who(char out[RUN_WHO]);

/* The session settings of a configuration. */
struct session_config run_session_config(const struct run_config *run);

/* Opens the bundle as the driver of `session` sees it; opens the driver alone,
 * no connection. Where it has to be signed it is verified first: `*trust`, else
 * NULL, which must outlive the catalog. */
mig_status run_catalog(const struct run_config *run, struct session *session, struct trust **trust,
                       struct catalog **out, struct mig_err *err);

/* Builds the plan of `request` and carries it out. `rollback_on_failure`: undo
 * what this run applied when one of its migrations fails. `result` may be NULL
 * and is filled in after a failure too. */
mig_status run_execute(const struct run_config *run, const struct plan_request *request,
                       bool rollback_on_failure, struct mighost_result *result,
                       struct mig_err *err);

#endif
