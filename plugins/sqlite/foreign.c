/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Foreign keys while enforcement is off: the tables that a transaction's
 * statements could break are checked just before the first of them is written
 * and again before COMMIT; violations that were not there before fail it.
 * Which tables those are follows from the writes that the authorizer notes and
 * from the edges of the schema, read once and kept up to date, so that a
 * migration costs what it touches and not what the database holds. A database
 * without foreign keys costs one comparison a write.
 */
#include "conn.h"

#include <strings.h>

enum { LISTED = 10 }; /* violations named in the message */

void foreign_tables_clear(struct foreign *foreign)
{
    size_t i;

    for (i = 0; i < foreign->table_count; i++) {
        free(foreign->tables[i].table);
        free(foreign->tables[i].hashes);
    }
    foreign->table_count = 0;
}

void foreign_forget(struct mig_conn *conn)
{
    edges_clear(&conn->foreign);
    foreign_tables_clear(&conn->foreign);
    conn->foreign.watching = false;
    conn->foreign.everything = false;
}

void foreign_clear(struct mig_conn *conn)
{
    struct foreign *foreign = &conn->foreign;

    foreign_forget(conn);
    touches_clear(&foreign->noted);
    free(foreign->edges);
    free(foreign->tables);
    free(foreign->noted.items);
    *foreign = (struct foreign){.serial = foreign->serial + 1};
}

mig_status foreign_begin(struct mig_conn *conn, bool enforced, struct mig_err *err)
{
    conn->foreign.serial++;
    conn->foreign.watching = !enforced;
    conn->foreign.compared = false;
    conn->foreign.everything = false;
    return conn->foreign.known ? edges_compare(conn, err) : MIG_OK;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3U;
    return (hash ^ 0xff) * 0x100000001b3U;
}

/* One violation: its table, the row, the table that it refers to. */
static uint64_t hash_row(sqlite3_stmt *row)
{
    const char *child = (const char *)sqlite3_column_text(row, 0);
    const char *parent = (const char *)sqlite3_column_text(row, 2);
    uint64_t hash = hash_text(0xcbf29ce484222325U, child ? child : "");

    hash = hash_text(hash, parent ? parent : "");
    return (hash ^ (uint64_t)sqlite3_column_int64(row, 1)) * 0x100000001b3U;
}

