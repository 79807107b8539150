/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared objects: loading, looking up, unloading, and where we ourselves were
 * loaded from. The one place that talks to the dynamic linker. Loading runs the
 * object's constructors: whoever calls has checked it before.
 */
#ifndef MIGHOST_DSO_H
#define MIGHOST_DSO_H

#include "auto.h"
#include "err.h"

struct dso;

/* When symbols are resolved: all of them at loading, or only those of an object
 * that demands it (-z now) itself, and those of the libraries that it needs
 * when they are first called, unless these demand it too. */
enum dso_binding { DSO_BIND_ALL, DSO_BIND_OWN };

/* Loads the open file, none of its symbols visible to others. `name` is for
 * messages; the descriptor stays the caller's. MIG_E_REFUSED with the linker's
 * reason. */
mig_status dso_open(int fd, const char *name, enum dso_binding binding, struct dso **out,
                    struct mig_err *err);
/* Loads a library of the system by its name, wherever the linker finds it: for
 * one that few runs need, and that would slow the start of all the others. */
mig_status dso_open_system(const char *name, struct dso **out, struct mig_err *err);
void dso_close(struct dso *dso);
AUTO_POINTER(dso, struct dso, dso_close)

/* The address of an exported symbol; NULL where there is none. */
void *dso_symbol(const struct dso *dso, const char *symbol);

/* The folder of the object that holds this very code: of the shared library,
 * or of the executable where it is linked into that. */
mig_status dso_self_dir(char *out, size_t size, struct mig_err *err);

/* The places where `file`, named from the prefix, may lie: seen from our own
 * code, which is in bin, lib or a folder within these, and under the prefix
 * that was configured. MIG_E_NOTFOUND behind the last one, DSO_PLACES - 1. */
#define DSO_PLACES 3
mig_status dso_place(size_t index, const char *file, char *out, size_t size, struct mig_err *err);

#endif
