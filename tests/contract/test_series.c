/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements that a driver runs together: what mig/driver.h promises of
 * run_series(), on every engine alike, and what the PostgreSQL driver owes to
 * sending them as one text. The host takes no part.
 */
#include "rig.h"

#include <unistd.h>

#define STATEMENTS_MAX 4

/* A series on the bench. */
struct bench {
    struct mig_tx_options options;
    struct mig_statement statements[STATEMENTS_MAX];
    struct mig_series series;
    int64_t failed;
};

static struct bench *bench(bool begin, bool commit)
{
    static struct bench it;

    it = (struct bench){.options = {.size = sizeof it.options}, .failed = -2};
    it.series = (struct mig_series){
        .size = sizeof it.series,
        .begin = begin ? &it.options : NULL,
        .statements = it.statements,
        .commit = commit,
    };
    return &it;
}

static void add_values(struct bench *it, const char *sql, const struct mig_value *values,
                       size_t count, int64_t rows)
{
    cr_assert_lt(it->series.count, STATEMENTS_MAX);
    it->statements[it->series.count++] = (struct mig_statement){
        .text = sql,
        .len = strlen(sql),
        .values = values,
        .value_count = count,
        .rows = rows,
    };
}

static void add(struct bench *it, const char *sql, int64_t rows)
{
    add_values(it, sql, NULL, 0, rows);
}

static mig_status bench_run(struct rig *rig, struct bench *it)
{
    return rig->driver->run_series(rig->conn, &it->series, &it->failed, &rig->err);
}

static void make_table(struct rig *rig)
{
    rig_exec(rig, "CREATE TABLE t (a bigint PRIMARY KEY, b text)");
    rig_exec(rig, "INSERT INTO t VALUES (1, 'one')");
}

Contract(a_series_begins_runs_in_order_and_commits)
{
    struct bench *it = bench(true, true);

    make_table(rig);
    add(it, "INSERT INTO t VALUES (2, 'two')", -1);
    add(it, "UPDATE t SET b = 'second' WHERE a = 2", 1);
    add(it, "DELETE FROM t WHERE a = 1", 1);
    rig_expect(rig, bench_run(rig, it), MIG_OK);
    cr_assert_not(rig->driver->in_tx(rig->conn));
    cr_assert_str_eq(rig_rows(rig, "SELECT a, b FROM t"), "2|second");
}

Contract(a_series_may_leave_its_transaction_open)
{
    struct bench *it = bench(true, false);

    make_table(rig);
    add(it, "INSERT INTO t VALUES (2, 'two')", 1);
    rig_expect(rig, bench_run(rig, it), MIG_OK);
    cr_assert(rig->driver->in_tx(rig->conn));
    it = bench(false, true);
    add(it, "INSERT INTO t VALUES (3, 'three')", 1);
    rig_expect(rig, bench_run(rig, it), MIG_OK);
    cr_assert_not(rig->driver->in_tx(rig->conn));
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM t"), "3");
}

Contract(a_series_of_nothing_begins_and_commits)
{
    rig_expect(rig, bench_run(rig, bench(true, false)), MIG_OK);
    cr_assert(rig->driver->in_tx(rig->conn));
    rig_expect(rig, bench_run(rig, bench(false, true)), MIG_OK);
    cr_assert_not(rig->driver->in_tx(rig->conn));
}

Contract(a_series_names_the_statement_that_failed_and_commits_nothing)
{
    struct bench *it = bench(true, true);

    make_table(rig);
    add(it, "INSERT INTO t VALUES (2, 'two')", -1);
    add(it, "INSERT INTO t VALUES (1, 'again')", -1);
    add(it, "INSERT INTO t VALUES (3, 'three')", -1);
    rig_expect(rig, bench_run(rig, it), MIG_E_CONSTRAINT);
    cr_assert_eq(it->failed, 1, "%lld", (long long)it->failed);
    rig->driver->rollback(rig->conn);
    cr_assert_str_eq(rig_rows(rig, "SELECT a FROM t"), "1");
}

Contract(a_series_commits_nothing_where_a_row_is_missing)
{
    struct bench *it = bench(true, true);

    make_table(rig);
    add(it, "INSERT INTO t VALUES (2, 'two')", 1);
    add(it, "UPDATE t SET b = 'x' WHERE a = 7", 1);
    rig_expect(rig, bench_run(rig, it), MIG_E_NOTFOUND);
    cr_assert_eq(it->failed, 1, "%lld", (long long)it->failed);
    rig->driver->rollback(rig->conn);
    cr_assert_str_eq(rig_rows(rig, "SELECT a, b FROM t"), "1|one");
}

