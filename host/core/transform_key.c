/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One value a line: a letter for the type, then the value. Text and bytes are
 * in hex, so that nothing needs escaping; a floating-point number is written in
 * hex as well, so that nothing of it is lost.
 */
#include "transform_key.h"

#include "say.h"

#include <ctype.h>
#include <inttypes.h>
#include <locale.h>

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

/* A cursor means the same in every locale; glibc keeps this one for ever. */
static locale_t own_locale(void)
{
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static void real_write(double real, struct buf *out)
{
    locale_t was = uselocale(own_locale());

    buf_printf(out, "d%a\n", real);
    uselocale(was);
}

void transform_key_write(const struct transform_key *key, struct buf *out)
{
    for (size_t i = 0; key->set && i < key->count; i++) {
        const struct mig_value *value = &key->values[i];

        if (value->type == MIG_INT64) {
            buf_printf(out, "i%" PRId64 "\n", value->as.int64);
        } else if (value->type == MIG_DOUBLE) {
            real_write(value->as.real, out);
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

/* Only as it is written: strtoll() would skip blanks, and stop before what is no number. */
static bool int_read(const char *text, size_t len, struct mig_value *out)
{
    char written[24];

    out->as.int64 = strtoll(text, NULL, 10);
    snprintf(written, sizeof written, "%" PRId64, out->as.int64);
    return strlen(written) == len && memcmp(written, text, len) == 0;
}

/* Not every C library writes the same number with the same digits. */
static bool real_read(const char *text, size_t len, struct mig_value *out)
{
    char *end = NULL;

    out->as.real = strtod_l(text, &end, own_locale());
    return len > 0 && !isspace((unsigned char)*text) && end == text + len;
}

static bool value_read(struct arena *arena, const char *line, size_t len, struct mig_value *out)
{
    static const struct {
        char letter;
        enum mig_type type;
    } letters[] = {{'i', MIG_INT64}, {'d', MIG_DOUBLE}, {'t', MIG_TEXT}, {'b', MIG_BLOB}};

    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
        if (letters[i].letter != line[0])
            continue;
        *out = (struct mig_value){.type = letters[i].type};
        return out->type == MIG_INT64    ? int_read(line + 1, len - 1, out)
               : out->type == MIG_DOUBLE ? real_read(line + 1, len - 1, out)
                                         : bytes_read(arena, line + 1, len - 1, out);
    }
    return false;
}

bool transform_key_scan(struct transform_key *key, size_t count, const char **text)
{
    const char *at = *text;

    transform_key_clear(key);
    if (!*at)
        return true;
    for (size_t i = 0; i < count; i++) {
        size_t len = strcspn(at, "\n");

        if (len == 0 || at[len] != '\n' || !value_read(&key->texts, at, len, &key->values[i])) {
            transform_key_clear(key);
            return false;
        }
        at += len + 1;
    }
    key->count = count;
    key->set = count > 0;
    *text = at;
    return true;
}

bool transform_key_read(struct transform_key *key, size_t count, const char *text)
{
    if (transform_key_scan(key, count, &text) && !*text)
        return true;
    transform_key_clear(key);
    return false;
}

void transform_key_say(const struct names *names, const struct mig_value *values, struct buf *out)
{
    for (size_t i = 0; i < names->count; i++) {
        buf_printf(out, "%s%s = ", i ? ", " : "", names->quoted[i]);
        say_value(out, &values[i]);
    }
}
