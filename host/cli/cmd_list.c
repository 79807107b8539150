/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pending and applied: one list each, as a table or as JSON.
 */
#include "cli.h"

static void show_list(struct cli *cli, const char *key, const char *none,
                      const struct mighost_list *list)
{
    struct json json;

    if (cli->json) {
        json_init(&json, &cli->out);
        json_object(&json);
        json_items(&json, key, list);
        json_object_end(&json);
        buf_putc(&cli->out, '\n');
    } else if (!cli->quiet && !list->count) {
        buf_puts(&cli->out, none);
    } else if (!cli->quiet) {
        show_items(cli, list);
    }
}

mig_status cmd_pending(struct cli *cli, struct mig_err *err)
{
    AUTO(list) struct mighost_list *list = NULL;

    MIG_TRY(mighost_pending(cli->host, &list, err));
    show_list(cli, "pending_migrations", "Nothing is pending.\n", list);
    return MIG_OK;
}

mig_status cmd_applied(struct cli *cli, struct mig_err *err)
{
    AUTO(list) struct mighost_list *list = NULL;

    MIG_TRY(mighost_applied(cli->host, &list, err));
    show_list(cli, "applied_migrations", "No migration is applied.\n", list);
    return MIG_OK;
}
