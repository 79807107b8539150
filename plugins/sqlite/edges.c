/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the foreign key checks know: which tables a statement writes, as the
 * authorizer notes it while the statement is compiled, and which table refers
 * to which (the edges). The edges are read once; tables made and dropped renew
 * their own, and another connection's commit or an ALTER TABLE all of them. A
 * thousand migrations that make a table each cost a thousand small reads.
 */
#include "conn.h"

#include <strings.h>

/* Both queries answer the same columns, but for the first. */
enum { EDGE_CHILD, EDGE_PLACE, EDGE_PARENT, EDGE_FROM, EDGE_TO };

static const char edges_of_all[] =
    "SELECT m.name, f.seq, f.\"table\", f.\"from\", f.\"to\" FROM main.sqlite_schema AS m "
    "JOIN pragma_foreign_key_list(m.name, 'main') AS f WHERE m.type = 'table'";

static const char edges_of_one[] = "PRAGMA main.foreign_key_list(\"%w\")";

/* What a foreign key without columns of the parent refers to. */
static const char column_of_key[] =
    "SELECT name FROM pragma_table_info(?1, 'main') WHERE pk = ?2 + 1";

/* Room for one more item of a growing array; NULL when there is no memory. */
void *array_grow(void *items, size_t count, size_t *room, size_t size)
{
    size_t wanted = *room ? 2 * *room : 8;
    void *grown;

    if (count < *room)
        return items;
    grown = realloc(items, wanted * size);
    if (grown)
        *room = wanted;
    return grown;
}

static char *copy_text(const char *text)
{
    return text ? strdup(text) : NULL;
}

void touches_clear(struct touches *touches)
{
    size_t i;

    for (i = 0; i < touches->count; i++) {
        free(touches->items[i].table);
        free(touches->items[i].column);
    }
    touches->count = 0;
}

uint32_t edges_hash(const char *table)
{
    uint32_t hash = 0x811c9dc5U;

    for (; *table; table++) {
        unsigned char c = (unsigned char)*table;

        hash = (hash ^ (c >= 'A' && c <= 'Z' ? c + 32U : c)) * 0x01000193U;
    }
    return hash ^ hash >> 16;
}

bool edges_touch(const struct foreign *foreign, uint32_t hash)
{
    return foreign->named[hash % NAMED_BITS / 64] >> hash % 64 & 1;
}

static void name_add(struct foreign *foreign, uint32_t hash)
{
    foreign->named[hash % NAMED_BITS / 64] |= UINT64_C(1) << hash % 64;
}

static void edge_clear(struct edge *edge)
{
    free(edge->child);
    free(edge->parent);
    free(edge->from);
    free(edge->to);
}

void edges_clear(struct foreign *foreign)
{
    size_t i;

    for (i = 0; i < foreign->edge_count; i++)
        edge_clear(&foreign->edges[i]);
    if (foreign->edge_count)
        memset(foreign->named, 0, sizeof foreign->named);
    foreign->edge_count = 0;
    foreign->known = false;
    foreign->serial++;
}

/* Called by the authorizer, for every write of every statement. */
void foreign_note(struct mig_conn *conn, enum touch_kind kind, const char *table,
                  const char *column)
{
    struct foreign *foreign = &conn->foreign;
    bool schema = kind == TOUCH_CREATE || kind == TOUCH_ALTER || kind == TOUCH_DROP;
    struct touch *grown;
    struct touch touch;

    if (!table || strncasecmp(table, "sqlite_", 7) == 0)
        return;
    if (foreign->brief && foreign->known && !schema &&
        (!foreign->edge_count || (foreign->watching && !edges_touch(foreign, edges_hash(table)))))
        return;
    grown = (struct touch *)array_grow(foreign->noted.items, foreign->noted.count,
                                       &foreign->noted.room, sizeof *grown);
    if (grown) {
        foreign->noted.items = grown;
        touch = (struct touch){kind, copy_text(table), copy_text(column)};
        if (touch.table && (touch.column || !column)) {
            grown[foreign->noted.count++] = touch;
            return;
        }
        free(touch.table);
        free(touch.column);
    }
    foreign->everything = true;
}

