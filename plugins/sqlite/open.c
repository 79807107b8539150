/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening: from a URL to a handle. The path is made absolute and free of
 * symbolic links, so that one database has one name, one journal and one lock
 * file. What stands in the way is looked at before SQLite is asked, because its
 * own answer is one code for many causes; SQLite alone opens the file.
 */
#include "conn.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>

enum { SMALLEST_DATABASE = 512 }; /* one page of the smallest size */

static mig_status nomem_or(mig_status status, struct mig_err *err, const char *path,
                           const char *what)
{
    if (errno == ENOMEM)
        return fault_nomem(err);
    return mig_err_set(err, status, "cannot open the database %s: %s: %s", path, what,
                       strerror(errno));
}

/* The part of the URL that names the file: "PATH", "///abs", ":memory:". */
static mig_status url_path(const char *url, const char **out, struct mig_err *err)
{
    static const char *const schemes[] = {"sqlite:", "sqlite3:"};
    const char *path = NULL;

    for (size_t i = 0; url && i < sizeof schemes / sizeof *schemes; i++)
        if (strncmp(url, schemes[i], strlen(schemes[i])) == 0)
            path = url + strlen(schemes[i]);
    if (!path)
        return mig_err_set(err, MIG_E_USAGE, "not a URL of a SQLite database: write sqlite:PATH");
    if (strncmp(path, "//", 2) == 0) {
        if (path[2] != '/')
            return mig_err_set(err, MIG_E_USAGE,
                               "%s names a server, and SQLite has none: write sqlite:PATH, or "
                               "sqlite:///PATH with an absolute path",
                               url);
        path += 2;
    }
    if (!path[0])
        return mig_err_set(err, MIG_E_USAGE,
                           "%s names no file: write sqlite:PATH or sqlite::memory:", url);
    if (strchr(path, '?'))
        return mig_err_set(err, MIG_E_USAGE,
                           "%s: options behind a question mark are not supported for SQLite", url);
    *out = path;
    return MIG_OK;
}

/* The path of a file that is not there yet: its folder must be. */
static mig_status resolve_missing(const char *path, bool create, char **out, struct mig_err *err)
{
    AUTO(free) char *for_folder = strdup(path);
    AUTO(free) char *for_name = strdup(path);
    AUTO(free) char *folder = NULL;
    struct stat link;

    if (!for_folder || !for_name)
        return fault_nomem(err);
    if (lstat(path, &link) == 0)
        return mig_err_set(err, create ? MIG_E_UNREACHABLE : MIG_E_NOTFOUND,
                           "%s is a symbolic link to a file that does not exist", path);
    folder = realpath(dirname(for_folder), NULL);
    if (!folder && errno == ENOENT)
        return mig_err_set(err, create ? MIG_E_UNREACHABLE : MIG_E_NOTFOUND,
                           "cannot open the database %s: its folder does not exist", path);
    if (!folder)
        return nomem_or(MIG_E_UNREACHABLE, err, path, "its folder cannot be entered");
    if (!create)
        return mig_err_set(err, MIG_E_NOTFOUND, "the database %s does not exist", path);
    if (asprintf(out, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, basename(for_name)) < 0) {
        *out = NULL;
        return fault_nomem(err);
    }
    return MIG_OK;
}

static mig_status path_resolve(const char *path, uint32_t flags, char **out, struct mig_err *err)
{
    bool create = (flags & MIG_OPEN_CREATE) && !(flags & MIG_OPEN_READONLY);

    *out = realpath(path, NULL);
    if (*out)
        return MIG_OK;
    if (errno == ENOENT)
        return resolve_missing(path, create, out, err);
    return nomem_or(MIG_E_UNREACHABLE, err, path, "the path cannot be followed");
}

