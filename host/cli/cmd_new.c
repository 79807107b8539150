/* SPDX-License-Identifier: Apache-2.0 */
/*
 * new: writes the files of an empty migration and prints the path of the one
 * to edit first.
 */
#include "cli.h"

#include <limits.h>

static mig_status create(struct cli *cli, char path[PATH_MAX], struct mig_err *err)
{
    const struct settings *settings = &cli->settings;
    const char *id = setting_text(settings, OPT_ID);

    if (setting_on(settings, OPT_C))
        return mighost_create_native(cli->host, id, cli_argument(cli),
                                     setting_text(settings, OPT_BUNDLE), path, PATH_MAX, err);
    return mighost_create(cli->host, id, cli_argument(cli), NULL, NULL, path, PATH_MAX, err);
}

mig_status cmd_new(struct cli *cli, struct mig_err *err)
{
    char path[PATH_MAX];
    struct page page = cli_page(cli);
    struct json json;

    MIG_TRY(create(cli, path, err));
    if (cli->json) {
        json_init(&json, &cli->out);
        json_object(&json);
        json_member_string(&json, "file", path);
        json_member_string(&json, "kind", setting_on(&cli->settings, OPT_C) ? "native" : "sql");
        json_object_end(&json);
        buf_putc(&cli->out, '\n');
    } else if (!cli->quiet) {
        render_text(&page, COLOR_NONE, path);
        buf_putc(page.out, '\n');
    }
    return MIG_OK;
}
