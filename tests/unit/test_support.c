/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helpers that all other tests stand on: what they promise about folders,
 * commands and databases has to hold before any other test's verdict counts.
 */
#include "support.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <time.h>

Test(support, a_written_file_reads_back_with_its_nul_bytes)
{
    size_t size = 0;
    char *path = test_write_bytes(test_folder(), "deep/er/file", "a\0b", 3);
    char *data = test_read(path, &size);

    cr_assert_eq(size, 3);
    cr_assert_arr_eq(data, "a\0b", 4);
}

Test(support, a_removed_folder_is_gone_with_all_that_is_in_it)
{
    char *folder = test_folder();

    test_write(folder, "one/two", "x");
    test_remove(folder);
    cr_assert_not(test_exists(folder));
}

Test(support, a_command_gives_its_output_its_errors_and_its_exit_code)
{
    struct test_result result = test_run("sh", "-c", "echo out; echo err >&2; exit 7");

    cr_assert_str_eq(result.out, "out\n");
    cr_assert_str_eq(result.err, "err\n");
    cr_assert_eq(result.exit_code, 7);
    cr_assert_eq(result.signal, 0);
}

Test(support, a_killed_command_gives_its_signal)
{
    struct test_result result = test_run("sh", "-c", "kill -9 $$");

    cr_assert_eq(result.signal, SIGKILL);
    cr_assert_eq(result.exit_code, -1);
}

Test(support, a_command_sees_its_input_its_folder_and_its_environment)
{
    const char *const argv[] = {"sh", "-c", "cat; pwd; echo $ADDED ${HOME-none}", NULL};
    const char *const environment[] = {"ADDED=yes", "HOME", NULL};
    struct test_result result = test_run_command(&(struct test_command){
        .argv = argv, .environment = environment, .folder = "/usr", .input = "in\n"});

    cr_assert_str_eq(result.out, "in\n/usr\nyes none\n");
}

Test(support, a_hanging_command_is_killed_after_its_time)
{
    const char *const argv[] = {"sleep", "600", NULL};
    struct test_result result =
        test_run_command(&(struct test_command){.argv = argv, .timeout_seconds = 1});

    cr_assert(result.timed_out);
    cr_assert_eq(result.signal, SIGKILL);
}

Test(support, a_process_that_lingers_with_the_output_open_is_not_waited_for)
{
    time_t start = time(NULL);
    struct test_result result = test_run("sh", "-c", "echo done; sleep 20 &");

    cr_assert_str_eq(result.out, "done\n");
    cr_assert_lt(time(NULL) - start, 15);
}

Test(support, a_fresh_sqlite_database_answers_queries)
{
    char *url = test_sqlite();

    cr_assert_not(test_exists(test_sqlite_path(url)));
    test_query(url, "CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 'x'), (2, NULL)");
    cr_assert_str_eq(test_query(url, "SELECT * FROM t ORDER BY a"), "1|x\n2|");
    cr_assert(strstr(test_dump_schema(url), "CREATE TABLE t"));
}

Test(support, two_fresh_postgres_databases_are_two_and_empty)
{
    char *first = test_postgres(), *second = test_postgres();

    test_query(first, "CREATE TABLE t(a int)");
    cr_assert_str_eq(test_query(second, "SELECT count(*) FROM pg_tables WHERE tablename = 't'"),
                     "0");
    cr_assert(strstr(test_dump_schema(first), "CREATE TABLE public.t"));
}

Test(support, the_dumps_of_two_equal_databases_are_equal)
{
    char *first = test_postgres(), *second = test_postgres();

    test_query(first, "CREATE TABLE t(a int)");
    test_query(second, "CREATE TABLE t(a int)");
    cr_assert_str_eq(test_dump_schema(first), test_dump_schema(second));
}
