/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal of durable migrations on real databases: what is skipped, what
 * is run again, what is refused. A run that is cut is played by closing it in
 * the middle: what was not committed is gone, as after a kill.
 */
#include "durable.h"
#include "opened.h"

#define ID 20240101000001

static void count_steps(void *arg, int64_t finished)
{
    *(int64_t *)arg = finished;
}

static struct durable durable_of(struct opened *on)
{
    return (struct durable){
        .driver = on->driver,
        .conn = on->conn,
        .history = on->history,
        .id = ID,
        .tx = {.size = sizeof(struct mig_tx_options)},
        .batch = {.size = sizeof(struct mig_tx_options)},
    };
}

static struct durable begun(struct opened *on)
{
    struct durable durable = durable_of(on);

    expect_status(on, durable_open(&durable, &on->err), MIG_OK);
    return durable;
}

/* Mends the cause of a failure behind so many attempts. */
struct mender {
    struct opened *on;
    int64_t finished;
    int attempts;
    int mends_at;
};

static void count_mended(void *arg, int64_t finished)
{
    ((struct mender *)arg)->finished = finished;
}

static mig_status mend(void *arg, int attempt, struct mig_err *err)
{
    struct mender *mender = arg;

    cr_assert_not(mender->on->driver->in_tx(mender->on->conn));
    mender->attempts = attempt;
    if (attempt < mender->mends_at)
        return MIG_OK;
    if (attempt > mender->mends_at)
        return err->status;
    opened_exec(mender->on, "CREATE TABLE later (a INTEGER)");
    return MIG_OK;
}

static mig_status run_with(struct opened *on, const char *text, struct durable *durable)
{
    const struct sql_source source = {
        .name = "x.up.sql", .data = text, .fd = -1, .len = (int64_t)strlen(text)};
    const struct script script = {.driver = on->driver,
                                  .conn = on->conn,
                                  .source = &source,
                                  .protect = history_prefix(on->history)};
    mig_status status;

    expect_status(on, durable_open(durable, &on->err), MIG_OK);
    status = durable_run(durable, &script, &on->err);
    durable_close(durable);
    return status;
}

static mig_status run_mended(struct opened *on, const char *text, struct mender *mender)
{
    struct durable durable = durable_of(on);

    durable.on_step = count_mended;
    durable.again = mend;
    durable.arg = mender;
    return run_with(on, text, &durable);
}

static mig_status run_source(struct opened *on, const char *text, int64_t *finished)
{
    struct durable durable = durable_of(on);

    durable.on_step = count_steps;
    durable.arg = finished;
    *finished = 0;
    return run_with(on, text, &durable);
}

/* Begins the next step, which must not be skipped, and runs `sql` in it. */
static void step(struct opened *on, struct durable *durable, const char *sql)
{
    bool skip = true;

    expect_status(on, durable_begin(durable, "exec", sql, strlen(sql), &skip, &on->err), MIG_OK);
    cr_assert_not(skip);
    opened_exec(on, sql);
}

/* A transform's batch is done: commits it, and begins the next. */
static mig_status advance(struct durable *durable, const char *cursor, int64_t done,
                          struct mig_err *err)
{
    const struct journal_row mark = {
        .cursor = cursor, .done = done, .rejected = done / 2, .total = 9};

    MIG_TRY(durable_commit(durable, &mark, err));
    return durable_next(durable, err);
}

Engines(durable, each_statement_is_a_step_and_its_journal_says_so)
{
    int64_t finished;

    expect_status(
        on,
        run_source(on, "CREATE TABLE t (a INTEGER);\n-- and\nINSERT INTO t VALUES (1);", &finished),
        MIG_OK);
    cr_assert_eq(finished, 2);
    expect_rows(on, "SELECT step, finished, kind FROM mighost_journal ORDER BY step",
                "1|1|sql\n2|1|sql");
}

