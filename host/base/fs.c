/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files. Every call goes on after an interrupt and after a short transfer, and
 * no open can hang: O_NONBLOCK until the kind of the file is known. Where the
 * kernel lacks openat2(), a name is opened without following any symlink, so
 * the fallback refuses more and never less. Knows nothing of bundles.
 */
#include "fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#define FS_WINDOW ((size_t)128 * 1024)
#define FS_OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

mig_status fs_join(char *out, size_t size, const char *dir, const char *name, struct mig_err *err)
{
    size_t dir_len = strlen(dir);
    const char *slash = dir_len && dir[dir_len - 1] == '/' ? "" : "/";
    int len;

    if (name[0] == '/' || !dir_len)
        len = snprintf(out, size, "%s", name);
    else
        len = snprintf(out, size, "%s%s%s", dir, slash, name);
    if (len < 0 || (size_t)len >= size)
        return err_set(err, MIG_E_USAGE, "the path %.60s... is too long", dir);
    return MIG_OK;
}

mig_status fs_parent(char *out, size_t size, const char *path, struct mig_err *err)
{
    const char *slash = strrchr(path, '/');
    int len;

    if (!slash)
        len = snprintf(out, size, ".");
    else if (slash == path)
        len = snprintf(out, size, "/");
    else
        len = snprintf(out, size, "%.*s", (int)(slash - path), path);
    if (len < 0 || (size_t)len >= size)
        return err_set(err, MIG_E_USAGE, "the path %.60s... is too long", path);
    return MIG_OK;
}

mig_status fs_self_dir(char *out, size_t size, struct mig_err *err)
{
    char path[FS_PATH_SIZE];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);

    if (len < 0)
        return err_errno(err, MIG_E_IO, errno,
                         "finding the running program by /proc/self/exe (is /proc mounted?)");
    path[len] = '\0';
    return fs_parent(out, size, path, err);
}

static mig_status open_failed(int errno_value, const char *path, struct mig_err *err)
{
    bool absent = errno_value == ENOENT || errno_value == ENOTDIR;
    mig_status status = absent ? MIG_E_NOTFOUND : MIG_E_IO;

    return err_errno(err, status, errno_value, "opening %s", path);
}

mig_status fs_open_dir(const char *path, int *out, struct mig_err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return open_failed(errno, path, err);
    *out = fd;
    return MIG_OK;
}

static const char *kind_name(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR: return "a folder";
    case S_IFIFO: return "a FIFO";
    case S_IFSOCK: return "a socket";
    case S_IFCHR:
    case S_IFBLK: return "a device";
    default: return "not a regular file";
    }
}

/* Hands `fd` over when it is a regular file, else closes it. */
static mig_status accept_regular(int fd, const char *path, int *out, struct mig_err *err)
{
    AUTO(close) int held = fd;
    struct stat info;

    if (fstat(held, &info) != 0)
        return err_errno(err, MIG_E_IO, errno, "reading the properties of %s", path);
    if (!S_ISREG(info.st_mode))
        return err_set(err, MIG_E_REFUSED, "%s is %s, not a regular file", path,
                       kind_name(info.st_mode));
    *out = held;
    held = -1;
    return MIG_OK;
}

