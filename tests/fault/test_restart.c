/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server goes away while a run is under way: between two migrations, in
 * the middle of one, or for good. Where nothing was open the run connects once
 * more and goes on; else the sentence says what the history shows. A server of
 * its own, since others would miss the one that all tests share.
 */
#include "mighost.h"
#include "support.h"

#include <criterion/criterion.h>
#include <mig.h>
#include <string.h>

static char *server; /* the folder of the server */
static char *url;
static struct mig_err err;
static struct mighost_result result;
static bool comes_back; /* the server, when it is made to go */

static char *cluster(const char *command)
{
    struct test_result done =
        test_run("bash", MIGHOST_SOURCE "/tests/support/pg_cluster", command, server);

    cr_assert_eq(done.exit_code, 0, "%s", done.err);
    done.out[strcspn(done.out, "\n")] = '\0';
    return done.out;
}

static void setup(void)
{
    test_postgres_server(); /* none: no test */
    server = test_format("%s/pg", test_folder());
    url = cluster("start");
    comes_back = true;
}

static void teardown(void)
{
    if (url)
        cluster("stop");
}

TestSuite(restart, .init = setup, .fini = teardown);

static void goes_away(void)
{
    cluster(comes_back ? "restart" : "kill");
}

/* Behind the first migration, before the second. */
static void listen(const struct mighost_event *event, void *user)
{
    (void)user;
    if (event->kind == MIGHOST_EVENT_DONE && event->index == 1)
        goes_away();
}

static mig_status lose_server(struct mig_db *db)
{
    MIG_TRY(mig_exec(db, "INSERT INTO runs (number) VALUES (3)"));
    goes_away();
    return mig_exec(db, "INSERT INTO runs (number) VALUES (4)");
}

static mig_status keep_server(struct mig_db *db)
{
    return mig_exec(db, "INSERT INTO runs (number) VALUES (3), (4)");
}

static struct mig_module module_of(mig_status (*up)(struct mig_db *db))
{
    return (struct mig_module){
        .size = sizeof(struct mig_module),
        .abi_major = MIG_ABI_MAJOR,
        .abi_minor = MIG_ABI_MINOR,
        .id = "3",
        .description = "the third",
        .up = up,
    };
}

/* Two texts, and one of the program's own; returns the exit code. */
static int up(mighost_listener listener, mig_status (*third)(struct mig_db *db))
{
    static char *bundle;
    const struct mig_module module = module_of(third);
    struct mighost_config config = {
        .size = sizeof config, .database = url, .listener = listener, .connect_timeout_ms = 10000};
    struct mighost *host = NULL;
    mig_status status;

    if (!bundle) {
        bundle = test_folder();
        test_write(bundle, "1_a.up.sql", "CREATE TABLE runs (number INTEGER);");
        test_write(bundle, "2_b.up.sql", "INSERT INTO runs (number) VALUES (2);");
    }
    config.bundle = bundle;
    cr_assert_eq(mighost_open(&config, &host, &err), MIG_OK, "%s", err.message);
    cr_assert_eq(mighost_register(host, &module, &err), MIG_OK, "%s", err.message);
    result = (struct mighost_result){.size = sizeof result};
    status = mighost_up(host, NULL, &result, &err);
    mighost_close(host);
    return mighost_exit_code(status);
}

static void is_complete(void)
{
    cr_assert_str_eq(test_query(url, "SELECT number FROM runs ORDER BY number"), "2\n3\n4");
    cr_assert_str_eq(test_query(url, "SELECT count(*) || min(state) FROM mighost_history"),
                     "3applied");
}

Test(restart, a_restart_between_two_migrations_is_no_failure)
{
    cr_assert_eq(up(listen, keep_server), 0, "%s", err.message);
    cr_assert_eq(result.done, 3);
    is_complete();
}

Test(restart, a_restart_within_a_migration_fails_it_and_leaves_nothing)
{
    cr_assert_eq(up(NULL, lose_server), 1, "%s", err.message);
    cr_assert_not_null(strstr(err.message, "nothing of this migration was applied"), "%s",
                       err.message);
    cr_assert_str_eq(test_query(url, "SELECT number FROM runs"), "2");
    cr_assert_str_eq(
        test_query(url,
                   "SELECT id_text || ' ' || outcome FROM mighost_log ORDER BY 1 DESC LIMIT 1"),
        "3 failed");
    cr_assert_eq(up(NULL, keep_server), 0, "%s", err.message);
    is_complete();
}

Test(restart, a_server_that_stays_away_cannot_be_reached)
{
    comes_back = false;
    cr_assert_eq(up(NULL, lose_server), 3, "%s", err.message);
    cr_assert_not_null(strstr(err.message, "connecting again failed too"), "%s", err.message);
    cluster("restart");
    cr_assert_eq(up(NULL, keep_server), 0, "%s", err.message);
    is_complete();
}
