/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of a bundle's files with the SHA-256 of each, in the format of
 * `sha256sum`: reading it, writing it, and asking it for a file. A line is
 *
 *     <64 hex digits>, a blank, a blank or a star, the name, a line end
 *
 * and a backslash before the digits says that \\, \n and \r in the name stand
 * for a backslash and the ends of lines. Pure: no file is opened here. What is
 * read may come from anybody, so it is bounded, and whatever is not exactly
 * such a list is refused: MIG_E_REFUSED with the line.
 */
#ifndef MIGHOST_MANIFEST_H
#define MIGHOST_MANIFEST_H

#include "auto.h"
#include "buf.h"
#include "err.h"

#include <limits.h>

/* The two files of a bundle that the list does not cover, being the list and its signature. */
#define MANIFEST_FILE "MANIFEST"
#define MANIFEST_SIGNATURE "MANIFEST.sig"

/* Far above the 10,000 migrations that a bundle should bear. */
#define MANIFEST_BYTES_MAX ((size_t)16 << 20)

bool manifest_is_own(const char *name);

struct manifest_entry {
    const char *name; /* of a file in the bundle's folder itself */
    unsigned char digest[MIG_SHA256_BYTES];
};

struct manifest {
    size_t count;
    const struct manifest_entry *items; /* ascending, as strcmp() has it */
};

mig_status manifest_parse(const char *text, size_t len, struct manifest **out, struct mig_err *err);
void manifest_free(struct manifest *manifest);
AUTO_POINTER(manifest, struct manifest, manifest_free)

/* NULL where it is not listed. */
const struct manifest_entry *manifest_find(const struct manifest *manifest, const char *name);
/* MIG_E_REFUSED unless the file is listed with that digest. */
mig_status manifest_check(const struct manifest *manifest, const char *name,
                          const unsigned char digest[MIG_SHA256_BYTES], struct mig_err *err);

/* Appends a line. */
void manifest_add(struct buf *out, const char *name, const unsigned char digest[MIG_SHA256_BYTES]);

#endif
