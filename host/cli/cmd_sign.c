/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign: writes the list of the bundle's files and the signature over it.
 */
#include "cli.h"

static void show_json(struct cli *cli, const char *bundle, const struct mighost_signing *signing)
{
    struct json json;

    json_init(&json, &cli->out);
    json_object(&json);
    json_member_string(&json, "bundle", bundle);
    json_member_int(&json, "files", (int64_t)signing->file_count);
    json_member_string(&json, "signer", signing->signer);
    json_object_end(&json);
    buf_putc(&cli->out, '\n');
}

mig_status cmd_sign(struct cli *cli, struct mig_err *err)
{
    const char *bundle = setting_text(&cli->settings, OPT_BUNDLE);
    const char *key = setting_text(&cli->settings, OPT_KEY);
    struct page page = cli_page(cli);
    struct mighost_signing signing;
    char count[TEXT_SHORT];

    if (!key)
        return err_set(err, MIG_E_USAGE,
                       "no key is given: use --key PATH, $MIGHOST_KEY, or a `key` in mighost.ini; "
                       "`mighost key new PATH` makes one");
    MIG_TRY(mighost_sign(cli->host, key, &signing, err));
    if (cli->json) {
        show_json(cli, bundle, &signing);
    } else if (!cli->quiet) {
        buf_printf(page.out, "Signed %s file%s of ", text_count(count, (int64_t)signing.file_count),
                   signing.file_count == 1 ? "" : "s");
        render_text(&page, COLOR_NONE, bundle);
        buf_printf(page.out, " with the key %s.\n", signing.signer);
    }
    return MIG_OK;
}
