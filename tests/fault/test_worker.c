/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules that crash, hang, leave or lie, run by the command on both engines.
 * Each time: the exit code, the sentence, a database without a trace of the
 * migration, and a lock that is free for the next host.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

#include "support.h"

#define PROMPT_SECONDS 10

static char *bundle(const char *fixture)
{
    return test_format("%s/%s", MIGHOST_FIXTURES, fixture);
}

/* What a sanitizer keeps of freed memory must not count against the limit. */
static void sanitizer_keeps_little(void)
{
    static const char little[] = "quarantine_size_mb=4:thread_local_quarantine_size_kb=64";
    const char *options = getenv("ASAN_OPTIONS");

    if (!options || !strstr(options, little))
        setenv("ASAN_OPTIONS", test_format("%s:%s", options ? options : "detect_leaks=1", little),
               1);
}

static struct test_result run_up(const char *url, const char *fixture)
{
    sanitizer_keeps_little();
    return test_mighost("-d", url, "-m", bundle(fixture), "--wait", "30s", "--timeout", "1s",
                        "--max-memory", "64M", "up");
}

static void says(const struct test_result *result, const char *piece)
{
    cr_assert_not_null(strstr(result->err, piece), "'%s' is not in:\n%s", piece, result->err);
}

/* Whether a table of that name is there. */
static bool has_table(const char *url, const char *table)
{
    const char *list = strncmp(url, "sqlite", 6) == 0
                           ? "SELECT count(*) FROM sqlite_master WHERE name = '%s'"
                           : "SELECT count(*) FROM pg_tables WHERE tablename = '%s'";
    char sql[256];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(sql, sizeof sql, list, table);
#pragma GCC diagnostic pop
    return strcmp(test_query(url, sql), "0") != 0;
}

/* Nothing applied, the failure in the log, the lock free, and the next works. */
static void is_clean(const char *url, const char *fixture)
{
    struct test_result next;

    cr_assert_not(has_table(url, fixture), "%s left its table behind", fixture);
    cr_assert_str_eq(test_query(url, "SELECT count(*) FROM mighost_history"), "0");
    cr_assert_str_eq(test_query(url, "SELECT count(*) FROM mighost_log WHERE outcome = 'failed'"),
                     "1");
    next = test_mighost("-d", url, "-m", bundle("good_table"), "--wait", "30s", "up");
    cr_assert_eq(next.exit_code, 0, "%s", next.err);
    cr_assert(has_table(url, "good_table"));
}

static void fails(const char *url, const char *fixture, const char *const *pieces)
{
    struct test_result result = run_up(url, fixture);

    cr_assert_not(result.timed_out);
    cr_assert_eq(result.exit_code, 1, "exit %d: %s", result.exit_code, result.err);
    for (; *pieces; pieces++)
        says(&result, *pieces);
    is_clean(url, fixture);
}

/* FAULT(name of the test, fixture, pieces of the sentence ...) */
#define FAULT(name, fixture, ...)                                             \
    Test(worker_sqlite, name)                                                 \
    {                                                                         \
        fails(test_sqlite(), fixture, (const char *[]){__VA_ARGS__, NULL});   \
    }                                                                         \
    Test(worker_postgres, name)                                               \
    {                                                                         \
        fails(test_postgres(), fixture, (const char *[]){__VA_ARGS__, NULL}); \
    }

