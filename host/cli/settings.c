/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Precedence: one loop over the table of options asks the command line, the
 * environment, mighost.ini and the defaults, in that order, and one function
 * turns what was found into a checked value. A message names the place that a
 * bad value came from, and shows no secret.
 */
#include "settings.h"

#include "err.h"
#include "text.h"

#include <string.h>

#define CONFIG_FILE "mighost.ini"
#define ID_DIGITS_MAX 18
#define LIST_SEPARATOR ',' /* between the values of a list in the environment */
#define DEFAULT_ORIGIN "the default"

bool text_is_id(const char *text)
{
    size_t len = strspn(text, "0123456789");

    return len >= 1 && len <= ID_DIGITS_MAX && text[len] == '\0';
}

const char *setting_text(const struct settings *settings, enum option_id id)
{
    const struct texts *texts = &settings->values[id].texts;

    return texts->len ? texts->data[0] : NULL;
}

int64_t setting_number(const struct settings *settings, enum option_id id)
{
    return settings->values[id].number;
}

bool setting_on(const struct settings *settings, enum option_id id)
{
    if (option_specs[id].type == OPTION_IS_FLAG)
        return settings->values[id].number != 0;
    return settings->values[id].texts.len > 0;
}

const char *const *setting_list(struct settings *settings, enum option_id id)
{
    struct texts *texts = &settings->values[id].texts;
    const char **end = texts_add(texts);

    if (!end)
        return NULL;
    *end = NULL;
    texts->len--;
    return texts->data;
}

static bool add_text(struct setting *setting, const char *text, const char *origin)
{
    const char **slot = text ? texts_add(&setting->texts) : NULL;

    if (!slot)
        return false;
    *slot = text;
    setting->origin = origin;
    return true;
}

/* MIGHOST_NAME; an empty variable is none. */
static mig_status ask_environment(struct settings *settings, enum option_id id, struct mig_err *err)
{
    const struct option_spec *spec = &option_specs[id];
    struct setting *setting = &settings->values[id];
    const char *text = spec->environment ? getenv(spec->environment) : NULL;

    if (!text || !*text)
        return MIG_OK;
    while (spec->type == OPTION_IS_LIST && strchr(text, LIST_SEPARATOR)) {
        size_t len = strcspn(text, (char[]){LIST_SEPARATOR, '\0'});

        if (!add_text(setting, arena_strndup(&settings->arena, text, len), spec->environment))
            return err_nomem(err);
        text += len + 1;
    }
    return add_text(setting, text, spec->environment) ? MIG_OK : err_nomem(err);
}

/* The last line of a section counts; of a list, all lines. */
static mig_status ask_section(struct settings *settings, enum option_id id, const char *section,
                              struct mig_err *err)
{
    struct setting *setting = &settings->values[id];

    VEC_EACH(const struct ini_entry, entry, &settings->ini.entries) {
        if (entry->option != id || strcmp(entry->section, section) != 0)
            continue;
        if (option_specs[id].type != OPTION_IS_LIST)
            setting->texts.len = 0;
        if (!add_text(setting, entry->value, entry->origin))
            return err_nomem(err);
    }
    return MIG_OK;
}

static mig_status ask_file(struct settings *settings, enum option_id id, struct mig_err *err)
{
    const char *environment = setting_text(settings, OPT_ENVIRONMENT);

    if (environment)
        MIG_TRY(ask_section(settings, id, environment, err));
    if (settings->values[id].origin)
        return MIG_OK;
    return ask_section(settings, id, INI_DEFAULT_SECTION, err);
}

static mig_status ask_default(struct settings *settings, enum option_id id, struct mig_err *err)
{
    const char *fallback = option_specs[id].fallback;

    if (!fallback || add_text(&settings->values[id], fallback, DEFAULT_ORIGIN))
        return MIG_OK;
    return err_nomem(err);
}

static const struct word {
    const char *text;
    bool on;
} flag_words[] = {
    {"yes", true}, {"true", true},   {"on", true},   {"1", true},
    {"no", false}, {"false", false}, {"off", false}, {"0", false},
};

static mig_status read_flag(struct setting *setting, const char *text, struct mig_err *err)
{
    for (size_t i = 0; i < sizeof flag_words / sizeof flag_words[0]; i++) {
        if (strcmp(text, flag_words[i].text) == 0) {
            setting->number = flag_words[i].on;
            return MIG_OK;
        }
    }
    return err_set(err, MIG_E_USAGE, "\"%s\" is neither yes nor no", text);
}

static mig_status read_count(struct setting *setting, const char *text, struct mig_err *err)
{
    if (text_parse_int(text, 1, INT32_MAX, &setting->number))
        return MIG_OK;
    return err_set(err, MIG_E_USAGE, "\"%s\" is not a number from 1 to %d", text, INT32_MAX);
}

