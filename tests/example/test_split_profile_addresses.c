/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses as JSON become columns and JSON again: what the reader takes, what
 * it refuses and where, escapes and surrogates, and what comes back.
 */
#include "history.h"

#define THE_COLUMNS "SELECT street, city, postcode, country, floor FROM profiles ORDER BY user_id"
#define THE_ADDRESSES "SELECT address FROM profiles ORDER BY user_id"

static void put_address(struct mig_test *test, int user, const char *json)
{
    mig_test_exec(test, "DELETE FROM profiles WHERE user_id = %d", user);
    mig_test_exec(test, "INSERT INTO profiles (user_id, address) VALUES (%d, %s)", user,
                  json ? mig_test_text(test, json) : "NULL");
}

MIG_TEST(addresses, members_become_columns_in_any_order, BUNDLE)
{
    history_with_users(test, ADDRESSES_ADDED, 3);
    put_address(test, 1,
                " { \"floor\" : -3 ,\n\t\"city\":\"Wien\",\"country\":\"AT\",\"street\":"
                "\"Ring 1\",\"postcode\":\"1010\" } ");
    put_address(test, 2, "{\"city\":null}");
    put_address(test, 3, NULL);
    mig_assert_ok(test, mig_test_up(test, ADDRESSES_SPLIT));
    mig_assert_rows(test, THE_COLUMNS,
                    "Ring 1|Wien|1010|AT|-3\nNULL|NULL|NULL|NULL|NULL\nNULL|NULL|NULL|NULL|NULL");
}

MIG_TEST(addresses, escapes_become_the_characters_they_stand_for, BUNDLE)
{
    static const struct {
        const char *json;
        const char *text;
    } rows[] = {
        {"\\\"\\\\\\/", "\"\\/"},
        {"a\\tb\\nc\\r\\b\\f", "a\tb\nc\r\b\f"},
        {"\\u0041\\u00e4\\u00E4\\u20ac", "A\xC3\xA4\xC3\xA4\xE2\x82\xAC"},
        {"\\ud83d\\ude00", "\xF0\x9F\x98\x80"},
        {"\\uDBFF\\uDFFF", "\xF4\x8F\xBF\xBF"},
        {"\xC3\xA4 \xF0\x9F\x98\x80", "\xC3\xA4 \xF0\x9F\x98\x80"},
    };
    const size_t count = sizeof rows / sizeof rows[0];

    history_with_users(test, ADDRESSES_ADDED, (int)count);
    for (size_t i = 0; i < count; i++) {
        char json[128];

        snprintf(json, sizeof json, "{\"street\":\"%s\"}", rows[i].json);
        put_address(test, (int)i + 1, json);
    }
    mig_assert_ok(test, mig_test_up(test, ADDRESSES_SPLIT));
    for (size_t i = 0; i < count; i++)
        cr_assert_str_eq(
            mig_test_rows(test, "SELECT street FROM profiles WHERE user_id = %zu", i + 1),
            rows[i].text, "%s", rows[i].json);
}

MIG_TEST(addresses, what_is_no_flat_object_is_refused_with_its_place, BUNDLE)
{
    static const struct {
        const char *json;
        const char *says;
    } rows[] = {
        {"", "no object, at byte 1"},
        {"[]", "no object, at byte 1"},
        {"{", "a string is missing, at byte 2"},
        {"{\"city\"", "a colon is missing, at byte 8"},
        {"{\"city\":", "neither a string nor a number"},
        {"{\"city\":\"a", "the text ends within a string, at byte 11"},
        {"{\"city\":\"a\"", "neither a comma nor a closing brace, at byte 12"},
        {"{\"city\":\"a\",}", "a string is missing, at byte 13"},
        {"{\"city\":\"a\"} x", "something stands behind the object, at byte 14"},
        {"{\"city\":{}}", "an object or an array within the object"},
        {"{\"city\":[1]}", "an object or an array within the object"},
        {"{\"city\":\"\\x\"}", "an escape that JSON does not have"},
        {"{\"city\":\"\\u12g4\"}", "other than four hexadecimal digits"},
        {"{\"city\":\"\\u0000\"}", "\\u0000 cannot stand in a text column"},
        {"{\"city\":\"\\ud83d\"}", "half of a surrogate pair"},
        {"{\"city\":\"\\ud83dx\"}", "half of a surrogate pair"},
        {"{\"city\":\"\\ud83d\\u0041\"}", "half of a surrogate pair"},
        {"{\"city\":\"\\ude00\"}", "half of a surrogate pair"},
        {"{\"city\":\"a\nb\"}", "a control character in a string"},
        {"{\"floor\":01}", "neither a string nor a number"},
        {"{\"floor\":1.}", "a number ends with its point"},
        {"{\"floor\":1e}", "a number without its exponent"},
        {"{\"floor\":+1}", "neither a string nor a number"},
        {"{\"floor\":nul}", "neither a string nor a number"},
        {"{\"floor\":1.5}", "\"floor\" is no whole number of 32 bits"},
        {"{\"floor\":2147483648}", "\"floor\" is no whole number of 32 bits"},
        {"{\"floor\":\"1\"}", "\"floor\" is not a number"},
        {"{\"city\":1}", "\"city\" is not a string"},
        {"{\"city\":true}", "\"city\" is not a string"},
        {"{\"city\":\"a\",\"city\":\"b\"}", "\"city\" twice"},
        {"{\"door\":\"a\"}", "has a member \"door\", and no column is for it"},
        {"{\"country\":\"AUT\"}", "\"country\" is longer than 2 characters"},
    };

    history_with_users(test, ADDRESSES_ADDED, 2);
    put_address(test, 1, "{\"city\":\"Wien\"}");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put_address(test, 2, rows[i].json);
        mig_assert_fails(test, mig_test_up(test, ADDRESSES_SPLIT), rows[i].says);
    }
    /* What stopped part way goes on once the row is right. */
    put_address(test, 2, "{\"city\":\"Graz\"}");
    mig_assert_ok(test, mig_test_up(test, ADDRESSES_SPLIT));
    mig_assert_rows(test, "SELECT city FROM profiles ORDER BY user_id", "Wien\nGraz");
}

