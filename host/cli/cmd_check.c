/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check: whether the bundle is what a trusted key signed. All faults are shown,
 * each by the name of its file; one is enough to end as a refused run does.
 */
#include "cli.h"

static void show_json(struct cli *cli, const struct mighost_check *check)
{
    struct json json;

    json_init(&json, &cli->out);
    json_object(&json);
    json_member_string(&json, "bundle", check->bundle);
    json_member_bool(&json, "ok", check->fault_count == 0);
    json_member_int(&json, "files", (int64_t)check->file_count);
    json_member_text(&json, "signer", check->signer);
    json_member_text(&json, "key", check->key_file);
    json_key(&json, "faults");
    json_array(&json);
    for (size_t i = 0; i < check->fault_count; i++) {
        json_object(&json);
        json_member_string(&json, "file", check->faults[i].file);
        json_member_string(&json, "kind", check->faults[i].kind);
        json_member_string(&json, "text", check->faults[i].text);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
    buf_putc(&cli->out, '\n');
}

static void show_faults(struct page *page, const struct mighost_check *check)
{
    static const char *const names[] = {"FAULT", "FILE", "WHAT", NULL};
    AUTO(table) struct table table = {.columns = 3};

    table_head(&table, names);
    for (size_t i = 0; i < check->fault_count; i++) {
        table_cell(&table, COLOR_RED, check->faults[i].kind);
        table_cell(&table, COLOR_NONE, check->faults[i].file);
        table_cell(&table, COLOR_NONE, check->faults[i].text);
    }
    table_render(&table, page);
}

static void show_check(struct cli *cli, const struct mighost_check *check)
{
    struct page page = cli_page(cli);
    char count[TEXT_SHORT];

    if (check->fault_count) {
        show_faults(&page, check);
        return;
    }
    render_text(&page, COLOR_GREEN, check->bundle);
    buf_printf(page.out, " is what was signed: %s file%s, by the key %s (",
               text_count(count, (int64_t)check->file_count), check->file_count == 1 ? "" : "s",
               check->signer);
    render_text(&page, COLOR_NONE, check->key_file);
    buf_puts(page.out, ").\n");
}

mig_status cmd_check(struct cli *cli, struct mig_err *err)
{
    AUTO(check) struct mighost_check *check = NULL;

    MIG_TRY(mighost_check(cli->host, &check, err));
    if (check->fault_count)
        cli->exit_code = mighost_exit_code(MIG_E_REFUSED);
    if (cli->json)
        show_json(cli, check);
    else if (!cli->quiet)
        show_check(cli, check);
    return MIG_OK;
}
