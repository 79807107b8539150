/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bulk load on real databases, called as a module calls it: what goes in,
 * the answers of the callback, batches and progress, what messages name, and
 * what a callback may do. Each callback is a few lines above the test that uses
 * it. How each driver inserts is tested with the drivers.
 */
#include "columns.h"
#include "load.h"
#include "opened.h"

#define ROWS_MAX 64

/* A load that a test has under way, and what came of it. */
static struct {
    struct db db;
    int reports;
    int64_t done[ROWS_MAX];
    int64_t total;
    int asked;      /* how often the wish to end was asked for */
    int stop_after; /* 0: never */
    char kind[16];
    bool skip;
    int ended;
} t;

static void on_progress(void *ctx, int64_t done, int64_t total)
{
    (void)ctx;
    t.done[t.reports++ % ROWS_MAX] = done;
    t.total = total;
}

static mig_status on_cancelled(void *ctx)
{
    (void)ctx;
    return t.stop_after && t.asked++ >= t.stop_after ? MIG_E_INTERRUPTED : MIG_OK;
}

static void db_of_test(struct opened *on)
{
    const struct db_config config = {
        .driver = on->driver,
        .conn = on->conn,
        .protect = history_prefix(on->history),
        .mode = MIG_ATOMIC,
        .progress = on_progress,
        .cancelled = on_cancelled,
        .row_get = row_get,
        .row_set = row_set,
        .load = load_run,
    };

    memset(&t, 0, sizeof t);
    db_open(&t.db, &config);
}

/* In a transaction of its own, committed when it went well; the sentence is in
 * on->err. */
static mig_status try_load(struct opened *on, const struct mig_load *spec)
{
    mig_status status;

    opened_begin(on);
    db_of_test(on);
    status = mig_load(db_handle(&t.db), spec);
    db_close(&t.db);
    on->err = t.db.err;
    if (status < 0)
        on->driver->rollback(on->conn);
    else
        opened_commit(on);
    return status;
}

static void run_load(struct opened *on, const struct mig_load *spec)
{
    expect_status(on, try_load(on, spec), MIG_OK);
}

/* Rows 1 to `end`: a number, and a text unless the number is a multiple of 3. */
struct counter {
    int64_t at;
    int64_t end;
    int64_t wrong;    /* the row that gets the number 1; 0: none */
    int64_t left_out; /* rows up to this one are left out */
};

static mig_status count_up(struct mig_row *out, void *user)
{
    struct counter *counter = user;

    if (counter->at == counter->end)
        return MIG_OK;
    counter->at++;
    if (counter->at <= counter->left_out)
        return MIG_SKIP;
    MIG_TRY(mig_set_int64(out, 0, counter->at == counter->wrong ? 1 : counter->at));
    if (counter->at % 3)
        MIG_TRY(mig_set_text(out, 1, test_format("row %d", (int)counter->at)));
    return MIG_ROW;
}

#define SPEC .size = sizeof(struct mig_load), .table = "t", .columns = "a, b"
#define TABLE "CREATE TABLE t (a BIGINT PRIMARY KEY, b TEXT)"

/* ---- what goes in ------------------------------------------------------------ */

Engines(load, rows_go_in_by_batches_and_progress_is_told)
{
    struct counter counter = {.end = 7};

    opened_exec(on, TABLE);
    run_load(on, &(struct mig_load){SPEC, .next = count_up, .user = &counter, .batch = 3});
    expect_rows(on, "SELECT a, COALESCE(b, 'null') FROM t ORDER BY a",
                "1|row 1\n2|row 2\n3|null\n4|row 4\n5|row 5\n6|null\n7|row 7");
    cr_assert_eq(t.reports, 3);
    cr_assert(t.done[0] == 3 && t.done[1] == 6 && t.done[2] == 7);
    cr_assert_eq(t.total, 0);
    cr_assert_eq(mig_changes(db_handle(&t.db)), 7);
}

Engines(load, many_rows_go_in_without_a_batch_being_named)
{
    struct counter counter = {.end = 25000};
    struct mig_load spec = {SPEC, .next = count_up, .user = &counter};

    spec.size = offsetof(struct mig_load, batch); /* as an older header has it */
    opened_exec(on, TABLE);
    run_load(on, &spec);
    expect_rows(on, "SELECT COUNT(*), COUNT(b), SUM(a) FROM t", "25000|16667|312512500");
}

