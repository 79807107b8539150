/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening in order: driver, connection, lock, history. What is half open after
 * a failure is closed again.
 */
#include "session.h"

#include "clock.h"
#include "text.h"

/* Waiters look again after a short time with jitter, so that many hosts that
 * start together do not all ask at the same instant. */
#define POLL_MIN_MS 5
#define POLL_MAX_MS 250
/* How often a waiter says again what it waits for. */
#define SAY_EVERY_MS 10000

struct wait {
    struct session *session;
    int64_t until_ms;
    int64_t say_ms;
    int64_t pause_ms;
};

/* Also called by the driver, whose statement waits for another's. */
static void tell_waiting(void *arg, const char *text)
{
    const struct session *session = arg;
    struct mighost_event event = {
        .size = sizeof event,
        .kind = MIGHOST_EVENT_WAITING,
        .id = "",
        .description = "",
        .run_id = "",
        .text = text,
    };

    if (session->config.listener)
        session->config.listener(&event, session->config.user);
}

static mig_status is_cancelled(void *arg)
{
    const struct session *session = arg;

    return session->config.cancelled(session->config.cancel_arg);
}

static void say_waiting(struct wait *wait, const char *text)
{
    int64_t now = clock_mono_ms();

    if (now < wait->say_ms)
        return;
    wait->say_ms = now + SAY_EVERY_MS;
    tell_waiting(wait->session, text);
}

/* Sleeps a little; the pauses grow, and differ from host to host. */
static void pause_a_while(struct wait *wait)
{
    clock_sleep_ms(clock_about_ms(wait->pause_ms));
    wait->pause_ms = wait->pause_ms * 2 > POLL_MAX_MS ? POLL_MAX_MS : wait->pause_ms * 2;
}

static mig_status wait_once(struct wait *wait, struct mig_err *err)
{
    const struct session_config *config = &wait->session->config;
    mig_status stop = config->cancelled ? config->cancelled(config->cancel_arg) : MIG_OK;
    char waited[TEXT_SHORT];

    if (stop < 0)
        return err_set(err, stop, "%s while waiting for the lock; nothing was done",
                       status_text(stop));
    say_waiting(wait, err->message);
    if (clock_mono_ms() >= wait->until_ms)
        return err_append(err,
                          "waited %s and gave up; nothing was done, run the command "
                          "again, or wait longer with --wait",
                          text_duration(waited, config->wait_ms));
    pause_a_while(wait);
    return MIG_OK;
}

static mig_status lock(struct session *session, struct mig_err *err)
{
    int64_t now = clock_mono_ms(), wait_ms = session->config.wait_ms;
    struct wait wait = {
        .session = session,
        .until_ms = now + (wait_ms > 0 ? wait_ms : 0),
        .say_ms = now + POLL_MAX_MS,
        .pause_ms = POLL_MIN_MS,
    };
    mig_status status;

    while ((status = session->driver->lock_try(session->conn, history_lock_name(session->history),
                                               err)) == MIG_E_BUSY)
        MIG_TRY(wait_once(&wait, err));
    session->locked = status == MIG_OK;
    return status;
}

static mig_status connect_to(struct session *session, enum session_need need, struct mig_err *err)
{
    const struct session_config *config = &session->config;
    unsigned flags = need == SESSION_READ ? MIG_OPEN_READONLY : MIG_OPEN_CREATE;
    struct mig_driver_config driver = {
        .size = sizeof driver,
        .flags = flags | (config->run ? MIG_OPEN_RUN : 0),
        .url = config->database,
        .application = session->application,
        .connect_timeout_ms = config->connect_timeout_ms,
        .busy_timeout_ms = config->busy_timeout_ms,
        .cancelled = config->cancelled ? is_cancelled : NULL,
        .waiting = tell_waiting,
        .arg = session,
    };

    snprintf(session->application, sizeof session->application, "%s%s%s", SESSION_APPLICATION,
             config->run ? " " : "", config->run ? config->run : "");
    return session->driver->open(&driver, &session->conn, err);
}

static mig_status ready(struct session *session, enum session_need need, struct mig_err *err)
{
    bool exists;

    MIG_TRY(lock(session, err));
    if (need == SESSION_WORK)
        return history_check(session->history, err);
    MIG_TRY(history_exists(session->history, &exists, err));
    return exists ? MIG_OK : history_create(session->history, err);
}

static mig_status open_once(struct session *session, enum session_need need, struct mig_err *err)
{
    mig_status status;

    MIG_TRY(connect_to(session, need, err));
    status = history_open(session->driver, session->conn, session->config.history,
                          &session->history, err);
    if (status == MIG_OK && (need == SESSION_WRITE || need == SESSION_WORK))
        status = ready(session, need, err);
    if (status < 0)
        session_close(session);
    return status;
}

/* The only commit of an opening is that of new tables. Where its answer got
 * lost, another look tells. */
mig_status session_open(struct session *session, const struct session_config *config,
                        enum session_need need, struct mig_err *err)
{
    mig_status status;

    if (!session->plugin)
        MIG_TRY(driver_open(config->database, config->driver_dir, &session->plugin, err));
    session->driver = session->plugin->api;
    session->config = *config;
    status = open_once(session, need, err);
    return status == MIG_E_OUTCOME ? open_once(session, need, err) : status;
}

void session_close(struct session *session)
{
    history_close(session->history);
    session->history = NULL;
    if (!session->conn)
        return;
    session->driver->rollback(session->conn);
    if (session->locked)
        session->driver->unlock(session->conn);
    session->driver->close(session->conn);
    session->conn = NULL;
    session->locked = false;
}

void session_clear(struct session *session)
{
    session_close(session);
    driver_close(session->plugin);
    session->plugin = NULL;
}
