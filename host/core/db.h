/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handle that a module's up() or down() is given: the API table over a
 * driver's connection. Checks what modules get wrong, keeps the reason of the
 * last failure, closes what a module leaves open. Steps of a durable
 * migration, transforms and loads are its owner's, through the functions of the
 * configuration. Begins and ends no transaction. Not thread-safe.
 */
#ifndef MIGHOST_DB_H
#define MIGHOST_DB_H

#include "err.h"
#include "mig/driver.h"
#include "sha256.h"

#include <stdbool.h>
#include <sys/types.h>

struct db;
struct db_stmt;

/* Functions may be NULL. `ctx` is passed to those that take one. */
struct db_config {
    const struct mig_driver *driver;
    struct mig_conn *conn;
    const char *const *params;  /* "key=value", NULL at the end; may be NULL */
    const char *const *secrets; /* likewise */
    const char *protect;        /* for the driver's guard, on while module code runs; or NULL */
    enum mig_mode mode;
    void (*log)(void *ctx, enum mig_level level, const char *text);
    void (*progress)(void *ctx, int64_t done, int64_t total);
    /* 0, or the status that ends every further call. */
    mig_status (*cancelled)(void *ctx);
    /* Around each mig_exec(), mig_transform() and mig_load(), not within a callback.
     * `kind` is "exec", "transform" or "load"; `*skip`: it is done already, and step_end() is
     * not called. Nor is it called after a failure: then the handle refuses
     * every further step, and undoing is the owner's. */
    mig_status (*step_begin)(void *ctx, const char *kind, const char *text, bool *skip,
                             struct mig_err *err);
    mig_status (*step_end)(void *ctx, struct mig_err *err);
    /* After a mig_exec() that failed, the `attempt`th from 1: MIG_OK when it is
     * to be made again, in a transaction that was begun anew. */
    mig_status (*step_again)(void *ctx, int attempt, struct mig_err *err);
    /* The guard is off while it runs; db_guard() is for the callback. */
    mig_status (*transform)(struct db *db, const struct mig_transform *spec, struct mig_err *err);
    mig_status (*row_get)(const struct mig_row *row, int column, struct mig_value *out);
    mig_status (*row_set)(struct mig_row *row, int column, const struct mig_value *value);
    /* The guard stays on. `*rows`: how many there are more. */
    mig_status (*load)(struct db *db, const struct mig_load *spec, int64_t *rows,
                       struct mig_err *err);
    void *ctx;
};

#define DB_GRAVEYARD 64 /* ended statements whose handles are still recognised */

struct db {
    struct mig_db base; /* what the module holds; first */
    pid_t owner;        /* the process whose session it is */
    struct db_config config;
    struct mig_err err;      /* of the last failure */
    bool err_is_old;         /* other calls have succeeded since */
    char fail[MIG_TEXT_MAX]; /* the module's own words, or "" */
    mig_status final;        /* negative: no further call is answered otherwise */
    const char *callback;    /* whose callback is running: "transform", "load", or NULL */
    bool guarded;
    int64_t changes;
    int64_t progress_done;
    int64_t progress_total;
    int64_t progress_at_ms;
    bool progress_held; /* a report that was held back */
    struct sha256 hash;
    bool has_hash;
    struct db_stmt *open; /* statements that live */
    struct db_stmt *dead[DB_GRAVEYARD];
    size_t next_dead;
};

/* Fills in a handle for the connection, and turns the guard on. */
void db_open(struct db *db, const struct db_config *config);
/* Closes statements, reports held progress, turns the guard off. Keeps the
 * error. Accepts a zeroed handle. */
void db_close(struct db *db);

/* The module's function came to its end: whether in the process that called it.
 * A child of it that returns must touch nothing of its parent's session. */
bool db_came_back(const struct db *db);
/* Whether a callback was left by a jump or an exception, and so never came to its
 * end: what ran around it is gone. Is then the reason of the failure. */
bool db_jumped(struct db *db);

/* What the module calls: &db->base. */
static inline struct mig_db *db_handle(struct db *db)
{
    return &db->base;
}

static inline struct db *db_of(const struct mig_db *handle)
{
    return (struct db *)(void *)(uintptr_t)handle;
}

/* Turns the guard on or off; returns how it was. */
bool db_guard(struct db *db, bool on);

/* What became of up() or down() that returned `returned`: MIG_OK, or a failure
 * with its sentence in `err`. Only failures that the database itself reported
 * keep statuses that mean more than "the migration failed". */
mig_status db_outcome(struct db *db, mig_status returned, struct mig_err *err);

/* Before a callback is called: what was said before is none of its. */
void db_callback_begin(struct db *db);
/* Why a callback failed that returned `status`, behind the words that say where:
 * its own sentence, else the database's, else what was returned. Keeps the status
 * of a failure of the database. */
MIG_PRINTF(4, 5)
mig_status db_callback_failed(struct db *db, mig_status status, struct mig_err *err,
                              const char *format, ...);

/* Keeps `err` as the last failure, unless it only follows from the one before;
 * returns its status. */
mig_status db_failed(struct db *db, const struct mig_err *err);

#endif
