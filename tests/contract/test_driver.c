/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What mig/driver.h promises, tested on every engine alike: each test runs once
 * for each driver on a database of its own. What only one engine can do or
 * refuse is in that engine's own file. The host takes no part.
 */
#include "rig.h"

#include <unistd.h>

Contract(opening_a_database_that_is_not_there_says_so)
{
    struct mig_driver_config config = rig_config(NULL);
    struct mig_conn *conn = NULL;
    mig_status status;

    config.flags = 0;
    if (rig_is(rig, "sqlite")) {
        config.url = test_sqlite();
    } else {
        const char *server = test_postgres_server();

        config.url =
            test_format("%.*s/no_such_database", (int)(strrchr(server, '/') - server), server);
    }
    status = rig->driver->open(&config, &conn, &rig->err);
    cr_assert(status == MIG_E_NOTFOUND || (status == MIG_E_UNREACHABLE && !rig_is(rig, "sqlite")),
              "%d", (int)status);
    cr_assert_null(conn);
    cr_assert(rig->err.message[0]);
}

Contract(the_table_names_its_engine_and_its_schemes)
{
    cr_assert_str_eq(rig->driver->name, rig->engine);
    cr_assert_eq(rig->driver->abi_major, MIG_DRIVER_ABI_MAJOR);
    cr_assert_leq(rig->driver->abi_minor, MIG_DRIVER_ABI_MINOR);
    cr_assert_eq(rig->driver->size, sizeof *rig->driver);
    cr_assert_not_null(rig->driver->schemes[0]);
    cr_assert(rig->driver->blob_type[0]);
    cr_assert(rig->driver->key_type[0]);
}

Contract(a_connection_tells_where_it_goes)
{
    const struct mig_driver *driver = rig->driver;

    cr_assert(driver->info(rig->conn, MIG_INFO_VERSION)[0]);
    cr_assert(driver->info(rig->conn, MIG_INFO_TARGET)[0]);
    cr_assert(driver->info(rig->conn, MIG_INFO_SCHEMA)[0]);
    cr_assert_not_null(driver->info(rig->conn, MIG_INFO_USER));
    cr_assert_not_null(driver->native(rig->conn));
}

/* Statements */

Contract(exec_runs_many_statements_and_counts_them)
{
    rig_exec(rig, "CREATE TABLE t (a integer);\n"
                  "INSERT INTO t VALUES (1), (2);  -- a comment; with a semicolon\n"
                  "/* another; one */ INSERT INTO t VALUES (3);");
    cr_assert_eq(rig->result.statements, 3, "%zu", rig->result.statements);
    cr_assert_eq(rig->result.changes, 1);
    cr_assert_str_eq(rig_rows(rig, "SELECT a FROM t ORDER BY a"), "1\n2\n3");
}

Contract(exec_discards_rows)
{
    rig_exec(rig, "CREATE TABLE t (a integer); SELECT 1; SELECT 2; INSERT INTO t VALUES (1)");
    cr_assert_str_eq(rig_rows(rig, "SELECT a FROM t"), "1");
}

Contract(exec_of_nothing_is_fine)
{
    rig_exec(rig, "");
    cr_assert_eq(rig->result.statements, 0);
    rig_exec(rig, "  -- only a comment\n /* and another */ ");
    cr_assert_eq(rig->result.statements, 0);
    rig_exec(rig, " ; ;\n; ");
}

Contract(exec_reads_no_byte_behind_the_text)
{
    static const char text[] = "CREATE TABLE t (a integer)SYNTAX ERROR";

    rig_expect(rig,
               rig->driver->exec(rig->conn, text, strlen("CREATE TABLE t (a integer)"),
                                 &rig->result, &rig->err),
               MIG_OK);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM t"), "0");
}

Contract(exec_says_which_statement_failed_and_where)
{
    const char *sql = "CREATE TABLE t (a integer);\n"
                      "INSERT INTO t VALUES (1);\n"
                      "INSERT INTO missing VALUES (1);\n"
                      "INSERT INTO t VALUES (2);\n";
    int64_t begins = strstr(sql, "INSERT INTO missing") - sql;

    rig_begin(rig);
    rig_expect(rig, rig_try(rig, sql), MIG_E_SQL);
    cr_assert_eq(rig->result.statements, 2, "%zu", rig->result.statements);
    cr_assert_geq(rig->err.offset, begins, "offset %lld", (long long)rig->err.offset);
    cr_assert_lt(rig->err.offset, begins + (int64_t)strlen("INSERT INTO missing VALUES (1);"));
    cr_assert(strstr(rig->err.message, "missing"), "%s", rig->err.message);
    rig->driver->rollback(rig->conn);
}

Contract(a_syntax_error_points_at_the_token)
{
    const char *sql = "CREATE TABLE t (a integer);\nINSRT INTO t VALUES (1);";

    rig_expect(rig, rig_try(rig, sql), MIG_E_SQL);
    cr_assert_eq(rig->err.offset, strstr(sql, "INSRT") - sql, "offset %lld",
                 (long long)rig->err.offset);
}

Contract(a_fault_behind_letters_of_many_bytes_is_still_found)
{
    const char *sql =
        "CREATE TABLE t (a text);\nINSERT INTO t VALUES ('\u00fc\u00f6\u65e5\u672c') oops;";

    rig_expect(rig, rig_try(rig, sql), MIG_E_SQL);
    cr_assert_eq(rig->err.offset, strstr(sql, "oops") - sql, "offset %lld",
                 (long long)rig->err.offset);
}

Contract(a_message_is_one_line)
{
    rig_expect(rig, rig_try(rig, "SELECT *\nFROM missing\nWHERE a = 1"), MIG_E_SQL);
    cr_assert_null(strchr(rig->err.message, '\n'), "%s", rig->err.message);
}

