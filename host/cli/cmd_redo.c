/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redo: rolls the newest application back and applies it again. What it ran is
 * two runs of one migration, and its result is that of the second.
 */
#include "cli.h"

mig_status cmd_redo(struct cli *cli, struct mig_err *err)
{
    struct mighost_options options;
    struct mighost_result result = {.size = sizeof result};

    MIG_TRY(cli_options(cli, &options, err));
    MIG_TRY(mighost_redo(cli->host, &options, &result, err));
    show_outcome(cli, MIGHOST_UP, "Redid", &result);
    return MIG_OK;
}
