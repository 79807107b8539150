/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inserting batches: what mig/driver.h promises, on every engine alike, and below
 * that what each engine has to get right alone, since each does it in a way of
 * its own (COPY in two formats; several rows a statement or one). The rows are
 * the test's; where a module's rows come from is tested with the core.
 */
#include "rig.h"

#include <math.h>

static const char *const cols_ab[] = {"\"a\"", "\"b\""};

static struct mig_batch insert_of(const char *table, const char *const *columns, size_t count,
                                  size_t rows, const struct mig_value *values)
{
    return (struct mig_batch){
        .size = sizeof(struct mig_batch),
        .table = table,
        .writes = columns,
        .write_count = count,
        .rows = rows,
        .news = values,
    };
}

static mig_status try_insert(struct rig *rig, const struct mig_batch *batch, size_t *failed_row)
{
    rig_begin(rig);
    return rig->driver->insert_batch(rig->conn, batch, failed_row, &rig->err);
}

static void insert_rows(struct rig *rig, const struct mig_batch *batch)
{
    size_t failed_row = 0;

    rig_expect(rig, try_insert(rig, batch, &failed_row), MIG_OK);
    rig_commit(rig);
    cr_assert_eq(rig->driver->changes(rig->conn), (int64_t)batch->rows);
}

/* Nothing of it is left behind. */
static size_t fail_insert(struct rig *rig, const struct mig_batch *batch, mig_status wanted)
{
    size_t failed_row = 12345;

    rig_expect(rig, try_insert(rig, batch, &failed_row), wanted);
    rig->driver->rollback(rig->conn);
    cr_assert(rig->err.message[0]);
    return failed_row;
}

Contract(inserted_values_of_every_type_come_back)
{
    static const unsigned char bytes[] = {0, 1, 0xff, 0, '\'', '\\', 0x80};
    static const char *const columns[] = {"\"low\"", "\"high\"", "\"real\"",
                                          "\"bin\"", "\"none\"", "\"hollow\""};
    const struct mig_value values[] = {
        rig_int(INT64_MIN), rig_int(INT64_MAX), rig_double(0.1), rig_blob(bytes, sizeof bytes),
        rig_null(),         rig_blob("", 0),    rig_null(),      rig_null(),
        rig_null(),         rig_null(),         rig_text(""),    rig_null()};
    const struct mig_batch batch = insert_of("\"t\"", columns, 6, 2, values);
    struct mig_cursor *cursor;
    struct mig_value value;

    rig_exec(rig, test_format("CREATE TABLE t (id integer, low bigint, high bigint, "
                              "real double precision, bin %s, none text, hollow %s)",
                              rig->driver->blob_type, rig->driver->blob_type));
    insert_rows(rig, &batch);
    cr_assert_str_eq(rig_rows(rig, "SELECT low, high, real, none, id FROM t WHERE none IS NULL"),
                     "-9223372036854775808|9223372036854775807|0.1|null|null");
    cr_assert_str_eq(rig_rows(rig, "SELECT low, high, real, bin, none, hollow FROM t "
                                   "WHERE none IS NOT NULL"),
                     "null|null|null|null||null");
    cursor = rig_prepare(rig, "SELECT bin, hollow FROM t WHERE none IS NULL", 0);
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_ROW);
    rig_expect(rig, rig->driver->column(cursor, 0, &value, &rig->err), MIG_OK);
    cr_assert_eq(value.len, sizeof bytes);
    cr_assert_arr_eq(value.as.data, bytes, sizeof bytes);
    rig_expect(rig, rig->driver->column(cursor, 1, &value, &rig->err), MIG_OK);
    cr_assert(value.type == MIG_BLOB && value.len == 0);
    rig->driver->finalize(cursor);
}

