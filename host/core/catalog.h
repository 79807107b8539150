/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bundle on disk: which migrations a folder holds, in order of id, and the
 * opening of their files. Reads names, header lines, checksums and metadata
 * notes; never loads a module and never connects. Refuses what is ambiguous
 * (two migrations with one id, an up without an id, a down without an up) and
 * collects warnings for near misses. Of a signed bundle every file that is read,
 * now or later, has the digest that was signed. Cost is linear in the number of
 * files.
 */
#ifndef MIGHOST_CATALOG_H
#define MIGHOST_CATALOG_H

#include "bundle_name.h" /* id_parse() */
#include "manifest.h"
#include "sqltext.h"
#include <mighost.h>

enum catalog_role { CATALOG_UP, CATALOG_DOWN, CATALOG_VERIFY, CATALOG_ROLES };

/* One text or module of a migration; `file` is NULL where there is none. */
struct catalog_part {
    const char *file; /* name within the bundle */
    int64_t offset;   /* of an SQL text inside a module; else 0 */
    int64_t len;      /* -1: to the end of the file */
};

struct migration {
    uint64_t id;
    const char *id_text; /* as the file has it, leading zeros and all */
    const char *description;
    enum mighost_kind kind;
    enum mig_mode mode;
    bool has_down;
    bool has_verify;
    bool is_empty;              /* its up text holds no statement */
    const char *gate;           /* what has to be so before it begins; NULL: nothing */
    unsigned char checksum[32]; /* of the up text, or of a native module's bytes */
    struct catalog_part parts[CATALOG_ROLES];
    const struct mig_module *registered; /* MIGHOST_REGISTERED only */
};

struct catalog {
    size_t count;
    const struct migration *items; /* ascending by id */
    size_t warning_count;
    const char *const *warnings; /* one sentence each */
};

/* Reads the bundle as the driver `engine` ("sqlite", "postgres") of that lexis
 * (enum mig_lexis) sees it.
 * `registered`: further migrations of the program, NULL at the end; may be
 * NULL. `manifest`: what was signed, which must outlive the catalog; NULL: nothing
 * needs to be. A missing folder is MIG_E_BUNDLE; a folder without migrations is
 * fine. */
mig_status catalog_load(const char *folder, const char *engine, uint32_t lexis,
                        const struct mig_module *const *registered, const struct manifest *manifest,
                        struct catalog **out, struct mig_err *err);
void catalog_free(struct catalog *catalog);
AUTO_POINTER(catalog, struct catalog, catalog_free)

/* NULL where there is none. */
const struct migration *catalog_find(const struct catalog *catalog, uint64_t id);

/* What a part is opened for: what is only shown may be anybody's. */
enum catalog_use { CATALOG_LOOK, CATALOG_RUN };

/* Opens a part for reading; source->fd is then the caller's to close. MIG_E_BUNDLE
 * when the file is gone or is no regular file of the bundle; MIG_E_REFUSED when it
 * is not what was signed, or is to be run and it or the folder is not the caller's
 * or root's alone. What is read of it then is what was compared. */
mig_status catalog_open_part(const struct catalog *catalog, const struct migration *migration,
                             enum catalog_role role, enum catalog_use use,
                             struct sql_source *source, struct mig_err *err);

#endif
