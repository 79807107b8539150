/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text for a terminal: whatever the bytes, what is shown is UTF-8, has nothing
 * in it that a terminal acts on, and shown again is the same. And the readers
 * of numbers, durations, sizes and times, which must go both ways.
 */
#include "fuzz.h"

#include "base/text.h"

/* Control characters of both kinds, and what turns the direction. */
static bool acts(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0x202A && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0x200E || code == 0x200F;
}

static void fuzz_escape(const char *text, size_t len, const char *keep)
{
    AUTO(buf) struct buf once = {0};
    AUTO(buf) struct buf twice = {0};
    const char *shown;
    size_t at = 0;

    text_escape_n(&once, text, len, keep);
    FUZZ_CHECK(buf_ok(&once));
    shown = buf_text(&once);
    while (at < once.len) {
        uint32_t code = 0;
        size_t size = text_utf8_char(shown + at, once.len - at, &code);

        FUZZ_CHECK(size > 0 && (!acts(code) || (code && code < 0x80 && strchr(keep, (int)code))));
        at += size;
    }
    text_escape_n(&twice, shown, once.len, keep);
    FUZZ_CHECK(twice.len == once.len && memcmp(buf_text(&twice), shown, once.len) == 0);
}

/* The quick check tells what one character after the other tells. */
static void fuzz_utf8(const char *text, size_t len)
{
    size_t at = 0, bad = SIZE_MAX, size = 1;
    bool good = text_utf8_check(text, len, &bad);

    while (at < len && (size = text_utf8_char(text + at, len - at, NULL)))
        at += size;
    FUZZ_CHECK(good == (at == len));
    FUZZ_CHECK(good || bad == at);
}

static void fuzz_time(const char *text)
{
    char shown[TEXT_SHORT];
    int64_t ms, again;

    if (!text_time_parse(text, &ms))
        return;
    FUZZ_CHECK(strlen(text_time(shown, ms)) < TEXT_SHORT);
    FUZZ_CHECK(text_time_parse(shown, &again) && again == ms);
}

static void fuzz_numbers(const char *text)
{
    char shown[TEXT_SHORT];
    struct mig_err err;
    int64_t value;

    if (text_parse_duration(text, &value, &err) == MIG_OK)
        FUZZ_CHECK(value >= 0 && strlen(text_duration(shown, value)) < TEXT_SHORT);
    else
        fuzz_check_error(&err);
    if (text_parse_size(text, &value, &err) == MIG_OK)
        FUZZ_CHECK(value >= 0 && strlen(text_count(shown, value)) < TEXT_SHORT);
    else
        fuzz_check_error(&err);
    if (text_parse_percent(text, &value, &err) == MIG_OK)
        FUZZ_CHECK(value > 0 && value <= 100);
    else
        fuzz_check_error(&err);
    if (text_parse_int(text, -1000, INT64_MAX, &value))
        FUZZ_CHECK(value >= -1000 && value == strtoll(text, NULL, 10));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = fuzz_copy(data, size);
    char *text = fuzz_text(data, size);

    fuzz_escape(bytes, size, "");
    fuzz_escape(bytes, size, "\n\t");
    fuzz_utf8(bytes, size);
    fuzz_time(text);
    fuzz_numbers(text);
    free(text);
    free(bytes);
    return 0;
}
