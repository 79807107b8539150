/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8, safe display, and the written forms of numbers, durations, sizes and
 * UTC times. Owns nothing; every function works on its arguments alone, reads
 * never past `len`, and is indifferent to locale and time zone. ASCII takes
 * the fast way, since SQL files of many megabytes are mostly that.
 */
#include "text.h"

#include <ctype.h>

/* Shapes of well-formed UTF-8 (Unicode 15, table 3-7): the range of the lead
 * byte and of the byte behind it; all further ones are 80..BF. */
static const struct utf8_shape {
    unsigned char lead_first, lead_last, second_first, second_last, size;
} utf8_shapes[] = {
    {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
    {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
    {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
};

static const struct utf8_shape *shape_find(unsigned char lead)
{
    for (size_t i = 0; i < sizeof utf8_shapes / sizeof utf8_shapes[0]; i++) {
        if (lead >= utf8_shapes[i].lead_first && lead <= utf8_shapes[i].lead_last)
            return &utf8_shapes[i];
    }
    return NULL;
}

size_t text_utf8_char(const char *text, size_t len, uint32_t *code)
{
    const unsigned char *bytes = (const unsigned char *)text;
    const struct utf8_shape *shape;
    uint32_t value;

    if (len == 0)
        return 0;
    if (bytes[0] < 0x80) {
        if (code)
            *code = bytes[0];
        return 1;
    }
    shape = shape_find(bytes[0]);
    if (!shape || shape->size > len || bytes[1] < shape->second_first ||
        bytes[1] > shape->second_last)
        return 0;
    value = bytes[0] & (0x7Fu >> shape->size);
    for (size_t i = 1; i < shape->size; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (bytes[i] & 0x3Fu);
    }
    if (code)
        *code = value;
    return shape->size;
}

#define ASCII_BLOCK 32

/* Length of the ASCII run at the start, in whole blocks. */
static size_t ascii_blocks(const char *text, size_t len)
{
    size_t at = 0;

    while (len - at >= ASCII_BLOCK) {
        uint64_t words[ASCII_BLOCK / 8];

        memcpy(words, text + at, sizeof words);
        if ((words[0] | words[1] | words[2] | words[3]) & UINT64_C(0x8080808080808080))
            break;
        at += ASCII_BLOCK;
    }
    return at;
}

bool text_utf8_check(const char *text, size_t len, size_t *bad)
{
    size_t at = 0;

    while (at < len) {
        size_t end;

        at += ascii_blocks(text + at, len - at);
        end = len - at > ASCII_BLOCK ? at + ASCII_BLOCK : len;
        while (at < end) {
            size_t size = text_utf8_char(text + at, len - at, NULL);

            if (size == 0) {
                if (bad)
                    *bad = at;
                return false;
            }
            at += size;
        }
    }
    return true;
}

/* Characters that show nothing or turn the direction of others. */
static bool invisible(uint32_t code)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x80, 0x9F},     {0xAD, 0xAD},     {0x61C, 0x61C},   {0x180E, 0x180E}, {0x200B, 0x200F},
        {0x2028, 0x202E}, {0x2060, 0x206F}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0xE0000, 0xE007F},
    };

    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    }
    return false;
}

void text_escape_n(struct buf *out, const char *text, size_t len, const char *keep)
{
    size_t at = 0;

    while (at < len) {
        uint32_t code = 0;
        size_t size = text_utf8_char(text + at, len - at, &code);

        if (size == 0)
            buf_printf(out, "\\x%02X", (unsigned)(unsigned char)text[at]);
        else if (size == 1 && (code < 0x20 || code == 0x7F) && !(code && strchr(keep, (int)code)))
            buf_printf(out, "\\x%02X", (unsigned)code);
        else if (size > 1 && invisible(code))
            buf_printf(out, "\\u{%X}", (unsigned)code);
        else
            buf_add(out, text + at, size);
        at += size ? size : 1;
    }
}

void text_escape(struct buf *out, const char *text)
{
    text_escape_n(out, text, strlen(text), "");
}

static void hide_line(char *text, const char *line, size_t len)
{
    static const char mask[] = {'*', '*', '*'};
    char *at = text;

    if (len < TEXT_HIDDEN_LEAST)
        return;
    while ((at = memmem(at, strlen(at), line, TEXT_HIDDEN_LEAST))) {
        size_t same = TEXT_HIDDEN_LEAST;

        while (same < len && at[same] == line[same])
            same++;
        memcpy(at, mask, sizeof mask);
        at += sizeof mask;
        same -= sizeof mask;
        memmove(at, at + same, strlen(at + same) + 1);
    }
}

