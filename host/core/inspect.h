/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a module's file says about itself: note, checksum, needed libraries,
 * and whether this host would load it. Reads the file; loads and runs nothing.
 */
#ifndef MIGHOST_INSPECT_H
#define MIGHOST_INSPECT_H

#include "err.h"
#include <mighost.h>

/* As mighost_inspect(). A module that the load policy refuses is described all
 * the same, with the reason in `refusal`. */
mig_status inspect_module(const char *path, struct mighost_module_info *out, struct mig_err *err);

#endif