Contract(a_violated_constraint_has_its_own_status)
{
    rig_exec(rig, "CREATE TABLE t (a integer PRIMARY KEY, b integer NOT NULL CHECK (b > 0))");
    rig_exec(rig, "INSERT INTO t VALUES (1, 1)");
    rig_expect(rig, rig_try(rig, "INSERT INTO t VALUES (1, 1)"), MIG_E_CONSTRAINT);
    rig_expect(rig, rig_try(rig, "INSERT INTO t VALUES (2, NULL)"), MIG_E_CONSTRAINT);
    rig_expect(rig, rig_try(rig, "INSERT INTO t VALUES (2, -1)"), MIG_E_CONSTRAINT);
}

Contract(an_unterminated_string_is_an_error)
{
    rig_expect(rig, rig_try(rig, "SELECT 'never ends; SELECT 1;"), MIG_E_SQL);
}

/* Prepared statements */

Contract(values_come_back_as_they_went_in)
{
    const struct mig_driver *driver = rig->driver;
    static const unsigned char bytes[] = {0, 1, 0xff, 0, '\'', 0x80};
    const char *text = "it's \"quoted\" \\ and \u65e5\u672c\U0001f600\n\ttwo lines";
    struct mig_cursor *insert;
    struct mig_cursor *select;
    struct mig_value value;

    rig_exec(rig, test_format("CREATE TABLE t (low bigint, high bigint, real double precision, "
                              "txt text, bin %s, none text, empty text, hollow %s)",
                              driver->blob_type, driver->blob_type));
    insert = rig_prepare(rig, "INSERT INTO t VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", 0);
    rig_bind(rig, insert, 1, rig_int(INT64_MIN));
    rig_bind(rig, insert, 2, rig_int(INT64_MAX));
    rig_bind(rig, insert, 3, rig_double(0.1));
    rig_bind(rig, insert, 4, rig_text(text));
    rig_bind(rig, insert, 5, rig_blob(bytes, sizeof bytes));
    rig_bind(rig, insert, 6, rig_null());
    rig_bind(rig, insert, 7, rig_text(""));
    rig_bind(rig, insert, 8, rig_blob("", 0));
    rig_expect(rig, driver->step(insert, &rig->err), MIG_OK);
    cr_assert_eq(driver->changes(rig->conn), 1);
    driver->finalize(insert);

    select = rig_prepare(rig, "SELECT * FROM t", 0);
    rig_expect(rig, driver->step(select, &rig->err), MIG_ROW);
    rig_expect(rig, driver->column(select, 0, &value, &rig->err), MIG_OK);
    cr_assert(value.type == MIG_INT64 && value.as.int64 == INT64_MIN);
    rig_expect(rig, driver->column(select, 1, &value, &rig->err), MIG_OK);
    cr_assert(value.type == MIG_INT64 && value.as.int64 == INT64_MAX);
    rig_expect(rig, driver->column(select, 2, &value, &rig->err), MIG_OK);
    cr_assert(value.type == MIG_DOUBLE && value.as.real == 0.1);
    rig_expect(rig, driver->column(select, 3, &value, &rig->err), MIG_OK);
    cr_assert_eq(value.type, MIG_TEXT);
    cr_assert_str_eq((const char *)value.as.data, text);
    cr_assert_eq(value.len, strlen(text));
    rig_expect(rig, driver->column(select, 4, &value, &rig->err), MIG_OK);
    cr_assert_eq(value.type, MIG_BLOB);
    cr_assert_eq(value.len, sizeof bytes);
    cr_assert_arr_eq(value.as.data, bytes, sizeof bytes);
    rig_expect(rig, driver->column(select, 5, &value, &rig->err), MIG_OK);
    cr_assert_eq(value.type, MIG_NULL);
    rig_expect(rig, driver->column(select, 6, &value, &rig->err), MIG_OK);
    cr_assert(value.type == MIG_TEXT && value.len == 0);
    rig_expect(rig, driver->column(select, 7, &value, &rig->err), MIG_OK);
    cr_assert(value.type == MIG_BLOB && value.len == 0);
    rig_expect(rig, driver->step(select, &rig->err), MIG_OK);
    driver->finalize(select);
}

Contract(placeholders_mean_their_number_and_not_their_place)
{
    struct mig_cursor *cursor;
    struct mig_value value;

    rig_exec(rig, "CREATE TABLE t (a integer, b integer, c integer)");
    cursor = rig_prepare(rig, "INSERT INTO t VALUES ($2, $1, $2)", 0);
    rig_bind(rig, cursor, 1, rig_int(10));
    rig_bind(rig, cursor, 2, rig_int(20));
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_OK);
    value = rig_int(1);
    rig_expect(rig, rig->driver->bind(cursor, 3, &value, &rig->err), MIG_E_RANGE);
    rig_expect(rig, rig->driver->bind(cursor, 0, &value, &rig->err), MIG_E_RANGE);
    rig->driver->finalize(cursor);
    cr_assert_str_eq(rig_rows(rig, "SELECT a, b, c FROM t"), "20|10|20");
}

Contract(bound_values_are_copied_and_stay_over_a_restart)
{
    char text[] = "first";
    struct mig_cursor *cursor;

    rig_exec(rig, "CREATE TABLE t (a text, b integer)");
    cursor = rig_prepare(rig, "INSERT INTO t VALUES ($1, $2)", 0);
    rig_bind(rig, cursor, 1, rig_text(text));
    rig_bind(rig, cursor, 2, rig_int(1));
    memset(text, 'x', sizeof text - 1);
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_OK);
    rig_expect(rig, rig->driver->restart(cursor, &rig->err), MIG_OK);
    rig_bind(rig, cursor, 2, rig_int(2));
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_OK);
    rig->driver->finalize(cursor);
    cr_assert_str_eq(rig_rows(rig, "SELECT a, b FROM t ORDER BY b"), "first|1\nfirst|2");
}

Contract(two_statements_do_not_prepare)
{
    struct mig_cursor *cursor = NULL;
    const char *sql = "SELECT 1; SELECT 2";

    cr_assert_lt(rig->driver->prepare(rig->conn, sql, strlen(sql), 0, &cursor, &rig->err), 0);
    cr_assert_null(cursor);
}

