/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key new: a pair of keys, and the fingerprint that names it from then on. The
 * private key goes into its file and nowhere else.
 */
#include "cli.h"

mig_status cmd_key(struct cli *cli, struct mig_err *err)
{
    const char *path = cli->settings.arguments[1];
    struct page page = cli_page(cli);
    AUTO(buf) struct buf public_path = {0};
    char fingerprint[MIG_SHA256_HEX];
    struct json json;

    buf_printf(&public_path, "%s.pub", path);
    MIG_TRY(buf_check(&public_path, err));
    MIG_TRY(mighost_key_new(path, fingerprint, err));
    if (cli->json) {
        json_init(&json, &cli->out);
        json_object(&json);
        json_member_string(&json, "private_key", path);
        json_member_string(&json, "public_key", buf_text(&public_path));
        json_member_string(&json, "fingerprint", fingerprint);
        json_object_end(&json);
        buf_putc(&cli->out, '\n');
    } else if (!cli->quiet) {
        render_field(&page, "Private key", path);
        render_field(&page, "Public key", buf_text(&public_path));
        render_field(&page, "Fingerprint", fingerprint);
    }
    return MIG_OK;
}
