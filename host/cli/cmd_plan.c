/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan: the steps that up or down would take with the same options, in order.
 * Runs nothing and writes nothing.
 */
#include "cli.h"

#include <string.h>

/* Options that only one direction knows. */
static const struct one_way {
    enum option_id id;
    enum mighost_direction direction;
} one_way[] = {
    {OPT_ALL, MIGHOST_DOWN},
    {OPT_SKIP_IRREVERSIBLE, MIGHOST_DOWN},
    {OPT_OUT_OF_ORDER, MIGHOST_UP},
};

static mig_status check_direction(const struct cli *cli, enum mighost_direction direction,
                                  struct mig_err *err)
{
    for (size_t i = 0; i < sizeof one_way / sizeof one_way[0]; i++)
        if (setting_on(&cli->settings, one_way[i].id) && one_way[i].direction != direction)
            return err_set(err, MIG_E_USAGE, "`plan %s` takes no --%s", direction_name(direction),
                           option_specs[one_way[i].id].name);
    return MIG_OK;
}

/* What is in the way of the last one, which is then no step; or NULL. */
static const struct mighost_item *waiting_of(const struct mighost_list *list)
{
    const struct mighost_item *last = list->count ? &list->items[list->count - 1] : NULL;

    return last && *last->gate ? last : NULL;
}

static void show_json(struct cli *cli, enum mighost_direction direction,
                      const struct mighost_list *list)
{
    const struct mighost_item *waiting = waiting_of(list);
    struct mighost_list steps = {.count = list->count - (waiting != NULL), .items = list->items};
    struct json json;

    json_init(&json, &cli->out);
    json_object(&json);
    json_member_string(&json, "direction", direction_name(direction));
    json_items(&json, "steps", &steps);
    json_key(&json, "waiting");
    waiting ? json_item(&json, waiting) : json_null(&json);
    json_object_end(&json);
    buf_putc(&cli->out, '\n');
}

static void show_steps(struct cli *cli, enum mighost_direction direction,
                       const struct mighost_list *list)
{
    static const char *const names[] = {"STEP", "DO", "ID", "KIND", "MODE", "DESCRIPTION", NULL};
    AUTO(table) struct table table = {.columns = 6};
    const struct mighost_item *waiting = waiting_of(list);
    struct page page = cli_page(cli);
    char number[TEXT_SHORT];

    if (!list->count) {
        buf_puts(page.out, "Nothing to do.\n");
        return;
    }
    table_head(&table, names);
    for (size_t i = 0; i < list->count; i++) {
        const struct mighost_item *item = &list->items[i];

        table_cell(&table, COLOR_NONE, text_count(number, (int64_t)i + 1));
        table_cell(&table, COLOR_DIM, item == waiting ? "wait" : direction_name(direction));
        table_cell(&table, COLOR_BOLD, item->id);
        table_cell(&table, COLOR_NONE, mighost_kind_name(item->kind));
        table_cell(&table, COLOR_NONE, mighost_mode_name(item->mode));
        table_cell(&table, COLOR_NONE, item->description);
    }
    table_render(&table, &page);
    if (!waiting)
        return;
    buf_printf(page.out, "\n%s waits at its gate \"", waiting->id);
    render_text(&page, COLOR_YELLOW, waiting->gate);
    buf_printf(page.out, "\": --open-gate %s opens it.\n", waiting->id);
}

mig_status cmd_plan(struct cli *cli, struct mig_err *err)
{
    AUTO(list) struct mighost_list *list = NULL;
    const char *word = cli_argument(cli);
    enum mighost_direction direction = word && *word == 'd' ? MIGHOST_DOWN : MIGHOST_UP;
    struct mighost_options options;

    MIG_TRY(check_direction(cli, direction, err));
    MIG_TRY(cli_options(cli, &options, err));
    MIG_TRY(mighost_plan(cli->host, direction, &options, &list, err));
    if (cli->json)
        show_json(cli, direction, list);
    else if (!cli->quiet)
        show_steps(cli, direction, list);
    return MIG_OK;
}
