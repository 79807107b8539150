/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names are read from their ends inwards: the suffix says what the file is
 * for, the digits at the front which migration it belongs to; what stands
 * between them is the description and perhaps an engine. A name that ends as
 * ours do but has no id is wrong rather than ignored: nobody would notice.
 */
#include "bundle_name.h"

#include "catalog.h"

#include <string.h>
#include <strings.h>

#define MODULE_PREFIX "libmig_"
#define MODULE_SUFFIX ".so"

static const struct {
    const char *text;
    enum catalog_role role;
} suffixes[] = {
    {".up.sql", CATALOG_UP},
    {".down.sql", CATALOG_DOWN},
    {".verify.sql", CATALOG_VERIFY},
};

#define SUFFIXES (sizeof suffixes / sizeof suffixes[0])

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* How many digits there are; their value where they are no more than an id has. */
static size_t read_digits(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    size_t n;

    for (n = 0; is_digit(text[n]); n++)
        if (n < ID_DIGITS)
            value = value * 10 + (uint64_t)(text[n] - '0');
    if (n <= ID_DIGITS)
        *out = value;
    return n;
}

/* Ends in `suffix`, which begins with a dot, and is more than that; letters of
 * either case count. */
static bool ends_in(const char *name, size_t len, const char *suffix)
{
    size_t n = strlen(suffix);

    return len > n && name[len - n] == '.' && strcasecmp(name + len - n, suffix) == 0;
}

static void set_why(struct bundle_name *out, enum bundle_name_kind kind, const char *why)
{
    out->kind = kind;
    out->why = why;
}

/* NULL, or what is wrong with the digits at the front. */
static const char *wrong_id(const struct bundle_name *name)
{
    if (name->digit_count == 0)
        return "has no id; begin it with a time stamp of 14 digits and an underscore";
    if (name->digit_count > ID_DIGITS)
        return "has an id of more than 18 digits";
    if (name->id == 0)
        return "has the id 0; ids begin at 1";
    return NULL;
}

static void take_id(struct bundle_name *out, const char *digits)
{
    out->digits = digits;
    out->digit_count = read_digits(digits, &out->id);
}

/* The engine behind the last dot of `text`, when there is one. */
static size_t take_engine(struct bundle_name *out, const char *text, size_t len)
{
    const char *dot = memrchr(text, '.', len);

    if (!dot)
        return len;
    out->engine = dot + 1;
    out->engine_len = (size_t)(text + len - out->engine);
    return (size_t)(dot - text);
}

static void parse_sql(struct bundle_name *out, const char *name, size_t len)
{
    const char *why;
    size_t stem;

    take_id(out, name);
    why = wrong_id(out);
    if (why) {
        set_why(out, BUNDLE_NAME_WRONG, why);
        return;
    }
    stem = take_engine(out, name + out->digit_count, len - out->digit_count);
    if (stem > 0 && name[out->digit_count] != '_') {
        set_why(out, BUNDLE_NAME_WRONG, "has no underscore behind its id");
        return;
    }
    out->kind = BUNDLE_NAME_SQL;
    out->description = name + out->digit_count + (stem > 0);
    out->description_len = stem > 0 ? stem - 1 : 0;
}

static void parse_module(struct bundle_name *out, const char *name, size_t len)
{
    const char *why;

    take_id(out, name + sizeof MODULE_PREFIX - 1);
    if (strcmp(name + len - (sizeof MODULE_SUFFIX - 1), MODULE_SUFFIX) != 0) {
        set_why(out, BUNDLE_NAME_NEAR, "does not end in lower case");
        return;
    }
    if (out->digit_count != len - (sizeof MODULE_PREFIX - 1) - (sizeof MODULE_SUFFIX - 1)) {
        set_why(out, BUNDLE_NAME_NEAR, "is not named libmig_<id>.so");
        return;
    }
    why = wrong_id(out);
    if (why)
        set_why(out, BUNDLE_NAME_WRONG, why);
    else
        out->kind = BUNDLE_NAME_MODULE;
}

static bool parse_suffix(struct bundle_name *out, const char *name, size_t len)
{
    for (size_t i = 0; i < SUFFIXES; i++) {
        size_t n = strlen(suffixes[i].text);

        if (!ends_in(name, len, suffixes[i].text))
            continue;
        out->role = suffixes[i].role;
        if (strcmp(name + len - n, suffixes[i].text) == 0)
            parse_sql(out, name, len - n);
        else
            set_why(out, BUNDLE_NAME_NEAR, "does not end in lower case");
        return true;
    }
    return false;
}

/* V1.2__what.sql, U1.2__what.sql, R__what.sql */
static bool is_flyway(const char *name, size_t len)
{
    bool begins = (name[0] == 'V' || name[0] == 'U') ? is_digit(name[1]) : name[0] == 'R';

    return begins && strstr(name, "__") && ends_in(name, len, ".sql");
}

static bool parse_source(struct bundle_name *out, const char *name, size_t len)
{
    if (!is_digit(name[0]) || strcmp(name + len - 2, ".c") != 0)
        return false;
    take_id(out, name);
    if (wrong_id(out) || name[out->digit_count] != '_')
        return false;
    out->kind = BUNDLE_NAME_SOURCE;
    out->role = CATALOG_ROLES;
    return true;
}

void bundle_name_parse(const char *name, struct bundle_name *out)
{
    size_t len = strlen(name);
    bool module = strncmp(name, MODULE_PREFIX, sizeof MODULE_PREFIX - 1) == 0;

    *out = (struct bundle_name){.kind = BUNDLE_NAME_OTHER};
    if (len < 3 || name[0] == '.' || parse_suffix(out, name, len) || parse_source(out, name, len))
        return;
    if (module && ends_in(name, len, MODULE_SUFFIX))
        parse_module(out, name, len);
    else if (is_digit(name[0]) && ends_in(name, len, ".sql"))
        set_why(out, BUNDLE_NAME_NEAR, "ends in neither .up.sql nor .down.sql nor .verify.sql");
    else if (is_digit(name[0]) && ends_in(name, len, MODULE_SUFFIX))
        set_why(out, BUNDLE_NAME_NEAR, "is not named libmig_<id>.so");
    else if (is_flyway(name, len))
        set_why(out, BUNDLE_NAME_NEAR, "is named as for Flyway, and not <id>_<name>.up.sql");
}

mig_status id_parse(const char *text, uint64_t *out, struct mig_err *err)
{
    uint64_t value;
    size_t digits = read_digits(text, &value);

    if (digits == 0 || digits > ID_DIGITS || text[digits])
        return err_set(err, MIG_E_USAGE,
                       "\"%.40s\" is not the id of a migration: an id is 1 to 18 digits", text);
    *out = value;
    return MIG_OK;
}
