/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of the plan, one by one. Bundle and history are written as short
 * tables; a plan reads as a text: "+3" applies, "-3" rolls back, with "c" by
 * the carrier and "r" for going on with what was begun; "?3" waits at its gate.
 */
#include "plan.h"
#include "sha256.h"
#include "support.h"

#include <criterion/criterion.h>
#include <string.h>

#define MOST 64

static struct mig_err err;

/* ---- writing bundles and histories ------------------------------------- */

/* What an id stands for in the bundle. */
struct file {
    uint64_t id;
    bool no_down;
    unsigned char content; /* the checksum's first byte */
    const char *gate;
};

/* What an id stands for in the history. */
struct row {
    uint64_t id;
    int64_t sequence;         /* 0: the id */
    enum mighost_state state; /* 0: applied */
    enum mig_mode mode;
    unsigned char content;
    bool carrier;
    bool no_checksum;
    const char *run_id;
};

struct scene {
    struct migration migrations[MOST];
    struct applied rows[MOST];
    struct catalog catalog;
    struct applied_list history;
};

static struct scene scene;

static void put_file(struct file file)
{
    struct migration *migration = &scene.migrations[scene.catalog.count++];

    *migration = (struct migration){
        .id = file.id,
        .id_text = test_format("%llu", (unsigned long long)file.id),
        .description = "",
        .has_down = !file.no_down,
        .checksum = {file.content},
        .gate = file.gate,
    };
    scene.catalog.items = scene.migrations;
}

static void put_row(struct row row)
{
    struct applied *applied = &scene.rows[scene.history.count++];
    unsigned char checksum[32] = {row.content};
    char hex[MIG_SHA256_HEX];

    sha256_hex(checksum, hex);
    *applied = (struct applied){
        .id = row.id,
        .id_text = test_format("%llu", (unsigned long long)row.id),
        .description = "",
        .sequence = row.sequence ? row.sequence : (int64_t)row.id,
        .state = row.state ? row.state : MIGHOST_APPLIED,
        .mode = row.mode,
        .checksum = row.no_checksum ? "" : test_format("%s", hex),
        .carrier = row.carrier ? "a digest" : "",
        .run_id = row.run_id ? row.run_id : "earlier",
    };
    scene.history.items = scene.rows;
}

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* BUNDLE({1}, {2, .no_down = true}) and HISTORY({1}), ids ascending: what is not
 * said is zero, and meant to be. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#define BUNDLE(...)                                   \
    do {                                              \
        const struct file files_[] = {__VA_ARGS__};   \
        for (size_t i_ = 0; i_ < COUNT(files_); i_++) \
            put_file(files_[i_]);                     \
    } while (0)
#define HISTORY(...)                                 \
    do {                                             \
        const struct row rows_[] = {__VA_ARGS__};    \
        for (size_t i_ = 0; i_ < COUNT(rows_); i_++) \
            put_row(rows_[i_]);                      \
    } while (0)

/* ---- reading plans ------------------------------------------------------ */

static const char *describe_step(const struct plan_step *step)
{
    uint64_t id = step->migration ? step->migration->id : step->applied->id;

    if (step->migration && step->applied)
        cr_assert_eq(step->migration->id, step->applied->id);
    return test_format("%c%llu%s%s", step->direction == MIGHOST_UP ? '+' : '-',
                       (unsigned long long)id, step->by_carrier ? "c" : "",
                       step->resume ? "r" : "");
}

static const char *plan_text(struct plan_request request)
{
    AUTO(plan) struct plan *plan = NULL;
    const char *text = "";
    mig_status status = plan_build(&scene.catalog, &scene.history, &request, &plan, &err);

    cr_assert_eq(status, MIG_OK, "refused: %s", err.message);
    for (size_t i = 0; i < plan->count; i++)
        text = test_format("%s%s%s", text, i ? " " : "", describe_step(&plan->steps[i]));
    if (plan->waiting)
        text = test_format("%s%s?%s", text, plan->count ? " " : "", plan->waiting->id_text);
    for (size_t i = 0; i < plan->accepted_count; i++)
        text = test_format("%s ~%s", text, plan->accepted[i]->id_text);
    return text;
}

