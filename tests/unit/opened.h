/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session on a fresh database, for tests of the core that need a real one:
 * the driver from the build folder, the lock held, the history's tables made.
 * Engines() writes one test that runs on every engine; where there is no server
 * for tests its half is skipped. Functions that cannot do their work fail the
 * test. What the tests ask goes through the engine's own shell.
 */
#ifndef TEST_UNIT_OPENED_H
#define TEST_UNIT_OPENED_H

#include "session.h"
#include "support.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

struct opened {
    const char *engine; /* "sqlite", "postgres" */
    char *url;
    struct session session;
    const struct mig_driver *driver;
    struct mig_conn *conn;
    struct history *history;
    struct mig_err err;
};

/* Fails the test unless `call` answers `wanted`. */
#define expect_status(on, call, wanted)                                                     \
    do {                                                                                    \
        mig_status got_ = (call);                                                           \
        cr_assert_eq(got_, (wanted), "%s: %d, not %d: %s", #call, (int)got_, (int)(wanted), \
                     got_ < 0 ? (on)->err.message : "");                                    \
    } while (0)

/* Fails the test unless the error's sentence holds `text`. */
#define expect_says(on, text) \
    cr_assert(strstr((on)->err.message, (text)), "[%s] is not in: %s", (text), (on)->err.message)

__attribute__((unused)) static struct session_config opened_config(const char *url)
{
    return (struct session_config){
        .database = url,
        .driver_dir = MIGHOST_BUILD "/lib/mighost",
        .history = "mighost",
        .connect_timeout_ms = 10000,
        .busy_timeout_ms = 1000,
    };
}

__attribute__((unused)) static bool on_engine(const struct opened *on, const char *engine)
{
    return strcmp(on->engine, engine) == 0;
}

__attribute__((unused)) static struct opened opened_open(const char *engine)
{
    struct opened on = {.engine = engine};
    struct session_config config;

    on.url = strcmp(engine, "sqlite") == 0 ? test_sqlite() : test_postgres();
    config = opened_config(on.url);
    expect_status(&on, session_open(&on.session, &config, SESSION_WRITE, &on.err), MIG_OK);
    on.driver = on.session.driver;
    on.conn = on.session.conn;
    on.history = on.session.history;
    return on;
}

__attribute__((unused)) static void opened_exec(struct opened *on, const char *sql)
{
    struct mig_exec_result result = {.size = sizeof result};
    mig_status status = on->driver->exec(on->conn, sql, strlen(sql), &result, &on->err);

    cr_assert_eq(status, MIG_OK, "%s: %s", sql, on->err.message);
}

__attribute__((unused)) static void opened_begin(struct opened *on)
{
    struct mig_tx_options options = {.size = sizeof options};

    expect_status(on, on->driver->begin(on->conn, &options, &on->err), MIG_OK);
}

__attribute__((unused)) static void opened_commit(struct opened *on)
{
    expect_status(on, on->driver->commit(on->conn, &on->err), MIG_OK);
}

/* What the engine's shell answers, against what is wanted. */
#define expect_rows(on, sql, wanted)                                                     \
    do {                                                                                 \
        const char *rows_ = test_query((on)->url, (sql));                                \
        cr_assert_str_eq(rows_, (wanted), "%s: [%s], not [%s]", (sql), rows_, (wanted)); \
    } while (0)

/* One behaviour on every engine: Engines(suite, sentence) { uses `on` }. */
#define Engines(suite, name)                                \
    static void name(struct opened *on);                    \
    ParameterizedTestParameters(suite, name)                \
    {                                                       \
        static char engines[][12] = {"sqlite", "postgres"}; \
        return cr_make_param_array(char[12], engines, 2);   \
    }                                                       \
    ParameterizedTest(const char *engine, suite, name)      \
    {                                                       \
        struct opened on_ = opened_open(engine);            \
        name(&on_);                                         \
        session_clear(&on_.session);                        \
    }                                                       \
    static void name(struct opened *on)

#endif
