/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run while it is carried out, for its own two files: what they share of it,
 * and the one thing that one does for the other. The session is closed while a
 * worker runs, because lock, history and work are then the worker's.
 */
#ifndef MIGHOST_RUN_STEP_H
#define MIGHOST_RUN_STEP_H

#include "apply.h"
#include "material.h"
#include "module.h"
#include "run.h"

#define NAME_SIZE 256 /* of a file in a folder, as Linux limits it */

struct run {
    const struct run_config *config;
    struct session session;
    struct session_config session_config;
    struct trust *trust; /* NULL: nothing needs to be signed */
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

static inline uint64_t step_number(const struct plan_step *step)
{
    return step->migration ? step->migration->id : step->applied->id;
}

static inline const char *step_id(const struct plan_step *step)
{
    return step->migration ? step->migration->id_text : step->applied->id_text;
}

static inline const char *step_description(const struct plan_step *step)
{
    return step->migration ? step->migration->description : step->applied->description;
}

/* The fingerprint of the key that signed the bundle, or "". */
static inline const char *run_signer(const struct run *run)
{
    return run->trust ? run->trust->signer->fingerprint : "";
}

/* Tells the listener; what is not set is filled in. */
void run_emit(struct run *run, struct mighost_event event);
void run_emit_step(struct run *run, const struct plan_step *step, size_t index,
                   struct mighost_event event);

/* Of a `struct run`: whether to end, and whether to pause. */
mig_status run_cancelled(void *arg);
bool run_paused(void *arg);

/* Opens the session to write, unless it is open. */
mig_status run_need_session(struct run *run, struct mig_err *err);
mig_status run_open_material(struct run *run, const struct plan_step *step,
                             struct material *material, struct mig_err *err);
void run_module_file(const struct plan_step *step, char out[NAME_SIZE]);
mig_status run_check_module(struct run *run, const struct plan_step *step,
                            const struct material *material, struct note *note,
                            struct mig_err *err);

/* Where the run lock is a lease, which holds transactions alone: MIG_E_REFUSED for
 * a step that would run anything outside of one. */
mig_status run_check_lease(struct run *run, const struct plan_step *step,
                           const struct material *material, struct mig_err *err);

/* Does one step; `*skipped`: another host had done it. Where the connection was
 * lost, the history decides; one that was dead before anything began is simply
 * made again, once. */
mig_status run_one(struct run *run, const struct plan_step *step, size_t index, bool *skipped,
                   struct mig_err *err);

#endif
