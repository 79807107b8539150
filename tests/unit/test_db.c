/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handle that a module is given, on a real SQLite database in memory: what
 * it answers, what it refuses and with which words, and what it makes of the
 * status that up() returns.
 */
#include "core/db.h"
#include "core/db_sql.h"
#include "core/driver.h"

#include <criterion/criterion.h>

#include "support.h"

struct counts {
    int begun;
    int ended;
    bool skip;
    int progress;
    int64_t done;
    char log[MIG_TEXT_MAX + 1];
    mig_status cancel;
};

static struct {
    struct driver *driver;
    struct mig_conn *conn;
    struct db db;
    struct db_config config;
    struct counts counts;
} t;

static void on_log(void *ctx, enum mig_level level, const char *text)
{
    (void)ctx;
    (void)level;
    snprintf(t.counts.log, sizeof t.counts.log, "%s", text);
}

static void on_progress(void *ctx, int64_t done, int64_t total)
{
    (void)ctx;
    (void)total;
    t.counts.progress++;
    t.counts.done = done;
}

static mig_status on_cancelled(void *ctx)
{
    (void)ctx;
    return t.counts.cancel;
}

static mig_status on_step_begin(void *ctx, const char *kind, const char *text, bool *skip,
                                struct mig_err *err)
{
    (void)ctx;
    (void)err;
    cr_assert(*kind && *text);
    t.counts.begun++;
    *skip = t.counts.skip;
    return MIG_OK;
}

static mig_status on_step_end(void *ctx, struct mig_err *err)
{
    (void)ctx;
    (void)err;
    t.counts.ended++;
    return MIG_OK;
}

static void set_up(void)
{
    static const struct mig_driver_config config = {
        .size = sizeof config, .flags = MIG_OPEN_CREATE, .url = "sqlite::memory:"};
    static const char *const params[] = {"greeting=hello=you", "empty=", NULL};
    static const char *const secrets[] = {"key=open sesame", "empty=not", NULL};
    struct mig_err err;

    err_clear(&err);
    cr_assert_eq(driver_open(config.url, MIGHOST_BUILD "/lib/mighost", &t.driver, &err), MIG_OK,
                 "%s", err.message);
    cr_assert_eq(t.driver->api->open(&config, &t.conn, &err), MIG_OK, "%s", err.message);
    t.config = (struct db_config){.driver = t.driver->api,
                                  .conn = t.conn,
                                  .params = params,
                                  .secrets = secrets,
                                  .log = on_log,
                                  .progress = on_progress,
                                  .cancelled = on_cancelled};
    db_open(&t.db, &t.config);
}

static void tear_down(void)
{
    db_close(&t.db);
    t.driver->api->close(t.conn);
    driver_close(t.driver);
}

static void open_durable(void)
{
    db_close(&t.db);
    t.config.mode = MIG_DURABLE;
    t.config.step_begin = on_step_begin;
    t.config.step_end = on_step_end;
    db_open(&t.db, &t.config);
}

static struct mig_db *db(void)
{
    return db_handle(&t.db);
}

static void must(const char *sql)
{
    cr_assert_eq(mig_exec(db(), sql), MIG_OK, "%s: %s", sql, t.db.err.message);
}

static void holds(const char *text, const char *piece)
{
    cr_assert_not_null(strstr(text, piece), "'%s' is not in: %s", piece, text);
}

/* The sentence that the status ends in. */
static const char *outcome(mig_status returned, mig_status expected)
{
    static struct mig_err err;

    cr_assert_eq(db_outcome(&t.db, returned, &err), expected);
    cr_assert_eq(err.status, expected);
    return err.message;
}

TestSuite(db, .init = set_up, .fini = tear_down);