FAULT(invalid_access_is_named_with_its_place, "up_segv", "SIGSEGV", "up at ", "up_segv.c:")
FAULT(a_call_of_nothing_names_the_caller, "up_jump", "SIGSEGV", "up_jump.c:")
FAULT(abort_is_named, "up_abort", "SIGABRT", "abort", "called from up at ")
FAULT(a_stack_overflow_is_named, "up_stack_overflow", "its stack overflowed", "deeper")
FAULT(a_masked_signal_still_ends_it, "up_masked", "SIGSEGV")
FAULT(a_child_left_behind_is_no_report, "up_desert", "_exit(0)")
FAULT(exit_is_no_success, "up_exit", "the module called exit(0)", "in up at ")
FAULT(quick_exit_is_no_success, "up_quick_exit", "_exit(0)")
FAULT(a_kill_is_told_apart, "up_kill", "SIGKILL from outside")
FAULT(an_endless_loop_is_stopped, "up_loop", "--timeout", "up_loop.c:")
FAULT(a_sleep_that_ignores_term_is_killed, "up_sleep", "--timeout", "killed")
FAULT(an_endless_statement_is_stopped, "up_long_sql", "--timeout", "up_long_sql.c:")
FAULT(a_crash_while_loading_is_contained, "load_abort", "SIGABRT", "at_load")
FAULT(a_hang_while_loading_is_stopped, "load_hang", "--timeout", "at_load")
FAULT(closed_descriptors_are_no_success, "up_close", "descriptors")
FAULT(the_modules_reason_is_told, "fail_text", "there are 3 widgets too many")
FAULT(an_unknown_status_is_told, "fail_unknown", "-12345")
FAULT(a_positive_status_is_no_success, "fail_positive", "42")
FAULT(a_row_is_no_success, "fail_row", "it returned 1")
FAULT(a_claim_about_the_lock_is_not_believed, "fail_busy", "MIG_E_BUSY")
FAULT(junk_in_our_pipe_does_no_harm, "up_write", "it wrote into everything")
FAULT(a_transaction_of_its_own_is_refused, "tx_begin", "'BEGIN' is transaction control")
FAULT(a_commit_is_refused, "tx_commit", "'COMMIT' is transaction control")
FAULT(a_hidden_end_of_the_transaction_is_refused, "tx_commit_hidden", "is transaction control")
FAULT(the_history_is_not_dropped, "drop_history", "DROP TABLE mighost_history")
FAULT(the_history_is_not_written, "write_history", "DELETE FROM mighost_history")
FAULT(a_jump_out_of_a_callback_is_no_success, "up_leap", "longjmp()")
FAULT(an_end_of_a_child_is_not_taken_for_its_own, "up_child_exit", "_exit(3)")
FAULT(a_division_by_zero_is_named, "up_divide", "SIGFPE", "up_divide.c:")
FAULT(a_pipe_that_nobody_reads_is_named, "up_pipe", "SIGPIPE")

/* A sanitizer ends the process instead, unless it is told to do as malloc() does. */
static void stops_memory_hog(const char *url)
{
    const char *options = getenv("ASAN_OPTIONS");
    static const char *const pieces[] = {"no memory for", NULL};

    setenv("ASAN_OPTIONS",
           test_format("%s:allocator_may_return_null=1", options ? options : "detect_leaks=1"), 1);
    fails(url, "up_allocate", pieces);
}

Test(worker_sqlite, a_memory_hog_is_stopped)
{
    stops_memory_hog(test_sqlite());
}

Test(worker_postgres, a_memory_hog_is_stopped)
{
    stops_memory_hog(test_postgres());
}

Test(worker_postgres, an_error_that_the_module_swallowed_is_told)
{
    static const char *const pieces[] = {"no_such_table", "as if it had worked", NULL};

    fails(test_postgres(), "fail_swallowed", pieces);
}

/* Then it is not said that nothing is left, and the row `running` shows it. */
static void commits_by_itself(const char *begin)
{
    char *url = test_postgres();
    struct test_result result = test_mighost("-d", url, "-m", bundle("tx_native"), "--library",
                                             "libpq.so.5", "up", "--set", begin);

    cr_assert_eq(result.exit_code, 7, "exit %d: %s", result.exit_code, result.err);
    says(&result, "what it committed so stands");
    says(&result, "mighost resolve 20240601000080");
    cr_assert_null(strstr(result.err, "nothing of this migration is left"), "%s", result.err);
    cr_assert(has_table(url, "tx_native"));
    cr_assert_str_eq(test_query(url, "SELECT string_agg(state, ' ') FROM mighost_history"),
                     "running");
    cr_assert_str_eq(test_query(url, "SELECT count(*) FROM mighost_log WHERE outcome = 'failed'"),
                     "1");
}

Test(worker_postgres, a_transaction_that_the_module_ends_and_replaces_is_half_done)
{
    commits_by_itself("begin=yes");
}

Test(worker_postgres, a_transaction_that_the_module_ends_is_half_done)
{
    commits_by_itself("other=no");
}

static void cuts_long_text(const char *url)
{
    struct test_result result = run_up(url, "fail_long");

    cr_assert_eq(result.exit_code, 1);
    cr_assert_lt(result.err_size, 16384);
    cr_assert_null(strchr(result.err, '\033'));
    cr_assert_null(strchr(result.err, '\a'));
    is_clean(url, "fail_long");
}

