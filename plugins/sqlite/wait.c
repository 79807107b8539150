/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting: how a locked file is waited for, and how a long statement is asked
 * whether it should stop. Every wait ends by the busy timeout or because the
 * host said so. The one who waits long is told whom it waits for, as far as the
 * system's table of locks knows. The database file itself is never opened here:
 * closing it again would drop SQLite's own locks.
 */
#include "conn.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

enum {
    WAIT_FIRST_MS = 1,
    WAIT_LONGEST_MS = 50,
    WAIT_TELL_MS = 500,     /* a wait that a person notices */
    PROGRESS_STEPS = 10000, /* of the engine's machine: well under a millisecond */
};

int64_t wait_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool wait_cancelled(struct mig_conn *conn)
{
    if (!conn->config.cancelled)
        return false;
    conn->cancelled = conn->config.cancelled(conn->config.arg);
    return conn->cancelled != MIG_OK;
}

/* "1: POSIX  ADVISORY  WRITE 4242 08:01:131 0 EOF"; 0 when it is another file. */
static pid_t lock_line_holder(const char *line, const char *file)
{
    char pid[16];
    char locked[64];

    if (sscanf(line, "%*s %*s %*s %*s %15s %63s", pid, locked) != 2 || strcmp(locked, file) != 0)
        return 0;
    return (pid_t)strtol(pid, NULL, 10);
}

pid_t wait_holder(struct mig_conn *conn)
{
    struct stat file;
    char name[64];
    char line[256];
    pid_t holder = 0;
    FILE *locks;

    if (!conn->path || stat(conn->path, &file) != 0)
        return 0;
    snprintf(name, sizeof name, "%02x:%02x:%llu", major(file.st_dev), minor(file.st_dev),
             (unsigned long long)file.st_ino);
    locks = fopen("/proc/locks", "re");
    if (!locks)
        return 0;
    while (holder <= 0 && fgets(line, sizeof line, locks)) {
        holder = lock_line_holder(line, name);
        if (holder == getpid())
            holder = 0;
    }
    fclose(locks);
    return holder;
}

static void wait_tell(struct mig_conn *conn)
{
    pid_t holder = wait_holder(conn);
    char text[512];

    conn->busy_told = true;
    if (!conn->config.waiting)
        return;
    if (holder > 0)
        snprintf(text, sizeof text, "%s, which process %ld has locked", conn->target, (long)holder);
    else
        snprintf(text, sizeof text, "%s, which another process has locked", conn->target);
    conn->config.waiting(conn->config.arg, text);
}

static int on_busy(void *arg, int count)
{
    struct mig_conn *conn = (struct mig_conn *)arg;
    int64_t now = wait_now_ms();
    int64_t pause_ms;
    int64_t left_ms;

    if (count == 0) {
        conn->busy_since_ms = now;
        conn->busy_told = false;
    }
    left_ms = conn->config.busy_timeout_ms - (now - conn->busy_since_ms);
    if (left_ms <= 0 || wait_cancelled(conn))
        return 0;
    if (!conn->busy_told && now - conn->busy_since_ms >= WAIT_TELL_MS)
        wait_tell(conn);
    pause_ms = count < 6 ? WAIT_FIRST_MS << count : WAIT_LONGEST_MS;
    if (pause_ms > left_ms)
        pause_ms = left_ms;
    nanosleep(&(struct timespec){0, (long)pause_ms * 1000000}, NULL);
    return 1;
}

static int on_progress(void *arg)
{
    return wait_cancelled((struct mig_conn *)arg);
}

void wait_install(struct mig_conn *conn)
{
    sqlite3_busy_handler(conn->db, on_busy, conn);
    if (conn->config.cancelled)
        sqlite3_progress_handler(conn->db, PROGRESS_STEPS, on_progress, conn);
}
