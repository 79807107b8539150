/* SPDX-License-Identifier: Apache-2.0 */
/*
 * down: rolls back, one migration unless told otherwise. All the work and
 * every decision is the library's.
 */
#include "cli.h"

mig_status cmd_down(struct cli *cli, struct mig_err *err)
{
    struct mighost_options options;
    struct mighost_result result = {.size = sizeof result};

    MIG_TRY(cli_options(cli, &options, err));
    MIG_TRY(mighost_down(cli->host, &options, &result, err));
    show_outcome(cli, MIGHOST_DOWN, "Rolled back", &result);
    return MIG_OK;
}