Test(worker_sqlite, a_huge_reason_is_cut_and_escaped)
{
    cuts_long_text(test_sqlite());
}

Test(worker_postgres, a_huge_reason_is_cut_and_escaped)
{
    cuts_long_text(test_postgres());
}

Test(worker_sqlite, output_of_the_module_is_relayed_up_to_a_limit)
{
    char *url = test_sqlite();
    struct test_result result =
        test_mighost("-v", "-d", url, "-m", bundle("up_print"), "--timeout", "30s", "up");

    cr_assert_eq(result.exit_code, 1, "%s", result.err);
    says(&result, "a line of errors");
    says(&result, "line 17");
    says(&result, "left out");
    says(&result, "it printed enough");
    cr_assert_lt(result.err_size, 1 << 20);
    is_clean(url, "up_print");
}

static void escapes_output(const char *url)
{
    struct test_result result = test_mighost("-v", "-d", url, "-m", bundle("up_escapes"), "up");

    cr_assert_eq(result.exit_code, 1, "%s", result.err);
    says(&result, "output \\x1B[31mred\\x1B[0m \\x1B]0;the title is mine\\x07");
    says(&result, "error \\x1B[31mred\\x1B[0m \\x1B]0;the title is mine\\x07");
    says(&result, "it printed \\x1B[31mred");
    for (const char *at = "\033\a\r"; *at; at++)
        cr_assert_null(strchr(result.err, *at), "%s", result.err);
    is_clean(url, "up_escapes");
}

Test(worker_sqlite, what_a_terminal_would_obey_is_escaped)
{
    escapes_output(test_sqlite());
}

Test(worker_postgres, what_a_terminal_would_obey_is_escaped)
{
    escapes_output(test_postgres());
}

/* The child ignores TERM and would hold the lock for half a minute. */
static void ends_lingering_child(const char *url)
{
    time_t began = time(NULL);
    struct test_result result = run_up(url, "up_fork");

    cr_assert_eq(result.exit_code, 0, "%s", result.err);
    cr_assert(has_table(url, "up_fork"));
    result = test_mighost("-d", url, "-m", bundle("up_fork"), "--wait", "2s", "down");
    cr_assert_eq(result.exit_code, 0, "%s", result.err);
    cr_assert_lt(time(NULL) - began, PROMPT_SECONDS);
}

Test(worker_sqlite, a_lingering_child_is_ended)
{
    ends_lingering_child(test_sqlite());
}

Test(worker_postgres, a_lingering_child_is_ended)
{
    ends_lingering_child(test_postgres());
}

/* A daemon is nobody's child any more, and yet has neither the lock nor the session. */
static void outlived_by_daemon(const char *url)
{
    time_t began = time(NULL);
    struct test_result result = run_up(url, "up_daemon");

    cr_assert_eq(result.exit_code, 1, "%s", result.err);
    says(&result, "SIGABRT");
    says(&result, "nothing of this migration is left");
    is_clean(url, "up_daemon");
    cr_assert_lt(time(NULL) - began, PROMPT_SECONDS);
}

Test(worker_sqlite, a_daemon_keeps_no_lock)
{
    outlived_by_daemon(test_sqlite());
}

Test(worker_postgres, a_daemon_keeps_no_session)
{
    outlived_by_daemon(test_postgres());
}

/* What the engine writes in their place is nowhere, though it sees no error. */
Test(worker_sqlite, descriptors_that_lead_elsewhere_are_no_success)
{
    static const char *const pieces[] = {"closed descriptors that are not its own",
                                         "nothing of this migration is left", NULL};

    fails(test_sqlite(), "up_reopen", pieces);
}

/* The child ends where it returns, and the transaction stays its parent's. */
static void keeps_child_out(const char *url)
{
    struct test_result result = run_up(url, "up_child");

    cr_assert_eq(result.exit_code, 0, "%s", result.err);
    cr_assert_str_eq(test_query(url, "SELECT max(id) || ' of ' || count(*) FROM up_child"),
                     "2 of 1");
    cr_assert_str_eq(test_query(url, "SELECT count(*) FROM mighost_log"), "1");
}

