/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manual page, as troff with the man macros. Text passes through
 * man_text(), which writes out what troff would act on. It holds no date, so
 * that the same source makes the same page.
 */
#include "help.h"

#include <mighost.h>
#include <string.h>

static void man_text(struct buf *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        buf_puts(out, "\\&");
    for (; *text; text++) {
        if (*text == '\\')
            buf_puts(out, "\\e");
        else if (*text == '-')
            buf_puts(out, "\\-");
        else
            buf_putc(out, *text);
    }
}

static void man_line(struct buf *out, const char *text)
{
    man_text(out, text);
    buf_putc(out, '\n');
}

static void man_tag(struct buf *out, const char *text)
{
    buf_puts(out, ".TP\n\\fB");
    man_text(out, text);
    buf_puts(out, "\\fR\n");
}

static void man_option(struct buf *out, enum option_id id)
{
    const struct option_spec *spec = &option_specs[id];
    AUTO(buf) struct buf text = {0};

    help_option_name(&text, id);
    man_tag(out, buf_text(&text));
    buf_reset(&text);
    buf_puts(&text, spec->help);
    buf_puts(&text, ".");
    if (spec->fallback)
        buf_printf(&text, " Default: %s.", spec->fallback);
    if (spec->environment)
        buf_printf(&text, " Environment: %s.", spec->environment);
    if (spec->key)
        buf_printf(&text, " Key in mighost.ini: %s.", spec->key);
    man_line(out, buf_text(&text));
}

static void man_options(struct buf *out, const struct command *command)
{
    for (enum option_id id = 0; id < OPTION_COUNT; id++)
        if (help_lists(command, id))
            man_option(out, id);
}

static void man_command(struct buf *out, const struct command *command)
{
    AUTO(buf) struct buf usage = {0};

    help_usage(&usage, command);
    buf_puts(out, ".SS ");
    man_line(out, buf_text(&usage));
    man_line(out, command->help);
    if (command->alias) {
        buf_reset(&usage);
        buf_printf(&usage, "%s is another name for it.", command->alias);
        man_line(out, buf_text(&usage));
    }
    man_options(out, command);
}

static const char *const sections_before[] = {
    ".SH NAME",
    "mighost \\- apply database migrations, SQL and compiled C, exactly once",
    ".SH SYNOPSIS",
    ".B mighost",
    "[\\fIOPTION\\fR]... \\fICOMMAND\\fR [\\fIARGUMENT\\fR]...",
    ".SH DESCRIPTION",
    "A migration is a pair of SQL files or a compiled C module. mighost finds them in",
    "one folder, orders them by their ids, and applies or rolls them back on SQLite or",
    "PostgreSQL, exactly once. The history in the database itself says what was applied.",
    ".PP",
    "Results go to standard output, progress and errors to standard error.",
};

static const char *const sections_after[] = {
    ".SH FILES",
    ".TP",
    ".I ./mighost.ini",
    "Settings as \\fIkey\\fR = \\fIvalue\\fR, in a section [default] and one for each",
    "environment. An option beats its environment variable, that beats the section of the",
    "environment, that beats [default], and that beats the built\\-in default. Values of a",
    "list stand on one line each. A comment begins with ; or #. A semicolon inside a value",
    "must not have a space before it.",
    ".SH DATA MIGRATIONS",
    "A durable data migration commits batch by batch. \\-\\-throttle has it rest in between,",
    "\\-\\-max\\-lag while a standby is behind. SIGUSR1 to mighost holds it up behind a batch,",
    "with nothing open in the database, and SIGUSR2 lets it go on. SIGINT and SIGTERM end it",
    "behind a batch; the next up goes on there. Rows that its code rejects stay as they are,",
    "as many as \\-\\-max\\-rejects allows, also over several runs.",
    ".SH SECURITY",
    "A URL with a password in the argument list can be read by other users for a moment,",
    "until mighost has overwritten it. Put it into DATABASE_URL, into mighost.ini with mode",
    "0600, or into a password file of libpq. No password is ever printed or logged.",
    ".SH EXAMPLES",
    ".nf",
    "mighost \\-d sqlite:app.db status",
    "mighost \\-d sqlite:app.db \\-m build/migrations up",
    "mighost \\-e production up \\-\\-to 20240126130000",
    "mighost down \\-\\-count 2",
    ".fi",
};

static void man_lines(struct buf *out, const char *const *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s\n", lines[i]);
}

void help_man(struct buf *out)
{
    char code[8];

    buf_printf(out, ".TH MIGHOST 1 \"\" \"mighost %s\" \"User Commands\"\n", mighost_version());
    man_lines(out, sections_before, sizeof sections_before / sizeof sections_before[0]);
    buf_puts(out, ".SH COMMANDS\n");
    for (size_t i = 0; i < command_count; i++)
        man_command(out, &commands[i]);
    buf_puts(out, ".SH OPTIONS\nEvery command takes these.\n");
    man_options(out, NULL);
    buf_puts(out, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < exit_code_count; i++) {
        snprintf(code, sizeof code, "%d", exit_codes[i].code);
        man_tag(out, code);
        man_line(out, exit_codes[i].meaning);
    }
    man_lines(out, sections_after, sizeof sections_after / sizeof sections_after[0]);
}
