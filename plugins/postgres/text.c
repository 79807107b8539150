/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growing text: SQL that is put together, and messages that are folded into
 * one line. It owns the bytes of a struct text and nothing else. Invariant: a
 * text that has not failed ends in NUL. It must not know of connections.
 */
#include "text.h"

#include <locale.h>
#include <math.h>

#define TEXT_FIRST_ROOM 2048 /* most texts fit at once */

void text_clear(struct text *text)
{
    free(text->data);
    memset(text, 0, sizeof *text);
}

void text_reset(struct text *text)
{
    text->len = 0;
    if (text->data)
        text->data[0] = '\0';
}

static bool text_reserve(struct text *text, size_t more)
{
    size_t room = text->room ? text->room : TEXT_FIRST_ROOM;
    char *data;

    if (text->failed)
        return false;
    if (more < text->room - text->len)
        return true;
    while (room - text->len <= more) {
        if (room > SIZE_MAX / 2) {
            text->failed = true;
            return false;
        }
        room *= 2;
    }
    data = realloc(text->data, room);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->room = room;
    return true;
}

void text_add(struct text *text, const void *data, size_t len)
{
    if (!text_reserve(text, len))
        return;
    if (len)
        memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

void text_put(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

void text_hex(struct text *text, const void *data, size_t len)
{
    if (len > SIZE_MAX / 4) {
        text->failed = true;
        return;
    }
    if (!text_reserve(text, 2 * len))
        return;
    mig_hex(data, len, text->data + text->len);
    text->len += 2 * len;
}

void text_format(struct text *text, const char *format, ...)
{
    size_t left = text->failed ? 0 : text->room - text->len;
    va_list args, again;
    int needed;

    va_start(args, format);
    va_copy(again, args);
    needed = vsnprintf(left ? text->data + text->len : NULL, left, format, args);
    va_end(args);
    if (needed >= 0 && (size_t)needed >= left && text_reserve(text, (size_t)needed))
        vsnprintf(text->data + text->len, (size_t)needed + 1, format, again);
    if (needed >= 0 && !text->failed)
        text->len += (size_t)needed;
    va_end(again);
}

const char *text_string(const struct text *text)
{
    return text->failed || !text->data ? "" : text->data;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* glibc keeps this one for ever, and makes it once. */
static locale_t own_locale(void)
{
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

const char *double_write(char out[NUMBER_ROOM], double real)
{
    locale_t was = uselocale(own_locale());

    if (isnan(real)) /* printf may give it a sign */
        snprintf(out, NUMBER_ROOM, "NaN");
    else
        snprintf(out, NUMBER_ROOM, "%.17g", real);
    uselocale(was);
    return out;
}

double double_read(const char *text)
{
    return strtod_l(text, NULL, own_locale());
}

void line_fold(char *line)
{
    char *in = line, *out = line;

    while (is_blank(*in))
        in++;
    while (*in) {
        bool broken = false, blank = false;

        for (; is_blank(*in); in++) {
            blank = true;
            broken |= *in == '\n';
        }
        if (!*in)
            break;
        /* At least one blank was read for each byte written here: "\n" and
         * the first byte behind it make room for "; " only with two. */
        if (broken && out - line + 2 <= in - line && out > line && out[-1] != ':')
            *out++ = ';';
        if (blank && out < in)
            *out++ = ' ';
        *out++ = *in++;
    }
    while (out > line && (is_blank(out[-1]) || out[-1] == '.'))
        out--;
    *out = '\0';
}

void line_cut(char *line, size_t size)
{
    size_t len = strlen(line);

    if (!size || len < size)
        return;
    len = size - 1;
    while (len && ((unsigned char)line[len] & 0xC0) == 0x80)
        len--;
    line[len] = '\0';
}