Engines(load, a_load_of_no_rows_is_none)
{
    struct counter counter = {0};

    opened_exec(on, TABLE);
    run_load(on, &(struct mig_load){SPEC, .next = count_up, .user = &counter});
    expect_rows(on, "SELECT COUNT(*) FROM t", "0");
    cr_assert_eq(t.reports, 0);
}

Engines(load, rows_can_be_left_out)
{
    struct counter counter = {.end = 20, .left_out = 17};

    opened_exec(on, TABLE);
    run_load(on, &(struct mig_load){SPEC, .next = count_up, .user = &counter, .batch = 2});
    expect_rows(on, "SELECT a FROM t ORDER BY a", "18\n19\n20");
}

/* Ten rows of a megabyte. */
static mig_status large_rows(struct mig_row *out, void *user)
{
    static unsigned char megabyte[1 << 20];
    int *left = user;

    if (!(*left)--)
        return MIG_OK;
    MIG_TRY(mig_set_double(out, 0, *left + 0.5));
    MIG_TRY(mig_set_blob(out, 1, megabyte, sizeof megabyte));
    return MIG_ROW;
}

Engines(load, numbers_have_a_point_in_every_locale)
{
    int left = 2;

    test_use_comma();
    opened_exec(on, on_engine(on, "sqlite") ? "CREATE TABLE t (a REAL, b BLOB)"
                                            : "CREATE TABLE t (a REAL, b BYTEA)");
    run_load(on, &(struct mig_load){SPEC, .next = large_rows, .user = &left});
    expect_rows(on, "SELECT a FROM t ORDER BY a", "0.5\n1.5");
}

Engines(load, large_values_make_small_batches)
{
    int left = 10;

    opened_exec(on, on_engine(on, "sqlite") ? "CREATE TABLE t (a REAL, b BLOB)"
                                            : "CREATE TABLE t (a REAL, b BYTEA)");
    run_load(on, &(struct mig_load){SPEC, .next = large_rows, .user = &left});
    expect_rows(on, "SELECT COUNT(*), SUM(LENGTH(b)), SUM(a) FROM t",
                on_engine(on, "sqlite") ? "10|10485760|50.0" : "10|10485760|50");
    cr_assert_eq(t.reports, 3, "%d batches", t.reports);
}

/* One row: the text in `user`. */
struct single {
    const char *text;
    bool given;
};

static mig_status one_text(struct mig_row *out, void *user)
{
    struct single *single = user;

    if (single->given)
        return MIG_OK;
    single->given = true;
    MIG_TRY(mig_set_text(out, 0, single->text));
    return MIG_ROW;
}

static void text_into(struct opened *on, const char *type, const char *text)
{
    struct single single = {.text = text};

    opened_exec(on, test_format("CREATE TABLE v (a %s)", type));
    run_load(on, &(struct mig_load){.size = sizeof(struct mig_load),
                                    .table = "v",
                                    .columns = "a",
                                    .next = one_text,
                                    .user = &single});
    expect_rows(on, test_format("SELECT COUNT(*) FROM v WHERE a = '%s'", text), "1");
    opened_exec(on, "DROP TABLE v");
}

Engines(load, columns_of_any_type_take_a_text)
{
    text_into(on, "VARCHAR(9)", "x");
    text_into(on, "NUMERIC", "12345.5");
    if (on_engine(on, "sqlite"))
        return;
    opened_exec(on, "CREATE TYPE mood AS ENUM ('sad', 'ok');"
                    "CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%');"
                    "CREATE DOMAIN inner_mail AS mail CHECK (VALUE LIKE '%.org')");
    text_into(on, "UUID", "10000000-0000-0000-0000-000000000001");
    text_into(on, "JSONB", "{\"a\": [1, null, \"\\\\n\"]}");
    text_into(on, "TIMESTAMPTZ", "2024-01-01 00:00:00.123456+02");
    text_into(on, "mood", "ok");
    text_into(on, "inner_mail", "a@b.org");
    text_into(on, "BIGINT", "42");
    text_into(on, "BOOLEAN", "true");
    text_into(on, "TEXT[]", "{a,\"b c\"}");
}

