/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mean of the recent past: rows and milliseconds are summed up, and both
 * sums halved whenever they reach back too far.
 */
#include "transform_meter.h"

#include "clock.h"

#define TELL_EVERY_MS 100
#define RECENT_MS 20000

void transform_meter_start(struct transform_meter *meter, const struct transform_tally *tally)
{
    *meter = (struct transform_meter){
        .seen_done = tally->done,
        .seen_ms = clock_mono_ms(),
        .told_ms = clock_mono_ms() - TELL_EVERY_MS,
    };
}

static void look(struct transform_meter *meter, int64_t done, bool paused)
{
    int64_t now = clock_mono_ms();

    meter->rows += done - meter->seen_done;
    if (!paused)
        meter->ms += now - meter->seen_ms;
    meter->seen_done = done;
    meter->seen_ms = now;
    if (meter->ms > RECENT_MS) {
        meter->rows /= 2;
        meter->ms /= 2;
    }
}

void transform_meter_tell(struct transform_meter *meter, const struct transform *transform,
                          const struct transform_tally *tally, size_t batch, enum mighost_pace pace,
                          bool now)
{
    struct transform_progress progress = {
        .done = tally->done,
        .total = tally->total,
        .rejected = tally->rejected,
        .batch = (int64_t)batch,
        .pace = pace,
    };

    look(meter, progress.done, pace == MIGHOST_PAUSED);
    now |= pace != meter->told_pace || meter->seen_ms - meter->told_ms >= TELL_EVERY_MS;
    if (!now || !transform->owner || !transform->owner->progress)
        return;
    if (progress.total < progress.done)
        progress.total = progress.done;
    progress.rate = meter->ms > 0 ? meter->rows * 1000 / meter->ms : 0;
    if (progress.rate > 0)
        progress.eta_ms = (progress.total - progress.done) * 1000 / progress.rate;
    meter->told_ms = meter->seen_ms;
    meter->told_pace = pace;
    transform->owner->progress(transform->ctx, &progress);
}