#define UP(...) ((struct plan_request){.direction = MIGHOST_UP, __VA_ARGS__})
#define DOWN(...) ((struct plan_request){.direction = MIGHOST_DOWN, __VA_ARGS__})
#define IDS(...) ((const char *const[]){__VA_ARGS__, NULL})

#define assert_plan(request, expected) cr_assert_str_eq(plan_text(request), expected)

static void assert_status(struct plan_request request, mig_status expected, const char *says)
{
    struct plan *plan = NULL;
    mig_status status = plan_build(&scene.catalog, &scene.history, &request, &plan, &err);

    cr_assert_eq(status, expected, "%d: %s", status, status < 0 ? err.message : "");
    cr_assert_null(plan);
    cr_assert_not_null(strstr(err.message, says), "\"%s\" says no \"%s\"", err.message, says);
}

#define assert_refused(request, says) assert_status(request, MIG_E_HISTORY, says)

/* ---- up ------------------------------------------------------------------ */

Test(plan, up_applies_all_that_is_pending_in_order_of_id)
{
    BUNDLE({1}, {2}, {3}, {4});
    HISTORY({1}, {2});
    assert_plan(UP(), "+3 +4");
    assert_plan(UP(.select = PLAN_ALL), "+3 +4");
}

Test(plan, up_with_an_empty_bundle_does_nothing)
{
    assert_plan(UP(), "");
    HISTORY({1});
    assert_plan(UP(), "");
}

Test(plan, up_to_an_id_includes_it)
{
    BUNDLE({1}, {2}, {3});
    HISTORY({1});
    assert_plan(UP(.select = PLAN_TO, .id = 2), "+2");
}

Test(plan, up_to_an_applied_id_does_nothing)
{
    BUNDLE({1}, {2}, {3});
    HISTORY({1}, {2});
    assert_plan(UP(.select = PLAN_TO, .id = 2), "");
}

Test(plan, up_to_an_id_that_no_migration_has_is_wrong_usage)
{
    BUNDLE({1}, {3});
    assert_status(UP(.select = PLAN_TO, .id = 2), MIG_E_USAGE, "the newest is 3");
}

Test(plan, up_to_an_id_that_only_the_history_has_is_no_mistake)
{
    BUNDLE({1}, {3});
    HISTORY({1}, {2});
    assert_plan(UP(.select = PLAN_TO, .id = 2), "");
}

Test(plan, up_by_count_takes_the_oldest_pending)
{
    BUNDLE({1}, {2}, {3}, {4});
    HISTORY({1});
    assert_plan(UP(.select = PLAN_COUNT, .count = 2), "+2 +3");
    assert_plan(UP(.select = PLAN_COUNT, .count = 9), "+2 +3 +4");
}

Test(plan, up_of_one_takes_that_one_alone)
{
    BUNDLE({1}, {2}, {3});
    HISTORY({1});
    assert_plan(UP(.select = PLAN_ONE, .id = 3), "+3");
}

Test(plan, up_of_an_applied_one_is_refused)
{
    BUNDLE({1});
    HISTORY({1});
    assert_refused(UP(.select = PLAN_ONE, .id = 1), "1 is applied already");
}

Test(plan, up_of_one_that_is_not_there_is_refused)
{
    BUNDLE({1});
    assert_status(UP(.select = PLAN_ONE, .id = 2), MIG_E_USAGE, "no migration 2");
}

Test(plan, a_pending_migration_older_than_the_newest_applied_is_refused_by_name)
{
    BUNDLE({1}, {2}, {3}, {4}, {5});
    HISTORY({1}, {4});
    assert_refused(UP(), "2, 3; ");
    assert_refused(UP(), "--allow-out-of-order");
    assert_refused(UP(.select = PLAN_ONE, .id = 2), "older");
    assert_plan(UP(.select = PLAN_ONE, .id = 5), "+5");
    assert_plan(UP(.allow_out_of_order = true), "+2 +3 +5");
}

Test(plan, an_older_one_that_was_not_asked_for_is_in_nobodys_way)
{
    BUNDLE({1}, {5}, {6});
    HISTORY({1}, {4});
    assert_plan(UP(), "+5 +6");
}

Test(plan, an_applied_migration_whose_file_is_gone_does_not_stop_up)
{
    BUNDLE({1}, {3});
    HISTORY({1}, {2});
    assert_plan(UP(), "+3");
}