Contract(a_semicolon_and_a_comment_may_follow_a_prepared_statement)
{
    cr_assert_str_eq(rig_rows(rig, "SELECT 7; -- that is all"), "7");
}

Contract(a_prepared_statement_that_does_not_compile_says_where)
{
    struct mig_cursor *cursor = NULL;
    const char *sql = "SELECT 1 FROM t WHERE (";

    rig_exec(rig, "CREATE TABLE t (a integer)");
    rig_expect(rig, rig->driver->prepare(rig->conn, sql, strlen(sql), 0, &cursor, &rig->err),
               MIG_E_SQL);
    cr_assert_null(cursor);
}

Contract(columns_have_names_and_bounds)
{
    const struct mig_driver *driver = rig->driver;
    struct mig_cursor *cursor = rig_prepare(rig, "SELECT 1 AS one, 2 AS \"Two Words\"", 0);
    struct mig_value value;

    rig_expect(rig, driver->column(cursor, 0, &value, &rig->err), MIG_E_MISUSE);
    rig_expect(rig, driver->step(cursor, &rig->err), MIG_ROW);
    cr_assert_eq(driver->column_count(cursor), 2);
    cr_assert_str_eq(driver->column_name(cursor, 0), "one");
    cr_assert_str_eq(driver->column_name(cursor, 1), "Two Words");
    cr_assert_null(driver->column_name(cursor, 2));
    cr_assert_null(driver->column_name(cursor, -1));
    rig_expect(rig, driver->column(cursor, 2, &value, &rig->err), MIG_E_RANGE);
    rig_expect(rig, driver->column(cursor, -1, &value, &rig->err), MIG_E_RANGE);
    driver->finalize(cursor);
}

Contract(a_query_can_be_restarted)
{
    struct mig_cursor *cursor;
    int round;

    rig_exec(rig, "CREATE TABLE t (a integer); INSERT INTO t VALUES (1), (2)");
    cursor = rig_prepare(rig, "SELECT a FROM t WHERE a > $1 ORDER BY a", 0);
    rig_bind(rig, cursor, 1, rig_int(0));
    for (round = 0; round < 2; round++) {
        rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_ROW);
        rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_ROW);
        rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_OK);
        rig_expect(rig, rig->driver->restart(cursor, &rig->err), MIG_OK);
    }
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_ROW);
    rig->driver->finalize(cursor); /* in the middle of its rows */
}

Contract(a_cursor_survives_a_change_of_the_schema)
{
    struct mig_cursor *cursor;

    rig_exec(rig, "CREATE TABLE t (a integer)");
    cursor = rig_prepare(rig, "INSERT INTO t (a) VALUES ($1)", 0);
    rig_bind(rig, cursor, 1, rig_int(1));
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_OK);
    rig_exec(rig, "ALTER TABLE t ADD COLUMN b integer");
    rig_expect(rig, rig->driver->restart(cursor, &rig->err), MIG_OK);
    rig_bind(rig, cursor, 1, rig_int(2));
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_OK);
    rig->driver->finalize(cursor);
    cr_assert_str_eq(rig_rows(rig, "SELECT a, b FROM t ORDER BY a"), "1|null\n2|null");
}

Contract(changes_are_those_of_the_last_statement)
{
    rig_exec(rig, "CREATE TABLE t (a integer); INSERT INTO t VALUES (1), (2), (3)");
    cr_assert_eq(rig->driver->changes(rig->conn), 3);
    rig_exec(rig, "UPDATE t SET a = a WHERE a > 1");
    cr_assert_eq(rig->driver->changes(rig->conn), 2);
    rig_exec(rig, "DELETE FROM t WHERE a = 99");
    cr_assert_eq(rig->driver->changes(rig->conn), 0);
}

/* Streams */

static int64_t next_int(struct rig *rig, struct mig_cursor *cursor)
{
    struct mig_value value;

    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_ROW);
    rig_expect(rig, rig->driver->column(cursor, 0, &value, &rig->err), MIG_OK);
    cr_assert_eq(value.type, MIG_INT64);
    return value.as.int64;
}

Contract(a_stream_keeps_its_rows_while_the_table_is_written)
{
    struct mig_cursor *stream;
    int64_t i;

    rig_exec(rig, "CREATE TABLE t (id integer PRIMARY KEY, v integer)");
    for (i = 1; i <= 100; i++)
        rig_exec(rig, test_format("INSERT INTO t VALUES (%d, 0)", (int)i));
    rig_begin(rig);
    stream =
        rig_prepare(rig, "SELECT id, v FROM t WHERE v >= $1 ORDER BY id DESC", MIG_PREPARE_STREAM);
    rig_bind(rig, stream, 1, rig_int(0));
    for (i = 100; i >= 1; i--) {
        cr_assert_eq(next_int(rig, stream), i);
        rig_exec(rig, test_format("INSERT INTO t VALUES (%d, 1)", (int)(1000 - i)));
        rig_exec(rig, test_format("UPDATE t SET v = 2 WHERE id = %d", (int)i));
        if (i > 1)
            rig_exec(rig, test_format("DELETE FROM t WHERE id = %d", (int)i - 1));
    }
    rig_expect(rig, rig->driver->step(stream, &rig->err), MIG_OK);
    rig->driver->finalize(stream);
    rig_commit(rig);
}

Contract(a_text_that_is_known_to_be_right_is_read_as_any_other)
{
    struct mig_cursor *first, *second;

    rig_exec(rig, "CREATE TABLE t (id integer PRIMARY KEY, v text);"
                  "INSERT INTO t VALUES (1, 'one'), (2, NULL)");
    first = rig_prepare(rig, "SELECT id, v FROM t ORDER BY id", MIG_PREPARE_KNOWN);
    second = rig_prepare(rig, "SELECT id, v FROM t ORDER BY id", MIG_PREPARE_KNOWN);
    cr_assert_eq(next_int(rig, first), 1);
    cr_assert_eq(next_int(rig, second), 1);
    cr_assert_eq(rig->driver->column_count(second), 2);
    cr_assert_str_eq(rig->driver->column_name(first, 1), "v");
    cr_assert_eq(next_int(rig, first), 2);
    rig_expect(rig, rig->driver->step(first, &rig->err), MIG_OK);
    rig->driver->finalize(first);
    cr_assert_eq(next_int(rig, second), 2);
    rig->driver->finalize(second);
}

