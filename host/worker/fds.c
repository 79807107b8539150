/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fork handler can be given no argument, so this file keeps its state at file
 * scope; the process has one worker. A lock of the run is the open file's, and a
 * session ends when its connection is closed everywhere: so a child that went on
 * would hold both. What runs in the child is async-signal-safe.
 */
#include "fds.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST 3             /* a child may go on saying something */
#define SESSION 64          /* up to here a session's are looked for */
#define COUNT (SESSION + 1) /* the last is the channel to the host */

/* What a descriptor leads to; of a closed one, nothing. */
struct target {
    int fd;
    dev_t device;
    ino_t inode;
    mode_t kind;
};

static struct target own[COUNT];

static struct target target_of(int fd)
{
    struct stat info;

    if (fstat(fd, &info) < 0)
        return (struct target){.fd = fd};
    return (struct target){fd, info.st_dev, info.st_ino, info.st_mode & S_IFMT};
}

static bool is_same(const struct target *was)
{
    const struct target now = target_of(was->fd);

    return now.kind == was->kind && now.device == was->device && now.inode == was->inode;
}

static void close_in_child(void)
{
    for (int i = FIRST; i < COUNT; i++)
        if (own[i].kind && is_same(&own[i]))
            close(own[i].fd);
}

mig_status fds_note(int control, struct mig_err *err)
{
    for (int i = FIRST; i < COUNT; i++)
        own[i] = target_of(i < SESSION ? i : control);
    if (pthread_atfork(NULL, NULL, close_in_child) != 0)
        return err_nomem(err);
    return MIG_OK;
}

/* A module that closes what is not its own and then opens files may have the
 * engine write, and read, in those. */
bool fds_are_same(void)
{
    for (int i = FIRST; i < COUNT; i++)
        if (own[i].kind && !is_same(&own[i]))
            return false;
    return true;
}
