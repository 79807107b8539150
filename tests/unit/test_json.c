/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON writer: commas, nesting, escapes, and text that is no text. */
#include "json.h"

#include <criterion/criterion.h>

static struct buf out;
static struct json j;

static void start(void)
{
    json_init(&j, &out);
}

static void stop(void)
{
    buf_clear(&out);
}

TestSuite(json, .init = start, .fini = stop);

Test(json, members_and_elements_are_separated_by_commas)
{
    json_object(&j);
    json_member_string(&j, "a", "x");
    json_member_int(&j, "b", INT64_MIN);
    json_key(&j, "c");
    json_array(&j);
    json_bool(&j, true);
    json_null(&j);
    json_object(&j);
    json_object_end(&j);
    json_array(&j);
    json_array_end(&j);
    json_int(&j, 0);
    json_array_end(&j);
    json_member_bool(&j, "d", false);
    json_member_string(&j, "e", NULL);
    json_object_end(&j);
    cr_assert_str_eq(buf_text(&out), "{\"a\":\"x\",\"b\":-9223372036854775808,"
                                     "\"c\":[true,null,{},[],0],\"d\":false,\"e\":null}");
}

Test(json, control_characters_quotes_and_backslashes_are_escaped)
{
    json_string_n(&j, "\"\\/\b\f\n\r\t\x01\x1F\x7F\0z", 13);
    cr_assert_str_eq(buf_text(&out), "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\\u0000z\"");
}

Test(json, utf8_passes_and_bad_bytes_become_replacement_characters)
{
    json_string(&j, "gr\xC3\xBCn \xF0\x9F\x90\x98 \xFF\xC3(\xE2\x82");
    cr_assert_str_eq(buf_text(&out), "\"gr\xC3\xBCn \xF0\x9F\x90\x98 \xEF\xBF\xBD\xEF\xBF\xBD("
                                     "\xEF\xBF\xBD\xEF\xBF\xBD\"");
}
