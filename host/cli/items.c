/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of migrations and attempts as tables, as several commands show them.
 */
#include "cli.h"

#include <string.h>

static const struct note {
    uint32_t flag;
    const char *text;
} notes[] = {
    {MIGHOST_CHANGED, "changed since it was applied"},
    {MIGHOST_MISSING, "not in the bundle"},
    {MIGHOST_OUT_OF_ORDER, "out of order"},
};

const char *item_notes(char out[NOTES_SIZE], const struct mighost_item *item)
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++)
        if (item->flags & notes[i].flag)
            len += (size_t)snprintf(out + len, NOTES_SIZE - len, "%s%s", len ? ", " : "",
                                    notes[i].text);
    if (*item->gate)
        snprintf(out + len, NOTES_SIZE - len, "%swaits for \"%s\"", len ? ", " : "", item->gate);
    return out;
}

static void add_item(struct table *table, const struct mighost_item *item)
{
    char text[TEXT_SHORT];
    char odd[NOTES_SIZE];
    bool recorded = item->applied_at_ms != 0;

    table_cell(table, COLOR_BOLD, item->id);
    table_cell(table, state_color(item->state), mighost_state_name(item->state));
    table_cell(table, COLOR_NONE, render_time(text, item->applied_at_ms));
    table_cell(table, COLOR_NONE, recorded ? text_duration(text, item->duration_ms) : "-");
    table_cell(table, COLOR_NONE, mighost_kind_name(item->kind));
    table_cell(table, COLOR_YELLOW, item_notes(odd, item));
    table_cell(table, COLOR_NONE, item->description);
}

void show_items(struct cli *cli, const struct mighost_list *list)
{
    static const char *const names[] = {"ID",   "STATE", "SINCE (UTC)", "TOOK",
                                        "KIND", "NOTE",  "DESCRIPTION", NULL};
    AUTO(table) struct table table = {.columns = 7};
    struct page page = cli_page(cli);

    table_head(&table, names);
    for (size_t i = 0; i < list->count; i++)
        add_item(&table, &list->items[i]);
    table_render(&table, &page);
}

static void add_attempt(struct table *table, const struct mighost_attempt *attempt)
{
    char text[TEXT_SHORT];

    table_cell(table, COLOR_NONE, render_time(text, attempt->started_at_ms));
    table_cell(table, COLOR_BOLD, attempt->id);
    table_cell(table, COLOR_NONE, attempt->action);
    table_cell(table, *attempt->error ? COLOR_RED : COLOR_GREEN, attempt->outcome);
    table_cell(table, COLOR_NONE, text_duration(text, attempt->duration_ms));
    table_cell(table, COLOR_NONE, attempt->who);
    table_cell(table, COLOR_NONE, attempt->error);
}

void show_attempts(struct page *page, const struct mighost_attempts *attempts)
{
    static const char *const names[] = {"STARTED (UTC)", "ID",  "ACTION", "OUTCOME",
                                        "TOOK",          "WHO", "ERROR",  NULL};
    AUTO(table) struct table table = {.columns = 7};

    table_head(&table, names);
    for (size_t i = 0; i < attempts->count; i++)
        add_attempt(&table, &attempts->items[i]);
    table_render(&table, page);
}
