/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PEM (RFC 7468): blocks of base64 between BEGIN and END lines, and the text
 * before them. Reads what openssl writes, small blocks only; what is not quite
 * a block is refused. Pure; knows nothing of keys, but wipes what it had of them.
 */
#ifndef MIGHOST_PEM_H
#define MIGHOST_PEM_H

#include "buf.h"
#include "err.h"

/* Several times what an Ed25519 key takes. */
#define PEM_BYTES 256
#define PEM_LABEL 40

struct pem_block {
    char label[PEM_LABEL]; /* "PUBLIC KEY" */
    unsigned char bytes[PEM_BYTES];
    size_t len;
    const char *before; /* the text above it, within what was read */
    size_t before_len;
};

/* The next block of `*at`, a text that ends with NUL, which moves behind it:
 * MIG_ROW, or MIG_OK where there is none. MIG_E_USAGE with the reason. */
mig_status pem_next(const char **at, struct pem_block *out, struct mig_err *err);
void pem_wipe(struct pem_block *block);

/* Appends a block. */
void pem_add(struct buf *out, const char *label, const void *bytes, size_t len);

#endif