Test(db, values_of_every_type_come_back)
{
    static const unsigned char blob[] = {0, 1, 255};
    struct mig_stmt *stmt;
    const void *data;
    size_t len;

    must("CREATE TABLE t (a INTEGER, b REAL, c TEXT, d BLOB, e TEXT)");
    cr_assert_eq(mig_prepare(db(), "INSERT INTO t VALUES ($1, $2, $3, $4, $5)", &stmt), MIG_OK);
    cr_assert_eq(mig_bind_int64(stmt, 1, INT64_MIN), MIG_OK);
    cr_assert_eq(mig_bind_double(stmt, 2, 0.5), MIG_OK);
    cr_assert_eq(mig_bind_text(stmt, 3, "r\xc3\xa4udig"), MIG_OK);
    cr_assert_eq(mig_bind_blob(stmt, 4, blob, sizeof blob), MIG_OK);
    cr_assert_eq(mig_bind_null(stmt, 5), MIG_OK);
    cr_assert_eq(mig_step(stmt), MIG_OK);
    cr_assert_eq(mig_changes(db()), 1);
    mig_finalize(stmt);

    cr_assert_eq(mig_query(db(), "SELECT * FROM t", &stmt), MIG_OK);
    cr_assert_eq(mig_step(stmt), MIG_ROW);
    cr_assert_eq(mig_column_count(stmt), 5);
    cr_assert_str_eq(mig_column_name(stmt, 3), "d");
    cr_assert_null(mig_column_name(stmt, 5));
    cr_assert_eq(mig_column_int64(stmt, 0), INT64_MIN);
    cr_assert_eq(mig_column_type(stmt, 1), MIG_DOUBLE);
    cr_assert_str_eq(mig_column_text(stmt, 2), "r\xc3\xa4udig");
    data = mig_column_blob(stmt, 3, &len);
    cr_assert_eq(len, sizeof blob);
    cr_assert_arr_eq(data, blob, sizeof blob);
    cr_assert_eq(mig_column_type(stmt, 4), MIG_NULL);
    cr_assert_eq(mig_step(stmt), MIG_OK);
    mig_finalize(stmt);
}

Test(db, a_statement_runs_again_after_a_reset)
{
    struct mig_stmt *stmt;

    must("CREATE TABLE t (a INTEGER)");
    cr_assert_eq(mig_prepare(db(), "INSERT INTO t VALUES ($1)", &stmt), MIG_OK);
    cr_assert_eq(mig_bind_int64(stmt, 1, 7), MIG_OK);
    cr_assert_eq(mig_step(stmt), MIG_OK);
    cr_assert_eq(mig_step(stmt), MIG_E_MISUSE);
    holds(outcome(MIG_E_MISUSE, MIG_E_MISUSE), "mig_reset()");
    cr_assert_eq(mig_reset(stmt), MIG_OK);
    cr_assert_eq(mig_step(stmt), MIG_OK);
    mig_finalize(stmt);
    cr_assert_eq(mig_query(db(), "SELECT count(*), sum(a) FROM t", &stmt), MIG_OK);
    cr_assert_eq(mig_step(stmt), MIG_ROW);
    cr_assert_eq(mig_column_int64(stmt, 0), 2);
    cr_assert_eq(mig_column_int64(stmt, 1), 14);
}

