/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite's own view of the file system, changed in one place: a journal that
 * stays between transactions is opened as what it is, a file that exists. Asked
 * to open one that may have to be made, SQLite syncs the folder as well with the
 * first sync of each transaction. Here the folder is synced once for a file, and
 * not again as long as it is the same file. It knows nothing of transactions:
 * SQLite opens the journal for writing under a lock that keeps others from
 * making or removing it meanwhile.
 */
#include "conn.h"

#include <fcntl.h>
#include <libgen.h>
#include <sys/stat.h>

/* Which file it is. A removed file's number is given to a new one, its moment
 * of birth is not. False where the file system tells no such moment. */
static bool identify(const char *path, struct birth *out)
{
    struct statx facts;

    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &facts) != 0 ||
        (facts.stx_mask & (STATX_INO | STATX_BTIME)) != (STATX_INO | STATX_BTIME))
        return false;
    *out = (struct birth){
        .device = (uint64_t)facts.stx_dev_major << 32 | facts.stx_dev_minor,
        .inode = facts.stx_ino,
        .seconds = facts.stx_btime.tv_sec,
        .nanoseconds = facts.stx_btime.tv_nsec,
    };
    return true;
}

static bool same_birth(const struct birth *a, const struct birth *b)
{
    return a->inode == b->inode && a->device == b->device && a->seconds == b->seconds &&
           a->nanoseconds == b->nanoseconds;
}

static bool sync_folder(const char *path)
{
    AUTO(free) char *copy = strdup(path);
    AUTO(fd) int fd = -1;

    if (!copy)
        return false;
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0;
}

/* Whatever goes wrong here is no fault: SQLite has been told to sync the folder
 * itself, and will be told so the next time. */
static void remember(struct files *files, const char *path)
{
    struct birth birth;

    files->journal_known = identify(path, &birth) && sync_folder(path);
    if (files->journal_known)
        files->journal = birth;
}

static bool is_known(const struct files *files, const char *path)
{
    struct birth birth;

    return files->journal_known && identify(path, &birth) && same_birth(&birth, &files->journal);
}

static int on_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
                   int *out_flags)
{
    struct files *files = (struct files *)vfs;
    sqlite3_vfs *below = files->below;
    bool kept =
        files->keeps_journal && (flags & SQLITE_OPEN_MAIN_JOURNAL) && (flags & SQLITE_OPEN_CREATE);
    int rc;

    if (kept && is_known(files, path) &&
        below->xOpen(below, path, file, flags & ~SQLITE_OPEN_CREATE, out_flags) == SQLITE_OK)
        return SQLITE_OK;
    rc = below->xOpen(below, path, file, flags, out_flags);
    if (rc == SQLITE_OK && kept)
        remember(files, path);
    return rc;
}

int vfs_install(struct mig_conn *conn)
{
    sqlite3_vfs *below = sqlite3_vfs_find(NULL);
    struct files *files = (struct files *)calloc(1, sizeof *files);
    int rc;

    if (!files || !below) {
        free(files);
        return SQLITE_NOMEM;
    }
    files->below = below;
    files->vfs = *below;
    snprintf(files->name, sizeof files->name, "mighost-%p", (void *)files);
    files->vfs.zName = files->name;
    files->vfs.pNext = NULL;
    files->vfs.xOpen = on_open;
    rc = sqlite3_vfs_register(&files->vfs, 0);
    if (rc != SQLITE_OK)
        free(files);
    else
        conn->files = files;
    return rc;
}

void vfs_remove(struct mig_conn *conn)
{
    if (conn->files)
        sqlite3_vfs_unregister(&conn->files->vfs);
    free(conn->files);
    conn->files = NULL;
}
