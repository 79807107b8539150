/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict reader of one flat JSON object (RFC 8259), member by member, and the
 * writing of strings. Nothing is allocated and nothing is guessed at: arrays,
 * objects within, escapes that make no character, text that is not UTF-8 and
 * everything behind the closing brace are faults, with their byte. A name or a
 * value that does not fit its buffer is a fault too, never cut. Knows nothing
 * of what the members mean.
 *
 *     struct json json;
 *
 *     json_open(&json, text, len);
 *     while ((kind = json_next(&json)) > JSON_END)
 *         use json.name, json.text and json.text_len;
 *     if (kind == JSON_FAULT)
 *         json.fault, at byte json.at
 */
#ifndef JSON_FLAT_H
#define JSON_FLAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum json_kind {
    JSON_FAULT,
    JSON_END,
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER, /* `text` is the number as it is written */
    JSON_STRING  /* `text` is the string without quotes and escapes */
};

enum { JSON_NAME_SIZE = 64, JSON_TEXT_SIZE = 1024 };

struct json {
    const char *data;
    size_t len;
    size_t at;
    size_t members; /* read so far */
    const char *fault;
    char name[JSON_NAME_SIZE];
    char text[JSON_TEXT_SIZE];
    size_t text_len;
};

static inline void json_open(struct json *json, const char *data, size_t len)
{
    memset(json, 0, sizeof *json);
    json->data = data;
    json->len = len;
}

static inline bool json_fail(struct json *json, const char *fault)
{
    if (!json->fault)
        json->fault = fault;
    return false;
}

/* The byte here; NUL, which no JSON text holds, at the end. */
static inline unsigned char json_peek(const struct json *json)
{
    return json->at < json->len ? (unsigned char)json->data[json->at] : 0;
}

static inline void json_skip_space(struct json *json)
{
    while (json->at < json->len && strchr(" \t\n\r", json->data[json->at]) && json->data[json->at])
        json->at++;
}

static inline bool json_take(struct json *json, char wanted)
{
    json_skip_space(json);
    if (json_peek(json) != (unsigned char)wanted)
        return false;
    json->at++;
    return true;
}

/* Four hexadecimal digits. */
static inline bool json_hex4(struct json *json, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++, json->at++) {
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        unsigned char here = json_peek(json);
        const char *digit = here ? strchr(digits, here) : NULL;

        if (!digit)
            return json_fail(json, "\\u stands before other than four hexadecimal digits");
        *out = *out << 4 | (uint32_t)((digit - digits) % 16);
    }
    return true;
}

/* Behind "\u": one character, of one escape or of a pair of surrogates. */
static inline bool json_unicode(struct json *json, uint32_t *out)
{
    uint32_t low;

    if (!json_hex4(json, out))
        return false;
    if (*out == 0)
        return json_fail(json, "\\u0000 cannot stand in a text column");
    if (*out < 0xD800 || *out > 0xDFFF)
        return true;
    if (*out > 0xDBFF || json->len - json->at < 2 || memcmp(json->data + json->at, "\\u", 2) != 0)
        return json_fail(json, "half of a surrogate pair");
    json->at += 2;
    if (!json_hex4(json, &low))
        return false;
    if (low < 0xDC00 || low > 0xDFFF)
        return json_fail(json, "half of a surrogate pair");
    *out = 0x10000 + ((*out - 0xD800) << 10) + (low - 0xDC00);
    return true;
}

static inline size_t json_encode(uint32_t code, unsigned char out[4])
{
    static const unsigned char marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

    for (size_t i = len; i-- > 1; code >>= 6)
        out[i] = (unsigned char)(0x80 | (code & 0x3F));
    out[0] = (unsigned char)(marks[len] | code);
    return len;
}

/* How many bytes the UTF-8 sequence here has; 0 where it is none: too short,
 * too long a form, a surrogate, past the last character. */
static inline size_t json_utf8(const struct json *json)
{
    const unsigned char *bytes = (const unsigned char *)json->data + json->at;
    size_t left = json->len - json->at;
    size_t len = bytes[0] < 0x80 ? 1 : bytes[0] < 0xE0 ? 2 : bytes[0] < 0xF0 ? 3 : 4;
    uint32_t code = len == 1 ? bytes[0] : bytes[0] & (0xFFU >> (len + 1));
    unsigned char again[4];

    if (len > left || (bytes[0] >= 0x80 && bytes[0] < 0xC2) || bytes[0] > 0xF4)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (bytes[i] & 0x3F);
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF) || json_encode(code, again) != len)
        return 0;
    return len;
}

