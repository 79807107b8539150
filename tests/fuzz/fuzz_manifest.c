/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of a bundle's files. Whatever stands in one, it is read or refused; what
 * was read can be a file's name, is found again, and says the same when it is
 * written and read once more.
 */
#include "fuzz.h"

#include "core/manifest.h"

static void check_name(const char *name)
{
    FUZZ_CHECK(*name && strlen(name) <= NAME_MAX && !strchr(name, '/'));
    FUZZ_CHECK(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
    FUZZ_CHECK(strcmp(name, MANIFEST_FILE) != 0 && strcmp(name, MANIFEST_SIGNATURE) != 0);
}

static void check_again(const struct manifest *manifest, const struct buf *text)
{
    AUTO(manifest) struct manifest *again = NULL;
    struct mig_err err = {0};

    FUZZ_CHECK(buf_ok(text));
    FUZZ_CHECK(manifest_parse(text->data, text->len, &again, &err) == MIG_OK);
    FUZZ_CHECK(again->count == manifest->count);
    for (size_t i = 0; i < again->count; i++)
        FUZZ_CHECK(manifest_check(manifest, again->items[i].name, again->items[i].digest, &err) ==
                   MIG_OK);
}

static void check(const struct manifest *manifest)
{
    AUTO(buf) struct buf text = {0};
    struct mig_err err = {0};
    unsigned char other[MIG_SHA256_BYTES];

    FUZZ_CHECK(manifest->count > 0);
    for (size_t i = 0; i < manifest->count; i++) {
        const struct manifest_entry *entry = &manifest->items[i];

        check_name(entry->name);
        FUZZ_CHECK(i == 0 || strcmp(manifest->items[i - 1].name, entry->name) < 0);
        FUZZ_CHECK(manifest_find(manifest, entry->name) == entry);
        memcpy(other, entry->digest, sizeof other);
        other[i % sizeof other] ^= 1;
        FUZZ_CHECK(manifest_check(manifest, entry->name, other, &err) == MIG_E_REFUSED);
        manifest_add(&text, entry->name, entry->digest);
    }
    FUZZ_CHECK(!manifest_find(manifest, MANIFEST_FILE));
    check_again(manifest, &text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(manifest) struct manifest *manifest = NULL;
    struct mig_err err = {0};
    char *text = fuzz_copy(data, size);

    if (manifest_parse(text, size, &manifest, &err) == MIG_OK) {
        check(manifest);
    } else {
        fuzz_check_error(&err);
        FUZZ_CHECK(err.status == MIG_E_REFUSED && !manifest);
    }
    free(text);
    return 0;
}
