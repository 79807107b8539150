/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding and loading drivers. Owns the loaded object, which is byte for byte
 * what was checked. A scheme is a driver's name, or an alias in one small table;
 * the loaded driver must confirm that it serves the scheme. Installed drivers
 * are looked for where our own code lies, then under the prefix that was
 * configured, so that a moved installation and a build folder work. Knows no
 * database.
 */
#include "driver.h"

#include "buf.h"
#include "dso.h"
#include "elf_file.h"
#include "fs.h"

#include <dirent.h>
#include <errno.h>

static const struct {
    const char *scheme;
    const char *name;
} aliases[] = {{"postgresql", "postgres"}, {"sqlite3", "sqlite"}};

/* Copies the URL's scheme; a libpq key-value text has none and is postgres. */
static bool scheme_read(const char *url, char out[DRIVER_NAME_SIZE])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    size_t len = strspn(url, letters);

    if (url[len] != ':')
        return strchr(url, '=') && snprintf(out, DRIVER_NAME_SIZE, "postgres") > 0;
    if (len == 0 || len >= DRIVER_NAME_SIZE)
        return false;
    memcpy(out, url, len);
    out[len] = '\0';
    return true;
}

static const char *name_of_scheme(const char *scheme)
{
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        if (strcmp(aliases[i].scheme, scheme) == 0)
            return aliases[i].name;
    }
    return scheme;
}

static mig_status scheme_of(const char *url, char out[DRIVER_NAME_SIZE], struct mig_err *err)
{
    if (scheme_read(url, out))
        return MIG_OK;
    return err_set(err, MIG_E_USAGE,
                   "the database URL has no scheme; write sqlite:PATH or "
                   "postgres://user@host/database");
}

mig_status driver_name(const char *url, char out[DRIVER_NAME_SIZE], struct mig_err *err)
{
    char scheme[DRIVER_NAME_SIZE];
    mig_status status = scheme_of(url, scheme, err);

    if (status == MIG_OK)
        snprintf(out, DRIVER_NAME_SIZE, "%s", name_of_scheme(scheme));
    return status;
}

/* The `index`-th folder where installed drivers may be. */
static mig_status default_folder(size_t index, char out[FS_PATH_SIZE], struct mig_err *err)
{
    return dso_place(index, MIGHOST_DRIVER_SUBDIR, out, FS_PATH_SIZE, err);
}

/* Appends the names of the drivers that a folder holds. */
static void list_folder(const char *folder, struct buf *names)
{
    size_t fixed = strlen(DRIVER_PREFIX) + strlen(DRIVER_SUFFIX);
    DIR *dir = opendir(folder);
    const struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        size_t len = strlen(entry->d_name);

        if (len <= fixed || strncmp(entry->d_name, DRIVER_PREFIX, strlen(DRIVER_PREFIX)) != 0 ||
            strcmp(entry->d_name + len - strlen(DRIVER_SUFFIX), DRIVER_SUFFIX) != 0)
            continue;
        buf_printf(names, "%s%.*s", names->len ? ", " : "", (int)(len - fixed),
                   entry->d_name + strlen(DRIVER_PREFIX));
    }
    closedir(dir);
}

static mig_status not_found(const char *scheme, const char *folder, struct mig_err *err)
{
    AUTO(buf) struct buf names = {0};
    char path[FS_PATH_SIZE];

    if (folder)
        list_folder(folder, &names);
    for (size_t i = 0; !folder && !names.len && default_folder(i, path, err) == MIG_OK; i++)
        list_folder(path, &names);
    if (!names.len)
        return err_set(err, MIG_E_USAGE,
                       "there is no driver for \"%s:\" and none at all in %s; install one, or "
                       "name its folder with --drivers",
                       scheme, folder ? folder : "the installed folder");
    return err_set(err, MIG_E_USAGE, "there is no driver for \"%s:\"; the drivers here are: %s",
                   scheme, buf_text(&names));
}

/* Copies the driver's file in `folder`, sealed, once it is known who could have
 * written it; `path` becomes its name. */
static mig_status fetch(const char *folder, const char *name, char path[FS_PATH_SIZE], int *out,
                        struct mig_err *err)
{
    char file[sizeof DRIVER_PREFIX + DRIVER_NAME_SIZE + sizeof DRIVER_SUFFIX];
    AUTO(close) int dir = -1;
    AUTO(close) int fd = -1;
    mig_status status;

    snprintf(file, sizeof file, DRIVER_PREFIX "%s" DRIVER_SUFFIX, name);
    status = fs_join(path, FS_PATH_SIZE, folder, file, err);
    if (status == MIG_OK)
        status = fs_open_dir(folder, &dir, err);
    if (status == MIG_OK)
        status = fs_open_beneath(dir, folder, file, &fd, err);
    if (status == MIG_OK)
        status = fs_check_owner(dir, folder, err);
    if (status == MIG_OK)
        status = fs_check_owner(fd, path, err);
    if (status == MIG_OK)
        status = fs_check_exec(fd, path, err);
    return status == MIG_OK ? fs_memfd(fd, path, out, err) : status;
}

