/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host believes of its worker. Behind the worker's COMMIT the host does
 * not connect again where the worker has read its row in the history and ended
 * as a worker ends; in every other case the host reads the row itself.
 */
#include "mighost.h"
#include "support.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct mig_err err;

/* A worker that knows its token, runs nothing and reports success: status 0,
 * and perhaps that the history confirmed it. */
static const char *liar(bool confirms, int exit_status)
{
    char *path = test_write(
        test_folder(), "liar",
        test_format("#!/bin/sh\n"
                    "{ dd bs=1 count=16 <&3 2>/dev/null\n"
                    "printf '\\001\\004\\000\\000\\%s\\000\\000\\000'\n"
                    "printf '\\001\\000\\000\\000\\010\\000\\000\\000\\000\\000\\000\\000"
                    "\\000\\000\\000\\000'\n"
                    "%s } >&3\nexit %d\n",
                    confirms ? "040" : "020",
                    confirms
                        ? "printf '\\007\\000\\000\\000\\010\\000\\000\\000\\001\\000\\000\\000"
                          "\\000\\000\\000\\000'\n"
                        : "",
                    exit_status));

    cr_assert_eq(chmod(path, 0700), 0);
    return path;
}

typedef mig_status command(struct mighost *host, const struct mighost_options *options,
                           struct mighost_result *result, struct mig_err *err);

static mig_status call(command *what, const char *url, const char *bundle, const char *worker,
                       bool all, struct mighost_result *result)
{
    struct mighost_options options = {.size = sizeof options, .all = all};
    struct mighost_config config = {
        .size = sizeof config,
        .database = url,
        .bundle = bundle,
        .worker = worker,
        .timeout_ms = 10000,
    };
    struct mighost *host = NULL;
    mig_status status;

    cr_assert_eq(mighost_open(&config, &host, &err), MIG_OK, "%s", err.message);
    status = what(host, &options, result, &err);
    mighost_close(host);
    return status;
}

static const char *good_table(void)
{
    return test_format("%s/good_table", MIGHOST_FIXTURES);
}

static mig_status up_with(const char *url, const char *worker, struct mighost_result *result)
{
    return call(mighost_up, url, good_table(), worker, false, result);
}

/* SQL, a module, SQL. */
static const char *mixed_bundle(void)
{
    const char *folder = test_folder();

    test_write(folder, "20240501000000_before.up.sql", "CREATE TABLE before (id INT);");
    test_write(folder, "20240501000000_before.down.sql", "DROP TABLE before;");
    test_copy(test_format("%s/libmig_20240601000001.so", good_table()), folder,
              "libmig_20240601000001.so");
    test_write(folder, "20240701000000_behind.up.sql", "CREATE TABLE behind (id INT);");
    test_write(folder, "20240701000000_behind.down.sql", "DROP TABLE behind;");
    return folder;
}

static void goes_there_and_back(const char *url)
{
    struct mighost_result result = {.size = sizeof result};
    const char *bundle = mixed_bundle();

    cr_assert_eq(call(mighost_up, url, bundle, NULL, false, &result), MIG_OK, "%s", err.message);
    cr_assert_eq(result.done, 3);
    cr_assert_eq(result.applied, 3);
    cr_assert_str_eq(result.current, "20240701000000");
    cr_assert_eq(call(mighost_down, url, bundle, NULL, false, &result), MIG_OK, "%s", err.message);
    cr_assert_str_eq(result.current, "20240601000001");
    cr_assert_eq(call(mighost_down, url, bundle, NULL, false, &result), MIG_OK, "%s", err.message);
    cr_assert_str_eq(result.current, "20240501000000");
    cr_assert_eq(result.applied, 1);
    cr_assert_eq(call(mighost_up, url, bundle, NULL, false, &result), MIG_OK, "%s", err.message);
    cr_assert_eq(result.done, 2);
    cr_assert_eq(result.applied, 3);
    cr_assert_eq(call(mighost_down, url, test_folder(), NULL, true, &result), MIG_OK, "%s",
                 err.message);
    cr_assert_eq(result.done, 3);
    cr_assert_str_eq(result.current, "");
}

Test(liar, modules_and_sql_take_turns_on_sqlite)
{
    goes_there_and_back(test_sqlite());
}

Test(liar, modules_and_sql_take_turns_on_postgres)
{
    goes_there_and_back(test_postgres());
}

Test(liar, success_without_a_look_at_the_history_is_not_believed)
{
    cr_assert_eq(up_with(test_sqlite(), liar(false, 0), NULL), MIG_E_FAILED, "%s", err.message);
    cr_assert(strstr(err.message, "reported success, but the history does not have"), "%s",
              err.message);
}

Test(liar, a_confirmed_success_of_a_process_that_fails_is_not_believed)
{
    cr_assert_eq(up_with(test_sqlite(), liar(true, 3), NULL), MIG_E_FAILED, "%s", err.message);
    cr_assert(strstr(err.message, "reported success, but the history does not have"), "%s",
              err.message);
}

Test(liar, the_current_version_is_known_without_looking_again)
{
    struct mighost_result result = {.size = sizeof result};

    cr_assert_eq(up_with(test_sqlite(), NULL, &result), MIG_OK, "%s", err.message);
    cr_assert_str_eq(result.current, "20240601000001");
    cr_assert_eq(result.applied, 1);
    cr_assert_eq(result.done, 1);
}

/* Sessions that the database has seen, once all of them have ended. */
static int sessions(const char *url)
{
    const char *server = test_postgres_server();
    const char *name = strrchr(url, '/') + 1;
    char *running = test_format("SELECT count(*) FROM pg_stat_activity WHERE datname = '%s'", name);

    for (int i = 0; i < 500 && strcmp(test_query(server, running), "0") != 0; i++)
        usleep(20000);
    return atoi(test_query(
        server, test_format("SELECT sessions FROM pg_stat_database WHERE datname = '%s'", name)));
}

Test(liar, a_native_migration_costs_one_session_beside_that_of_the_host)
{
    char *url = test_postgres();
    int before = sessions(url);

    cr_assert_eq(up_with(url, NULL, NULL), MIG_OK, "%s", err.message);
    cr_assert_eq(sessions(url) - before, 2);
}
