/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the SQLite driver alone has to get right: files and folders that stand
 * in the way, transactions that the engine ends by itself, the guard, the
 * session, texts larger than a window.
 */
#include "rig.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Tries to open `url`; on failure rig->err says why. */
static mig_status try_open(struct rig *rig, const char *url, uint32_t flags)
{
    struct mig_driver_config config = rig_config(url);
    struct mig_conn *conn = NULL;
    mig_status status;

    config.flags = flags;
    status = rig->driver->open(&config, &conn, &rig->err);
    cr_assert_eq(conn == NULL, status != MIG_OK);
    if (conn)
        rig->driver->close(conn);
    return status;
}

static const char *url_of(const char *path)
{
    return test_format("sqlite:%s", path);
}

/* Opening */

SqliteTest(a_missing_file_is_made_only_when_asked)
{
    const char *url = test_sqlite();

    rig_expect(rig, try_open(rig, url, 0), MIG_E_NOTFOUND);
    cr_assert_not(test_exists(test_sqlite_path(url)));
    rig_expect(rig, try_open(rig, url, MIG_OPEN_READONLY | MIG_OPEN_CREATE), MIG_E_NOTFOUND);
    rig_expect(rig, try_open(rig, url, MIG_OPEN_CREATE), MIG_OK);
    rig_expect(rig, try_open(rig, url, 0), MIG_OK);
}

SqliteTest(a_missing_folder_is_named)
{
    rig_expect(rig, try_open(rig, "sqlite:/no/such/folder/x.db", MIG_OPEN_CREATE),
               MIG_E_UNREACHABLE);
    cr_assert(strstr(rig->err.message, "folder"), "%s", rig->err.message);
    rig_expect(rig, try_open(rig, "sqlite:/no/such/folder/x.db", 0), MIG_E_NOTFOUND);
}

SqliteTest(urls_are_read_strictly)
{
    const char *folder = test_folder();

    rig_expect(rig, try_open(rig, "sqlite:", MIG_OPEN_CREATE), MIG_E_USAGE);
    rig_expect(rig, try_open(rig, "sqlite3:", MIG_OPEN_CREATE), MIG_E_USAGE);
    rig_expect(rig, try_open(rig, "sqlite4:x.db", MIG_OPEN_CREATE), MIG_E_USAGE);
    rig_expect(rig, try_open(rig, "sqlite://host/x.db", MIG_OPEN_CREATE), MIG_E_USAGE);
    rig_expect(rig, try_open(rig, "sqlite:x.db?mode=ro", MIG_OPEN_CREATE), MIG_E_USAGE);
    rig_expect(rig, try_open(rig, test_format("sqlite://%s/x.db", folder), MIG_OPEN_CREATE),
               MIG_OK);
    cr_assert(test_exists(test_format("%s/x.db", folder)));
    rig_expect(rig, try_open(rig, test_format("sqlite3:%s/three.db", folder), MIG_OPEN_CREATE),
               MIG_OK);
    cr_assert(test_exists(test_format("%s/three.db", folder)));
    rig_expect(rig,
               try_open(rig, test_format("sqlite:%s/odd %%41#name.db", folder), MIG_OPEN_CREATE),
               MIG_OK);
    cr_assert(test_exists(test_format("%s/odd %%41#name.db", folder)));
}

SqliteTest(a_relative_path_is_made_absolute)
{
    struct mig_driver_config config = rig_config("sqlite:file:here.db");
    struct mig_conn *conn = NULL;
    const char *folder = test_folder();

    cr_assert_eq(chdir(folder), 0);
    rig_expect(rig, rig->driver->open(&config, &conn, &rig->err), MIG_OK);
    cr_assert_str_eq(rig->driver->info(conn, MIG_INFO_TARGET),
                     test_format("sqlite:%s/file:here.db", folder));
    rig->driver->close(conn);
    cr_assert_eq(chdir("/"), 0);
}

SqliteTest(what_is_no_file_is_refused)
{
    const char *folder = test_folder();
    const char *fifo = test_format("%s/fifo", folder);

    rig_expect(rig, try_open(rig, url_of(folder), MIG_OPEN_CREATE), MIG_E_UNREACHABLE);
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    rig_expect(rig, try_open(rig, url_of(fifo), MIG_OPEN_CREATE), MIG_E_UNREACHABLE);
    rig_expect(rig, try_open(rig, url_of(fifo), MIG_OPEN_READONLY), MIG_E_UNREACHABLE);
}