void text_hide_values(char *text, const char *const *pairs)
{
    for (; pairs && *pairs; pairs++) {
        const char *line = *pairs + strcspn(*pairs, "=");

        while (*line) { /* at what stood before: the sign, or a line break */
            size_t len = strcspn(++line, "\r\n");

            hide_line(text, line, len);
            line += len;
        }
    }
}

const char *text_duration(char out[TEXT_SHORT], int64_t ms)
{
    long long whole = ms < 0 ? 0 : ms;

    if (whole < 1000)
        snprintf(out, TEXT_SHORT, "%lld ms", whole);
    else if (whole < 60 * 1000)
        snprintf(out, TEXT_SHORT, "%lld.%lld s", whole / 1000, whole % 1000 / 100);
    else if (whole < 3600 * 1000)
        snprintf(out, TEXT_SHORT, "%lld min %lld s", whole / 60000, whole % 60000 / 1000);
    else
        snprintf(out, TEXT_SHORT, "%lld h %lld min", whole / 3600000, whole % 3600000 / 60000);
    return out;
}

const char *text_count(char out[TEXT_SHORT], int64_t count)
{
    char digits[TEXT_SHORT];
    const char *from = digits;
    char *to = out;
    size_t left;

    snprintf(digits, sizeof digits, "%lld", (long long)count);
    if (*from == '-')
        *to++ = *from++;
    for (left = strlen(from); left > 0; left--) {
        *to++ = *from++;
        if (left > 1 && left % 3 == 1)
            *to++ = ',';
    }
    *to = '\0';
    return out;
}

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)
#define DAYS_OF_400_YEARS 146097 /* the Gregorian calendar repeats */
#define DAYS_TO_1970 719468      /* from 0000-03-01, where a leap day comes last */

/* Days since 1970 of a date; `month` from 1. Years are counted from March. */
static int64_t days_of_date(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t y_of_era = y - era * 400;
    int64_t from_march = (month + 9) % 12;
    int64_t d_of_year = (153 * from_march + 2) / 5 + day - 1;

    return era * DAYS_OF_400_YEARS + y_of_era * 365 + y_of_era / 4 - y_of_era / 100 + d_of_year -
           DAYS_TO_1970;
}

const char *text_time(char out[TEXT_SHORT], int64_t ms)
{
    int64_t days = (ms >= 0 ? ms : ms - (DAY_MS - 1)) / DAY_MS;
    int64_t rest = ms - days * DAY_MS;
    int64_t year = 1970 + days / 366;
    int64_t month = 1;
    int64_t first;

    while (days_of_date(year + 1, 1, 1) <= days)
        year++;
    while (days_of_date(year, 1, 1) > days)
        year--;
    while (month < 12 && days_of_date(year, month + 1, 1) <= days)
        month++;
    first = days_of_date(year, month, 1);
    snprintf(out, TEXT_SHORT, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int)year, (int)month,
             (int)(days - first + 1), (int)(rest / 3600000), (int)(rest / 60000 % 60),
             (int)(rest / 1000 % 60), (int)(rest % 1000));
    return out;
}

/* Reads exactly `count` digits and moves on; -1 where they are not there. */
static int64_t take_digits(const char **at, int count)
{
    int64_t value = 0;

    for (int i = 0; i < count; i++, (*at)++) {
        if (!isdigit((unsigned char)**at))
            return -1;
        value = value * 10 + (**at - '0');
    }
    return value;
}

/* ".125" into 125; digits past the third are dropped. */
static int64_t take_fraction(const char **at)
{
    int64_t ms = 0, unit = 100;

    if (**at != '.')
        return 0;
    for ((*at)++; isdigit((unsigned char)**at); (*at)++, unit /= 10)
        ms += (**at - '0') * unit;
    return ms;
}

/* "Z", "+02", "+02:00", "-0330" or nothing, to the end of the text. */
static bool take_zone(const char *at, int64_t *zone_ms)
{
    int64_t sign, hours, minutes = 0;

    *zone_ms = 0;
    if (!*at || strcmp(at, "Z") == 0)
        return true;
    if (*at != '+' && *at != '-')
        return false;
    sign = *at++ == '+' ? 1 : -1;
    hours = take_digits(&at, 2);
    if (*at == ':')
        at++;
    if (*at)
        minutes = take_digits(&at, 2);
    *zone_ms = sign * (hours * 60 + minutes) * 60000;
    return !*at && hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60;
}

static bool take_char(const char **at, const char *allowed)
{
    if (!**at || !strchr(allowed, **at))
        return false;
    (*at)++;
    return true;
}

static bool take_date(const char **at, int64_t *days)
{
    int64_t year = take_digits(at, 4), month, day;

    if (year < 0 || !take_char(at, "-"))
        return false;
    month = take_digits(at, 2);
    if (month < 1 || month > 12 || !take_char(at, "-"))
        return false;
    day = take_digits(at, 2);
    if (day < 1)
        return false;
    *days = days_of_date(year, month, day);
    return *days < (month < 12 ? days_of_date(year, month + 1, 1) : days_of_date(year + 1, 1, 1));
}