/* Looks at the file that is there for what SQLite would not tell apart. */
static mig_status file_inspect(struct mig_conn *conn, struct mig_err *err)
{
    bool writing = !(conn->config.flags & MIG_OPEN_READONLY);
    AUTO(free) char *copy = NULL;
    struct stat file;

    if (stat(conn->path, &file) == 0) {
        if (S_ISDIR(file.st_mode))
            return mig_err_set(err, MIG_E_UNREACHABLE, "%s is a folder, not a database",
                               conn->path);
        if (!S_ISREG(file.st_mode))
            return mig_err_set(err, MIG_E_UNREACHABLE, "%s is not a regular file", conn->path);
        if (access(conn->path, R_OK) != 0)
            return nomem_or(MIG_E_UNREACHABLE, err, conn->path, "it may not be read");
        if (writing && access(conn->path, W_OK) != 0)
            return mig_err_set(err, MIG_E_READONLY, "the database %s is read-only: %s", conn->path,
                               strerror(errno));
        if (file.st_size > 0 && file.st_size < SMALLEST_DATABASE)
            return mig_err_set(err, MIG_E_CORRUPT,
                               "%s is not a SQLite database, or was cut short: it has %lld bytes",
                               conn->path, (long long)file.st_size);
    }
    copy = strdup(conn->path);
    if (!copy)
        return fault_nomem(err);
    if (writing && access(dirname(copy), W_OK) != 0)
        return mig_err_set(err, MIG_E_READONLY,
                           "the folder of %s cannot be written, and SQLite needs to make its "
                           "journal there: %s",
                           conn->path, strerror(errno));
    return MIG_OK;
}

/* A write-ahead log with nothing in it, in a folder that cannot be written:
 * SQLite can then only read the file by trusting that nobody writes it. */
static int open_immutable(struct mig_conn *conn)
{
    AUTO(free) char *log = NULL;
    AUTO(free) char *uri = NULL;
    struct stat file;
    const char *from;
    char *to;

    if (asprintf(&log, "%s-wal", conn->path) < 0) {
        log = NULL;
        return SQLITE_NOMEM;
    }
    if (stat(log, &file) == 0 && file.st_size > 0)
        return SQLITE_CANTOPEN;
    uri = (char *)malloc(3 * strlen(conn->path) + sizeof "file:?immutable=1");
    if (!uri)
        return SQLITE_NOMEM;
    to = stpcpy(uri, "file:");
    for (from = conn->path; *from; from++) {
        if (strchr("?#%", *from))
            to += snprintf(to, 4, "%%%02X", (unsigned int)(unsigned char)*from);
        else
            *to++ = *from;
    }
    stpcpy(to, "?immutable=1");
    return sqlite3_open_v2(uri, &conn->db,
                           SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, NULL);
}

/* A reader opens for writing where it may: only so can SQLite roll back the
 * journal of a crash, and remove the log files that it made. query_only keeps
 * its statements from writing. */
static int open_handle(struct mig_conn *conn)
{
    bool reading = conn->config.flags & MIG_OPEN_READONLY;
    bool create = (conn->config.flags & MIG_OPEN_CREATE) && !reading;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;

    if (!conn->path)
        return sqlite3_open_v2(":memory:", &conn->db, flags | SQLITE_OPEN_CREATE, NULL);
    if (reading && access(conn->path, W_OK) != 0)
        flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    return sqlite3_open_v2(conn->path, &conn->db, flags | (create ? SQLITE_OPEN_CREATE : 0),
                           conn->files->name);
}

static mig_status connect_once(struct mig_conn *conn, int (*opener)(struct mig_conn *),
                               struct mig_err *err)
{
    int rc = opener(conn);
    mig_status status = MIG_OK;

    if (rc != SQLITE_OK)
        status = fault_report(conn, conn->db ? sqlite3_extended_errcode(conn->db) : rc, err);
    else
        status = session_configure(conn, err);
    if (status == MIG_OK && !(conn->config.flags & MIG_OPEN_READONLY) &&
        sqlite3_db_readonly(conn->db, "main") == 1)
        status = mig_err_set(err, MIG_E_READONLY, "the database %s is read-only", conn->target);
    if (status != MIG_OK)
        conn_disconnect(conn);
    return status;
}

