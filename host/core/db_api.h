/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of a module's handle share: the functions of the API table, as
 * mig.h documents them, and how they fail. For these files alone.
 */
#ifndef MIGHOST_DB_API_H
#define MIGHOST_DB_API_H

#include "db.h"

/* What every call asks first: whether it may still be answered. */
mig_status db_ready(struct db *db);
/* The same of a call that goes to the database: a child that the module has made
 * would speak into its parent's session. */
mig_status db_ready_here(struct db *db);
/* The module's own fault, kept as the last failure; returns `status`. */
MIG_PRINTF(3, 4)
mig_status db_misuse(struct db *db, mig_status status, const char *format, ...);
/* A driver's failure: the statement behind it, and no place, which would be
 * one in the module's text. */
mig_status db_in_statement(struct db *db, struct mig_err *err, mig_status status,
                           const char *excerpt);
mig_status db_went_well(struct db *db, mig_status status);

/* ---- db_step.c ---- */

mig_status db_api_exec(struct mig_db *handle, const char *sql);
mig_status db_api_transform(struct mig_db *handle, const struct mig_transform *spec);
mig_status db_api_load(struct mig_db *handle, const struct mig_load *spec);

/* ---- db_stmt.c ---- */

mig_status db_api_prepare(struct mig_db *handle, const char *sql, struct mig_stmt **out);
mig_status db_api_query(struct mig_db *handle, const char *sql, struct mig_stmt **out);
mig_status db_api_bind(struct mig_stmt *handle, int index, const struct mig_value *value);
mig_status db_api_step(struct mig_stmt *handle);
mig_status db_api_reset(struct mig_stmt *handle);
void db_api_finalize(struct mig_stmt *handle);
int db_api_column_count(struct mig_stmt *handle);
const char *db_api_column_name(struct mig_stmt *handle, int column);
mig_status db_api_column(struct mig_stmt *handle, int column, struct mig_value *out);
int64_t db_api_changes(struct mig_db *handle);

/* Whether a value may go to a driver. */
mig_status db_check_value(struct db *db, const struct mig_value *value);
/* Ends the statement; its handle stays readable until the ring comes round. */
void db_bury(struct db *db, struct db_stmt *stmt);

#endif
