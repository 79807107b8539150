/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run did, in one sentence or as JSON. The lines about each migration
 * were said while it ran; this is the summary that goes to standard output.
 */
#include "cli.h"

static void json_outcome(struct cli *cli, enum mighost_direction direction,
                         const struct mighost_result *result)
{
    struct json json;

    json_init(&json, &cli->out);
    json_object(&json);
    json_member_string(&json, "direction", direction_name(direction));
    json_member_int(&json, "done", (int64_t)result->done);
    json_member_int(&json, "skipped", (int64_t)result->skipped);
    json_member_int(&json, "rolled_back", (int64_t)result->rolled_back);
    json_key(&json, "migrations");
    json_array(&json);
    for (size_t i = 0; i < cli->listener.done.len; i++)
        json_string(&json, cli->listener.done.data[i]);
    json_array_end(&json);
    json_member_text(&json, "current_version", result->current);
    json_member_int(&json, "applied", (int64_t)result->applied);
    json_member_text(&json, "run_id", result->run_id);
    json_member_int(&json, "duration_ms", result->duration_ms);
    json_object_end(&json);
    buf_putc(&cli->out, '\n');
}

static void add_current(struct buf *out, const char *current)
{
    if (*current)
        buf_printf(out, "current version %s", current);
    else
        buf_puts(out, "no migration is applied");
}

static void show_nothing(struct cli *cli, const struct mighost_result *result)
{
    struct buf *out = &cli->out;
    char count[TEXT_SHORT];

    buf_puts(out,
             result->skipped ? "Nothing to do, another host has done it: " : "Nothing to do: ");
    if (*result->current)
        buf_printf(out, "%s applied, ", text_count(count, (int64_t)result->applied));
    add_current(out, result->current);
    buf_puts(out, ".\n");
}

void show_outcome(struct cli *cli, enum mighost_direction direction, const char *verb,
                  const struct mighost_result *result)
{
    struct page page = cli_page(cli);
    char text[TEXT_SHORT];

    if (cli->json) {
        json_outcome(cli, direction, result);
        return;
    }
    if (cli->quiet)
        return;
    if (!result->done) {
        show_nothing(cli, result);
        return;
    }
    render_text(&page, COLOR_GREEN, verb);
    buf_printf(page.out, " %s migration%s", text_count(text, (int64_t)result->done),
               result->done == 1 ? "" : "s");
    buf_printf(page.out, " in %s; ", text_duration(text, result->duration_ms));
    add_current(page.out, result->current);
    buf_puts(page.out, ".\n");
}
