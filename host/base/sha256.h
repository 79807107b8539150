/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4). One `struct sha256` hashes any number of messages one
 * after the other; it is a plain value, cheap to make. Ours, and not
 * libcrypto's: linking and starting that library takes longer than hashing a
 * thousand files.
 *
 *     sha256_begin(&hash); sha256_add(&hash, data, len); ...
 *     sha256_finish(&hash, digest, err)      also tells of a missing begin
 */
#ifndef MIGHOST_SHA256_H
#define MIGHOST_SHA256_H

#include "auto.h"
#include "err.h"
#include "sha256_block.h"

#include <stdbool.h>

struct sha256 {
    sha256_block_fn blocks; /* the fastest way of this processor */
    bool begun;
    uint64_t len; /* bytes of the message so far */
    uint32_t state[SHA256_WORDS];
    unsigned char rest[SHA256_BLOCK]; /* its last, unfinished block */
};

MIG_MUST_USE mig_status sha256_init(struct sha256 *hash, struct mig_err *err);
/* Another one for the same processor. */
MIG_MUST_USE mig_status sha256_share(const struct sha256 *from, struct sha256 *hash,
                                     struct mig_err *err);
void sha256_clear(struct sha256 *hash);

void sha256_begin(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t len);
MIG_MUST_USE mig_status sha256_finish(struct sha256 *hash, unsigned char out[MIG_SHA256_BYTES],
                                      struct mig_err *err);

/* Of one piece of memory, and of an open file from its start. */
MIG_MUST_USE mig_status sha256_data(struct sha256 *hash, const void *data, size_t len,
                                    unsigned char out[MIG_SHA256_BYTES], struct mig_err *err);
MIG_MUST_USE mig_status sha256_fd(struct sha256 *hash, int fd, const char *name,
                                  unsigned char out[MIG_SHA256_BYTES], struct mig_err *err);

/* As sha256_data(), in hex, for a single message. */
MIG_MUST_USE mig_status sha256_once(const void *data, size_t len, char out[MIG_SHA256_HEX],
                                    struct mig_err *err);

void sha256_hex(const unsigned char digest[MIG_SHA256_BYTES], char out[MIG_SHA256_HEX]);
/* Whether `hex` is exactly 64 hex digits; then `out` holds their bytes. */
bool sha256_parse(const char *hex, unsigned char out[MIG_SHA256_BYTES]);

AUTO_VALUE(sha256, struct sha256, sha256_clear)

#endif