Test(db, transaction_control_is_refused)
{
    static const char *const texts[] = {"COMMIT", "/* x */ begin immediate",
                                        "CREATE TABLE a (x INTEGER); ROLLBACK", "SAVEPOINT s"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_assert_eq(mig_exec(db(), texts[i]), MIG_E_MISUSE, "%s", texts[i]);
    holds(outcome(MIG_E_MISUSE, MIG_E_MISUSE), "the host owns the transaction");
    must("CREATE TABLE a (x TEXT DEFAULT 'COMMIT; ROLLBACK')");
}

Test(db, an_error_names_its_statement)
{
    cr_assert_lt(mig_exec(db(), "CREATE TABLE t (a INTEGER);\n\n  INSERT   INTO\n none VALUES (1)"),
                 0);
    holds(outcome(t.db.err.status, t.db.err.status), "in statement 'INSERT INTO none VALUES (1)'");
}

Test(db, a_long_statement_is_cut_at_a_whole_character)
{
    char sql[1000] = "SELECT '";
    char excerpt[DB_EXCERPT];
    size_t bad;

    for (size_t i = 8; i + 2 < sizeof sql - 2; i += 2)
        memcpy(sql + i, "\xc3\xa4", 3);
    for (size_t len = 100; len < 300; len++) {
        db_excerpt(excerpt, sql, len);
        cr_assert_lt(strlen(excerpt), sizeof excerpt);
        bad = strlen(excerpt);
        if (len > 140)
            cr_assert_str_eq(excerpt + bad - 3, "...");
    }
}

Test(db, the_modules_own_words_come_first_and_the_databases_behind_them)
{
    mig_status status = mig_exec(db(), "INSERT INTO none VALUES (1)");

    cr_assert_lt(status, 0);
    cr_assert_eq(mig_fail(db(), "cannot fill %s", "it"), MIG_E_FAILED);
    holds(outcome(MIG_E_FAILED, MIG_E_FAILED), "cannot fill it; the database said: ");
}

Test(db, an_error_that_was_dealt_with_is_not_brought_up_again)
{
    cr_assert_lt(mig_exec(db(), "INSERT INTO none VALUES (1)"), 0);
    must("CREATE TABLE t (a INTEGER)");
    cr_assert_eq(mig_fail(db(), "for another reason"), MIG_E_FAILED);
    cr_assert_str_eq(outcome(MIG_E_FAILED, MIG_E_FAILED), "for another reason");
}

Test(db, an_error_that_is_returned_late_is_still_told)
{
    mig_status status = mig_exec(db(), "INSERT INTO none VALUES (1)");

    must("CREATE TABLE t (a INTEGER)");
    holds(outcome(status, status), "none");
}

Test(db, the_first_reason_outlives_what_follows_from_it)
{
    struct mig_err first, then;

    err_set(&first, MIG_E_CONSTRAINT, "the real reason");
    err_set(&then, MIG_E_SQL, "current transaction is aborted");
    memcpy(then.sqlstate, "25P02", 6);
    db_failed(&t.db, &first);
    db_failed(&t.db, &then);
    holds(outcome(MIG_E_SQL, MIG_E_SQL), "the real reason");
}

Test(db, an_unknown_status_is_a_failure_with_its_number)
{
    holds(outcome(4711, MIG_E_FAILED), "4711");
    holds(outcome(-4711, MIG_E_FAILED), "-4711");
    holds(outcome(MIG_ROW, MIG_E_FAILED), "it returned 1");
}

Test(db, a_status_without_a_reason_is_told_in_words)
{
    holds(outcome(MIG_E_TYPE, MIG_E_TYPE), "MIG_E_TYPE");
}

Test(db, a_module_cannot_claim_what_only_the_host_knows)
{
    outcome(MIG_E_BUSY, MIG_E_FAILED);
    outcome(MIG_E_USAGE, MIG_E_FAILED);
    outcome(MIG_E_CRASHED, MIG_E_FAILED);
    outcome(MIG_E_INTERRUPTED, MIG_E_FAILED);
}

Test(db, success_after_an_ignored_error_is_success)
{
    struct mig_err err;

    cr_assert_lt(mig_exec(db(), "INSERT INTO none VALUES (1)"), 0);
    cr_assert_eq(db_outcome(&t.db, MIG_OK, &err), MIG_OK);
}

Test(db, a_statement_used_after_its_end_answers_misuse)
{
    struct mig_stmt *stmt;
    struct mig_value value;

    cr_assert_eq(mig_prepare(db(), "SELECT 1", &stmt), MIG_OK);
    mig_finalize(stmt);
    cr_assert_eq(mig_step(stmt), MIG_E_MISUSE);
    cr_assert_eq(mig_column(stmt, 0, &value), MIG_E_MISUSE);
    cr_assert_eq(mig_column_count(stmt), 0);
    mig_finalize(stmt);
    holds(outcome(MIG_E_MISUSE, MIG_E_MISUSE), "after mig_finalize()");
}

Test(db, thousands_of_statements_leave_nothing_behind)
{
    for (int i = 0; i < 5000; i++) {
        struct mig_stmt *stmt;

        cr_assert_eq(mig_prepare(db(), "SELECT 1", &stmt), MIG_OK);
        mig_finalize(stmt);
    }
}

Test(db, statements_left_open_are_closed_with_the_handle)
{
    struct mig_stmt *one, *two;

    must("CREATE TABLE t (a INTEGER)");
    must("INSERT INTO t VALUES (1), (2)");
    cr_assert_eq(mig_query(db(), "SELECT a FROM t", &one), MIG_OK);
    cr_assert_eq(mig_query(db(), "SELECT a FROM t", &two), MIG_OK);
    cr_assert_eq(mig_step(one), MIG_ROW);
    db_close(&t.db);
    db_open(&t.db, &t.config);
    must("DROP TABLE t");
}

Test(db, wrong_calls_answer_statuses)
{
    struct mig_stmt *stmt;
    struct mig_value value = {.type = (enum mig_type)99};

    cr_assert_eq(mig_exec(db(), NULL), MIG_E_MISUSE);
    cr_assert_eq(mig_prepare(db(), NULL, &stmt), MIG_E_MISUSE);
    cr_assert_eq(mig_prepare(db(), "SELECT 1", NULL), MIG_E_MISUSE);
    cr_assert_eq(mig_prepare(db(), "SELECT $1", &stmt), MIG_OK);
    cr_assert_eq(mig_bind(stmt, 1, NULL), MIG_E_MISUSE);
    cr_assert_eq(mig_bind(stmt, 1, &value), MIG_E_TYPE);
    value.type = MIG_TEXT;
    value.len = 5;
    cr_assert_eq(mig_bind(stmt, 1, &value), MIG_E_MISUSE);
    cr_assert_eq(mig_bind_int64(stmt, 0, 1), MIG_E_RANGE);
    cr_assert_lt(mig_bind_int64(stmt, 2, 1), 0);
    cr_assert_eq(mig_column(stmt, 0, &value), MIG_E_MISUSE);
    cr_assert_eq(mig_step(stmt), MIG_ROW);
    cr_assert_eq(mig_column(stmt, 0, NULL), MIG_E_MISUSE);
    cr_assert_eq(mig_column(stmt, 1, &value), MIG_E_RANGE);
    cr_assert_eq(mig_column(stmt, -1, &value), MIG_E_RANGE);
    cr_assert_eq(mig_transform(db(), NULL), MIG_E_UNSUPPORTED);
    holds(t.db.err.message, "mig_transform() is not available");
    cr_assert_null(mig_param(db(), NULL));
    cr_assert_null(mig_native(db(), NULL));
    db()->api->log(db(), MIG_INFO, NULL);
    db()->api->fail(db(), NULL);
}

Test(db, parameters_are_found_by_their_whole_name)
{
    cr_assert_str_eq(mig_param(db(), "greeting"), "hello=you");
    cr_assert_str_eq(mig_param(db(), "empty"), "");
    cr_assert_str_eq(mig_param(db(), "key"), "open sesame");
    cr_assert_null(mig_param(db(), "greet"));
    cr_assert_null(mig_param(db(), "greeting=hello"));
    cr_assert_null(mig_param(db(), ""));
}

Test(db, the_native_handle_is_given_for_the_right_engine_alone)
{
    cr_assert_not_null(mig_native(db(), "sqlite"));
    cr_assert_null(mig_native(db(), "postgres"));
    cr_assert_str_eq(mig_engine(db()), "sqlite");
    cr_assert_eq(mig_engine_version(db())[0], '3');
}

Test(db, sha256_is_the_standards)
{
    char hex[MIG_SHA256_HEX];

    mig_sha256_hex(db(), "abc", hex);
    cr_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

Test(db, sha256_takes_bytes_and_each_call_begins_anew)
{
    unsigned char first[MIG_SHA256_BYTES], second[MIG_SHA256_BYTES];
    char hex[MIG_SHA256_HEX];

    mig_sha256(db(), "a\0b", 3, first);
    mig_hex(first, sizeof first, hex);
    cr_assert_str_eq(hex, "59b271ae1bbcb1d31d41929817f4b16fb439eb4f31520b5ad1d5ce98920a7138");
    mig_sha256(db(), "", 0, second);
    mig_hex(second, sizeof second, hex);
    cr_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    mig_sha256(db(), NULL, 0, second);
    mig_hex(second, sizeof second, hex);
    cr_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    mig_sha256(db(), "a\0b", 3, second);
    cr_assert_arr_eq(first, second, sizeof first);
}

Test(db, text_of_the_module_is_cut_and_made_utf8)
{
    static char text[1 << 20];

    memset(text, 'x', sizeof text - 1);
    memcpy(text, "a\xff\x1b[31m\nb", 9);
    db()->api->fail(db(), text);
    cr_assert_lt(strlen(t.db.fail), MIG_TEXT_MAX);
    cr_assert_eq(strncmp(t.db.fail, "a\xEF\xBF\xBD\x1b[31m b", 11), 0);
    db()->api->log(db(), (enum mig_level)99, text);
    cr_assert_lt(strlen(t.counts.log), MIG_TEXT_MAX);
}

Test(db, progress_is_reported_seldom_but_at_last)
{
    for (int64_t i = 1; i <= 100000; i++)
        mig_progress(db(), i, 100000);
    cr_assert_leq(t.counts.progress, 20);
    db_close(&t.db);
    cr_assert_eq(t.counts.done, 100000);
}

Test(db, what_is_said_of_progress_can_be_reckoned_with)
{
    mig_progress(db(), INT64_MAX, INT64_MAX);
    db_close(&t.db);
    cr_assert_leq(t.counts.done, INT64_MAX / 1000);
    cr_assert_gt(t.counts.done, 0);
}

Test(db, a_wish_to_end_is_answered_to_every_call)
{
    struct mig_stmt *stmt;

    cr_assert_eq(mig_prepare(db(), "SELECT 1", &stmt), MIG_OK);
    t.counts.cancel = MIG_E_TERMINATED;
    cr_assert_eq(mig_step(stmt), MIG_E_TERMINATED);
    t.counts.cancel = MIG_OK;
    cr_assert_eq(mig_exec(db(), "CREATE TABLE t (a INTEGER)"), MIG_E_TERMINATED);
    outcome(MIG_OK, MIG_E_TERMINATED);
}

Test(db, in_a_durable_migration_each_call_is_a_step)
{
    open_durable();
    must("CREATE TABLE t (a INTEGER); CREATE INDEX i ON t (a)");
    cr_assert_eq(t.counts.begun, 1);
    cr_assert_eq(t.counts.ended, 1);
    t.counts.skip = true;
    must("CREATE TABLE t (a INTEGER)");
    cr_assert_eq(t.counts.begun, 2);
    cr_assert_eq(t.counts.ended, 1);
}

Test(db, after_a_failed_step_no_other_is_taken)
{
    open_durable();
    cr_assert_lt(mig_exec(db(), "INSERT INTO none VALUES (1)"), 0);
    cr_assert_lt(mig_exec(db(), "CREATE TABLE t (a INTEGER)"), 0);
    cr_assert_eq(t.counts.begun, 1);
    cr_assert_eq(t.counts.ended, 0);
    holds(outcome(MIG_OK, t.db.final), "none");
}

Test(db, in_a_durable_migration_a_prepared_statement_only_reads)
{
    static const char *const reads[] = {
        "SELECT replace(a, 'delete', '') FROM t",
        " -- INSERT\nselect \"update\" FROM (SELECT 1 AS \"update\")",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "VALUES (1)",
        "PRAGMA table_info(t)",
        "PRAGMA main.index_list(t)",
        "EXPLAIN SELECT 1"};
    static const char *const writes[] = {"INSERT INTO t VALUES (1)",
                                         "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
                                         "PRAGMA user_version = 3",
                                         "PRAGMA user_version(3)",
                                         "PRAGMA journal_mode",
                                         "DELETE FROM t",
                                         ""};
    struct mig_stmt *stmt;

    open_durable();
    must("CREATE TABLE t (a INTEGER)");
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++)
        cr_assert_eq(mig_prepare(db(), reads[i], &stmt), MIG_OK, "%s: %s", reads[i],
                     t.db.err.message);
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++)
        cr_assert_lt(mig_prepare(db(), writes[i], &stmt), 0, "%s", writes[i]);
    cr_assert_eq(mig_prepare(db(), writes[0], &stmt), MIG_E_MISUSE);
    holds(outcome(MIG_E_MISUSE, MIG_E_MISUSE), "mig_transform()");
}

