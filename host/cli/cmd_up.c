/* SPDX-License-Identifier: Apache-2.0 */
/*
 * up: applies what is pending. All the work and every decision is the
 * library's; this hands it the options and shows what became of it.
 */
#include "cli.h"

mig_status cmd_up(struct cli *cli, struct mig_err *err)
{
    struct mighost_options options;
    struct mighost_result result = {.size = sizeof result};

    MIG_TRY(cli_options(cli, &options, err));
    MIG_TRY(mighost_up(cli->host, &options, &result, err));
    show_outcome(cli, MIGHOST_UP, "Applied", &result);
    return MIG_OK;
}
