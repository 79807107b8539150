/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Phone numbers as people type them, and what becomes of them: a table of
 * numbers for each country that a test gives, and the way back.
 */
#include "history.h"

struct number {
    const char *typed;
    const char *becomes; /* NULL: it cannot be read, and stays */
};

/* One user for each number, all normalised at once with that country. */
static void check_numbers(struct mig_test *test, const char *country, const struct number *numbers,
                          size_t count)
{
    history_with_users(test, SETTINGS_WIDENED, (int)count);
    for (size_t i = 0; i < count; i++)
        mig_test_exec(test, "UPDATE users SET phone = %s WHERE id = %zu",
                      mig_test_text(test, numbers[i].typed), i + 1);
    mig_test_param(test, "phone_country", country);
    mig_assert_ok(test, mig_test_up(test, PHONES_NORMALISED));
    for (size_t i = 0; i < count; i++) {
        const char *got = mig_test_rows(test, "SELECT phone FROM users WHERE id = %zu", i + 1);
        const char *wanted = numbers[i].becomes ? numbers[i].becomes : numbers[i].typed;

        cr_assert_str_eq(got, wanted, "[%s] became [%s], not [%s]", numbers[i].typed, got, wanted);
    }
}
#define CHECK_NUMBERS(test, country, numbers) \
    check_numbers(test, country, numbers, sizeof(numbers) / sizeof(numbers)[0])

MIG_TEST(phones, of_germany, BUNDLE)
{
    static const struct number numbers[] = {
        {"030 123456", "+4930123456"},
        {"(030) 12 34-56", "+4930123456"},
        {"030/123456", "+4930123456"},
        {"+49 (0)30 123456", "+4930123456"},
        {"0049 30 123456", "+4930123456"},
        {"+49 30.123456", "+4930123456"},
        {"+4930123456", "+4930123456"},
        {" 0171 1234567 ", "+491711234567"},
        {"001 212 555 0100", "+12125550100"},
        {"+7 495 1234567", "+74951234567"},
        {"+49 030 123456", NULL},       /* a trunk prefix behind the calling code */
        {"030 123456 ext 7", NULL},     /* an extension is no part of a number */
        {"030 12", NULL},               /* too short */
        {"+49123456789012345", NULL},   /* 17 digits */
        {"00000000000000000000", NULL}, /* no country begins with 0 */
        {"none", NULL},
        {"++4930123456", NULL},
        {"+", NULL},
        {"", NULL},
    };

    CHECK_NUMBERS(test, "DE", numbers);
}

MIG_TEST(phones, of_the_united_states, BUNDLE)
{
    static const struct number numbers[] = {
        {"(212) 555-0100", "+12125550100"},  {"1-212-555-0100", "+12125550100"},
        {"212.555.0100", "+12125550100"},    {"011 49 30 123456", "+4930123456"},
        {"+1 212 555 0100", "+12125550100"}, {"555-0100", NULL},
        {"+1 1212 555 010", NULL},
    };

    CHECK_NUMBERS(test, "US", numbers);
}

MIG_TEST(phones, of_italy_keep_their_zero, BUNDLE)
{
    static const struct number numbers[] = {
        {"06 1234 5678", "+390612345678"},
        {"+39 06 1234 5678", "+390612345678"},
        {"347 123 4567", "+393471234567"},
    };

    CHECK_NUMBERS(test, "IT", numbers);
}

MIG_TEST(phones, without_a_country_only_international_ones_are_read, BUNDLE)
{
    static const struct number numbers[] = {
        {"030 123456", NULL},
        {"0049 30 123456", NULL},
        {"+49 30 123456", "+4930123456"},
    };

    CHECK_NUMBERS(test, NULL, numbers);
    cr_assert(strstr(mig_test_log(test), "no country is given"), "%s", mig_test_log(test));
    cr_assert(strstr(mig_test_log(test), "stay as they are: 2"), "%s", mig_test_log(test));
}

MIG_TEST(phones, what_is_no_text_stays_and_is_counted, BUNDLE)
{
    if (strcmp(mig_test_engine(test), "sqlite") != 0)
        return; /* only there a column holds bytes all the same */
    history_with_users(test, SETTINGS_WIDENED, 2);
    mig_test_exec(test, "UPDATE users SET phone = x'2b3439' WHERE id = 1");
    mig_test_param(test, "phone_country", "DE");
    mig_assert_ok(test, mig_test_up(test, PHONES_NORMALISED));
    cr_assert(strstr(mig_test_log(test), "stay as they are: "), "%s", mig_test_log(test));
    mig_assert_rows(test, "SELECT phone FROM users WHERE id = 1", "2b3439");
}