Engines(durable, finished_steps_are_skipped_and_the_failed_one_is_run_again)
{
    const char text[] = "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1);"
                        " INSERT INTO later VALUES (2); INSERT INTO t VALUES (3);";
    int64_t finished;

    cr_assert_lt(run_source(on, text, &finished), 0);
    expect_says(on, "later");
    cr_assert(strstr(on->err.where, "x.up.sql:1:"), "%s", on->err.where);
    cr_assert_eq(finished, 2);
    cr_assert_not(on->driver->in_tx(on->conn));
    opened_exec(on, "CREATE TABLE later (a INTEGER)");
    expect_status(on, run_source(on, text, &finished), MIG_OK);
    cr_assert_eq(finished, 4);
    expect_rows(on, "SELECT a FROM t ORDER BY a", "1\n3");
    expect_rows(on, "SELECT a FROM later", "2");
}

Engines(durable, a_statement_is_tried_again_for_as_long_as_the_owner_wants)
{
    const char text[] = "CREATE TABLE t (a INTEGER); INSERT INTO later VALUES (2);"
                        " INSERT INTO t VALUES (3);";
    struct mender mender = {.on = on, .mends_at = 3};

    expect_status(on, run_mended(on, text, &mender), MIG_OK);
    cr_assert_eq(mender.attempts, 3);
    cr_assert_eq(mender.finished, 3);
    expect_rows(on, "SELECT a FROM later", "2");
    expect_rows(on, "SELECT step, finished FROM mighost_journal ORDER BY step", "1|1\n2|1\n3|1");
}

/* Counts how transactions begin, in place of the engine's own driver. */
static const struct mig_driver *counted;
static struct mig_driver counting;
static int relaxed;
static int strict;

static mig_status count_begin(struct mig_conn *conn, const struct mig_tx_options *options,
                              struct mig_err *err)
{
    ++*(options->relaxed ? &relaxed : &strict);
    return counted->begin(conn, options, err);
}

static void count_begins(struct opened *on)
{
    counted = on->driver;
    counting = *counted;
    counting.begin = count_begin;
    on->driver = &counting;
    relaxed = strict = 0;
}

Engines(durable, statements_wait_for_the_disk_also_when_they_are_tried_again)
{
    struct mender mender = {.on = on, .mends_at = 2};

    count_begins(on);
    expect_status(
        on, run_mended(on, "CREATE TABLE t (a INTEGER); INSERT INTO later VALUES (2);", &mender),
        MIG_OK);
    cr_assert_eq(strict, 4);
    cr_assert_eq(relaxed, 0);
}

Engines(durable, batches_behind_the_first_need_not_wait_for_the_disk)
{
    struct durable durable;

    count_begins(on);
    durable = begun(on);
    step(on, &durable, "CREATE TABLE t (a INTEGER)");
    expect_status(on, advance(&durable, "1", 1, &on->err), MIG_OK);
    expect_status(on, advance(&durable, "2", 2, &on->err), MIG_OK);
    expect_status(on, durable_end(&durable, &on->err), MIG_OK);
    durable_close(&durable);
    cr_assert_eq(strict, 1);
    cr_assert_eq(relaxed, 2);
}

Engines(durable, a_statement_that_is_given_up_is_not_in_the_journal)
{
    const char text[] = "CREATE TABLE t (a INTEGER); INSERT INTO nowhere VALUES (2);";
    struct mender mender = {.on = on, .mends_at = 1};

    cr_assert_lt(run_mended(on, text, &mender), 0);
    cr_assert_eq(mender.attempts, 2);
    expect_says(on, "nowhere");
    expect_rows(on, "SELECT step, finished FROM mighost_journal ORDER BY step", "1|1");
}

Engines(durable, another_text_for_a_finished_step_is_refused_with_both_fingerprints)
{
    int64_t finished;

    cr_assert_lt(
        run_source(on, "CREATE TABLE t (a INTEGER); INSERT INTO nowhere VALUES (1);", &finished),
        0);
    expect_status(on, run_source(on, "CREATE TABLE t (b INTEGER);", &finished), MIG_E_HISTORY);
    expect_says(on, "step 1");
    expect_says(on, "..., now sql ");
    expect_says(on, "nothing was run");
    expect_rows(on, "SELECT COUNT(*) FROM t", "0");
}