Test(plan, a_changed_migration_is_refused_by_name)
{
    BUNDLE({1, .content = 9}, {2}, {3, .content = 9}, {4});
    HISTORY({1}, {2}, {3});
    assert_refused(UP(), "changed since: 1, 3; ");
    assert_refused(UP(), "--accept-changed");
    assert_refused(UP(.select = PLAN_ONE, .id = 4), "changed since: 1, 3; ");
}

Test(plan, an_accepted_change_is_recorded)
{
    BUNDLE({1, .content = 9}, {2}, {3, .content = 9}, {4});
    HISTORY({1}, {2}, {3});
    assert_refused(UP(.accept_changed = IDS("1")), "changed since: 3; ");
    assert_plan(UP(.accept_changed = IDS("1", "3")), "+4 ~1 ~3");
    assert_plan(UP(.accept_changed = IDS("2", "1", "03")), "+4 ~1 ~3");
}

Test(plan, only_the_change_of_an_applied_migration_can_be_accepted)
{
    BUNDLE({1}, {2});
    HISTORY({1});
    assert_status(UP(.accept_changed = IDS("2")), MIG_E_USAGE, "2 is not applied");
    assert_status(UP(.accept_changed = IDS("7")), MIG_E_USAGE, "7 is not applied");
    assert_status(UP(.accept_changed = IDS("x")), MIG_E_USAGE, "\"x\"");
}

Test(plan, up_ends_before_a_gate)
{
    BUNDLE({1}, {2}, {3, .gate = "it is so"}, {4});
    HISTORY({1});
    assert_plan(UP(), "+2 ?3");
    assert_plan(UP(.select = PLAN_TO, .id = 4), "+2 ?3");
    assert_plan(UP(.select = PLAN_TO, .id = 2), "+2");
    assert_plan(UP(.select = PLAN_COUNT, .count = 1), "+2");
    assert_plan(UP(.select = PLAN_ONE, .id = 3, .allow_out_of_order = true), "?3");
    assert_plan(UP(.select = PLAN_ONE, .id = 4), "+4");
}

Test(plan, a_gate_is_opened_by_its_text_or_by_the_id)
{
    BUNDLE({1, .gate = "it is so"}, {2, .gate = "and so"}, {3, .gate = "it is so"});
    assert_plan(UP(.open_gates = IDS("it is s", "it is so ", "2")), "?1");
    assert_plan(UP(.open_gates = IDS("it is so")), "+1 ?2");
    assert_plan(UP(.open_gates = IDS("1", "002")), "+1 +2 ?3");
    assert_plan(UP(.open_gates = IDS("and so", "it is so")), "+1 +2 +3");
}

Test(plan, a_migration_that_has_begun_is_behind_its_gate)
{
    BUNDLE({1, .gate = "it is so"}, {2, .gate = "it is so"}, {3});
    HISTORY({1}, {2, .state = MIGHOST_PARTIAL, .mode = MIG_DURABLE});
    assert_plan(UP(), "+2r +3");
}

Test(plan, down_knows_no_gates)
{
    BUNDLE({1, .gate = "it is so"}, {2, .gate = "it is so"});
    HISTORY({1}, {2});
    assert_plan(DOWN(.select = PLAN_ALL), "-2 -1");
}

Test(plan, a_row_without_a_checksum_never_counts_as_changed)
{
    BUNDLE({1, .content = 9});
    HISTORY({1, .no_checksum = true});
    assert_plan(UP(), "");
}

Test(plan, a_checksum_in_capitals_is_the_same)
{
    BUNDLE({1, .content = 0xAB}, {2});
    HISTORY({1, .content = 0xAB});
    scene.rows[0].checksum = "AB00000000000000000000000000000000000000000000000000000000000000";
    assert_plan(UP(), "+2");
}

Test(plan, what_failed_is_named_before_what_changed)
{
    BUNDLE({1, .content = 9}, {2}, {3});
    HISTORY({1}, {2, .state = MIGHOST_FAILED}, {3, .state = MIGHOST_FAILED});
    assert_refused(UP(), "outside of a transaction: 2, 3; ");
}

Test(plan, a_message_names_ten_ids_and_counts_the_rest)
{
    for (uint64_t id = 1; id <= 13; id++)
        put_file((struct file){.id = id});
    HISTORY({20});
    assert_refused(UP(), ": 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 3 more; ");
}

