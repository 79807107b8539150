/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a batch of rows in one statement: one array a column, binary where
 * the values allow it, unnested beside the table. The types of the columns are
 * looked up once a specification. Invariant: a row is reported as written only
 * if the server returned its number. It must not know where the rows are from.
 */
#include "pg.h"

#include <inttypes.h>

struct batch_column {
    Oid element;
    Oid array;
    bool exact; /* what "=" calls the same is the same */
};

/* The last specification, ready to run. Columns: keys, writes, reads. */
struct batch_plan {
    char *signature;
    char *sql;
    struct batch_column *columns;
    size_t count;
    bool ranged; /* two more parameters bound the first key */
};

static void plan_free(struct batch_plan *plan)
{
    if (!plan)
        return;
    free(plan->signature);
    free(plan->sql);
    free(plan->columns);
    free(plan);
}

static void auto_plan(struct batch_plan **plan)
{
    plan_free(*plan);
}

void batch_forget(struct mig_conn *conn)
{
    plan_free(conn->batch);
    conn->batch = NULL;
}

static size_t column_total(const struct mig_batch *batch)
{
    return batch->key_count + batch->write_count + batch->read_count;
}

static const char *column_name(const struct mig_batch *batch, size_t i)
{
    if (i < batch->key_count)
        return batch->keys[i];
    i -= batch->key_count;
    return i < batch->write_count ? batch->writes[i] : batch->reads[i - batch->write_count];
}

static const struct mig_value *value_at(const struct mig_batch *batch, size_t row, size_t i)
{
    if (i < batch->key_count)
        return &batch->key_values[row * batch->key_count + i];
    i -= batch->key_count;
    if (i < batch->write_count)
        return &batch->news[row * batch->write_count + i];
    return &batch->olds[row * batch->read_count + i - batch->write_count];
}

/* ---- arrays as text ---- */

static void put_element(struct text *text, const char *data, size_t len)
{
    size_t from = 0;

    text_add(text, "\"", 1);
    for (size_t i = 0; i < len; i++) {
        if (data[i] != '"' && data[i] != '\\')
            continue;
        text_add(text, data + from, i - from);
        text_add(text, "\\", 1);
        from = i;
    }
    text_add(text, data + from, len - from);
    text_add(text, "\"", 1);
}

static void put_hex(struct text *text, const struct mig_value *value)
{
    text_put(text, "\"\\\\x");
    text_hex(text, value->as.data, value->len);
    text_add(text, "\"", 1);
}

static mig_status put_text_value(struct text *text, const struct mig_value *value, Oid element,
                                 struct mig_err *err)
{
    char number[NUMBER_ROOM];

    switch (value->type) {
    case MIG_NULL: text_put(text, "NULL"); return MIG_OK;
    case MIG_INT64: text_format(text, "%" PRId64, value->as.int64); return MIG_OK;
    case MIG_DOUBLE:
        text_format(text, "\"%s\"", double_write(number, value->as.real));
        return MIG_OK;
    case MIG_TEXT:
        if (value->len && memchr(value->as.data, '\0', value->len))
            return mig_err_set(err, MIG_E_TYPE, "a text of the batch has a NUL byte");
        put_element(text, value->as.data, value->len);
        return MIG_OK;
    case MIG_BLOB:
        if (element != OID_BYTEA)
            return mig_err_set(err, MIG_E_TYPE, "a blob of the batch goes into no bytea column");
        put_hex(text, value);
        return MIG_OK;
    }
    return mig_err_set(err, MIG_E_TYPE, "a value of the batch has an unknown type");
}

static mig_status text_array(const struct mig_batch *batch, size_t column, Oid element,
                             struct text *text, struct mig_err *err)
{
    text_add(text, "{", 1);
    for (size_t row = 0; row < batch->rows; row++) {
        if (row)
            text_add(text, ",", 1);
        MIG_TRY(put_text_value(text, value_at(batch, row, column), element, err));
    }
    text_add(text, "}", 1);
    return text->failed ? error_nomem(err) : MIG_OK;
}

/* ---- arrays as the server keeps them ---- */

