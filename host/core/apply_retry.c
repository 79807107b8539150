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

#define ATTEMPTS_MAX 5
#define PAUSE_FIRST_MS 100 /* doubles with each attempt, give or take a half */
#define SLICE_MS 50        /* of a pause, between two looks whether to stop */
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

mig_status work_again_unless(struct work *work, int attempt, mig_status (*stopped)(void *arg),
                             void *arg, struct mig_err *err)
{
    char text[sizeof err->message + 64];
    int64_t pause_ms = clock_about_ms((int64_t)PAUSE_FIRST_MS << attempt);
    mig_status stop;

    if (!worth_retrying(err))
        return err->status;
    if (attempt >= ATTEMPTS_MAX)
        return err_append(err, "it was tried %d times", attempt);
    snprintf(text, sizeof text, "%s; trying again in %lld ms (attempt %d of %d)", err->message,
             (long long)pause_ms, attempt + 1, ATTEMPTS_MAX);
    work_emit(work, (struct mighost_event){.kind = MIGHOST_EVENT_WARNING, .text = text});
    stop = sleep_through(pause_ms, stopped, arg);
    if (stop == MIG_OK)
        return MIG_OK;
    err->status = stop;
    return err_append(err, "%s before it was tried again", status_text(stop));
}

mig_status work_again(struct work *work, int attempt, struct mig_err *err)
{
    const struct apply_session *session = work->session;

    return work_again_unless(work, attempt, session->cancelled, session->cancel_arg, err);
}
