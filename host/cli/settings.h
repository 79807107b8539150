/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each option is set to, and who said so. The command line, the
 * environment, mighost.ini and the defaults are asked in that order, for every
 * option alike; the first that says something has it all, for lists too. After
 * settings_resolve() numbers are checked and every value is final.
 */
#ifndef MIGHOST_CLI_SETTINGS_H
#define MIGHOST_CLI_SETTINGS_H

#include "arena.h"
#include "commands.h"
#include "ini_file.h"
#include "options.h"
#include "vec.h"

VEC_DEFINE(texts, const char *);

struct setting {
    const char *origin; /* "--wait", "MIGHOST_WAIT", "mighost.ini:3", "the default"; NULL: unset */
    struct texts texts; /* one, or several of a list; none of a flag */
    int64_t number;     /* a count, milliseconds, bytes; a flag: 0 or 1 */
    bool by_flag;       /* the command line gave it */
};

struct settings {
    struct setting values[OPTION_COUNT];
    const struct command *command; /* NULL: none was named */
    const char *arguments[ARGUMENTS_MAX];
    size_t argument_count;
    struct ini ini;
    struct arena arena;
};

/* Reads the command line, and NO_COLOR. Secrets are copied and wiped out of
 * `argv`. Where it fails, --json and --events are known nevertheless. */
mig_status settings_parse(struct settings *settings, int argc, char **argv, struct mig_err *err);
/* Asks the other places for what the command line left open; checks all. */
mig_status settings_resolve(struct settings *settings, struct mig_err *err);
void settings_clear(struct settings *settings);

/* The value as text; NULL where the option is not set. */
const char *setting_text(const struct settings *settings, enum option_id id);
int64_t setting_number(const struct settings *settings, enum option_id id);
/* Whether a flag is on, or any other option set. */
bool setting_on(const struct settings *settings, enum option_id id);
/* The values of a list, NULL at the end; lives as long as the settings. NULL
 * without memory. */
const char *const *setting_list(struct settings *settings, enum option_id id);

/* Whether `text` is an id: 1 to 18 digits. */
bool text_is_id(const char *text);

AUTO_VALUE(settings, struct settings, settings_clear)

#endif
