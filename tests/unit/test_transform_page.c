/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many rows the next page has, after turns that took so long: no database is
 * asked, and no clock.
 */
#include "transform_page.h"

#include <criterion/criterion.h>

static struct transform_shape shape; /* whose author leaves the size to the host */

static struct transform_lane lane_of(size_t page_rows)
{
    return (struct transform_lane){.shape = &shape, .page_rows = page_rows};
}

/* A page of one turn, and of rows of so many bytes. */
static size_t next_page(struct transform_lane *lane, size_t row_bytes, int64_t took_ms)
{
    const struct transform_step step = {
        .rows = lane->page_rows, .bytes = lane->page_rows * row_bytes, .page = true};

    transform_lane_adapt(lane, &step, took_ms);
    return lane->page_rows;
}

Test(transform_page, quick_pages_double_up_to_a_bound)
{
    struct transform_lane lane = lane_of(100);

    cr_assert_eq(next_page(&lane, 10, 0), 200);
    cr_assert_eq(next_page(&lane, 10, 50), 400);
    for (int i = 0; i < 10; i++)
        next_page(&lane, 10, 0);
    cr_assert_eq(lane.page_rows, 10000);
}

Test(transform_page, one_that_took_about_its_time_stays)
{
    struct transform_lane lane = lane_of(1000);

    cr_assert_eq(next_page(&lane, 10, 100), 1000);
    cr_assert_eq(next_page(&lane, 10, 400), 1000);
}

Test(transform_page, one_that_took_too_long_shrinks_at_once_and_never_to_nothing)
{
    struct transform_lane lane = lane_of(1000);

    cr_assert_eq(next_page(&lane, 10, 2000), 100);
    cr_assert_eq(next_page(&lane, 10, 3600000), 1);
    cr_assert_eq(next_page(&lane, 10, 3600000), 1);
    cr_assert_eq(next_page(&lane, 10, 0), 2);
}

Test(transform_page, the_longest_turn_of_a_page_counts)
{
    const struct transform_step turn = {.rows = 1000, .bytes = 10000};
    struct transform_lane lane = lane_of(1000);

    transform_lane_adapt(&lane, &turn, 2000);
    cr_assert_eq(lane.page_rows, 1000, "the page is not over");
    cr_assert_eq(next_page(&lane, 10, 10), 100);
    cr_assert_eq(next_page(&lane, 10, 10), 200, "it counted for another page");
}

Test(transform_page, wide_rows_keep_a_page_within_its_memory)
{
    struct transform_lane lane = lane_of(100);

    cr_assert_leq(next_page(&lane, 100000, 0), 42);
    cr_assert_eq(next_page(&lane, (size_t)64 << 20, 0), 1);
}

Test(transform_page, an_authors_size_is_kept)
{
    struct transform_shape own = {.spec = {.batch = 70}};
    struct transform_lane lane = {.shape = &own, .page_rows = 70};

    cr_assert_eq(next_page(&lane, 10, 0), 70);
    cr_assert_eq(next_page(&lane, 10, 5000), 70);
}