static int compare_hashes(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static mig_status hash_add(struct checked *checked, uint64_t hash, struct mig_err *err)
{
    uint64_t *grown =
        (uint64_t *)array_grow(checked->hashes, checked->count, &checked->room, sizeof *grown);

    if (!grown)
        return fault_nomem(err);
    checked->hashes = grown;
    grown[checked->count++] = hash;
    return MIG_OK;
}

/* Compiles the check of one table; `*out` is NULL when it is gone. */
static mig_status check_prepare(struct mig_conn *conn, const char *table, sqlite3_stmt **out,
                                struct mig_err *err)
{
    char *sql;
    int rc;

    *out = NULL;
    if (sqlite3_table_column_metadata(conn->db, "main", table, NULL, NULL, NULL, NULL, NULL,
                                      NULL) != SQLITE_OK)
        return MIG_OK;
    sql = sqlite3_mprintf("PRAGMA main.foreign_key_check(\"%w\")", table);
    if (!sql)
        return fault_nomem(err);
    rc = sqlite3_prepare_v2(conn->db, sql, -1, out, NULL);
    sqlite3_free(sql);
    return rc == SQLITE_OK ? MIG_OK : fault_report(conn, rc, err);
}

/* A row of the check, or the mismatch that makes a foreign key unusable. */
struct report {
    struct checked *before; /* NULL: take all violations as they are */
    struct checked *now;
    char *text;
    size_t size;
    size_t used;
    size_t fresh; /* violations that were not there before */
};

/* Whether `hash` is among the earlier violations. */
static bool excused(const struct checked *before, uint64_t hash)
{
    size_t low = 0;
    size_t high = before->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (before->hashes[middle] < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low < before->count && before->hashes[low] == hash;
}

MIG_PRINTF(2, 3)
static void report_list(struct report *report, const char *format, ...)
{
    va_list args;
    int n;

    if (report->fresh++ >= LISTED || report->used >= report->size)
        return;
    if (report->fresh > 1)
        report->used +=
            (size_t)snprintf(report->text + report->used, report->size - report->used, ", ");
    if (report->used >= report->size)
        return;
    va_start(args, format);
    n = vsnprintf(report->text + report->used, report->size - report->used, format, args);
    va_end(args);
    report->used += n > 0 ? (size_t)n : 0;
}

static void report_row(struct report *report, sqlite3_stmt *row)
{
    const char *child = (const char *)sqlite3_column_text(row, 0);
    const char *parent = (const char *)sqlite3_column_text(row, 2);

    if (sqlite3_column_type(row, 1) == SQLITE_NULL)
        report_list(report, "a row of %s without its parent in %s", child, parent);
    else
        report_list(report, "%s row %lld without its parent in %s", child,
                    (long long)sqlite3_column_int64(row, 1), parent);
}

/* Rows without a rowid hash alike: there the number of them must not grow. */
static void report_more(struct report *report)
{
    const struct checked *before = report->before;
    const struct checked *now = report->now;
    size_t i = 0;
    size_t j = 0;

    while (i < before->count && j < now->count) {
        uint64_t hash = now->hashes[j];
        size_t was = 0;
        size_t is = 0;

        for (; i < before->count && before->hashes[i] <= hash; i++)
            was += before->hashes[i] == hash;
        for (; j < now->count && now->hashes[j] == hash; j++)
            is++;
        if (was && is > was)
            report_list(report, "%zu more of %s than before", is - was, now->table);
    }
}

/* Checks one table into `report->now`, and against `report->before`. */
static mig_status check_table(struct mig_conn *conn, const char *table, struct report *report,
                              struct mig_err *err)
{
    AUTO(stmt) sqlite3_stmt *stmt = NULL;
    mig_status status = check_prepare(conn, table, &stmt, err);
    int rc = SQLITE_DONE;

    while (status == MIG_OK && stmt && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        uint64_t hash = hash_row(stmt);

        if (report->before && !excused(report->before, hash))
            report_row(report, stmt);
        status = hash_add(report->now, hash, err);
    }
    if (status == MIG_OK && rc == SQLITE_ERROR) { /* "foreign key mismatch" */
        uint64_t hash = hash_text(0, table);

        if (report->before && !excused(report->before, hash))
            report_list(report, "%s", sqlite3_errmsg(conn->db));
        status = hash_add(report->now, hash, err);
    } else if (status == MIG_OK && rc != SQLITE_DONE) {
        status = fault_report(conn, rc, err);
    }
    if (report->now->count)
        qsort(report->now->hashes, report->now->count, sizeof *report->now->hashes, compare_hashes);
    return status;
}

/* The record of `table`; a new one begins empty. */
static struct checked *table_find(struct foreign *foreign, const char *table, bool *made)
{
    uint32_t hash = edges_hash(table);
    struct checked *grown;
    size_t i;

    *made = false;
    for (i = 0; i < foreign->table_count; i++)
        if (foreign->tables[i].name_hash == hash &&
            strcasecmp(foreign->tables[i].table, table) == 0)
            return &foreign->tables[i];
    grown = (struct checked *)array_grow(foreign->tables, foreign->table_count,
                                         &foreign->table_room, sizeof *grown);
    if (!grown)
        return NULL;
    foreign->tables = grown;
    grown[foreign->table_count] = (struct checked){.table = strdup(table), .name_hash = hash};
    if (!grown[foreign->table_count].table)
        return NULL;
    *made = true;
    return &grown[foreign->table_count++];
}

/* Before `table` can change: remember what is wrong with it already. */
static mig_status table_watch(struct mig_conn *conn, const char *table, struct mig_err *err)
{
    struct report report = {0};
    mig_status status = MIG_OK;
    bool made;

    report.now = table_find(&conn->foreign, table, &made);
    if (!report.now)
        return fault_nomem(err);
    if (made)
        status = check_table(conn, report.now->table, &report, err);
    if (made && status != MIG_OK) {
        free(report.now->table);
        free(report.now->hashes);
        conn->foreign.table_count--;
        return status;
    }
    report.now->pending = true;
    return MIG_OK;
}

static bool same_column(const char *touched, const char *column)
{
    return !touched || !column || strcasecmp(touched, column) == 0 ||
           strcasecmp(touched, "ROWID") == 0;
}

/* Whether the write to the table with this hash can leave a row of the edge's
 * child without a parent. */
static bool edge_threatened(const struct edge *edge, const struct touch *touch, uint32_t hash,
                            bool replaces)
{
    bool child = edge->child_hash == hash && strcasecmp(edge->child, touch->table) == 0;
    bool parent = edge->parent_hash == hash && strcasecmp(edge->parent, touch->table) == 0;

    switch (touch->kind) {
    case TOUCH_INSERT: return child || (parent && replaces);
    case TOUCH_UPDATE:
        return (child && same_column(touch->column, edge->from)) ||
               (parent && (replaces || same_column(touch->column, edge->to)));
    case TOUCH_DELETE:
    case TOUCH_DROP: return parent;
    case TOUCH_ALTER: /* but for a new column that refers, and for renames */
    case TOUCH_CREATE: break;
    }
    return false;
}

static bool has_kind(const struct touches *touches, enum touch_kind kind)
{
    size_t i;

    for (i = 0; i < touches->count; i++)
        if (touches->items[i].kind == kind)
            return true;
    return false;
}

/* Renaming moves edges from name to name: then every table is watched. */
static bool renames(const struct touches *touches, const char *sql)
{
    return has_kind(touches, TOUCH_ALTER) && strcasestr(sql, "rename");
}

/* Watches the children that one write threatens, or all of them. */
static mig_status watch_threatened(struct mig_conn *conn, const struct touch *touch, bool replaces,
                                   bool all, struct mig_err *err)
{
    struct foreign *foreign = &conn->foreign;
    uint32_t hash = edges_hash(touch->table);
    mig_status status = MIG_OK;
    size_t i;

    if (!all && !edges_touch(foreign, hash))
        return MIG_OK;
    for (i = 0; status == MIG_OK && i < foreign->edge_count; i++)
        if (all || edge_threatened(&foreign->edges[i], touch, hash, replaces))
            status = table_watch(conn, foreign->edges[i].child, err);
    return status;
}

mig_status foreign_before(struct mig_conn *conn, const struct touches *touches, const char *sql,
                          struct mig_err *err)
{
    struct foreign *foreign = &conn->foreign;
    mig_status status = MIG_OK;
    bool replaces;
    bool refers;
    bool all;
    size_t i;

    if (!touches->count)
        return MIG_OK;
    if (!foreign->watching || !tx_open(conn)) {
        foreign_tables_clear(foreign); /* what they are after this write is not known */
        return MIG_OK;
    }
    status = edges_ensure(conn, err);
    refers = has_kind(touches, TOUCH_ALTER) && strcasestr(sql, "references");
    if (status != MIG_OK || (!foreign->edge_count && !refers))
        return status;
    replaces = strcasestr(sql, "replace") != NULL;
    all = renames(touches, sql);
    foreign->everything |= all;
    conn->in_driver = true;
    for (i = 0; status == MIG_OK && i < touches->count; i++) {
        if (refers && touches->items[i].kind == TOUCH_ALTER)
            status = table_watch(conn, touches->items[i].table, err);
        if (status == MIG_OK)
            status = watch_threatened(conn, &touches->items[i], replaces, all, err);
    }
    conn->in_driver = false;
    return status;
}

/* What a change of the schema makes of the edges. A rename moves those of other
 * tables too; what else ALTER TABLE can do concerns the table's own. */
static mig_status edges_follow(struct mig_conn *conn, const struct touch *touch, const char *sql,
                               struct mig_err *err)
{
    bool refers = strcasestr(sql, "references") != NULL;

    switch (touch->kind) {
    case TOUCH_ALTER:
        if (strcasestr(sql, "rename")) {
            edges_clear(&conn->foreign);
            return MIG_OK;
        }
        refers |= edges_touch(&conn->foreign, edges_hash(touch->table));
        return refers ? edges_made(conn, touch->table, err) : MIG_OK;
    case TOUCH_CREATE: return refers ? edges_made(conn, touch->table, err) : MIG_OK;
    case TOUCH_DROP: edges_dropped(&conn->foreign, touch->table); return MIG_OK;
    default: return MIG_OK;
    }
}

mig_status foreign_after(struct mig_conn *conn, const struct touches *touches, const char *sql,
                         struct mig_err *err)
{
    mig_status status = MIG_OK;
    size_t i;

    for (i = 0; status == MIG_OK && conn->foreign.known && i < touches->count; i++)
        status = edges_follow(conn, &touches->items[i], sql, err);
    return status;
}

void foreign_watch_all(struct mig_conn *conn)
{
    struct foreign *foreign = &conn->foreign;
    mig_status status = MIG_OK;
    size_t i;

    if (!foreign->watching || !tx_open(conn)) {
        foreign_tables_clear(foreign);
        edges_clear(foreign);
        return;
    }
    status = edges_ensure(conn, NULL);
    conn->in_driver = true;
    for (i = 0; status == MIG_OK && i < foreign->edge_count; i++)
        status = table_watch(conn, foreign->edges[i].child, NULL);
    conn->in_driver = false;
    foreign->everything = true;
    edges_clear(foreign); /* to be read again at the end */
}

/* After a rename: the tables are those of the edges as they are now. */
static mig_status watch_everything(struct mig_conn *conn, struct mig_err *err)
{
    struct foreign *foreign = &conn->foreign;
    mig_status status = edges_ensure(conn, err);
    size_t i;

    for (i = 0; status == MIG_OK && i < foreign->edge_count; i++) {
        bool made;
        struct checked *table = table_find(foreign, foreign->edges[i].child, &made);

        if (!table)
            return fault_nomem(err);
        table->pending = true;
    }
    return status;
}

static mig_status recheck(struct mig_conn *conn, struct checked *checked, struct report *report,
                          struct mig_err *err)
{
    struct checked now = {.table = checked->table, .name_hash = checked->name_hash};
    mig_status status;

    report->before = checked;
    report->now = &now;
    status = check_table(conn, checked->table, report, err);
    if (status == MIG_OK)
        report_more(report);
    report->now = NULL;
    free(checked->hashes);
    *checked = now;
    return status;
}

mig_status foreign_check(struct mig_conn *conn, struct mig_err *err)
{
    struct foreign *foreign = &conn->foreign;
    char text[1024] = "";
    struct report report = {.text = text, .size = sizeof text};
    mig_status status = MIG_OK;
    size_t i;

    if (foreign->watching && foreign->everything)
        status = watch_everything(conn, err);
    conn->in_driver = true;
    for (i = 0; status == MIG_OK && foreign->watching && i < foreign->table_count; i++)
        if (foreign->tables[i].pending)
            status = recheck(conn, &foreign->tables[i], &report, err);
    conn->in_driver = false;
    foreign->watching = false;
    if (status != MIG_OK || !report.fresh)
        return status;
    return mig_err_set(err, MIG_E_CONSTRAINT, "foreign keys would be broken, %zu %s: %s%s",
                       report.fresh, report.fresh == 1 ? "row" : "rows", text,
                       report.fresh > LISTED ? ", and others" : "");
}