Contract(a_series_counts_rows_that_are_too_many_as_well)
{
    struct bench *it = bench(true, true);

    make_table(rig);
    add(it, "INSERT INTO t VALUES (2, 'two')", 1);
    add(it, "DELETE FROM t", 1);
    add(it, "INSERT INTO t VALUES (3, 'three')", 1);
    rig_expect(rig, bench_run(rig, it), MIG_E_NOTFOUND);
    cr_assert_eq(it->failed, 1, "%lld", (long long)it->failed);
    rig->driver->rollback(rig->conn);
    cr_assert_str_eq(rig_rows(rig, "SELECT a FROM t"), "1");
}

Contract(a_missing_row_leaves_the_transaction_to_the_caller)
{
    struct bench *it = bench(false, false);

    make_table(rig);
    rig_begin(rig);
    add(it, "UPDATE t SET b = 'x' WHERE a = 7", 1);
    rig_expect(rig, bench_run(rig, it), MIG_E_NOTFOUND);
    cr_assert_eq(it->failed, 0);
    rig_exec(rig, "INSERT INTO t VALUES (2, 'two')");
    rig_commit(rig);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM t"), "2");
}

Contract(a_series_that_cannot_begin_or_commit_says_which)
{
    struct bench *it = bench(true, false);

    make_table(rig);
    rig_begin(rig);
    add(it, "INSERT INTO t VALUES (2, 'two')", -1);
    rig_expect(rig, bench_run(rig, it), MIG_E_MISUSE);
    cr_assert_eq(it->failed, MIG_SERIES_BEGIN);
    rig->driver->rollback(rig->conn);
    it = bench(false, true);
    rig_expect(rig, bench_run(rig, it), MIG_E_MISUSE);
    cr_assert_eq(it->failed, 0);
}

Contract(a_value_goes_where_its_number_says)
{
    bool marks = rig->driver->lexis & MIG_LEX_QUESTION_MARKS;
    const struct mig_value row[] = {rig_int(2), rig_text("two")};
    const struct mig_value change[] = {rig_int(2), rig_text("second"), rig_int(3)};
    struct bench *it = bench(true, true);

    make_table(rig);
    add_values(it, marks ? "INSERT INTO t VALUES (?, ?)" : "INSERT INTO t VALUES ($1, $2)", row, 2,
               1);
    add_values(it,
               marks ? "UPDATE t SET b = ?2, a = ? WHERE a = ?1"
                     : "UPDATE t SET b = $2, a = $3 WHERE a = $1",
               change, 3, 1);
    rig_expect(rig, bench_run(rig, it), MIG_OK);
    cr_assert_str_eq(rig_rows(rig, "SELECT a, b FROM t ORDER BY a"), "1|one\n3|second");
}

static const char unruly[] = "it's \"quoted\" \\ $1 ; -- \u65e5\u672c\U0001f600\n\ttwo";

Contract(values_of_a_series_arrive_as_they_went_in)
{
    static const unsigned char bytes[] = {0, 1, 0xff, '\'', '\\', 0};
    struct bench *it = bench(true, true);
    const struct mig_value values[] = {
        rig_int(INT64_MIN),
        rig_int(INT64_MAX),
        rig_double(0.1),
        rig_text(unruly),
        rig_text(""),
        rig_null(),
        rig_blob(bytes, sizeof bytes),
        rig_blob("", 0),
    };
    struct mig_cursor *cursor;
    struct mig_value value;

    rig_exec(rig, test_format("CREATE TABLE v (low bigint, high bigint, r double precision, t text,"
                              " e text, n text, b %s, h %s)",
                              rig->driver->blob_type, rig->driver->blob_type));
    add_values(it, "INSERT INTO v VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", values, 8, 1);
    rig_expect(rig, bench_run(rig, it), MIG_OK);
    cr_assert_str_eq(
        rig_rows(rig, "SELECT low, high, r, t, e, n IS NULL, h IS NULL FROM v WHERE low < 0"),
        test_format("%lld|%lld|0.1|%s||%s|%s", (long long)INT64_MIN, (long long)INT64_MAX, unruly,
                    "1", "0"));
    cursor = rig_prepare(rig, "SELECT b FROM v", 0);
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_ROW);
    rig_expect(rig, rig->driver->column(cursor, 0, &value, &rig->err), MIG_OK);
    cr_assert(value.type == MIG_BLOB && value.len == sizeof bytes);
    cr_assert_arr_eq(value.as.data, bytes, sizeof bytes);
    rig->driver->finalize(cursor);
}

