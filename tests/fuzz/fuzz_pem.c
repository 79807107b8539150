/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of trusted keys. Whatever stands in one, it is read or refused; a block
 * that was read says the same when it is written and read once more, and a key
 * has a fingerprint and no expiry before its time.
 */
#include "fuzz.h"

#include "core/pem.h"
#include "core/trust_key.h"

static void check_again(const struct pem_block *block)
{
    AUTO(buf) struct buf text = {0};
    struct pem_block again;
    struct mig_err err = {0};
    const char *at;

    pem_add(&text, block->label, block->bytes, block->len);
    FUZZ_CHECK(buf_ok(&text));
    at = buf_text(&text);
    FUZZ_CHECK(pem_next(&at, &again, &err) == MIG_ROW && strcmp(at, "\n") == 0);
    FUZZ_CHECK(again.len == block->len && memcmp(again.bytes, block->bytes, again.len) == 0);
    FUZZ_CHECK(strcmp(again.label, block->label) == 0 && again.before_len == 0);
}

static void check_blocks(const char *text)
{
    struct pem_block block;
    struct mig_err err = {0};
    const char *at = text;
    const char *before = text;
    mig_status status;

    while ((status = pem_next(&at, &block, &err)) == MIG_ROW) {
        FUZZ_CHECK(at > before && at <= text + strlen(text) && block.before == before);
        FUZZ_CHECK(block.len <= sizeof block.bytes && strlen(block.label) < sizeof block.label);
        check_again(&block);
        before = at;
    }
    if (status < 0)
        fuzz_check_error(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(trust_keys) struct trust_keys keys = {0};
    AUTO(arena) struct arena texts = {0};
    struct mig_err err = {0};
    char *text = fuzz_text(data, size);

    check_blocks(text);
    if (trust_keys_read(text, "FILE", &texts, &keys, &err) == MIG_OK) {
        FUZZ_CHECK(keys.len > 0);
        VEC_EACH(const struct trust_key, key, &keys)
            FUZZ_CHECK(strlen(key->fingerprint) == MIG_SHA256_HEX - 1 && key->expires_ms >= 0);
    } else {
        fuzz_check_error(&err);
        FUZZ_CHECK(err.status == MIG_E_USAGE && strstr(err.message, "FILE"));
    }
    free(text);
    return 0;
}
