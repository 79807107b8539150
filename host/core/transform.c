/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of a transform over its pages and their turns, on one connection.
 * The mark is committed with the rows it stands for, and nothing is open
 * between a commit and the next turn.
 */
#include "transform.h"

#include "clock.h"
#include "transform_count.h"
#include "transform_team.h"

#include <inttypes.h>

#define PARTS_A_LANE 8 /* ranges for each lane, so that all are done at about the same time */
#define PARTS_MAX 512
#define PART_ROWS_MIN 1000 /* of a range, unless the author's batches are smaller */

/* A transform on its way. */
struct run {
    struct transform_shape shape;
    struct transform_tally tally;
    struct transform_lane lane;
    struct transform_gate gate;
    struct transform_meter meter;
    struct transform_parts parts;
};

static mig_status page_commit(struct transform_lane *lane, struct mig_err *err)
{
    const struct transform *transform = lane->transform;
    AUTO(buf) struct buf cursor = {0};
    struct transform_mark mark = {
        .done = lane->done, .rejected = lane->rejected, .total = lane->tally->total};

    if (!transform->owner || !transform->owner->commit)
        return MIG_OK;
    transform_place_write(&lane->place, &cursor);
    MIG_TRY(buf_check(&cursor, err));
    mark.cursor = buf_text(&cursor);
    return transform->owner->commit(transform->ctx, &mark, err);
}

static mig_status page_begin(struct transform_lane *lane, struct mig_err *err)
{
    const struct transform *transform = lane->transform;

    return transform->owner && transform->owner->begin
               ? transform->owner->begin(transform->ctx, err)
               : MIG_OK;
}

/* What is asked for before the first page holds for it as well. */
static mig_status rest_before(struct run *run, struct mig_err *err)
{
    int64_t until_ms;

    transform_gate_look(&run->gate);
    MIG_TRY(transform_gate_check(&run->gate, &run->lane, err));
    if (!transform_gate_holds(&run->gate, 0, &until_ms))
        return MIG_OK;
    MIG_TRY(page_commit(&run->lane, err));
    MIG_TRY(transform_rest(&run->gate, &run->lane, &run->meter, until_ms, err));
    return page_begin(&run->lane, err);
}

static mig_status one_turn(struct run *run, bool *more, struct mig_err *err)
{
    struct transform_lane *lane = &run->lane;
    const struct transform *transform = lane->transform;
    const struct transform_again again = {.ask = transform->owner ? transform->owner->again : NULL,
                                          .arg = transform->ctx};
    struct transform_step step;
    int64_t took_ns;
    int64_t until_ms;

    MIG_TRY(transform_turn_run(lane, &again, &step, err));
    *more = step.more;
    if (step.rows == 0 && !step.more)
        return MIG_OK;
    MIG_TRY(page_commit(lane, err));
    took_ns = clock_mono_ns() - step.began_ns;
    transform_gate_look(&run->gate);
    transform_meter_tell(&run->meter, lane->transform, lane->tally, step.rows,
                         transform_gate_pace(&run->gate), false);
    if (*more && transform_gate_holds(&run->gate, took_ns, &until_ms))
        MIG_TRY(transform_rest(&run->gate, lane, &run->meter, until_ms, err));
    if (*more)
        MIG_TRY(transform_gate_check(&run->gate, lane, err));
    transform_lane_adapt(lane, &step, took_ns / 1000000);
    return page_begin(lane, err);
}

static mig_status lane_resume(struct transform_lane *lane, struct mig_err *err)
{
    const struct transform_mark *from = &lane->transform->from;

    lane->done = from->done;
    lane->rejected = from->rejected;
    if (transform_place_read(&lane->place, lane->shape->keys.count, from->cursor))
        return MIG_OK;
    return err_set(err, MIG_E_HISTORY, "the journal's cursor of the transform of %s cannot be read",
                   lane->shape->spec.table);
}

/* Counting reads the whole table: what an earlier run counted is good enough. */
static mig_status tally_init(struct transform_tally *tally, const struct transform *transform,
                             const struct transform_shape *shape, struct mig_err *err)
{
    tally->done = transform->from.done;
    tally->rejected = transform->from.rejected;
    for (size_t i = 0; i < transform->part_count; i++) {
        tally->done += transform->parts[i].done;
        tally->rejected += transform->parts[i].rejected;
    }
    tally->total = transform->from.total;
    MIG_TRY(transform_check_keys(transform->db, shape, err));
    if (!tally->total)
        MIG_TRY(transform_count(transform->db, shape, &tally->total, err));
    if (tally->total < tally->done)
        tally->total = tally->done;
    return MIG_OK;
}

