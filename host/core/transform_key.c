/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One value a line: a letter for the type, then the value. Text and bytes are
 * in hex, so that nothing needs escaping; a floating-point number is written in
 * hex as well, so that nothing of it is lost.
 */
#include "transform_key.h"

#include "db_sql.h"

#include <inttypes.h>

void transform_key_clear(struct transform_key *key)
{
    arena_clear(&key->texts);
    *key = (struct transform_key){0};
}

mig_status transform_key_set(struct transform_key *key, const struct mig_value *values,
                             size_t count, struct mig_err *err)
{
    struct transform_key fresh = {.set = true, .count = count};

    for (size_t i = 0; i < count; i++) {
        mig_status status = value_copy(&fresh.texts, &values[i], &fresh.values[i], err);

        if (status < 0) {
            transform_key_clear(&fresh);
            return status;
        }
    }
    transform_key_clear(key);
    *key = fresh;
    return MIG_OK;
}

void transform_key_write(const struct transform_key *key, struct buf *out)
{
    for (size_t i = 0; key->set && i < key->count; i++) {
        const struct mig_value *value = &key->values[i];

        if (value->type == MIG_INT64) {
            buf_printf(out, "i%" PRId64 "\n", value->as.int64);
        } else if (value->type == MIG_DOUBLE) {
            buf_printf(out, "d%a\n", value->as.real);
        } else {
            buf_putc(out, value->type == MIG_BLOB ? 'b' : 't');
            for (size_t n = 0; n < value->len; n++)
                buf_printf(out, "%02x", ((const unsigned char *)value->as.data)[n]);
            buf_putc(out, '\n');
        }
    }
}

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static bool bytes_read(struct arena *arena, const char *hex, size_t len, struct mig_value *out)
{
    char *bytes = arena_alloc(arena, len / 2 + 1);

    if (!bytes || len % 2 || strspn(hex, "0123456789abcdef") < len)
        return false;
    for (size_t i = 0; i < len / 2; i++)
        bytes[i] = (char)(hex_digit(hex[2 * i]) * 16 + hex_digit(hex[2 * i + 1]));
    out->len = len / 2;
    out->as.data = bytes;
    return true;
}

static bool value_read(struct arena *arena, const char *line, size_t len, struct mig_value *out)
{
    switch (line[0]) {
    case 'i':
        *out = (struct mig_value){.type = MIG_INT64, .as.int64 = strtoll(line + 1, NULL, 10)};
        return true;
    case 'd':
        *out = (struct mig_value){.type = MIG_DOUBLE, .as.real = strtod(line + 1, NULL)};
        return true;
    case 't':
    case 'b':
        *out = (struct mig_value){.type = line[0] == 't' ? MIG_TEXT : MIG_BLOB};
        return bytes_read(arena, line + 1, len - 1, out);
    default: return false;
    }
}

bool transform_key_read(struct transform_key *key, size_t count, const char *text)
{
    transform_key_clear(key);
    if (!text || !*text)
        return true;
    for (size_t i = 0; i < count; i++) {
        size_t len = strcspn(text, "\n");

        if (len == 0 || text[len] != '\n' || !value_read(&key->texts, text, len, &key->values[i])) {
            transform_key_clear(key);
            return false;
        }
        text += len + 1;
    }
    key->count = count;
    key->set = true;
    return true;
}

void transform_key_say(const struct names *names, const struct mig_value *values, struct buf *out)
{
    for (size_t i = 0; i < names->count; i++) {
        buf_printf(out, "%s%s = ", i ? ", " : "", names->quoted[i]);
        db_say_value(out, &values[i]);
    }
}