/* How the column can go as it is, or NULL. */
static const struct binary_kind *column_kind(const struct mig_batch *batch, size_t column,
                                             Oid element)
{
    const struct binary_kind *kind = binary_kind(element);

    for (size_t row = 0; kind && row < batch->rows; row++)
        if (!binary_fits(kind, value_at(batch, row, column)))
            return NULL;
    return kind;
}

/* Dimensions, whether there are NULLs, element type; size and lower bound of
 * the one dimension; then each element with its length. */
static mig_status binary_array(const struct mig_batch *batch, size_t column,
                               const struct binary_kind *kind, struct text *text,
                               struct mig_err *err)
{
    binary_int32(text, 1);
    binary_int32(text, 1);
    binary_int32(text, (int64_t)kind->type);
    binary_int32(text, (int64_t)batch->rows);
    binary_int32(text, 1);
    for (size_t row = 0; row < batch->rows; row++)
        binary_put(text, kind, value_at(batch, row, column));
    return text->failed ? error_nomem(err) : MIG_OK;
}

/* ---- the plan ---- */

/* Types as they are stored: of a domain its base. Named are those whose "=" is
 * true of the same bytes alone: booleans, bytes, whole numbers, times, UUIDs. */
static const char types_sql[] =
    "SELECT b.oid, b.typarray, b.oid IN (16, 17, 20, 21, 23, 26, 1082, 1083, 1114, 1184, 2950)"
    " FROM pg_catalog.unnest($2::text[]) WITH ORDINALITY c(name, place)"
    " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = $1::pg_catalog.regclass"
    " AND a.attnum > 0 AND NOT a.attisdropped AND c.name IN (pg_catalog.quote_ident(a.attname),"
    " '\"' || pg_catalog.replace(a.attname, '\"', '\"\"') || '\"')"
    " LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
    " LEFT JOIN pg_catalog.pg_type b"
    " ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END"
    " ORDER BY c.place";

static Oid oid_at(const PGresult *result, int row, int column)
{
    return (Oid)strtoul(PQgetvalue(result, row, column), NULL, 10);
}

static mig_status look_up_types(struct mig_conn *conn, const struct mig_batch *batch,
                                struct batch_plan *plan, struct mig_err *err)
{
    AUTO(result) PGresult *result = NULL;
    AUTO(text) struct text names = {0};
    const char *values[] = {batch->table, NULL};

    for (size_t i = 0; i < plan->count; i++) {
        const char *name = column_name(batch, i);

        text_add(&names, i ? "," : "{", 1);
        put_element(&names, name, strlen(name));
    }
    text_add(&names, "}", 1);
    values[1] = text_string(&names);
    MIG_TRY(names.failed ? error_nomem(err) : wire_ask(conn, types_sql, 2, values, &result, err));
    for (size_t i = 0; i < plan->count && (int)i < PQntuples(result); i++) {
        struct batch_column *column = &plan->columns[i];

        column->element = oid_at(result, (int)i, 0);
        column->array = oid_at(result, (int)i, 1);
        column->exact = *PQgetvalue(result, (int)i, 2) == 't';
        if (!column->element)
            return mig_err_set(err, MIG_E_SQL, "table %s has no column %s", batch->table,
                               column_name(batch, i));
        if (!column->array)
            return mig_err_set(err, MIG_E_UNSUPPORTED,
                               "column %s of table %s has a type that cannot stand in an array",
                               column_name(batch, i), batch->table);
    }
    return MIG_OK;
}

/* What has been read must be the same to the last byte: citext, a collation
 * that ignores case, numeric and interval call more than that equal, and json
 * has no "=" at all. */
static void put_condition(struct text *sql, const struct mig_batch *batch,
                          const struct batch_plan *plan, size_t i)
{
    bool key = i < batch->key_count;
    const char *cast = key || plan->columns[i].exact ? "" : "::text COLLATE \"C\"";

    text_format(sql, "%s %s.%s%s %s mig_v.mig_c%zu%s", i ? " AND" : " WHERE", batch->table,
                column_name(batch, i), cast, key ? "=" : "IS NOT DISTINCT FROM", i, cast);
}

