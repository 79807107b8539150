/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bundle and history together look like to whoever asks: lists, their
 * order and flags, the overview and its counts, one migration in full. Bundle
 * and history are written by hand; no database and no file is there.
 */
#include "view.h"

#include "sha256.h"
#include "support.h"
#include <criterion/criterion.h>
#include <string.h>

static struct mig_err err;

static struct migration file_of(uint64_t id, const char *id_text, unsigned char content)
{
    return (struct migration){
        .id = id,
        .id_text = id_text,
        .description = "in the bundle",
        .checksum = {content},
        .parts[CATALOG_UP].file = "a.up.sql",
    };
}

static struct applied row_of(uint64_t id, const char *id_text, int64_t sequence,
                             unsigned char content)
{
    const unsigned char checksum[MIG_SHA256_BYTES] = {content};
    char hex[MIG_SHA256_HEX];

    sha256_hex(checksum, hex);
    return (struct applied){
        .id = id,
        .id_text = id_text,
        .description = "in the history",
        .sequence = sequence,
        .state = MIGHOST_APPLIED,
        .checksum = test_format("%s", hex),
        .carrier = "",
        .run_id = "run",
        .host_version = "1",
        .who = "who",
        .signer = "key",
        .applied_at_ms = 1000 + sequence,
        .duration_ms = 5,
    };
}

/* 1 and 3 applied, 3 before 1; 2 pending; 4 applied and changed; 5 applied and
 * gone; 6 pending. */
static struct migration files[5];
static struct applied rows[4];
static struct catalog catalog;
static struct applied_list history;

static void make_scene(void)
{
    files[0] = file_of(1, "1", 1);
    files[0].has_down = true;
    files[1] = file_of(2, "2", 2);
    files[2] = file_of(3, "3", 3);
    files[2].has_verify = true;
    files[3] = file_of(4, "4", 40);
    files[4] = file_of(6, "6", 6);
    rows[0] = row_of(1, "1", 12, 1);
    rows[1] = row_of(3, "3", 11, 3);
    rows[2] = row_of(4, "4", 13, 4);
    rows[3] = row_of(5, "5", 14, 5);
    rows[3].carrier = rows[3].checksum;
    catalog = (struct catalog){.count = 5, .items = files};
    history = (struct applied_list){.count = 4, .items = rows};
}

TestSuite(view, .init = make_scene);

/* "1 2 3" */
static const char *ids(const struct mighost_list *list)
{
    const char *text = "";

    for (size_t i = 0; i < list->count; i++)
        text = test_format("%s%s%s", text, i ? " " : "", list->items[i].id);
    return text;
}

static const struct mighost_item *item(const struct mighost_list *list, const char *id)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].id, id) == 0)
            return &list->items[i];
    cr_assert_fail("no item %s", id);
    return NULL;
}

static struct mighost_list *list_of(enum view_filter filter)
{
    struct mighost_list *list = NULL;

    cr_assert_eq(view_list(&catalog, &history, filter, &list, &err), MIG_OK, "%s", err.message);
    return list;
}

Test(view, all_is_by_id_and_applied_is_by_order_of_application)
{
    struct mighost_list *all = list_of(VIEW_ALL);
    struct mighost_list *pending = list_of(VIEW_PENDING);
    struct mighost_list *applied = list_of(VIEW_APPLIED);

    cr_assert_str_eq(ids(all), "1 2 3 4 5 6");
    cr_assert_str_eq(ids(pending), "2 6");
    cr_assert_str_eq(ids(applied), "3 1 4 5");
    mighost_list_free(all);
    mighost_list_free(pending);
    mighost_list_free(applied);
}

Test(view, flags_say_what_is_odd)
{
    struct mighost_list *all = list_of(VIEW_ALL);

    cr_assert_eq(item(all, "1")->flags, MIGHOST_HAS_DOWN);
    cr_assert_eq(item(all, "2")->flags, MIGHOST_OUT_OF_ORDER);
    cr_assert_eq(item(all, "3")->flags, MIGHOST_HAS_VERIFY);
    cr_assert_eq(item(all, "4")->flags, MIGHOST_CHANGED);
    cr_assert_eq(item(all, "5")->flags, MIGHOST_MISSING | MIGHOST_HAS_DOWN);
    cr_assert_eq(item(all, "6")->flags, 0);
    mighost_list_free(all);
}

Test(view, an_item_has_what_its_side_knows)
{
    struct mighost_list *all = list_of(VIEW_ALL);

    cr_assert_eq(item(all, "2")->state, MIGHOST_PENDING);
    cr_assert_str_eq(item(all, "2")->run_id, "");
    cr_assert_eq(item(all, "2")->applied_at_ms, 0);
    cr_assert_str_eq(item(all, "2")->description, "in the bundle");
    cr_assert_str_eq(item(all, "5")->file, "");
    cr_assert_str_eq(item(all, "5")->description, "in the history");
    cr_assert_eq(item(all, "1")->sequence, 12);
    cr_assert_eq(item(all, "1")->duration_ms, 5);
    cr_assert_str_eq(item(all, "1")->who, "who");
    cr_assert_str_eq(item(all, "1")->signer, "key");
    mighost_list_free(all);
}

Test(view, an_empty_bundle_and_history_are_an_empty_list)
{
    struct mighost_list *list = NULL;

    catalog.count = history.count = 0;
    list = list_of(VIEW_ALL);
    cr_assert_eq(list->count, 0);
    mighost_list_free(list);
}

