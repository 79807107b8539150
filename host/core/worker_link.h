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
    const char *const *params;
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
    mighost_listener listener;
    void *user;
    mig_status (*cancelled)(void *arg);
    void *cancel_arg;
};

/* How the worker ended, apart from what it reported. */
struct worker_end {
    bool reported; /* a framed result arrived; its error is in `err` */
    bool skipped;  /* it found that another host had done the migration */
    bool timed_out;
    int signal;           /* that ended it, or 0 */
    int exit_status;      /* when no signal ended it */
    char backtrace[4096]; /* symbolised, lines separated by \n; "" where none */
};

/* MIG_OK when the worker reported success. Otherwise `err` has the whole
 * sentence, backtrace included where it crashed (MIG_E_CRASHED). */
mig_status worker_run(const struct worker_job *job, struct worker_end *end, struct mig_err *err);

#endif