Engines(load, a_domain_is_checked)
{
    struct single single = {.text = "no address"};

    if (on_engine(on, "sqlite"))
        return;
    opened_exec(on, "CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%'); CREATE TABLE t (a mail)");
    expect_status(on,
                  try_load(on, &(struct mig_load){.size = sizeof(struct mig_load),
                                                  .table = "t",
                                                  .columns = "a",
                                                  .next = one_text,
                                                  .user = &single}),
                  MIG_E_CONSTRAINT);
    expect_says(on, "loading row 1 into table t");
    expect_says(on, "column a");
    cr_assert_str_eq(on->err.sqlstate, "23514");
}

Engines(load, names_are_quoted_and_triggers_run)
{
    const char *table = on_engine(on, "sqlite") ? "main.\"or, .der\"" : "\"Odd App\".\"or, .der\"";
    struct counter counter = {.end = 2};

    if (on_engine(on, "postgres"))
        opened_exec(on, "CREATE SCHEMA \"Odd App\"");
    opened_exec(on, "CREATE TABLE seen (a BIGINT)");
    opened_exec(on, test_format("CREATE TABLE %s (\"a, b\" BIGINT, \"q\"\"q\" TEXT)", table));
    if (on_engine(on, "sqlite"))
        opened_exec(on, "CREATE TRIGGER see AFTER INSERT ON \"or, .der\" BEGIN"
                        " INSERT INTO seen VALUES (NEW.\"a, b\"); END");
    else
        opened_exec(on, "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                        " INSERT INTO public.seen VALUES (NEW.\"a, b\"); RETURN NEW; END $$;"
                        "CREATE TRIGGER see AFTER INSERT ON \"Odd App\".\"or, .der\""
                        " FOR EACH ROW EXECUTE FUNCTION see()");
    run_load(on, &(struct mig_load){.size = sizeof(struct mig_load),
                                    .table = table,
                                    .columns = " \"a, b\" ,q\"q",
                                    .next = count_up,
                                    .user = &counter});
    expect_rows(on, test_format("SELECT \"a, b\", \"q\"\"q\" FROM %s ORDER BY 1", table),
                "1|row 1\n2|row 2");
    expect_rows(on, "SELECT COUNT(*), SUM(a) FROM seen", "2|3");
}

/* ---- failures ----------------------------------------------------------------- */

Engines(load, a_row_that_is_refused_is_named_and_nothing_stays)
{
    struct counter counter = {.end = 500, .wrong = 333, .left_out = 0};

    opened_exec(on, TABLE);
    expect_status(
        on,
        try_load(on, &(struct mig_load){SPEC, .next = count_up, .user = &counter, .batch = 200}),
        MIG_E_CONSTRAINT);
    expect_says(on, "loading row 333 into table t");
    expect_says(on, on_engine(on, "sqlite") ? "UNIQUE constraint failed: t.a"
                                            : "Key (a)=(1) already exists");
    if (on_engine(on, "postgres"))
        cr_assert_str_eq(on->err.sqlstate, "23505");
    expect_rows(on, "SELECT COUNT(*) FROM t", "0");
}

Engines(load, rows_left_out_count_in_the_number_of_a_row)
{
    struct counter counter = {.end = 10, .wrong = 9, .left_out = 5};

    opened_exec(on, TABLE);
    opened_exec(on, "INSERT INTO t VALUES (1, NULL)");
    expect_status(on, try_load(on, &(struct mig_load){SPEC, .next = count_up, .user = &counter}),
                  MIG_E_CONSTRAINT);
    expect_says(on, "loading row 9 into table t");
}

Engines(load, a_column_or_table_that_is_not_there_is_named)
{
    struct counter counter = {.end = 2};
    struct mig_load spec = {SPEC, .next = count_up, .user = &counter};

    opened_exec(on, TABLE);
    spec.columns = "a, nowhere";
    expect_status(on, try_load(on, &spec), MIG_E_SQL);
    expect_says(on, "nowhere");
    counter.at = 0;
    spec.columns = "a, b";
    spec.table = "missing";
    expect_status(on, try_load(on, &spec), MIG_E_SQL);
    expect_says(on, "into table missing");
}

Engines(load, a_load_without_columns_or_with_an_empty_name_is_refused)
{
    static const char *const lists[] = {"", " ", "a,,b", ",a"};

    opened_exec(on, TABLE);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct mig_load spec = {SPEC, .next = count_up, .user = &(struct counter){0}};

        spec.columns = lists[i];
        expect_status(on, try_load(on, &spec), MIG_E_MISUSE);
        expect_says(on, "mig_load");
    }
}

