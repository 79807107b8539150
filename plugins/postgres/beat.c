/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heart of a lease: a thread that renews it by a connection of its own, as
 * the first one may be busy, or idle for long while a module computes. It owns
 * that connection, made at the first beat, which short runs never see.
 * Invariant: beat_stop() comes back soon, whatever the server does. It must not
 * judge: a beat that fails is tried again, and the next transaction sees what
 * has become of the lease.
 */
#include "pg.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BEAT_MS 2000
#define STACK_BYTES (512 * 1024)

struct beat {
    pthread_t thread;
    struct mig_conn *conn; /* only for how to connect */
    char *sql;
    int stop_fd;
    PGconn *pg;
};

static bool rest(const struct beat *beat)
{
    struct pollfd fd = {beat->stop_fd, POLLIN, 0};

    return poll(&fd, 1, BEAT_MS) == 0;
}

static void *beat_run(void *arg)
{
    struct beat *beat = arg;

    while (rest(beat)) {
        int64_t deadline_ms = clock_ms() + BEAT_MS;
        PGresult *result = NULL;

        if (!beat->pg)
            beat->pg = aside_open(beat->conn, deadline_ms, beat->stop_fd);
        if (beat->pg)
            result = aside_ask(beat->pg, beat->sql, deadline_ms, beat->stop_fd);
        if (!result) { /* perhaps in the middle of an answer */
            PQfinish(beat->pg);
            beat->pg = NULL;
        }
        PQclear(result);
    }
    PQfinish(beat->pg);
    return NULL;
}

static void beat_free(struct beat *beat)
{
    if (beat->stop_fd >= 0)
        close(beat->stop_fd);
    free(beat->sql);
    free(beat);
}

/* Signals are for the threads that know of them. */
static bool beat_launch(struct beat *beat)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    int failed;

    if (pthread_attr_init(&attributes))
        return false;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&beat->thread, &attributes, beat_run, beat);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return !failed;
}

struct beat *beat_start(struct mig_conn *conn, const char *sql)
{
    struct beat *beat = calloc(1, sizeof *beat);

    if (!beat)
        return NULL;
    beat->conn = conn;
    beat->sql = strdup(sql);
    beat->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (beat->sql && beat->stop_fd >= 0 && beat_launch(beat))
        return beat;
    beat_free(beat);
    return NULL;
}

void beat_stop(struct beat *beat)
{
    uint64_t one = 1;

    if (!beat)
        return;
    /* Where a module has closed it, the beat has ended by itself. */
    while (write(beat->stop_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    pthread_join(beat->thread, NULL);
    beat_free(beat);
}
