/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parameters of modules, out of --set KEY=VALUE and --set-file KEY=FILE.
 * A secret belongs into a file: what stands on a command line or in the
 * environment, others can come to see. A file is read once, whole, and without
 * the line break at its end. No message shows a value; the file's name may.
 */
#include "params.h"

#include "fs.h"

#include <string.h>

#define VALUE_MAX 65536 /* bytes: a key, a certificate, a list; nothing that is data */

/* `least`: characters that must stand behind the sign. */
static mig_status check_form(const struct texts *params, size_t least, const char *complaint,
                             struct mig_err *err)
{
    for (size_t i = 0; i < params->len; i++) {
        const char *sign = strchr(params->data[i], '=');

        if (!sign || sign == params->data[i] || strlen(sign + 1) < least)
            return err_set(err, MIG_E_USAGE, "%s", complaint);
    }
    return MIG_OK;
}

/* `key` with its sign, `len` characters. */
static bool is_given(const struct texts *params, const char *key, size_t len)
{
    for (size_t i = 0; i < params->len; i++)
        if (strncmp(params->data[i], key, len) == 0)
            return true;
    return false;
}

static void drop_line_break(struct buf *text)
{
    if (text->len && text->data[text->len - 1] == '\n')
        text->data[--text->len] = '\0';
    if (text->len && text->data[text->len - 1] == '\r')
        text->data[--text->len] = '\0';
}

static mig_status read_value(const char *path, struct buf *out, struct mig_err *err)
{
    mig_status status = fs_read(path, VALUE_MAX, out, err);

    if (status == MIG_OK) {
        drop_line_break(out);
        if (strlen(buf_text(out)) == out->len)
            return MIG_OK;
        return err_set(err, MIG_E_USAGE, "%s holds a NUL, which is no text", path);
    }
    if (status != MIG_E_NOMEM)
        err->status = MIG_E_USAGE; /* a fault of the configuration, wherever it lies */
    return err->status;
}

/* "key=FILE" becomes "key=what the file holds". `before`: the files that come before. */
static mig_status read_file(struct settings *settings, const char *given,
                            const struct texts *before, const char **out, struct mig_err *err)
{
    const struct texts *params = &settings->values[OPT_SET].texts;
    size_t len = strcspn(given, "=") + 1;
    AUTO(buf) struct buf value = {0};

    if (is_given(params, given, len) || is_given(before, given, len))
        return err_set(err, MIG_E_USAGE, "the parameter \"%.*s\" is given twice", (int)len - 1,
                       given);
    if (read_value(given + len, &value, err) < 0)
        return err_wrap(err, "--set-file: the parameter \"%.*s\"", (int)len - 1, given);
    *out = arena_printf(&settings->arena, "%.*s%s", (int)len, given, buf_text(&value));
    return *out ? MIG_OK : err_nomem(err);
}

mig_status params_read(struct settings *settings, const char *const **params,
                       const char *const **secrets, struct mig_err *err)
{
    const struct texts *files = &settings->values[OPT_SET_FILE].texts;
    const char *const *given = setting_list(settings, OPT_SET);
    const char **values = arena_alloc(&settings->arena, (files->len + 1) * sizeof *values);

    if (!given || !values)
        return err_nomem(err);
    MIG_TRY(check_form(&settings->values[OPT_SET].texts, 0, "--set: a parameter is not KEY=VALUE",
                       err));
    MIG_TRY(check_form(files, 1, "--set-file: a parameter is not KEY=FILE", err));
    for (size_t i = 0; i < files->len; i++)
        MIG_TRY(read_file(settings, files->data[i], &(struct texts){.data = files->data, .len = i},
                          &values[i], err));
    values[files->len] = NULL;
    *params = given;
    *secrets = values;
    return MIG_OK;
}