SqliteTest(what_is_no_database_is_said_to_be_none)
{
    const char *folder = test_folder();
    char noise[4096];
    size_t i;

    for (i = 0; i < sizeof noise; i++)
        noise[i] = (char)(i * 31 + 7);
    rig_expect(rig,
               try_open(rig, url_of(test_write_bytes(folder, "noise", noise, sizeof noise)), 0),
               MIG_E_CORRUPT);
    cr_assert(strstr(rig->err.message, "encrypted"), "%s", rig->err.message);
    rig_expect(rig, try_open(rig, url_of(test_write(folder, "short", "SQLite format 3")), 0),
               MIG_E_CORRUPT);
    rig_expect(rig, try_open(rig, url_of(test_write(folder, "empty", "")), 0), MIG_OK);
}

SqliteTest(a_truncated_database_is_found_at_once)
{
    const char *path = test_sqlite_path(rig->url);
    struct stat file;

    rig_exec(rig, "CREATE TABLE t (a); CREATE TABLE u (a); CREATE TABLE v (a)");
    rig_close(rig);
    cr_assert_eq(stat(path, &file), 0);
    cr_assert_eq(truncate(path, file.st_size / 2), 0);
    rig_expect(rig, try_open(rig, rig->url, 0), MIG_E_CORRUPT);
    cr_assert(strstr(rig->err.message, path), "%s", rig->err.message);
    rig->url = test_sqlite();
    rig->conn = rig_connect(rig);
}

SqliteTest(a_read_only_file_is_not_opened_for_writing)
{
    const char *path = test_sqlite_path(rig->url);

    if (geteuid() == 0)
        cr_skip_test("root may write everything");
    rig_exec(rig, "CREATE TABLE t (a)");
    cr_assert_eq(chmod(path, 0444), 0);
    rig_expect(rig, try_open(rig, rig->url, 0), MIG_E_READONLY);
    rig_expect(rig, try_open(rig, rig->url, MIG_OPEN_READONLY), MIG_OK);
    cr_assert_eq(chmod(path, 0), 0);
    rig_expect(rig, try_open(rig, rig->url, 0), MIG_E_UNREACHABLE);
}

SqliteTest(a_process_without_descriptors_is_told_so)
{
    struct rlimit before;
    struct rlimit none;

    rig_exec(rig, "CREATE TABLE t (a)");
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    rig_expect(rig, try_open(rig, rig->url, 0), MIG_E_LIMIT);
    rig_expect(rig, rig->driver->lock_try(rig->conn, "mighost", &rig->err), MIG_E_LIMIT);
    rig_expect(rig, rig_try(rig, "INSERT INTO t VALUES (1)"), MIG_E_LIMIT);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    rig_exec(rig, "INSERT INTO t VALUES (1)");
}

SqliteTest(a_reader_writes_nothing)
{
    struct mig_driver_config config = rig_config(rig->url);
    struct mig_tx_options options = {.size = sizeof options};
    struct mig_conn *reader = NULL;

    rig_exec(rig, "CREATE TABLE t (a)");
    config.flags = MIG_OPEN_READONLY;
    rig_expect(rig, rig->driver->open(&config, &reader, &rig->err), MIG_OK);
    rig_expect(rig, rig_try_on(rig, reader, "SELECT * FROM t"), MIG_OK);
    rig_expect(rig, rig_try_on(rig, reader, "INSERT INTO t VALUES (1)"), MIG_E_READONLY);
    rig_expect(rig, rig->driver->begin(reader, &options, &rig->err), MIG_E_READONLY);
    rig->driver->close(reader);
}

SqliteTest(a_reader_does_not_wait_for_a_writer)
{
    struct mig_driver_config config = rig_config(rig->url);
    struct mig_conn *reader = NULL;

    rig_exec(rig, "CREATE TABLE t (a)");
    rig_begin(rig);
    rig_exec(rig, "INSERT INTO t VALUES (1)");
    config.flags = MIG_OPEN_READONLY;
    rig_expect(rig, rig->driver->open(&config, &reader, &rig->err), MIG_OK);
    rig_expect(rig, rig_try_on(rig, reader, "SELECT * FROM t"), MIG_OK);
    rig->driver->close(reader);
    rig->driver->rollback(rig->conn);
}

