/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status: where the database stands, and every migration that bundle or
 * history know. Writes nothing, so it may run at any time.
 */
#include "cli.h"

#include <string.h>

/* Which migrations a list of the JSON document has. */
static bool is_applied(const struct mighost_item *item)
{
    return item->state == MIGHOST_APPLIED;
}

static bool is_odd(const struct mighost_item *item)
{
    return (item->state != MIGHOST_APPLIED && item->state != MIGHOST_PENDING) ||
           (item->flags & (MIGHOST_CHANGED | MIGHOST_MISSING | MIGHOST_OUT_OF_ORDER));
}

static void json_pending(struct json *json, const struct mighost_list *list)
{
    json_key(json, "pending_migrations");
    json_array(json);
    for (size_t i = 0; i < list->count; i++)
        if (!is_applied(&list->items[i]))
            json_string(json, list->items[i].id);
    json_array_end(json);
}

static void json_those(struct json *json, const char *key, const struct mighost_list *list,
                       bool (*belongs)(const struct mighost_item *item))
{
    json_key(json, key);
    json_array(json);
    for (size_t i = 0; i < list->count; i++)
        if (belongs(&list->items[i]))
            json_item(json, &list->items[i]);
    json_array_end(json);
}

static void show_json(struct cli *cli, const struct mighost_overview *overview)
{
    struct json json;

    json_init(&json, &cli->out);
    json_object(&json);
    json_member_text(&json, "current_version", overview->current);
    json_member_string(&json, "target", overview->target);
    json_member_string(&json, "engine", overview->engine);
    json_member_int(&json, "applied", (int64_t)overview->applied);
    json_member_int(&json, "pending", (int64_t)overview->pending);
    json_member_int(&json, "problems", (int64_t)overview->problems);
    json_pending(&json, &overview->all);
    json_those(&json, "applied_migrations", &overview->all, is_applied);
    json_those(&json, "problem_migrations", &overview->all, is_odd);
    json_member_text(&json, "last_error", overview->last_error);
    json_object_end(&json);
    buf_putc(&cli->out, '\n');
}

static void show_counts(struct page *page, const struct mighost_overview *overview)
{
    AUTO(buf) struct buf counts = {0};
    char text[TEXT_SHORT];

    buf_printf(&counts, "%s applied", text_count(text, (int64_t)overview->applied));
    buf_printf(&counts, ", %s pending", text_count(text, (int64_t)overview->pending));
    if (overview->problems)
        buf_printf(&counts, ", %s to look at", text_count(text, (int64_t)overview->problems));
    render_field(page, "Migrations", buf_text(&counts));
}

static void show_overview(struct cli *cli, const struct mighost_overview *overview)
{
    struct page page = cli_page(cli);
    AUTO(buf) struct buf database = {0};

    buf_printf(&database, "%s (%s)", overview->target, overview->engine);
    render_field(&page, "Database", buf_text(&database));
    render_field(&page, "Bundle", setting_text(&cli->settings, OPT_BUNDLE));
    render_field(&page, "Current", *overview->current ? overview->current : "none");
    show_counts(&page, overview);
    render_field(&page, "Last error", overview->last_error);
    if (!overview->all.count)
        return;
    buf_putc(page.out, '\n');
    show_items(cli, &overview->all);
}

mig_status cmd_status(struct cli *cli, struct mig_err *err)
{
    AUTO(overview) struct mighost_overview *overview = NULL;

    MIG_TRY(mighost_status(cli->host, &overview, err));
    if (cli->json)
        show_json(cli, overview);
    else if (!cli->quiet)
        show_overview(cli, overview);
    if (setting_on(&cli->settings, OPT_EXIT_CODE) && overview->pending)
        cli->exit_code = mighost_exit_code(MIG_E_PENDING);
    return MIG_OK;
}
