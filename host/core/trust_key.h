/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519 keys in PEM files, as openssl writes and reads them: public ones
 * (SubjectPublicKeyInfo), perhaps with the day on which they expire in a
 * comment above, and private ones (PKCS #8), which are read from files that
 * nobody else can read, never shown, and wiped when they have been used.
 */
#ifndef MIGHOST_TRUST_KEY_H
#define MIGHOST_TRUST_KEY_H

#include "arena.h"
#include "ed25519.h"
#include "vec.h"

#define TRUST_KEY_FILE_MAX ((size_t)64 * 1024) /* of public keys */
#define TRUST_PUBLIC_SUFFIX ".pub"

struct trust_key {
    unsigned char bytes[ED25519_KEY];
    char fingerprint[MIG_SHA256_HEX]; /* of the SubjectPublicKeyInfo */
    int64_t expires_ms;               /* since 1970; 0: never */
    const char *file;                 /* where it stands, as messages name it */
};

VEC_DEFINE(trust_keys, struct trust_key);

/* Appends the public keys of a text, one at least. `file` is for messages and is
 * kept in `texts`. MIG_E_USAGE for what is no such key. */
mig_status trust_keys_read(const char *text, const char *file, struct arena *texts,
                           struct trust_keys *out, struct mig_err *err);

struct private_key {
    unsigned char bytes[ED25519_KEY];
    char fingerprint[MIG_SHA256_HEX]; /* of its public key */
};

/* MIG_E_REFUSED where others could read the file. */
mig_status private_key_read(const struct ed25519 *curve, const char *path, struct private_key *out,
                            struct mig_err *err);
void private_key_wipe(struct private_key *key);
AUTO_VALUE(private_key, struct private_key, private_key_wipe)

/* Writes a new pair: `path`, which only its owner can read, and `path`.pub.
 * MIG_E_USAGE where one of them exists. */
mig_status trust_key_new(const char *path, char fingerprint[MIG_SHA256_HEX], struct mig_err *err);

#endif