SqliteTest(a_database_with_a_write_ahead_log_works_and_leaves_no_log_behind)
{
    const char *path = test_sqlite_path(rig->url);

    rig_exec(rig, "PRAGMA journal_mode = WAL");
    rig_expect(rig, rig->driver->reset(rig->conn, &rig->err), MIG_OK);
    cr_assert_str_eq(rig_rows(rig, "PRAGMA journal_mode"), "wal");
    cr_assert_str_eq(rig_rows(rig, "PRAGMA synchronous"), "2");
    rig_begin(rig);
    rig_exec(rig, "CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    rig_commit(rig);
    rig_close(rig);
    rig_expect(rig, try_open(rig, rig->url, MIG_OPEN_READONLY), MIG_OK);
    cr_assert_not(test_exists(test_format("%s-wal", path)));
    cr_assert_not(test_exists(test_format("%s-shm", path)));
    rig->conn = rig_connect(rig);
}

SqliteTest(settings_are_the_careful_ones)
{
    cr_assert_str_eq(rig_rows(rig, "PRAGMA synchronous"), "3");
    cr_assert_str_eq(rig_rows(rig, "PRAGMA foreign_keys"), "0");
    rig_expect(rig, rig_try(rig, "SELECT \"not a column\""), MIG_E_SQL);
    cr_assert_lt(rig_try(rig, "SELECT load_extension('x')"), 0);
}

SqliteTest(a_database_in_memory_works)
{
    rig_close(rig);
    rig->url = "sqlite::memory:";
    rig->conn = rig_connect(rig);
    cr_assert_str_eq(rig->driver->info(rig->conn, MIG_INFO_TARGET), "sqlite::memory:");
    rig_begin(rig);
    rig_exec(rig, "CREATE TABLE t (a)");
    rig_commit(rig);
    rig_expect(rig, rig->driver->lock_try(rig->conn, "mighost", &rig->err), MIG_OK);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM t"), "0");
}

/* Waiting */

SqliteTest(a_locked_file_is_waited_for_and_named)
{
    struct mig_conn *other = rig_connect(rig);
    struct mig_tx_options options = {.size = sizeof options};

    rig_begin(rig);
    rig_expect(rig, rig->driver->begin(other, &options, &rig->err), MIG_E_BUSY);
    cr_assert(strstr(rig->err.message, test_sqlite_path(rig->url)), "%s", rig->err.message);
    rig->driver->rollback(rig->conn);
    rig_expect(rig, rig->driver->begin(other, &options, &rig->err), MIG_OK);
    rig->driver->close(other);
}

static mig_status stop_now(void *arg)
{
    (void)arg;
    return MIG_E_TERMINATED;
}

SqliteTest(a_wait_for_a_locked_file_can_be_cancelled)
{
    struct mig_driver_config config = rig_config(rig->url);
    struct mig_tx_options options = {.size = sizeof options};
    struct mig_conn *other = NULL;
    time_t before = time(NULL);

    rig_exec(rig, "CREATE TABLE t (a)");
    config.busy_timeout_ms = 60000;
    config.cancelled = stop_now;
    rig_expect(rig, rig->driver->open(&config, &other, &rig->err), MIG_OK);
    rig_begin(rig);
    rig_expect(rig, rig->driver->begin(other, &options, &rig->err), MIG_E_TERMINATED);
    cr_assert_lt(time(NULL) - before, 30);
    rig->driver->rollback(rig->conn);
    rig->driver->close(other);
}

/* The run lock */

SqliteTest(two_names_of_one_database_share_the_lock)
{
    const char *folder = test_folder();
    const char *link = test_format("%s/other name.db", folder);
    struct mig_driver_config config = rig_config(url_of(link));
    struct mig_conn *other = NULL;

    cr_assert_eq(symlink(test_sqlite_path(rig->url), link), 0);
    rig_expect(rig, rig->driver->open(&config, &other, &rig->err), MIG_OK);
    rig_expect(rig, rig->driver->lock_try(other, "mighost", &rig->err), MIG_OK);
    rig_expect(rig, rig->driver->lock_try(rig->conn, "mighost", &rig->err), MIG_E_BUSY);
    cr_assert(strstr(rig->err.message, test_format("%ld", (long)getpid())), "%s", rig->err.message);
    cr_assert(strstr(rig->err.message, "contract test"), "%s", rig->err.message);
    rig->driver->close(other);
}

SqliteTest(a_lock_file_that_is_a_link_is_refused)
{
    const char *lock = test_format("%s.mighost-lock", test_sqlite_path(rig->url));

    cr_assert_eq(symlink("/etc/passwd", lock), 0);
    rig_expect(rig, rig->driver->lock_try(rig->conn, "mighost", &rig->err), MIG_E_UNREACHABLE);
    cr_assert(strstr(rig->err.message, lock), "%s", rig->err.message);
}

SqliteTest(a_removed_lock_file_does_not_let_a_second_one_in_for_good)
{
    const char *lock = test_format("%s.mighost-lock", test_sqlite_path(rig->url));

    rig_expect(rig, rig->driver->lock_try(rig->conn, "mighost", &rig->err), MIG_OK);
    rig->driver->unlock(rig->conn);
    cr_assert(test_exists(lock));
    test_remove(lock);
    rig_expect(rig, rig->driver->lock_try(rig->conn, "mighost", &rig->err), MIG_OK);
    cr_assert(test_exists(lock));
}

/* Transactions that end by themselves */

SqliteTest(a_rollback_by_the_engine_is_noticed)
{
    rig_exec(rig, "CREATE TABLE t (a PRIMARY KEY); INSERT INTO t VALUES (1)");
    rig_begin(rig);
    rig_exec(rig, "INSERT INTO t VALUES (2)");
    rig_expect(rig, rig_try(rig, "INSERT OR ROLLBACK INTO t VALUES (1); INSERT INTO t VALUES (3)"),
               MIG_E_CONSTRAINT);
    cr_assert(strstr(rig->err.message, "rolled"), "%s", rig->err.message);
    cr_assert_not(rig->driver->in_tx(rig->conn));
    rig_expect(rig, rig_try(rig, "INSERT INTO t VALUES (4)"), MIG_E_FAILED);
    rig_expect(rig, rig->driver->commit(rig->conn, &rig->err), MIG_E_FAILED);
    cr_assert_str_eq(rig_rows(rig, "SELECT a FROM t"), "1");
}

SqliteTest(a_rollback_by_a_trigger_is_noticed_by_a_cursor)
{
    struct mig_cursor *cursor;

    rig_exec(rig, "CREATE TABLE t (a); CREATE TRIGGER no BEFORE INSERT ON t WHEN new.a = 2 "
                  "BEGIN SELECT RAISE(ROLLBACK, 'no twos; here'); END;");
    rig_begin(rig);
    cursor = rig_prepare(rig, "INSERT INTO t VALUES ($1)", 0);
    rig_bind(rig, cursor, 1, rig_int(2));
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_E_CONSTRAINT);
    cr_assert(strstr(rig->err.message, "no twos; here"), "%s", rig->err.message);
    rig_expect(rig, rig->driver->restart(cursor, &rig->err), MIG_OK);
    rig_bind(rig, cursor, 1, rig_int(3));
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_E_FAILED);
    rig->driver->finalize(cursor);
    rig->driver->rollback(rig->conn);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM t"), "0");
}

