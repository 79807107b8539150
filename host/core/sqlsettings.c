/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table of the header's keys: name, what is allowed, and the function that
 * takes the value. A value may stand in double quotes; blanks around it do not
 * count. Nothing is half taken: an error leaves the settings as they were.
 */
#include "sqlsettings.h"

#include "buf.h"
#include "text.h"

#include <string.h>

struct key {
    const char *name;
    const char *allowed;
    bool (*set)(struct sql_settings *settings, const char *value);
};

static bool set_mode(struct sql_settings *settings, const char *value)
{
    static const char *const names[] = {
        [MIG_ATOMIC] = "atomic", [MIG_DURABLE] = "durable", [MIG_NONE] = "none"};

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(value, names[i]) == 0) {
            settings->mode = (enum mig_mode)i;
            settings->has_mode = true;
            return true;
        }
    return false;
}

static bool set_phase(struct sql_settings *settings, const char *value)
{
    if (strcmp(value, "expand") != 0 && strcmp(value, "contract") != 0)
        return false;
    memcpy(settings->phase, value, strlen(value) + 1);
    return true;
}

static bool set_gate(struct sql_settings *settings, const char *value)
{
    size_t len = strlen(value);

    if (len == 0 || len >= sizeof settings->gate)
        return false;
    memcpy(settings->gate, value, len + 1);
    return true;
}

static bool set_foreign_keys(struct sql_settings *settings, const char *value)
{
    bool on = strcmp(value, "on") == 0;

    if (!on && strcmp(value, "off") != 0)
        return false;
    settings->foreign_keys = on;
    return true;
}

static bool set_lock_timeout(struct sql_settings *settings, const char *value)
{
    struct mig_err ignored;

    return text_parse_duration(value, &settings->lock_timeout_ms, &ignored) == MIG_OK;
}

static bool set_statement_timeout(struct sql_settings *settings, const char *value)
{
    struct mig_err ignored;

    return text_parse_duration(value, &settings->statement_timeout_ms, &ignored) == MIG_OK;
}

static const struct key keys[] = {
    {"mode", "atomic, durable or none", set_mode},
    {"phase", "expand or contract", set_phase},
    {"gate", "a text of 1 to 159 bytes", set_gate},
    {"foreign_keys", "on or off", set_foreign_keys},
    {"lock_timeout", "a duration such as 200ms, 5s or 0", set_lock_timeout},
    {"statement_timeout", "a duration such as 200ms, 5s or 0", set_statement_timeout},
};

#define KEYS (sizeof keys / sizeof keys[0])

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

struct span {
    const char *text;
    size_t len;
};

static struct span trimmed(const char *text, size_t len)
{
    while (len > 0 && is_space(*text)) {
        text++;
        len--;
    }
    while (len > 0 && is_space(text[len - 1]))
        len--;
    return (struct span){text, len};
}

static struct span unquoted(struct span span)
{
    if (span.len >= 2 && span.text[0] == '"' && span.text[span.len - 1] == '"')
        return (struct span){span.text + 1, span.len - 2};
    return span;
}

static mig_status unknown_key(const char *name, struct mig_err *err)
{
    AUTO(buf) struct buf known = {0};

    for (size_t i = 0; i < KEYS; i++)
        buf_printf(&known, "%s%s", i == 0 ? "" : i + 1 == KEYS ? " and " : ", ", keys[i].name);
    return err_set(err, MIG_E_BUNDLE, "unknown setting \"%s\" in a \"-- mig:\" line; known are %s",
                   name, buf_text(&known));
}

static mig_status set_key(const char *name, const char *value, struct sql_settings *settings,
                          struct sql_settings_seen *seen, struct mig_err *err)
{
    for (size_t i = 0; i < KEYS; i++) {
        if (strcmp(name, keys[i].name) != 0)
            continue;
        if (seen->keys & 1u << i)
            return err_set(err, MIG_E_BUNDLE, "the setting \"%s\" is given twice; remove one",
                           name);
        if (!keys[i].set(settings, value))
            return err_set(err, MIG_E_BUNDLE, "the setting %s cannot be \"%.60s\"; it is %s", name,
                           value, keys[i].allowed);
        seen->keys |= 1u << i;
        return MIG_OK;
    }
    return unknown_key(name, err);
}

void settings_init(struct sql_settings *settings)
{
    *settings = (struct sql_settings){.lock_timeout_ms = -1, .statement_timeout_ms = -1};
}

mig_status settings_read(const char *line, size_t len, struct sql_settings *settings,
                         struct sql_settings_seen *seen, struct mig_err *err)
{
    const char *body = memchr(line, ':', len);
    size_t left = body ? len - (size_t)(body + 1 - line) : 0;
    const char *sign = body ? memchr(body + 1, '=', left) : NULL;
    AUTO(buf) struct buf name = {0};
    AUTO(buf) struct buf value = {0};
    struct span part;

    if (!sign)
        return err_set(err, MIG_E_BUNDLE,
                       "a \"-- mig:\" line without a setting; write -- mig: key = value");
    part = trimmed(body + 1, (size_t)(sign - body - 1));
    text_escape_n(&name, part.text, part.len < 60 ? part.len : 60, "");
    part = unquoted(trimmed(sign + 1, len - (size_t)(sign + 1 - line)));
    text_escape_n(&value, part.text, part.len, "");
    if (!buf_ok(&name) || !buf_ok(&value))
        return err_nomem(err);
    return set_key(buf_text(&name), buf_text(&value), settings, seen, err);
}