static mig_status find(const char *scheme, const char *folder, char path[FS_PATH_SIZE], int *out,
                       struct mig_err *err)
{
    const char *name = name_of_scheme(scheme);
    char installed[FS_PATH_SIZE];
    mig_status status = MIG_E_NOTFOUND;

    if (folder)
        status = fetch(folder, name, path, out, err);
    for (size_t i = 0; !folder && status == MIG_E_NOTFOUND; i++) {
        if (default_folder(i, installed, err) != MIG_OK)
            break;
        status = fetch(installed, name, path, out, err);
    }
    return status == MIG_E_NOTFOUND ? not_found(scheme, folder, err) : status;
}

/* A driver links what it likes of the system, but by the system's own paths.
 * Those libraries are many and mostly not called: binding what a driver needs
 * at once and theirs later makes loading a tenth cheaper. */
static mig_status check_file(int fd, const char *path, enum dso_binding *binding,
                             struct mig_err *err)
{
    struct elf_facts facts;
    struct elf elf;
    const char *refusal;
    mig_status status = elf_open_fd(&elf, fd, path, err);

    if (status == MIG_OK)
        status = elf_facts_read(&elf, &facts, err);
    if (status == MIG_E_BUNDLE && err)
        err->status = MIG_E_REFUSED;
    if (status != MIG_OK)
        return status == MIG_E_BUNDLE ? MIG_E_REFUSED : status;
    refusal = elf_facts_refusal(&facts);
    if (refusal)
        return err_set(err, MIG_E_REFUSED, "the driver %s %s", path, refusal);
    *binding = facts.bind_now ? DSO_BIND_OWN : DSO_BIND_ALL;
    return MIG_OK;
}

static bool serves(const struct mig_driver *api, const char *scheme)
{
    for (size_t i = 0; api->schemes[i]; i++) {
        if (strcmp(api->schemes[i], scheme) == 0)
            return true;
    }
    return false;
}

static mig_status check_api(const struct mig_driver *api, const char *scheme, const char *path,
                            struct mig_err *err)
{
    if (!api)
        return err_set(err, MIG_E_REFUSED, "%s exports no mig_driver, so it is not a driver", path);
    if (api->abi_major != MIG_DRIVER_ABI_MAJOR || api->abi_minor > MIG_DRIVER_ABI_MINOR)
        return err_set(err, MIG_E_REFUSED,
                       "the driver %s was built for driver ABI %u.%u; this host speaks %d.%d", path,
                       (unsigned)api->abi_major, (unsigned)api->abi_minor, MIG_DRIVER_ABI_MAJOR,
                       MIG_DRIVER_ABI_MINOR);
    if (api->size < sizeof *api)
        return err_set(err, MIG_E_REFUSED,
                       "the driver %s has a table of %u bytes, and its ABI %u.%u has %zu", path,
                       (unsigned)api->size, (unsigned)api->abi_major, (unsigned)api->abi_minor,
                       sizeof *api);
    if (!serves(api, scheme) && !serves(api, name_of_scheme(scheme)))
        return err_set(err, MIG_E_REFUSED, "the driver %s does not serve \"%s:\"", path, scheme);
    return MIG_OK;
}

mig_status driver_open(const char *url, const char *folder, struct driver **out,
                       struct mig_err *err)
{
    AUTO(free) struct driver *driver = calloc(1, sizeof *driver);
    AUTO(dso) struct dso *dso = NULL;
    AUTO(close) int fd = -1;
    char scheme[DRIVER_NAME_SIZE];
    char path[FS_PATH_SIZE];
    enum dso_binding binding = DSO_BIND_ALL;
    mig_status status = driver ? scheme_of(url, scheme, err) : err_nomem(err);

    if (status == MIG_OK)
        status = find(scheme, folder && *folder ? folder : NULL, path, &fd, err);
    if (status == MIG_OK)
        status = check_file(fd, path, &binding, err);
    if (status == MIG_OK)
        status = dso_open(fd, path, binding, &dso, err);
    if (status != MIG_OK)
        return status;
    driver->api = dso_symbol(dso, "mig_driver");
    status = check_api(driver->api, scheme, path, err);
    if (status != MIG_OK)
        return status;
    driver->dso = TAKE(dso);
    *out = TAKE(driver);
    return MIG_OK;
}

void driver_close(struct driver *driver)
{
    if (!driver)
        return;
    dso_close(driver->dso);
    free(driver);
}
