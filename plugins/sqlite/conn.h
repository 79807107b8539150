/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection of the SQLite driver, shared by its files and by nobody else.
 * It owns the sqlite3 handle, the statements that the driver keeps prepared,
 * the list of live cursors and the lock file. The handle may be closed and
 * opened anew by a session reset; everything prepared on it survives that or
 * is made again. It knows nothing of migrations beyond what mig/driver.h says.
 */
#ifndef MIGDRV_SQLITE_CONN_H
#define MIGDRV_SQLITE_CONN_H

#include <mig/driver.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define AUTO(name) __attribute__((cleanup(auto_##name)))

static inline void auto_free(void *pointer)
{
    void *held;

    memcpy(&held, pointer, sizeof held);
    free(held);
}

static inline void auto_stmt(sqlite3_stmt **stmt)
{
    sqlite3_finalize(*stmt);
}

static inline void auto_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* Statements kept prepared for the life of the handle. */
enum own_statement { OWN_BEGIN, OWN_COMMIT, OWN_ROLLBACK, OWN_COUNT };

/* A foreign key, one row a column: child.from refers to parent.to. */
struct edge {
    char *child;
    char *parent;
    char *from;
    char *to; /* NULL: not known, so any column may be meant */
    uint32_t child_hash;
    uint32_t parent_hash;
};

/* One bit for each hash of a name, cut short: a set that may hold more than was
 * put in, and answers without looking at the edges. */
enum { NAMED_BITS = 1 << 16 };

/* A write that a statement will do, as the authorizer saw it. */
enum touch_kind { TOUCH_INSERT, TOUCH_UPDATE, TOUCH_DELETE, TOUCH_CREATE, TOUCH_ALTER, TOUCH_DROP };

struct touch {
    enum touch_kind kind;
    char *table;
    char *column; /* of an UPDATE, else NULL */
};

struct touches {
    struct touch *items;
    size_t count;
    size_t room;
};

/* The violations of one child table, as sorted hashes. */
struct checked {
    char *table;
    uint32_t name_hash;
    uint64_t *hashes;
    size_t count;
    size_t room;
    bool pending; /* written in this transaction: to be checked at its end */
};

/* What is known of foreign keys; see foreign.c. */
struct foreign {
    bool known;      /* the edges are those of the database */
    bool watching;   /* in a transaction without enforcement */
    bool compared;   /* data_version was read in this transaction */
    bool everything; /* at the end check every table */
    bool brief;      /* what is noted is used at once: only what matters now */
    uint64_t serial; /* grows with every transaction and every change of the edges */
    unsigned int data_version;
    uint64_t named[NAMED_BITS / 64]; /* children and parents of the edges */
    struct edge *edges;
    size_t edge_count;
    size_t edge_room;
    struct checked *tables;
    size_t table_count;
    size_t table_room;
    struct touches noted; /* by the authorizer, of the statement just compiled */
};

/* What a sweep asks about a row of its range. */
enum sweep_how {
    SWEEP_ALL,    /* nothing: each one is in the batch */
    SWEEP_ASK,    /* whether it is in the batch */
    SWEEP_COMPARE /* and whether it is as it was read */
};

/* A batch that is written in one statement; see sweep.c. */
struct sweep {
    bool installed;
    const struct mig_batch *batch; /* NULL: none is being written */
    bool *written;
    size_t at; /* the row found last */
};

/* Which file a path named: number and moment of birth are no other file's. */
struct birth {
    uint64_t device;
    uint64_t inode;
    int64_t seconds;
    uint32_t nanoseconds;
};

/* The file system as the handle sees it; see vfs.c. */
struct files {
    sqlite3_vfs vfs; /* first: what SQLite hands back */
    sqlite3_vfs *below;
    char name[40];
    bool keeps_journal; /* the journal's file stays between transactions */
    bool journal_known; /* and `journal` is one whose folder was synced since it was made */
    struct birth journal;
};

/* What a reset has to undo. */
enum dirt { DIRT_TEMPORARY = 1, DIRT_SETTINGS = 2 };

struct mig_conn {
    sqlite3 *db; /* NULL after a reset that could not open it again */
    struct files *files;
    char *path; /* absolute, without symbolic links; NULL in memory */
    char *target;
    char *application;
    struct mig_driver_config config; /* its texts are not kept */
    sqlite3_stmt *own[OWN_COUNT];
    struct mig_cursor *cursors;

    mig_status cancelled; /* what `cancelled` answered, until it is reported */
    int64_t busy_since_ms;
    bool busy_told;

    bool tx_wanted;   /* begin() was called, commit() and rollback() not yet */
    uint64_t tx_ends; /* commits and rollbacks that the engine did */
    uint64_t tx_mark; /* tx_ends when ours began */