SqliteTest(a_commit_and_begin_behind_our_back_is_noticed)
{
    rig_exec(rig, "CREATE TABLE t (a)");
    rig_begin(rig);
    rig_expect(rig,
               rig_try(rig, "INSERT INTO t VALUES (1); COMMIT; BEGIN IMMEDIATE; "
                            "INSERT INTO t VALUES (2)"),
               MIG_E_FAILED);
    cr_assert_not(rig->driver->in_tx(rig->conn));
    rig_expect(rig, rig->driver->commit(rig->conn, &rig->err), MIG_E_FAILED);
    cr_assert_str_eq(rig_rows(rig, "SELECT a FROM t"), "1");
}

SqliteTest(a_full_database_has_its_own_status)
{
    rig_exec(rig, "CREATE TABLE t (a); PRAGMA max_page_count = 8");
    rig_expect(rig, rig_try(rig, "INSERT INTO t VALUES (zeroblob(1000000))"), MIG_E_FULL);
}

/* The guard */

SqliteTest(the_guard_keeps_the_hosts_tables)
{
    static const char *const refused[] = {
        "DELETE FROM mighost_history",
        "UPDATE Mighost_History SET a = 2",
        "INSERT INTO main.mighost_history VALUES (9)",
        "DROP TABLE mighost_history",
        "ALTER TABLE mighost_history ADD COLUMN b",
        "ALTER TABLE mighost_history RENAME TO gone",
        "CREATE INDEX i ON mighost_history (a)",
        "CREATE TRIGGER x AFTER INSERT ON mighost_history BEGIN SELECT 1; END",
        "CREATE TEMP TABLE mighost_history (a)",
        "CREATE TEMP VIEW mighost_history AS SELECT 1 AS a",
        "CREATE TABLE mighost_other (a)",
        "PRAGMA writable_schema = ON",
        "ATTACH ':memory:' AS x",
        "DETACH x",
        "BEGIN",
        "END",
        "SAVEPOINT s",
        "RELEASE s",
        "PRAGMA hard_heap_limit = 1000000",
        "WITH x AS (SELECT 1) INSERT INTO mighost_history SELECT * FROM x",
    };
    size_t i;

    rig_exec(rig, "CREATE TABLE mighost_history (a); INSERT INTO mighost_history VALUES (1)");
    rig->driver->guard(rig->conn, "mighost");
    for (i = 0; i < sizeof refused / sizeof *refused; i++) {
        rig_expect(rig, rig_try(rig, refused[i]), MIG_E_MISUSE);
        cr_assert(strstr(rig->err.message, "a migration may not"), "%s: %s", refused[i],
                  rig->err.message);
    }
    rig_exec(rig, "SELECT * FROM mighost_history");
    rig->driver->guard(rig->conn, NULL);
    cr_assert_str_eq(rig_rows(rig, "SELECT a FROM mighost_history"), "1");
}

SqliteTest(the_guard_judges_prepared_statements_too)
{
    struct mig_cursor *cursor = NULL;
    const char *sql = "DELETE FROM mighost_history";

    rig_exec(rig, "CREATE TABLE mighost_history (a)");
    rig->driver->guard(rig->conn, "mighost");
    rig_expect(rig, rig->driver->prepare(rig->conn, sql, strlen(sql), 0, &cursor, &rig->err),
               MIG_E_MISUSE);
    rig->driver->guard(rig->conn, NULL);
    rig_exec(rig, sql);
}

