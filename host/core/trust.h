/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom this host trusts, and a bundle as they signed it. The store is a file or
 * a folder of public keys; taking a key out of it revokes the key, for bundles
 * and for what the history carries alike. A bundle is verified whole before
 * anything is made of it, and its list of digests then goes to whoever reads its
 * files, so that what runs is what was signed. Every refusal is MIG_E_REFUSED
 * and names the file or the key.
 */
#ifndef MIGHOST_TRUST_H
#define MIGHOST_TRUST_H

#include "manifest.h"
#include "trust_key.h"
#include <mighost.h>

struct trust {
    const char *path;
    struct ed25519 *curve;
    struct trust_keys keys;
    struct arena texts;
    /* Of the bundle that was verified: */
    struct manifest *manifest;
    const struct trust_key *signer;
};

/* Reads the store. MIG_E_USAGE where it is none, or a file in it holds no key;
 * MIG_E_REFUSED where no key is trusted, as by the path NULL. */
mig_status trust_open(const char *path, struct trust **out, struct mig_err *err);
void trust_close(struct trust *trust);
AUTO_POINTER(trust, struct trust, trust_close)

/* The trusted key that made the signature. */
mig_status trust_verify(const struct trust *trust, const struct buf *data,
                        const struct buf *signature, const struct trust_key **out,
                        struct mig_err *err);
/* Whether what a key with this fingerprint signed, "" for none, is still trusted. */
mig_status trust_check_signer(const struct trust *trust, const char *fingerprint,
                              struct mig_err *err);

/* Verifies the bundle; trust->manifest and trust->signer are set then. */
mig_status trust_verify_bundle(struct trust *trust, const char *folder, struct mig_err *err);
/* Says all that is wrong with it. */
mig_status trust_check_bundle(const struct trust *trust, const char *folder,
                              struct mighost_findings **out, struct mig_err *err);
/* Writes the list and its signature. */
mig_status trust_sign_bundle(const char *folder, const char *key_path, struct mighost_signing *out,
                             struct mig_err *err);

#endif