Test(view, what_was_handed_out_outlives_what_it_was_made_of)
{
    char id[] = "1";
    struct mighost_list *list;

    files[0].id_text = rows[0].id_text = id;
    list = list_of(VIEW_ALL);
    id[0] = 'x';
    cr_assert_str_eq(list->items[0].id, "1");
    mighost_list_free(list);
}

Test(view, the_overview_counts)
{
    struct mighost_overview *overview = NULL;

    cr_assert_eq(view_status(&catalog, &history, "target", "sqlite 3", NULL, &overview, &err),
                 MIG_OK);
    cr_assert_str_eq(overview->current, "5");
    cr_assert_str_eq(overview->target, "target");
    cr_assert_str_eq(overview->engine, "sqlite 3");
    cr_assert_str_eq(overview->last_error, "");
    cr_assert_eq(overview->applied, 4);
    cr_assert_eq(overview->pending, 2);
    cr_assert_eq(overview->problems, 3, "%zu", overview->problems); /* 2, 4, 5 */
    mighost_overview_free(overview);
}

Test(view, the_last_error_is_that_of_the_newest_attempt)
{
    struct mighost_attempt attempt = {
        .number = 1, .id = "6", .action = "up", .outcome = "failed", .error = "it broke"};
    const struct mighost_attempts attempts = {.count = 1, .items = &attempt};
    struct mighost_overview *overview = NULL;

    cr_assert_eq(view_status(&catalog, &history, "", "", &attempts, &overview, &err), MIG_OK);
    cr_assert_str_eq(overview->last_error, "it broke");
    mighost_overview_free(overview);
    attempt.outcome = "applied";
    attempt.error = "";
    cr_assert_eq(view_status(&catalog, &history, "", "", &attempts, &overview, &err), MIG_OK);
    cr_assert_str_eq(overview->last_error, "");
    mighost_overview_free(overview);
}

Test(view, a_detail_has_texts_steps_and_attempts)
{
    const struct journal_row steps[] = {
        {.step = 3, .finished = true, .kind = "transform", .cursor = "", .done = 70},
        {.step = 3, .part = 1, .finished = true, .kind = "transform", .cursor = "", .done = 70},
        {.step = 4, .kind = "transform", .cursor = ""},
        {.step = 4, .part = 1, .finished = true, .kind = "part", .done = 5, .rejected = 1},
        {.step = 4, .part = 2, .kind = "part", .done = 6, .rejected = 2},
    };
    const struct journal journal = {.count = 5, .items = steps};
    const struct mighost_attempt attempt = {.number = 4,
                                            .id = "1",
                                            .action = "up",
                                            .outcome = "applied",
                                            .error = "",
                                            .run_id = "run",
                                            .who = "who",
                                            .host_version = "1"};
    const struct mighost_attempts attempts = {.count = 1, .items = &attempt};
    const struct view_parts parts = {
        .migration = &files[0],
        .applied = &rows[0],
        .newest = 5,
        .up = "UP",
        .down = "DOWN",
        .down_is_carrier = true,
        .journal = &journal,
        .attempts = &attempts,
    };
    struct mighost_detail *detail = NULL;

    cr_assert_eq(view_detail(&parts, &detail, &err), MIG_OK, "%s", err.message);
    cr_assert_str_eq(detail->item.id, "1");
    cr_assert_str_eq(detail->up, "UP");
    cr_assert_str_eq(detail->down, "DOWN");
    cr_assert(detail->down_is_carrier);
    cr_assert_eq(detail->step_count, 2);
    cr_assert_eq(detail->steps[0].number, 3);
    cr_assert_str_eq(detail->steps[0].state, "finished");
    cr_assert_str_eq(detail->steps[0].kind, "transform");
    cr_assert_eq(detail->steps[0].done, 70);
    cr_assert_str_eq(detail->steps[1].state, "started");
    cr_assert_eq(detail->steps[1].done, 11);
    cr_assert_eq(detail->steps[1].rejected, 3);
    cr_assert_eq(detail->attempts.count, 1);
    cr_assert_str_eq(detail->attempts.items[0].outcome, "applied");
    mighost_detail_free(detail);
}

Test(view, a_detail_may_lack_everything_but_the_migration)
{
    const struct view_parts parts = {.migration = &files[1]};
    struct mighost_detail *detail = NULL;

    cr_assert_eq(view_detail(&parts, &detail, &err), MIG_OK, "%s", err.message);
    cr_assert_null(detail->up);
    cr_assert_null(detail->down);
    cr_assert_eq(detail->step_count, 0);
    cr_assert_eq(detail->attempts.count, 0);
    cr_assert_eq(detail->item.state, MIGHOST_PENDING);
    mighost_detail_free(detail);
}

Test(view, a_plan_is_a_list_in_its_own_order)
{
    const struct plan_step steps[] = {
        {.direction = MIGHOST_DOWN, .migration = &files[3], .applied = &rows[2]},
        {.direction = MIGHOST_DOWN, .applied = &rows[3], .by_carrier = true},
        {.direction = MIGHOST_DOWN, .migration = &files[0], .applied = &rows[0]},
    };
    const struct plan plan = {.count = 3, .steps = steps};
    struct mighost_list *list = NULL;

    cr_assert_eq(view_plan(&plan, &history, &list, &err), MIG_OK, "%s", err.message);
    cr_assert_str_eq(ids(list), "4 5 1");
    mighost_list_free(list);
}

Test(view, nothing_at_all_can_be_freed)
{
    mighost_list_free(NULL);
    mighost_overview_free(NULL);
    mighost_detail_free(NULL);
    mighost_attempts_free(NULL);
}