SqliteTest(a_trigger_may_not_reach_the_hosts_tables_either)
{
    rig_exec(rig, "CREATE TABLE mighost_history (a); CREATE TABLE t (a)");
    rig->driver->guard(rig->conn, "mighost");
    rig_exec(rig, "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM mighost_history; END");
    rig_expect(rig, rig_try(rig, "INSERT INTO t VALUES (1)"), MIG_E_MISUSE);
    rig->driver->guard(rig->conn, NULL);
}

/* The session */

SqliteTest(pragmas_do_not_outlive_a_reset)
{
    rig_exec(rig, "PRAGMA recursive_triggers = 1; PRAGMA case_sensitive_like = 1;"
                  "PRAGMA ignore_check_constraints = 1; PRAGMA query_only = 1");
    rig_expect(rig, rig->driver->reset(rig->conn, &rig->err), MIG_OK);
    cr_assert_str_eq(rig_rows(rig, "PRAGMA recursive_triggers"), "0");
    cr_assert_str_eq(rig_rows(rig, "PRAGMA query_only"), "0");
    cr_assert_str_eq(rig_rows(rig, "SELECT 'a' LIKE 'A'"), "1");
}

SqliteTest(pragmas_do_not_outlive_a_reset_in_memory_and_tables_stay)
{
    rig_close(rig);
    rig->url = "sqlite::memory:";
    rig->conn = rig_connect(rig);
    rig_exec(rig, "CREATE TABLE t (a); CREATE TEMP TABLE x (a); CREATE TEMP VIEW y AS SELECT 1;"
                  "CREATE TEMP TRIGGER z AFTER INSERT ON t BEGIN SELECT 1; END;"
                  "ATTACH ':memory:' AS \"odd \"\"name\"; PRAGMA foreign_keys = 1;"
                  "PRAGMA recursive_triggers = 1; PRAGMA query_only = 1");
    rig_expect(rig, rig->driver->reset(rig->conn, &rig->err), MIG_OK);
    cr_assert_str_eq(rig_rows(rig, "PRAGMA recursive_triggers"), "0");
    cr_assert_str_eq(rig_rows(rig, "PRAGMA foreign_keys"), "0");
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM temp.sqlite_schema"), "0");
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM pragma_database_list "
                                   "WHERE name NOT IN ('main', 'temp')"),
                     "0");
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM t"), "0");
}

SqliteTest(reset_drops_a_temporary_table_that_is_still_read)
{
    struct mig_cursor *cursor;

    rig_exec(rig, "CREATE TEMP TABLE x (a); INSERT INTO x VALUES (1), (2)");
    cursor = rig_prepare(rig, "SELECT a FROM x", 0);
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_ROW);
    rig_expect(rig, rig->driver->reset(rig->conn, &rig->err), MIG_OK);
    rig_expect(rig, rig_try(rig, "SELECT * FROM x"), MIG_E_SQL);
    cr_assert_lt(rig->driver->step(cursor, &rig->err), 0);
    rig->driver->finalize(cursor);
}

SqliteTest(foreign_keys_do_not_outlive_a_reset)
{
    rig_exec(rig, "PRAGMA foreign_keys = ON");
    cr_assert_str_eq(rig_rows(rig, "PRAGMA foreign_keys"), "1");
    rig_expect(rig, rig->driver->reset(rig->conn, &rig->err), MIG_OK);
    cr_assert_str_eq(rig_rows(rig, "PRAGMA foreign_keys"), "0");
}

SqliteTest(begin_resets_a_session_that_was_changed)
{
    rig_exec(rig, "PRAGMA recursive_triggers = 1");
    rig_begin(rig);
    cr_assert_str_eq(rig_rows(rig, "PRAGMA recursive_triggers"), "0");
    rig->driver->rollback(rig->conn);
}

SqliteTest(reset_refuses_while_a_transaction_is_open)
{
    rig_begin(rig);
    rig_exec(rig, "PRAGMA recursive_triggers = 1");
    rig_expect(rig, rig->driver->reset(rig->conn, &rig->err), MIG_E_MISUSE);
    rig->driver->rollback(rig->conn);
    rig_expect(rig, rig->driver->reset(rig->conn, &rig->err), MIG_OK);
}

SqliteTest(a_cursor_with_values_from_before_a_reset_does_not_run)
{
    struct mig_cursor *cursor;

    rig_exec(rig, "CREATE TABLE t (a)");
    cursor = rig_prepare(rig, "INSERT INTO t VALUES ($1)", 0);
    rig_bind(rig, cursor, 1, rig_int(1));
    rig_exec(rig, "PRAGMA recursive_triggers = 1");
    rig_expect(rig, rig->driver->reset(rig->conn, &rig->err), MIG_OK);
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_E_MISUSE);
    rig->driver->finalize(cursor);
}

