/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4), computed by nettle. One `struct sha256` hashes any
 * number of messages one after the other; it is a plain value, cheap to make.
 *
 *     sha256_begin(&hash); sha256_add(&hash, data, len); ...
 *     sha256_finish(&hash, digest, err)      also tells of a missing begin
 */
#ifndef MIGHOST_SHA256_H
#define MIGHOST_SHA256_H

#include "auto.h"
#include "err.h"

#include <stdbool.h>

/* Room for nettle's context, whose header renames functions of ours. */
#define SHA256_CONTEXT_WORDS 16

struct sha256 {
    bool begun;
    uint64_t context[SHA256_CONTEXT_WORDS];
};

MIG_MUST_USE mig_status sha256_init(struct sha256 *hash, struct mig_err *err);
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
