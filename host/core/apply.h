/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One migration on one session: begins, runs and records it, so that the work
 * and its history row are one. Used by the host for SQL and registered
 * migrations and by the worker for modules; both hold the lock already. Every
 * function reads the history again first: what another host has done in the
 * meantime is skipped, never done twice. After a failure the session has no
 * open transaction and the log has a row that says so.
 */
#ifndef MIGHOST_APPLY_H
#define MIGHOST_APPLY_H

#include "catalog.h"
#include "history.h"
#include "session.h"

struct spot;

/* The session and the circumstances, the same for all migrations of a run. */
struct apply_session {
    const struct mig_driver *driver;
    struct mig_conn *conn;
    struct history *history;
    const char *run_id;
    const char *who;
    const char *signer;         /* fingerprint of the key that signed the bundle, or "" */
    const char *const *params;  /* "key=value", NULL at the end; may be NULL */
    const char *const *secrets; /* likewise, and hidden in what is said */
    int64_t lock_timeout_ms;
    int64_t statement_timeout_ms;
    int64_t timeout_ms;        /* after which `cancelled` says MIG_E_TIMEOUT, to be told; 0: none */
    int64_t max_rejects;       /* rows that a transform's callback may call bad */
    int64_t throttle;          /* percent of the time that a transform may work; 0: all of it */
    int64_t max_lag_ms;        /* of a standby, for a transform; 0: no limit */
    mighost_listener listener; /* never NULL */
    void *user;
    mig_status (*cancelled)(void *arg); /* may be NULL */
    bool (*paused)(void *arg);          /* may be NULL */
    struct spot *spots; /* where transforms say which row they are at; may be NULL */
    size_t spot_count;
    void *cancel_arg; /* for both */
    /* For further connections of a transform; NULL: there is one. */
    const struct session *session;
    const struct session_config *session_config;
    /* Called by each further thread at its beginning and its end; may be NULL. */
    void (*on_thread)(bool begins);
    int64_t workers; /* of a transform, at most; 0: as its author wants it */
    bool began;      /* set by apply_migration(): something was begun, so a lost
                   connection is not simply tried again */
};

/* The migration. Texts and sources are borrowed for the call. */
struct apply_item {
    enum mighost_direction direction;
    uint64_t id;
    const char *id_text;
    const char *description;
    enum mighost_kind kind;
    enum mig_mode mode;
    char checksum[HISTORY_HEX];
    struct sql_settings settings;
    size_t index; /* for events: `index` of `count` */
    size_t count;
    /* SQL: the text to run (up or down), and the down text to carry. */
    struct sql_source text;
    struct sql_source carry;  /* len -1: nothing to carry */
    struct sql_source verify; /* up: queries that must find nothing; len -1: none */
    /* Modules: the loaded descriptor, and the module's bytes to carry (fd). */
    const struct mig_module *module;
};

/* Makes `item` carry the module's own bytes, where it can be rolled back. */
mig_status apply_carry_module(int memfd, const char *file, struct apply_item *item,
                              struct mig_err *err);

enum apply_outcome { APPLY_DONE, APPLY_SKIPPED };

/* Runs `item`. On success `*out` says whether it was done or had been done. */
mig_status apply_migration(struct apply_session *session, const struct apply_item *item,
                           enum apply_outcome *out, struct mig_err *err);

#endif
