/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show: all that bundle and history know about one migration.
 */
#include "cli.h"

static void json_steps(struct json *json, const struct mighost_detail *detail)
{
    json_key(json, "steps");
    json_array(json);
    for (size_t i = 0; i < detail->step_count; i++) {
        const struct mighost_step *step = &detail->steps[i];

        json_object(json);
        json_member_int(json, "number", step->number);
        json_member_string(json, "state", step->state);
        json_member_string(json, "kind", step->kind);
        json_member_text(json, "fingerprint", step->fingerprint);
        json_member_int(json, "done", step->done);
        json_member_int(json, "rejected", step->rejected);
        json_object_end(json);
    }
    json_array_end(json);
}

static void show_json(struct cli *cli, const struct mighost_detail *detail)
{
    struct json json;

    json_init(&json, &cli->out);
    json_object(&json);
    json_key(&json, "migration");
    json_item(&json, &detail->item);
    json_member_string(&json, "up", detail->up);
    json_member_string(&json, "down", detail->down);
    json_member_bool(&json, "down_is_carrier", detail->down_is_carrier);
    json_steps(&json, detail);
    json_attempts(&json, "attempts", &detail->attempts);
    json_object_end(&json);
    buf_putc(&cli->out, '\n');
}

static const char *way_back(const struct mighost_detail *detail)
{
    if (detail->down_is_carrier)
        return "the down script carried by the history";
    return detail->item.flags & MIGHOST_HAS_DOWN ? "yes" : "none: it cannot be rolled back";
}

static void show_record(struct page *page, const struct mighost_item *item)
{
    char text[TEXT_SHORT];

    if (!item->applied_at_ms)
        return;
    render_field(page, item->state == MIGHOST_APPLIED ? "Applied at" : "Begun at",
                 render_time(text, item->applied_at_ms));
    render_field(page, "Took", text_duration(text, item->duration_ms));
    render_field(page, "By", item->who);
    render_field(page, "Signed by", item->signer);
    render_field(page, "Run", item->run_id);
    render_field(page, "Host version", item->host_version);
}

static void show_item(struct page *page, const struct mighost_detail *detail)
{
    const struct mighost_item *item = &detail->item;
    char odd[NOTES_SIZE];

    render_field(page, "Migration", item->id);
    render_field(page, "Description", item->description);
    render_field(page, "State", mighost_state_name(item->state));
    render_field(page, "Note", item_notes(odd, item));
    render_field(page, "Kind", mighost_kind_name(item->kind));
    render_field(page, "Mode", mighost_mode_name(item->mode));
    render_field(page, "File", item->file);
    render_field(page, "Checksum", item->checksum);
    render_field(page, "Way back", way_back(detail));
    show_record(page, item);
}

static void show_text(struct page *page, const char *title, const char *text)
{
    if (!text)
        return;
    buf_putc(page->out, '\n');
    render_format(page, COLOR_DIM, "-- %s", title);
    buf_putc(page->out, '\n');
    render_block(page, text);
}

static void show_steps(struct page *page, const struct mighost_detail *detail)
{
    static const char *const names[] = {"STEP", "STATE", "KIND", "ROWS", NULL};
    AUTO(table) struct table table = {.columns = 4};
    char text[TEXT_SHORT];

    if (!detail->step_count)
        return;
    table_head(&table, names);
    for (size_t i = 0; i < detail->step_count; i++) {
        const struct mighost_step *step = &detail->steps[i];

        table_cell(&table, COLOR_NONE, text_count(text, step->number));
        table_cell(&table, COLOR_NONE, step->state);
        table_cell(&table, COLOR_NONE, step->kind);
        table_cell(&table, COLOR_NONE, step->done ? text_count(text, step->done) : "-");
    }
    buf_putc(page->out, '\n');
    table_render(&table, page);
}

static void show_detail(struct cli *cli, const struct mighost_detail *detail)
{
    struct page page = cli_page(cli);

    show_item(&page, detail);
    show_text(&page, "up", detail->up);
    show_text(&page, detail->down_is_carrier ? "down, carried by the history" : "down",
              detail->down);
    show_steps(&page, detail);
    if (!detail->attempts.count)
        return;
    buf_putc(page.out, '\n');
    show_attempts(&page, &detail->attempts);
}

mig_status cmd_show(struct cli *cli, struct mig_err *err)
{
    AUTO(detail) struct mighost_detail *detail = NULL;

    MIG_TRY(mighost_show(cli->host, cli_argument(cli), &detail, err));
    if (cli->json)
        show_json(cli, detail);
    else if (!cli->quiet)
        show_detail(cli, detail);
    return MIG_OK;
}
