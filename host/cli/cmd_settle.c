/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init, resolve and baseline: what a person does to the history itself. None
 * of them runs a migration.
 */
#include "cli.h"

#include <string.h>

/* {"id": ..., "state": ...}, or a sentence; members with no value are left out. */
static void show_settled(struct cli *cli, const char *state, const char *sentence)
{
    struct json json;

    if (cli->json) {
        json_init(&json, &cli->out);
        json_object(&json);
        if (cli_argument(cli))
            json_member_string(&json, "id", cli_argument(cli));
        json_member_string(&json, "state", state);
        json_object_end(&json);
        buf_putc(&cli->out, '\n');
    } else if (!cli->quiet) {
        buf_puts(&cli->out, sentence);
    }
}

mig_status cmd_init(struct cli *cli, struct mig_err *err)
{
    MIG_TRY(mighost_init(cli->host, err));
    show_settled(cli, "ready", "The history tables are ready.\n");
    return MIG_OK;
}

static const struct resolution {
    enum option_id option;
    enum mighost_resolution how;
    const char *state;
    const char *sentence;
} resolutions[] = {
    {OPT_RETRY, MIGHOST_RETRY, "pending",
     "Settled: the next `mighost up` or `down` goes on behind the steps that have finished.\n"},
    {OPT_APPLIED, MIGHOST_MARK_APPLIED, "applied", "Settled: it is recorded as applied.\n"},
    {OPT_REVERTED, MIGHOST_MARK_REVERTED, "pending", "Settled: it is recorded as rolled back.\n"},
};

mig_status cmd_resolve(struct cli *cli, struct mig_err *err)
{
    for (size_t i = 0; i < sizeof resolutions / sizeof resolutions[0]; i++) {
        const struct resolution *resolution = &resolutions[i];

        if (!setting_on(&cli->settings, resolution->option))
            continue;
        MIG_TRY(mighost_resolve(cli->host, cli_argument(cli), resolution->how, err));
        show_settled(cli, resolution->state, resolution->sentence);
        return MIG_OK;
    }
    return err_set(err, MIG_E_USAGE,
                   "say how: --retry, --applied or --reverted; see `mighost help resolve`");
}

mig_status cmd_baseline(struct cli *cli, struct mig_err *err)
{
    size_t recorded;
    struct json json;
    char text[TEXT_SHORT];

    MIG_TRY(mighost_baseline(cli->host, cli_argument(cli), &recorded, err));
    if (cli->json) {
        json_init(&json, &cli->out);
        json_object(&json);
        json_member_string(&json, "id", cli_argument(cli));
        json_member_int(&json, "recorded", (int64_t)recorded);
        json_object_end(&json);
        buf_putc(&cli->out, '\n');
    } else if (!cli->quiet) {
        buf_printf(&cli->out, "Recorded %s migration%s as applied, up to %s; none was run.\n",
                   text_count(text, (int64_t)recorded), recorded == 1 ? "" : "s",
                   cli_argument(cli));
    }
    return MIG_OK;
}