/* Texts */

static char *many_statements(int count, const char *last)
{
    size_t size = (size_t)count * 80 + strlen(last) + 1;
    char *text = test_format("%*s", (int)size, "");
    size_t at = 0;
    int i;

    for (i = 0; i < count; i++)
        at += (size_t)snprintf(text + at, size - at,
                               "INSERT INTO t VALUES (%d, 'a; b -- c'); /* ; */ -- ;\n", i);
    snprintf(text + at, size - at, "%s", last);
    return text;
}

SqliteTest(a_text_larger_than_the_window_runs_whole)
{
    rig_exec(rig, "CREATE TABLE t (a, b)");
    rig_begin(rig);
    rig_exec(rig, many_statements(20000, "INSERT INTO t VALUES (-1, 'end')"));
    rig_commit(rig);
    cr_assert_eq(rig->result.statements, 20001);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*), sum(a) FROM t"), "20001|199989999");
}

SqliteTest(a_fault_far_into_a_text_is_found)
{
    char *sql = many_statements(5000, "INSERT INTO t VALUES (1, 2); OOPS;");

    rig_exec(rig, "CREATE TABLE t (a, b)");
    rig_begin(rig);
    rig_expect(rig, rig_try(rig, sql), MIG_E_SQL);
    rig->driver->rollback(rig->conn);
    cr_assert_eq(rig->result.statements, 5001);
    cr_assert_eq(rig->err.offset, strstr(sql, "OOPS") - sql);
    cr_assert_eq((int64_t)rig->result.offset, rig->err.offset);
}

SqliteTest(a_statement_larger_than_the_window_runs_whole)
{
    char *value = test_format("%300000s", "x");
    char *sql = test_format("INSERT INTO t VALUES (1, '%s');\nINSERT INTO t VALUES (2, '')", value);

    rig_exec(rig, "CREATE TABLE t (a, b)");
    rig_exec(rig, sql);
    cr_assert_eq(rig->result.statements, 2);
    cr_assert_str_eq(rig_rows(rig, "SELECT a, length(b) FROM t"), "1|300000\n2|0");
}

SqliteTest(a_trigger_with_semicolons_is_one_statement)
{
    rig_exec(rig, "CREATE TABLE t (a); CREATE TRIGGER x AFTER INSERT ON t BEGIN "
                  "UPDATE t SET a = 1; DELETE FROM t WHERE a = 2; END; INSERT INTO t VALUES (5)");
    cr_assert_eq(rig->result.statements, 3);
    cr_assert_str_eq(rig_rows(rig, "SELECT a FROM t"), "1");
}

SqliteTest(a_nul_byte_in_a_text_is_refused)
{
    static const char text[] = "SELECT 1;\0SELECT 2;";

    rig_expect(rig, rig->driver->exec(rig->conn, text, sizeof text - 1, &rig->result, &rig->err),
               MIG_E_SQL);
    cr_assert_eq(rig->err.offset, 9);
}

SqliteTest(text_with_a_nul_byte_comes_back_whole)
{
    struct mig_cursor *cursor = rig_prepare(rig, "SELECT $1", 0);
    struct mig_value value = rig_text("");

    value.as.data = "a\0b";
    value.len = 3;
    rig_bind(rig, cursor, 1, value);
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_ROW);
    rig_expect(rig, rig->driver->column(cursor, 0, &value, &rig->err), MIG_OK);
    cr_assert_eq(value.len, 3);
    cr_assert_arr_eq(value.as.data, "a\0b", 4);
    rig->driver->finalize(cursor);
}

SqliteTest(placeholders_may_be_question_marks)
{
    struct mig_cursor *cursor = rig_prepare(rig, "SELECT ?2 || ?1 || ?2", 0);
    struct mig_value value;
    const char *named = "SELECT :name";

    rig_bind(rig, cursor, 1, rig_text("a"));
    rig_bind(rig, cursor, 2, rig_text("b"));
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_ROW);
    rig_expect(rig, rig->driver->column(cursor, 0, &value, &rig->err), MIG_OK);
    cr_assert_str_eq((const char *)value.as.data, "bab");
    rig->driver->finalize(cursor);
    cursor = NULL;
    rig_expect(rig, rig->driver->prepare(rig->conn, named, strlen(named), 0, &cursor, &rig->err),
               MIG_E_MISUSE);
}

/* Streams */

