/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run: applies or rolls back the one migration that is named, with all checks
 * of up and down.
 */
#include "cli.h"

mig_status cmd_run(struct cli *cli, struct mig_err *err)
{
    bool down = setting_on(&cli->settings, OPT_DOWN);
    enum mighost_direction direction = down ? MIGHOST_DOWN : MIGHOST_UP;
    struct mighost_options options;
    struct mighost_result result = {.size = sizeof result};

    MIG_TRY(cli_options(cli, &options, err));
    MIG_TRY(mighost_run(cli->host, cli_argument(cli), direction, &options, &result, err));
    show_outcome(cli, direction, down ? "Rolled back" : "Applied", &result);
    return MIG_OK;
}
