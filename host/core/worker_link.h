/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Supervising a worker: starts the process that runs one native migration,
 * hands it the job through a pipe (never argv or environment), relays its
 * events, ends it when it hangs, and tells apart how it ended. Knows nothing of
 * the history: the caller reads there what really happened. The parent holds no
 * database connection meanwhile.
 */
#ifndef MIGHOST_WORKER_LINK_H
#define MIGHOST_WORKER_LINK_H

#include "auto.h"
#include "err.h"
#include <mighost.h>

struct worker_job {
    const char *worker; /* path of mighost-worker */
    int module_fd;      /* sealed memfd with the checked bytes */
    const char *database;
    const char *driver_dir;
    const char *history;
    const char *id;
    const char *description;
    const char *checksum; /* hex, of the module's bytes */
    const char *file;     /* for messages */
    const char *run_id;
    const char *who;
    const char *signer;
    const char *const *params;
    const char *const *secrets;
    const char *const *libraries;
    enum mighost_direction direction;
    size_t index;
    size_t count;
    int64_t wait_ms;
    int64_t timeout_ms; /* 0: none */
    int64_t connect_timeout_ms;
    int64_t busy_timeout_ms;
    int64_t lock_timeout_ms;
    int64_t statement_timeout_ms;
    uint64_t max_memory;
    int64_t max_cpu_ms;
    int64_t max_rejects;
    int64_t throttle;
    int64_t max_lag_ms;
    int64_t workers;
    mighost_listener listener;
    void *user;
    mig_status (*cancelled)(void *arg);
    bool (*paused)(void *arg);
    void *cancel_arg; /* for both */
};

/* How the worker ended, apart from what it reported. */
struct worker_end {
    bool reported;  /* a framed result arrived; its error is in `err` */
    bool skipped;   /* it found that another host had done the migration */
    bool confirmed; /* behind its COMMIT it read in the history that all is as it
                       should be, and it ended as a worker ends */
    bool timed_out;
    int signal;           /* that ended it, or 0 */
    int exit_status;      /* when no signal ended it */
    char backtrace[4096]; /* symbolised, lines separated by \n; "" where none */
};

struct worker;

/* Starts the process, which loads what it needs and then waits to be let go: it
 * neither connects nor runs any of the module. `job` is borrowed until the end. */
mig_status worker_start(const struct worker_job *job, struct worker **out, struct mig_err *err);
/* Lets it go, and returns when it has ended: MIG_OK when it reported success.
 * Otherwise `err` has the whole sentence, backtrace included where it crashed
 * (MIG_E_CRASHED). The caller holds no connection any more. */
mig_status worker_run(struct worker *worker, struct worker_end *end, struct mig_err *err);
/* Ends what still runs. */
void worker_free(struct worker *worker);
AUTO_POINTER(worker, struct worker, worker_free)

#endif
