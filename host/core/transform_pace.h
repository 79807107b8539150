/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may hold a transform up between two batches: a wish to stop, a pause, a
 * standby that lags behind, a throttle. The gate is what one thread finds out
 * and all lanes look at. Sleeping is in short pieces, so that a wish to stop is
 * heard at once; nothing is open meanwhile that the lane could have closed.
 */
#ifndef MIGHOST_TRANSFORM_PACE_H
#define MIGHOST_TRANSFORM_PACE_H

#include "transform_meter.h"

struct transform_gate {
    const struct transform *transform;
    _Atomic mig_status stop; /* how to end, or MIG_OK */
    atomic_bool paused;
    atomic_bool lagging;
    atomic_bool give_up; /* another lane has failed: stop behind the batch at hand */
    int64_t lag_ms_at;   /* when the standbys were asked last */
    bool lag_blind;      /* and could not be seen: do not ask again */
    bool pause_said;
};

/* Finds out how things stand; for the thread that owns the connection of the
 * transform itself, which must have no statement under way. */
void transform_gate_look(struct transform_gate *gate);
enum mighost_pace transform_gate_pace(const struct transform_gate *gate);
/* Fails where the transform is to stop. */
mig_status transform_gate_check(const struct transform_gate *gate,
                                const struct transform_lane *lane, struct mig_err *err);

/* Whether the lane is held up after a batch that took `took_ns`, and until
 * when the throttle does. */
bool transform_gate_holds(const struct transform_gate *gate, int64_t took_ns, int64_t *until_ms);
/* Sleeps until nothing holds it up any more. `meter` NULL: another thread looks
 * and tells. */
mig_status transform_rest(struct transform_gate *gate, struct transform_lane *lane,
                          struct transform_meter *meter, int64_t until_ms, struct mig_err *err);

#endif