MIG_TEST(phones, those_that_an_interrupted_run_could_not_read_are_counted_too, BUNDLE)
{
    history_with_users(test, SETTINGS_WIDENED, 30000);
    mig_test_exec(test, "UPDATE users SET phone = CASE WHEN id <= 3 OR id > 29998 THEN 'ask Bob'"
                        " ELSE '030 ' || (100000 + id) END");
    mig_test_exec(test, "UPDATE users SET phone = '030/100100' WHERE id = 29998");
    mig_test_exec(test, "CREATE UNIQUE INDEX one_each ON users (phone)"
                        " WHERE phone <> 'ask Bob'");
    mig_test_param(test, "phone_country", "DE");
    mig_assert_fails(test, mig_test_up(test, PHONES_NORMALISED), "run the command again");
    cr_assert(!strstr(mig_test_log(test), "stay as they are"), "%s", mig_test_log(test));
    mig_assert_rows(test,
                    "SELECT count(*) FROM users WHERE id BETWEEN 4 AND 99"
                    " AND original_phone IS NULL",
                    "0");
    mig_test_exec(test, "DROP INDEX one_each");
    mig_assert_ok(test, mig_test_up(test, PHONES_NORMALISED));
    cr_assert(strstr(mig_test_log(test), "stay as they are: 5\n"), "%s", mig_test_log(test));
    mig_assert_rows(test, "SELECT count(*) FROM users WHERE original_phone IS NULL", "5");
}

MIG_TEST(phones, an_unknown_country_is_refused_before_anything_runs, BUNDLE)
{
    history_with_users(test, SETTINGS_WIDENED, 1);
    mig_test_param(test, "phone_country", "XX");
    mig_assert_fails(test, mig_test_up(test, PHONES_NORMALISED), "phone_country is not among");
    mig_test_param(test, "phone_country", "de");
    mig_assert_fails(test, mig_test_up(test, PHONES_NORMALISED),
                     "nothing of this migration is left");
    mig_test_exec(test, "ALTER TABLE users ADD COLUMN original_phone VARCHAR(20)");
}

MIG_TEST(phones, the_way_back_gives_what_was_typed, BUNDLE)
{
    history_with_users(test, SETTINGS_WIDENED, 5);
    mig_test_exec(test, "UPDATE users SET phone = CASE id WHEN 1 THEN '(030) 123456'"
                        " WHEN 2 THEN 'ask Bob' WHEN 3 THEN '+4930123456'"
                        " WHEN 4 THEN '+7 (495) 1234567' END");
    mig_test_param(test, "phone_country", "DE");
    mig_assert_ok(test, mig_test_up(test, PHONES_NORMALISED));
    mig_assert_rows(test, "SELECT phone, original_phone FROM users ORDER BY id",
                    "+4930123456|(030) 123456\nask Bob|NULL\n+4930123456|NULL\n"
                    "+74951234567|+7 (495) 1234567\nNULL|NULL");
    mig_test_param(test, "phone_country", NULL); /* the way back needs no parameter */
    mig_assert_ok(test, mig_test_down(test, SETTINGS_WIDENED));
    mig_assert_rows(test, "SELECT phone FROM users ORDER BY id",
                    "(030) 123456\nask Bob\n+4930123456\n+7 (495) 1234567\nNULL");
}

MIG_TEST(phones, a_number_that_was_changed_since_stays, BUNDLE)
{
    history_with_users(test, SETTINGS_WIDENED, 2);
    mig_test_exec(test, "UPDATE users SET phone = '030 12345' || id");
    mig_test_param(test, "phone_country", "DE");
    mig_assert_ok(test, mig_test_up(test, PHONES_NORMALISED));
    mig_test_exec(test, "UPDATE users SET phone = '+4940999999' WHERE id = 1");
    mig_assert_ok(test, mig_test_down(test, SETTINGS_WIDENED));
    mig_assert_rows(test, "SELECT phone FROM users ORDER BY id", "+4940999999\n030 123452");
}

MIG_TEST(phones, ten_thousand_go_there_and_back, BUNDLE)
{
    history_with_users(test, SETTINGS_WIDENED, 10000);
    mig_test_exec(test, "UPDATE users SET phone = '030 ' || (100000 + id)");
    mig_test_param(test, "phone_country", "DE");
    mig_assert_ok(test, mig_test_up(test, PHONES_NORMALISED));
    mig_assert_rows(test, "SELECT count(*) FROM users WHERE phone = '+4930' || (100000 + id)",
                    "10000");
    mig_assert_ok(test, mig_test_down(test, SETTINGS_WIDENED));
    mig_assert_rows(test, "SELECT count(*) FROM users WHERE phone = '030 ' || (100000 + id)",
                    "10000");
}