SqliteTest(a_stream_keeps_the_type_of_every_value)
{
    struct mig_cursor *stream;

    rig_exec(rig, "CREATE TABLE t (a TEXT, b REAL); INSERT INTO t VALUES ('1', 2)");
    rig_begin(rig);
    stream = rig_prepare(rig,
                         "SELECT a, b, typeof(a), typeof(b), 1 FROM t UNION ALL "
                         "SELECT 1, '2', 'integer', 'text', x'00'",
                         MIG_PREPARE_STREAM);
    while (rig->driver->step(stream, &rig->err) == MIG_ROW) {
        static const char *const names[] = {"null", "integer", "real", "text", "blob"};
        struct mig_value value;
        struct mig_value type;
        int i;

        for (i = 0; i < 2; i++) {
            rig_expect(rig, rig->driver->column(stream, i, &value, &rig->err), MIG_OK);
            rig_expect(rig, rig->driver->column(stream, i + 2, &type, &rig->err), MIG_OK);
            cr_assert_str_eq((const char *)type.as.data, names[value.type]);
        }
    }
    rig->driver->finalize(stream);
    rig_commit(rig);
}

SqliteTest(a_stream_goes_on_over_commits)
{
    struct mig_cursor *stream;
    int64_t seen = 0;

    rig_exec(rig, "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)");
    stream = rig_prepare(rig, "WITH x AS (SELECT id FROM t) SELECT id FROM x WHERE id > $1 -- all",
                         MIG_PREPARE_STREAM);
    rig_bind(rig, stream, 1, rig_int(0));
    rig_begin(rig);
    while (rig->driver->step(stream, &rig->err) == MIG_ROW) {
        rig_exec(rig, test_format("INSERT INTO t VALUES (%d)", (int)seen++ + 10));
        rig_commit(rig);
        rig_begin(rig);
    }
    rig_commit(rig);
    cr_assert_eq(seen, 3);
    rig_expect(rig, rig->driver->restart(stream, &rig->err), MIG_OK);
    for (seen = 0; rig->driver->step(stream, &rig->err) == MIG_ROW; seen++)
        ;
    cr_assert_eq(seen, 6);
    rig->driver->finalize(stream);
}

SqliteTest(a_stream_whose_transaction_is_rolled_back_fails_and_a_new_one_works)
{
    struct mig_cursor *stream;

    rig_exec(rig, "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)");
    rig_begin(rig);
    stream = rig_prepare(rig, "SELECT id FROM t", MIG_PREPARE_STREAM);
    rig_expect(rig, rig->driver->step(stream, &rig->err), MIG_ROW);
    rig->driver->rollback(rig->conn);
    cr_assert_lt(rig->driver->step(stream, &rig->err), 0);
    rig_begin(rig);
    rig_expect(rig, rig->driver->restart(stream, &rig->err), MIG_OK);
    rig_expect(rig, rig->driver->step(stream, &rig->err), MIG_ROW);
    rig->driver->finalize(stream);
    rig_commit(rig);
}

/* The schema */

SqliteTest(a_table_without_a_key_has_its_rowid)
{
    char key[64];

    rig_exec(rig, "CREATE TABLE t (a); CREATE TABLE u (rowid TEXT); CREATE VIEW v AS SELECT 1;"
                  "CREATE TABLE w (b TEXT PRIMARY KEY) WITHOUT ROWID");
    rig_expect(rig, rig->driver->primary_key(rig->conn, "t", key, sizeof key, &rig->err), MIG_OK);
    cr_assert_str_eq(key, "rowid");
    rig_expect(rig, rig->driver->primary_key(rig->conn, "u", key, sizeof key, &rig->err), MIG_OK);
    cr_assert_str_eq(key, "_rowid_");
    rig_expect(rig, rig->driver->primary_key(rig->conn, "v", key, sizeof key, &rig->err), MIG_OK);
    cr_assert_str_eq(key, "");
    rig_expect(rig, rig->driver->primary_key(rig->conn, "[w]", key, sizeof key, &rig->err), MIG_OK);
    cr_assert_str_eq(key, "\"b\"");
    rig_expect(rig, rig->driver->primary_key(rig->conn, "nothing", key, sizeof key, &rig->err),
               MIG_E_NOTFOUND);
    rig_expect(rig, rig->driver->primary_key(rig->conn, "w", key, 2, &rig->err), MIG_E_RANGE);
}

SqliteTest(pragmas_that_need_no_transaction_are_known)
{
    static const char *const outside[] = {
        "PRAGMA journal_mode = WAL",
        "pragma main.journal_mode(delete)",
        "PRAGMA synchronous=OFF",
        "PRAGMA wal_checkpoint",
    };
    static const char *const inside[] = {
        "PRAGMA journal_mode",
        "PRAGMA foreign_keys = ON",
        "PRAGMA user_version = 3",
    };
    size_t i;

    for (i = 0; i < sizeof outside / sizeof *outside; i++)
        cr_assert(rig->driver->outside_tx(rig->conn, outside[i], strlen(outside[i])), "%s",
                  outside[i]);
    for (i = 0; i < sizeof inside / sizeof *inside; i++)
        cr_assert_not(rig->driver->outside_tx(rig->conn, inside[i], strlen(inside[i])), "%s",
                      inside[i]);
}

