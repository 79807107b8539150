/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers, arenas and arrays: what grows. */
#include "arena.h"
#include "buf.h"
#include "vec.h"

#include <criterion/criterion.h>

VEC_DEFINE(numbers, int);

Test(buf, an_empty_one_reads_as_an_empty_text)
{
    struct buf b = {0};

    cr_assert_str_eq(buf_text(&b), "");
    buf_clear(&b);
}

Test(buf, what_is_added_stands_one_after_the_other_with_a_nul_behind)
{
    AUTO(buf) struct buf b = {0};

    buf_puts(&b, "one");
    buf_putc(&b, ' ');
    buf_add(&b, "t\0o", 3);
    cr_assert_eq(b.len, 7);
    cr_assert_arr_eq(b.data, "one t\0o\0", 8);
    buf_cut(&b, 3);
    buf_cut(&b, 100);
    cr_assert_str_eq(buf_text(&b), "one");
    buf_reset(&b);
    cr_assert_eq(b.len, 0);
    cr_assert_str_eq(buf_text(&b), "");
}

Test(buf, printf_grows_as_far_as_the_text_needs)
{
    AUTO(buf) struct buf b = {0};

    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%0200d;", i);
    cr_assert(buf_ok(&b));
    cr_assert_eq(b.len, 201000);
    cr_assert_str_eq(b.data + b.len - 5, "0999;");
}

Test(buf, a_failure_sticks_until_reset_and_keeps_what_was_there)
{
    AUTO(buf) struct buf b = {0};
    struct mig_err err;

    buf_puts(&b, "kept");
    cr_assert_not(buf_reserve(&b, SIZE_MAX - 2));
    buf_puts(&b, "lost");
    buf_printf(&b, "lost %d", 2);
    cr_assert_not(buf_ok(&b));
    cr_assert_eq(buf_check(&b, &err), MIG_E_NOMEM);
    cr_assert_str_eq(buf_text(&b), "kept");
    buf_reset(&b);
    cr_assert(buf_ok(&b));
}

Test(arena, strings_stay_where_they_are_while_thousands_follow)
{
    AUTO(arena) struct arena a = {0};
    char *first = arena_strdup(&a, "first");
    char *kept[1000];

    for (int i = 0; i < 1000; i++)
        kept[i] = arena_printf(&a, "%d of %d", i, 1000);
    cr_assert_str_eq(first, "first");
    cr_assert_str_eq(kept[0], "0 of 1000");
    cr_assert_str_eq(kept[999], "999 of 1000");
    cr_assert_str_eq(arena_strndup(&a, "abcdef", 3), "abc");
}

Test(arena, allocations_are_zeroed_and_aligned_and_may_be_large)
{
    AUTO(arena) struct arena a = {0};
    char *large;

    arena_strdup(&a, "x");
    for (int i = 0; i < 100; i++) {
        long double *number = arena_alloc(&a, sizeof *number);

        cr_assert_eq((uintptr_t)number % _Alignof(long double), 0);
        cr_assert_eq(*number, 0.0L);
        arena_strdup(&a, "odd");
    }
    large = arena_alloc(&a, 5000000);
    cr_assert_not_null(large);
    large[4999999] = 'x';
    cr_assert_null(arena_alloc(&a, SIZE_MAX - 100));
}

Test(vec, elements_are_zeroed_and_kept_in_order)
{
    AUTO(numbers) struct numbers v = {0};
    int sum = 0;

    for (int i = 0; i < 1000; i++) {
        int *n = numbers_add(&v);

        cr_assert_eq(*n, 0);
        *n = i;
    }
    VEC_EACH(int, n, &v)
        sum += *n;
    cr_assert_eq(v.len, 1000);
    cr_assert_eq(sum, 499500);
}

Test(vec, an_empty_one_has_nothing_to_walk_over)
{
    AUTO(numbers) struct numbers v = {0};

    VEC_EACH(int, n, &v)
        cr_assert_fail("there is no element, and here is %d", *n);
}
