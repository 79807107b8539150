/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history's tables on real databases: making and recognising them, rows,
 * log, journal and carriers, and what is refused: a newer layout, a table of
 * somebody else, a carrier that was tampered with, names that would need more
 * quoting than is wise.
 */
#include "opened.h"
#include "sha256.h"

static const char hex_of_nothing[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static struct applied row_of(uint64_t id, const char *id_text)
{
    return (struct applied){
        .id = id,
        .id_text = id_text,
        .description = "it's; a \"name\"",
        .state = MIGHOST_RUNNING,
        .kind = MIGHOST_SQL,
        .mode = MIG_DURABLE,
        .checksum = hex_of_nothing,
        .carrier = "",
        .run_id = "run 1",
        .host_version = "9.9.9",
        .who = "someone@somewhere",
        .signer = hex_of_nothing,
    };
}

/* Inserts a row in a transaction that is committed. */
static void put(struct opened *on, uint64_t id, const char *id_text)
{
    struct applied row = row_of(id, id_text);

    opened_begin(on);
    expect_status(on, history_add(on->history, &row, &on->err), MIG_OK);
    opened_commit(on);
}

static mig_status find_state(struct opened *on, uint64_t id, enum mighost_state *out)
{
    AUTO(applied_list) struct applied_list *list = NULL;
    mig_status status = history_find(on->history, id, &list, &on->err);

    if (status == MIG_OK)
        *out = list->items[0].state;
    return status;
}

/* ---- the tables ------------------------------------------------------------- */

Engines(history, an_empty_database_has_none_and_its_list_is_empty)
{
    AUTO(history) struct history *other = NULL;
    AUTO(applied_list) struct applied_list *list = NULL;
    bool exists = true;

    expect_status(on, history_open(on->driver, on->conn, "other", &other, &on->err), MIG_OK);
    expect_status(on, history_exists(other, &exists, &on->err), MIG_OK);
    cr_assert_not(exists);
    expect_status(on, history_load(other, &list, &on->err), MIG_OK);
    cr_assert_eq(list->count, 0);
    expect_status(on, history_create(other, &on->err), MIG_OK);
    expect_status(on, history_exists(other, &exists, &on->err), MIG_OK);
    cr_assert(exists);
    cr_assert_str_eq(history_prefix(other), "other");
    expect_rows(on, "SELECT value FROM other_meta WHERE key = 'layout'", "1");
}

Engines(history, it_may_live_in_a_schema_of_its_own)
{
    AUTO(history) struct history *other = NULL;
    const char *prefix = on_engine(on, "sqlite") ? "main.ops" : "ops.mine";

    if (on_engine(on, "postgres"))
        opened_exec(on, "CREATE SCHEMA ops");
    expect_status(on, history_open(on->driver, on->conn, prefix, &other, &on->err), MIG_OK);
    expect_status(on, history_create(other, &on->err), MIG_OK);
    expect_rows(on,
                on_engine(on, "sqlite") ? "SELECT COUNT(*) FROM ops_history"
                                        : "SELECT count(*) FROM ops.mine_history",
                "0");
}

Engines(history, a_newer_layout_is_refused_and_left_alone)
{
    AUTO(applied_list) struct applied_list *list = NULL;
    bool exists;

    opened_exec(on, "UPDATE mighost_meta SET value = '2'");
    expect_status(on, history_exists(on->history, &exists, &on->err), MIG_E_HISTORY);
    expect_says(on, "layout 2");
    expect_says(on, "nothing was changed");
    expect_status(on, history_load(on->history, &list, &on->err), MIG_E_HISTORY);
    cr_assert_null(list);
}

Engines(history, a_layout_that_is_no_number_is_refused)
{
    bool exists;

    opened_exec(on, "UPDATE mighost_meta SET value = 'tampered'");
    expect_status(on, history_exists(on->history, &exists, &on->err), MIG_E_HISTORY);
    opened_exec(on, "DELETE FROM mighost_meta");
    expect_status(on, history_exists(on->history, &exists, &on->err), MIG_E_HISTORY);
}

Engines(history, tables_that_must_be_there_are_checked_without_being_looked_for)
{
    AUTO(history) struct history *other = NULL;

    expect_status(on, history_check(on->history, &on->err), MIG_OK);
    opened_exec(on, "UPDATE mighost_meta SET value = '2'");
    expect_status(on, history_check(on->history, &on->err), MIG_E_HISTORY);
    expect_status(on, history_open(on->driver, on->conn, "other", &other, &on->err), MIG_OK);
    cr_assert_lt(history_check(other, &on->err), 0);
}

Engines(history, a_table_of_somebody_else_is_refused_and_left_alone)
{
    AUTO(history) struct history *other = NULL;
    bool exists;

    opened_exec(on, "CREATE TABLE other_history (version BIGINT)");
    expect_status(on, history_open(on->driver, on->conn, "other", &other, &on->err), MIG_OK);
    expect_status(on, history_exists(other, &exists, &on->err), MIG_E_HISTORY);
    expect_says(on, "other_history");
    expect_says(on, "--history-table");
}

Test(history, a_prefix_is_a_plain_name_or_two)
{
    static const char *const good[] = {"mighost", "_a1", "ops.mighost", "A_b"};
    static const char *const bad[] = {"",     "1a",    "a b", "a;b",    "a\"b", ".a",
                                      "ops.", "a.b.c", "a-b", "\u00e4", "a'"};
    struct mig_err err;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_assert_eq(history_check_prefix(good[i], &err), MIG_OK, "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_eq(history_check_prefix(bad[i], &err), MIG_E_USAGE, "%s", bad[i]);
    cr_assert_eq(history_check_prefix("a234567890123456789012345678901234567890123456789012345"
                                      "678901234567890",
                                      &err),
                 MIG_E_USAGE);
}

/* ---- rows ------------------------------------------------------------------------ */

Engines(history, a_row_comes_back_as_it_was_put)
{
    AUTO(applied_list) struct applied_list *list = NULL;
    const struct applied *row;

    put(on, 7, "0007");
    put(on, 999999999999999999, "999999999999999999");
    expect_status(on, history_load(on->history, &list, &on->err), MIG_OK);
    cr_assert_eq(list->count, 2);
    row = applied_find(list, 7);
    cr_assert_not_null(row);
    cr_assert_str_eq(row->id_text, "0007");
    cr_assert_str_eq(row->description, "it's; a \"name\"");
    cr_assert_eq(row->state, MIGHOST_RUNNING);
    cr_assert_eq(row->kind, MIGHOST_SQL);
    cr_assert_eq(row->mode, MIG_DURABLE);
    cr_assert_str_eq(row->checksum, hex_of_nothing);
    cr_assert_str_eq(row->run_id, "run 1");
    cr_assert_str_eq(row->host_version, "9.9.9");
    cr_assert_str_eq(row->who, "someone@somewhere");
    cr_assert_not_null(applied_find(list, 999999999999999999));
    cr_assert_null(applied_find(list, 8));
}

Engines(history, each_row_keeps_its_own_of_what_most_rows_have_in_common)
{
    AUTO(applied_list) struct applied_list *list = NULL;

    for (uint64_t id = 1; id <= 4; id++)
        put(on, id, "1");
    opened_exec(on, "UPDATE mighost_history SET who = 'nobody', run_id = '', kind = 'baseline'"
                    " WHERE id = 2");
    opened_exec(on, "UPDATE mighost_history SET host_version = '9.9.9-rc', state = 'tampered'"
                    " WHERE id = 3");
    expect_status(on, history_load(on->history, &list, &on->err), MIG_OK);
    cr_assert_eq(list->count, 4);
    for (size_t i = 0; i < 4; i++) {
        const struct applied *row = &list->items[i];

        cr_assert_str_eq(row->who, i == 1 ? "nobody" : "someone@somewhere");
        cr_assert_str_eq(row->run_id, i == 1 ? "" : "run 1");
        cr_assert_str_eq(row->host_version, i == 2 ? "9.9.9-rc" : "9.9.9");
        cr_assert_eq(row->kind, i == 1 ? MIGHOST_BASELINE : MIGHOST_SQL);
        cr_assert_eq(row->state, MIGHOST_RUNNING);
        cr_assert_str_eq(row->checksum, hex_of_nothing);
        cr_assert_str_empty(row->carrier);
    }
}

Engines(history, what_plans_are_made_of_is_read_alone)
{
    AUTO(applied_list) struct applied_list *list = NULL;

    put(on, 7, "0007");
    opened_exec(on, "UPDATE mighost_history SET sequence = 3, carrier = 'c', duration_ms = 9");
    expect_status(on, history_load_plan(on->history, &list, &on->err), MIG_OK);
    cr_assert_eq(list->count, 1);
    cr_assert_eq(list->items[0].id, 7);
    cr_assert_str_eq(list->items[0].id_text, "0007");
    cr_assert_eq(list->items[0].sequence, 3);
    cr_assert_eq(list->items[0].mode, MIG_DURABLE);
    cr_assert_str_eq(list->items[0].checksum, hex_of_nothing);
    cr_assert_str_eq(list->items[0].carrier, "c");
    cr_assert_str_eq(list->items[0].run_id, "run 1");
    cr_assert_str_empty(list->items[0].signer);
    cr_assert_str_empty(list->items[0].who);
    cr_assert_eq(list->items[0].duration_ms, 0);
}

Engines(history, a_second_row_of_one_id_is_refused_by_the_key)
{
    struct applied row = row_of(7, "7");

    put(on, 7, "7");
    opened_begin(on);
    expect_status(on, history_add(on->history, &row, &on->err), MIG_E_CONSTRAINT);
    on->driver->rollback(on->conn);
    expect_rows(on, "SELECT COUNT(*) FROM mighost_history", "1");
}

Engines(history, states_are_set_and_marked)
{
    enum mighost_state state = MIGHOST_PENDING;

    put(on, 7, "7");
    opened_begin(on);
    expect_status(on, history_set_state(on->history, 7, MIGHOST_APPLIED, 1234, &on->err), MIG_OK);
    opened_commit(on);
    expect_status(on, find_state(on, 7, &state), MIG_OK);
    cr_assert_eq(state, MIGHOST_APPLIED);
    opened_exec(on, "UPDATE mighost_history SET applied_at_ms = 77");
    opened_begin(on);
    expect_status(on, history_mark(on->history, 7, MIGHOST_REVERTING, &on->err), MIG_OK);
    opened_commit(on);
    expect_rows(on, "SELECT state, duration_ms, applied_at_ms FROM mighost_history",
                "reverting|1234|77");
}

Engines(history, the_row_is_of_the_run_that_finished_it)
{
    struct applied row = row_of(7, "7");

    put(on, 7, "7");
    row.run_id = "a-later-run";
    row.who = "somebody@else";
    row.host_version = "9.9";
    row.carrier = hex_of_nothing;
    row.signer = "another-key";
    row.state = MIGHOST_APPLIED;
    row.duration_ms = 12;
    opened_begin(on);
    expect_status(on, history_finish(on->history, &row, &on->err), MIG_OK);
    opened_commit(on);
    expect_rows(on,
                "SELECT state, duration_ms, run_id, who, host_version, signer FROM mighost_history",
                "applied|12|a-later-run|somebody@else|9.9|another-key");
    expect_rows(on, "SELECT carrier FROM mighost_history", hex_of_nothing);
}

Engines(history, what_is_not_there_cannot_be_changed_or_removed)
{
    enum mighost_state state;

    expect_status(on, find_state(on, 5, &state), MIG_E_NOTFOUND);
    opened_begin(on);
    expect_status(on, history_mark(on->history, 5, MIGHOST_APPLIED, &on->err), MIG_E_NOTFOUND);
    expect_status(on, history_set_state(on->history, 5, MIGHOST_APPLIED, 0, &on->err),
                  MIG_E_NOTFOUND);
    expect_status(on, history_set_checksum(on->history, 5, hex_of_nothing, &on->err),
                  MIG_E_NOTFOUND);
    expect_status(on, history_remove(on->history, 5, &on->err), MIG_E_NOTFOUND);
    on->driver->rollback(on->conn);
}

Engines(history, an_unknown_state_in_a_row_is_not_taken_for_applied)
{
    enum mighost_state state = MIGHOST_APPLIED;

    put(on, 7, "7");
    opened_exec(on, "UPDATE mighost_history SET state = 'tampered'");
    if (find_state(on, 7, &state) == MIG_OK)
        cr_assert_neq(state, MIGHOST_APPLIED);
}

/* ---- the log ------------------------------------------------------------------------ */

Engines(history, the_log_tells_the_newest_first_of_all_or_of_one)
{
    struct mighost_attempts *attempts = NULL;
    static const char *const ids[] = {"1", "2", "1"};

    opened_begin(on);
    for (size_t i = 0; i < 3; i++) {
        struct attempt attempt = {.id_text = ids[i],
                                  .action = "up",
                                  .outcome = i == 1 ? "failed" : "applied",
                                  .error = i == 1 ? "it's \"so\"; \xc3\xa4" : NULL,
                                  .started_at_ms = 1000 + (int64_t)i,
                                  .duration_ms = 5,
                                  .run_id = "r",
                                  .who = "w"};

        expect_status(on, history_log(on->history, &attempt, &on->err), MIG_OK);
    }
    opened_commit(on);
    expect_status(on, history_attempts(on->history, NULL, 0, &attempts, &on->err), MIG_OK);
    cr_assert_eq(attempts->count, 3);
    cr_assert_eq(attempts->items[0].started_at_ms, 1002);
    cr_assert_str_eq(attempts->items[1].error, "it's \"so\"; \xc3\xa4");
    cr_assert_str_eq(attempts->items[0].error, "");
    mighost_attempts_free(attempts);
    expect_status(on, history_attempts(on->history, "1", 1, &attempts, &on->err), MIG_OK);
    cr_assert_eq(attempts->count, 1);
    cr_assert_eq(attempts->items[0].started_at_ms, 1002);
    mighost_attempts_free(attempts);
}

/* ---- carriers ---------------------------------------------------------------------------- */

static void digest_of(struct opened *on, const char *text, char out[HISTORY_HEX])
{
    expect_status(on, sha256_once(text, strlen(text), out, &on->err), MIG_OK);
}

/* A row that was applied at once, and one that was finished later. */
static void carry(struct opened *on, const char *digest, const char *text)
{
    struct applied at_once = row_of(7, "7");
    struct applied later = row_of(8, "8");

    opened_begin(on);
    expect_status(on, history_add(on->history, &later, &on->err), MIG_OK);
    later.carrier = at_once.carrier = digest;
    later.body = at_once.body = text;
    later.body_len = at_once.body_len = strlen(text);
    expect_status(on, history_add(on->history, &at_once, &on->err), MIG_OK);
    expect_status(on, history_finish(on->history, &later, &on->err), MIG_OK);
    opened_commit(on);
}

static mig_status carried(struct opened *on, uint64_t id, const char *digest, struct buf *out)
{
    return history_get_carrier(on->history, id, digest, out, &on->err);
}

Engines(history, a_carrier_comes_back_and_goes_with_its_row)
{
    AUTO(buf) struct buf body = {0};
    char digest[HISTORY_HEX];
    const char text[] = "DROP TABLE \xc3\xa4;\n";

    digest_of(on, text, digest);
    carry(on, digest, text);
    for (uint64_t id = 7; id <= 8; id++) {
        expect_status(on, carried(on, id, digest, &body), MIG_OK);
        cr_assert_str_eq(buf_text(&body), text);
    }
    expect_status(on, carried(on, 9, digest, &body), MIG_E_NOTFOUND);
    opened_begin(on);
    expect_status(on, history_remove(on->history, 7, &on->err), MIG_OK);
    opened_commit(on);
    expect_status(on, carried(on, 7, digest, &body), MIG_E_NOTFOUND);
}

/* Beyond what a driver puts into the text of a statement. */
Engines(history, a_carrier_may_be_large)
{
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf body = {0};
    char digest[HISTORY_HEX];

    for (int i = 0; i < 20000; i++)
        buf_printf(&text, "-- line %d\n", i);
    digest_of(on, buf_text(&text), digest);
    carry(on, digest, buf_text(&text));
    for (uint64_t id = 7; id <= 8; id++) {
        expect_status(on, carried(on, id, digest, &body), MIG_OK);
        cr_assert_str_eq(buf_text(&body), buf_text(&text));
    }
}

Engines(history, a_carrier_may_be_empty)
{
    AUTO(buf) struct buf body = {0};

    carry(on, hex_of_nothing, "");
    expect_status(on, carried(on, 7, hex_of_nothing, &body), MIG_OK);
    cr_assert_eq(body.len, 0);
}

Engines(history, a_carrier_that_was_tampered_with_is_refused)
{
    AUTO(buf) struct buf body = {0};
    char digest[HISTORY_HEX];

    digest_of(on, "DROP TABLE a;", digest);
    carry(on, digest, "DROP TABLE b;");
    expect_status(on, carried(on, 7, digest, &body), MIG_E_HISTORY);
    expect_says(on, "was changed");
    cr_assert_eq(body.len, 0);
}

/* ---- the journal ---------------------------------------------------------------------------- */

Engines(history, a_step_is_added_brought_on_and_goes_with_its_migration)
{
    AUTO(journal) struct journal *journal = NULL;
    struct journal_row row = {.step = 2, .kind = "transform", .cursor = "i5\n", .done = 10};

    put(on, 7, "7");
    opened_begin(on);
    expect_status(on, history_journal_add(on->history, 7, &row, &on->err), MIG_OK);
    row.cursor = "i9\n";
    row.done = 20;
    row.rejected = 3;
    row.total = 30;
    row.finished = true;
    expect_status(on, history_journal_update(on->history, 7, &row, "i5\n", &on->err), MIG_OK);
    row = (struct journal_row){.step = 1, .kind = "sql", .finished = true};
    expect_status(on, history_journal_add(on->history, 7, &row, &on->err), MIG_OK);
    opened_commit(on);
    expect_status(on, history_journal(on->history, 7, &journal, &on->err), MIG_OK);
    cr_assert_eq(journal->count, 2);
    cr_assert_eq(journal->items[0].step, 1);
    cr_assert_eq(journal->items[1].done, 20);
    cr_assert(journal->items[1].finished);
    cr_assert_eq(journal->items[1].rejected, 3);
    cr_assert_eq(journal->items[1].total, 30);
    cr_assert_str_eq(journal->items[1].cursor, "i9\n");
    cr_assert_str_eq(journal->items[1].until, "");
    cr_assert_str_eq(journal->items[1].kind, "transform");
    opened_begin(on);
    expect_status(on, history_remove(on->history, 7, &on->err), MIG_OK);
    opened_commit(on);
    expect_rows(on, "SELECT COUNT(*) FROM mighost_journal", "0");
}

Engines(history, a_cursor_is_brought_on_only_from_where_it_stood)
{
    struct journal_row row = {.step = 1, .kind = "transform", .cursor = "i5\n", .done = 5};

    expect_status(on, history_journal_add(on->history, 7, &row, &on->err), MIG_OK);
    row.cursor = "i9\n";
    expect_status(on, history_journal_update(on->history, 7, &row, "i4\n", &on->err),
                  MIG_E_NOTFOUND);
    row.part = 1;
    expect_status(on, history_journal_update(on->history, 7, &row, "i5\n", &on->err),
                  MIG_E_NOTFOUND);
    row.part = 0;
    row.finished = true;
    expect_status(on, history_journal_update(on->history, 7, &row, "i5\n", &on->err), MIG_OK);
    expect_status(on, history_journal_update(on->history, 7, &row, "i9\n", &on->err),
                  MIG_E_NOTFOUND);
    expect_status(on, history_journal_add(on->history, 7, &row, &on->err), MIG_E_CONSTRAINT);
    expect_rows(on, "SELECT step, part, finished, done FROM mighost_journal", "1|0|1|5");
}