/* The table keeps its name, and what stands beside it has names that no author
 * gives, because the filter is the author's and speaks of both without knowing. */
static void put_sql(struct text *sql, const struct mig_batch *batch, const struct batch_plan *plan)
{
    size_t writes_end = batch->key_count + batch->write_count;

    text_format(sql, "UPDATE %s SET", batch->table);
    for (size_t i = batch->key_count; i < writes_end; i++)
        text_format(sql, "%s %s = mig_v.mig_c%zu", i > batch->key_count ? "," : "",
                    column_name(batch, i), i);
    text_put(sql, " FROM ROWS FROM (");
    for (size_t i = 0; i < plan->count; i++)
        text_format(sql, "%spg_catalog.unnest($%zu)", i ? ", " : "", i + 1);
    text_put(sql, ") WITH ORDINALITY AS mig_v(");
    for (size_t i = 0; i < plan->count; i++)
        text_format(sql, "mig_c%zu, ", i);
    text_put(sql, "mig_place)");
    for (size_t i = 0; i < plan->count; i++)
        if (i < batch->key_count || i >= writes_end)
            put_condition(sql, batch, plan, i);
    if (plan->ranged) /* keeps the planner from reading the whole table */
        text_format(sql, " AND %s.%s BETWEEN $%zu AND $%zu", batch->table, batch->keys[0],
                    plan->count + 1, plan->count + 2);
    if (batch->filter)
        text_format(sql, " AND (%s)", batch->filter);
    text_put(sql, " RETURNING mig_v.mig_place");
}

static char *make_signature(const struct mig_batch *batch)
{
    struct text text = {0};

    text_format(&text, "%s\n%zu\n%zu\n%d", batch->table, batch->key_count, batch->write_count,
                batch->sorted);
    for (size_t i = 0; i < column_total(batch); i++)
        text_format(&text, "\n%s", column_name(batch, i));
    text_format(&text, "\n%s", batch->filter ? batch->filter : "");
    return text.failed ? (text_clear(&text), NULL) : text.data;
}

static mig_status plan_get(struct mig_conn *conn, const struct mig_batch *batch,
                           const struct batch_plan **out, struct mig_err *err)
{
    AUTO(free) char *signature = make_signature(batch);
    AUTO(plan) struct batch_plan *plan = NULL;
    struct text sql = {0};

    if (!signature)
        return error_nomem(err);
    if (conn->batch && !strcmp(conn->batch->signature, signature)) {
        *out = conn->batch;
        return MIG_OK;
    }
    batch_forget(conn);
    plan = calloc(1, sizeof *plan);
    if (!plan || !(plan->columns = calloc(column_total(batch) + 1, sizeof *plan->columns)))
        return error_nomem(err);
    plan->count = column_total(batch);
    MIG_TRY(look_up_types(conn, batch, plan, err));
    plan->ranged = batch->sorted;
    put_sql(&sql, batch, plan);
    plan->sql = sql.data;
    if (sql.failed)
        return error_nomem(err);
    plan->signature = TAKE(signature);
    *out = conn->batch = TAKE(plan);
    return MIG_OK;
}

/* ---- the run ---- */

/* What a run hands to libpq, one array a column and the range of the key. */
struct arrays {
    size_t count;
    struct text *texts;
    const char **values;
    Oid *types;
    int *lengths;
    int *formats;
};

static void arrays_clear(struct arrays *arrays)
{
    for (size_t i = 0; arrays->texts && i < arrays->count; i++)
        text_clear(&arrays->texts[i]);
    free(arrays->texts);
    free(arrays->values);
    free(arrays->types);
    free(arrays->lengths);
    free(arrays->formats);
}

static void auto_arrays(struct arrays *arrays)
{
    arrays_clear(arrays);
}

static bool arrays_init(struct arrays *arrays, size_t count)
{
    arrays->count = count;
    count++; /* never an empty allocation */
    arrays->texts = calloc(count, sizeof *arrays->texts);
    arrays->values = calloc(count, sizeof *arrays->values);
    arrays->types = calloc(count, sizeof *arrays->types);
    arrays->lengths = calloc(count, sizeof *arrays->lengths);
    arrays->formats = calloc(count, sizeof *arrays->formats);
    return arrays->texts && arrays->values && arrays->types && arrays->lengths && arrays->formats;
}