mig_status conn_connect(struct mig_conn *conn, struct mig_err *err)
{
    mig_status status;

    if (!conn->files && vfs_install(conn) != SQLITE_OK)
        return fault_nomem(err);
    status = connect_once(conn, open_handle, err);
    if ((status == MIG_E_UNREACHABLE || status == MIG_E_READONLY) && conn->path &&
        (conn->config.flags & MIG_OPEN_READONLY) &&
        connect_once(conn, open_immutable, NULL) == MIG_OK)
        return MIG_OK;
    return status;
}

/* A statement that a module made through the native handle, and left, keeps the
 * handle half alive until it ends; and with it what the handle opens files by, but
 * nothing that would call us. */
static void close_handle(struct mig_conn *conn)
{
    if (sqlite3_close(conn->db) != SQLITE_OK) {
        tx_uninstall(conn);
        sqlite3_set_authorizer(conn->db, NULL, NULL);
        sqlite3_busy_handler(conn->db, NULL, NULL);
        sqlite3_progress_handler(conn->db, 0, NULL, NULL);
        sqlite3_close_v2(conn->db);
        conn->files = NULL;
    }
    conn->db = NULL;
}

void conn_disconnect(struct mig_conn *conn)
{
    int i;

    if (!conn->db)
        return;
    tx_rollback(conn);
    cursor_suspend_all(conn);
    batch_forget(conn);
    foreign_clear(conn);
    journal_release(conn);
    for (i = 0; i < OWN_COUNT; i++) {
        sqlite3_finalize(conn->own[i]);
        conn->own[i] = NULL;
    }
    conn->streams = 0;
    conn->sweep.installed = false;
    close_handle(conn);
}

mig_status conn_ready(struct mig_conn *conn, struct mig_err *err)
{
    if (conn->db)
        return MIG_OK;
    return mig_err_set(err, MIG_E_CONNECTION,
                       "%s is closed: it could not be opened again after a session reset",
                       conn->target);
}

void conn_close(struct mig_conn *conn)
{
    if (!conn)
        return;
    conn_disconnect(conn);
    vfs_remove(conn);
    lock_release(conn);
    free(conn->window);
    free(conn->application);
    free(conn->target);
    free(conn->path);
    free(conn);
}

static void auto_conn(struct mig_conn **conn)
{
    conn_close(*conn);
}

static mig_status conn_new(const struct mig_driver_config *config, struct mig_conn **out,
                           struct mig_err *err)
{
    AUTO(conn) struct mig_conn *conn = (struct mig_conn *)calloc(1, sizeof *conn);

    if (!conn)
        return fault_nomem(err);
    conn->lock_fd = -1;
    conn->config = *config;
    conn->config.url = NULL;
    conn->config.application = NULL;
    conn->application = strdup(config->application ? config->application : "");
    if (!conn->application)
        return fault_nomem(err);
    *out = conn;
    conn = NULL;
    return MIG_OK;
}

mig_status conn_open(const struct mig_driver_config *config, struct mig_conn **out,
                     struct mig_err *err)
{
    AUTO(conn) struct mig_conn *conn = NULL;
    const char *path = NULL;
    mig_status status = url_path(config->url, &path, err);

    if (status == MIG_OK)
        status = conn_new(config, &conn, err);
    if (status == MIG_OK && strcmp(path, ":memory:") != 0)
        status = path_resolve(path, config->flags, &conn->path, err);
    if (status != MIG_OK)
        return status;
    if (asprintf(&conn->target, "sqlite:%s", conn->path ? conn->path : ":memory:") < 0) {
        conn->target = NULL;
        return fault_nomem(err);
    }
    if (conn->path)
        status = file_inspect(conn, err);
    if (status == MIG_OK)
        status = conn_connect(conn, err);
    if (status != MIG_OK)
        return status;
    *out = conn;
    conn = NULL;
    return MIG_OK;
}