Contract(a_faulty_text_said_to_be_right_fails_at_its_first_step_at_the_latest)
{
    const char *sql = "SELECT nothing FROM nowhere";
    struct mig_cursor *cursor = NULL;
    mig_status status =
        rig->driver->prepare(rig->conn, sql, strlen(sql), MIG_PREPARE_KNOWN, &cursor, &rig->err);

    if (status == MIG_OK)
        status = rig->driver->step(cursor, &rig->err);
    cr_assert_eq(status, MIG_E_SQL);
    rig->driver->finalize(cursor);
}

Contract(a_stream_begun_outside_a_transaction_is_read_over_those_that_follow)
{
    struct mig_cursor *stream;
    int64_t i;

    rig_exec(rig, "CREATE TABLE t (id integer PRIMARY KEY);"
                  "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                  "WHERE i < 500) SELECT i FROM n");
    stream = rig_prepare(rig, "SELECT id FROM t ORDER BY id", MIG_PREPARE_STREAM);
    for (i = 1; i <= 500; i++) {
        cr_assert_eq(next_int(rig, stream), i);
        if (i % 50)
            continue;
        rig_begin(rig);
        rig_exec(rig, test_format("DELETE FROM t WHERE id > %d", (int)(500 - i)));
        cr_assert_eq(next_int(rig, stream), ++i);
        rig_commit(rig);
        if (i == 451)
            break;
    }
    rig->driver->finalize(stream);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM t"), "50");
}

Contract(two_streams_run_side_by_side)
{
    struct mig_cursor *first;
    struct mig_cursor *second;

    rig_exec(rig, "CREATE TABLE t (id integer PRIMARY KEY)");
    rig_exec(rig, "INSERT INTO t VALUES (1), (2), (3)");
    rig_begin(rig);
    first = rig_prepare(rig, "SELECT id FROM t ORDER BY id", MIG_PREPARE_STREAM);
    second = rig_prepare(rig, "SELECT id FROM t ORDER BY id DESC", MIG_PREPARE_STREAM);
    cr_assert_eq(next_int(rig, first), 1);
    cr_assert_eq(next_int(rig, second), 3);
    cr_assert_eq(next_int(rig, first), 2);
    rig->driver->finalize(first);
    cr_assert_eq(next_int(rig, second), 2);
    rig->driver->finalize(second);
    rig_commit(rig);
}

Contract(a_stream_keeps_names_types_and_order)
{
    struct mig_cursor *stream;
    struct mig_value value;

    rig_exec(rig, "CREATE TABLE t (id integer, name text)");
    rig_exec(rig, "INSERT INTO t VALUES (2, 'b'), (1, NULL)");
    rig_begin(rig);
    stream = rig_prepare(rig, "SELECT name, id AS n, id AS n FROM t ORDER BY id DESC;",
                         MIG_PREPARE_STREAM);
    rig_expect(rig, rig->driver->step(stream, &rig->err), MIG_ROW);
    cr_assert_eq(rig->driver->column_count(stream), 3);
    cr_assert_str_eq(rig->driver->column_name(stream, 0), "name");
    cr_assert_str_eq(rig->driver->column_name(stream, 2), "n");
    rig_expect(rig, rig->driver->column(stream, 0, &value, &rig->err), MIG_OK);
    cr_assert(value.type == MIG_TEXT && strcmp((const char *)value.as.data, "b") == 0);
    rig_expect(rig, rig->driver->step(stream, &rig->err), MIG_ROW);
    rig_expect(rig, rig->driver->column(stream, 0, &value, &rig->err), MIG_OK);
    cr_assert_eq(value.type, MIG_NULL);
    rig->driver->finalize(stream);
    rig->driver->rollback(rig->conn);
}

/* Transactions */

Contract(what_is_committed_others_see)
{
    struct mig_conn *other = rig_connect(rig);
    bool there = false;

    rig_begin(rig);
    cr_assert(rig->driver->in_tx(rig->conn));
    rig_exec(rig, "CREATE TABLE t (a integer)");
    rig_commit(rig);
    cr_assert_not(rig->driver->in_tx(rig->conn));
    rig_expect(rig, rig->driver->table_exists(other, NULL, "t", &there, &rig->err), MIG_OK);
    cr_assert(there);
    rig->driver->close(other);
}

Contract(a_rollback_leaves_nothing)
{
    bool there = true;

    rig_begin(rig);
    rig_exec(rig, "CREATE TABLE t (a integer); INSERT INTO t VALUES (1)");
    rig->driver->rollback(rig->conn);
    cr_assert_not(rig->driver->in_tx(rig->conn));
    rig_expect(rig, rig->driver->table_exists(rig->conn, "", "t", &there, &rig->err), MIG_OK);
    cr_assert_not(there);
    rig->driver->rollback(rig->conn); /* once more does no harm */
}

Contract(closing_rolls_back)
{
    struct mig_conn *other = rig_connect(rig);
    bool there = true;

    rig_begin(rig);
    rig_exec(rig, "CREATE TABLE t (a integer)");
    rig_close(rig);
    rig->conn = other;
    rig_expect(rig, rig->driver->table_exists(other, NULL, "t", &there, &rig->err), MIG_OK);
    cr_assert_not(there);
}

Contract(after_a_failure_and_a_rollback_the_connection_works_on)
{
    rig_begin(rig);
    rig_expect(rig, rig_try(rig, "SELECT * FROM missing"), MIG_E_SQL);
    rig->driver->rollback(rig->conn);
    rig_begin(rig);
    rig_exec(rig, "CREATE TABLE t (a integer)");
    rig_commit(rig);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM t"), "0");
}

