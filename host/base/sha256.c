/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256: cutting a message into blocks and closing it. Holds at most one
 * unfinished block; whole ones go to the compression function where they lie.
 * A digest comes only from a hash that was begun, so that a forgotten begin is
 * an error and never a digest of something else.
 */
#include "sha256.h"

#include "fs.h"

#define SHA256_WINDOW ((size_t)64 * 1024)
#define SHA256_LENGTH_BYTES 8 /* of the message's length at its end */

mig_status sha256_init(struct sha256 *hash, struct mig_err *err)
{
    (void)err;
    *hash = (struct sha256){.blocks = sha256_block_pick()};
    return MIG_OK;
}

mig_status sha256_share(const struct sha256 *from, struct sha256 *hash, struct mig_err *err)
{
    (void)err;
    *hash = (struct sha256){.blocks = from->blocks};
    return MIG_OK;
}

void sha256_clear(struct sha256 *hash)
{
    *hash = (struct sha256){0};
}

void sha256_begin(struct sha256 *hash)
{
    /* The first 32 bits of the fractions of the square roots of 2 to 19. */
    static const uint32_t start[SHA256_WORDS] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

    memcpy(hash->state, start, sizeof hash->state);
    hash->len = 0;
    hash->begun = hash->blocks != NULL;
}

void sha256_add(struct sha256 *hash, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    size_t held = hash->len % SHA256_BLOCK;
    size_t whole;

    if (!hash->begun || !len)
        return;
    hash->len += len;
    if (held) {
        size_t fill = SHA256_BLOCK - held < len ? SHA256_BLOCK - held : len;

        memcpy(hash->rest + held, bytes, fill);
        bytes += fill;
        len -= fill;
        if (held + fill < SHA256_BLOCK)
            return;
        hash->blocks(hash->state, hash->rest, 1);
    }
    whole = len / SHA256_BLOCK;
    if (whole)
        hash->blocks(hash->state, bytes, whole);
    if (len % SHA256_BLOCK)
        memcpy(hash->rest, bytes + whole * SHA256_BLOCK, len % SHA256_BLOCK);
}

/* Appends a one bit, zeros, and the length in bits, to a whole block. */
static void close_message(struct sha256 *hash)
{
    unsigned char end[2 * SHA256_BLOCK] = {0x80};
    size_t held = hash->len % SHA256_BLOCK;
    size_t pad = (held < SHA256_BLOCK - SHA256_LENGTH_BYTES ? 1u : 2u) * SHA256_BLOCK - held;
    uint64_t bits = hash->len * 8;

    for (size_t i = 0; i < SHA256_LENGTH_BYTES; i++)
        end[pad - 1 - i] = (unsigned char)(bits >> 8 * i);
    sha256_add(hash, end, pad);
}

mig_status sha256_finish(struct sha256 *hash, unsigned char out[MIG_SHA256_BYTES],
                         struct mig_err *err)
{
    if (!hash->begun)
        return err_set(err, MIG_E_INTERNAL, "a SHA-256 digest was asked for before its message");
    close_message(hash);
    for (size_t i = 0; i < MIG_SHA256_BYTES; i++)
        out[i] = (unsigned char)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
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