/* One character of a string: its bytes, `*len` of them. */
static inline bool json_character(struct json *json, unsigned char out[4], size_t *len)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    const char *name;
    uint32_t code;

    if (json_peek(json) != '\\') {
        *len = json_peek(json) < 0x20 ? 0 : json_utf8(json);
        if (*len == 0)
            return json_fail(json, json->at == json->len    ? "the text ends within a string"
                                   : json_peek(json) < 0x20 ? "a control character in a string"
                                                            : "not UTF-8");
        memcpy(out, json->data + json->at, *len);
        json->at += *len;
        return true;
    }
    json->at++;
    if (json_peek(json) == 'u') {
        json->at++;
        if (!json_unicode(json, &code))
            return false;
        *len = json_encode(code, out);
        return true;
    }
    name = json_peek(json) ? strchr(names, json_peek(json)) : NULL;
    if (!name)
        return json_fail(json, "an escape that JSON does not have");
    json->at++;
    out[0] = (unsigned char)values[name - names];
    *len = 1;
    return true;
}

static inline bool json_string(struct json *json, char *out, size_t size, size_t *out_len)
{
    size_t used = 0;

    if (!json_take(json, '"'))
        return json_fail(json, "a string is missing");
    while (json_peek(json) != '"') {
        unsigned char bytes[4];
        size_t len = 0;

        if (!json_character(json, bytes, &len))
            return false;
        if (used + len >= size)
            return json_fail(json, "a string is too long");
        memcpy(out + used, bytes, len);
        used += len;
    }
    json->at++;
    out[used] = '\0';
    *out_len = used;
    return true;
}

static inline size_t json_digits(const struct json *json, size_t at)
{
    size_t count = 0;

    while (at + count < json->len && json->data[at + count] >= '0' && json->data[at + count] <= '9')
        count++;
    return count;
}

/* -0.5e+3: as the grammar says, so neither 01 nor .5 nor 1. */
static inline bool json_number(struct json *json)
{
    size_t start = json->at;
    size_t digits;

    json->at += json_peek(json) == '-';
    digits = json_digits(json, json->at);
    if (digits == 0 || (digits > 1 && json_peek(json) == '0'))
        return json_fail(json, "neither a string nor a number nor true, false or null");
    json->at += digits;
    if (json_peek(json) == '.') {
        digits = json_digits(json, json->at + 1);
        if (digits == 0)
            return json_fail(json, "a number ends with its point");
        json->at += 1 + digits;
    }
    if (json_peek(json) == 'e' || json_peek(json) == 'E') {
        json->at++;
        json->at += json_peek(json) == '+' || json_peek(json) == '-';
        digits = json_digits(json, json->at);
        if (digits == 0)
            return json_fail(json, "a number without its exponent");
        json->at += digits;
    }
    json->text_len = json->at - start;
    if (json->text_len >= sizeof json->text)
        return json_fail(json, "a number is too long");
    memcpy(json->text, json->data + start, json->text_len);
    json->text[json->text_len] = '\0';
    return true;
}

static inline bool json_word(struct json *json, const char *word)
{
    size_t len = strlen(word);

    if (json->len - json->at < len || memcmp(json->data + json->at, word, len) != 0)
        return false;
    json->at += len;
    return true;
}

static inline enum json_kind json_value(struct json *json)
{
    json_skip_space(json);
    json->text[0] = '\0';
    json->text_len = 0;
    switch (json_peek(json)) {
    case '"':
        return json_string(json, json->text, sizeof json->text, &json->text_len) ? JSON_STRING
                                                                                 : JSON_FAULT;
    case '{':
    case '[': json_fail(json, "an object or an array within the object"); return JSON_FAULT;
    default: break;
    }
    if (json_word(json, "null"))
        return JSON_NULL;
    if (json_word(json, "true"))
        return JSON_TRUE;
    if (json_word(json, "false"))
        return JSON_FALSE;
    return json_number(json) ? JSON_NUMBER : JSON_FAULT;
}

static inline enum json_kind json_end(struct json *json)
{
    json_skip_space(json);
    if (json->at == json->len)
        return JSON_END;
    json_fail(json, "something stands behind the object");
    return JSON_FAULT;
}

/* Reads the next member. JSON_END: the object, and the text, is at its end. */
static inline enum json_kind json_next(struct json *json)
{
    size_t name_len;

    if (json->members == 0) {
        if (!json_take(json, '{')) {
            json_fail(json, "no object");
            return JSON_FAULT;
        }
        if (json_take(json, '}'))
            return json_end(json);
    } else if (json_take(json, '}')) {
        return json_end(json);
    } else if (!json_take(json, ',')) {
        json_fail(json, "neither a comma nor a closing brace");
        return JSON_FAULT;
    }
    json->members++;
    if (!json_string(json, json->name, sizeof json->name, &name_len))
        return JSON_FAULT;
    if (!json_take(json, ':')) {
        json_fail(json, "a colon is missing");
        return JSON_FAULT;
    }
    return json_value(json);
}

/* Writes `text` as a JSON string and returns its length without the NUL;
 * `out` has room for 6 * strlen(text) + 3. */
static inline size_t json_write_string(const char *text, char *out)
{
    size_t used = 0;

    out[used++] = '"';
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            out[used++] = '\\';
        if ((unsigned char)*text < 0x20)
            used += (size_t)snprintf(out + used, 7, "\\u%04x", (unsigned)*text);
        else
            out[used++] = *text;
    }
    out[used++] = '"';
    out[used] = '\0';
    return used;
}

#endif
