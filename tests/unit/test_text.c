/* SPDX-License-Identifier: Apache-2.0 */
/* Text: UTF-8, safe display, and how numbers, durations, sizes and times are written. */
#include "support.h"
#include "text.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct mig_err err;

static bool valid(const char *text)
{
    return text_utf8_check(text, strlen(text), NULL);
}

Test(text, utf8_takes_every_well_formed_character)
{
    cr_assert(valid(""));
    cr_assert(valid("plain ASCII, longer than one block of thirty-two bytes, and on"));
    cr_assert(valid("\xC2\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xEF\xBF\xBF"));
    cr_assert(valid("\xF0\x90\x80\x80 \xF4\x8F\xBF\xBF"));
}

Test(text, utf8_refuses_overlong_surrogate_and_cut_characters)
{
    const char *const bad[] = {"\x80",         "\xC0\xAF",         "\xC1\xBF",
                               "\xE0\x9F\xBF", "\xED\xA0\x80",     "\xF0\x8F\xBF\xBF",
                               "\xF5\x80\x80", "\xF4\x90\x80\x80", "\xC3",
                               "\xE2\x82",     "\xF0\x9F\x90",     "\xFF",
                               "\xC3(",        "\xE2(\xA1",        "\xF0\x90\x28\xBC"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_not(valid(bad[i]), "case %zu", i);
}

Test(text, utf8_says_where_the_first_bad_byte_is_also_behind_long_runs)
{
    char text[500];
    size_t bad = 0;

    for (size_t place = 0; place < sizeof text; place++) {
        memset(text, 'x', sizeof text);
        text[place] = '\xFF';
        cr_assert_not(text_utf8_check(text, sizeof text, &bad));
        cr_assert_eq(bad, place);
    }
}

static char *escaped(const char *text, size_t len, const char *keep)
{
    AUTO(buf) struct buf out = {0};

    text_escape_n(&out, text, len, keep);
    return test_format("%s", buf_text(&out));
}

Test(text, escape_writes_out_what_a_terminal_would_act_on)
{
    cr_assert_str_eq(escaped("a\033[31m\x7F\0b", 9, ""), "a\\x1B[31m\\x7F\\x00b");
    cr_assert_str_eq(escaped("\xC2\x9B", 2, ""), "\\u{9B}");
    cr_assert_str_eq(escaped("\xE2\x80\xAE", 3, ""), "\\u{202E}");
    cr_assert_str_eq(escaped("\xFFx", 2, ""), "\\xFFx");
    cr_assert_str_eq(escaped("gr\xC3\xBCn \\ <b>", 11, ""), "gr\xC3\xBCn \\ <b>");
    cr_assert_str_eq(escaped("a\nb\tc\r", 6, "\n\t"), "a\nb\tc\\x0D");
}

Test(text, durations_are_short)
{
    char out[TEXT_SHORT];

    cr_assert_str_eq(text_duration(out, 0), "0 ms");
    cr_assert_str_eq(text_duration(out, 999), "999 ms");
    cr_assert_str_eq(text_duration(out, 1234), "1.2 s");
    cr_assert_str_eq(text_duration(out, 59999), "59.9 s");
    cr_assert_str_eq(text_duration(out, 125000), "2 min 5 s");
    cr_assert_str_eq(text_duration(out, 12000000), "3 h 20 min");
    cr_assert_str_eq(text_duration(out, -5), "0 ms");
}

Test(text, counts_have_commas)
{
    char out[TEXT_SHORT];

    cr_assert_str_eq(text_count(out, 0), "0");
    cr_assert_str_eq(text_count(out, 999), "999");
    cr_assert_str_eq(text_count(out, 1000), "1,000");
    cr_assert_str_eq(text_count(out, -200000), "-200,000");
    cr_assert_str_eq(text_count(out, INT64_MIN), "-9,223,372,036,854,775,808");
}

Test(text, times_are_utc_whatever_the_time_zone)
{
    char out[TEXT_SHORT];

    setenv("TZ", "Asia/Tokyo", 1);
    cr_assert_str_eq(text_time(out, 0), "1970-01-01T00:00:00.000Z");
    cr_assert_str_eq(text_time(out, -1), "1969-12-31T23:59:59.999Z");
    cr_assert_str_eq(text_time(out, 951782400000), "2000-02-29T00:00:00.000Z");
    cr_assert_str_eq(text_time(out, 1772357400125), "2026-03-01T09:30:00.125Z");
    cr_assert_str_eq(text_time(out, 253402300799999), "9999-12-31T23:59:59.999Z");
}

Test(text, every_day_of_four_centuries_comes_back)
{
    char out[TEXT_SHORT];
    int64_t back;

    for (int64_t day = -70 * 365; day < 400 * 365; day += 17) {
        int64_t ms = day * 86400000 + 45296789;

        cr_assert(text_time_parse(text_time(out, ms), &back));
        cr_assert_eq(back, ms, "%s", out);
    }
}

Test(text, times_are_read_in_the_forms_that_engines_write)
{
    const int64_t wanted = 1772357400000;
    const char *const good[] = {"2026-03-01T09:30:00Z",      "2026-03-01 09:30:00",
                                "2026-03-01 09:30",          "2026-03-01 09:30:00.000+00",
                                "2026-03-01T11:30:00+02:00", "2026-03-01T06:00:00-0330"};
    const char *const bad[] = {"",
                               "2026-03-01",
                               "2026-02-29T00:00:00Z",
                               "2026-13-01T00:00:00Z",
                               "2026-03-01T24:00:00Z",
                               "2026-03-01T09:30:00Zx",
                               "2026-03-01T09:30:00+2",
                               "26-03-01T09:30:00Z"};
    int64_t ms;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cr_assert(text_time_parse(good[i], &ms), "%s", good[i]);
        cr_assert_eq(ms, wanted, "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_not(text_time_parse(bad[i], &ms), "%s", bad[i]);
}

Test(text, durations_are_read_with_their_unit)
{
    int64_t ms = -1;

    cr_assert_eq(text_parse_duration("0", &ms, &err), MIG_OK);
    cr_assert_eq(ms, 0);
    cr_assert_eq(text_parse_duration("200ms", &ms, &err), MIG_OK);
    cr_assert_eq(ms, 200);
    cr_assert_eq(text_parse_duration("5s", &ms, &err), MIG_OK);
    cr_assert_eq(ms, 5000);
    cr_assert_eq(text_parse_duration("2m", &ms, &err), MIG_OK);
    cr_assert_eq(ms, 120000);
    cr_assert_eq(text_parse_duration("1h", &ms, &err), MIG_OK);
    cr_assert_eq(ms, 3600000);
}

Test(text, a_duration_without_unit_or_sense_is_refused_and_changes_nothing)
{
    const char *const bad[] = {"",
                               "5",
                               "s",
                               "-5s",
                               "5 s",
                               "1.5s",
                               "5sec",
                               "99999999999999999999s",
                               "9223372036854775807h",
                               "2562047788015h"};
    int64_t ms = 42;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(text_parse_duration(bad[i], &ms, &err), MIG_E_USAGE, "%s", bad[i]);
    cr_assert_eq(ms, 42);
}

Test(text, a_share_is_a_percentage_or_a_fraction)
{
    static const struct {
        const char *text;
        int64_t percent;
    } good[] = {{"50%", 50}, {"0.5", 50}, {".25", 25}, {"100%", 100}, {"1.0", 100}, {"12.5%", 13}};
    const char *const bad[] = {"",
                               "50",
                               "0%",
                               "0.0",
                               "101%",
                               "1.01",
                               "-5%",
                               "5 %",
                               "%",
                               "1e1%",
                               "0.5x",
                               ".",
                               "99999999999999999999%"};
    int64_t percent = 42;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cr_assert_eq(text_parse_percent(good[i].text, &percent, &err), MIG_OK, "%s", good[i].text);
        cr_assert_eq(percent, good[i].percent, "%s", good[i].text);
    }
    percent = 42;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(text_parse_percent(bad[i], &percent, &err), MIG_E_USAGE, "%s", bad[i]);
    cr_assert_eq(percent, 42);
}

Test(text, sizes_are_powers_of_1024)
{
    int64_t bytes = 0;

    cr_assert_eq(text_parse_size("4096", &bytes, &err), MIG_OK);
    cr_assert_eq(bytes, 4096);
    cr_assert_eq(text_parse_size("64M", &bytes, &err), MIG_OK);
    cr_assert_eq(bytes, 64 << 20);
    cr_assert_eq(text_parse_size("64MB", &bytes, &err), MIG_E_USAGE);
    cr_assert_eq(text_parse_size("", &bytes, &err), MIG_E_USAGE);
}

Test(text, whole_numbers_stay_within_their_bounds)
{
    int64_t n = 0;

    cr_assert(text_parse_int("-7", -10, 10, &n));
    cr_assert_eq(n, -7);
    cr_assert_not(text_parse_int("11", -10, 10, &n));
    cr_assert_not(text_parse_int("", -10, 10, &n));
    cr_assert_not(text_parse_int("1x", -10, 10, &n));
    cr_assert_not(text_parse_int("+1", -10, 10, &n));
}

static const char *hidden(const char *text, const char *const *pairs)
{
    static char out[128];

    snprintf(out, sizeof out, "%s", text);
    text_hide_values(out, pairs);
    return out;
}

Test(text, values_are_hidden_whole_or_cut_off)
{
    static const char *const pairs[] = {"a=open=sesame", "b=12345678\n\r\nsecond line", NULL};

    cr_assert_str_eq(hidden("'open=sesame', open=sesame", pairs), "'***', ***");
    cr_assert_str_eq(hidden("open=sesam...", pairs), "***...");
    cr_assert_str_eq(hidden("open=ses", pairs), "***");
    cr_assert_str_eq(hidden("open=se", pairs), "open=se");
    cr_assert_str_eq(hidden("1234567812345678 and second line", pairs), "****** and ***");
    cr_assert_str_eq(hidden("", pairs), "");
}

Test(text, values_that_could_be_any_word_are_not_hidden)
{
    static const char *const pairs[] = {"mode=full", "empty=", "bare", NULL};

    cr_assert_str_eq(hidden("mode=full, empty=, bare", pairs), "mode=full, empty=, bare");
    cr_assert_str_eq(hidden("mode=full", NULL), "mode=full");
}
