/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's one exported symbol: the table that the host calls through. It
 * holds no state and adds nothing but the lists of the driver's properties.
 */
#include "pg.h"

static const char *const schemes[] = {"postgres", "postgresql", NULL};

/* The author of a module who takes the handle may do anything with it. */
static void *native_handle(struct mig_conn *conn)
{
    if (conn->guarded)
        session_touched(conn, NULL);
    return conn->pg;
}

static int64_t last_changes(struct mig_conn *conn)
{
    return conn->changes;
}

const struct mig_driver mig_driver = {
    .size = sizeof(struct mig_driver),
    .abi_major = MIG_DRIVER_ABI_MAJOR,
    .abi_minor = MIG_DRIVER_ABI_MINOR,
    .name = "postgres",
    .schemes = schemes,
    .lexis = MIG_LEX_NESTED_COMMENTS | MIG_LEX_DOLLAR_QUOTES | MIG_LEX_ESCAPE_STRINGS |
             MIG_LEX_ATOMIC_BODIES | MIG_LEX_PAREN_DEPTH | MIG_LEX_COPY_STDIN,
    .blob_type = "bytea",
    .key_type = "bigint",
    .open = connection_open,
    .close = connection_close,
    .info = connection_info,
    .lock_try = lock_try,
    .unlock = lock_release,
    .begin = tx_begin,
    .commit = tx_commit,
    .rollback = tx_rollback,
    .in_tx = tx_open,
    .reset = session_reset,
    .guard = session_guard,
    .exec = text_exec,
    .prepare = cursor_prepare,
    .bind = cursor_bind,
    .step = cursor_step,
    .restart = cursor_restart,
    .finalize = cursor_finalize,
    .column_count = cursor_column_count,
    .column_name = cursor_column_name,
    .column = cursor_column,
    .changes = last_changes,
    .table_exists = catalog_table_exists,
    .primary_key = catalog_primary_key,
    .outside_tx = settle_outside_tx,
    .settle = settle_statement,
    .update_batch = batch_update,
    .native = native_handle,
    .insert_batch = copy_batch,
    .run_series = series_run,
    .estimate = catalog_estimate,
    .lag_ms = standby_lag,
    .parallel = true,
    .turns = 4,
};
