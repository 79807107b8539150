/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trying again what others were in the way of: a deadlock, a serialization
 * conflict, the wait for a table's lock. The wait for a lock is kept short and
 * made several times, because whoever comes behind one that waits for a table
 * waits as well. The pauses grow and differ, so that two who collided do not
 * collide again. It must not end a transaction: whoever calls has done that.
 */
#include "apply_work.h"

#include "clock.h"

#define PAUSE_FIRST_MS 100 /* doubles with each attempt, give or take a half */
#define PAUSE_MAX_MS 1600
#define SLICE_MS 50 /* of a pause, between two looks whether to stop */
#define SQLSTATE_LOCK_TIMEOUT "55P03"

static bool worth_retrying(const struct mig_err *err)
{
    return err->status == MIG_E_CONFLICT || strcmp(err->sqlstate, SQLSTATE_LOCK_TIMEOUT) == 0;
}

static mig_status sleep_through(int64_t ms, mig_status (*stopped)(void *arg), void *arg)
{
    for (; ms > 0; ms -= SLICE_MS) {
        mig_status stop = stopped ? stopped(arg) : MIG_OK;

        if (stop < 0)
            return stop;
        clock_sleep_ms(SLICE_MS);
    }
    return MIG_OK;
}

static int64_t pause_before(int attempt)
{
    int64_t pause_ms = PAUSE_FIRST_MS;

    while (attempt-- > 0 && pause_ms < PAUSE_MAX_MS)
        pause_ms *= 2;
    return clock_about_ms(pause_ms);
}

mig_status work_again_unless(struct work *work, int attempt, int most,
                             mig_status (*stopped)(void *arg), void *arg, struct mig_err *err)
{
    char text[sizeof err->message + 80];
    int64_t pause_ms = pause_before(attempt);
    mig_status stop;

    if (!worth_retrying(err))
        return err->status;
    if (attempt >= most)
        return err_append(err, "it was tried %d times", attempt);
    snprintf(text, sizeof text, "%s; trying again in %lld ms (attempt %d of %d)", err->message,
             (long long)pause_ms, attempt + 1, most);
    work_emit(work, (struct mighost_event){.kind = MIGHOST_EVENT_WARNING, .text = text});
    stop = sleep_through(pause_ms, stopped, arg);
    if (stop == MIG_OK)
        return MIG_OK;
    err->status = stop;
    return err_append(err, "%s before it was tried again", status_text(stop));
}

mig_status work_again(struct work *work, int attempt, int most, struct mig_err *err)
{
    const struct apply_session *session = work->session;

    return work_again_unless(work, attempt, most, session->cancelled, session->cancel_arg, err);
}