/* ---- up, with something unfinished --------------------------------------- */

Test(plan, a_durable_migration_that_stopped_is_gone_on_with_first)
{
    BUNDLE({1}, {2}, {3}, {4});
    HISTORY({1}, {2, .state = MIGHOST_PARTIAL, .mode = MIG_DURABLE});
    assert_plan(UP(), "+2r +3 +4");
    assert_plan(UP(.select = PLAN_COUNT, .count = 1), "+2r");
    assert_plan(UP(.select = PLAN_TO, .id = 3), "+2r +3");
    assert_plan(UP(.select = PLAN_ONE, .id = 2), "+2r");
}

Test(plan, a_durable_migration_whose_host_died_is_gone_on_with)
{
    BUNDLE({1});
    HISTORY({1, .state = MIGHOST_RUNNING, .mode = MIG_DURABLE});
    assert_plan(UP(), "+1r");
}

Test(plan, what_stopped_comes_before_an_older_one)
{
    BUNDLE({1}, {2});
    HISTORY({2, .state = MIGHOST_PARTIAL, .mode = MIG_DURABLE});
    assert_refused(UP(), "older than");
    assert_plan(UP(.allow_out_of_order = true), "+2r +1");
}

Test(plan, one_migration_waits_for_another_that_stopped)
{
    BUNDLE({1}, {2}, {3});
    HISTORY({1}, {2, .state = MIGHOST_PARTIAL, .mode = MIG_DURABLE});
    assert_refused(UP(.select = PLAN_ONE, .id = 3), "in part: 2; ");
}

Test(plan, a_changed_file_cannot_go_on_with_what_another_began)
{
    BUNDLE({1, .content = 9});
    HISTORY({1, .state = MIGHOST_PARTIAL, .mode = MIG_DURABLE});
    assert_refused(UP(), "resolve");
    assert_refused(UP(.accept_changed = IDS("1")), "resolve");
}

Test(plan, a_stopped_migration_whose_file_is_gone_is_refused)
{
    BUNDLE({2});
    HISTORY({1, .state = MIGHOST_PARTIAL, .mode = MIG_DURABLE});
    assert_refused(UP(), "not in the bundle any more: 1; ");
}

Test(plan, a_failed_migration_needs_a_person)
{
    BUNDLE({1}, {2});
    HISTORY({1, .state = MIGHOST_FAILED, .mode = MIG_NONE});
    assert_refused(UP(), "failed or was stopped outside of a transaction: 1; ");
    assert_refused(UP(), "mighost resolve ID --retry, --applied or --reverted");
    assert_refused(UP(.select = PLAN_ONE, .id = 2), "resolve");
    assert_refused(DOWN(), "resolve");
}

Test(plan, a_migration_without_transaction_whose_host_died_needs_a_person)
{
    BUNDLE({1});
    HISTORY({1, .state = MIGHOST_RUNNING, .mode = MIG_NONE});
    assert_refused(UP(), "resolve");
}

Test(plan, a_running_atomic_migration_shows_a_commit_behind_the_host)
{
    BUNDLE({1}, {2});
    HISTORY({1, .state = MIGHOST_RUNNING, .mode = MIG_ATOMIC});
    assert_refused(UP(), "committed the host's transaction");
    assert_refused(DOWN(), "committed the host's transaction");
}

Test(plan, a_half_reverted_migration_stops_up)
{
    BUNDLE({1}, {2}, {3});
    HISTORY({1}, {2, .state = MIGHOST_REVERTING, .mode = MIG_DURABLE});
    assert_refused(UP(), "rolled back only in part: 2; finish that with mighost down");
}

/* ---- down ----------------------------------------------------------------- */

Test(plan, down_rolls_one_back)
{
    BUNDLE({1}, {2}, {3});
    HISTORY({1}, {2});
    assert_plan(DOWN(), "-2");
}

Test(plan, down_of_an_empty_history_does_nothing)
{
    BUNDLE({1});
    assert_plan(DOWN(), "");
    assert_plan(DOWN(.select = PLAN_ALL), "");
    assert_plan(DOWN(.select = PLAN_TO, .id = 0), "");
}

