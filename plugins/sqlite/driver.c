/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite driver: the one exported table and what is too small for a file of
 * its own. Each function's work is in the file that its name begins with. The
 * driver speaks to a database in a file or in memory and knows nothing of
 * migrations, histories or bundles.
 */
#include "conn.h"

static const char *conn_info(struct mig_conn *conn, enum mig_info what)
{
    switch (what) {
    case MIG_INFO_VERSION: return sqlite3_libversion();
    case MIG_INFO_TARGET: return conn->target;
    case MIG_INFO_SCHEMA: return "main";
    case MIG_INFO_USER:
    case MIG_INFO_LEASE: break;
    }
    return "";
}

static mig_status conn_begin(struct mig_conn *conn, const struct mig_tx_options *options,
                             struct mig_err *err)
{
    mig_status status = conn_ready(conn, err);

    return status == MIG_OK ? tx_begin(conn, options, err) : status;
}

static mig_status conn_reset(struct mig_conn *conn, struct mig_err *err)
{
    mig_status status = conn_ready(conn, err);

    return status == MIG_OK ? session_reset(conn, err) : status;
}

static int64_t conn_changes(struct mig_conn *conn)
{
    return conn->changes;
}

/* What is done through the handle is not seen here: so the session is made
 * anew afterwards, every foreign key is watched, and the journal is as a user of
 * SQLite expects it. */
static void *conn_native(struct mig_conn *conn)
{
    conn->dirty |= DIRT_SETTINGS;
    if (conn->db) {
        foreign_watch_all(conn);
        journal_release(conn);
    }
    return conn->db;
}

static const char *const schemes[] = {"sqlite", NULL};

MIG_EXPORT const struct mig_driver mig_driver = {
    .size = sizeof(struct mig_driver),
    .abi_major = MIG_DRIVER_ABI_MAJOR,
    .abi_minor = MIG_DRIVER_ABI_MINOR,
    .name = "sqlite",
    .schemes = schemes,
    .lexis =
        MIG_LEX_BRACKETS | MIG_LEX_TRIGGER_BODIES | MIG_LEX_COPY_STDIN | MIG_LEX_QUESTION_MARKS,
    .blob_type = "BLOB",
    .key_type = "INTEGER", /* the rowid itself: no index beside it */
    .open = conn_open,
    .close = conn_close,
    .info = conn_info,
    .lock_try = lock_try,
    .unlock = lock_release,
    .begin = conn_begin,
    .commit = tx_commit,
    .rollback = tx_rollback,
    .in_tx = tx_open,
    .reset = conn_reset,
    .guard = guard_set,
    .exec = exec_text,
    .prepare = cursor_prepare,
    .bind = cursor_bind,
    .step = cursor_step,
    .restart = cursor_restart,
    .finalize = cursor_finalize,
    .column_count = cursor_column_count,
    .column_name = cursor_column_name,
    .column = cursor_column,
    .changes = conn_changes,
    .table_exists = schema_table_exists,
    .primary_key = schema_primary_key,
    .outside_tx = text_outside_tx,
    .settle = text_settle,
    .update_batch = batch_update,
    .native = conn_native,
    .insert_batch = insert_batch,
    .run_series = series_run,
    .alone = true,
};