Test(worker_sqlite, a_child_that_returns_ends_nothing)
{
    keeps_child_out(test_sqlite());
}

Test(worker_postgres, a_child_that_returns_ends_nothing)
{
    keeps_child_out(test_postgres());
}

/* Its children are not in its group any more: they are cut off. On PostgreSQL
 * they would write into the session as well. */
Test(worker_sqlite, children_that_flood_the_channel_do_not_hold_it)
{
    time_t began = time(NULL);
    char *url = test_sqlite();
    struct test_result result = run_up(url, "up_flood");

    cr_assert(!result.timed_out && result.exit_code <= 1, "%s", result.err);
    cr_assert_lt(time(NULL) - began, PROMPT_SECONDS);
    cr_assert_eq(has_table(url, "up_flood"), result.exit_code == 0);
}

/* SUCCEEDS(name of the test, fixture): it is applied, and leaves nothing to the next. */
static void succeeds(const char *url, const char *fixture)
{
    struct test_result result = run_up(url, fixture);

    cr_assert_eq(result.exit_code, 0, "%s", result.err);
    result = test_mighost("-d", url, "-m", bundle("good_table"), "--wait", "30s", "up",
                          "--allow-out-of-order");
    cr_assert_eq(result.exit_code, 0, "%s", result.err);
    cr_assert(has_table(url, "good_table"));
    cr_assert_str_eq(
        test_query(url, "SELECT count(*) FROM mighost_history WHERE state = 'applied'"), "2");
}

#define SUCCEEDS(name, fixture)             \
    Test(worker_sqlite, name)               \
    {                                       \
        succeeds(test_sqlite(), fixture);   \
    }                                       \
    Test(worker_postgres, name)             \
    {                                       \
        succeeds(test_postgres(), fixture); \
    }

SUCCEEDS(values_of_every_type_come_back, "good_types")
SUCCEEDS(misuse_of_the_api_is_refused_and_harmless, "fail_misuse")
SUCCEEDS(statements_left_open_are_closed, "open_statements")
SUCCEEDS(settings_of_the_session_do_not_last, "session_settings")
SUCCEEDS(a_changed_folder_does_no_harm, "up_chdir")

/* The database's name is of the folder where the host was started. */
Test(worker_sqlite, a_changed_folder_is_not_where_the_database_is)
{
    char *folder = test_folder();
    const char *const argv[] = {MIGHOST_BIN, "-d", "sqlite:here.db", "-m", bundle("up_chdir"),
                                "up",        NULL};
    struct test_result result =
        test_run_command(&(struct test_command){.argv = argv, .folder = folder});

    cr_assert_eq(result.exit_code, 0, "%s", result.err);
    cr_assert(has_table(test_format("sqlite:%s/here.db", folder), "up_chdir"));
}

static void confines(const char *url)
{
    static const char *const environment[] = {"LD_LIBRARY_PATH=/nowhere", "MIGHOST_WAIT=30s",
                                              "SECRET=sesame", NULL};
    const char *const argv[] = {MIGHOST_BIN, "-d", url,  "-m", bundle("up_confined"),
                                "--max-cpu", "7s", "up", NULL};
    struct test_result result =
        test_run_command(&(struct test_command){.argv = argv, .environment = environment});

    cr_assert_eq(result.exit_code, 0, "%s", result.err);
    cr_assert(has_table(url, "up_confined"));
}

Test(worker_sqlite, it_has_a_clean_environment_and_limits)
{
    confines(test_sqlite());
}

Test(worker_postgres, it_has_a_clean_environment_and_limits)
{
    confines(test_postgres());
}

static void contains_down(const char *url)
{
    struct test_result result = run_up(url, "down_segv");

    cr_assert_eq(result.exit_code, 0, "%s", result.err);
    result = test_mighost("-d", url, "-m", bundle("down_segv"), "down");
    cr_assert_eq(result.exit_code, 1, "%s", result.err);
    says(&result, "SIGSEGV");
    cr_assert(has_table(url, "down_segv"));
    cr_assert_str_eq(test_query(url, "SELECT count(*) FROM mighost_history"), "1");
}

Test(worker_sqlite, a_crash_on_the_way_down_leaves_it_applied)
{
    contains_down(test_sqlite());
}

Test(worker_postgres, a_crash_on_the_way_down_leaves_it_applied)
{
    contains_down(test_postgres());
}

