/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dynamic linker, behind a few functions. Objects are opened through
 * /proc/self/fd, so that the bytes that were checked are those that run. The
 * linker knows an object by that name and would answer a reused number with
 * the old object: each load therefore gets a number that is not loaded, and
 * keeps it until it is unloaded.
 */
#include "dso.h"

#include "fs.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>

struct dso {
    void *handle;
    int fd; /* -1 of a library of the system */
};

#define DSO_FD_FOLDER "/proc/self/fd"
#define DSO_PATH_SIZE 64
#define DSO_FIRST_FD 3

static void dso_path(char out[DSO_PATH_SIZE], int fd)
{
    snprintf(out, DSO_PATH_SIZE, DSO_FD_FOLDER "/%d", fd);
}

/* Whether some object, perhaps another one, is loaded by this very name. The
 * linker may also find the same file loaded by another name, which is fine. */
static bool is_taken(const char *path)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    struct link_map *map = NULL;
    bool taken;

    if (!handle)
        return false;
    taken = dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0 || strcmp(map->l_name, path) == 0;
    dlclose(handle);
    return taken;
}

/* A duplicate whose number no loaded object goes by. */
static int fresh_fd(int fd, char path[DSO_PATH_SIZE])
{
    int least = DSO_FIRST_FD;

    for (;;) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, least);

        if (copy < 0)
            return -1;
        dso_path(path, copy);
        if (!is_taken(path))
            return copy;
        close(copy);
        least = copy + 1;
    }
}

/* `error`: what errno was set to on the way. The linker has words alone. */
static mig_status load_failed(const char *path, const char *name, int error, struct mig_err *err)
{
    const char *reason = dlerror();
    size_t len = strlen(path);

    if (error == ENOMEM || error == EMFILE || error == ENFILE)
        return err_errno(err, MIG_E_LIMIT, error, "%s cannot be loaded", name);
    if (strncmp(path, DSO_FD_FOLDER, strlen(DSO_FD_FOLDER)) == 0 &&
        access(DSO_FD_FOLDER, X_OK) != 0)
        reason = "/proc is not mounted, and modules are loaded through it";
    if (!reason)
        reason = "the dynamic linker gives no reason";
    if (strncmp(reason, path, len) == 0 && strncmp(reason + len, ": ", 2) == 0)
        reason += len + 2;
    return err_set(err, MIG_E_REFUSED, "%s cannot be loaded: %s", name, reason);
}

mig_status dso_open(int fd, const char *name, enum dso_binding binding, struct dso **out,
                    struct mig_err *err)
{
    int when = binding == DSO_BIND_OWN ? RTLD_LAZY : RTLD_NOW;
    AUTO(free) struct dso *dso = calloc(1, sizeof *dso);
    char path[DSO_PATH_SIZE];
    AUTO(close) int copy = -1;

    if (!dso)
        return err_nomem(err);
    copy = fresh_fd(fd, path);
    if (copy < 0)
        return err_errno(err, MIG_E_LIMIT, errno, "opening %s for loading", name);
    errno = 0;
    dso->handle = dlopen(path, when | RTLD_LOCAL);
    if (!dso->handle)
        return load_failed(path, name, errno, err);
    dso->fd = copy;
    copy = -1;
    *out = TAKE(dso);
    return MIG_OK;
}

mig_status dso_open_system(const char *name, struct dso **out, struct mig_err *err)
{
    AUTO(free) struct dso *dso = calloc(1, sizeof *dso);

    if (!dso)
        return err_nomem(err);
    dso->fd = -1;
    errno = 0;
    dso->handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!dso->handle)
        return load_failed(name, name, errno, err);
    *out = TAKE(dso);
    return MIG_OK;
}

void dso_close(struct dso *dso)
{
    if (!dso)
        return;
    dlclose(dso->handle);
    auto_close(&dso->fd);
    free(dso);
}

void *dso_symbol(const struct dso *dso, const char *symbol)
{
    return dlsym(dso->handle, symbol);
}

/* Any address within our code; found by the linker to tell where that is. */
static const char dso_here = 'h';

mig_status dso_self_dir(char *out, size_t size, struct mig_err *err)
{
    char path[FS_PATH_SIZE];
    struct link_map *map = NULL;
    Dl_info info;

    if (!dladdr1(&dso_here, &info, (void **)&map, RTLD_DL_LINKMAP) || !map || !map->l_name[0])
        return fs_self_dir(out, size, err);
    if (!realpath(map->l_name, path))
        return err_errno(err, MIG_E_IO, errno, "finding the folder of %s", map->l_name);
    return fs_parent(out, size, path, err);
}

mig_status dso_place(size_t index, const char *file, char *out, size_t size, struct mig_err *err)
{
    static const char *const prefixes[DSO_PLACES] = {"..", "../..", MIGHOST_PREFIX};
    char self[FS_PATH_SIZE], prefix[FS_PATH_SIZE];
    mig_status status;

    if (index >= DSO_PLACES)
        return err_set(err, MIG_E_NOTFOUND, "there is no %s where mighost is installed", file);
    status = dso_self_dir(self, sizeof self, err);
    if (status == MIG_OK)
        status = fs_join(prefix, sizeof prefix, self, prefixes[index], err);
    return status == MIG_OK ? fs_join(out, size, prefix, file, err) : status;
}