bool text_time_parse(const char *text, int64_t *ms)
{
    const char *at = text;
    int64_t days, hour, minute, second = 0, fraction = 0, zone;

    if (!take_date(&at, &days) || !take_char(&at, "T "))
        return false;
    hour = take_digits(&at, 2);
    if (hour < 0 || hour > 23 || !take_char(&at, ":"))
        return false;
    minute = take_digits(&at, 2);
    if (minute < 0 || minute > 59)
        return false;
    if (take_char(&at, ":")) {
        second = take_digits(&at, 2);
        if (second < 0 || second > 60)
            return false;
        fraction = take_fraction(&at);
    }
    if (!take_zone(at, &zone))
        return false;
    *ms = days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + fraction - zone;
    return true;
}

struct unit {
    const char *name;
    int64_t factor;
};

/* Digits, then one of the units; false for all else and for too large ones. */
static bool parse_with_unit(const char *text, const struct unit *units, size_t count, int64_t *out)
{
    int64_t value = 0;
    const char *at = text;

    for (; isdigit((unsigned char)*at); at++) {
        if (value > (INT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (*at - '0');
    }
    if (at == text)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(at, units[i].name) == 0 && value <= INT64_MAX / units[i].factor) {
            *out = value * units[i].factor;
            return true;
        }
    }
    return false;
}

mig_status text_parse_duration(const char *text, int64_t *ms, struct mig_err *err)
{
    static const struct unit units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    int64_t value;

    if (strcmp(text, "0") == 0) {
        *ms = 0;
        return MIG_OK;
    }
    if (parse_with_unit(text, units, sizeof units / sizeof units[0], &value) &&
        value <= TEXT_DURATION_MAX) {
        *ms = value;
        return MIG_OK;
    }
    return err_set(err, MIG_E_USAGE,
                   "\"%.40s\" is not a duration; write a whole number and ms, s, m or h, such as "
                   "200ms or 5s",
                   text);
}

mig_status text_parse_size(const char *text, int64_t *bytes, struct mig_err *err)
{
    static const struct unit units[] = {
        {"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", INT64_C(1) << 40}};

    if (parse_with_unit(text, units, sizeof units / sizeof units[0], bytes))
        return MIG_OK;
    return err_set(err, MIG_E_USAGE,
                   "\"%.40s\" is not a size; write a whole number of bytes, or one with K, M, G "
                   "or T, such as 64M",
                   text);
}

mig_status text_parse_percent(const char *text, int64_t *percent, struct mig_err *err)
{
    size_t whole = strspn(text, "0123456789");
    size_t part = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
    const char *end = text + whole + (part ? part + 1 : 0);
    bool sign = strcmp(end, "%") == 0;
    int64_t thousandths = 0;

    for (size_t i = 0; i < whole && i < 6; i++)
        thousandths = thousandths * 10 + text[i] - '0';
    for (size_t i = 0; i < 3; i++)
        thousandths = thousandths * 10 + (i < part ? text[whole + 1 + i] - '0' : 0);
    thousandths *= sign ? 1 : 100;
    if (whole > 5 || (*end && !sign) || (!sign && !part) || thousandths < 1000 ||
        thousandths > 100000)
        return err_set(err, MIG_E_USAGE,
                       "\"%.40s\" is not a share; write one from 1%% to 100%%, such as 50%% or 0.5",
                       text);
    *percent = (thousandths + 500) / 1000;
    return MIG_OK;
}

bool text_parse_int(const char *text, int64_t least, int64_t most, int64_t *out)
{
    static const struct unit units[] = {{"", 1}};
    bool negative = *text == '-';
    int64_t value;

    if (!parse_with_unit(text + negative, units, 1, &value))
        return false;
    if (negative)
        value = -value;
    if (value < least || value > most)
        return false;
    *out = value;
    return true;
}

int text_order(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

void text_clean(char *out, size_t size, const char *text)
{
    static const char REPLACEMENT[] = "\xEF\xBF\xBD"; /* U+FFFD */
    size_t left = strnlen(text, size);
    size_t n = 0;

    while (left) {
        size_t len = text_utf8_char(text, left, NULL);
        const char *from = len ? text : REPLACEMENT;
        size_t put = len ? len : sizeof REPLACEMENT - 1;

        if (n + put >= size)
            break;
        memcpy(out + n, from, put);
        if (put == 1 && strchr("\n\r\t", out[n]))
            out[n] = ' ';
        n += put;
        text += len ? len : 1;
        left -= len ? len : 1;
    }
    out[n] = '\0';
}
