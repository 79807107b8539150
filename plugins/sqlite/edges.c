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

static const char edges_of_all[] =
    "SELECT m.name, f.\"table\", f.\"from\", coalesce(f.\"to\", (SELECT p.name FROM "
    "pragma_table_info(f.\"table\", 'main') AS p WHERE p.pk = f.seq + 1)) "
    "FROM main.sqlite_schema AS m JOIN pragma_foreign_key_list(m.name, 'main') AS f "
    "WHERE m.type = 'table'";

static const char edges_of_one[] =
    "SELECT ?1, f.\"table\", f.\"from\", coalesce(f.\"to\", (SELECT p.name FROM "
    "pragma_table_info(f.\"table\", 'main') AS p WHERE p.pk = f.seq + 1)) "
    "FROM pragma_foreign_key_list(?1, 'main') AS f";

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

void edges_clear(struct foreign *foreign)
{
    size_t i;

    for (i = 0; i < foreign->edge_count; i++) {
        free(foreign->edges[i].child);
        free(foreign->edges[i].parent);
        free(foreign->edges[i].from);
        free(foreign->edges[i].to);
    }
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
    if (foreign->brief && foreign->known && !foreign->edge_count && !schema)
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

static mig_status edge_add(struct foreign *foreign, sqlite3_stmt *row, struct mig_err *err)
{
    struct edge *grown = (struct edge *)array_grow(foreign->edges, foreign->edge_count,
                                                   &foreign->edge_room, sizeof *grown);
    struct edge *edge;

    foreign->serial++;
    if (!grown)
        return fault_nomem(err);
    foreign->edges = grown;
    edge = &grown[foreign->edge_count++];
    edge->child = copy_text((const char *)sqlite3_column_text(row, 0));
    edge->parent = copy_text((const char *)sqlite3_column_text(row, 1));
    edge->from = copy_text((const char *)sqlite3_column_text(row, 2));
    edge->to = copy_text((const char *)sqlite3_column_text(row, 3));
    return edge->child && edge->parent && edge->from ? MIG_OK : fault_nomem(err);
}

/* Adds the edges of `table`, or of every table when it is NULL. */
static mig_status edges_read(struct mig_conn *conn, const char *table, struct mig_err *err)
{
    AUTO(stmt) sqlite3_stmt *stmt = NULL;
    mig_status status = MIG_OK;
    int rc;

    conn->in_driver = true;
    rc = sqlite3_prepare_v2(conn->db, table ? edges_of_one : edges_of_all, -1, &stmt, NULL);
    if (rc == SQLITE_OK && table)
        rc = sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        while (status == MIG_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
            status = edge_add(&conn->foreign, stmt, err);
    conn->in_driver = false;
    if (status == MIG_OK && rc != SQLITE_DONE)
        status = fault_report(conn, rc, err);
    return status;
}

/* After `table` was made or dropped: its edges alone are read again. */
mig_status edges_renew(struct mig_conn *conn, const char *table, struct mig_err *err)
{
    struct foreign *foreign = &conn->foreign;
    size_t i = 0;

    while (i < foreign->edge_count) {
        struct edge *edge = &foreign->edges[i];

        if (strcasecmp(edge->child, table) != 0) {
            i++;
            continue;
        }
        free(edge->child);
        free(edge->parent);
        free(edge->from);
        free(edge->to);
        *edge = foreign->edges[--foreign->edge_count];
    }
    return edges_read(conn, table, err);
}

/* Another connection's commit shows in data_version: what we knew is stale. */
mig_status edges_compare(struct mig_conn *conn, struct mig_err *err)
{
    struct foreign *foreign = &conn->foreign;
    int64_t version;
    int rc = SQLITE_OK;

    if (foreign->compared)
        return MIG_OK;
    conn->in_driver = true;
    if (!foreign->read_version)
        rc = sqlite3_prepare_v3(conn->db, "PRAGMA main.data_version", -1, SQLITE_PREPARE_PERSISTENT,
                                &foreign->read_version, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(foreign->read_version);
    version = sqlite3_column_int64(foreign->read_version, 0);
    sqlite3_reset(foreign->read_version);
    conn->in_driver = false;
    if (rc != SQLITE_ROW)
        return fault_report(conn, rc, err);
    if (version != foreign->data_version) {
        edges_clear(foreign);
        foreign_tables_clear(foreign);
    }
    foreign->data_version = version;
    foreign->compared = true;
    return MIG_OK;
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