/* On PostgreSQL the column of the second type makes the whole batch go as text. */
Contract(inserted_text_keeps_every_letter)
{
    static const char *const others[] = {"text", "numeric(10, 3)"};
    static const char *const texts[] = {"it's \"quoted\" \\ \\N \\x41 $1",
                                        "a\ttab, a\nline, a\r\n\b\f\v",
                                        "\u65e5\u672c\U0001f600",
                                        "\\.",
                                        "\\",
                                        "",
                                        "{a,b}",
                                        "  blanks  "};
    enum { TEXTS = sizeof texts / sizeof *texts };
    struct mig_value values[2 * TEXTS];
    const struct mig_batch batch = insert_of("\"t\"", cols_ab, 2, TEXTS, values);
    size_t other, i;

    for (i = 0; i < TEXTS; i++) {
        values[2 * i] = rig_text(texts[i]);
        values[2 * i + 1] = rig_text("1.5");
    }
    for (other = 0; other < 2; other++) {
        rig_exec(rig, test_format("CREATE TABLE t (a text, b %s)", others[other]));
        insert_rows(rig, &batch);
        for (i = 0; i < TEXTS; i++) {
            struct mig_cursor *cursor =
                rig_prepare(rig, "SELECT a FROM t WHERE a = $1 AND b IS NOT NULL", 0);

            rig_bind(rig, cursor, 1, values[2 * i]);
            rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_ROW);
            rig->driver->finalize(cursor);
        }
        rig_exec(rig, "DROP TABLE t");
    }
}

Contract(an_empty_batch_inserts_nothing)
{
    const struct mig_batch batch = insert_of("\"t\"", cols_ab, 2, 0, NULL);

    rig_exec(rig, "CREATE TABLE t (a integer, b text)");
    rig_begin(rig);
    rig_expect(rig, rig->driver->insert_batch(rig->conn, &batch, &(size_t){0}, &rig->err), MIG_OK);
    rig_commit(rig);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM t"), "0");
}

enum { INSERTED = 300 };

/* Row 200 repeats the first. */
Contract(a_row_that_breaks_a_constraint_is_named)
{
    static const char *const tables[] = {
        "CREATE TABLE t (a integer PRIMARY KEY, b text)",
        "CREATE TABLE t (a integer, b text UNIQUE, CHECK (a <> 200))",
        "CREATE TABLE t (a integer, b text NOT NULL, UNIQUE (a))"};
    struct mig_value values[2 * INSERTED];
    const struct mig_batch batch = insert_of("\"t\"", cols_ab, 2, INSERTED, values);
    size_t table, i;

    for (table = 0; table < 3; table++) {
        for (i = 0; i < INSERTED; i++) {
            values[2 * i] = rig_int((int64_t)i);
            values[2 * i + 1] = rig_text(test_format("text %zu", i));
        }
        if (table == 0)
            values[400] = rig_int(0);
        if (table == 2)
            values[401] = rig_null();
        rig_exec(rig, tables[table]);
        cr_assert_eq(fail_insert(rig, &batch, MIG_E_CONSTRAINT), 200, "%s", rig->err.message);
        cr_assert_null(strstr(rig->err.message, "line 201"), "%s", rig->err.message);
        cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM t"), "0");
        rig_exec(rig, "DROP TABLE t");
    }
}

Contract(a_batch_without_a_transaction_is_one_by_itself)
{
    struct mig_value values[] = {rig_int(1),    rig_text("x"), rig_int(2),
                                 rig_text("y"), rig_int(1),    rig_text("z")};
    struct mig_batch batch = insert_of("\"t\"", cols_ab, 2, 3, values);
    size_t failed_row = 0;

    rig_exec(rig, "CREATE TABLE t (a integer PRIMARY KEY, b text)");
    rig_expect(rig, rig->driver->insert_batch(rig->conn, &batch, &failed_row, &rig->err),
               MIG_E_CONSTRAINT);
    cr_assert_eq(failed_row, 2);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM t"), "0");
    batch.rows = 2;
    rig_expect(rig, rig->driver->insert_batch(rig->conn, &batch, &failed_row, &rig->err), MIG_OK);
    cr_assert_not(rig->driver->in_tx(rig->conn));
    cr_assert_str_eq(rig_rows(rig, "SELECT a, b FROM t ORDER BY a"), "1|x\n2|y");
}

Contract(a_hundred_thousand_rows_go_in_at_once)
{
    enum { ROWS = 100000 };
    struct mig_value *values = calloc(2 * ROWS, sizeof *values);
    const struct mig_batch batch = insert_of("\"t\"", cols_ab, 2, ROWS, values);
    size_t i;

    cr_assert_not_null(values);
    for (i = 0; i < ROWS; i++) {
        values[2 * i] = rig_int((int64_t)i + 1);
        values[2 * i + 1] = i % 3 ? rig_text("some text") : rig_null();
    }
    rig_exec(rig, "CREATE TABLE t (a integer PRIMARY KEY, b text)");
    insert_rows(rig, &batch);
    free(values);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*), count(b), sum(a) FROM t"),
                     "100000|66666|5000050000");
}

