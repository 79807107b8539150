/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library as a program embeds it that runs modules in its own process: they
 * run here and in no worker, with what a worker would give them, are rolled
 * back here when they fail, and are gone again afterwards. The rest of the
 * facade is what the command does, and is tested with it.
 */
#include "mighost.h"

#include "support.h"
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct mig_err err;
static char *database; /* its address */

static char *bundle_of(const char *fixture)
{
    const char *source = test_format("%s/%s", MIGHOST_FIXTURES, fixture);
    struct test_result found = test_run("ls", source);
    char *bundle = test_folder();

    found.out[strcspn(found.out, "\n")] = '\0';
    cr_assert_eq(chmod(test_copy(test_format("%s/%s", source, found.out), bundle, found.out), 0755),
                 0);
    return bundle;
}

/* A host for modules in this process; that there is no worker it must not mind. */
static struct mighost *open_host(const char *fixture, const char *const *params)
{
    const struct mighost_config config = {
        .size = sizeof config,
        .database = database,
        .bundle = bundle_of(fixture),
        .driver_dir = MIGHOST_BUILD "/lib/mighost",
        .worker = "/nowhere/mighost-worker",
        .params = params,
        .in_process = true,
    };
    struct mighost *host;

    cr_assert_eq(mighost_open(&config, &host, &err), MIG_OK, "%s", err.message);
    return host;
}

static void expect_up(struct mighost *host)
{
    cr_assert_eq(mighost_up(host, NULL, NULL, &err), MIG_OK, "%s", err.message);
}

static void expect_current(struct mighost *host, const char *wanted)
{
    char current[MIG_ID_SIZE];

    cr_assert_eq(mighost_current(host, current, &err), MIG_OK, "%s", err.message);
    cr_assert_str_eq(current, wanted);
}

static void expect_rows(const char *sql, const char *wanted)
{
    cr_assert_str_eq(test_query(database, sql), wanted);
}

/* One behaviour on every engine, with a new `database`. */
#define Engines(suite, name)                                                        \
    static void name(void);                                                         \
    ParameterizedTestParameters(suite, name)                                        \
    {                                                                               \
        static char engines[][12] = {"sqlite", "postgres"};                         \
        return cr_make_param_array(char[12], engines, 2);                           \
    }                                                                               \
    ParameterizedTest(const char *engine, suite, name)                              \
    {                                                                               \
        database = strcmp(engine, "sqlite") == 0 ? test_sqlite() : test_postgres(); \
        name();                                                                     \
    }                                                                               \
    static void name(void)

Engines(in_process, a_module_goes_up_and_down_without_a_worker)
{
    static const char *const params[] = {"greeting=hello", NULL};
    struct mighost *host = open_host("good_params", params);

    expect_up(host);
    expect_rows("SELECT greeting, engine FROM good_params",
                strncmp(database, "sqlite", 6) == 0 ? "hello|sqlite" : "hello|postgres");
    expect_current(host, "20240601000004");
    cr_assert_eq(mighost_down(host, NULL, NULL, &err), MIG_OK, "%s", err.message);
    expect_current(host, "");
    mighost_close(host);
}

Engines(in_process, one_that_fails_is_rolled_back_with_its_own_sentence)
{
    struct mighost *host = open_host("fail_text", NULL);
    mig_status status = mighost_up(host, NULL, NULL, &err);

    cr_assert_eq(mighost_exit_code(status), 1, "%d", (int)status);
    cr_assert(strstr(err.message, "there are 3 widgets too many"), "%s", err.message);
    expect_current(host, "");
    mighost_close(host);
    host = open_host("good_table", NULL); /* neither lock nor transaction is left */
    expect_up(host);
    mighost_close(host);
}

Engines(in_process, a_durable_one_goes_on_where_it_stopped)
{
    static const char *const params[] = {"fail_at=5", NULL};
    struct mighost *host = open_host("durable_steps", params);
    mig_status status = mighost_up(host, NULL, NULL, &err);

    cr_assert_eq(mighost_exit_code(status), 7, "%d: %s", (int)status, err.message);
    mighost_close(host);
    expect_rows("SELECT count(*) FROM durable_steps", "4");
    host = open_host("durable_steps", NULL);
    expect_up(host);
    mighost_close(host);
    expect_rows("SELECT count(*), count(DISTINCT n) FROM durable_steps", "10|10");
}

Test(in_process, its_code_is_loaded_here)
{
    const char *trace = test_format("%s/trace", test_folder());
    struct mighost *host;

    database = test_sqlite();
    cr_assert_eq(setenv("MIGHOST_TRACE", trace, 1), 0); /* which a worker would not see */
    host = open_host("load_trace", NULL);
    cr_assert_not(test_exists(trace));
    expect_up(host);
    cr_assert(test_exists(trace));
    mighost_close(host);
}

/* Allocated as long as it says, so that the sanitizer sees who reads past its end. */
Test(facade, options_of_an_older_program_end_where_they_say)
{
    const size_t size = offsetof(struct mighost_options, rollback_on_failure);
    struct mighost_options *options = calloc(1, size);
    struct mighost *host;

    cr_assert_not_null(options);
    options->size = (uint32_t)size;
    database = test_sqlite();
    host = open_host("good_table", NULL);
    cr_assert_eq(mighost_up(host, options, NULL, &err), MIG_OK, "%s", err.message);
    mighost_close(host);
    free(options);
}

Test(facade, a_time_that_no_clock_reaches_is_no_limit)
{
    const struct mighost_config config = {
        .size = sizeof config,
        .database = test_sqlite(),
        .bundle = bundle_of("good_table"),
        .driver_dir = MIGHOST_BUILD "/lib/mighost",
        .worker = "/nowhere/mighost-worker",
        .wait_ms = INT64_MAX,
        .timeout_ms = INT64_MAX,
        .in_process = true,
    };
    struct mighost *host;

    cr_assert_eq(mighost_open(&config, &host, &err), MIG_OK, "%s", err.message);
    expect_up(host);
    mighost_close(host);
}
