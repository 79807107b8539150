/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 by libcrypto. Owns a library context of its own: the algorithm comes
 * from the built-in provider, whatever openssl.cnf says, no start-up time goes
 * into reading that file, and an embedding program's settings stay untouched.
 * A failed step is remembered until the next sha256_begin().
 */
#include "sha256.h"

#include "fs.h"

#include <openssl/evp.h>

#define SHA256_WINDOW ((size_t)128 * 1024)

mig_status sha256_init(struct sha256 *hash, struct mig_err *err)
{
    struct sha256 made = {.failed = true};

    made.library = OSSL_LIB_CTX_new();
    if (made.library)
        made.method = EVP_MD_fetch(made.library, "SHA256", NULL);
    if (made.method)
        made.context = EVP_MD_CTX_new();
    if (!made.context) {
        sha256_clear(&made);
        return err_set(err, MIG_E_NOMEM, "libcrypto cannot make a SHA-256 context");
    }
    *hash = made;
    return MIG_OK;
}

mig_status sha256_share(const struct sha256 *from, struct sha256 *hash, struct mig_err *err)
{
    struct sha256 made = {.failed = true};

    if (from->method && EVP_MD_up_ref(from->method) == 1) {
        made.method = from->method;
        made.context = EVP_MD_CTX_new();
    }
    if (!made.context) {
        sha256_clear(&made);
        return err_set(err, MIG_E_NOMEM, "libcrypto cannot make a SHA-256 context");
    }
    *hash = made;
    return MIG_OK;
}

void sha256_clear(struct sha256 *hash)
{
    EVP_MD_CTX_free(hash->context);
    EVP_MD_free(hash->method);
    OSSL_LIB_CTX_free(hash->library);
    *hash = (struct sha256){.failed = true};
}

void sha256_begin(struct sha256 *hash)
{
    hash->failed = !hash->context || EVP_DigestInit_ex2(hash->context, hash->method, NULL) != 1;
}

void sha256_add(struct sha256 *hash, const void *data, size_t len)
{
    if (!hash->failed && len)
        hash->failed = EVP_DigestUpdate(hash->context, data, len) != 1;
}

mig_status sha256_finish(struct sha256 *hash, unsigned char out[MIG_SHA256_BYTES],
                         struct mig_err *err)
{
    unsigned char digest[MIG_SHA256_BYTES];
    unsigned len = 0;

    if (hash->failed || EVP_DigestFinal_ex(hash->context, digest, &len) != 1 ||
        len != sizeof digest) {
        hash->failed = true;
        return err_set(err, MIG_E_INTERNAL, "libcrypto failed to compute a SHA-256 digest");
    }
    hash->failed = true; /* until the next sha256_begin() */
    memcpy(out, digest, sizeof digest);
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

mig_status sha256_once(const void *data, size_t len, char out[MIG_SHA256_HEX],
                       struct mig_err *err)
{
    AUTO(sha256) struct sha256 hash = {0};
    unsigned char digest[MIG_SHA256_BYTES];

    MIG_TRY(sha256_init(&hash, err));
    MIG_TRY(sha256_data(&hash, data, len, digest, err));
    sha256_hex(digest, out);
    return MIG_OK;
}