Contract(inserting_into_what_is_not_there_says_what)
{
    static const char *const wrong[] = {"\"a\"", "\"nowhere\""};
    struct mig_value values[] = {rig_int(1), rig_text("x")};
    const struct mig_batch column = insert_of("\"t\"", wrong, 2, 1, values);
    const struct mig_batch table = insert_of("\"missing\"", cols_ab, 2, 1, values);

    rig_exec(rig, "CREATE TABLE t (a integer, b text)");
    cr_assert_eq(fail_insert(rig, &column, MIG_E_SQL), 1);
    cr_assert(strstr(rig->err.message, "nowhere"), "%s", rig->err.message);
    cr_assert_eq(fail_insert(rig, &table, MIG_E_SQL), 1);
    cr_assert(strstr(rig->err.message, "missing"), "%s", rig->err.message);
}

/* SQLite is strict here alone: in the column that is the row's number. */
Contract(a_value_that_the_column_cannot_take_is_named)
{
    struct mig_value values[] = {rig_int(1), rig_text("x"), rig_text("no number"), rig_text("y")};
    const struct mig_batch batch = insert_of("\"t\"", cols_ab, 2, 2, values);
    size_t failed_row = 0;

    rig_exec(rig, "CREATE TABLE t (a integer PRIMARY KEY, b text)");
    cr_assert_lt(try_insert(rig, &batch, &failed_row), 0);
    rig->driver->rollback(rig->conn);
    cr_assert_eq(failed_row, 1);
    if (rig_is(rig, "postgres"))
        cr_assert(strstr(rig->err.message, "column a") && strstr(rig->err.message, "no number"),
                  "%s", rig->err.message);
}

Contract(names_of_every_kind_and_computed_columns_work)
{
    static const char *const columns[] = {"\"se\"\"lect\"", "\"a, b\""};
    const char *schema = rig->driver->info(rig->conn, MIG_INFO_SCHEMA);
    struct mig_value values[] = {rig_int(1), rig_int(10), rig_int(2), rig_null()};
    const struct mig_batch batch =
        insert_of(test_format("\"%s\".\"odd, \"\"table 7\"", schema), columns, 2, 2, values);

    rig_exec(rig, test_format("CREATE TABLE \"odd, \"\"table 7\" (\"se\"\"lect\" integer UNIQUE, "
                              "\"a, b\" integer, twice integer GENERATED ALWAYS AS "
                              "(2 * \"a, b\") STORED, given integer DEFAULT 7, %s)",
                              rig_is(rig, "sqlite") ? "id integer PRIMARY KEY"
                                                    : "id integer GENERATED ALWAYS AS IDENTITY"));
    insert_rows(rig, &batch);
    cr_assert_str_eq(rig_rows(rig, "SELECT \"se\"\"lect\", \"a, b\", twice, given, id "
                                   "FROM \"odd, \"\"table 7\" ORDER BY 1"),
                     "1|10|20|7|1\n2|null|null|7|2");
    values[2] = rig_int(1);
    values[0] = rig_int(5);
    values[3] = rig_int(3);
    cr_assert_eq(fail_insert(rig, &batch, MIG_E_CONSTRAINT), 1, "%s", rig->err.message);
}

Contract(inserting_is_a_migrations_own_under_the_guard)
{
    struct mig_value values[] = {rig_int(1), rig_text("x")};
    const struct mig_batch own = insert_of("\"t\"", cols_ab, 2, 1, values);
    const struct mig_batch hosts = insert_of("\"mighost_history\"", cols_ab, 2, 1, values);
    size_t failed_row = 0;

    rig_exec(rig, "CREATE TABLE t (a integer, b text)");
    rig_exec(rig, "CREATE TABLE mighost_history (a integer, b text)");
    rig_begin(rig);
    rig->driver->guard(rig->conn, "mighost");
    rig_expect(rig, rig->driver->insert_batch(rig->conn, &own, &failed_row, &rig->err), MIG_OK);
    cr_assert_lt(rig->driver->insert_batch(rig->conn, &hosts, &failed_row, &rig->err), 0);
    rig->driver->guard(rig->conn, NULL);
    rig->driver->rollback(rig->conn);
}

/* SQLite */

