/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of files in a bundle: what is read out of one is the name again when it
 * is put together, and a name that is not ours says why.
 */
#include "fuzz.h"

#include "base/buf.h"
#include "core/bundle_name.h"
#include "core/catalog.h"

static void put_sql(const struct bundle_name *name, struct buf *out)
{
    static const char *const suffixes[] = {
        [CATALOG_UP] = ".up.sql", [CATALOG_DOWN] = ".down.sql", [CATALOG_VERIFY] = ".verify.sql"};

    buf_add(out, name->digits, name->digit_count);
    if (name->description)
        buf_printf(out, "%s%.*s", name->description == name->digits + name->digit_count ? "" : "_",
                   (int)name->description_len, name->description);
    if (name->engine)
        buf_printf(out, ".%.*s", (int)name->engine_len, name->engine);
    buf_puts(out, suffixes[name->role]);
}

static void check_id(const struct bundle_name *name)
{
    AUTO(buf) struct buf digits = {0};
    struct mig_err err;
    uint64_t id = 0;

    FUZZ_CHECK(name->digit_count > 0 && name->digit_count <= ID_DIGITS && name->id > 0);
    buf_add(&digits, name->digits, name->digit_count);
    FUZZ_CHECK(id_parse(buf_text(&digits), &id, &err) == MIG_OK && id == name->id);
}

static void check_name(const char *text, const struct bundle_name *name)
{
    AUTO(buf) struct buf again = {0};

    if (name->kind == BUNDLE_NAME_NEAR || name->kind == BUNDLE_NAME_WRONG)
        FUZZ_CHECK(name->why);
    if (name->kind == BUNDLE_NAME_SOURCE)
        check_id(name);
    if (name->kind != BUNDLE_NAME_SQL && name->kind != BUNDLE_NAME_MODULE)
        return;
    check_id(name);
    if (name->kind == BUNDLE_NAME_SQL)
        put_sql(name, &again);
    else
        buf_printf(&again, "libmig_%.*s.so", (int)name->digit_count, name->digits);
    FUZZ_CHECK(strcmp(buf_text(&again), text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    struct bundle_name name;
    struct mig_err err = {0};
    uint64_t id = 0;

    bundle_name_parse(text, &name);
    check_name(text, &name);
    if (id_parse(text, &id, &err) != MIG_OK)
        fuzz_check_error(&err);
    else
        FUZZ_CHECK(id == strtoull(text, NULL, 10));
    free(text);
    return 0;
}