Test(plan, down_goes_in_reverse_order_of_application)
{
    BUNDLE({1}, {2}, {3});
    HISTORY({1, .sequence = 1}, {2, .sequence = 3}, {3, .sequence = 2});
    assert_plan(DOWN(), "-2");
    assert_plan(DOWN(.select = PLAN_ALL), "-2 -3 -1");
    assert_plan(DOWN(.select = PLAN_COUNT, .count = 2), "-2 -3");
    assert_plan(DOWN(.select = PLAN_COUNT, .count = 9), "-2 -3 -1");
}

Test(plan, down_to_an_id_keeps_it)
{
    BUNDLE({1}, {2}, {3});
    HISTORY({1}, {2}, {3});
    assert_plan(DOWN(.select = PLAN_TO, .id = 1), "-3 -2");
    assert_plan(DOWN(.select = PLAN_TO, .id = 3), "");
}

Test(plan, down_to_an_unknown_version_keeps_everything_at_or_below_it)
{
    BUNDLE({10}, {20}, {30});
    HISTORY({10}, {20}, {30});
    assert_plan(DOWN(.select = PLAN_TO, .id = 25), "-30");
    assert_plan(DOWN(.select = PLAN_TO, .id = 5), "-30 -20 -10");
}

Test(plan, down_to_the_empty_database_rolls_all_back)
{
    BUNDLE({1}, {2});
    HISTORY({1}, {2});
    assert_plan(DOWN(.select = PLAN_TO, .id = 0), "-2 -1");
}

Test(plan, down_to_an_id_keeps_an_older_one_that_was_applied_later)
{
    BUNDLE({1}, {2}, {3});
    HISTORY({1, .sequence = 1}, {2, .sequence = 3}, {3, .sequence = 2});
    assert_plan(DOWN(.select = PLAN_TO, .id = 2), "-3");
}

Test(plan, down_of_one_takes_that_one_alone)
{
    BUNDLE({1}, {2}, {3});
    HISTORY({1}, {2});
    assert_plan(DOWN(.select = PLAN_ONE, .id = 1), "-1");
    assert_refused(DOWN(.select = PLAN_ONE, .id = 3), "3 is not applied");
    assert_status(DOWN(.select = PLAN_ONE, .id = 4), MIG_E_USAGE, "no migration 4");
}

Test(plan, down_of_a_run_undoes_exactly_what_it_applied)
{
    BUNDLE({1}, {2}, {3}, {4});
    HISTORY({1}, {2, .run_id = "this", .sequence = 5}, {3, .sequence = 4},
            {4, .run_id = "this", .sequence = 6});
    assert_plan(DOWN(.select = PLAN_RUN, .run_id = "this"), "-4 -2");
    assert_plan(DOWN(.select = PLAN_RUN, .run_id = "other"), "");
}

Test(plan, down_of_a_missing_file_uses_the_carrier)
{
    BUNDLE({1});
    HISTORY({1}, {2, .carrier = true});
    assert_plan(DOWN(), "-2c");
}

Test(plan, down_of_a_changed_file_uses_the_carrier)
{
    BUNDLE({1, .content = 9});
    HISTORY({1, .carrier = true});
    assert_plan(DOWN(), "-1c");
}

Test(plan, down_of_an_unchanged_file_uses_the_file)
{
    BUNDLE({1});
    HISTORY({1, .carrier = true});
    assert_plan(DOWN(), "-1");
}

Test(plan, down_of_a_file_that_lost_its_down_uses_the_carrier)
{
    BUNDLE({1, .no_down = true});
    HISTORY({1, .carrier = true});
    assert_plan(DOWN(), "-1c");
}

Test(plan, down_of_a_changed_file_without_carrier_needs_consent)
{
    BUNDLE({1, .content = 9});
    HISTORY({1});
    assert_refused(DOWN(), "does not carry its down: 1; ");
    assert_plan(DOWN(.accept_changed = IDS("1")), "-1");
}

Test(plan, a_change_below_what_is_rolled_back_is_in_nobodys_way)
{
    BUNDLE({1, .content = 9}, {2});
    HISTORY({1}, {2});
    assert_plan(DOWN(), "-2");
}

