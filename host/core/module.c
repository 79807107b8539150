/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks that stand between a file and its running code. Owns the loaded
 * object. The invariant: what is loaded is byte for byte what was checked, and
 * says the same of itself loaded as it did on disk. Knows nothing of signatures
 * or history.
 */
#include "module.h"

#include "dso.h"
#include "fs.h"

#if defined(__has_feature)
#define MODULE_HAS_FEATURE(x) __has_feature(x)
#else
#define MODULE_HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || MODULE_HAS_FEATURE(address_sanitizer)
#define MODULE_SANITIZED true
#else
#define MODULE_SANITIZED false
#endif

mig_status module_fetch(const char *folder, const char *file, int *out, struct mig_err *err)
{
    char path[FS_PATH_SIZE];
    AUTO(close) int dir = -1;
    AUTO(close) int fd = -1;
    mig_status status = fs_join(path, sizeof path, folder, file, err);

    if (status == MIG_OK)
        status = fs_open_dir(folder, &dir, err);
    if (status == MIG_OK)
        status = fs_check_owner(dir, folder, err);
    if (status == MIG_OK)
        status = fs_open_beneath(dir, folder, file, &fd, err);
    if (status == MIG_OK)
        status = fs_check_owner(fd, path, err);
    if (status == MIG_OK)
        status = fs_check_exec(fd, path, err);
    return status == MIG_OK ? fs_memfd(fd, path, out, err) : status;
}

static bool starts_with_one(const char *name, const char *const *prefixes)
{
    for (; *prefixes; prefixes++) {
        if (strncmp(name, *prefixes, strlen(*prefixes)) == 0)
            return true;
    }
    return false;
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; names && *names; names++) {
        if (strcmp(name, *names) == 0)
            return true;
    }
    return false;
}

static mig_status check_needed(const char *needed, const char *name, const char *const *libraries,
                               struct mig_err *err)
{
    static const char *const allowed[] = {"libc.so.6",      "libm.so.6",  "libpthread.so.0",
                                          "libdl.so.2",     "librt.so.1", "libgcc_s.so.1",
                                          "libcrypto.so.3", NULL};
    static const char *const loaders[] = {"ld-linux", "ld64.so.", "ld.so.", NULL};
    static const char *const sanitizers[] = {"libasan.so", "libubsan.so",  "libtsan.so",
                                             "liblsan.so", "libclang_rt.", NULL};
    static const char *const ours[] = {"libasan.so", "libubsan.so", "libclang_rt.", NULL};

    if (is_one_of(needed, allowed) || starts_with_one(needed, loaders) ||
        is_one_of(needed, libraries))
        return MIG_OK;
    if (!starts_with_one(needed, sanitizers))
        return err_set(err, MIG_E_REFUSED,
                       "%s needs the library %s, which is not on the list of allowed ones; "
                       "add it with --library if you trust it",
                       name, needed);
    if (MODULE_SANITIZED && starts_with_one(needed, ours))
        return MIG_OK;
    return err_set(err, MIG_E_REFUSED,
                   "%s needs %s, a sanitizer's runtime that this host is built without; "
                   "build the module without sanitizers",
                   name, needed);
}

mig_status module_policy(const struct elf_facts *facts, const char *name,
                         const char *const *libraries, struct mig_err *err)
{
    const char *refusal = elf_facts_refusal(facts);

    if (refusal)
        return err_set(err, MIG_E_REFUSED, "%s %s", name, refusal);
    for (size_t i = 0; i < facts->needed_count; i++) {
        mig_status status = check_needed(facts->needed[i], name, libraries, err);

        if (status != MIG_OK)
            return status;
    }
    return MIG_OK;
}

mig_status module_check(int fd, const char *name, const char *const *libraries, struct note *out,
                        struct mig_err *err)
{
    struct elf_facts facts;
    struct note note;
    struct elf elf;
    mig_status status = note_read_fd(fd, name, &note, err);

    if (status == MIG_OK)
        status = elf_open_fd(&elf, fd, name, err);
    if (status == MIG_OK)
        status = elf_facts_read(&elf, &facts, err);
    if (status == MIG_OK)
        status = module_policy(&facts, name, libraries, err);
    if (status == MIG_OK)
        *out = note;
    return status;
}

mig_status module_check_name(const char *file, const struct note *note, struct mig_err *err)
{
    const char *slash = strrchr(file, '/');
    char wanted[sizeof MODULE_PREFIX + MIG_ID_SIZE + sizeof MODULE_SUFFIX];

    snprintf(wanted, sizeof wanted, MODULE_PREFIX "%s" MODULE_SUFFIX, note->id);
    if (strcmp(slash ? slash + 1 : file, wanted) == 0)
        return MIG_OK;
    return err_set(err, MIG_E_REFUSED,
                   "%s says that its id is %s, so its name must be %s; rename it, or build it "
                   "with the right id",
                   file, note->id, wanted);
}

static mig_status disagree(const char *file, const char *what, struct mig_err *err)
{
    return err_set(err, MIG_E_REFUSED,
                   "%s says one %s in its note and another in its descriptor; build it with "
                   "MIG_MODULE() alone",
                   file, what);
}

/* Whether both texts are the same and the second ends within its array. */
static bool same_text(const char *noted, const char *loaded, size_t size)
{
    return memchr(loaded, '\0', size) && strcmp(noted, loaded) == 0;
}

static mig_status check_descriptor(const struct mig_module *loaded, const char *file,
                                   const struct note *note, struct mig_err *err)
{
    if (loaded->abi_major != note->abi_major || loaded->abi_minor != note->abi_minor)
        return disagree(file, "ABI", err);
    if (loaded->size < sizeof *loaded)
        return disagree(file, "size", err);
    if (!same_text(note->id, loaded->id, sizeof loaded->id))
        return disagree(file, "id", err);
    if (!same_text(note->description, loaded->description, sizeof loaded->description))
        return disagree(file, "description", err);
    if (!same_text(note->drivers, loaded->drivers, sizeof loaded->drivers))
        return disagree(file, "list of drivers", err);
    if (loaded->mode != (uint32_t)note->mode)
        return disagree(file, "mode", err);
    if (!loaded->up != !note->has_up || !loaded->down != !note->has_down ||
        !loaded->verify != !note->has_verify)
        return disagree(file, "set of functions", err);
    return MIG_OK;
}

mig_status module_load(int memfd, const char *file, const struct note *note, struct module **out,
                       struct mig_err *err)
{
    AUTO(free) struct module *module = calloc(1, sizeof *module);
    AUTO(dso) struct dso *dso = NULL;
    mig_status status;

    if (!module)
        return err_nomem(err);
    if (note->sql_only)
        return err_set(err, MIG_E_INTERNAL, "%s holds SQL and is never loaded", file);
    status = module_check_name(file, note, err);
    if (status == MIG_OK)
        status = dso_open(memfd, file, DSO_BIND_ALL, &dso, err);
    if (status != MIG_OK)
        return status;
    module->descriptor = dso_symbol(dso, "mig_module");
    if (!module->descriptor)
        return err_set(err, MIG_E_REFUSED,
                       "%s exports no mig_module; declare it with MIG_MODULE() at file scope",
                       file);
    status = check_descriptor(module->descriptor, file, note, err);
    if (status != MIG_OK)
        return status;
    module->dso = TAKE(dso);
    *out = TAKE(module);
    return MIG_OK;
}

void module_close(struct module *module)
{
    if (!module)
        return;
    dso_close(module->dso);
    free(module);
}
