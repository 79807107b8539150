/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prepared statements and streams, as mig/driver.h promises them, on every
 * engine alike: values there and back, placeholders, columns, rows that stay
 * what they were while the table is written.
 */
#include "rig.h"

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
