/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Help for a terminal of 80 columns: the overview and that of each command.
 * Also the pieces that the other forms of the help share, and the table of
 * exit codes, whose numbers are those of the SDK's table of statuses.
 */
#include "help.h"

#include <string.h>

#define HELP_WIDTH 79
#define TEXT_COLUMN 32 /* where the explanations begin */

const struct exit_code exit_codes[] = {
    {0, "done, or nothing to do"},
    {1, "a migration failed; its own changes are gone, earlier ones of the run stand"},
    {2, "usage or configuration error; the database is untouched"},
    {3, "the database cannot be reached, opened, read or written"},
    {4, "another host holds the lock, and the wait ran out"},
    {5,
     "bundle and history disagree, or a file of the bundle is wrong; found before anything runs"},
    {6, "refused: signature, load policy, ABI, or no session; found before anything runs"},
    {7, "stopped part way; the message says which step, and what to do"},
    {8, "waiting at a gate; everything before it is applied"},
    {9, "verification failed"},
    {10, "something is pending (`status --exit-code`)"},
    {11, "outcome unknown: the connection was lost during COMMIT; the next run settles it"},
    {12, "out of disk, memory or descriptors"},
    {70, "a fault of mighost itself"},
    {130, "interrupted, after the current batch or by rollback"},
    {143, "terminated, likewise"},
};

const size_t exit_code_count = sizeof exit_codes / sizeof exit_codes[0];

bool help_lists(const struct command *command, enum option_id id)
{
    if (!command)
        return option_specs[id].scope == OPTION_FOR_EVERY;
    return option_specs[id].scope == OPTION_FOR_SOME && (command->options & OPTION_BIT(id));
}

void help_usage(struct buf *out, const struct command *command)
{
    buf_puts(out, command->name);
    for (size_t i = 0; i < ARGUMENTS_MAX && command->arguments[i].name; i++) {
        const struct argument *argument = &command->arguments[i];

        buf_printf(out, argument->required ? " %s" : " [%s]", argument->name);
    }
}

void help_summary(struct buf *out, const struct command *command)
{
    buf_puts(out, command->summary);
    if (command->alias)
        buf_printf(out, " (also: `%s`)", command->alias);
}

void help_option_name(struct buf *out, enum option_id id)
{
    const struct option_spec *spec = &option_specs[id];

    if (spec->letter)
        buf_printf(out, "-%c, ", spec->letter);
    buf_printf(out, "--%s", spec->name);
    if (spec->value)
        buf_printf(out, " %s", spec->value);
}

/* Adds words, breaking lines so that they stay between `indent` and the edge. */
static void wrap(struct buf *out, size_t column, size_t indent, const char *text)
{
    bool first = true;

    while (*text) {
        size_t len = strcspn(text, " ");

        if (!first && column + 1 + len > HELP_WIDTH) {
            buf_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            buf_putc(out, ' ');
            column++;
        }
        buf_add(out, text, len);
        column += len;
        first = false;
        text += len + strspn(text + len, " ");
    }
    buf_putc(out, '\n');
}

/* "  name     text", the text wrapped in its column. */
static void entry(struct buf *out, size_t indent, const char *name, const char *text)
{
    size_t column = indent + strlen(name);

    buf_printf(out, "%*s%s", (int)indent, "", name);
    if (column + 2 > TEXT_COLUMN)
        buf_printf(out, "\n%*s", TEXT_COLUMN, "");
    else
        buf_printf(out, "%*s", (int)(TEXT_COLUMN - column), "");
    wrap(out, TEXT_COLUMN, TEXT_COLUMN, text);
}

static void option_entry(struct buf *out, enum option_id id)
{
    const struct option_spec *spec = &option_specs[id];
    AUTO(buf) struct buf name = {0};
    AUTO(buf) struct buf text = {0};

    if (!spec->letter)
        buf_puts(&name, "    ");
    help_option_name(&name, id);
    buf_puts(&text, spec->help);
    if (spec->fallback)
        buf_printf(&text, " [default: %s]", spec->fallback);
    if (spec->environment)
        buf_printf(&text, " [$%s]", spec->environment);
    entry(out, 2, buf_text(&name), buf_text(&text));
}

static void options_section(struct buf *out, const char *title, const struct command *command)
{
    bool titled = false;

    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        if (!help_lists(command, id))
            continue;
        if (!titled)
            buf_printf(out, "\n%s:\n", title);
        titled = true;
        option_entry(out, id);
    }
}

static void commands_section(struct buf *out)
{
    for (enum command_group group = 0; group < GROUP_COUNT; group++) {
        buf_printf(out, "\n%s:\n", group_titles[group]);
        for (size_t i = 0; i < command_count; i++) {
            AUTO(buf) struct buf usage = {0};
            AUTO(buf) struct buf summary = {0};

            if (commands[i].group != group)
                continue;
            help_usage(&usage, &commands[i]);
            help_summary(&summary, &commands[i]);
            entry(out, 2, buf_text(&usage), buf_text(&summary));
        }
    }
}

static void exit_section(struct buf *out)
{
    buf_puts(out, "\nexit codes:\n");
    for (size_t i = 0; i < exit_code_count; i++) {
        buf_printf(out, "  %3d  ", exit_codes[i].code);
        wrap(out, 7, 7, exit_codes[i].meaning);
    }
}

void help_overview(struct buf *out)
{
    buf_puts(out, "Usage: mighost [OPTION]... COMMAND [ARGUMENT]...\n"
                  "Applies database migrations, SQL and compiled C, exactly once.\n");
    commands_section(out);
    options_section(out, "options of every command", NULL);
    buf_puts(out,
             "\nAn option beats its environment variable, that beats mighost.ini, where the\n"
             "section of the environment beats [default], and that beats the default. Keys of\n"
             "mighost.ini are named as the options. Times are written 500ms, 30s, 5m or 1h.\n");
    exit_section(out);
    buf_puts(out, "\n`mighost help COMMAND` tells more about one command.\n");
}

void help_command(struct buf *out, const struct command *command)
{
    buf_puts(out, "Usage: mighost [OPTION]... ");
    help_usage(out, command);
    buf_puts(out, command->options ? " [OPTION]...\n\n" : "\n\n");
    wrap(out, 0, 0, command->help);
    if (command->alias)
        buf_printf(out, "`%s` is another name for it.\n", command->alias);
    options_section(out, "options", command);
    buf_puts(out, "\n`mighost help` lists the options that every command takes.\n");
}