    bool in_driver;     /* the statement is the driver's own: not judged, not noted */
    bool in_vacuum;     /* VACUUM compiles statements of its own */
    unsigned int dirty; /* enum dirt: how the session may differ from open()'s */
    bool guarded;
    bool journal_named; /* the statement just compiled chooses the kind of journal */
    char protect[128];
    char refusal[320]; /* why the authorizer refused; "" when it did not */

    struct foreign foreign;

    char *window; /* the stretch of text that exec() works on */
    size_t window_size;

    char *batch_text; /* the UPDATE of the last batch */
    sqlite3_stmt *batch;
    struct touches batch_touches;
    bool batch_sweeps;   /* all rows in one statement: see sweep.c */
    bool batch_compares; /* with what was read of them */
    size_t noted_writes; /* by the authorizer, in a statement's compilation */
    struct sweep sweep;

    uint64_t streams; /* temporary tables in use, one bit each */
    int64_t changes;
    int lock_fd;
};

/* open.c */
mig_status conn_open(const struct mig_driver_config *config, struct mig_conn **out,
                     struct mig_err *err);
void conn_close(struct mig_conn *conn);
/* Opens conn->path and makes the session; conn->db is NULL before. */
mig_status conn_connect(struct mig_conn *conn, struct mig_err *err);
void conn_disconnect(struct mig_conn *conn);
/* MIG_E_CONNECTION when there is no handle. */
mig_status conn_ready(struct mig_conn *conn, struct mig_err *err);

/* session.c */
mig_status session_configure(struct mig_conn *conn, struct mig_err *err);
mig_status session_reset(struct mig_conn *conn, struct mig_err *err);
/* Runs a statement of the driver's own. */
int session_run(struct mig_conn *conn, const char *sql);
/* The first column of a query's first row, into `out`; "" when there is none. */
int session_ask(struct mig_conn *conn, const char *sql, char *out, size_t size);

/* journal.c */
/* The journal's file stays after a commit. For a database without a
 * write-ahead log. */
void journal_keep(struct mig_conn *conn);
/* Removes it, and lets SQLite make and remove it from here on. */
void journal_release(struct mig_conn *conn);

/* vfs.c */
int vfs_install(struct mig_conn *conn);
/* Only after the handle has been closed. */
void vfs_remove(struct mig_conn *conn);

/* wait.c */
void wait_install(struct mig_conn *conn);
int64_t wait_now_ms(void);
/* The process that holds a lock on the database file, or 0. */
pid_t wait_holder(struct mig_conn *conn);

/* fault.c: a result code as a status and a sentence. `rc` is extended. */
mig_status fault_report(struct mig_conn *conn, int rc, struct mig_err *err);
mig_status fault_nomem(struct mig_err *err);

/* guard.c */
void guard_install(struct mig_conn *conn);
void guard_set(struct mig_conn *conn, const char *protect);

/* tx.c */
mig_status tx_begin(struct mig_conn *conn, const struct mig_tx_options *options,
                    struct mig_err *err);
mig_status tx_commit(struct mig_conn *conn, struct mig_err *err);
void tx_rollback(struct mig_conn *conn);
bool tx_open(struct mig_conn *conn);
/* Fails when a transaction should be open and is not. */
mig_status tx_alive(struct mig_conn *conn, struct mig_err *err);
/* Adds to a failure that the engine rolled back; returns err's status. */
mig_status tx_explain(struct mig_conn *conn, mig_status status, struct mig_err *err);
void tx_install(struct mig_conn *conn);
void tx_uninstall(struct mig_conn *conn);

/* edges.c */
void touches_clear(struct touches *touches);
void foreign_note(struct mig_conn *conn, enum touch_kind kind, const char *table,
                  const char *column);
void edges_clear(struct foreign *foreign);
/* Of a table's name, in any case. */
uint32_t edges_hash(const char *table);
/* False when no edge begins or ends at the table with this hash. */
bool edges_touch(const struct foreign *foreign, uint32_t hash);
/* Forgets what another connection's commit made stale. */
mig_status edges_compare(struct mig_conn *conn, struct mig_err *err);
/* Behind a commit of our own. */
void edges_committed(struct mig_conn *conn);
mig_status edges_ensure(struct mig_conn *conn, struct mig_err *err);
/* After `table` was made or dropped. */
mig_status edges_made(struct mig_conn *conn, const char *table, struct mig_err *err);
void edges_dropped(struct foreign *foreign, const char *table);
/* Room for one more item of a growing array; NULL when there is no memory. */
void *array_grow(void *items, size_t count, size_t *room, size_t size);