#define Only(engine, name)                   \
    static void name(struct rig *rig);       \
    Test(engine, name)                       \
    {                                        \
        struct rig rig_ = rig_open(#engine); \
        name(&rig_);                         \
        rig_close(&rig_);                    \
    }                                        \
    static void name(struct rig *rig)

static struct mig_value *counted(size_t rows)
{
    static struct mig_value values[2 * INSERTED];
    size_t i;

    for (i = 0; i < rows; i++) {
        values[2 * i] = rig_int((int64_t)i);
        values[2 * i + 1] = rig_text("text");
    }
    return values;
}

Only(sqlite, a_tables_own_conflict_clause_holds)
{
    struct mig_value *values = counted(INSERTED);
    const struct mig_batch batch = insert_of("\"t\"", cols_ab, 2, INSERTED, values);

    values[400] = rig_int(0);
    rig_exec(rig, "CREATE TABLE t (a integer PRIMARY KEY ON CONFLICT IGNORE, b text)");
    insert_rows(rig, &batch);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM t"), "299");
}

/* OR FAIL would reach into the trigger, where IGNORE is meant. */
Only(sqlite, a_triggers_own_conflict_clause_holds)
{
    const struct mig_batch batch = insert_of("\"t\"", cols_ab, 2, INSERTED, counted(INSERTED));

    rig_exec(rig, "CREATE TABLE t (a integer, b text); CREATE TABLE seen (b text UNIQUE);"
                  "CREATE TRIGGER see AFTER INSERT ON t BEGIN "
                  "INSERT OR IGNORE INTO seen VALUES (NEW.b); END");
    insert_rows(rig, &batch);
    cr_assert_str_eq(rig_rows(rig, "SELECT (SELECT count(*) FROM t), count(*) FROM seen"), "300|1");
}

Only(sqlite, the_refused_row_is_found_in_tables_of_every_kind)
{
    static const char *const tables[] = {
        "CREATE TABLE t (a integer PRIMARY KEY, b text) WITHOUT ROWID",
        "CREATE TABLE t (a integer, b text NOT NULL) STRICT",
        ("CREATE TABLE t (a integer PRIMARY KEY, b text); CREATE TRIGGER no BEFORE INSERT ON t "
         "WHEN NEW.b IS NULL BEGIN SELECT RAISE(FAIL, 'not this one'); END")};
    struct mig_value *values = counted(INSERTED);
    const struct mig_batch batch = insert_of("\"t\"", cols_ab, 2, INSERTED, values);
    size_t i;

    for (i = 0; i < 3; i++) {
        values[500] = i == 1 ? rig_text("no number") : rig_int(i == 0 ? 0 : 250);
        values[501] = i == 2 ? rig_null() : rig_text("text");
        rig_exec(rig, tables[i]);
        cr_assert_eq(fail_insert(rig, &batch, MIG_E_CONSTRAINT), 250, "%s", rig->err.message);
        rig_exec(rig, "DROP TABLE t");
    }
}

Only(sqlite, a_temporary_table_that_hides_another_is_meant)
{
    const struct mig_batch batch = insert_of("\"t\"", cols_ab, 2, INSERTED, counted(INSERTED));

    rig_exec(rig,
             "CREATE TABLE t (a integer, b text); CREATE TEMPORARY TABLE t (a integer, b text)");
    rig_expect(rig, rig->driver->insert_batch(rig->conn, &batch, &(size_t){0}, &rig->err), MIG_OK);
    cr_assert_str_eq(rig_rows(rig, "SELECT (SELECT count(*) FROM main.t), count(*) FROM temp.t"),
                     "0|300");
}

Only(sqlite, rows_that_break_a_foreign_key_fail_the_commit)
{
    const struct mig_batch batch = insert_of("\"c\"", cols_ab, 2, 3, counted(3));

    rig_exec(rig, "CREATE TABLE p (id integer PRIMARY KEY); INSERT INTO p VALUES (0), (1);"
                  "CREATE TABLE c (a integer REFERENCES p (id), b text)");
    rig_begin(rig);
    rig_expect(rig, rig->driver->insert_batch(rig->conn, &batch, &(size_t){0}, &rig->err), MIG_OK);
    rig_expect(rig, rig->driver->commit(rig->conn, &rig->err), MIG_E_CONSTRAINT);
    cr_assert(strstr(rig->err.message, "1 row"), "%s", rig->err.message);
}

Only(sqlite, a_stream_that_a_changed_session_ends_says_so)
{
    struct mig_cursor *stream;

    rig_exec(rig, "CREATE TABLE t (a integer); INSERT INTO t VALUES (1), (2)");
    rig_exec(rig, "PRAGMA cache_size = 100");
    stream = rig_prepare(rig, "SELECT a FROM t", MIG_PREPARE_STREAM);
    rig_expect(rig, rig->driver->step(stream, &rig->err), MIG_ROW);
    rig_begin(rig);
    rig_expect(rig, rig->driver->step(stream, &rig->err), MIG_E_MISUSE);
    cr_assert(strstr(rig->err.message, "PRAGMA"), "%s", rig->err.message);
    rig->driver->rollback(rig->conn);
    rig->driver->finalize(stream);
}

/* PostgreSQL */

Only(postgres, numbers_keep_their_value_in_columns_of_every_width)
{
    static const char *const columns[] = {"\"a\"", "\"b\"", "\"c\"", "\"d\"", "\"e\""};
    const struct mig_value values[] = {
        rig_int(-32768), rig_int(2147483647), rig_double(0.1),      rig_int(1), rig_double(-0.25),
        rig_int(32767),  rig_int(-1),         rig_double(INFINITY), rig_int(0), rig_double(NAN)};
    const struct mig_batch batch = insert_of("\"t\"", columns, 5, 2, values);

    rig_exec(rig, "CREATE TABLE t (a int2, b int4, c float4, d bool, e float8)");
    insert_rows(rig, &batch);
    cr_assert_str_eq(rig_rows(rig, "SELECT a, b, c::text, d::text, e::text FROM t ORDER BY a"),
                     "-32768|2147483647|0.1|true|-0.25\n32767|-1|Infinity|false|NaN");
    rig_exec(rig, "CREATE TABLE u (LIKE t); ALTER TABLE u ADD COLUMN f numeric DEFAULT 7");
    rig_exec(rig, "ALTER TABLE u ALTER COLUMN d TYPE numeric USING 0"); /* now it goes as text */
    insert_rows(rig, &(struct mig_batch){.size = sizeof batch,
                                         .table = "\"u\"",
                                         .writes = columns,
                                         .write_count = 5,
                                         .rows = 2,
                                         .news = values});
    cr_assert_str_eq(rig_rows(rig, "SELECT a, b, c::text, d, e::text, f FROM u ORDER BY a"),
                     "-32768|2147483647|0.1|1|-0.25|7\n32767|-1|Infinity|0|NaN|7");
}

Only(postgres, what_does_not_fit_is_refused_and_named)
{
    static const struct {
        const char *type;
        struct mig_value value;
        const char *says;
    } cases[] = {
        {"int2", {.type = MIG_INT64, .as.int64 = 40000}, "column b"},
        {"float4", {.type = MIG_DOUBLE, .as.real = 1e300}, "column b"},
        {"bool", {.type = MIG_INT64, .as.int64 = 2}, "column b"},
        {"varchar(3)", {.type = MIG_TEXT, .len = 4, .as.data = "four"}, "column b"},
        {"text", {.type = MIG_TEXT, .len = 3, .as.data = "a\0b"}, "NUL byte"},
        {"jsonb", {.type = MIG_TEXT, .len = 1, .as.data = "{"}, "column b"},
        {"text", {.type = MIG_BLOB, .len = 1, .as.data = "x"}, "no bytea"},
        {"text", {.type = MIG_TEXT, .len = 2, .as.data = "\xff\xfe"}, "UTF8"},
    };
    size_t i;

    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mig_value values[] = {rig_int(1), rig_null(), rig_int(2), cases[i].value};
        const struct mig_batch batch = insert_of("\"t\"", cols_ab, 2, 2, values);
        size_t failed_row = 9;

        rig_exec(rig, test_format("CREATE TABLE t (a integer, b %s)", cases[i].type));
        cr_assert_lt(try_insert(rig, &batch, &failed_row), 0, "%s took it", cases[i].type);
        rig->driver->rollback(rig->conn);
        cr_assert_eq(failed_row, 1, "%s: row %zu: %s", cases[i].type, failed_row, rig->err.message);
        cr_assert(strstr(rig->err.message, cases[i].says), "%s", rig->err.message);
        rig_exec(rig, "DROP TABLE t");
    }
}

