/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One mutex guards what lanes share: the next range, how many are at work, the
 * first failure. A range is journaled as finished in the commit of its last
 * page, so a team that is cut anywhere leaves ranges that are done, ranges that
 * are begun, and nothing in between.
 */
#include "transform_team.h"

#include "clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#define LOOK_EVERY_MS 50
#define PING_EVERY_MS 2000           /* the connection that holds the lock */
#define STACK_SIZE ((size_t)2 << 20) /* of a lane's thread */

/* The members share it; of theirs is what has no comment. */
struct crew {
    const struct transform_team *team;
    pthread_mutex_t lock;
    pthread_cond_t ended; /* a lane has */
    size_t next_part;
    size_t at_work;
    bool failed;
    struct mig_err err;   /* the first failure */
    _Atomic size_t batch; /* rows of somebody's last batch, to be told */
};

struct member {
    struct crew *crew;
    size_t number;
    pthread_t thread;
    struct transform_seat *seat;
    struct transform_lane lane;
    struct buf cursors[2]; /* what the part's cursor is and was */
    size_t cursor;
};

/* --- what they share ------------------------------------------------------------ */

static struct journal_row *part_take(struct crew *crew)
{
    const struct transform_parts *parts = crew->team->parts;
    struct journal_row *part = NULL;

    pthread_mutex_lock(&crew->lock);
    while (crew->next_part < parts->count && parts->items[crew->next_part].finished)
        crew->next_part++;
    if (!crew->team->gate->give_up && crew->next_part < parts->count)
        part = &parts->items[crew->next_part++];
    pthread_mutex_unlock(&crew->lock);
    return part;
}

static void crew_fail(struct crew *crew, const struct mig_err *err)
{
    pthread_mutex_lock(&crew->lock);
    if (!crew->failed)
        crew->err = *err;
    crew->failed = true;
    crew->team->gate->give_up = true;
    pthread_mutex_unlock(&crew->lock);
}

static mig_status stop_of(void *arg)
{
    const struct transform_gate *gate = arg;

    return gate->stop;
}

/* --- a lane ----------------------------------------------------------------------- */

static mig_status part_begin(struct member *member, const struct journal_row *part,
                             struct mig_err *err)
{
    struct transform_lane *lane = &member->lane;
    size_t keys = lane->shape->keys.count;

    lane->done = part->done;
    lane->rejected = part->rejected;
    if (transform_place_read(&lane->place, keys, part->cursor) &&
        transform_key_read(&lane->until, keys, part->until))
        return MIG_OK;
    return err_set(err, MIG_E_HISTORY, "the journal's range of the transform of %s cannot be read",
                   lane->shape->spec.table);
}

static mig_status part_commit(struct member *member, struct journal_row *part, bool finished,
                              struct mig_err *err)
{
    const struct transform *transform = member->crew->team->transform;
    const char *was = part->cursor;
    struct buf *text = &member->cursors[member->cursor ^= 1];

    buf_reset(text);
    transform_place_write(&member->lane.place, text);
    MIG_TRY(buf_check(text, err));
    part->cursor = buf_text(text);
    part->done = member->lane.done;
    part->rejected = member->lane.rejected;
    part->finished = finished;
    return transform->owner->seat_commit(member->seat, part, was, err);
}

static mig_status member_again(void *arg, int attempt, struct mig_err *err)
{
    struct member *member = arg;
    const struct transform_team *team = member->crew->team;

    if (team->gate->give_up || !team->transform->owner->seat_again)
        return err->status;
    return team->transform->owner->seat_again(member->seat, attempt, err);
}

static mig_status part_turn(struct member *member, struct journal_row *part, bool *more,
                            struct mig_err *err)
{
    struct crew *crew = member->crew;
    const struct transform_team *team = crew->team;
    struct transform_lane *lane = &member->lane;
    const struct transform_again again = {.ask = member_again, .arg = member};
    struct transform_step step;
    int64_t took_ns;
    int64_t until_ms;

    MIG_TRY(team->transform->owner->seat_begin(member->seat, err));
    MIG_TRY(transform_turn_run(lane, &again, &step, err));
    *more = step.more;
    MIG_TRY(part_commit(member, part, !*more, err));
    crew->batch = step.rows;
    took_ns = clock_mono_ns() - step.began_ns;
    transform_lane_adapt(lane, &step, took_ns / 1000000);
    return transform_gate_holds(team->gate, took_ns, &until_ms)
               ? transform_rest(team->gate, lane, NULL, until_ms, err)
               : MIG_OK;
}

static mig_status part_run(struct member *member, struct journal_row *part, struct mig_err *err)
{
    struct transform_gate *gate = member->crew->team->gate;
    bool more = true;
    int64_t until_ms;

    MIG_TRY(part_begin(member, part, err));
    if (transform_gate_holds(gate, 0, &until_ms))
        MIG_TRY(transform_rest(gate, &member->lane, NULL, until_ms, err));
    while (more && !gate->give_up) {
        MIG_TRY(transform_gate_check(gate, &member->lane, err));
        MIG_TRY(part_turn(member, part, &more, err));
    }
    return MIG_OK;
}

