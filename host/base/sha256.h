/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4). One `struct sha256` hashes any number of messages one
 * after the other: sha256_init() looks the algorithm up, which is dear; what
 * follows is cheap. Keep one for a catalog or a run, and one for each thread.
 *
 *     sha256_begin(&hash); sha256_add(&hash, data, len); ...
 *     sha256_finish(&hash, digest, err)      also tells of any failure before
 */
#ifndef MIGHOST_SHA256_H
#define MIGHOST_SHA256_H

#include "auto.h"
#include "err.h"

#include <stdbool.h>

struct sha256 {
    void *library; /* OSSL_LIB_CTX: our own, so that no configuration is read */
    void *method;  /* EVP_MD */
    void *context; /* EVP_MD_CTX */
    bool failed;
};

MIG_MUST_USE mig_status sha256_init(struct sha256 *hash, struct mig_err *err);
/* Another one that uses the algorithm `from` has found: cheap. `from` must
 * outlive it. */
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

/* As sha256_data(), in hex, for a single message: looks the algorithm up. */
MIG_MUST_USE mig_status sha256_once(const void *data, size_t len, char out[MIG_SHA256_HEX],
                                    struct mig_err *err);

void sha256_hex(const unsigned char digest[MIG_SHA256_BYTES], char out[MIG_SHA256_HEX]);
/* Whether `hex` is exactly 64 hex digits; then `out` holds their bytes. */
bool sha256_parse(const char *hex, unsigned char out[MIG_SHA256_BYTES]);

AUTO_VALUE(sha256, struct sha256, sha256_clear)

#endif
