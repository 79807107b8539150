/* SPDX-License-Identifier: Apache-2.0 */
/*
 * version and help: what mighost says about itself. Needs neither bundle nor
 * database nor configuration, so that it works wherever something is wrong.
 */
#include "cli.h"

mig_status cmd_version(struct cli *cli, struct mig_err *err)
{
    struct json json;

    (void)err;
    if (cli->json) {
        json_init(&json, &cli->out);
        json_object(&json);
        json_member_string(&json, "version", mighost_version());
        json_key(&json, "abi");
        json_object(&json);
        json_member_int(&json, "major", MIG_ABI_MAJOR);
        json_member_int(&json, "minor", MIG_ABI_MINOR);
        json_object_end(&json);
        json_object_end(&json);
        buf_putc(&cli->out, '\n');
    } else {
        buf_printf(&cli->out, "mighost %s, module ABI %d.%d\n", mighost_version(), MIG_ABI_MAJOR,
                   MIG_ABI_MINOR);
    }
    return MIG_OK;
}

static const struct form {
    enum option_id option;
    void (*write)(struct buf *out);
} forms[] = {
    {OPT_MAN, help_man},
    {OPT_COMPLETION, help_completion},
    {OPT_MARKDOWN, help_markdown},
};

mig_status cmd_help(struct cli *cli, struct mig_err *err)
{
    const char *name = cli_argument(cli);
    const struct command *command = name ? command_find(name) : NULL;

    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (setting_on(&cli->settings, forms[i].option)) {
            forms[i].write(&cli->out);
            return MIG_OK;
        }
    }
    if (name && !command)
        return command_refuse(name, err);
    if (command)
        help_command(&cli->out, command);
    else
        help_overview(&cli->out);
    return MIG_OK;
}
