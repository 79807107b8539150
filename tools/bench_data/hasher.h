/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash of the data benchmark as a careful C program computes it: the
 * algorithm is fetched once and one context serves every row. Owns both until
 * hasher_clear(). Knows nothing of databases.
 */
#ifndef BENCH_DATA_HASHER_H
#define BENCH_DATA_HASHER_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>

#define HASH_BYTES 32
#define HASH_HEX (2 * HASH_BYTES)

struct hasher {
    EVP_MD *md;
    EVP_MD_CTX *ctx;
};

static inline bool hasher_init(struct hasher *hasher)
{
    hasher->md = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    hasher->ctx = EVP_MD_CTX_new();
    return hasher->md && hasher->ctx;
}

static inline void hasher_clear(struct hasher *hasher)
{
    EVP_MD_CTX_free(hasher->ctx);
    EVP_MD_free(hasher->md);
}

/* Lower-case hex of the SHA-256 of `len` bytes, NUL-terminated. */
static inline bool hasher_hex(struct hasher *hasher, const void *data, size_t len,
                              char out[HASH_HEX + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[HASH_BYTES];

    if (!EVP_DigestInit_ex2(hasher->ctx, hasher->md, NULL) ||
        !EVP_DigestUpdate(hasher->ctx, data, len) || !EVP_DigestFinal_ex(hasher->ctx, digest, NULL))
        return false;
    for (size_t i = 0; i < HASH_BYTES; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[HASH_HEX] = '\0';
    return true;
}
#endif
