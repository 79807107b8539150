/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519 (RFC 8032), computed by nettle's libhogweed. That library is loaded
 * when this is opened and not before: it takes time that a run without
 * signatures does not have. Knows keys and signatures as bytes alone.
 */
#ifndef MIGHOST_ED25519_H
#define MIGHOST_ED25519_H

#include "auto.h"
#include "err.h"

#include <stdbool.h>

#define ED25519_KEY 32       /* bytes of a private key, and of a public one */
#define ED25519_SIGNATURE 64 /* bytes */

struct ed25519;

/* MIG_E_REFUSED where the library is not there. */
mig_status ed25519_open(struct ed25519 **out, struct mig_err *err);
void ed25519_close(struct ed25519 *curve);
AUTO_POINTER(ed25519, struct ed25519, ed25519_close)

void ed25519_public(const struct ed25519 *curve, const unsigned char private_key[ED25519_KEY],
                    unsigned char out[ED25519_KEY]);
void ed25519_sign(const struct ed25519 *curve, const unsigned char private_key[ED25519_KEY],
                  const void *data, size_t len, unsigned char out[ED25519_SIGNATURE]);
bool ed25519_verify(const struct ed25519 *curve, const unsigned char public_key[ED25519_KEY],
                    const void *data, size_t len, const unsigned char signature[ED25519_SIGNATURE]);

#endif