Test(plan, what_cannot_be_rolled_back_is_found_before_anything_runs)
{
    BUNDLE({1}, {2, .no_down = true}, {3});
    HISTORY({1}, {2}, {3}, {4});
    assert_refused(DOWN(.select = PLAN_ALL), "cannot be rolled back, having no down: 2, 4; ");
    assert_refused(DOWN(), ": 4; ");
    assert_refused(DOWN(), "--skip-irreversible");
    assert_refused(DOWN(.select = PLAN_ONE, .id = 4), ": 4; add one");
    cr_assert_null(strstr(err.message, "--skip"), "%s", err.message);
}

Test(plan, what_cannot_be_rolled_back_may_be_passed_over)
{
    BUNDLE({1}, {2, .no_down = true}, {3});
    HISTORY({1}, {2}, {3}, {4});
    assert_plan(DOWN(.select = PLAN_ALL, .skip_irreversible = true), "-3 -1");
    assert_plan(DOWN(.skip_irreversible = true), "-3");
    assert_plan(DOWN(.select = PLAN_ONE, .id = 2, .skip_irreversible = true), "");
}

Test(plan, a_baseline_is_rolled_back_by_its_file_or_not_at_all)
{
    BUNDLE({1}, {2, .no_down = true});
    HISTORY({1}, {2});
    scene.rows[0].kind = MIGHOST_BASELINE;
    scene.rows[1].kind = MIGHOST_BASELINE;
    assert_refused(DOWN(), ": 2; ");
    assert_plan(DOWN(.skip_irreversible = true), "-1");
}

Test(plan, a_migration_applied_in_part_is_not_rolled_back)
{
    BUNDLE({1}, {2});
    HISTORY({1}, {2, .state = MIGHOST_PARTIAL, .mode = MIG_DURABLE});
    assert_refused(DOWN(), "applied only in part: 2; ");
    assert_refused(DOWN(.select = PLAN_TO, .id = 0), "applied only in part: 2; ");
    assert_plan(DOWN(.select = PLAN_TO, .id = 2), "");
}

Test(plan, down_goes_on_with_what_was_half_rolled_back)
{
    BUNDLE({1}, {2}, {3});
    HISTORY({1}, {2, .state = MIGHOST_REVERTING, .mode = MIG_DURABLE});
    assert_plan(DOWN(), "-2r");
    assert_plan(DOWN(.select = PLAN_ALL), "-2r -1");
}

/* ---- single questions ------------------------------------------------------ */

Test(plan, flags_say_what_is_odd)
{
    BUNDLE({1}, {2, .content = 9}, {3, .no_down = true}, {5});
    HISTORY({1}, {2}, {4, .carrier = true});
    scene.migrations[3].has_verify = true;
    cr_assert_eq(plan_flags(&scene.migrations[0], &scene.rows[0], 4), MIGHOST_HAS_DOWN);
    cr_assert_eq(plan_flags(&scene.migrations[1], &scene.rows[1], 4),
                 MIGHOST_CHANGED | MIGHOST_HAS_DOWN);
    cr_assert_eq(plan_flags(&scene.migrations[2], NULL, 4), MIGHOST_OUT_OF_ORDER);
    cr_assert_eq(plan_flags(NULL, &scene.rows[2], 4), MIGHOST_MISSING | MIGHOST_HAS_DOWN);
    cr_assert_eq(plan_flags(&scene.migrations[3], NULL, 4), MIGHOST_HAS_DOWN | MIGHOST_HAS_VERIFY);
    cr_assert_eq(plan_flags(&scene.migrations[3], NULL, 0), MIGHOST_HAS_DOWN | MIGHOST_HAS_VERIFY);
}

Test(plan, the_current_version_is_the_newest_that_is_wholly_applied)
{
    cr_assert_null(plan_current(&scene.history));
    HISTORY({1}, {2, .sequence = 9}, {3, .sequence = 2},
            {4, .state = MIGHOST_PARTIAL, .mode = MIG_DURABLE});
    cr_assert_eq(plan_current(&scene.history)->id, 3);
}

Test(plan, the_previous_version_is_the_applied_one_below)
{
    HISTORY({1}, {2, .state = MIGHOST_FAILED}, {4});
    cr_assert_eq(plan_previous(&scene.history, 4)->id, 1);
    cr_assert_eq(plan_previous(&scene.history, 3)->id, 1);
    cr_assert_null(plan_previous(&scene.history, 1));
}
