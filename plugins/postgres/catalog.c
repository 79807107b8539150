/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to the server's catalog. Names go as parameters, never into the
 * text. Invariant: the answer does not depend on search_path, except where a
 * table's name has no schema. It must not change anything.
 */
#include "pg.h"

/* Whatever could stand in the table's place counts: a view hides a table. */
static const char exists_sql[] =
    "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
    " ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2"
    " AND c.relkind IN ('r', 'p', 'v', 'm', 'f')";

static const char key_sql[] =
    "SELECT pg_catalog.string_agg('\"' || pg_catalog.replace(a.attname, '\"', '\"\"') || '\"',"
    " ', ' ORDER BY k.place)"
    " FROM pg_catalog.pg_index i,"
    " pg_catalog.unnest(i.indkey) WITH ORDINALITY AS k(attnum, place),"
    " pg_catalog.pg_attribute a"
    " WHERE i.indrelid = $1::pg_catalog.regclass AND i.indisprimary"
    " AND k.place <= i.indnkeyatts"
    " AND a.attrelid = i.indrelid AND a.attnum = k.attnum";

/* As the planner does it: how densely the pages were filled when they were
 * looked at last, times as many as there are now. A partitioned table has no
 * pages but those of its partitions; one with children has others' as well. */
static const char estimate_sql[] =
    "SELECT CASE WHEN c.reltuples <= 0 OR c.relkind <> 'p' AND c.relhassubclass THEN NULL"
    " WHEN c.relkind = 'p' THEN c.reltuples::bigint"
    " WHEN c.relpages > 0 THEN (c.reltuples::float8 / c.relpages"
    " * (pg_catalog.pg_relation_size(c.oid) / block.bytes))::bigint END,"
    " (SELECT pg_catalog.sum(l.relpages::float8) * block.bytes / pg_catalog.sum(l.reltuples)"
    " FROM pg_catalog.pg_class l WHERE l.relkind = 'r' AND l.reltuples > 0 AND (l.oid = c.oid"
    " OR l.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(c.oid))))::bigint"
    " FROM pg_catalog.pg_class c,"
    " (SELECT pg_catalog.current_setting('block_size')::bigint) block (bytes)"
    " WHERE c.oid = $1::pg_catalog.regclass";

mig_status catalog_table_exists(struct mig_conn *conn, const char *schema, const char *table,
                                bool *out, struct mig_err *err)
{
    const char *values[] = {schema && *schema ? schema : conn->schema, table};
    AUTO(result) PGresult *result = NULL;

    MIG_TRY(wire_ask(conn, exists_sql, 2, values, &result, err));
    *out = PQntuples(result) > 0;
    return MIG_OK;
}

mig_status catalog_primary_key(struct mig_conn *conn, const char *table, char *out, size_t size,
                               struct mig_err *err)
{
    const char *values[] = {table};
    AUTO(result) PGresult *result = NULL;
    const char *key;

    MIG_TRY(wire_ask(conn, key_sql, 1, values, &result, err));
    key = PQntuples(result) ? PQgetvalue(result, 0, 0) : "";
    if (strlen(key) >= size)
        return mig_err_set(err, MIG_E_RANGE, "the primary key of %s has too long a list of names",
                           table);
    memcpy(out, key, strlen(key) + 1);
    return MIG_OK;
}

mig_status catalog_estimate(struct mig_conn *conn, const char *table, struct mig_estimate *out,
                            struct mig_err *err)
{
    const char *values[] = {table};
    AUTO(result) PGresult *result = NULL;

    MIG_TRY(wire_ask(conn, estimate_sql, 1, values, &result, err));
    if (!PQntuples(result) || PQgetisnull(result, 0, 0))
        return mig_err_set(err, MIG_E_UNSUPPORTED, "table %s has not been analyzed", table);
    out->rows = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    out->row_bytes = strtoll(PQgetvalue(result, 0, 1), NULL, 10);
    return MIG_OK;
}
