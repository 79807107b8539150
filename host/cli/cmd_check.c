/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check: whether the bundle is what a trusted key signed. All faults are shown,
 * each by the name of its file; one is enough to end as a refused run does.
 */
#include "cli.h"

static void show_json(struct cli *cli, const struct mighost_findings *findings)
{
    struct json json;

    json_init(&json, &cli->out);
    json_object(&json);
    json_member_string(&json, "bundle", findings->bundle);
    json_member_bool(&json, "ok", findings->fault_count == 0);
    json_member_int(&json, "files", (int64_t)findings->file_count);
    json_member_text(&json, "signer", findings->signer);
    json_member_text(&json, "key", findings->key_file);
    json_key(&json, "faults");
    json_array(&json);
    for (size_t i = 0; i < findings->fault_count; i++) {
        json_object(&json);
        json_member_string(&json, "file", findings->faults[i].file);
        json_member_string(&json, "kind", findings->faults[i].kind);
        json_member_string(&json, "text", findings->faults[i].text);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
    buf_putc(&cli->out, '\n');
}

static void show_faults(struct page *page, const struct mighost_findings *findings)
{
    static const char *const names[] = {"FAULT", "FILE", "WHAT", NULL};
    AUTO(table) struct table table = {.columns = 3};

    table_head(&table, names);
    for (size_t i = 0; i < findings->fault_count; i++) {
        table_cell(&table, COLOR_RED, findings->faults[i].kind);
        table_cell(&table, COLOR_NONE, findings->faults[i].file);
        table_cell(&table, COLOR_NONE, findings->faults[i].text);
    }
    table_render(&table, page);
}

static void show_check(struct cli *cli, const struct mighost_findings *findings)
{
    struct page page = cli_page(cli);
    char count[TEXT_SHORT];

    if (findings->fault_count) {
        show_faults(&page, findings);
        return;
    }
    render_text(&page, COLOR_GREEN, findings->bundle);
    buf_printf(page.out, " is what was signed: %s file%s, by the key %s (",
               text_count(count, (int64_t)findings->file_count),
               findings->file_count == 1 ? "" : "s", findings->signer);
    render_text(&page, COLOR_NONE, findings->key_file);
    buf_puts(page.out, ").\n");
}

mig_status cmd_check(struct cli *cli, struct mig_err *err)
{
    AUTO(findings) struct mighost_findings *findings = NULL;

    MIG_TRY(mighost_check(cli->host, &findings, err));
    if (findings->fault_count)
        cli->exit_code = mighost_exit_code(MIG_E_REFUSED);
    if (cli->json)
        show_json(cli, findings);
    else if (!cli->quiet)
        show_check(cli, findings);
    return MIG_OK;
}
