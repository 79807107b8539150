/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From settings to what the library takes: the configuration of a host and the
 * options of a run. A time of 0 means "none" to a user and "the default" to
 * the library; one table says what each becomes. Knows no command.
 */
#include "cli.h"
#include "params.h"

#include <string.h>

static const struct time_option {
    enum option_id id;
    size_t offset;     /* of the member in struct mighost_config */
    int64_t when_zero; /* what 0 becomes */
} time_options[] = {
    {OPT_WAIT, offsetof(struct mighost_config, wait_ms), -1},
    {OPT_TIMEOUT, offsetof(struct mighost_config, timeout_ms), 0},
    {OPT_CONNECT_TIMEOUT, offsetof(struct mighost_config, connect_timeout_ms), 0},
    {OPT_BUSY_TIMEOUT, offsetof(struct mighost_config, busy_timeout_ms), 1},
    {OPT_LOCK_TIMEOUT, offsetof(struct mighost_config, lock_timeout_ms), -1},
    {OPT_MAX_CPU, offsetof(struct mighost_config, max_cpu_ms), 0},
    {OPT_MAX_LAG, offsetof(struct mighost_config, max_lag_ms), 0},
    {OPT_STATEMENT_TIMEOUT, offsetof(struct mighost_config, statement_timeout_ms), 0},
};

static void fill_times(const struct settings *settings, struct mighost_config *config)
{
    for (size_t i = 0; i < sizeof time_options / sizeof time_options[0]; i++) {
        const struct time_option *option = &time_options[i];
        int64_t value = setting_number(settings, option->id);

        value = value ? value : option->when_zero;
        memcpy((char *)config + option->offset, &value, sizeof value);
    }
}

mig_status cli_open(struct cli *cli, struct mig_err *err)
{
    struct settings *settings = &cli->settings;
    struct mighost_config config = {
        .size = sizeof config,
        .database = setting_text(settings, OPT_DATABASE),
        .bundle = setting_text(settings, OPT_BUNDLE),
        .history = setting_text(settings, OPT_HISTORY),
        .driver_dir = setting_text(settings, OPT_DRIVERS),
        .libraries = setting_list(settings, OPT_LIBRARY),
        .trust = setting_text(settings, OPT_TRUST),
        .require_signed = setting_on(settings, OPT_REQUIRE_SIGNED),
        .max_memory = (uint64_t)setting_number(settings, OPT_MAX_MEMORY),
        .max_rejects = setting_number(settings, OPT_MAX_REJECTS),
        .throttle = setting_number(settings, OPT_THROTTLE),
        .workers = setting_number(settings, OPT_WORKERS),
        .listener = listener_hear,
        .user = &cli->listener,
    };

    if (!config.libraries)
        return err_nomem(err);
    MIG_TRY(params_read(settings, &config.params, &config.secrets, err));
    fill_times(settings, &config);
    return mighost_open(&config, &cli->host, err);
}

mig_status cli_options(struct cli *cli, struct mighost_options *out, struct mig_err *err)
{
    struct settings *settings = &cli->settings;
    const char *const *accepted = setting_list(settings, OPT_ACCEPT_CHANGED);
    const char *const *gates = setting_list(settings, OPT_OPEN_GATE);

    if (!accepted || !gates)
        return err_nomem(err);
    for (size_t i = 0; accepted[i]; i++)
        if (!text_is_id(accepted[i]))
            return err_set(err, MIG_E_USAGE,
                           "--accept-changed: \"%s\" is not an id; an id is 1 to 18 digits",
                           accepted[i]);
    *out = (struct mighost_options){
        .size = sizeof *out,
        .to = setting_text(settings, OPT_TO),
        .count = (size_t)setting_number(settings, OPT_COUNT),
        .all = setting_on(settings, OPT_ALL),
        .allow_out_of_order = setting_on(settings, OPT_OUT_OF_ORDER),
        .skip_irreversible = setting_on(settings, OPT_SKIP_IRREVERSIBLE),
        .rollback_on_failure = setting_on(settings, OPT_ROLLBACK),
        .accept_changed = accepted,
        .open_gates = gates,
    };
    return MIG_OK;
}

struct page cli_page(struct cli *cli)
{
    return (struct page){.out = &cli->out, .color = cli->color};
}

const char *cli_argument(const struct cli *cli)
{
    return cli->settings.arguments[0];
}