static mig_status on_transform(struct db *own, const struct mig_transform *spec,
                               struct mig_err *err)
{
    struct mig_stmt *stmt;

    (void)own;
    (void)err;
    cr_assert_eq(mig_exec(db(), "CREATE TABLE t (a INTEGER)"), MIG_E_MISUSE);
    cr_assert_eq(mig_transform(db(), spec), MIG_E_MISUSE);
    cr_assert_eq(mig_prepare(db(), "DELETE FROM s", &stmt), MIG_E_MISUSE);
    cr_assert_eq(mig_prepare(db(), "SELECT 1", &stmt), MIG_OK);
    return MIG_OK;
}

static mig_status map_nothing(const struct mig_row *in, struct mig_row *out, void *user)
{
    (void)in;
    (void)out;
    (void)user;
    return MIG_OK;
}

Test(db, a_transforms_callback_may_only_read)
{
    const struct mig_transform spec = {
        .size = sizeof spec, .table = "t", .read = "a", .write = "b", .map = map_nothing};

    t.config.transform = on_transform;
    open_durable();
    cr_assert_eq(mig_transform(db(), &spec), MIG_OK);
    cr_assert_eq(t.counts.ended, 1);
}

Test(db, an_incomplete_transform_is_refused)
{
    struct mig_transform spec = {0};

    t.config.transform = on_transform;
    open_durable();
    cr_assert_eq(mig_transform(db(), NULL), MIG_E_MISUSE);
    cr_assert_eq(mig_transform(db(), &spec), MIG_E_MISUSE);
    spec.size = sizeof spec;
    cr_assert_eq(mig_transform(db(), &spec), MIG_E_MISUSE);
    cr_assert_eq(t.counts.begun, 0);
}