static mig_status fails_at_three(struct mig_row *out, void *user)
{
    int *calls = user;

    if (++*calls == 3)
        return mig_fail(out->db, "the file ends in the middle");
    return MIG_SKIP;
}

static mig_status rejects(struct mig_row *out, void *user)
{
    (void)out;
    (void)user;
    return MIG_REJECT;
}

static mig_status sets_too_far(struct mig_row *out, void *user)
{
    (void)user;
    return mig_set_int64(out, 2, 1);
}

Engines(load, a_callback_that_fails_ends_the_load_with_its_reason)
{
    int calls = 0;

    opened_exec(on, TABLE);
    expect_status(on,
                  try_load(on, &(struct mig_load){SPEC, .next = fails_at_three, .user = &calls}),
                  MIG_E_FAILED);
    expect_says(on, "row 3");
    expect_says(on, "table t: the file ends in the middle");
    expect_status(on, try_load(on, &(struct mig_load){SPEC, .next = rejects}), MIG_E_MISUSE);
    expect_says(on, "answered 3 at row 1");
    expect_status(on, try_load(on, &(struct mig_load){SPEC, .next = sets_too_far}), MIG_E_RANGE);
    expect_says(on, "row 1 of the load into table t: mig_row_set(): there is no column 2");
}

Engines(load, after_a_failed_load_no_other_call_is_answered)
{
    struct counter counter = {.end = 5, .wrong = 4};
    struct mig_err err;

    opened_exec(on, TABLE);
    opened_begin(on);
    db_of_test(on);
    cr_assert_eq(mig_load(db_handle(&t.db),
                          &(struct mig_load){SPEC, .next = count_up, .user = &counter, .batch = 2}),
                 MIG_E_CONSTRAINT);
    cr_assert_eq(mig_exec(db_handle(&t.db), "INSERT INTO t VALUES (99, NULL)"), MIG_E_CONSTRAINT);
    db_close(&t.db);
    cr_assert_eq(db_outcome(&t.db, MIG_OK, &err), MIG_E_CONSTRAINT);
    cr_assert_not_null(strstr(err.message, "loading row 4"), "%s", err.message);
    on->driver->rollback(on->conn);
}

Engines(load, a_wish_to_end_is_heard_between_batches)
{
    struct counter counter = {.end = 9};

    opened_exec(on, TABLE);
    opened_begin(on);
    db_of_test(on);
    t.stop_after = 3; /* the call itself asks, then each batch */
    cr_assert_eq(mig_load(db_handle(&t.db),
                          &(struct mig_load){SPEC, .next = count_up, .user = &counter, .batch = 2}),
                 MIG_E_INTERRUPTED);
    db_close(&t.db);
    cr_assert_eq(counter.at, 4);
    on->driver->rollback(on->conn);
}

Engines(load, the_hosts_own_tables_are_refused)
{
    struct single single = {.text = "1"};

    cr_assert_lt(try_load(on, &(struct mig_load){.size = sizeof(struct mig_load),
                                                 .table = "mighost_history",
                                                 .columns = "id",
                                                 .next = one_text,
                                                 .user = &single}),
                 0);
    expect_says(on, "mighost_history");
    expect_says(on, "host");
}

Engines(load, a_driver_that_cannot_load_says_so)
{
    struct mig_driver old = *on->driver;
    struct counter counter = {.end = 1};

    opened_exec(on, TABLE);
    old.size = offsetof(struct mig_driver, insert_batch);
    opened_begin(on);
    db_of_test(on);
    t.db.config.driver = &old;
    cr_assert_eq(
        mig_load(db_handle(&t.db), &(struct mig_load){SPEC, .next = count_up, .user = &counter}),
        MIG_E_UNSUPPORTED);
    db_close(&t.db);
    on->driver->rollback(on->conn);
}

