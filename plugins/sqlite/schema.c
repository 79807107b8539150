/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions about the schema. They go to the schema table itself and not to
 * what the handle remembers of it: another process may have changed it since.
 */
#include "conn.h"

#include <strings.h>

enum { NAME_SIZE = 512 };

/* Runs `sql` with two texts to its first row; *row says whether there is one. */
static mig_status ask(struct mig_conn *conn, const char *sql, const char *first, const char *second,
                      sqlite3_stmt **out, bool *row, struct mig_err *err)
{
    int rc;

    conn->in_driver = true;
    rc = sqlite3_prepare_v2(conn->db, sql, -1, out, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(*out, 1, first, -1, SQLITE_TRANSIENT);
    if (rc == SQLITE_OK && second)
        rc = sqlite3_bind_text(*out, 2, second, -1, SQLITE_TRANSIENT);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(*out);
    conn->in_driver = false;
    *row = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? MIG_OK : fault_report(conn, rc, err);
}

/* The type of the object: "table", "view"; "" when there is none. */
static mig_status object_type(struct mig_conn *conn, const char *schema, const char *name,
                              char type[16], struct mig_err *err)
{
    AUTO(stmt) sqlite3_stmt *stmt = NULL;
    char *sql = sqlite3_mprintf("SELECT type FROM \"%w\".sqlite_master WHERE type IN ('table', "
                                "'view') AND name = ?1 COLLATE NOCASE",
                                schema);
    mig_status status;
    bool row;

    if (!sql)
        return fault_nomem(err);
    status = ask(conn, sql, name, NULL, &stmt, &row, err);
    sqlite3_free(sql);
    if (status == MIG_OK)
        snprintf(type, 16, "%s", row ? (const char *)sqlite3_column_text(stmt, 0) : "");
    return status;
}

mig_status schema_table_exists(struct mig_conn *conn, const char *schema, const char *table,
                               bool *out, struct mig_err *err)
{
    mig_status status = conn_ready(conn, err);
    char type[16];

    if (!schema || !schema[0])
        schema = "main";
    if (status != MIG_OK)
        return status;
    if (sqlite3_db_readonly(conn->db, schema) < 0) { /* no such schema, so no table in it */
        *out = false;
        return MIG_OK;
    }
    status = object_type(conn, schema, table, type, err);
    if (status == MIG_OK)
        *out = strcmp(type, "table") == 0;
    return status;
}

/* One name of `schema."table"` into `out`, unquoted; returns what follows. */
static const char *name_unquote(const char *text, char out[NAME_SIZE])
{
    char quote = *text;
    char close_quote = (char)(quote == '[' ? ']' : quote);
    size_t n = 0;

    if (!quote || !strchr("\"`['", quote)) {
        for (; *text && *text != '.' && n < NAME_SIZE - 1; text++)
            out[n++] = *text;
    } else {
        for (text++; *text && n < NAME_SIZE - 1; text++) {
            if (*text == close_quote && text[1] == close_quote && quote != '[')
                text++;
            else if (*text == close_quote)
                break;
            out[n++] = *text;
        }
        text += *text == close_quote;
    }
    out[n] = '\0';
    return text;
}

/* Appends one quoted column; false when there is no room. */
static bool append_column(char *out, size_t size, const char *name)
{
    size_t used = strlen(out);
    size_t separator = used ? 2 : 0;

    if (used + separator >= size)
        return false;
    if (used)
        memcpy(out + used, ", ", 3);
    used += separator;
    return mig_quote_identifier(name, out + used, size - used) < size - used;
}

/* The name by which a row's number can be asked for: no column may hide it. */
static mig_status rowid_name(struct mig_conn *conn, const char *schema, const char *table,
                             char *out, size_t size, struct mig_err *err)
{
    static const char *const names[] = {"rowid", "_rowid_", "oid"};
    mig_status status = MIG_OK;
    bool hidden = true;
    size_t i;

    for (i = 0; status == MIG_OK && hidden && i < sizeof names / sizeof *names; i++) {
        AUTO(stmt) sqlite3_stmt *stmt = NULL;
        char *sql = sqlite3_mprintf("SELECT 1 FROM pragma_table_xinfo(?1, ?2) "
                                    "WHERE name = %Q COLLATE NOCASE",
                                    names[i]);

        if (!sql)
            return fault_nomem(err);
        status = ask(conn, sql, table, schema, &stmt, &hidden, err);
        sqlite3_free(sql);
        if (status == MIG_OK && !hidden)
            snprintf(out, size, "%s", names[i]);
    }
    return status;
}

static mig_status key_columns(struct mig_conn *conn, const char *schema, const char *table,
                              char *out, size_t size, struct mig_err *err)
{
    AUTO(stmt) sqlite3_stmt *stmt = NULL;
    bool row;
    mig_status status =
        ask(conn, "SELECT name FROM pragma_table_info(?1, ?2) WHERE pk > 0 ORDER BY pk", table,
            schema, &stmt, &row, err);
    int rc = SQLITE_ROW;

    while (status == MIG_OK && row && rc == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);

        if (!name || !append_column(out, size, name))
            return mig_err_set(err, MIG_E_RANGE, "the primary key of %s is too long to name",
                               table);
        rc = sqlite3_step(stmt);
    }
    if (status == MIG_OK && row && rc != SQLITE_DONE)
        return fault_report(conn, rc, err);
    return status;
}