Contract(a_transaction_does_not_begin_twice)
{
    struct mig_tx_options options = {.size = sizeof options};

    rig_begin(rig);
    rig_expect(rig, rig->driver->begin(rig->conn, &options, &rig->err), MIG_E_MISUSE);
    rig->driver->rollback(rig->conn);
}

Contract(commit_without_a_transaction_fails)
{
    cr_assert_lt(rig->driver->commit(rig->conn, &rig->err), 0);
    cr_assert(rig->err.message[0]);
}

Contract(a_deferred_foreign_key_fails_the_commit)
{
    struct mig_tx_options options = {.size = sizeof options, .foreign_keys = true};

    rig_exec(rig, "CREATE TABLE p (id integer PRIMARY KEY);"
                  "CREATE TABLE c (p integer REFERENCES p(id) DEFERRABLE INITIALLY DEFERRED)");
    rig_expect(rig, rig->driver->begin(rig->conn, &options, &rig->err), MIG_OK);
    rig_exec(rig, "INSERT INTO c VALUES (42)");
    rig_expect(rig, rig->driver->commit(rig->conn, &rig->err), MIG_E_CONSTRAINT);
    cr_assert_not(rig->driver->in_tx(rig->conn));
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM c"), "0");
}

Contract(a_smuggled_commit_never_looks_like_ours)
{
    mig_status status;

    rig_exec(rig, "CREATE TABLE t (a integer)");
    rig_begin(rig);
    rig_exec(rig, "INSERT INTO t VALUES (1)");
    status = rig_try(rig, "COMMIT; BEGIN; INSERT INTO t VALUES (2)");
    if (status == MIG_OK)
        status = rig->driver->commit(rig->conn, &rig->err);
    cr_assert_lt(status, 0);
    rig->driver->rollback(rig->conn);
}

Contract(guarded_statements_may_not_control_the_transaction)
{
    static const char *const refused[] = {
        "COMMIT", "ROLLBACK", "SAVEPOINT s", "  -- hidden\n COMMIT", "END",
    };
    size_t i;

    rig_exec(rig, "CREATE TABLE t (a integer)");
    for (i = 0; i < sizeof refused / sizeof *refused; i++) {
        rig_begin(rig);
        rig->driver->guard(rig->conn, "mighost");
        cr_assert_lt(rig_try(rig, refused[i]), 0, "%s was let through", refused[i]);
        cr_assert(rig->err.message[0]);
        rig->driver->guard(rig->conn, NULL);
        rig->driver->rollback(rig->conn);
    }
}

Contract(the_guard_lets_ordinary_work_through)
{
    rig_begin(rig);
    rig->driver->guard(rig->conn, "mighost");
    rig_exec(rig, "CREATE TABLE t (a integer PRIMARY KEY, b text);"
                  "CREATE INDEX i ON t (b);"
                  "INSERT INTO t VALUES (1, 'begin; commit;');"
                  "UPDATE t SET b = 'x';"
                  "DELETE FROM t;"
                  "ALTER TABLE t ADD COLUMN c integer;"
                  "DROP TABLE t");
    rig->driver->guard(rig->conn, NULL);
    rig_commit(rig);
}

/* Sessions */

Contract(reset_drops_temporary_objects)
{
    rig_exec(rig, "CREATE TEMPORARY TABLE scratch (a integer)");
    rig_expect(rig, rig->driver->reset(rig->conn, &rig->err), MIG_OK);
    cr_assert_lt(rig_try(rig, "SELECT * FROM scratch"), 0);
}

Contract(a_temporary_table_of_one_transaction_is_not_there_in_the_next)
{
    rig_begin(rig);
    rig_exec(rig, "CREATE TEMPORARY TABLE scratch (a integer)");
    rig_commit(rig);
    rig_expect(rig, rig->driver->reset(rig->conn, &rig->err), MIG_OK);
    rig_begin(rig);
    cr_assert_lt(rig_try(rig, "SELECT * FROM scratch"), 0);
    rig->driver->rollback(rig->conn);
}

Contract(the_lock_outlives_a_reset)
{
    struct mig_conn *other = rig_connect(rig);

    rig_expect(rig, rig->driver->lock_try(rig->conn, "mighost", &rig->err), MIG_OK);
    rig_exec(rig, "CREATE TEMPORARY TABLE scratch (a integer)");
    rig_expect(rig, rig->driver->reset(rig->conn, &rig->err), MIG_OK);
    rig_expect(rig, rig->driver->lock_try(other, "mighost", &rig->err), MIG_E_BUSY);
    rig->driver->close(other);
}

Contract(a_cursor_can_be_used_again_after_a_reset)
{
    struct mig_cursor *cursor;

    rig_exec(rig, "CREATE TABLE t (a integer)");
    cursor = rig_prepare(rig, "INSERT INTO t VALUES ($1)", 0);
    rig_bind(rig, cursor, 1, rig_int(1));
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_OK);
    rig_expect(rig, rig->driver->restart(cursor, &rig->err), MIG_OK);
    rig_exec(rig, "CREATE TEMPORARY TABLE scratch (a integer)");
    rig_expect(rig, rig->driver->reset(rig->conn, &rig->err), MIG_OK);
    rig_bind(rig, cursor, 1, rig_int(2));
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_OK);
    rig->driver->finalize(cursor);
    cr_assert_str_eq(rig_rows(rig, "SELECT a FROM t ORDER BY a"), "1\n2");
}

/* The lock */

Contract(one_connection_at_a_time_holds_the_lock)
{
    struct mig_conn *other = rig_connect(rig);

    rig_expect(rig, rig->driver->lock_try(rig->conn, "mighost", &rig->err), MIG_OK);
    rig_expect(rig, rig->driver->lock_try(other, "mighost", &rig->err), MIG_E_BUSY);
    cr_assert(rig->err.message[0]);
    rig->driver->unlock(rig->conn);
    rig_expect(rig, rig->driver->lock_try(other, "mighost", &rig->err), MIG_OK);
    rig_expect(rig, rig->driver->lock_try(rig->conn, "mighost", &rig->err), MIG_E_BUSY);
    rig->driver->close(other);
}

