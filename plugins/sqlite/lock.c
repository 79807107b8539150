/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run lock: an open-file-description lock on a file beside the database.
 * It belongs to the descriptor, so that two connections of one process exclude
 * each other, and the system releases it with the process, however that ends.
 * The holder writes into the file who it is. The file stays when the lock goes:
 * whoever removed it could leave two holders of two files of one name.
 */
#include "conn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

enum { LOCK_TRIES = 8 }; /* somebody removes the file again and again */

struct holder {
    char pid[16];
    char host[128];
    char since[32];
    char application[64];
};

static mig_status lock_errno(struct mig_err *err, const char *path, int error)
{
    switch (error) {
    case EAGAIN:
    case EACCES:
        return mig_err_set(err, MIG_E_UNREACHABLE,
                           "the lock file %s cannot be opened for writing: %s", path,
                           strerror(error));
    case EROFS:
        return mig_err_set(err, MIG_E_READONLY, "the lock file %s: %s", path, strerror(error));
    case ENOSPC: return mig_err_set(err, MIG_E_FULL, "the lock file %s: %s", path, strerror(error));
    case EMFILE:
    case ENFILE:
        return mig_err_set(err, MIG_E_LIMIT, "the lock file %s: %s", path, strerror(error));
    case ELOOP:
        return mig_err_set(err, MIG_E_UNREACHABLE, "the lock file %s is a symbolic link: remove it",
                           path);
    default:
        return mig_err_set(err, MIG_E_UNREACHABLE,
                           "the file %s cannot be locked on this file system: %s", path,
                           strerror(error));
    }
}

/* The file gets the database's permissions, so that whoever may write the one
 * may lock the other. */
static int lock_open(const struct mig_conn *conn, const char *path)
{
    struct stat database;
    mode_t mode = 0600;

    if (stat(conn->path, &database) == 0)
        mode |= database.st_mode & 0066;
    return open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode);
}

/* Whether `path` still names the file that `fd` has open. */
static bool lock_current(int fd, const char *path)
{
    struct stat opened;
    struct stat named;

    return fstat(fd, &opened) == 0 && lstat(path, &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

static void holder_write(int fd, const char *application)
{
    char text[512];
    char host[128] = "";
    char since[32];
    time_t now = time(NULL);
    struct tm utc;
    int len;

    gethostname(host, sizeof host - 1);
    gmtime_r(&now, &utc);
    strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", &utc);
    len = snprintf(text, sizeof text, "pid %ld\nhost %s\nsince %s\napplication %.60s\n",
                   (long)getpid(), host, since, application);
    /* The text only informs: a lock without it is a lock. */
    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)len, 0) != len)
        (void)!ftruncate(fd, 0);
}

static bool holder_read(int fd, struct holder *holder)
{
    char text[512];
    ssize_t len = pread(fd, text, sizeof text - 1, 0);

    if (len <= 0)
        return false;
    text[len] = '\0';
    return sscanf(text, "pid %15s\nhost %127s\nsince %31s\napplication %63[^\n]", holder->pid,
                  holder->host, holder->since, holder->application) >= 3;
}

static mig_status lock_refused(struct mig_conn *conn, int fd, struct mig_err *err)
{
    struct holder holder = {0};
    char host[128] = "";
    const char *hint = "";

    if (!holder_read(fd, &holder))
        return mig_err_set(err, MIG_E_BUSY, "another process holds the run lock of %s",
                           conn->target);
    gethostname(host, sizeof host - 1);
    if (strcmp(host, holder.host) == 0 && kill((pid_t)strtol(holder.pid, NULL, 10), 0) != 0 &&
        errno == ESRCH)
        hint = "; that process is gone, a child of it keeps the lock";
    return mig_err_set(err, MIG_E_BUSY,
                       "process %s on %s holds the run lock of %s since %s%s%s%s%s", holder.pid,
                       holder.host, conn->target, holder.since, holder.application[0] ? " (" : "",
                       holder.application, holder.application[0] ? ")" : "", hint);
}

/* One try; `*stale` when the file was removed meanwhile. */
static mig_status lock_once(struct mig_conn *conn, const char *path, bool *stale,
                            struct mig_err *err)
{
    AUTO(fd) int fd = lock_open(conn, path);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    *stale = false;
    if (fd < 0)
        return lock_errno(err, path, errno);
    if (fcntl(fd, F_OFD_SETLK, &whole) != 0) {
        if (errno == EAGAIN || errno == EACCES)
            return lock_refused(conn, fd, err);
        return lock_errno(err, path, errno);
    }
    if (!lock_current(fd, path)) {
        *stale = true;
        return mig_err_set(err, MIG_E_BUSY, "the lock file %s is removed again and again", path);
    }
    holder_write(fd, conn->application);
    conn->lock_fd = fd;
    fd = -1;
    return MIG_OK;
}

mig_status lock_try(struct mig_conn *conn, const char *name, struct mig_err *err)
{
    AUTO(free) char *path = NULL;
    mig_status status;
    bool stale;
    int tries = 0;

    (void)name; /* one lock a database: the name is the file's */
    if (conn->lock_fd >= 0 || !conn->path)
        return MIG_OK;
    if (asprintf(&path, "%s.mighost-lock", conn->path) < 0) {
        path = NULL;
        return fault_nomem(err);
    }
    do {
        status = lock_once(conn, path, &stale, err);
    } while (stale && ++tries < LOCK_TRIES);
    return status;
}

void lock_release(struct mig_conn *conn)
{
    if (conn->lock_fd < 0)
        return;
    (void)!ftruncate(conn->lock_fd, 0);
    close(conn->lock_fd);
    conn->lock_fd = -1;
}
