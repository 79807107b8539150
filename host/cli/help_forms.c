/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other forms of the help: the block of the README and the completion for
 * bash. Both are made of the same rows as the help on the terminal.
 */
#include "help.h"

#include <string.h>

/* A cell of a Markdown table: only the bar means something there. */
static void cell(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            buf_putc(out, '\\');
        buf_putc(out, *text);
    }
}

static void code_cell(struct buf *out, const char *prefix, const char *text)
{
    if (!text)
        return;
    buf_printf(out, "`%s", prefix);
    cell(out, text);
    buf_putc(out, '`');
}

static void markdown_commands(struct buf *out)
{
    buf_puts(out, "| | command | what it does |\n| --- | --- | --- |\n");
    for (enum command_group group = 0; group < GROUP_COUNT; group++) {
        const char *title = group_titles[group];

        for (size_t i = 0; i < command_count; i++) {
            AUTO(buf) struct buf usage = {0};

            if (commands[i].group != group)
                continue;
            help_usage(&usage, &commands[i]);
            buf_printf(out, "| %s | ", title);
            code_cell(out, "", buf_text(&usage));
            buf_puts(out, " | ");
            help_summary(out, &commands[i]);
            buf_puts(out, " |\n");
            title = "";
        }
    }
}

/* "`up`, `down`", or "every" */
static void takers(struct buf *out, enum option_id id)
{
    const char *comma = "";

    if (option_specs[id].scope == OPTION_FOR_EVERY) {
        buf_puts(out, "every");
        return;
    }
    for (size_t i = 0; i < command_count; i++) {
        if (!help_lists(&commands[i], id))
            continue;
        buf_printf(out, "%s`%s`", comma, commands[i].name);
        comma = ", ";
    }
}

static void markdown_option(struct buf *out, enum option_id id)
{
    const struct option_spec *spec = &option_specs[id];
    AUTO(buf) struct buf name = {0};

    help_option_name(&name, id);
    buf_puts(out, "| ");
    code_cell(out, "", buf_text(&name));
    buf_puts(out, " | ");
    takers(out, id);
    buf_puts(out, " | ");
    code_cell(out, "$", spec->environment);
    buf_puts(out, " | ");
    code_cell(out, "", spec->key);
    buf_puts(out, " | ");
    code_cell(out, "", spec->fallback);
    buf_printf(out, " | %s |\n", spec->help);
}

void help_markdown(struct buf *out)
{
    markdown_commands(out);
    buf_puts(out, "\n| option | commands | environment | `mighost.ini` | default | meaning |\n"
                  "| --- | --- | --- | --- | --- | --- |\n");
    for (enum option_id id = 0; id < OPTION_COUNT; id++)
        markdown_option(out, id);
    buf_puts(out, "\n| exit code | meaning |\n| --- | --- |\n");
    for (size_t i = 0; i < exit_code_count; i++)
        buf_printf(out, "| %d | %s |\n", exit_codes[i].code, exit_codes[i].meaning);
}

static void completion_names(struct buf *out, const struct command *command)
{
    for (enum option_id id = 0; id < OPTION_COUNT; id++)
        if (help_lists(command, id))
            buf_printf(out, " --%s", option_specs[id].name);
}

/* Which words complete the value of an option: one row a kind of value. */
static const struct value_kind {
    const char *value; /* NULL: any other value */
    const char *action;
} value_kinds[] = {
    {"FOLDER", "COMPREPLY=($(compgen -d -- \"$cur\")); return"},
    {"FILE", "COMPREPLY=($(compgen -f -- \"$cur\")); return"},
    {"PATH", "COMPREPLY=($(compgen -f -- \"$cur\")); return"},
    {NULL, "return"},
};

static bool is_of_kind(enum option_id id, const struct value_kind *kind)
{
    const char *value = option_specs[id].value;

    if (!value)
        return false;
    if (kind->value)
        return strcmp(value, kind->value) == 0;
    for (size_t i = 0; value_kinds[i].value; i++)
        if (strcmp(value, value_kinds[i].value) == 0)
            return false;
    return true;
}

static void completion_values(struct buf *out, const struct value_kind *kind)
{
    const char *bar = "    ";

    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        if (!is_of_kind(id, kind))
            continue;
        buf_printf(out, "%s--%s", bar, option_specs[id].name);
        bar = "|";
        if (option_specs[id].letter)
            buf_printf(out, "|-%c", option_specs[id].letter);
    }
    buf_printf(out, ") %s ;;\n", kind->action);
}

static void completion_command(struct buf *out, const struct command *command)
{
    buf_printf(out, "    %s", command->name);
    if (command->alias)
        buf_printf(out, "|%s", command->alias);
    buf_puts(out, ") options+=\"");
    completion_names(out, command);
    buf_puts(out, "\" ;;\n");
}

void help_completion(struct buf *out)
{
    buf_puts(out, "# bash completion for mighost; made by `mighost help --completion`\n"
                  "_mighost() {\n"
                  "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                  "    local word command='' commands=\"");
    for (size_t i = 0; i < command_count; i++)
        buf_printf(out, "%s%s", i ? " " : "", commands[i].name);
    buf_puts(out, "\"\n    local options=\"");
    completion_names(out, NULL);
    buf_puts(out, "\"\n    COMPREPLY=()\n    case $prev in\n");
    for (size_t i = 0; i < sizeof value_kinds / sizeof value_kinds[0]; i++)
        completion_values(out, &value_kinds[i]);
    buf_puts(out, "    esac\n"
                  "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
                  "        case \" $commands \" in *\" $word \"*) command=$word; break ;; esac\n"
                  "    done\n"
                  "    case $command in\n");
    for (size_t i = 0; i < command_count; i++)
        completion_command(out, &commands[i]);
    buf_puts(out, "    esac\n"
                  "    case $command:$cur in\n"
                  "    *:-*) COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")) ;;\n"
                  "    :*|help:*) COMPREPLY=($(compgen -W \"$commands\" -- \"$cur\")) ;;\n"
                  "    plan:*) COMPREPLY=($(compgen -W \"up down\" -- \"$cur\")) ;;\n"
                  "    key:*) COMPREPLY=($(compgen -W \"new\" -- \"$cur\")) ;;\n"
                  "    inspect:*) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
                  "    esac\n"
                  "}\n"
                  "complete -F _mighost mighost\n");
}