Contract(the_lock_ends_with_the_connection)
{
    struct mig_conn *other = rig_connect(rig);
    mig_status status = MIG_E_BUSY;
    int tries;

    rig_expect(rig, rig->driver->lock_try(other, "mighost", &rig->err), MIG_OK);
    rig->driver->close(other);
    for (tries = 0; status == MIG_E_BUSY && tries < 100; tries++) {
        status = rig->driver->lock_try(rig->conn, "mighost", &rig->err);
        usleep(10000);
    }
    cr_assert_eq(status, MIG_OK, "%s", rig->err.message);
}

Contract(who_holds_the_lock_is_named)
{
    struct mig_conn *other = rig_connect(rig);

    rig_expect(rig, rig->driver->lock_try(other, "mighost", &rig->err), MIG_OK);
    rig_expect(rig, rig->driver->lock_try(rig->conn, "mighost", &rig->err), MIG_E_BUSY);
    cr_assert(strpbrk(rig->err.message, "0123456789"), "no process number in: %s",
              rig->err.message);
    rig->driver->close(other);
}

Contract(unlocking_what_is_not_locked_does_no_harm)
{
    rig->driver->unlock(rig->conn);
    rig->driver->unlock(rig->conn);
    rig_expect(rig, rig->driver->lock_try(rig->conn, "mighost", &rig->err), MIG_OK);
}

/* The schema */

Contract(table_exists_knows_tables_alone)
{
    bool there = true;

    rig_exec(rig, "CREATE TABLE \"odd \"\"name\" (a integer)");
    rig_expect(rig, rig->driver->table_exists(rig->conn, NULL, "odd \"name", &there, &rig->err),
               MIG_OK);
    cr_assert(there);
    rig_expect(rig, rig->driver->table_exists(rig->conn, NULL, "nothing", &there, &rig->err),
               MIG_OK);
    cr_assert_not(there);
    rig_expect(
        rig,
        rig->driver->table_exists(rig->conn, "no_such_schema", "odd \"name", &there, &rig->err),
        MIG_OK);
    cr_assert_not(there);
    rig_expect(rig,
               rig->driver->table_exists(rig->conn, rig->driver->info(rig->conn, MIG_INFO_SCHEMA),
                                         "odd \"name", &there, &rig->err),
               MIG_OK);
    cr_assert(there);
}

Contract(table_exists_sees_what_others_made_meanwhile)
{
    struct mig_conn *other = rig_connect(rig);
    bool there = true;

    rig_expect(rig, rig->driver->table_exists(rig->conn, NULL, "t", &there, &rig->err), MIG_OK);
    cr_assert_not(there);
    rig_expect(rig, rig_try_on(rig, other, "CREATE TABLE t (a integer)"), MIG_OK);
    rig_expect(rig, rig->driver->table_exists(rig->conn, NULL, "t", &there, &rig->err), MIG_OK);
    cr_assert(there);
    rig->driver->close(other);
}

/* A name that needs no quotes may come without. */
static void expect_key(struct rig *rig, const char *table, const char *quoted, const char *plain)
{
    char key[128] = "";

    rig_expect(rig, rig->driver->primary_key(rig->conn, table, key, sizeof key, &rig->err), MIG_OK);
    cr_assert(strcmp(key, quoted) == 0 || strcmp(key, plain) == 0, "%s", key);
}

Contract(the_primary_key_comes_in_its_own_order)
{
    char key[128];

    rig_exec(rig, "CREATE TABLE simple (v integer, id integer PRIMARY KEY)");
    rig_exec(rig, "CREATE TABLE pair (a integer, \"B c\" integer, PRIMARY KEY (\"B c\", a))");
    expect_key(rig, "\"simple\"", "\"id\"", "id");
    expect_key(rig, "\"pair\"", "\"B c\", \"a\"", "\"B c\", a");
    cr_assert_lt(rig->driver->primary_key(rig->conn, "\"nothing\"", key, sizeof key, &rig->err), 0);
}

Contract(the_primary_key_of_a_table_with_a_schema_is_found)
{
    const char *schema = rig->driver->info(rig->conn, MIG_INFO_SCHEMA);

    rig_exec(rig, "CREATE TABLE simple (id integer PRIMARY KEY)");
    expect_key(rig, test_format("\"%s\".\"simple\"", schema), "\"id\"", "id");
}

/* Either is an idea of the truth or says that there is none. */
Contract(how_many_rows_there_are_is_estimated_or_not_known)
{
    const char *table = "\"many\"";
    int64_t rows = -1;
    mig_status status;

    if (!rig->driver->estimate_rows)
        return;
    rig_exec(rig, "CREATE TABLE many (id integer PRIMARY KEY)");
    rig_expect(rig, rig->driver->estimate_rows(rig->conn, table, &rows, &rig->err),
               MIG_E_UNSUPPORTED);
    cr_assert_eq(rows, -1);
    rig_exec(rig, "INSERT INTO many WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1"
                  " FROM n WHERE i < 3000) SELECT i FROM n");
    rig_exec(rig, "ANALYZE many");
    rig_exec(rig, "INSERT INTO many SELECT id + 3000 FROM many");
    rig_expect(rig, rig->driver->estimate_rows(rig->conn, table, &rows, &rig->err), MIG_OK);
    cr_assert(rows > 5000 && rows < 7000, "%lld", (long long)rows);
    status = rig->driver->estimate_rows(rig->conn, "\"nothing\"", &rows, &rig->err);
    cr_assert(status < 0 && status != MIG_E_UNSUPPORTED);
}

Contract(without_a_standby_none_is_behind)
{
    int64_t lag_ms = -1;

    if (!rig->driver->lag_ms)
        return;
    rig_expect(rig, rig->driver->lag_ms(rig->conn, &lag_ms, &rig->err), MIG_OK);
    cr_assert_eq(lag_ms, 0);
}

