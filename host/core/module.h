/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Validating and loading one module. In this order: module_fetch() checks who
 * could have written the file and copies it, sealed; module_check() reads the
 * copy's note and applies the load policy; module_load() loads that copy and
 * holds note, descriptor and file name together. No code of the module runs
 * before module_load(). Each refusal is MIG_E_REFUSED and names its check.
 */
#ifndef MIGHOST_MODULE_H
#define MIGHOST_MODULE_H

#include "auto.h"
#include "elf_file.h"
#include "note.h"

#define MODULE_PREFIX "libmig_"
#define MODULE_SUFFIX ".so"

/* Opens `file` of the bundle, which no way out of the folder leads to, demands
 * that file and folder can be written by root or the caller alone and that the
 * place is not mounted noexec, and copies it into a sealed memfd. */
mig_status module_fetch(const char *folder, const char *file, int *out, struct mig_err *err);

/* The load policy: what an object must not do, and which libraries it may
 * need: those of the list and of `libraries` (NULL at the end; may be NULL). */
mig_status module_policy(const struct elf_facts *facts, const char *name,
                         const char *const *libraries, struct mig_err *err);

/* Reads the note and applies the policy. The file must not change meanwhile:
 * give it the copy. */
mig_status module_check(int fd, const char *name, const char *const *libraries, struct note *out,
                        struct mig_err *err);

/* Whether `file` is the name that the note asks for. */
mig_status module_check_name(const char *file, const struct note *note, struct mig_err *err);

struct module {
    const struct mig_module *descriptor;
    struct dso *dso;
};

/* Loads a checked copy. Its constructors run. SQL-only modules are refused. */
mig_status module_load(int memfd, const char *file, const struct note *note, struct module **out,
                       struct mig_err *err);
/* Unloads; the descriptor's addresses are gone then. */
void module_close(struct module *module);
AUTO_POINTER(module, struct module, module_close)

#endif
