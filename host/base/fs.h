/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files, for those who do not trust them: reading whole small ones and windows
 * of large ones, opening names that cannot lead out of a folder, writing so
 * that a reader sees the old file or the new and never a half, and sealed
 * copies in memory. All report one sentence that names the path. Descriptors
 * handed out are close-on-exec and belong to the caller.
 */
#ifndef MIGHOST_FS_H
#define MIGHOST_FS_H

#include "buf.h"
#include "err.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/types.h>

#define FS_PATH_SIZE PATH_MAX

/* "dir/name"; MIG_E_USAGE where it does not fit. A name that begins with a
 * slash stays as it is. */
mig_status fs_join(char *out, size_t size, const char *dir, const char *name, struct mig_err *err);
/* The folder that a path names a file of: "." for a bare name. */
mig_status fs_parent(char *out, size_t size, const char *path, struct mig_err *err);
/* The folder of the running executable. */
mig_status fs_self_dir(char *out, size_t size, struct mig_err *err);

/* Opens a folder. MIG_E_NOTFOUND where there is none, MIG_E_IO otherwise. */
mig_status fs_open_dir(const char *path, int *out, struct mig_err *err);
/* Hands the entries of the open folder `dir` to `take`, in whatever order they are
 * in, until it fails; "." and ".." are left out. `path` is for messages; a folder
 * that cannot be read is `unreadable`. */
mig_status fs_each(int dir, const char *path, mig_status unreadable,
                   mig_status (*take)(void *arg, const struct dirent *found, struct mig_err *err),
                   void *arg, struct mig_err *err);
/* Whether an entry of `dir` is a folder, or a link to one. */
bool fs_is_folder(int dir, const struct dirent *found);
/* Opens a regular file for reading, symlinks followed. Anything else, such as
 * a folder or a FIFO, is MIG_E_REFUSED and never waited for. */
mig_status fs_open(const char *path, int *out, struct mig_err *err);
/* As fs_open() for `name` in the open folder `dir`: MIG_E_REFUSED where the way
 * would lead out of it. `dir_name` is for messages. */
mig_status fs_open_beneath(int dir, const char *dir_name, const char *name, int *out,
                           struct mig_err *err);

/* Up to `size` bytes from `offset`; `*got` is smaller only at the file's end. */
mig_status fs_pread(int fd, const char *name, void *data, size_t size, int64_t offset, size_t *got,
                    struct mig_err *err);
/* All bytes of an open file behind what `out` holds; MIG_E_BUNDLE past `limit`. */
mig_status fs_read_fd(int fd, const char *name, size_t limit, struct buf *out, struct mig_err *err);
mig_status fs_read(const char *path, size_t limit, struct buf *out, struct mig_err *err);
/* Writes all bytes, over interrupts and short writes. */
mig_status fs_write_fd(int fd, const char *name, const void *data, size_t len, struct mig_err *err);

enum fs_write_flags {
    FS_REPLACE = 1, /* an existing file may be replaced; else MIG_E_USAGE */
};

/* Writes a file so that it is there whole, and on disk, or not at all. */
mig_status fs_write(const char *path, const void *data, size_t len, mode_t mode, unsigned flags,
                    struct mig_err *err);

/* MIG_E_REFUSED unless the open file or folder belongs to root or the caller
 * and nobody else can write it. A sticky folder such as /tmp passes no more
 * than another. */
mig_status fs_check_owner(int fd, const char *path, struct mig_err *err);
/* The same for what is no code: the caller's own group may write it, which on
 * many systems is the caller alone and whose files a umask of 002 makes so. */
mig_status fs_check_text(int fd, const char *path, struct mig_err *err);
/* MIG_E_REFUSED where the file lies on a file system mounted noexec. */
mig_status fs_check_exec(int fd, const char *path, struct mig_err *err);

/* A sealed copy of the file, or of the bytes: nobody can change it any more. */
mig_status fs_memfd(int fd, const char *name, int *out, struct mig_err *err);
mig_status fs_memfd_bytes(const void *data, size_t len, const char *name, int *out,
                          struct mig_err *err);

#endif