Contract(statements_that_cannot_run_in_a_transaction_are_known)
{
    static const char *const outside[] = {"VACUUM", "vacuum;", " -- why\n VACUUM",
                                          "/* a */ Vacuum"};
    static const char *const inside[] = {"CREATE TABLE vacuum (a integer)", "SELECT 1", "",
                                         "INSERT INTO t VALUES ('VACUUM')"};
    size_t i;

    for (i = 0; i < sizeof outside / sizeof *outside; i++)
        cr_assert(rig->driver->outside_tx(rig->conn, outside[i], strlen(outside[i])), "%s",
                  outside[i]);
    for (i = 0; i < sizeof inside / sizeof *inside; i++)
        cr_assert_not(rig->driver->outside_tx(rig->conn, inside[i], strlen(inside[i])), "%s",
                      inside[i]);
}

Contract(an_interrupted_vacuum_is_run_again)
{
    enum mig_settled settled = MIG_SETTLED_UNKNOWN;

    rig_expect(rig, rig->driver->settle(rig->conn, "VACUUM", 6, &settled, &rig->err), MIG_OK);
    cr_assert_eq(settled, MIG_SETTLED_REPEAT);
}

Contract(a_vacuum_runs_under_the_guard)
{
    rig_exec(rig, "CREATE TABLE mighost_history (a integer); CREATE TABLE t (a integer)");
    rig->driver->guard(rig->conn, "mighost");
    rig_exec(rig, "VACUUM");
    rig->driver->guard(rig->conn, NULL);
}

/* Batches */

static const char *const key_id[] = {"\"id\""};
static const char *const reads_v[] = {"\"v\""};
static const char *const writes_w[] = {"\"w\""};

Contract(a_batch_writes_the_rows_that_did_not_change)
{
    struct mig_value keys[] = {rig_int(1), rig_int(2), rig_int(3), rig_int(99)};
    struct mig_value olds[] = {rig_text("one"), rig_text("two"), rig_null(), rig_text("gone")};
    struct mig_value news[] = {rig_text("ONE"), rig_text("TWO"), rig_text("nil"), rig_null()};
    bool written[4] = {false, true, false, true};
    struct mig_batch batch = {
        .size = sizeof batch,
        .table = "\"t\"",
        .keys = key_id,
        .key_count = 1,
        .reads = reads_v,
        .read_count = 1,
        .writes = writes_w,
        .write_count = 1,
        .rows = 4,
        .key_values = keys,
        .olds = olds,
        .news = news,
    };

    rig_exec(rig, "CREATE TABLE t (id integer PRIMARY KEY, v text, w text);"
                  "INSERT INTO t VALUES (1, 'one', NULL), (2, 'changed', 'x'), (3, NULL, NULL)");
    rig_begin(rig);
    rig_expect(rig, rig->driver->update_batch(rig->conn, &batch, written, &rig->err), MIG_OK);
    rig_commit(rig);
    cr_assert(written[0] && !written[1] && written[2] && !written[3]);
    cr_assert_str_eq(rig_rows(rig, "SELECT id, v, w FROM t ORDER BY id"),
                     "1|one|ONE\n2|changed|x\n3|null|nil");
}

Contract(a_batch_with_a_composite_key_and_without_reads_writes_every_row)
{
    static const char *const keys_ab[] = {"\"a\"", "\"b\""};
    static const char *const writes_two[] = {"\"n\"", "\"d\""};
    struct mig_value keys[] = {rig_int(1), rig_text("x"), rig_int(1), rig_text("y")};
    struct mig_value news[] = {rig_int(10), rig_double(0.5), rig_null(), rig_double(2.5)};
    bool written[2] = {false, false};
    struct mig_batch batch = {
        .size = sizeof batch,
        .table = "\"t\"",
        .keys = keys_ab,
        .key_count = 2,
        .writes = writes_two,
        .write_count = 2,
        .rows = 2,
        .key_values = keys,
        .news = news,
    };

    rig_exec(rig, "CREATE TABLE t (a integer, b text, n bigint, d double precision, "
                  "PRIMARY KEY (a, b));"
                  "INSERT INTO t VALUES (1, 'x', 0, 0), (1, 'y', 0, 0), (2, 'x', 0, 0)");
    rig_begin(rig);
    rig_expect(rig, rig->driver->update_batch(rig->conn, &batch, written, &rig->err), MIG_OK);
    rig_commit(rig);
    cr_assert(written[0] && written[1]);
    cr_assert_str_eq(rig_rows(rig, "SELECT a, b, n, d FROM t ORDER BY a, b"),
                     "1|x|10|0.5\n1|y|null|2.5\n2|x|0|0");
}

Contract(batches_of_different_sizes_and_tables_follow_each_other)
{
    struct mig_value keys[] = {rig_int(1), rig_int(2)};
    struct mig_value news[] = {rig_text("a"), rig_text("b")};
    bool written[2];
    struct mig_batch batch = {
        .size = sizeof batch,
        .table = "\"t\"",
        .keys = key_id,
        .key_count = 1,
        .writes = writes_w,
        .write_count = 1,
        .rows = 2,
        .key_values = keys,
        .news = news,
    };

    rig_exec(rig, "CREATE TABLE t (id integer PRIMARY KEY, w text);"
                  "CREATE TABLE u (id integer PRIMARY KEY, w text);"
                  "INSERT INTO t VALUES (1, ''), (2, ''); INSERT INTO u VALUES (1, '')");
    rig_begin(rig);
    rig_expect(rig, rig->driver->update_batch(rig->conn, &batch, written, &rig->err), MIG_OK);
    batch.rows = 1;
    batch.table = "\"u\"";
    rig_expect(rig, rig->driver->update_batch(rig->conn, &batch, written, &rig->err), MIG_OK);
    batch.rows = 0;
    rig_expect(rig, rig->driver->update_batch(rig->conn, &batch, written, &rig->err), MIG_OK);
    rig_commit(rig);
    cr_assert_str_eq(rig_rows(rig, "SELECT w FROM t ORDER BY id"), "a\nb");
    cr_assert_str_eq(rig_rows(rig, "SELECT w FROM u"), "a");
}