Only(postgres, a_domain_over_bytea_takes_a_blob)
{
    const struct mig_value values[] = {rig_int(1), rig_blob("\0\xff", 2), rig_text("2"),
                                       rig_blob("", 0)};
    const struct mig_batch binary = insert_of("\"t\"", cols_ab, 2, 1, values);
    const struct mig_batch text = insert_of("\"t\"", cols_ab, 2, 2, values);

    rig_exec(rig, "CREATE DOMAIN raw AS bytea; CREATE TABLE t (a integer, b raw)");
    insert_rows(rig, &binary);
    insert_rows(rig, &text);
    cr_assert_str_eq(rig_rows(rig, "SELECT a, encode(b, 'hex') FROM t ORDER BY a, b"),
                     "1|00ff\n1|00ff\n2|");
}

/* Checked when the statement ends, when no row is at hand. */
Only(postgres, a_foreign_key_is_told_without_a_row)
{
    const struct mig_batch batch = insert_of("\"c\"", cols_ab, 2, 3, counted(3));

    rig_exec(rig, "CREATE TABLE p (id integer PRIMARY KEY); INSERT INTO p VALUES (0), (1);"
                  "CREATE TABLE c (a integer REFERENCES p (id), b text)");
    cr_assert_eq(fail_insert(rig, &batch, MIG_E_CONSTRAINT), 3);
    cr_assert(strstr(rig->err.message, "(a)=(2)"), "%s", rig->err.message);
}

