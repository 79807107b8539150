/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mighost.ini as a list of entries, each with the line it stands on. Every
 * key of every section must be one of the table of options; what a value means
 * is not looked at here. Values may hold secrets: no message shows one.
 */
#ifndef MIGHOST_CLI_INI_FILE_H
#define MIGHOST_CLI_INI_FILE_H

#include "arena.h"
#include "options.h"
#include "vec.h"

#include <mig.h>

#define INI_DEFAULT_SECTION "default"

struct ini_entry {
    const char *section;
    const char *value;
    const char *origin; /* "mighost.ini:3" */
    enum option_id option;
};

VEC_DEFINE(ini_entries, struct ini_entry);

struct ini {
    struct ini_entries entries;
    struct arena arena;
};

/* Reads the file. MIG_E_NOTFOUND where there is none. */
mig_status ini_load(struct ini *ini, const char *path, struct mig_err *err);
void ini_clear(struct ini *ini);

/* Whether any entry stands in that section. */
bool ini_has_section(const struct ini *ini, const char *section);

#endif