static mig_status read_number(struct setting *setting, const char *text, struct mig_err *err)
{
    if (text_parse_int(text, 0, INT64_MAX, &setting->number))
        return MIG_OK;
    return err_set(err, MIG_E_USAGE, "\"%s\" is not a number from 0 on", text);
}

static mig_status read_percent(struct setting *setting, const char *text, struct mig_err *err)
{
    return text_parse_percent(text, &setting->number, err);
}

static mig_status read_id(struct setting *setting, const char *text, struct mig_err *err)
{
    (void)setting;
    if (text_is_id(text))
        return MIG_OK;
    return err_set(err, MIG_E_USAGE, "\"%s\" is not an id; an id is 1 to 18 digits", text);
}

static mig_status read_duration(struct setting *setting, const char *text, struct mig_err *err)
{
    return text_parse_duration(text, &setting->number, err);
}

static mig_status read_size(struct setting *setting, const char *text, struct mig_err *err)
{
    return text_parse_size(text, &setting->number, err);
}

static mig_status read_text(struct setting *setting, const char *text, struct mig_err *err)
{
    (void)setting;
    if (*text)
        return MIG_OK;
    return err_set(err, MIG_E_USAGE, "the value is empty");
}

static mig_status (*const readers[])(struct setting *, const char *, struct mig_err *) = {
    [OPTION_IS_FLAG] = read_flag,
    [OPTION_IS_TEXT] = read_text,
    [OPTION_IS_ID] = read_id,
    [OPTION_IS_COUNT] = read_count,
    [OPTION_IS_NUMBER] = read_number,
    [OPTION_IS_PERCENT] = read_percent,
    [OPTION_IS_DURATION] = read_duration,
    [OPTION_IS_SIZE] = read_size,
    [OPTION_IS_LIST] = read_text,
};

/* Makes the values of the texts found. */
static mig_status read_values(struct settings *settings, enum option_id id, struct mig_err *err)
{
    struct setting *setting = &settings->values[id];

    for (size_t i = 0; i < setting->texts.len; i++) {
        if (readers[option_specs[id].type](setting, setting->texts.data[i], err))
            return err_wrap(err, "%s", setting->origin);
    }
    return MIG_OK;
}

static mig_status resolve(struct settings *settings, enum option_id id, struct mig_err *err)
{
    mig_status (*const places[])(struct settings *, enum option_id,
                                 struct mig_err *) = {ask_environment, ask_file, ask_default};

    for (size_t i = 0; i < sizeof places / sizeof places[0] && !settings->values[id].origin; i++)
        MIG_TRY(places[i](settings, id, err));
    return read_values(settings, id, err);
}

static mig_status load_file(struct settings *settings, struct mig_err *err)
{
    const char *path = setting_text(settings, OPT_CONFIG);
    const char *environment = setting_text(settings, OPT_ENVIRONMENT);
    mig_status status = ini_load(&settings->ini, path ? path : CONFIG_FILE, err);

    if (status == MIG_E_NOTFOUND && path)
        return err_wrap(err, "%s", settings->values[OPT_CONFIG].origin);
    if (status == MIG_E_NOTFOUND && environment)
        return err_set(
            err, MIG_E_USAGE,
            "the environment \"%s\" is asked for (%s), but there is no %s here; name the "
            "file with --config",
            environment, settings->values[OPT_ENVIRONMENT].origin, CONFIG_FILE);
    if (status == MIG_E_NOTFOUND)
        return MIG_OK;
    if (status == MIG_OK && environment && !ini_has_section(&settings->ini, environment))
        return err_set(err, MIG_E_USAGE, "%s: there is nothing in a section [%s]",
                       path ? path : CONFIG_FILE, environment);
    return status;
}

mig_status settings_resolve(struct settings *settings, struct mig_err *err)
{
    MIG_TRY(resolve(settings, OPT_CONFIG, err));
    MIG_TRY(resolve(settings, OPT_ENVIRONMENT, err));
    if (load_file(settings, err) < 0) {
        err->status = err->status == MIG_E_NOTFOUND ? MIG_E_USAGE : err->status;
        return err->status;
    }
    for (enum option_id id = 0; id < OPTION_COUNT; id++)
        MIG_TRY(resolve(settings, id, err));
    return MIG_OK;
}

void settings_clear(struct settings *settings)
{
    for (enum option_id id = 0; id < OPTION_COUNT; id++)
        texts_clear(&settings->values[id].texts);
    ini_clear(&settings->ini);
    arena_clear(&settings->arena);
}
