/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told of a transform while it runs: how far, how fast, how long still.
 * One thread tells, whichever did the rows. The speed is that of the recent
 * past, in which time spent waiting on purpose counts and a pause does not.
 */
#ifndef MIGHOST_TRANSFORM_METER_H
#define MIGHOST_TRANSFORM_METER_H

#include "transform_page.h"

struct transform_meter {
    int64_t rows; /* of the recent past, and the time that they took */
    int64_t ms;
    int64_t seen_done;
    int64_t seen_ms;
    int64_t told_ms;
    enum mighost_pace told_pace;
};

void transform_meter_start(struct transform_meter *meter, const struct transform_tally *tally);
/* Tells the owner, but not more often than an eye can follow unless the pace
 * has changed or `now` is set. */
void transform_meter_tell(struct transform_meter *meter, const struct transform *transform,
                          const struct transform_tally *tally, size_t batch, enum mighost_pace pace,
                          bool now);

#endif