/* The column of the parent's key at the edge's place; NULL when there is none. */
static mig_status key_column(struct mig_conn *conn, sqlite3_stmt *row, sqlite3_stmt **query,
                             char **out, struct mig_err *err)
{
    int rc = SQLITE_OK;

    if (!*query)
        rc = sqlite3_prepare_v2(conn->db, column_of_key, -1, query, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_value(*query, 1, sqlite3_column_value(row, EDGE_PARENT));
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int(*query, 2, sqlite3_column_int(row, EDGE_PLACE));
    if (rc == SQLITE_OK)
        rc = sqlite3_step(*query);
    if (rc == SQLITE_ROW)
        *out = copy_text((const char *)sqlite3_column_text(*query, 0));
    sqlite3_reset(*query);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? MIG_OK : fault_report(conn, rc, err);
}

static mig_status edge_add(struct mig_conn *conn, sqlite3_stmt *row, const char *child,
                           sqlite3_stmt **query, struct mig_err *err)
{
    struct foreign *foreign = &conn->foreign;
    struct edge *grown = (struct edge *)array_grow(foreign->edges, foreign->edge_count,
                                                   &foreign->edge_room, sizeof *grown);
    struct edge *edge;

    foreign->serial++;
    if (!grown)
        return fault_nomem(err);
    foreign->edges = grown;
    edge = &grown[foreign->edge_count++];
    *edge = (struct edge){
        .child = copy_text(child ? child : (const char *)sqlite3_column_text(row, EDGE_CHILD)),
        .parent = copy_text((const char *)sqlite3_column_text(row, EDGE_PARENT)),
        .from = copy_text((const char *)sqlite3_column_text(row, EDGE_FROM)),
        .to = copy_text((const char *)sqlite3_column_text(row, EDGE_TO)),
    };
    if (!edge->child || !edge->parent || !edge->from)
        return fault_nomem(err);
    edge->child_hash = edges_hash(edge->child);
    edge->parent_hash = edges_hash(edge->parent);
    name_add(foreign, edge->child_hash);
    name_add(foreign, edge->parent_hash);
    return edge->to ? MIG_OK : key_column(conn, row, query, &edge->to, err);
}

static int edges_prepare(struct mig_conn *conn, const char *table, sqlite3_stmt **out)
{
    char *sql = table ? sqlite3_mprintf(edges_of_one, table) : NULL;
    int rc = SQLITE_NOMEM;

    if (!table || sql)
        rc = sqlite3_prepare_v2(conn->db, sql ? sql : edges_of_all, -1, out, NULL);
    sqlite3_free(sql);
    return rc;
}

/* Adds the edges of `table`, or of every table when it is NULL. */
static mig_status edges_read(struct mig_conn *conn, const char *table, struct mig_err *err)
{
    AUTO(stmt) sqlite3_stmt *query = NULL;
    AUTO(stmt) sqlite3_stmt *stmt = NULL;
    mig_status status = MIG_OK;
    int rc;

    conn->in_driver = true;
    rc = edges_prepare(conn, table, &stmt);
    if (rc == SQLITE_OK)
        while (status == MIG_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
            status = edge_add(conn, stmt, table, &query, err);
    conn->in_driver = false;
    if (status == MIG_OK && rc != SQLITE_DONE)
        status = fault_report(conn, rc, err);
    return status;
}

void edges_dropped(struct foreign *foreign, const char *table)
{
    uint32_t hash = edges_hash(table);
    size_t i = 0;

    if (!edges_touch(foreign, hash))
        return;
    while (i < foreign->edge_count) {
        struct edge *edge = &foreign->edges[i];

        if (edge->child_hash != hash || strcasecmp(edge->child, table) != 0) {
            i++;
            continue;
        }
        edge_clear(edge);
        *edge = foreign->edges[--foreign->edge_count];
        foreign->serial++;
    }
}

mig_status edges_made(struct mig_conn *conn, const char *table, struct mig_err *err)
{
    edges_dropped(&conn->foreign, table);
    return edges_read(conn, table, err);
}

/* A number that every commit changes, ours as well; asked under a lock it is that of
 * the file. */
static mig_status read_version(struct mig_conn *conn, unsigned int *out, struct mig_err *err)
{
    int rc = sqlite3_file_control(conn->db, "main", SQLITE_FCNTL_DATA_VERSION, out);

    return rc == SQLITE_OK ? MIG_OK : fault_report(conn, rc, err);
}

/* When it is not what our last commit left, another connection's has made stale what we
 * knew. */
mig_status edges_compare(struct mig_conn *conn, struct mig_err *err)
{
    struct foreign *foreign = &conn->foreign;
    unsigned int version = 0;
    mig_status status;

    if (foreign->compared)
        return MIG_OK;
    status = read_version(conn, &version, err);
    if (status != MIG_OK)
        return status;
    if (version != foreign->data_version) {
        edges_clear(foreign);
        foreign_tables_clear(foreign);
    }
    foreign->data_version = version;
    foreign->compared = true;
    return MIG_OK;
}

/* What was not compared in this transaction stays to be compared in the next. */
void edges_committed(struct mig_conn *conn)
{
    if (!conn->foreign.compared)
        return;
    if (read_version(conn, &conn->foreign.data_version, NULL) != MIG_OK)
        edges_clear(&conn->foreign);
}

mig_status edges_ensure(struct mig_conn *conn, struct mig_err *err)
{
    mig_status status = edges_compare(conn, err);

    if (status != MIG_OK || conn->foreign.known)
        return status;
    edges_clear(&conn->foreign);
    status = edges_read(conn, NULL, err);
    conn->foreign.known = status == MIG_OK;
    return status;
}