/* The two names of `"schema"."table"`; the schema is "main" unless given. */
static void table_split(const char *table, char schema[NAME_SIZE], char name[NAME_SIZE])
{
    const char *rest = name_unquote(table, name);

    snprintf(schema, NAME_SIZE, "%s", *rest == '.' ? name : "main");
    if (*rest == '.')
        name_unquote(rest + 1, name);
}

/* A temporary object of that name may hide the table or hold a trigger. */
mig_status schema_is_plain(struct mig_conn *conn, const char *table, bool *out, struct mig_err *err)
{
    AUTO(stmt) sqlite3_stmt *stmt = NULL;
    char schema[NAME_SIZE];
    char name[NAME_SIZE];
    mig_status status;
    bool odd = true;
    char *sql;

    table_split(table, schema, name);
    sql = sqlite3_mprintf("SELECT 1 FROM temp.sqlite_master WHERE tbl_name = ?1 COLLATE NOCASE "
                          "UNION ALL SELECT 1 FROM \"%w\".sqlite_master "
                          "WHERE tbl_name = ?1 COLLATE NOCASE AND (type IN ('trigger', 'view') "
                          "OR (type = 'table' AND (sql LIKE '%%conflict%%' "
                          "OR sql LIKE '%%without%%rowid%%' OR sql LIKE 'create virtual%%')))",
                          schema);
    if (!sql)
        return fault_nomem(err);
    status = ask(conn, sql, name, NULL, &stmt, &odd, err);
    sqlite3_free(sql);
    if (status == MIG_OK)
        *out = !odd;
    return status;
}

/* Any other primary key has an index, or is one. */
mig_status schema_is_rowid(struct mig_conn *conn, const char *table, const char *column, bool *out,
                           struct mig_err *err)
{
    AUTO(stmt) sqlite3_stmt *stmt = NULL;
    char schema[NAME_SIZE];
    char name[NAME_SIZE];
    char key[NAME_SIZE];
    mig_status status;
    char *sql;

    table_split(table, schema, name);
    name_unquote(column, key);
    sql = sqlite3_mprintf(
        "SELECT 1 FROM pragma_table_info(?1, ?2) WHERE pk = 1 AND name = %Q COLLATE "
        "NOCASE AND NOT EXISTS (SELECT 1 FROM pragma_index_list(?1, ?2) WHERE "
        "origin = 'pk')",
        key);
    if (!sql)
        return fault_nomem(err);
    status = ask(conn, sql, name, schema, &stmt, out, err);
    sqlite3_free(sql);
    return status;
}

mig_status schema_primary_key(struct mig_conn *conn, const char *table, char *out, size_t size,
                              struct mig_err *err)
{
    char schema[NAME_SIZE];
    char name[NAME_SIZE];
    char key[4096] = "";
    char type[16] = "";
    mig_status status = conn_ready(conn, err);

    table_split(table, schema, name);
    if (status == MIG_OK)
        status = object_type(conn, schema, name, type, err);
    if (status != MIG_OK)
        return status;
    if (!type[0])
        return mig_err_set(err, MIG_E_NOTFOUND, "there is no table %s", table);
    if (strcmp(type, "table") == 0) {
        status = key_columns(conn, schema, name, key, sizeof key, err);
        if (status == MIG_OK && !key[0])
            status = rowid_name(conn, schema, name, key, sizeof key, err);
    }
    if (status != MIG_OK)
        return status;
    if (strlen(key) >= size)
        return mig_err_set(err, MIG_E_RANGE, "the primary key of %s is too long to name", table);
    memcpy(out, key, strlen(key) + 1);
    return MIG_OK;
}
