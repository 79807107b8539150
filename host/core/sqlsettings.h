/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of an SQL file: `-- mig: key = value` lines before its first
 * statement. Knows the keys and what their values may be, and nothing of where
 * in a file they stand.
 */
#ifndef MIGHOST_SQLSETTINGS_H
#define MIGHOST_SQLSETTINGS_H

#include "sqltext.h"

/* Which keys were seen: one bit each. */
struct sql_settings_seen {
    unsigned keys;
};

void settings_init(struct sql_settings *settings);
/* Reads one comment line, from its "--" to its end. MIG_E_BUNDLE: no `key =
 * value`, an unknown key, one given twice, a wrong value. */
mig_status settings_read(const char *line, size_t len, struct sql_settings *settings,
                         struct sql_settings_seen *seen, struct mig_err *err);

#endif
