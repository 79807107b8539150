/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of commands: its rows out of commands.def, and finding one. What a
 * command does is in its own file.
 */
#include "commands.h"

#include "err.h"

#include <string.h>

const char *const group_titles[GROUP_COUNT] = {
    [GROUP_AUTHOR] = "author",   [GROUP_APPLY] = "apply", [GROUP_LOOK] = "look",
    [GROUP_OPERATE] = "operate", [GROUP_TRUST] = "trust", [GROUP_ADOPT] = "adopt",
    [GROUP_ABOUT] = "about",
};

#define BIT(id) OPTION_BIT(OPT_##id)
/* Of the commands that may run data migrations. */
#define DATA_OPTIONS (BIT(MAX_REJECTS) | BIT(THROTTLE) | BIT(MAX_LAG) | BIT(WORKERS))
#define ARG(name_, type_, required_)                                       \
    {                                                                      \
        .name = (name_), .type = ARGUMENT_##type_, .required = (required_) \
    }
#define NO_ARG \
    {          \
        0      \
    }

const struct command commands[] = {
#define COMMAND(name_, alias_, group_, needs_, first_, second_, options_, run_, summary_, help_) \
    {.name = (name_),                                                                            \
     .alias = (alias_),                                                                          \
     .group = GROUP_##group_,                                                                    \
     .needs = NEEDS_##needs_,                                                                    \
     .arguments = {first_, second_},                                                             \
     .options = (options_),                                                                      \
     .run = (run_),                                                                              \
     .summary = (summary_),                                                                      \
     .help = (help_)},
#include "commands.def"
#undef COMMAND
};

const size_t command_count = sizeof commands / sizeof commands[0];

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i].name, name) == 0 ||
            (commands[i].alias && strcmp(commands[i].alias, name) == 0))
            return &commands[i];
    return NULL;
}

mig_status command_refuse(const char *name, struct mig_err *err)
{
    const char *best = NULL;

    for (size_t i = 0; i < command_count; i++)
        best = nearer_name(name, best, commands[i].name);
    if (best)
        return err_set(err, MIG_E_USAGE, "unknown command \"%s\"; did you mean \"%s\"?", name,
                       best);
    return err_set(err, MIG_E_USAGE, "unknown command \"%s\"; `mighost help` lists them", name);
}