static void auto_folder(DIR **folder)
{
    if (*folder)
        closedir(*folder);
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

mig_status fs_each(int dir, const char *path, mig_status unreadable,
                   mig_status (*take)(void *arg, const struct dirent *found, struct mig_err *err),
                   void *arg, struct mig_err *err)
{
    AUTO(close) int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(folder) DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *found;

    if (!folder)
        return err_errno(err, unreadable, errno, "reading the folder %s", path);
    fd = -1; /* closed with `folder` */
    while (errno = 0, (found = readdir(folder)))
        if (!is_dots(found->d_name))
            MIG_TRY(take(arg, found, err));
    return errno ? err_errno(err, unreadable, errno, "reading the folder %s", path) : MIG_OK;
}

bool fs_is_folder(int dir, const struct dirent *found)
{
    struct stat info;

    if (found->d_type != DT_UNKNOWN && found->d_type != DT_LNK)
        return found->d_type == DT_DIR;
    return fstatat(dir, found->d_name, &info, 0) == 0 && S_ISDIR(info.st_mode);
}

mig_status fs_open(const char *path, int *out, struct mig_err *err)
{
    int fd = open(path, FS_OPEN_FLAGS);

    if (fd < 0)
        return open_failed(errno, path, err);
    return accept_regular(fd, path, out, err);
}

static int open_beneath(int dir, const char *name)
{
    struct open_how how = {
        .flags = FS_OPEN_FLAGS,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    long fd = syscall(SYS_openat2, dir, name, &how, sizeof how);

    if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
        return (int)fd;
    if (strchr(name, '/') || strcmp(name, "..") == 0) {
        errno = EXDEV;
        return -1;
    }
    return openat(dir, name, FS_OPEN_FLAGS | O_NOFOLLOW);
}

mig_status fs_open_beneath(int dir, const char *dir_name, const char *name, int *out,
                           struct mig_err *err)
{
    char path[FS_PATH_SIZE];
    mig_status status = fs_join(path, sizeof path, dir_name, name, err);
    int fd;

    if (status != MIG_OK)
        return status;
    fd = open_beneath(dir, name);
    if (fd >= 0)
        return accept_regular(fd, path, out, err);
    if (errno == EXDEV)
        return err_set(err, MIG_E_REFUSED,
                       "%s leads out of its folder; put the file itself into %s", path, dir_name);
    if (errno == ELOOP)
        return err_set(err, MIG_E_REFUSED,
                       "%s is a symbolic link that is not followed; put the file itself there",
                       path);
    if (errno == ENXIO)
        return err_set(err, MIG_E_REFUSED, "%s is a socket, not a regular file", path);
    return open_failed(errno, path, err);
}

mig_status fs_pread(int fd, const char *name, void *data, size_t size, int64_t offset, size_t *got,
                    struct mig_err *err)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = pread(fd, (char *)data + done, size - done, (off_t)(offset + (int64_t)done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, MIG_E_IO, errno, "reading %s", name);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *got = done;
    return MIG_OK;
}

/* What is left to read, when the file tells; else one window. */
static size_t expected_size(int fd, size_t limit)
{
    struct stat info;

    if (fstat(fd, &info) != 0 || info.st_size <= 0)
        return FS_WINDOW < limit ? FS_WINDOW : limit;
    return (uint64_t)info.st_size < limit ? (size_t)info.st_size : limit;
}

mig_status fs_read_fd(int fd, const char *name, size_t limit, struct buf *out, struct mig_err *err)
{
    size_t start = out->len;
    size_t room = expected_size(fd, limit) + 1; /* one more shows the end */

    for (;;) {
        ssize_t n;

        if (!buf_reserve(out, room))
            return err_nomem(err);
        n = read(fd, out->data + out->len, room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, MIG_E_IO, errno, "reading %s", name);
        if (n == 0)
            break;
        out->len += (size_t)n;
        out->data[out->len] = '\0';
        if (out->len - start > limit)
            return err_set(err, MIG_E_BUNDLE, "%s is larger than %zu bytes, the most allowed", name,
                           limit);
        if (room > (size_t)n)
            room -= (size_t)n;
        else
            room = FS_WINDOW;
    }
    return MIG_OK;
}

mig_status fs_read(const char *path, size_t limit, struct buf *out, struct mig_err *err)
{
    AUTO(close) int fd = -1;
    mig_status status = fs_open(path, &fd, err);

    return status == MIG_OK ? fs_read_fd(fd, path, limit, out, err) : status;
}

mig_status fs_write_fd(int fd, const char *name, const void *data, size_t len, struct mig_err *err)
{
    const char *at = data;

    while (len) {
        ssize_t n = write(fd, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, MIG_E_IO, errno, "writing %s", name);
        at += n;
        len -= (size_t)n;
    }
    return MIG_OK;
}

static mig_status sync_parent(const char *path, struct mig_err *err)
{
    char parent[FS_PATH_SIZE];
    AUTO(close) int dir = -1;
    mig_status status = fs_parent(parent, sizeof parent, path, err);

    if (status == MIG_OK)
        status = fs_open_dir(parent, &dir, err);
    if (status != MIG_OK)
        return status;
    /* Some file systems cannot sync a folder; the file itself is safe. */
    if (fsync(dir) != 0 && errno != EINVAL)
        return err_errno(err, MIG_E_IO, errno, "writing the folder %s to disk", parent);
    return MIG_OK;
}

/* Gives the finished temporary file its name. */
static mig_status publish(const char *temp, const char *path, unsigned flags, struct mig_err *err)
{
    int failed;

    if (flags & FS_REPLACE)
        failed = rename(temp, path);
    else
        failed = renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_NOREPLACE);
    if (failed && !(flags & FS_REPLACE) && (errno == EINVAL || errno == ENOSYS)) {
        failed = link(temp, path);
        if (!failed)
            unlink(temp);
    }
    if (!failed)
        return sync_parent(path, err);
    if (errno == EEXIST)
        return err_set(err, MIG_E_USAGE, "%s exists already and is not overwritten", path);
    return err_errno(err, MIG_E_IO, errno, "creating %s", path);
}

static mig_status write_temp(int fd, const char *temp, const void *data, size_t len, mode_t mode,
                             struct mig_err *err)
{
    mig_status status = fs_write_fd(fd, temp, data, len, err);

    if (status != MIG_OK)
        return status;
    if (fchmod(fd, mode) != 0)
        return err_errno(err, MIG_E_IO, errno, "setting the mode of %s", temp);
    if (fsync(fd) != 0)
        return err_errno(err, MIG_E_IO, errno, "writing %s to disk", temp);
    return MIG_OK;
}

mig_status fs_write(const char *path, const void *data, size_t len, mode_t mode, unsigned flags,
                    struct mig_err *err)
{
    char temp[FS_PATH_SIZE];
    AUTO(close) int fd = -1;
    int wanted = snprintf(temp, sizeof temp, "%s.XXXXXX", path);
    mig_status status;

    if (wanted < 0 || (size_t)wanted >= sizeof temp)
        return err_set(err, MIG_E_USAGE, "the path %.60s... is too long", path);
    fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, MIG_E_IO, errno, "creating a temporary file beside %s", path);
    status = write_temp(fd, temp, data, len, mode, err);
    if (status == MIG_OK)
        status = publish(temp, path, flags, err);
    if (status != MIG_OK)
        unlink(temp);
    return status;
}

