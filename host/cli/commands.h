/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of commands as C: one row of commands.def is one struct command.
 * What a row promises about arguments and options is checked before its
 * function is called, and what it needs is there.
 */
#ifndef MIGHOST_CLI_COMMANDS_H
#define MIGHOST_CLI_COMMANDS_H

#include "options.h"

#include <mig.h>

struct cli;

enum argument_type {
    ARGUMENT_TEXT,
    ARGUMENT_ID,
    ARGUMENT_DIRECTION,
    ARGUMENT_WORD /* its own name */
};

#define ARGUMENTS_MAX 2

struct argument {
    const char *name; /* NULL: there is none */
    enum argument_type type;
    bool required;
};

enum command_group {
    GROUP_AUTHOR,
    GROUP_APPLY,
    GROUP_LOOK,
    GROUP_OPERATE,
    GROUP_TRUST,
    GROUP_ADOPT,
    GROUP_ABOUT,
    GROUP_COUNT
};

extern const char *const group_titles[GROUP_COUNT];

enum command_needs {
    NEEDS_NOTHING, /* neither configuration nor database */
    NEEDS_HOST     /* the settings, and a host opened with them */
};

struct command {
    const char *name;
    const char *alias; /* or NULL */
    enum command_group group;
    enum command_needs needs;
    struct argument arguments[ARGUMENTS_MAX];
    uint64_t options; /* besides those of every command */
    mig_status (*run)(struct cli *cli, struct mig_err *err);
    const char *summary;
    const char *help;
};

extern const struct command commands[];
extern const size_t command_count;

/* NULL where there is no such command. */
const struct command *command_find(const char *name);
/* The usage error for a name that is none, with the name nearest to it. */
mig_status command_refuse(const char *name, struct mig_err *err);

/* The functions of the table, one a file or a few. */
mig_status cmd_new(struct cli *cli, struct mig_err *err);
mig_status cmd_inspect(struct cli *cli, struct mig_err *err);
mig_status cmd_init(struct cli *cli, struct mig_err *err);
mig_status cmd_up(struct cli *cli, struct mig_err *err);
mig_status cmd_down(struct cli *cli, struct mig_err *err);
mig_status cmd_redo(struct cli *cli, struct mig_err *err);
mig_status cmd_run(struct cli *cli, struct mig_err *err);
mig_status cmd_plan(struct cli *cli, struct mig_err *err);
mig_status cmd_status(struct cli *cli, struct mig_err *err);
mig_status cmd_current(struct cli *cli, struct mig_err *err);
mig_status cmd_previous(struct cli *cli, struct mig_err *err);
mig_status cmd_pending(struct cli *cli, struct mig_err *err);
mig_status cmd_applied(struct cli *cli, struct mig_err *err);
mig_status cmd_log(struct cli *cli, struct mig_err *err);
mig_status cmd_show(struct cli *cli, struct mig_err *err);
mig_status cmd_resolve(struct cli *cli, struct mig_err *err);
mig_status cmd_key(struct cli *cli, struct mig_err *err);
mig_status cmd_sign(struct cli *cli, struct mig_err *err);
mig_status cmd_check(struct cli *cli, struct mig_err *err);
mig_status cmd_baseline(struct cli *cli, struct mig_err *err);
mig_status cmd_version(struct cli *cli, struct mig_err *err);
mig_status cmd_help(struct cli *cli, struct mig_err *err);

#endif
