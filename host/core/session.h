/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session: the one connection on which lock, history and work meet. Opens the
 * driver and the connection, waits for the run lock by polling (a blocked wait
 * inside the server can deadlock with CREATE INDEX CONCURRENTLY), and binds the
 * history. Used by the host and by the worker alike. Runs no migration.
 */
#ifndef MIGHOST_SESSION_H
#define MIGHOST_SESSION_H

#include "driver.h"
#include "history.h"

#define SESSION_APPLICATION "mighost" /* what an engine is told of us; behind it stands the run */

struct session_config {
    const char *database;
    const char *driver_dir;
    const char *history;
    const char *run; /* id of the run; NULL: there is none */
    int64_t wait_ms; /* for the lock; negative: try once */
    int64_t connect_timeout_ms;
    int64_t busy_timeout_ms;
    mighost_listener listener;
    void *user;
    mig_status (*cancelled)(void *arg); /* may be NULL */
    void *cancel_arg;
};

enum session_need {
    SESSION_READ,  /* to look only; a database that is not there is MIG_E_NOTFOUND */
    SESSION_WRITE, /* under the lock, history tables made where missing */
    SESSION_WORK,  /* under the lock; the host has seen to the tables */
    SESSION_JOIN,  /* to write as well, while another session of ours holds the lock */
};

struct session {
    struct session_config config; /* of the last opening */
    char application[sizeof SESSION_APPLICATION + HISTORY_RUN_ID];
    struct driver *plugin;
    const struct mig_driver *driver;
    struct mig_conn *conn;
    struct history *history;
    bool locked;
};

/* `{0}` is a closed one. While it is open it stays where it is in memory. */
mig_status session_open(struct session *session, const struct session_config *config,
                        enum session_need need, struct mig_err *err);
/* Frees the lock and the connection; keeps the plugin for the next opening. */
void session_close(struct session *session);
/* Closes, and lets go of the plugin. */
void session_clear(struct session *session);
AUTO_VALUE(session, struct session, session_clear)

#endif
