/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What modules get from mig_param(): "key=value" texts, out of the settings and
 * of the files that those name. Knows nothing of what a parameter is for.
 */
#ifndef MIGHOST_CLI_PARAMS_H
#define MIGHOST_CLI_PARAMS_H

#include "settings.h"

/* Those of --set and those of --set-file, which are secrets: NULL at the end; they
 * live as long as the settings. MIG_E_USAGE where one has not the right form, is
 * given twice, or cannot be read. */
mig_status params_read(struct settings *settings, const char *const **params,
                       const char *const **secrets, struct mig_err *err);

#endif
