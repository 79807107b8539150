/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The throttle is a duty cycle: a lane that may work half of the time sleeps
 * after a batch for as long as the batch took, whatever the machine can do.
 */
#include "transform_pace.h"

#include "clock.h"

#define NAP_MS 20
#define LAG_EVERY_MS 500 /* how often the server is asked for its standbys */
#define PERCENT 100
#define NS_PER_MS 1000000

static void say_pause(struct transform_gate *gate)
{
    const struct transform_owner *owner = gate->transform->owner;

    if (gate->pause_said || owner->commit || !owner->warn)
        return;
    gate->pause_said = true;
    owner->warn(gate->transform->ctx,
                "paused within the one transaction of this migration: what it has locked stays "
                "locked until it goes on; a durable migration would hold nothing");
}

static void look_for_pause(struct transform_gate *gate)
{
    const struct transform *transform = gate->transform;

    if (!transform->owner || !transform->owner->paused)
        return;
    gate->paused = transform->owner->paused(transform->ctx);
    if (gate->paused)
        say_pause(gate);
}

static void look_for_lag(struct transform_gate *gate)
{
    const struct transform *transform = gate->transform;
    const struct db_config *config = &transform->db->config;
    int64_t most_ms = transform->limits.max_lag_ms;
    int64_t now = clock_mono_ms();
    struct mig_err err;
    int64_t lag_ms = 0;
    mig_status status;

    if (most_ms <= 0 || gate->lag_blind || !config->driver->lag_ms ||
        now - gate->lag_ms_at < LAG_EVERY_MS)
        return;
    gate->lag_ms_at = now;
    status = config->driver->lag_ms(config->conn, &lag_ms, &err);
    gate->lagging = status == MIG_OK && lag_ms > most_ms;
    if (status == MIG_OK)
        return;
    gate->lag_blind = true;
    err_append(&err, "--max-lag is not observed");
    if (transform->owner && transform->owner->warn)
        transform->owner->warn(transform->ctx, err.message);
}

void transform_gate_look(struct transform_gate *gate)
{
    const struct db_config *config = &gate->transform->db->config;
    mig_status stop = config->cancelled ? config->cancelled(config->ctx) : MIG_OK;

    if (stop < 0)
        gate->stop = stop;
    look_for_pause(gate);
    look_for_lag(gate);
}

static bool is_throttled(const struct transform_gate *gate)
{
    int64_t percent = gate->transform->limits.throttle;

    return percent > 0 && percent < PERCENT;
}

enum mighost_pace transform_gate_pace(const struct transform_gate *gate)
{
    if (gate->paused)
        return MIGHOST_PAUSED;
    if (gate->lagging)
        return MIGHOST_LAGGING;
    return is_throttled(gate) ? MIGHOST_THROTTLED : MIGHOST_FULL_SPEED;
}

mig_status transform_gate_check(const struct transform_gate *gate,
                                const struct transform_lane *lane, struct mig_err *err)
{
    mig_status stop = gate->stop;

    if (stop == MIG_OK)
        return MIG_OK;
    return err_set(err, stop, "%s after %lld rows of table %s", status_text(stop),
                   (long long)lane->tally->done, lane->shape->spec.table);
}

bool transform_gate_holds(const struct transform_gate *gate, int64_t took_ns, int64_t *until_ms)
{
    int64_t percent = gate->transform->limits.throttle;
    int64_t sleep_ns = is_throttled(gate) ? took_ns / percent * (PERCENT - percent) : 0;

    *until_ms = clock_mono_ms() + (sleep_ns + NS_PER_MS - 1) / NS_PER_MS;
    return sleep_ns > 0 || gate->paused || gate->lagging;
}

mig_status transform_rest(struct transform_gate *gate, struct transform_lane *lane,
                          struct transform_meter *meter, int64_t until_ms, struct mig_err *err)
{
    for (;;) {
        enum mighost_pace pace = transform_gate_pace(gate);
        int64_t left_ms = until_ms - clock_mono_ms();

        MIG_TRY(transform_gate_check(gate, lane, err));
        if (gate->give_up || (pace <= MIGHOST_THROTTLED && left_ms <= 0))
            return MIG_OK;
        if (meter)
            transform_meter_tell(meter, gate->transform, lane->tally, lane->page_rows, pace, false);
        clock_sleep_ms(pace <= MIGHOST_THROTTLED && left_ms < NAP_MS ? left_ms : NAP_MS);
        if (meter)
            transform_gate_look(gate);
    }
}
