/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that the command says about itself, written out of the tables of
 * commands, options and exit codes: what a row says appears in each of these
 * forms, and nothing appears that is not in a row.
 */
#ifndef MIGHOST_CLI_HELP_H
#define MIGHOST_CLI_HELP_H

#include "buf.h"
#include "commands.h"

/* `mighost help` and `mighost help COMMAND`. */
void help_overview(struct buf *out);
void help_command(struct buf *out, const struct command *command);
/* The manual page, as troff. */
void help_man(struct buf *out);
/* A script for bash-completion. */
void help_completion(struct buf *out);
/* What stands between the markers in the README. */
void help_markdown(struct buf *out);

struct exit_code {
    int code;
    const char *meaning;
};

extern const struct exit_code exit_codes[];
extern const size_t exit_code_count;

/* What it does, and its other name. */
void help_summary(struct buf *out, const struct command *command);
/* "up [OPTION]...", "run ID [OPTION]..." */
void help_usage(struct buf *out, const struct command *command);
/* "-d, --database URL" */
void help_option_name(struct buf *out, enum option_id id);
/* Whether `command` lists the option; every command where it is NULL. */
bool help_lists(const struct command *command, enum option_id id);

#endif