/* Batches */

SqliteTest(a_batch_compares_text_byte_for_byte)
{
    static const char *const keys[] = {"rowid"};
    static const char *const columns[] = {"\"v\""};
    struct mig_value key = rig_int(1);
    struct mig_value old = rig_text("ABC");
    struct mig_value new_value = rig_text("x");
    bool written[1] = {true};
    struct mig_batch batch = {
        .size = sizeof batch,
        .table = "t",
        .keys = keys,
        .key_count = 1,
        .reads = columns,
        .read_count = 1,
        .writes = columns,
        .write_count = 1,
        .rows = 1,
        .key_values = &key,
        .olds = &old,
        .news = &new_value,
    };

    rig_exec(rig, "CREATE TABLE t (v TEXT COLLATE NOCASE); INSERT INTO t VALUES ('abc')");
    rig_begin(rig);
    rig_expect(rig, rig->driver->update_batch(rig->conn, &batch, written, &rig->err), MIG_OK);
    cr_assert_not(written[0]);
    rig_commit(rig);
}

/* Ten keys, of which the table `t` has 7. */
static void sweep_ten(struct rig *rig, bool exclusive)
{
    static const char *const keys[] = {"k"};
    static const char *const writes[] = {"w"};
    struct mig_value key_values[10];
    struct mig_value news[10];
    bool written[10];
    struct mig_batch batch = {
        .size = sizeof batch,
        .table = "t",
        .keys = keys,
        .key_count = 1,
        .writes = writes,
        .write_count = 1,
        .rows = 10,
        .key_values = key_values,
        .news = news,
        .exclusive = exclusive,
    };
    int i;

    for (i = 0; i < 10; i++) {
        key_values[i] = rig_int(i);
        news[i] = rig_int(100 + i);
    }
    rig_begin(rig);
    rig_expect(rig, rig->driver->update_batch(rig->conn, &batch, written, &rig->err), MIG_OK);
    rig_commit(rig);
    for (i = 0; i < 10; i++)
        cr_assert_eq(written[i], i == 7);
}

SqliteTest(a_sweep_of_close_keys_takes_no_row_that_is_not_in_the_batch)
{
    rig_exec(rig, "CREATE TABLE t (k, w); CREATE INDEX i ON t (k, w);"
                  "INSERT INTO t VALUES (5.5, 'real'), ('5', 'text'), (7, 'first'), (7, 'second')");
    for (int exclusive = 0; exclusive < 2; exclusive++) {
        sweep_ten(rig, exclusive);
        cr_assert_str_eq(rig_rows(rig, "SELECT k, w FROM t ORDER BY rowid"),
                         "5.5|real\n5|text\n7|107\n7|107");
    }
    rig_exec(rig, "DROP TABLE t; CREATE TABLE t (k INT PRIMARY KEY, w) WITHOUT ROWID;"
                  "INSERT INTO t VALUES (5.5, 'real'), (7, 'whole'), ('x', 'text')");
    sweep_ten(rig, true);
    cr_assert_str_eq(rig_rows(rig, "SELECT k, w FROM t ORDER BY k"), "5.5|real\n7|107\nx|text");
    rig_exec(rig, "DROP TABLE t; CREATE TABLE t (k INTEGER PRIMARY KEY, w);"
                  "INSERT INTO t VALUES (-1, 'before'), (7, 'it'), (10, 'behind')");
    sweep_ten(rig, true);
    cr_assert_str_eq(rig_rows(rig, "SELECT k, w FROM t ORDER BY k"), "-1|before\n7|107\n10|behind");
}

SqliteTest(the_functions_of_a_sweep_answer_nobody_else)
{
    static const char *const keys[] = {"k"};
    struct mig_value values[8];
    bool written[8];
    struct mig_batch batch = {
        .size = sizeof batch,
        .table = "t",
        .keys = keys,
        .key_count = 1,
        .writes = (const char *const[]){"w"},
        .write_count = 1,
        .rows = 8,
        .key_values = values,
        .news = values,
    };
    int i;

    rig_exec(rig, "CREATE TABLE t (k INTEGER PRIMARY KEY, w)");
    for (i = 0; i < 8; i++)
        values[i] = rig_int(i);
    rig_begin(rig);
    rig_expect(rig, rig->driver->update_batch(rig->conn, &batch, written, &rig->err), MIG_OK);
    rig_commit(rig);
    rig_expect(rig, rig_try(rig, "SELECT mighost_new(1, 0)"), MIG_E_SQL);
    rig_expect(rig, rig_try(rig, "SELECT mighost_unchanged(1)"), MIG_E_SQL);
}