static mig_status check_owner(int fd, const char *path, bool own_group, struct mig_err *err)
{
    struct stat info;
    mode_t others = S_IWGRP | S_IWOTH;

    if (fstat(fd, &info) != 0)
        return err_errno(err, MIG_E_IO, errno, "reading the properties of %s", path);
    if (own_group && info.st_gid == getegid())
        others = S_IWOTH;
    if (info.st_mode & others)
        return err_set(err, MIG_E_REFUSED,
                       "%s has mode %04o, so others can write it; take that away with "
                       "`chmod go-w`",
                       path, (unsigned)(info.st_mode & 07777));
    if (info.st_uid != 0 && info.st_uid != geteuid())
        return err_set(err, MIG_E_REFUSED,
                       "%s (mode %04o) belongs to user %u, and only files of root or of user "
                       "%u, who runs this, are trusted",
                       path, (unsigned)(info.st_mode & 07777), (unsigned)info.st_uid,
                       (unsigned)geteuid());
    return MIG_OK;
}

mig_status fs_check_owner(int fd, const char *path, struct mig_err *err)
{
    return check_owner(fd, path, false, err);
}

mig_status fs_check_text(int fd, const char *path, struct mig_err *err)
{
    return check_owner(fd, path, true, err);
}

mig_status fs_check_exec(int fd, const char *path, struct mig_err *err)
{
    struct statvfs info;

    if (fstatvfs(fd, &info) != 0)
        return err_errno(err, MIG_E_IO, errno, "reading the file system of %s", path);
    if (info.f_flag & ST_NOEXEC)
        return err_set(err, MIG_E_REFUSED,
                       "%s lies on a file system that is mounted noexec, so no code is loaded "
                       "from it",
                       path);
    return MIG_OK;
}

static mig_status memfd_new(const char *name, int *out, struct mig_err *err)
{
    const char *slash = strrchr(name, '/');
    char label[128];
    int fd;

    snprintf(label, sizeof label, "%s", slash ? slash + 1 : name);
    fd = memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    if (fd < 0 && errno == EINVAL) /* kernels before 6.3 lack MFD_EXEC */
        fd = memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return err_errno(err, MIG_E_IO, errno, "making a copy of %s in memory", name);
    *out = fd;
    return MIG_OK;
}

static mig_status memfd_seal(int fd, const char *name, struct mig_err *err)
{
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
        return err_errno(err, MIG_E_IO, errno, "sealing the copy of %s in memory", name);
    return MIG_OK;
}

static mig_status memfd_write(int fd, const char *name, const void *data, size_t len,
                              struct mig_err *err)
{
    char copy[FS_PATH_SIZE + sizeof "the copy of  in memory"];

    snprintf(copy, sizeof copy, "the copy of %s in memory", name);
    return fs_write_fd(fd, copy, data, len, err);
}

static mig_status copy_all(int from, const char *name, int to, struct mig_err *err)
{
    AUTO(free) char *window = malloc(FS_WINDOW);
    int64_t offset = 0;
    size_t got;

    if (!window)
        return err_nomem(err);
    do {
        mig_status status = fs_pread(from, name, window, FS_WINDOW, offset, &got, err);

        if (status == MIG_OK)
            status = memfd_write(to, name, window, got, err);
        if (status != MIG_OK)
            return status;
        offset += (int64_t)got;
    } while (got == FS_WINDOW);
    return MIG_OK;
}

mig_status fs_memfd(int fd, const char *name, int *out, struct mig_err *err)
{
    AUTO(close) int copy = -1;
    mig_status status = memfd_new(name, &copy, err);

    if (status == MIG_OK)
        status = copy_all(fd, name, copy, err);
    if (status == MIG_OK)
        status = memfd_seal(copy, name, err);
    if (status != MIG_OK)
        return status;
    *out = copy;
    copy = -1;
    return MIG_OK;
}

mig_status fs_memfd_bytes(const void *data, size_t len, const char *name, int *out,
                          struct mig_err *err)
{
    AUTO(close) int copy = -1;
    mig_status status = memfd_new(name, &copy, err);

    if (status == MIG_OK)
        status = memfd_write(copy, name, data, len, err);
    if (status == MIG_OK)
        status = memfd_seal(copy, name, err);
    if (status != MIG_OK)
        return status;
    *out = copy;
    copy = -1;
    return MIG_OK;
}