/* ---- what a callback may do ------------------------------------------------------ */

static mig_status meddles(struct mig_row *out, void *user)
{
    struct mig_stmt *stmt;

    (void)user;
    cr_assert_eq(mig_exec(out->db, "DELETE FROM t"), MIG_E_MISUSE);
    cr_assert_not_null(strstr(t.db.err.message, "load's callback"), "%s", t.db.err.message);
    cr_assert_eq(mig_prepare(out->db, "DELETE FROM t", &stmt), MIG_E_MISUSE);
    cr_assert_eq(mig_load(out->db, &(struct mig_load){SPEC, .next = meddles}), MIG_E_MISUSE);
    return MIG_OK;
}

Engines(load, a_callback_may_not_write)
{
    opened_exec(on, TABLE);
    run_load(on, &(struct mig_load){SPEC, .next = meddles});
}

/* The rows of a stream, each number raised by 1000. */
static mig_status raise_rows(struct mig_row *out, void *user)
{
    struct mig_stmt **stream = user;
    mig_status status = MIG_OK;

    if (!*stream)
        status = mig_query(out->db, "SELECT a, b FROM t ORDER BY a", stream);
    if (status >= 0)
        status = mig_step(*stream);
    if (status != MIG_ROW)
        return status;
    MIG_TRY(mig_set_int64(out, 0, mig_column_int64(*stream, 0) + 1000));
    MIG_TRY(mig_set_text(out, 1, mig_column_text(*stream, 1)));
    return MIG_ROW;
}

Engines(load, a_table_can_be_loaded_from_a_stream_of_itself)
{
    struct counter counter = {.end = 500};
    struct mig_stmt *stream = NULL;

    opened_exec(on, TABLE);
    run_load(on, &(struct mig_load){SPEC, .next = count_up, .user = &counter});
    run_load(on, &(struct mig_load){SPEC, .next = raise_rows, .user = &stream, .batch = 7});
    expect_rows(on, "SELECT COUNT(*), SUM(a), COUNT(b) FROM t", "1000|750500|668");
}

/* ---- modes -------------------------------------------------------------------------- */

static mig_status on_begin(void *ctx, const char *kind, const char *text, bool *skip,
                           struct mig_err *err)
{
    (void)ctx;
    (void)err;
    cr_assert_str_eq(text, "t\na, b");
    snprintf(t.kind, sizeof t.kind, "%s", kind);
    *skip = t.skip;
    return MIG_OK;
}

static mig_status on_end(void *ctx, struct mig_err *err)
{
    (void)ctx;
    (void)err;
    t.ended++;
    return MIG_OK;
}

Engines(load, in_a_durable_migration_a_load_is_one_step)
{
    struct counter counter = {.end = 9};
    const struct mig_load spec = {SPEC, .next = count_up, .user = &counter, .batch = 2};

    opened_exec(on, TABLE);
    db_of_test(on);
    t.db.config.mode = MIG_DURABLE;
    t.db.config.step_begin = on_begin;
    t.db.config.step_end = on_end;
    cr_assert_eq(mig_load(db_handle(&t.db), &spec), MIG_OK);
    cr_assert_str_eq(t.kind, "load");
    cr_assert_eq(t.ended, 1);
    t.skip = true;
    counter.at = 0;
    cr_assert_eq(mig_load(db_handle(&t.db), &spec), MIG_OK);
    cr_assert_eq(counter.at, 0, "a step that is done was run again");
    db_close(&t.db);
    expect_rows(on, "SELECT COUNT(*) FROM t", "9");
}

Engines(load, without_a_transaction_each_batch_is_one)
{
    struct counter counter = {.end = 9, .wrong = 6};

    opened_exec(on, TABLE);
    db_of_test(on);
    t.db.config.mode = MIG_NONE;
    cr_assert_eq(mig_load(db_handle(&t.db),
                          &(struct mig_load){SPEC, .next = count_up, .user = &counter, .batch = 4}),
                 MIG_E_CONSTRAINT);
    db_close(&t.db);
    expect_rows(on, "SELECT COUNT(*) FROM t", "4");
}