MIG_TEST(addresses, names_and_texts_that_fit_no_buffer_are_refused, BUNDLE)
{
    char json[4096];

    history_with_users(test, ADDRESSES_ADDED, 1);
    snprintf(json, sizeof json, "{\"%0*d\":1}", 64, 0);
    put_address(test, 1, json);
    mig_assert_fails(test, mig_test_up(test, ADDRESSES_SPLIT), "a string is too long");
    snprintf(json, sizeof json, "{\"street\":\"%0*d\"}", 1024, 0);
    put_address(test, 1, json);
    mig_assert_fails(test, mig_test_up(test, ADDRESSES_SPLIT), "a string is too long");
    snprintf(json, sizeof json, "{\"floor\":%0*d}", 2, 0);
    put_address(test, 1, json);
    mig_assert_fails(test, mig_test_up(test, ADDRESSES_SPLIT), "neither a string nor a number");
    snprintf(json, sizeof json, "{\"floor\":1%0*d}", 1024, 0);
    put_address(test, 1, json);
    mig_assert_fails(test, mig_test_up(test, ADDRESSES_SPLIT), "a number is too long");
}

/* PostgreSQL takes no such text in the first place. */
MIG_TEST(addresses, text_that_is_not_utf_8_is_refused, BUNDLE)
{
    static const char *const texts[] = {
        "\x80", "\xC3", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF",
    };

    if (strcmp(mig_test_engine(test), "sqlite") != 0)
        cr_skip_test("only SQLite stores such text");
    history_with_users(test, ADDRESSES_ADDED, 1);
    put_address(test, 1, NULL);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char json[64];

        snprintf(json, sizeof json, "{\"city\":\"%s\"}", texts[i]);
        mig_test_exec(test, "UPDATE profiles SET address = CAST(%s AS TEXT)",
                      mig_test_bytes(test, json, strlen(json)));
        mig_assert_fails(test, mig_test_up(test, ADDRESSES_SPLIT), "not UTF-8, at byte 10");
    }
}

MIG_TEST(addresses, the_way_back_composes_the_same_object, BUNDLE)
{
    history_with_users(test, ADDRESSES_ADDED, 4);
    put_address(test, 1, "{ \"floor\": 4, \"street\": \"\\u00e4 \\\"q\\\" \\\\ \\u0001\\n\" }");
    put_address(test, 2,
                "{\"street\":\"a\",\"city\":\"b\",\"postcode\":\"c\",\"country\":\"d\","
                "\"floor\":0}");
    put_address(test, 3, "{\"postcode\":\"\"}");
    put_address(test, 4, NULL);
    mig_assert_ok(test, mig_test_up(test, ADDRESSES_SPLIT));
    mig_assert_ok(test, mig_test_down(test, ADDRESSES_ADDED));
    mig_assert_rows(test, THE_ADDRESSES,
                    "{\"street\":\"\xC3\xA4 \\\"q\\\" \\\\ \\u0001\\u000a\",\"floor\":4}\n"
                    "{\"street\":\"a\",\"city\":\"b\",\"postcode\":\"c\",\"country\":\"d\","
                    "\"floor\":0}\n"
                    "{\"postcode\":\"\"}\nNULL");
}

MIG_TEST(addresses, ten_thousand_go_there_and_back, BUNDLE)
{
    history_with_users(test, ADDRESSES_ADDED, 10000);
    mig_test_exec(test, "INSERT INTO profiles (user_id, address) SELECT id, "
                        "'{\"city\":\"C' || id || '\",\"floor\":' || id || '}' FROM users");
    mig_assert_ok(test, mig_test_up(test, ADDRESSES_SPLIT));
    mig_assert_rows(test,
                    "SELECT count(*) FROM profiles WHERE city = 'C' || user_id"
                    " AND floor = user_id AND street IS NULL",
                    "10000");
    mig_assert_ok(test, mig_test_down(test, ADDRESSES_ADDED));
    mig_assert_rows(test,
                    "SELECT count(*) FROM profiles WHERE address = "
                    "'{\"city\":\"C' || user_id || '\",\"floor\":' || user_id || '}'",
                    "10000");
}
