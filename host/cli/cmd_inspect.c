/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect: what a module's file says about itself. Nothing of the file is run;
 * a module that this host would refuse is described all the same.
 */
#include "cli.h"

static void show_json(struct cli *cli, const struct mighost_module_info *info)
{
    struct json json;

    json_init(&json, &cli->out);
    json_object(&json);
    json_member_string(&json, "id", info->id);
    json_member_string(&json, "description", info->description);
    json_member_string(&json, "mode", mighost_mode_name(info->mode));
    json_key(&json, "abi");
    json_object(&json);
    json_member_int(&json, "major", info->abi_major);
    json_member_int(&json, "minor", info->abi_minor);
    json_object_end(&json);
    json_member_bool(&json, "sql_only", info->sql_only);
    json_member_bool(&json, "has_up", info->has_up);
    json_member_bool(&json, "has_down", info->has_down);
    json_member_bool(&json, "has_verify", info->has_verify);
    json_member_text(&json, "drivers", info->drivers);
    json_member_text(&json, "needs", info->needs);
    json_member_string(&json, "checksum", info->checksum);
    json_member_text(&json, "refusal", info->refusal);
    json_object_end(&json);
    buf_putc(&cli->out, '\n');
}

static const char *parts(const struct mighost_module_info *info)
{
    static const char *const names[] = {"none",   "up",         "down",         "up, down",
                                        "verify", "up, verify", "down, verify", "up, down, verify"};

    return names[info->has_up + 2 * info->has_down + 4 * info->has_verify];
}

static void show_info(struct cli *cli, const struct mighost_module_info *info)
{
    struct page page = cli_page(cli);
    char abi[TEXT_SHORT];

    snprintf(abi, sizeof abi, "%u.%u", info->abi_major, info->abi_minor);
    render_field(&page, "Migration", info->id);
    render_field(&page, "Description", info->description);
    render_field(&page, "Kind", info->sql_only ? "SQL compiled into a module" : "C module");
    render_field(&page, "Mode", mighost_mode_name(info->mode));
    render_field(&page, "Parts", parts(info));
    render_field(&page, "Drivers", *info->drivers ? info->drivers : "any");
    render_field(&page, "ABI", abi);
    render_field(&page, "Needs", *info->needs ? info->needs : "no library");
    render_field(&page, "Checksum", info->checksum);
    render_field(&page, "Loads here", *info->refusal ? info->refusal : "yes");
}

mig_status cmd_inspect(struct cli *cli, struct mig_err *err)
{
    struct mighost_module_info info;

    MIG_TRY(mighost_inspect(cli_argument(cli), &info, err));
    if (cli->json)
        show_json(cli, &info);
    else if (!cli->quiet)
        show_info(cli, &info);
    return MIG_OK;
}
