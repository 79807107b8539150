/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: every attempt ever made on this database, the newest first.
 */
#include "cli.h"

mig_status cmd_log(struct cli *cli, struct mig_err *err)
{
    AUTO(attempts) struct mighost_attempts *attempts = NULL;
    size_t limit = (size_t)setting_number(&cli->settings, OPT_LIMIT);
    struct page page = cli_page(cli);
    struct json json;

    MIG_TRY(mighost_log(cli->host, cli_argument(cli), limit, &attempts, err));
    if (cli->json) {
        json_init(&json, &cli->out);
        json_object(&json);
        json_attempts(&json, "attempts", attempts);
        json_object_end(&json);
        buf_putc(&cli->out, '\n');
    } else if (!cli->quiet && !attempts->count) {
        if (cli_argument(cli))
            buf_printf(&cli->out, "Nothing is logged of migration %s.\n", cli_argument(cli));
        else
            buf_puts(&cli->out, "The log is empty.\n");
    } else if (!cli->quiet) {
        show_attempts(&page, attempts);
    }
    return MIG_OK;
}