Contract(a_parameter_may_stand_twice_and_in_any_order)
{
    struct bench *it = bench(true, true);
    const struct mig_value values[] = {rig_text("x"), rig_int(5)};

    make_table(rig);
    add_values(it, "INSERT INTO t SELECT $2, $1 WHERE $1 <> '$3'", values, 2, 1);
    rig_expect(rig, bench_run(rig, it), MIG_OK);
    cr_assert_str_eq(rig_rows(rig, "SELECT b FROM t WHERE a = 5"), "x");
}

Contract(large_values_go_as_well_and_fail_as_well)
{
    size_t size = 3 << 20;
    char *large = malloc(size);
    const struct mig_value values[] = {rig_int(2), rig_blob(large, size)};
    struct bench *it = bench(true, true);

    cr_assert_not_null(large);
    memset(large, 0xa5, size);
    rig_exec(rig,
             test_format("CREATE TABLE l (a bigint PRIMARY KEY, b %s)", rig->driver->blob_type));
    add(it, "INSERT INTO l VALUES (1, NULL)", 1);
    add_values(it, "INSERT INTO l VALUES ($1, $2)", values, 2, 1);
    add(it, "UPDATE l SET a = 9 WHERE a = 1", 1);
    rig_expect(rig, bench_run(rig, it), MIG_OK);
    cr_assert_str_eq(rig_rows(rig, "SELECT a, length(b) FROM l ORDER BY a"),
                     test_format("2|%zu\n9|null", size));
    it = bench(true, true);
    add(it, "INSERT INTO l VALUES (3, NULL)", 1);
    add_values(it, "INSERT INTO l VALUES ($1, $2)", values, 2, 1);
    rig_expect(rig, bench_run(rig, it), MIG_E_CONSTRAINT);
    cr_assert_eq(it->failed, 1, "%lld", (long long)it->failed);
    rig->driver->rollback(rig->conn);
    it = bench(true, true);
    add(it, "DELETE FROM l", 2);
    add_values(it, "INSERT INTO l VALUES ($1, $2)", values, 2, 1);
    add(it, "DELETE FROM l WHERE a = 77", 1);
    rig_expect(rig, bench_run(rig, it), MIG_E_NOTFOUND);
    cr_assert_eq(it->failed, 2, "%lld", (long long)it->failed);
    rig->driver->rollback(rig->conn);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM l"), "2");
    free(large);
}

Contract(a_deferred_check_fails_the_commit_of_a_series)
{
    struct bench *it = bench(true, true);

    rig_exec(rig, "CREATE TABLE p (a bigint PRIMARY KEY);"
                  "CREATE TABLE c (a bigint REFERENCES p DEFERRABLE INITIALLY DEFERRED)");
    it->options.foreign_keys = true;
    add(it, "INSERT INTO c VALUES (1)", 1);
    rig_expect(rig, bench_run(rig, it), MIG_E_CONSTRAINT);
    cr_assert_eq(it->failed, 1, "%lld", (long long)it->failed);
    cr_assert_not(rig->driver->in_tx(rig->conn));
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM c"), "0");
}

/* ---- PostgreSQL: a text whose meaning nothing may change ---- */

static struct rig rig_pg;

static void open_pg(void)
{
    rig_pg = rig_open("postgres");
}

static void close_pg(void)
{
    rig_close(&rig_pg);
}

TestSuite(series_pg, .init = open_pg, .fini = close_pg, .timeout = 120);

static void exec_guarded(struct rig *rig, const char *sql)
{
    rig->driver->guard(rig->conn, "mighost");
    rig_exec(rig, sql);
    rig->driver->guard(rig->conn, NULL);
}

Test(series_pg, literals_mean_the_same_whatever_a_migration_has_set)
{
    struct rig *rig = &rig_pg;
    const struct mig_value values[] = {rig_int(2), rig_text(unruly)};
    struct bench *it = bench(false, true);

    make_table(rig);
    rig_begin(rig);
    exec_guarded(rig, "SET standard_conforming_strings = off; SET client_encoding = 'LATIN1';"
                      "SET backslash_quote = off; SET escape_string_warning = on");
    add_values(it, "INSERT INTO public.t VALUES ($1, $2)", values, 2, 1);
    rig_expect(rig, bench_run(rig, it), MIG_OK);
    cr_assert_str_eq(rig_rows(rig, "SELECT b FROM t WHERE a = 2"), unruly);
}

