/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several lanes at once, each a thread with a connection of its own that takes
 * one range after the other. The thread that called looks after them meanwhile:
 * it hears wishes to stop and to pause, tells how far all have come, and sees to
 * it that the connection that holds the lock still answers. The first failure
 * counts; the others then stop behind their batch.
 */
#ifndef MIGHOST_TRANSFORM_TEAM_H
#define MIGHOST_TRANSFORM_TEAM_H

#include "transform_pace.h"
#include "transform_part.h"

#define TRANSFORM_LANES_MAX 64

struct transform_team {
    const struct transform *transform;
    const struct transform_shape *shape;
    struct transform_tally *tally;
    struct transform_gate *gate;
    struct transform_meter *meter;
    struct transform_parts *parts;
    size_t lanes;
    size_t batch; /* rows of the first ones */
};

mig_status transform_team_run(const struct transform_team *team, struct mig_err *err);

#endif
