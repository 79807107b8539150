/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON writer. Keeps only whether a comma is due, so that nesting has no
 * limit; a caller who closes what it opened gets a valid document. Strings are
 * copied in runs up to the next character that needs escaping. Knows nothing
 * of what is written.
 */
#include "json.h"

#include "text.h"

void json_init(struct json *json, struct buf *out)
{
    *json = (struct json){.out = out};
}

static void before_value(struct json *json)
{
    if (json->comma && !json->after_key)
        buf_putc(json->out, ',');
    json->comma = true;
    json->after_key = false;
}

static void open_with(struct json *json, char bracket)
{
    before_value(json);
    buf_putc(json->out, bracket);
    json->comma = false;
}

static void close_with(struct json *json, char bracket)
{
    buf_putc(json->out, bracket);
    json->comma = true;
}

void json_object(struct json *json)
{
    open_with(json, '{');
}

void json_object_end(struct json *json)
{
    close_with(json, '}');
}

void json_array(struct json *json)
{
    open_with(json, '[');
}

void json_array_end(struct json *json)
{
    close_with(json, ']');
}

static void put_escaped(struct buf *out, unsigned char c)
{
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";

    for (size_t i = 0; letters[i]; i += 2) {
        if ((unsigned char)letters[i] == c) {
            buf_putc(out, '\\');
            buf_putc(out, letters[i + 1]);
            return;
        }
    }
    buf_printf(out, "\\u%04x", c);
}

static bool plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

static void put_quoted(struct buf *out, const char *text, size_t len)
{
    size_t at = 0;

    buf_putc(out, '"');
    while (at < len) {
        size_t start = at;
        size_t size;

        while (at < len && plain((unsigned char)text[at]))
            at++;
        buf_add(out, text + start, at - start);
        if (at == len)
            break;
        size = text_utf8_char(text + at, len - at, NULL);
        if (size == 0)
            buf_puts(out, "\xEF\xBF\xBD");
        else if (size == 1)
            put_escaped(out, (unsigned char)text[at]);
        else
            buf_add(out, text + at, size);
        at += size ? size : 1;
    }
    buf_putc(out, '"');
}

void json_key(struct json *json, const char *key)
{
    before_value(json);
    put_quoted(json->out, key, strlen(key));
    buf_putc(json->out, ':');
    json->after_key = true;
}

void json_string_n(struct json *json, const char *text, size_t len)
{
    before_value(json);
    put_quoted(json->out, text, len);
}

void json_string(struct json *json, const char *text)
{
    if (text)
        json_string_n(json, text, strlen(text));
    else
        json_null(json);
}

void json_int(struct json *json, int64_t value)
{
    before_value(json);
    buf_printf(json->out, "%lld", (long long)value);
}

static void write_word(struct json *json, const char *text)
{
    before_value(json);
    buf_puts(json->out, text);
}

void json_bool(struct json *json, bool value)
{
    write_word(json, value ? "true" : "false");
}

void json_null(struct json *json)
{
    write_word(json, "null");
}

void json_member_string(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_string(json, text);
}

void json_member_int(struct json *json, const char *key, int64_t value)
{
    json_key(json, key);
    json_int(json, value);
}

void json_member_bool(struct json *json, const char *key, bool value)
{
    json_key(json, key);
    json_bool(json, value);
}
