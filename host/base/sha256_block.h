/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compression function of SHA-256 (FIPS 180-4, section 6.2.2): portable,
 * and by the SHA instructions of x86 processors that have them. Both give the
 * same result; sha256_block_pick() says which one is fast here.
 */
#ifndef MIGHOST_SHA256_BLOCK_H
#define MIGHOST_SHA256_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BLOCK 64
#define SHA256_WORDS 8

/* Mixes `count` blocks of 64 bytes into the state. */
typedef void (*sha256_block_fn)(uint32_t state[SHA256_WORDS], const unsigned char *blocks,
                                size_t count);

void sha256_block_portable(uint32_t state[SHA256_WORDS], const unsigned char *blocks, size_t count);
sha256_block_fn sha256_block_pick(void);

#endif