enum { MANY = 500 };

Contract(a_large_batch_writes_every_type_and_leaves_what_changed)
{
    static const char *const reads[] = {"\"v\"", "\"b\"", "\"d\""};
    static const char *const writes[] = {"\"w\"", "\"b\"", "\"n\"", "\"d\""};
    struct mig_value keys[MANY];
    struct mig_value olds[3 * MANY];
    struct mig_value news[4 * MANY];
    bool written[MANY];
    struct mig_batch batch = {
        .size = sizeof batch,
        .table = "\"t\"",
        .keys = key_id,
        .key_count = 1,
        .reads = reads,
        .read_count = 3,
        .writes = writes,
        .write_count = 4,
        .rows = MANY,
        .key_values = keys,
        .olds = olds,
        .news = news,
    };
    int i;

    rig_exec(rig, test_format("CREATE TABLE t (id integer PRIMARY KEY, v text, b %s, "
                              "d double precision, w text, n bigint)",
                              rig->driver->blob_type));
    rig_exec(rig, "INSERT INTO t (id, v, d) WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL "
                  "SELECT i + 1 FROM s WHERE i < 1000) SELECT i, 'v' || i, i + 0.5 FROM s");
    rig_exec(rig, "UPDATE t SET v = 'other' WHERE id = 10; UPDATE t SET d = NULL WHERE id = 20;"
                  "DELETE FROM t WHERE id = 30; UPDATE t SET v = NULL WHERE id = 40");
    for (i = 0; i < MANY; i++) {
        keys[i] = rig_int(2 * (i + 1)); /* every second row */
        olds[3 * i] = rig_text(test_format("v%d", 2 * (i + 1)));
        olds[3 * i + 1] = rig_null();
        olds[3 * i + 2] = rig_double(2 * (i + 1) + 0.5);
        news[4 * i] = i % 2 ? rig_null() : rig_text("new");
        news[4 * i + 1] = rig_blob("\0b", i % 3 ? 2 : 0);
        news[4 * i + 2] = rig_int(INT64_MAX - i);
        news[4 * i + 3] = rig_double(0.25);
        written[i] = i % 2;
    }
    rig_begin(rig);
    rig_expect(rig, rig->driver->update_batch(rig->conn, &batch, written, &rig->err), MIG_OK);
    rig_commit(rig);
    for (i = 0; i < MANY; i++)
        cr_assert_eq(written[i], i != 4 && i != 9 && i != 14 && i != 19, "row %d", i);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*), count(w), count(b), count(n) FROM t "
                                   "WHERE d = 0.25"),
                     "496|248|496|496");
    cr_assert_str_eq(rig_rows(rig, "SELECT w, n, v FROM t WHERE id = 6"),
                     "new|9223372036854775805|v6");
}

Contract(a_batch_that_breaks_a_constraint_fails)
{
    struct mig_value keys[] = {rig_int(1)};
    struct mig_value news[] = {rig_null()};
    bool written[1];
    struct mig_batch batch = {
        .size = sizeof batch,
        .table = "\"t\"",
        .keys = key_id,
        .key_count = 1,
        .writes = writes_w,
        .write_count = 1,
        .rows = 1,
        .key_values = keys,
        .news = news,
    };

    rig_exec(rig, "CREATE TABLE t (id integer PRIMARY KEY, w text NOT NULL);"
                  "INSERT INTO t VALUES (1, '')");
    rig_begin(rig);
    rig_expect(rig, rig->driver->update_batch(rig->conn, &batch, written, &rig->err),
               MIG_E_CONSTRAINT);
    rig->driver->rollback(rig->conn);
}

/* Cancelling */

struct stop {
    bool wanted;
    int asked;
};

static mig_status stop_ask(void *arg)
{
    struct stop *stop = (struct stop *)arg;

    stop->asked++;
    return stop->wanted ? MIG_E_INTERRUPTED : MIG_OK;
}

static struct mig_conn *connect_with(struct rig *rig, struct stop *stop)
{
    struct mig_driver_config config = rig_config(rig->url);
    struct mig_conn *conn = NULL;

    config.cancelled = stop_ask;
    config.arg = stop;
    rig_expect(rig, rig->driver->open(&config, &conn, &rig->err), MIG_OK);
    return conn;
}

static const char endless[] = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                              "WHERE i < 2000000000) SELECT count(*) FROM n";

Contract(a_long_statement_is_interrupted)
{
    struct stop stop = {0};
    struct mig_conn *conn = connect_with(rig, &stop);

    stop.wanted = true;
    rig_expect(rig, rig_try_on(rig, conn, endless), MIG_E_INTERRUPTED);
    cr_assert_gt(stop.asked, 0);
    stop.wanted = false;
    rig_expect(rig, rig_try_on(rig, conn, "SELECT 1"), MIG_OK);
    rig->driver->close(conn);
}

Contract(a_long_step_is_interrupted)
{
    struct stop stop = {0};
    struct mig_conn *conn = connect_with(rig, &stop);
    struct mig_cursor *cursor = NULL;

    rig_expect(rig, rig->driver->prepare(conn, endless, strlen(endless), 0, &cursor, &rig->err),
               MIG_OK);
    stop.wanted = true;
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_E_INTERRUPTED);
    stop.wanted = false;
    rig->driver->finalize(cursor);
    rig->driver->close(conn);
}

Contract(a_statement_that_nobody_stops_runs_to_its_end)
{
    struct stop stop = {0};
    struct mig_conn *conn = connect_with(rig, &stop);

    rig_expect(rig,
               rig_try_on(rig, conn,
                          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                          "WHERE i < 100000) SELECT count(*) FROM n"),
               MIG_OK);
    rig->driver->close(conn);
}