static mig_status array_fill(const struct mig_batch *batch, const struct batch_column *column,
                             size_t i, struct arrays *arrays, struct mig_err *err)
{
    const struct binary_kind *kind = column_kind(batch, i, column->element);
    struct text *text = &arrays->texts[i];

    if (kind)
        MIG_TRY(binary_array(batch, i, kind, text, err));
    else
        MIG_TRY(text_array(batch, i, column->element, text, err));
    if (text->len > INT32_MAX)
        return mig_err_set(err, MIG_E_RANGE, "a batch of %zu rows is too large", batch->rows);
    arrays->types[i] = column->array;
    arrays->formats[i] = kind ? 1 : 0;
    arrays->values[i] = text->data;
    arrays->lengths[i] = (int)text->len;
    return MIG_OK;
}

static void put_bound(struct text *text, const struct mig_value *key)
{
    char number[NUMBER_ROOM];

    switch (key->type) {
    case MIG_NULL: return;
    case MIG_INT64: text_format(text, "%" PRId64, key->as.int64); return;
    case MIG_DOUBLE: text_put(text, double_write(number, key->as.real)); return;
    case MIG_TEXT: text_add(text, key->as.data, key->len); return;
    case MIG_BLOB:
        text_put(text, "\\x");
        text_hex(text, key->as.data, key->len);
        return;
    }
}

/* The first key of the first row and of the last. */
static mig_status range_fill(const struct mig_batch *batch, const struct batch_plan *plan,
                             struct arrays *arrays, struct mig_err *err)
{
    const struct mig_value *const ends[] = {
        batch->key_values, &batch->key_values[(batch->rows - 1) * batch->key_count]};

    for (size_t i = 0; i < 2; i++) {
        struct text *text = &arrays->texts[plan->count + i];

        put_bound(text, ends[i]);
        if (text->failed)
            return error_nomem(err);
        arrays->types[plan->count + i] = plan->columns[0].element;
        arrays->values[plan->count + i] = ends[i]->type == MIG_NULL ? NULL : text_string(text);
    }
    return MIG_OK;
}

static void note_written(const PGresult *result, const struct mig_batch *batch, bool *written)
{
    for (size_t row = 0; row < batch->rows; row++)
        written[row] = false;
    for (int i = 0; i < PQntuples(result); i++) {
        size_t place = strtoul(PQgetvalue(result, i, 0), NULL, 10);

        if (place >= 1 && place <= batch->rows)
            written[place - 1] = true;
    }
}

mig_status batch_update(struct mig_conn *conn, const struct mig_batch *batch, bool *written,
                        struct mig_err *err)
{
    AUTO(arrays) struct arrays arrays = {0};
    AUTO(result) PGresult *result = NULL;
    const struct batch_plan *plan = NULL;
    struct call call = {0};
    mig_status status;

    if (!batch->rows)
        return MIG_OK;
    if (!batch->key_count || !batch->write_count)
        return mig_err_set(err, MIG_E_MISUSE, "a batch needs a key and a column to write");
    MIG_TRY(plan_get(conn, batch, &plan, err));
    if (!plan || !arrays_init(&arrays, plan->count + (plan->ranged ? 2 : 0)))
        return error_nomem(err);
    for (size_t i = 0; i < plan->count; i++)
        MIG_TRY(array_fill(batch, &plan->columns[i], i, &arrays, err));
    if (plan->ranged)
        MIG_TRY(range_fill(batch, plan, &arrays, err));
    call = (struct call){.sql = plan->sql,
                         .params = (int)arrays.count,
                         .types = arrays.types,
                         .values = arrays.values,
                         .lengths = arrays.lengths,
                         .formats = arrays.formats};
    conn->watching = true;
    status = wire_call(conn, &call, &result, err);
    conn->watching = false;
    watch_end(conn);
    if (status) {
        batch_forget(conn);
        return status;
    }
    note_written(result, batch, written);
    conn->changes = PQntuples(result);
    return MIG_OK;
}
