/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New migrations: choosing the id, checking the name, writing the files that an
 * author starts from. Never overwrites, and never writes half a pair: the down
 * file comes first, and an up file that cannot be written takes it away again.
 * Knows no database.
 */
#ifndef MIGHOST_CREATE_H
#define MIGHOST_CREATE_H

#include "err.h"

struct create {
    const char *bundle; /* the folder that the ids must be newer than */
    const char *folder; /* where the files go */
    const char *id;     /* NULL: chosen */
    const char *name;   /* "add users", "add_users" */
    const char *up;     /* SQL; NULL: a skeleton */
    const char *down;
};

/* Writes the files; `path`: that of the up file, or of the source. */
mig_status create_sql(const struct create *create, char *path, size_t size, struct mig_err *err);
mig_status create_native(const struct create *create, char *path, size_t size, struct mig_err *err);

#endif