Engines(durable, the_text_of_a_step_that_never_finished_may_change)
{
    int64_t finished;

    cr_assert_lt(
        run_source(on, "CREATE TABLE t (a INTEGER); INSERT INTO nowhere VALUES (1);", &finished),
        0);
    expect_status(
        on, run_source(on, "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1);", &finished),
        MIG_OK);
    expect_rows(on, "SELECT a FROM t", "1");
}

Engines(durable, blanks_and_comments_between_statements_are_no_change)
{
    int64_t finished;

    cr_assert_lt(
        run_source(on, "CREATE TABLE t (a INTEGER); INSERT INTO nowhere VALUES (1);", &finished),
        0);
    opened_exec(on, "CREATE TABLE nowhere (a INTEGER)");
    expect_status(on,
                  run_source(on,
                             "-- new words\n\n  CREATE TABLE t (a INTEGER);\n\n"
                             "/* more */ INSERT INTO nowhere VALUES (1);\n",
                             &finished),
                  MIG_OK);
}

Engines(durable, a_kind_is_part_of_the_fingerprint)
{
    struct durable durable = begun(on);
    const char sql[] = "CREATE TABLE t (a INTEGER)";
    bool skip;

    step(on, &durable, sql);
    expect_status(on, durable_end(&durable, &on->err), MIG_OK);
    durable_close(&durable);
    durable = begun(on);
    expect_status(on, durable_begin(&durable, "transform", sql, strlen(sql), &skip, &on->err),
                  MIG_E_HISTORY);
    durable_close(&durable);
    durable = begun(on);
    expect_status(on, durable_begin(&durable, "exec", sql, strlen(sql), &skip, &on->err), MIG_OK);
    cr_assert(skip);
    durable_close(&durable);
}

Engines(durable, a_step_that_was_cut_has_left_nothing)
{
    struct durable durable = begun(on);

    step(on, &durable, "CREATE TABLE t (a INTEGER)");
    durable_close(&durable);
    cr_assert_not(on->driver->in_tx(on->conn));
    expect_rows(on, "SELECT COUNT(*) FROM mighost_journal", "0");
    durable = begun(on);
    step(on, &durable, "CREATE TABLE t (a INTEGER)");
    expect_status(on, durable_end(&durable, &on->err), MIG_OK);
    durable_close(&durable);
}

Engines(durable, a_batch_and_its_cursor_stand_together)
{
    struct durable durable = begun(on);
    const char spec[] = "a transform";
    bool skip;

    step(on, &durable, "CREATE TABLE t (a INTEGER)");
    expect_status(on, durable_end(&durable, &on->err), MIG_OK);
    expect_status(on, durable_begin(&durable, "transform", spec, strlen(spec), &skip, &on->err),
                  MIG_OK);
    opened_exec(on, "INSERT INTO t VALUES (1)");
    expect_status(on, advance(&durable, "i1\n", 2, &on->err), MIG_OK);
    opened_exec(on, "INSERT INTO t VALUES (2)");
    durable_close(&durable); /* cut: the second batch is gone */
    expect_rows(on, "SELECT a FROM t", "1");
    expect_rows(on, "SELECT finished, done FROM mighost_journal WHERE step = 2", "0|2");

    durable = begun(on);
    expect_status(
        on, durable_begin(&durable, "exec", "CREATE TABLE t (a INTEGER)", 26, &skip, &on->err),
        MIG_OK);
    cr_assert(skip);
    expect_status(on, durable_begin(&durable, "transform", spec, strlen(spec), &skip, &on->err),
                  MIG_OK);
    cr_assert_not(skip);
    cr_assert_str_eq(durable.row.cursor, "i1\n");
    cr_assert_eq(durable.row.done, 2);
    cr_assert_eq(durable.row.rejected, 1);
    cr_assert_eq(durable.row.total, 9);
    expect_status(on, durable_end(&durable, &on->err), MIG_OK);
    durable_close(&durable);
    expect_rows(on, "SELECT finished FROM mighost_journal WHERE step = 2", "1");
}