static void limits_the_processor(const char *url)
{
    struct test_result result =
        test_mighost("-d", url, "-m", bundle("up_loop"), "--max-cpu", "1s", "up");

    cr_assert_eq(result.exit_code, 1, "exit %d: %s", result.exit_code, result.err);
    says(&result, "more than the 1.0 s of processor time that --max-cpu allows");
    says(&result, "up_loop.c:");
    is_clean(url, "up_loop");
}

Test(worker_sqlite, a_module_that_takes_too_much_of_the_processor_is_stopped)
{
    limits_the_processor(test_sqlite());
}

Test(worker_postgres, a_module_that_takes_too_much_of_the_processor_is_stopped)
{
    limits_the_processor(test_postgres());
}

/* Ends the command with `signal` after a second, while the module loops. */
static struct test_result interrupt(const char *url, const char *signal)
{
    return test_run("timeout", "--preserve-status", "-s", signal, "1", MIGHOST_BIN, "-d", url, "-m",
                    bundle("up_loop"), "up");
}

Test(worker_sqlite, an_interrupted_module_leaves_nothing)
{
    char *url = test_sqlite();
    struct test_result result = interrupt(url, "INT");

    cr_assert_eq(result.exit_code, 130, "exit %d: %s", result.exit_code, result.err);
    cr_assert_not(has_table(url, "up_loop"));
    result = interrupt(url, "TERM");
    cr_assert_eq(result.exit_code, 143, "exit %d: %s", result.exit_code, result.err);
    cr_assert_not(has_table(url, "up_loop"));
}

static void dies_with_the_host(const char *url)
{
    struct test_result result = interrupt(url, "KILL");

    cr_assert_neq(result.exit_code, 0);
    result = test_mighost("-d", url, "-m", bundle("good_table"), "--wait", "5s", "up");
    cr_assert_eq(result.exit_code, 0, "%s", result.err);
    cr_assert_not(has_table(url, "up_loop"));
}

Test(worker_sqlite, the_worker_dies_with_its_host)
{
    dies_with_the_host(test_sqlite());
}

Test(worker_postgres, the_worker_dies_with_its_host)
{
    dies_with_the_host(test_postgres());
}

Test(worker_sqlite, looking_at_a_module_runs_none_of_it)
{
    static const char *const looks[] = {"status", "plan", "pending"};
    char *url = test_sqlite();
    char *trace = test_format("%s/trace", test_folder());
    const char *const environment[] = {test_format("MIGHOST_TRACE=%s", trace), NULL};

    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
        const char *const argv[] = {MIGHOST_BIN,          "-d",     url, "-m",
                                    bundle("load_trace"), looks[i], NULL};
        struct test_result result =
            test_run_command(&(struct test_command){.argv = argv, .environment = environment});

        cr_assert_eq(result.exit_code, 0, "%s: %s", looks[i], result.err);
        cr_assert_not(test_exists(trace), "%s ran the module", looks[i]);
    }
    const char *const argv[] = {MIGHOST_BIN, "inspect",
                                test_format("%s/libmig_20240601000028.so", bundle("load_trace")),
                                NULL};
    struct test_result result =
        test_run_command(&(struct test_command){.argv = argv, .environment = environment});

    cr_assert_eq(result.exit_code, 0, "%s", result.err);
    cr_assert_not(test_exists(trace), "inspect ran the module");
}

/* Without those of the test itself. */
Test(worker_sqlite, few_descriptors_are_enough)
{
    static const char shell[] = "for fd in /proc/$$/fd/*; do fd=${fd##*/}\n"
                                "((fd <= 2)) || eval \"exec $fd>&-\"; done\n"
                                "ulimit -n 16; exec \"$0\" \"$@\"";
    char *url = test_sqlite();
    struct test_result result =
        test_run("bash", "-c", shell, MIGHOST_BIN, "-d", url, "-m", bundle("good_table"), "up");

    cr_assert_eq(result.exit_code, 0, "%s", result.err);
}

Test(worker_sqlite, the_worker_alone_says_what_it_is)
{
    struct test_result result = test_run(MIGHOST_BUILD "/libexec/mighost/mighost-worker");

    cr_assert_eq(result.exit_code, 2);
    says(&result, "is started by mighost");
}
