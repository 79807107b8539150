/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the command line into settings: options anywhere, in every usual
 * form (--name=value, --name value, -nvalue, -abc), `--` ends them, the first
 * word is the command. Knows the tables and nothing of what a value means. A
 * secret is copied and its letters in the argument list overwritten, as other
 * users can read that with ps.
 */
#include "settings.h"

#include "buf.h"
#include "err.h"

#include <string.h>

struct reader {
    struct settings *settings;
    struct mig_err *err;
    char **next; /* what is still to be read, NULL at the end */
};

static const char *value_text(struct reader *reader, enum option_id id, char *value)
{
    char *copy;

    if (!option_specs[id].secret)
        return value;
    copy = arena_strdup(&reader->settings->arena, value);
    if (copy)
        memset(value, '*', strlen(value));
    return copy;
}

/* A URL in the wrong place may hold a password: it is not repeated. */
static mig_status refuse_url(struct reader *reader)
{
    return err_set(reader->err, MIG_E_USAGE, "a database URL stands alone; write -d URL");
}

/* Behind the wrong option, as -m for -d. */
static bool is_lost_url(const struct option_spec *spec, const char *value)
{
    const char *slashes = strstr(value, "://");

    return spec->type == OPTION_IS_TEXT && !spec->secret && slashes && strchr(slashes, '@');
}

static mig_status take_value(struct reader *reader, enum option_id id, char *value)
{
    const struct option_spec *spec = &option_specs[id];
    struct setting *setting = &reader->settings->values[id];
    const char **slot;

    if (is_lost_url(spec, value)) {
        memset(value, '*', strlen(value));
        return refuse_url(reader);
    }
    if (setting->by_flag && spec->type != OPTION_IS_LIST)
        return err_set(reader->err, MIG_E_USAGE, "--%s is given twice", spec->name);
    setting->origin = arena_printf(&reader->settings->arena, "--%s", spec->name);
    setting->by_flag = true;
    slot = texts_add(&setting->texts);
    if (slot)
        *slot = value_text(reader, id, value);
    return setting->origin && slot && *slot ? MIG_OK : err_nomem(reader->err);
}

static void take_flag(struct reader *reader, enum option_id id)
{
    struct setting *setting = &reader->settings->values[id];

    setting->origin = "the command line";
    setting->by_flag = true;
    setting->number = 1;
}

static mig_status take_next_value(struct reader *reader, enum option_id id)
{
    if (!*reader->next)
        return err_set(reader->err, MIG_E_USAGE, "--%s needs a value: --%s %s",
                       option_specs[id].name, option_specs[id].name, option_specs[id].value);
    return take_value(reader, id, *reader->next++);
}

static mig_status refuse_option(struct reader *reader, const char *typed, size_t len)
{
    AUTO(buf) struct buf name = {0};
    const char *near;

    buf_add(&name, typed, len);
    near = option_nearest(buf_text(&name));
    if (near)
        return err_set(reader->err, MIG_E_USAGE, "unknown option --%s; did you mean --%s?",
                       buf_text(&name), near);
    return err_set(reader->err, MIG_E_USAGE, "unknown option --%s; `mighost help` lists them",
                   buf_text(&name));
}

/* "--name", "--name=value" */
static mig_status read_long(struct reader *reader, char *word)
{
    char *name = word + 2;
    size_t len = strcspn(name, "=");
    enum option_id id = option_by_name(name, len);
    bool has_value = name[len] == '=';

    if (id == OPTION_COUNT)
        return refuse_option(reader, name, len);
    if (option_specs[id].type != OPTION_IS_FLAG)
        return has_value ? take_value(reader, id, name + len + 1) : take_next_value(reader, id);
    if (has_value)
        return err_set(reader->err, MIG_E_USAGE, "--%s takes no value", option_specs[id].name);
    take_flag(reader, id);
    return MIG_OK;
}

/* "-v", "-vd URL", "-dURL" */
static mig_status read_letters(struct reader *reader, char *word)
{
    for (char *at = word + 1; *at; at++) {
        enum option_id id = option_by_letter(*at);

        if (id == OPTION_COUNT)
            return err_set(reader->err, MIG_E_USAGE,
                           "unknown option -%c; `mighost help` lists them", *at);
        if (option_specs[id].type == OPTION_IS_FLAG) {
            take_flag(reader, id);
            continue;
        }
        return at[1] ? take_value(reader, id, at + 1) : take_next_value(reader, id);
    }
    return MIG_OK;
}

static mig_status read_command(struct reader *reader, const char *word)
{
    reader->settings->command = command_find(word);
    if (reader->settings->command)
        return MIG_OK;
    return strstr(word, "://") ? refuse_url(reader) : command_refuse(word, reader->err);
}

static mig_status read_word(struct reader *reader, const char *word)
{
    struct settings *settings = reader->settings;
    const struct command *command = settings->command;

    if (!command)
        return read_command(reader, word);
    if (strstr(word, "://"))
        return refuse_url(reader);
    if (settings->argument_count == ARGUMENTS_MAX ||
        !command->arguments[settings->argument_count].name)
        return err_set(reader->err, MIG_E_USAGE,
                       "one argument too many: \"%s\"; see `mighost help %s`", word, command->name);
    settings->arguments[settings->argument_count++] = word;
    return MIG_OK;
}