Engines(durable, rows_that_are_done_bind_a_transform_to_its_text)
{
    struct durable durable = begun(on);
    bool skip;

    expect_status(on, durable_begin(&durable, "transform", "one", 3, &skip, &on->err), MIG_OK);
    expect_status(on, advance(&durable, "i1\n", 1, &on->err), MIG_OK);
    durable_close(&durable);
    durable = begun(on);
    expect_status(on, durable_begin(&durable, "transform", "two", 3, &skip, &on->err),
                  MIG_E_HISTORY);
    durable_close(&durable);
}

/* A host whose lock was lost does not know that another has gone on. */
Engines(durable, a_batch_that_another_host_has_done_is_taken_back)
{
    struct durable first = begun(on);
    struct durable second;
    const char spec[] = "a transform";
    bool skip;

    opened_exec(on, "CREATE TABLE t (a INTEGER)");
    expect_status(on, durable_begin(&first, "transform", spec, strlen(spec), &skip, &on->err),
                  MIG_OK);
    expect_status(on, advance(&first, "i1\n", 1, &on->err), MIG_OK);
    on->driver->rollback(on->conn);
    second = begun(on);
    expect_status(on, durable_begin(&second, "transform", spec, strlen(spec), &skip, &on->err),
                  MIG_OK);
    expect_status(on, advance(&second, "i2\n", 2, &on->err), MIG_OK);
    opened_exec(on, "INSERT INTO t VALUES (2)");
    expect_status(on, advance(&first, "i2\n", 2, &on->err), MIG_E_PARTIAL);
    expect_says(on, "step 1 was brought on by another host");
    cr_assert_eq(first.row.done, 1);
    cr_assert_str_eq(first.row.cursor, "i1\n");
    durable_close(&first);
    durable_close(&second);
    expect_rows(on, "SELECT COUNT(*) FROM t", "0");
    expect_rows(on, "SELECT done FROM mighost_journal", "2");
}

Engines(durable, a_step_that_another_host_has_finished_is_taken_back)
{
    struct durable first = begun(on);
    struct durable second = begun(on);

    opened_exec(on, "CREATE TABLE t (a INTEGER)");
    step(on, &first, "INSERT INTO t VALUES (1)");
    expect_status(on, durable_end(&first, &on->err), MIG_OK);
    step(on, &second, "INSERT INTO t VALUES (1)");
    expect_status(on, durable_end(&second, &on->err), MIG_E_PARTIAL);
    durable_close(&first);
    durable_close(&second);
    expect_rows(on, "SELECT a FROM t", "1");
}

Engines(durable, what_no_transaction_holds_is_run_on_its_own)
{
    int64_t finished;

    expect_status(
        on,
        run_source(on, "CREATE TABLE t (a INTEGER); VACUUM; INSERT INTO t VALUES (1)", &finished),
        MIG_OK);
    cr_assert_eq(finished, 3);
    expect_rows(on, "SELECT a FROM t", "1");
}

Engines(durable, what_a_step_sets_for_the_session_holds_for_those_behind_it)
{
    const char text[] = "CREATE SCHEMA app; set\n search_path = app; CREATE TABLE t (a INTEGER);"
                        " CREATE INDEX CONCURRENTLY i ON t (a); INSERT INTO later VALUES (1);"
                        " INSERT INTO t VALUES (1);";
    int64_t finished;

    if (on_engine(on, "sqlite"))
        return;
    cr_assert_lt(run_source(on, text, &finished), 0);
    expect_rows(on, "SELECT schemaname FROM pg_tables WHERE tablename = 't'", "app");
    opened_exec(on, "CREATE TABLE app.later (a INTEGER)");
    expect_status(on, run_source(on, text, &finished), MIG_OK);
    expect_rows(on, "SELECT (SELECT count(*) FROM app.t), (SELECT count(*) FROM app.later)", "1|1");
    expect_rows(on, "SELECT count(*) FROM pg_index WHERE indrelid = 'app.t'::regclass", "1");
}

