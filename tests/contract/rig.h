/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver on the test bench: the plugin loaded from the build folder, a fresh
 * database and a connection to it. Contract() writes one test that runs on
 * every engine. Helpers that cannot do their work fail the test; those whose
 * failure is the point return the status and leave the sentence in rig->err.
 */
#ifndef TEST_CONTRACT_RIG_H
#define TEST_CONTRACT_RIG_H

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <mig/driver.h>

#include "support.h"

struct rig {
    const char *engine; /* "sqlite", "postgres" */
    const struct mig_driver *driver;
    const char *url; /* of an empty database */
    struct mig_conn *conn;
    struct mig_err err;
    struct mig_exec_result result; /* of the last exec */
};

const struct mig_driver *rig_driver(const char *engine);
struct rig rig_open(const char *engine);
void rig_close(struct rig *rig);
bool rig_is(const struct rig *rig, const char *engine);

struct mig_driver_config rig_config(const char *url);
/* Another connection to the same database. */
struct mig_conn *rig_connect(struct rig *rig);

/* Runs on rig->conn and on another connection. */
mig_status rig_try(struct rig *rig, const char *sql);
mig_status rig_try_on(struct rig *rig, struct mig_conn *conn, const char *sql);
void rig_exec(struct rig *rig, const char *sql);

void rig_begin(struct rig *rig);
void rig_commit(struct rig *rig);

/* A statement that compiles. */
struct mig_cursor *rig_prepare(struct rig *rig, const char *sql, uint32_t flags);
/* All rows of a query: columns separated by `|`, rows by newlines, NULL as "null". */
char *rig_rows(struct rig *rig, const char *sql);

struct mig_value rig_int(int64_t value);
struct mig_value rig_double(double value);
struct mig_value rig_text(const char *value);
struct mig_value rig_blob(const void *data, size_t len);
struct mig_value rig_null(void);
void rig_bind(struct rig *rig, struct mig_cursor *cursor, int index, struct mig_value value);

/* Fails the test unless `call` answers `wanted`. */
#define rig_expect(rig, call, wanted)                                                       \
    do {                                                                                    \
        mig_status got_ = (call);                                                           \
        cr_assert_eq(got_, (wanted), "%s: %d, not %d: %s", #call, (int)got_, (int)(wanted), \
                     got_ < 0 ? (rig)->err.message : "");                                   \
    } while (0)

#define RIG_ENGINES          \
    {                        \
        "sqlite", "postgres" \
    }

/* One behaviour, tested on every engine: Contract(sentence) { uses `rig` }. */
#define Contract(name)                                    \
    static void name(struct rig *rig);                    \
    ParameterizedTestParameters(driver, name)             \
    {                                                     \
        static char engines[][12] = RIG_ENGINES;          \
        return cr_make_param_array(char[12], engines, 2); \
    }                                                     \
    ParameterizedTest(const char *engine, driver, name)   \
    {                                                     \
        struct rig rig_ = rig_open(engine);               \
        name(&rig_);                                      \
        rig_close(&rig_);                                 \
    }                                                     \
    static void name(struct rig *rig)

/* One behaviour of SQLite alone. */
#define SqliteTest(name)                        \
    static void sqlite_##name(struct rig *rig); \
    Test(sqlite, name)                          \
    {                                           \
        struct rig rig_ = rig_open("sqlite");   \
        sqlite_##name(&rig_);                   \
        rig_close(&rig_);                       \
    }                                           \
    static void sqlite_##name(struct rig *rig)

#endif