static mig_status check_argument(const struct command *command, const struct argument *argument,
                                 const char *given, struct mig_err *err)
{
    if (!given && argument->required)
        return err_set(err, MIG_E_USAGE, "`mighost %s` needs %s; see `mighost help %s`",
                       command->name, argument->name, command->name);
    if (!given)
        return MIG_OK;
    if (argument->type == ARGUMENT_ID && !text_is_id(given))
        return err_set(err, MIG_E_USAGE, "\"%s\" is not an id; an id is 1 to 18 digits", given);
    if (argument->type == ARGUMENT_DIRECTION && strcmp(given, "up") != 0 &&
        strcmp(given, "down") != 0)
        return err_set(err, MIG_E_USAGE, "\"%s\" is neither up nor down", given);
    if (argument->type == ARGUMENT_WORD && strcmp(given, argument->name) != 0)
        return err_set(err, MIG_E_USAGE, "\"%s\" is not \"%s\"; see `mighost help %s`", given,
                       argument->name, command->name);
    return MIG_OK;
}

static mig_status check_options(const struct settings *settings, struct mig_err *err)
{
    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        if (settings->values[id].by_flag && option_specs[id].scope == OPTION_FOR_SOME &&
            !(settings->command->options & OPTION_BIT(id)))
            return err_set(err, MIG_E_USAGE, "`mighost %s` takes no --%s; see `mighost help %s`",
                           settings->command->name, option_specs[id].name, settings->command->name);
    }
    return MIG_OK;
}

/* Of each set, one at most. */
static const uint64_t exclusive[] = {
    OPTION_BIT(OPT_TO) | OPTION_BIT(OPT_COUNT) | OPTION_BIT(OPT_ALL),
    OPTION_BIT(OPT_C) | OPTION_BIT(OPT_SQL),
    OPTION_BIT(OPT_RETRY) | OPTION_BIT(OPT_APPLIED) | OPTION_BIT(OPT_REVERTED),
    OPTION_BIT(OPT_VERBOSE) | OPTION_BIT(OPT_QUIET),
    OPTION_BIT(OPT_MAN) | OPTION_BIT(OPT_COMPLETION) | OPTION_BIT(OPT_MARKDOWN),
};

static mig_status check_exclusive(const struct settings *settings, uint64_t set,
                                  struct mig_err *err)
{
    const char *first = NULL;

    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        if (!(set & OPTION_BIT(id)) || !settings->values[id].by_flag)
            continue;
        if (first)
            return err_set(err, MIG_E_USAGE, "--%s and --%s exclude each other", first,
                           option_specs[id].name);
        first = option_specs[id].name;
    }
    return MIG_OK;
}

/* What the command's row promises to its function. */
static mig_status check_command(const struct settings *settings, struct mig_err *err)
{
    const struct command *command = settings->command;

    MIG_TRY(check_options(settings, err));
    for (size_t i = 0; i < ARGUMENTS_MAX && command->arguments[i].name; i++)
        MIG_TRY(check_argument(command, &command->arguments[i], settings->arguments[i], err));
    for (size_t i = 0; i < sizeof exclusive / sizeof exclusive[0]; i++)
        MIG_TRY(check_exclusive(settings, exclusive[i], err));
    return MIG_OK;
}

static mig_status read_all(struct reader *reader)
{
    bool only_words = false;

    while (*reader->next) {
        char *word = *reader->next++;

        if (only_words || word[0] != '-' || !word[1])
            MIG_TRY(read_word(reader, word));
        else if (strcmp(word, "--") == 0)
            only_words = true;
        else
            MIG_TRY(word[1] == '-' ? read_long(reader, word) : read_letters(reader, word));
    }
    return MIG_OK;
}

/* NO_COLOR is on whatever it says, as no-color.org wants it. */
static void honour_no_color(struct settings *settings)
{
    struct setting *setting = &settings->values[OPT_NO_COLOR];
    const char *text = getenv(option_specs[OPT_NO_COLOR].environment);

    if (setting->by_flag || !text || !*text)
        return;
    setting->origin = option_specs[OPT_NO_COLOR].environment;
    setting->number = 1;
}

/* After a fault: flags that stand behind it still say how to report it. */
static void read_flags_left(struct reader *reader)
{
    for (; *reader->next && strcmp(*reader->next, "--") != 0; reader->next++) {
        const char *word = *reader->next;
        enum option_id id =
            strncmp(word, "--", 2) == 0 ? option_by_name(word + 2, strlen(word + 2)) : OPTION_COUNT;

        if (id == OPT_JSON || id == OPT_EVENTS)
            take_flag(reader, id);
    }
}

mig_status settings_parse(struct settings *settings, int argc, char **argv, struct mig_err *err)
{
    struct reader reader = {.settings = settings, .err = err, .next = argv + (argc > 0)};

    honour_no_color(settings);
    if (read_all(&reader)) {
        read_flags_left(&reader);
        return err->status;
    }
    if (setting_on(settings, OPT_HELP) || setting_on(settings, OPT_VERSION))
        return MIG_OK;
    if (!settings->command)
        return err_set(err, MIG_E_USAGE, "no command is given; `mighost help` lists them");
    return check_command(settings, err);
}