Engines(durable, a_broken_index_is_found_where_the_session_puts_it)
{
    const char text[] = "SET search_path = app; CREATE UNIQUE INDEX CONCURRENTLY i ON t (a);";
    int64_t finished;

    if (on_engine(on, "sqlite"))
        return;
    opened_exec(on, "CREATE SCHEMA app; CREATE TABLE app.t (a INTEGER);"
                    " INSERT INTO app.t VALUES (1), (1)");
    cr_assert_lt(run_source(on, text, &finished), 0);
    opened_exec(on, "TRUNCATE app.t");
    expect_status(on, run_source(on, text, &finished), MIG_OK);
    expect_rows(on, "SELECT indisvalid FROM pg_index WHERE indrelid = 'app.t'::regclass", "t");
}

Engines(durable, a_pragma_holds_for_the_steps_behind_it)
{
    const char text[] = "PRAGMA case_sensitive_like = ON; CREATE TABLE t (a INTEGER);"
                        " INSERT INTO t SELECT 'a' LIKE 'A';";
    int64_t finished;

    if (on_engine(on, "postgres"))
        return;
    expect_status(on, run_source(on, text, &finished), MIG_OK);
    expect_rows(on, "SELECT a FROM t", "0");
}

/* Plays a kill between the statement's end and its record. */
static void forget_the_end_of_step(struct opened *on, int number)
{
    opened_exec(on, test_format("UPDATE mighost_journal SET finished = 0 WHERE step = %d", number));
}

Engines(durable, an_index_that_was_built_counts_as_finished)
{
    const char text[] = "CREATE TABLE t (a INTEGER); CREATE INDEX CONCURRENTLY i ON t (a);";
    int64_t finished;

    if (on_engine(on, "sqlite"))
        return; /* has no such statement */
    expect_status(on, run_source(on, text, &finished), MIG_OK);
    forget_the_end_of_step(on, 2);
    expect_status(on, run_source(on, text, &finished), MIG_OK);
    cr_assert_eq(finished, 2);
    expect_rows(on, "SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass", "1");
}

Engines(durable, a_broken_index_is_dropped_and_built_again)
{
    const char text[] = "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (1);"
                        " CREATE UNIQUE INDEX CONCURRENTLY i ON t (a);";
    int64_t finished;

    if (on_engine(on, "sqlite"))
        return;
    cr_assert_lt(run_source(on, text, &finished), 0);
    expect_rows(on, "SELECT indisvalid FROM pg_index WHERE indrelid = 't'::regclass", "f");
    opened_exec(on, "DELETE FROM t WHERE ctid = (SELECT max(ctid) FROM t)");
    expect_status(on, run_source(on, text, &finished), MIG_OK);
    expect_rows(on, "SELECT indisvalid FROM pg_index WHERE indrelid = 't'::regclass", "t");
}

Engines(durable, a_statement_that_took_its_place_is_run_whatever_was_there)
{
    int64_t finished;

    if (on_engine(on, "sqlite"))
        return;
    opened_exec(on, "CREATE TABLE t (a INTEGER)");
    cr_assert_lt(run_source(on, "CREATE INDEX CONCURRENTLY i ON t (nowhere);", &finished), 0);
    opened_exec(on, "CREATE INDEX j ON t (a)");
    cr_assert_lt(run_source(on, "CREATE INDEX CONCURRENTLY j ON t (a);", &finished), 0);
    expect_says(on, "exists");
    expect_status(on, run_source(on, "CREATE INDEX CONCURRENTLY i ON t (a);", &finished), MIG_OK);
}
