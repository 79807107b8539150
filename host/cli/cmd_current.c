/* SPDX-License-Identifier: Apache-2.0 */
/*
 * current and previous: one id on one line, made for scripts; nothing where
 * there is none.
 */
#include "cli.h"

static void show_id(struct cli *cli, const char *key, const char *id)
{
    struct json json;

    if (cli->json) {
        json_init(&json, &cli->out);
        json_object(&json);
        json_member_text(&json, key, id);
        json_object_end(&json);
        buf_putc(&cli->out, '\n');
    } else if (!cli->quiet && *id) {
        buf_printf(&cli->out, "%s\n", id);
    }
}

mig_status cmd_current(struct cli *cli, struct mig_err *err)
{
    char id[MIG_ID_SIZE];

    MIG_TRY(mighost_current(cli->host, id, err));
    show_id(cli, "current_version", id);
    return MIG_OK;
}

mig_status cmd_previous(struct cli *cli, struct mig_err *err)
{
    char id[MIG_ID_SIZE];

    MIG_TRY(mighost_previous(cli->host, cli_argument(cli), id, err));
    show_id(cli, "previous_version", id);
    return MIG_OK;
}
