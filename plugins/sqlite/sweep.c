/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a batch in one sweep: where the keys are whole numbers that follow
 * each other closely, one UPDATE walks their range and asks two functions of
 * ours, whether a row is in the batch and still as it was read, and for its new
 * values. That saves compiling, seeking and ending a statement a row. The
 * functions answer only while a batch is being written, and not in a schema.
 */
#include "conn.h"

enum {
    SWEEP_FEWEST = 8,  /* rows; below, one UPDATE a row is as good */
    SWEEP_SPARSEST = 4 /* numbers in the range for one key in the batch */
};

bool sweep_suits(const struct mig_batch *batch)
{
    const struct mig_value *keys = batch->key_values;
    size_t row;

    if (batch->key_count != 1 || batch->rows < SWEEP_FEWEST)
        return false;
    for (row = 0; row < batch->write_count; row++)
        if (strcmp(batch->writes[row], batch->keys[0]) == 0)
            return false;
    for (row = 0; row < batch->rows; row++)
        if (keys[row].type != MIG_INT64 || (row && keys[row].as.int64 <= keys[row - 1].as.int64))
            return false;
    return (uint64_t)keys[batch->rows - 1].as.int64 - (uint64_t)keys[0].as.int64 <
           (uint64_t)batch->rows * SWEEP_SPARSEST;
}

/* The row of the batch with this key; rows mostly come in the batch's order. */
static bool row_find(struct sweep *sweep, sqlite3_int64 key, size_t *out)
{
    const struct mig_value *keys = sweep->batch->key_values;
    size_t low = 0;
    size_t high = sweep->batch->rows;

    if (sweep->at < high && keys[sweep->at].as.int64 == key) {
        *out = sweep->at;
        return true;
    }
    if (sweep->at + 1 < high && keys[sweep->at + 1].as.int64 == key) {
        *out = ++sweep->at;
        return true;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (keys[middle].as.int64 < key)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == sweep->batch->rows || keys[low].as.int64 != key)
        return false;
    *out = sweep->at = low;
    return true;
}

static bool same_bytes(const void *data, int len, const struct mig_value *old)
{
    return (size_t)len == old->len && (!len || memcmp(data, old->as.data, old->len) == 0);
}

static bool same_value(sqlite3_value *value, const struct mig_value *old)
{
    switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
        return old->type == MIG_INT64 && sqlite3_value_int64(value) == old->as.int64;
    case SQLITE_FLOAT:
        return old->type == MIG_DOUBLE && sqlite3_value_double(value) == old->as.real;
    case SQLITE_TEXT:
        return old->type == MIG_TEXT &&
               same_bytes(sqlite3_value_text(value), sqlite3_value_bytes(value), old);
    case SQLITE_BLOB:
        return old->type == MIG_BLOB &&
               same_bytes(sqlite3_value_blob(value), sqlite3_value_bytes(value), old);
    default: return old->type == MIG_NULL;
    }
}

/* mighost_unchanged(key, reads ...): the row is in the batch, and as it was; without
 * reads, that it is in the batch. */
static void on_unchanged(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct sweep *sweep = (struct sweep *)sqlite3_user_data(context);
    bool same;
    size_t row = 0;
    int i;

    if (!sweep->batch || count > (int)sweep->batch->read_count + 1) {
        sqlite3_result_error(context, "mighost_unchanged() is the driver's own", -1);
        return;
    }
    same = sqlite3_value_type(values[0]) == SQLITE_INTEGER &&
           row_find(sweep, sqlite3_value_int64(values[0]), &row);
    for (i = 1; same && i < count; i++)
        same = same_value(values[i],
                          &sweep->batch->olds[row * sweep->batch->read_count + (size_t)i - 1]);
    sqlite3_result_int(context, same);
}

/* mighost_new(key, column): the value to write. */
static void on_new(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct sweep *sweep = (struct sweep *)sqlite3_user_data(context);
    size_t column = (size_t)sqlite3_value_int(values[1]);
    size_t row;

    (void)count;
    if (!sweep->batch || column >= sweep->batch->write_count ||
        !row_find(sweep, sqlite3_value_int64(values[0]), &row)) {
        sqlite3_result_error(context, "mighost_new() is the driver's own", -1);
        return;
    }
    sweep->written[row] = true;
    value_result(context, &sweep->batch->news[row * sweep->batch->write_count + column]);
}

int sweep_install(struct mig_conn *conn)
{
    int rc;

    if (conn->sweep.installed)
        return SQLITE_OK;
    rc = sqlite3_create_function(conn->db, "mighost_unchanged", -1, SQLITE_UTF8 | SQLITE_DIRECTONLY,
                                 &conn->sweep, on_unchanged, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function(conn->db, "mighost_new", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY,
                                     &conn->sweep, on_new, NULL, NULL);
    conn->sweep.installed = rc == SQLITE_OK;
    return rc;
}

bool sweep_is_dense(const struct mig_batch *batch)
{
    const struct mig_value *keys = batch->key_values;

    return (uint64_t)keys[batch->rows - 1].as.int64 - (uint64_t)keys[0].as.int64 == batch->rows - 1;
}

char *sweep_sql(const struct mig_batch *batch, enum sweep_how how)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);
    size_t i;

    sqlite3_str_appendf(sql, "UPDATE %s SET ", batch->table);
    for (i = 0; i < batch->write_count; i++)
        sqlite3_str_appendf(sql, "%s%s = mighost_new(%s, %d)", i ? ", " : "", batch->writes[i],
                            batch->keys[0], (int)i);
    sqlite3_str_appendf(sql, " WHERE %s BETWEEN ? AND ?", batch->keys[0]);
    if (how == SWEEP_ALL)
        return sqlite3_str_finish(sql);
    sqlite3_str_appendf(sql, " AND mighost_unchanged(%s", batch->keys[0]);
    for (i = 0; how == SWEEP_COMPARE && i < batch->read_count; i++)
        sqlite3_str_appendf(sql, ", %s", batch->reads[i]);
    sqlite3_str_appendall(sql, ")");
    return sqlite3_str_finish(sql);
}

/* Writes the batch; on failure the whole statement is undone. */
int sweep_run(struct mig_conn *conn, const struct mig_batch *batch, bool *written)
{
    int rc = sqlite3_bind_int64(conn->batch, 1, batch->key_values[0].as.int64);

    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(conn->batch, 2, batch->key_values[batch->rows - 1].as.int64);
    if (rc != SQLITE_OK)
        return rc;
    memset(written, 0, batch->rows * sizeof *written);
    conn->sweep.batch = batch;
    conn->sweep.written = written;
    conn->sweep.at = 0;
    sqlite3_step(conn->batch);
    rc = sqlite3_reset(conn->batch);
    conn->sweep.batch = NULL;
    if (rc == SQLITE_OK)
        conn->changes = sqlite3_changes64(conn->db);
    return rc;
}