static void say_rejected(const struct transform *transform, const struct transform_shape *shape,
                         const struct transform_tally *tally)
{
    int64_t rejected = tally->rejected;
    char text[400];

    if (!rejected || !transform->owner || !transform->owner->warn)
        return;
    snprintf(text, sizeof text,
             "the callback rejected %" PRId64 " row%s of table %s, which stay%s as %s", rejected,
             rejected == 1 ? "" : "s", shape->spec.table, rejected == 1 ? "s" : "",
             rejected == 1 ? "it was" : "they were");
    transform->owner->warn(transform->ctx, text);
}

/* --- several lanes --------------------------------------------------------------- */

/* How many may be at work. */
static size_t lanes_of(const struct run *run, const struct transform *transform)
{
    size_t lanes = run->shape.spec.workers;
    int64_t most = transform->limits.workers;

    if (most > 0 && lanes > (size_t)most)
        lanes = (size_t)most;
    if (lanes > TRANSFORM_LANES_MAX)
        lanes = TRANSFORM_LANES_MAX;
    return lanes > 1 ? lanes : 1;
}

/* Ranges that an earlier run has made stay as they are, whatever is wanted now. */
static mig_status divide(struct run *run, const struct transform *transform, struct mig_err *err)
{
    size_t lanes = lanes_of(run, transform);
    size_t wanted = lanes * PARTS_A_LANE;
    size_t least = run->shape.spec.batch ? run->shape.spec.batch : PART_ROWS_MIN;
    size_t most = (size_t)run->tally.total / least;
    struct transform_mark mark = {.cursor = "", .total = run->tally.total};

    if (transform->part_count > 0)
        return transform_parts_copy(&run->parts, transform->parts, transform->part_count, err);
    if (lanes < 2 || run->lane.place.last.set || run->lane.place.turn || !transform->owner ||
        !transform->owner->seat_open || !transform->db->config.driver->parallel)
        return MIG_OK;
    wanted = wanted > PARTS_MAX ? PARTS_MAX : wanted;
    wanted = wanted > most ? most : wanted;
    MIG_TRY(transform_parts_make(&run->parts, transform->db, &run->shape, run->tally.total, wanted,
                                 err));
    if (run->parts.count < 2) {
        transform_parts_clear(&run->parts);
        return MIG_OK;
    }
    return transform->owner->divide(transform->ctx, run->parts.items, run->parts.count, &mark, err);
}

/* Nothing is open on the connection of the transform itself meanwhile. */
static mig_status team(struct run *run, const struct transform *transform, struct mig_err *err)
{
    const struct transform_team team = {
        .transform = transform,
        .shape = &run->shape,
        .tally = &run->tally,
        .gate = &run->gate,
        .meter = &run->meter,
        .parts = &run->parts,
        .lanes = lanes_of(run, transform),
        .batch = run->lane.page_rows,
    };

    if (transform->part_count > 0)
        MIG_TRY(page_commit(&run->lane, err));
    transform_gate_look(&run->gate);
    MIG_TRY(transform_team_run(&team, err));
    return page_begin(&run->lane, err);
}

/* --- one ------------------------------------------------------------------------- */

static mig_status alone(struct run *run, struct mig_err *err)
{
    bool more = true;

    MIG_TRY(rest_before(run, err));
    while (more)
        MIG_TRY(one_turn(run, &more, err));
    return MIG_OK;
}

static mig_status loop(struct run *run, const struct transform *transform, struct mig_err *err)
{
    const struct db_config *config = &transform->db->config;

    if (run->lane.turns > 1 || !transform->from.total)
        MIG_TRY(transform_shape_estimate(&run->shape, config->driver, config->conn, err));
    MIG_TRY(lane_resume(&run->lane, err));
    MIG_TRY(tally_init(&run->tally, transform, &run->shape, err));
    MIG_TRY(divide(run, transform, err));
    transform_meter_start(&run->meter, &run->tally);
    if (run->parts.count)
        MIG_TRY(team(run, transform, err));
    else
        MIG_TRY(alone(run, err));
    run->tally.total = run->tally.done;
    transform_meter_tell(&run->meter, transform, &run->tally, run->lane.page_rows,
                         transform_gate_pace(&run->gate), true);
    say_rejected(transform, &run->shape, &run->tally);
    return MIG_OK;
}

mig_status transform_run(struct transform *transform, struct mig_err *err)
{
    const struct db_config *config = &transform->db->config;
    struct run run = {.gate.transform = transform};
    mig_status status;

    MIG_TRY(transform_shape_init(&run.shape, transform->spec, config->driver, config->conn,
                                 config->protect, err));
    transform_lane_init(&run.lane, transform, &run.shape, &run.tally, transform->db, 0);
    status = loop(&run, transform, err);
    if (status == MIG_OK || run.parts.count)
        transform->reached = (struct transform_mark){
            .done = run.tally.done,
            .rejected = run.tally.rejected,
            .total = run.tally.total,
        };
    transform_parts_clear(&run.parts);
    transform_lane_clear(&run.lane);
    transform_shape_clear(&run.shape);
    return status;
}