Test(series_pg, a_begin_resets_the_session_before_its_statements)
{
    struct rig *rig = &rig_pg;
    const struct mig_value values[] = {rig_int(2), rig_text(unruly)};
    struct bench *it = bench(true, true);

    make_table(rig);
    rig_begin(rig);
    exec_guarded(rig, "SET client_encoding = 'LATIN1'; SET search_path = pg_catalog;"
                      "SET standard_conforming_strings = off; CREATE TEMP TABLE left_over (a int)");
    rig_commit(rig);
    add_values(it, "INSERT INTO t VALUES ($1, $2)", values, 2, 1);
    rig_expect(rig, bench_run(rig, it), MIG_OK);
    cr_assert_str_eq(rig_rows(rig, "SELECT b FROM t WHERE a = 2"), unruly);
    cr_assert_str_eq(rig_rows(rig, "SELECT to_regclass('pg_temp.left_over') IS NULL"), "1");
}

Test(series_pg, a_series_runs_as_the_host_after_a_changed_role)
{
    struct rig *rig = &rig_pg;
    char *role = test_format("weak_series_%d", (int)getpid());
    struct bench *it = bench(false, true);

    make_table(rig);
    rig_exec(rig, test_format("CREATE ROLE %s", role));
    rig_begin(rig);
    exec_guarded(rig, test_format("SET ROLE %s", role));
    add(it, "INSERT INTO public.t SELECT 2, current_user", 1);
    rig_expect(rig, bench_run(rig, it), MIG_OK);
    rig_exec(rig, test_format("DROP ROLE %s", role));
    cr_assert_str_eq(rig_rows(rig, "SELECT b FROM t WHERE a = 2"), "postgres");
}

Test(series_pg, another_transaction_is_not_committed_by_a_series)
{
    struct rig *rig = &rig_pg;
    struct bench *it = bench(false, true);

    make_table(rig);
    rig_begin(rig);
    rig_exec(rig, "COMMIT; BEGIN");
    add(it, "INSERT INTO t VALUES (2, 'two')", 1);
    rig_expect(rig, bench_run(rig, it), MIG_E_FAILED);
    cr_assert_eq(it->failed, 1, "%lld", (long long)it->failed);
    cr_assert(strstr(rig->err.message, "no longer the one"), "%s", rig->err.message);
    cr_assert_str_eq(rig_rows(rig, "SELECT a FROM t"), "1");
}

Test(series_pg, a_connection_lost_with_commit_on_its_way_leaves_the_outcome_open)
{
    struct rig *rig = &rig_pg;
    struct bench *it = bench(true, true);

    make_table(rig);
    add(it, "INSERT INTO t VALUES (2, 'two')", 1);
    add(it, "SELECT pg_terminate_backend(pg_backend_pid())", -1);
    rig_expect(rig, bench_run(rig, it), MIG_E_OUTCOME);
    cr_assert_eq(it->failed, 2, "%lld", (long long)it->failed);
    cr_assert_not(rig->driver->in_tx(rig->conn));
}

Test(series_pg, a_connection_lost_before_a_commit_was_sent_is_just_lost)
{
    struct rig *rig = &rig_pg;
    struct bench *it = bench(true, false);

    add(it, "SELECT pg_terminate_backend(pg_backend_pid())", -1);
    rig_expect(rig, bench_run(rig, it), MIG_E_CONNECTION);
    it = bench(false, true);
    rig_expect(rig, bench_run(rig, it), MIG_E_CONNECTION);
}

Test(series_pg, a_text_that_is_not_utf_8_or_has_a_nul_byte_is_refused)
{
    struct rig *rig = &rig_pg;
    const struct mig_value broken[] = {rig_int(2), rig_text("\xff\xfe")};
    const struct mig_value nul[] = {rig_int(2), {.type = MIG_TEXT, .len = 3, .as.data = "a\0b"}};
    struct bench *it = bench(true, false);

    make_table(rig);
    add_values(it, "INSERT INTO t VALUES ($1, $2)", broken, 2, 1);
    rig_expect(rig, bench_run(rig, it), MIG_E_TYPE);
    rig->driver->rollback(rig->conn);
    it = bench(true, false);
    add_values(it, "INSERT INTO t VALUES ($1, $2)", nul, 2, 1);
    rig_expect(rig, bench_run(rig, it), MIG_E_TYPE);
    it = bench(true, false);
    add_values(it, "INSERT INTO t VALUES ($1, $3)", nul, 1, 1);
    rig_expect(rig, bench_run(rig, it), MIG_E_RANGE);
}
