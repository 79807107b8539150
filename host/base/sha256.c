/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The digest through nettle, which starts in a fraction of the time that
 * libcrypto takes and uses the processor's SHA instructions as well. A digest
 * comes only from a hash that was begun, so that a forgotten begin is an error
 * and never a digest of something else.
 */
#include <nettle/sha2.h>
#undef sha256_init /* nettle's names for its own functions; ours are others */

#include "sha256.h"

#include "fs.h"

#define SHA256_WINDOW ((size_t)64 * 1024)

_Static_assert(sizeof(struct sha256_ctx) <= SHA256_CONTEXT_WORDS * sizeof(uint64_t),
               "nettle's context fits");

static struct sha256_ctx *context(struct sha256 *hash)
{
    return (struct sha256_ctx *)(void *)hash->context;
}

mig_status sha256_init(struct sha256 *hash, struct mig_err *err)
{
    (void)err;
    *hash = (struct sha256){0};
    return MIG_OK;
}

void sha256_clear(struct sha256 *hash)
{
    *hash = (struct sha256){0};
}

void sha256_begin(struct sha256 *hash)
{
    nettle_sha256_init(context(hash));
    hash->begun = true;
}

void sha256_add(struct sha256 *hash, const void *data, size_t len)
{
    if (hash->begun && len)
        nettle_sha256_update(context(hash), len, data);
}

mig_status sha256_finish(struct sha256 *hash, unsigned char out[MIG_SHA256_BYTES],
                         struct mig_err *err)
{
    if (!hash->begun)
        return err_set(err, MIG_E_INTERNAL, "a SHA-256 digest was asked for before its message");
    nettle_sha256_digest(context(hash), MIG_SHA256_BYTES, out);
    hash->begun = false;
    return MIG_OK;
}

mig_status sha256_data(struct sha256 *hash, const void *data, size_t len,
                       unsigned char out[MIG_SHA256_BYTES], struct mig_err *err)
{
    sha256_begin(hash);
    sha256_add(hash, data, len);
    return sha256_finish(hash, out, err);
}

mig_status sha256_fd(struct sha256 *hash, int fd, const char *name,
                     unsigned char out[MIG_SHA256_BYTES], struct mig_err *err)
{
    AUTO(free) char *window = malloc(SHA256_WINDOW);
    int64_t offset = 0;
    size_t got;

    if (!window)
        return err_nomem(err);
    sha256_begin(hash);
    do {
        mig_status status = fs_pread(fd, name, window, SHA256_WINDOW, offset, &got, err);

        if (status != MIG_OK)
            return status;
        sha256_add(hash, window, got);
        offset += (int64_t)got;
    } while (got == SHA256_WINDOW);
    return sha256_finish(hash, out, err);
}

void sha256_hex(const unsigned char digest[MIG_SHA256_BYTES], char out[MIG_SHA256_HEX])
{
    mig_hex(digest, MIG_SHA256_BYTES, out);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool sha256_parse(const char *hex, unsigned char out[MIG_SHA256_BYTES])
{
    unsigned char digest[MIG_SHA256_BYTES];

    for (size_t i = 0; i < sizeof digest; i++) {
        int high = hex_value(hex[2 * i]);
        int low = high < 0 ? -1 : hex_value(hex[2 * i + 1]);

        if (low < 0)
            return false;
        digest[i] = (unsigned char)(high << 4 | low);
    }
    if (hex[2 * sizeof digest])
        return false;
    memcpy(out, digest, sizeof digest);
    return true;
}

mig_status sha256_once(const void *data, size_t len, char out[MIG_SHA256_HEX], struct mig_err *err)
{
    AUTO(sha256) struct sha256 hash = {0};
    unsigned char digest[MIG_SHA256_BYTES];

    MIG_TRY(sha256_init(&hash, err));
    MIG_TRY(sha256_data(&hash, data, len, digest, err));
    sha256_hex(digest, out);
    return MIG_OK;
}