static mig_status member_work(struct member *member, struct mig_err *err)
{
    struct crew *crew = member->crew;
    struct journal_row *part;

    while ((part = part_take(crew)))
        MIG_TRY(part_run(member, part, err));
    return MIG_OK;
}

static void member_end(struct member *member)
{
    struct crew *crew = member->crew;

    buf_clear(&member->cursors[0]);
    buf_clear(&member->cursors[1]);
    pthread_mutex_lock(&crew->lock);
    crew->at_work--;
    pthread_cond_signal(&crew->ended);
    pthread_mutex_unlock(&crew->lock);
}

static void *member_main(void *arg)
{
    struct member *member = arg;
    const struct transform_team *team = member->crew->team;
    const struct transform *transform = team->transform;
    struct mig_err err;
    mig_status status;

    err_clear(&err);
    status = transform->owner->seat_open(transform->ctx, stop_of, team->gate, &member->seat, &err);
    if (status == MIG_OK) {
        transform_lane_init(&member->lane, transform, team->shape, team->tally, member->seat->db,
                            member->number);
        status = member_work(member, &err);
        transform_lane_clear(&member->lane);
        transform->owner->seat_close(member->seat);
    }
    if (status < 0)
        crew_fail(member->crew, &err);
    member_end(member);
    return NULL;
}

/* --- looking after them -------------------------------------------------------------- */

/* Whoever has lost the lock must not go on. */
static void ping(struct crew *crew, int64_t *pinged_ms)
{
    static const char question[] = "SELECT 1";
    const struct db_config *config = &crew->team->transform->db->config;
    struct mig_exec_result result = {.size = sizeof result};
    struct mig_err err;

    if (clock_mono_ms() - *pinged_ms < PING_EVERY_MS)
        return;
    *pinged_ms = clock_mono_ms();
    if (config->driver->exec(config->conn, question, sizeof question - 1, &result, &err) >= 0)
        return;
    err_wrap(&err, "the session that holds the lock");
    crew_fail(crew, &err);
}

/* Waits a moment, or until a lane has ended; whether some are at work still. */
static bool wait_a_moment(struct crew *crew)
{
    int64_t until_ns = clock_read_ns(CLOCK_MONOTONIC) + (int64_t)LOOK_EVERY_MS * 1000000;
    struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    bool busy;

    pthread_mutex_lock(&crew->lock);
    if (crew->at_work > 0)
        pthread_cond_timedwait(&crew->ended, &crew->lock, &until);
    busy = crew->at_work > 0;
    pthread_mutex_unlock(&crew->lock);
    return busy;
}

static void look_after(struct crew *crew)
{
    const struct transform_team *team = crew->team;
    int64_t pinged_ms = clock_mono_ms();

    while (wait_a_moment(crew)) {
        transform_gate_look(team->gate);
        ping(crew, &pinged_ms);
        transform_meter_tell(team->meter, team->transform, team->tally, crew->batch,
                             transform_gate_pace(team->gate), false);
    }
}

/* A lane hears no signal but those of its own faults: the others are for the
 * thread that looks after it. */
static void mask_of_lanes(sigset_t *mask)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGSYS};

    sigfillset(mask);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sigdelset(mask, own[i]);
}

static size_t crew_start(struct crew *crew, struct member *members, struct mig_err *err)
{
    pthread_attr_t attributes;
    sigset_t mask;
    sigset_t before;
    size_t count = 0;
    int failed = 0;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    mask_of_lanes(&mask);
    pthread_sigmask(SIG_SETMASK, &mask, &before);
    crew->at_work = crew->team->lanes;
    while (count < crew->team->lanes && !failed) {
        members[count] = (struct member){.crew = crew, .number = count};
        failed = pthread_create(&members[count].thread, &attributes, member_main, &members[count]);
        count += !failed;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    pthread_mutex_lock(&crew->lock);
    crew->at_work -= crew->team->lanes - count;
    pthread_mutex_unlock(&crew->lock);
    if (failed) {
        err_errno(err, MIG_E_LIMIT, failed, "a thread for worker %zu cannot be had", count + 1);
        crew_fail(crew, err);
    }
    return count;
}

static void crew_init(struct crew *crew)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&crew->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&crew->ended, &attributes);
    pthread_condattr_destroy(&attributes);
}

mig_status transform_team_run(const struct transform_team *team, struct mig_err *err)
{
    struct crew crew = {.team = team, .batch = team->batch};
    AUTO(free) struct member *members = calloc(team->lanes, sizeof *members);
    size_t count;

    if (!members)
        return err_nomem(err);
    crew_init(&crew);
    count = crew_start(&crew, members, err);
    look_after(&crew);
    for (size_t i = 0; i < count; i++)
        pthread_join(members[i].thread, NULL);
    pthread_cond_destroy(&crew.ended);
    pthread_mutex_destroy(&crew.lock);
    if (!crew.failed)
        return MIG_OK;
    *err = crew.err;
    return err->status;
}
