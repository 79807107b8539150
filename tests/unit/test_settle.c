/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person decides about the history: each decision in each state, what
 * it leaves in history, journal and log, and that a refused one leaves nothing.
 */
#include "settle.h"

#include "opened.h"
#include "sha256.h"

#define ID 20240101000002
#define WHO "someone@somewhere"

static struct catalog *bundle_of(struct opened *on, const char *second)
{
    const char *folder = test_folder();
    struct catalog *catalog = NULL;

    test_write(folder, "20240101000001_one.up.sql", "SELECT 1;");
    if (second)
        test_write(folder, "20240101000002_two.up.sql", second);
    test_write(folder, "20240101000003_three.up.sql", "SELECT 3;");
    expect_status(on, catalog_load(folder, on->engine, 0, NULL, NULL, &catalog, &on->err), MIG_OK);
    return catalog;
}

/* A row of migration two in `state`, with a journal of one finished step. */
static void put(struct opened *on, enum mighost_state state, enum mig_mode mode)
{
    struct applied row = {
        .id = ID,
        .id_text = "20240101000002",
        .description = "two",
        .mode = mode,
        .checksum = "0000000000000000000000000000000000000000000000000000000000000000",
        .carrier = "",
        .run_id = "r",
        .host_version = "0",
        .who = "w",
        .signer = "",
    };
    struct journal_row step = {.step = 1, .finished = true, .kind = "sql"};

    opened_begin(on);
    expect_status(on, history_add(on->history, &row, &on->err), MIG_OK);
    if (mode == MIG_DURABLE)
        expect_status(on, history_journal_add(on->history, ID, &step, &on->err), MIG_OK);
    expect_status(on, history_set_state(on->history, ID, state, 9, &on->err), MIG_OK);
    opened_commit(on);
}

static mig_status resolve(struct opened *on, const char *second, enum mighost_resolution how)
{
    AUTO(catalog) struct catalog *catalog = bundle_of(on, second);

    return settle_resolve(&on->session, catalog, ID, how, WHO, &on->err);
}

#define LOG "SELECT id_text, action, outcome, who FROM mighost_log ORDER BY number"
#define STATES "SELECT state FROM mighost_history"
#define STEPS "SELECT COUNT(*) FROM mighost_journal"

Engines(settle, a_partial_one_is_retried_with_the_text_of_now_and_its_steps_stay)
{
    put(on, MIGHOST_PARTIAL, MIG_DURABLE);
    expect_status(on, resolve(on, "SELECT 2;", MIGHOST_RETRY), MIG_OK);
    expect_rows(on, STATES, "partial");
    expect_rows(on, STEPS, "1");
    expect_rows(on, LOG, "20240101000002|resolve|to be retried|" WHO);
    expect_rows(on, "SELECT COUNT(*) FROM mighost_history WHERE checksum LIKE '00000000%'", "0");
}

Engines(settle, a_failed_one_is_retried_from_its_beginning)
{
    put(on, MIGHOST_FAILED, MIG_NONE);
    expect_status(on, resolve(on, "SELECT 2;", MIGHOST_RETRY), MIG_OK);
    expect_rows(on, "SELECT COUNT(*) FROM mighost_history", "0");
}

Engines(settle, one_that_committed_behind_the_hosts_back_is_retried_from_its_beginning)
{
    put(on, MIGHOST_RUNNING, MIG_ATOMIC);
    expect_status(on, resolve(on, "SELECT 2;", MIGHOST_RETRY), MIG_OK);
    expect_rows(on, "SELECT COUNT(*) FROM mighost_history", "0");
}

Engines(settle, what_the_bundle_lacks_cannot_be_retried)
{
    put(on, MIGHOST_PARTIAL, MIG_DURABLE);
    expect_status(on, resolve(on, NULL, MIGHOST_RETRY), MIG_E_HISTORY);
    expect_says(on, "not in the bundle");
    expect_rows(on, STATES, "partial");
    expect_rows(on, LOG, "");
    cr_assert_not(on->driver->in_tx(on->conn));
}

Engines(settle, one_that_was_finished_by_hand_is_applied_without_a_journal)
{
    put(on, MIGHOST_PARTIAL, MIG_DURABLE);
    expect_status(on, resolve(on, "SELECT 2;", MIGHOST_MARK_APPLIED), MIG_OK);
    expect_rows(on, STATES, "applied");
    expect_rows(on, STEPS, "0");
    expect_rows(on, LOG, "20240101000002|resolve|applied|" WHO);
}

Engines(settle, one_that_was_undone_by_hand_is_gone_with_its_journal)
{
    put(on, MIGHOST_REVERTING, MIG_DURABLE);
    expect_status(on, resolve(on, NULL, MIGHOST_MARK_REVERTED), MIG_OK);
    expect_rows(on, "SELECT COUNT(*) FROM mighost_history", "0");
    expect_rows(on, STEPS, "0");
    expect_rows(on, LOG, "20240101000002|resolve|reverted|" WHO);
}

Engines(settle, an_applied_one_needs_no_decision)
{
    put(on, MIGHOST_APPLIED, MIG_ATOMIC);
    expect_status(on, resolve(on, "SELECT 2;", MIGHOST_MARK_REVERTED), MIG_E_HISTORY);
    expect_says(on, "mighost down");
    expect_rows(on, STATES, "applied");
    expect_rows(on, LOG, "");
}

Engines(settle, one_that_the_history_does_not_know_needs_none_either)
{
    expect_status(on, resolve(on, "SELECT 2;", MIGHOST_RETRY), MIG_E_HISTORY);
    expect_says(on, "not in the history");
    expect_status(on, resolve(on, NULL, MIGHOST_RETRY), MIG_E_USAGE); /* nor does the bundle */
}

Engines(settle, a_baseline_records_all_up_to_its_id_and_runs_none)
{
    AUTO(catalog) struct catalog *catalog = bundle_of(on, "CREATE TABLE t (a INTEGER);");
    size_t recorded = 0;

    expect_status(on, settle_baseline(&on->session, catalog, ID, WHO, &recorded, &on->err), MIG_OK);
    cr_assert_eq(recorded, 2);
    expect_rows(on, "SELECT id_text, state, kind, who FROM mighost_history ORDER BY id",
                "20240101000001|applied|baseline|" WHO "\n20240101000002|applied|baseline|" WHO);
    expect_rows(on, "SELECT COUNT(*) FROM mighost_log WHERE action = 'baseline'", "2");
}

Engines(settle, a_baseline_is_for_an_empty_history_and_an_id_that_there_is)
{
    AUTO(catalog) struct catalog *catalog = bundle_of(on, "SELECT 2;");
    size_t recorded = 77;

    expect_status(on, settle_baseline(&on->session, catalog, 5, WHO, &recorded, &on->err),
                  MIG_E_USAGE);
    put(on, MIGHOST_APPLIED, MIG_ATOMIC);
    expect_status(on, settle_baseline(&on->session, catalog, ID, WHO, &recorded, &on->err),
                  MIG_E_HISTORY);
    expect_says(on, "nothing was changed");
    cr_assert_eq(recorded, 77);
    expect_rows(on, "SELECT COUNT(*) FROM mighost_history", "1");
}