/* foreign.c */
mig_status foreign_begin(struct mig_conn *conn, bool enforced, struct mig_err *err);
/* Called with what a statement will write, before it runs, and after. */
mig_status foreign_before(struct mig_conn *conn, const struct touches *touches, const char *sql,
                          struct mig_err *err);
mig_status foreign_after(struct mig_conn *conn, const struct touches *touches, const char *sql,
                         struct mig_err *err);
mig_status foreign_check(struct mig_conn *conn, struct mig_err *err);
/* From here on statements run that are not seen. */
void foreign_watch_all(struct mig_conn *conn);
void foreign_forget(struct mig_conn *conn);
void foreign_clear(struct mig_conn *conn);
void foreign_tables_clear(struct foreign *foreign);

/* exec.c */
mig_status exec_text(struct mig_conn *conn, const char *text, size_t len,
                     struct mig_exec_result *result, struct mig_err *err);

/* cursor.c */
mig_status cursor_prepare(struct mig_conn *conn, const char *text, size_t len, uint32_t flags,
                          struct mig_cursor **out, struct mig_err *err);
mig_status cursor_bind(struct mig_cursor *cursor, int index, const struct mig_value *value,
                       struct mig_err *err);
mig_status cursor_step(struct mig_cursor *cursor, struct mig_err *err);
mig_status cursor_restart(struct mig_cursor *cursor, struct mig_err *err);
void cursor_finalize(struct mig_cursor *cursor);
int cursor_column_count(struct mig_cursor *cursor);
const char *cursor_column_name(struct mig_cursor *cursor, int column);
mig_status cursor_column(struct mig_cursor *cursor, int column, struct mig_value *out,
                         struct mig_err *err);
/* Before the handle goes: cursors keep their text and compile it again. */
void cursor_suspend_all(struct mig_conn *conn);
/* The number in "$2" or "?2"; 0 for what is none, `place` for a bare "?". */
int parameter_number(const char *name, int place);
/* Gives a statement's parameter a value. */
int value_bind(sqlite3_stmt *stmt, int index, const struct mig_value *value,
               sqlite3_destructor_type keep);
/* Answers a function of SQL with a value that stays where it is. */
void value_result(sqlite3_context *context, const struct mig_value *value);

/* stream.c: rows copied into a temporary table. */
struct stream {
    int slot; /* -1: none */
    int columns;
    sqlite3_stmt *read;
};
mig_status stream_fill(struct mig_conn *conn, sqlite3_stmt *query, struct stream *stream,
                       struct mig_err *err);
void stream_clear(struct mig_conn *conn, struct stream *stream);

/* series.c */
mig_status series_run(struct mig_conn *conn, const struct mig_series *series, int64_t *failed,
                      struct mig_err *err);

/* lock.c */
mig_status lock_try(struct mig_conn *conn, const char *name, struct mig_err *err);
void lock_release(struct mig_conn *conn);

/* schema.c */
mig_status schema_table_exists(struct mig_conn *conn, const char *schema, const char *table,
                               bool *out, struct mig_err *err);
/* Whether the column is the number of the row itself, which nothing but a whole
 * number is. */
mig_status schema_is_rowid(struct mig_conn *conn, const char *table, const char *column, bool *out,
                           struct mig_err *err);
mig_status schema_primary_key(struct mig_conn *conn, const char *table, char *out, size_t size,
                              struct mig_err *err);

/* Whether inserting into the table does just that, and fails in one way: no
 * triggers, no conflict clauses of its own. `table` is quoted already. */
mig_status schema_is_plain(struct mig_conn *conn, const char *table, bool *out,
                           struct mig_err *err);

/* text.c */
/* The first byte at or behind `text` that is neither blank nor comment. */
const char *text_skip_blank(const char *text, const char *end);
/* Whether the statement begins with `word`, in any case. */
bool text_begins_with(const char *text, const char *end, const char *word);
bool text_outside_tx(struct mig_conn *conn, const char *text, size_t len);
mig_status text_settle(struct mig_conn *conn, const char *text, size_t len, enum mig_settled *out,
                       struct mig_err *err);

/* batch.c */
mig_status batch_update(struct mig_conn *conn, const struct mig_batch *batch, bool *written,
                        struct mig_err *err);
void batch_forget(struct mig_conn *conn);

/* insert.c */
mig_status insert_batch(struct mig_conn *conn, const struct mig_batch *batch, size_t *failed_row,
                        struct mig_err *err);

/* sweep.c */
bool sweep_suits(const struct mig_batch *batch);
/* Each number of the range of its keys is one of them. */
bool sweep_is_dense(const struct mig_batch *batch);
int sweep_install(struct mig_conn *conn);
char *sweep_sql(const struct mig_batch *batch, enum sweep_how how);
int sweep_run(struct mig_conn *conn, const struct mig_batch *batch, bool *written);

#endif