Only(postgres, a_row_that_a_trigger_refuses_is_named)
{
    const struct mig_batch batch = insert_of("\"t 12\"", cols_ab, 2, 3, counted(3));

    rig_exec(rig, "CREATE TABLE \"t 12\" (a integer, b text);"
                  "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                  "IF NEW.a = 2 THEN RAISE 'not this one'; END IF; RETURN NEW; END $$;"
                  "CREATE TRIGGER no BEFORE INSERT ON \"t 12\" FOR EACH ROW EXECUTE FUNCTION no()");
    cr_assert_eq(fail_insert(rig, &batch, MIG_E_SQL), 2, "%s", rig->err.message);
    cr_assert(strstr(rig->err.message, "not this one"), "%s", rig->err.message);
}

Only(postgres, an_insert_waits_for_a_lock_no_longer_than_allowed)
{
    struct mig_tx_options options = {.size = sizeof options, .lock_timeout_ms = 200};
    const struct mig_batch batch = insert_of("\"t\"", cols_ab, 2, 3, counted(3));
    struct mig_conn *other = rig_connect(rig);
    size_t failed_row = 0;

    rig_exec(rig, "CREATE TABLE t (a integer, b text)");
    rig_expect(rig, rig_try_on(rig, other, "BEGIN; LOCK TABLE t"), MIG_OK);
    rig_expect(rig, rig->driver->begin(rig->conn, &options, &rig->err), MIG_OK);
    rig_expect(rig, rig->driver->insert_batch(rig->conn, &batch, &failed_row, &rig->err),
               MIG_E_TIMEOUT);
    rig->driver->rollback(rig->conn);
    rig->driver->close(other);
    insert_rows(rig, &batch);
}

/* Cancelling */

static mig_status stop_at_once(void *arg)
{
    return *(const mig_status *)arg;
}

Only(postgres, an_insert_that_takes_long_is_interrupted)
{
    const struct mig_batch batch = insert_of("\"t\"", cols_ab, 2, 3, counted(3));
    struct mig_driver_config config = rig_config(rig->url);
    struct mig_conn *conn = NULL;
    mig_status stop = MIG_OK;
    size_t failed_row = 0;

    config.cancelled = stop_at_once;
    config.arg = &stop;
    rig_expect(rig, rig->driver->open(&config, &conn, &rig->err), MIG_OK);
    rig_exec(rig, "CREATE TABLE t (a integer, b text);"
                  "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                  "PERFORM pg_sleep(60); RETURN NEW; END $$;"
                  "CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow()");
    stop = MIG_E_INTERRUPTED;
    rig_expect(rig, rig->driver->insert_batch(conn, &batch, &failed_row, &rig->err),
               MIG_E_INTERRUPTED);
    stop = MIG_OK;
    rig_expect(rig, rig_try_on(rig, conn, "SELECT 1"), MIG_OK);
    rig->driver->close(conn);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM t"), "0");
}
