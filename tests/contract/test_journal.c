/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rollback journal of a SQLite database, which the driver keeps between
 * transactions: it is gone when the connection is, it is no hindrance to others
 * who make and remove theirs, and after kill -9 a database is as its last
 * commit left it.
 */
#include "rig.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *journal_of(const struct rig *rig)
{
    return test_format("%s-journal", test_sqlite_path(rig->url));
}

static void expect_sound(const struct rig *rig)
{
    cr_assert_str_eq(test_query(rig->url, "PRAGMA integrity_check"), "ok");
}

static void insert_rows(struct rig *rig, int first, int last)
{
    for (int i = first; i <= last; i++) {
        rig_begin(rig);
        rig_exec(rig, test_format("INSERT INTO t VALUES (%d)", i));
        rig_commit(rig);
    }
}

/* Runs `work` on a connection of its own in a process that kills itself. */
static void kill_behind(struct rig *rig, void (*work)(struct rig *rig))
{
    int status;
    pid_t child;

    rig_close(rig);
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        rig->conn = rig_connect(rig);
        work(rig);
        kill(getpid(), SIGKILL);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %x", (unsigned)status);
}

SqliteTest(the_journal_stays_between_transactions_and_goes_with_the_connection)
{
    struct stat before;
    struct stat after;

    rig_exec(rig, "CREATE TABLE t (a)");
    cr_assert_eq(stat(journal_of(rig), &before), 0);
    insert_rows(rig, 1, 3);
    cr_assert_eq(stat(journal_of(rig), &after), 0);
    cr_assert_eq(before.st_ino, after.st_ino);
    rig_close(rig);
    cr_assert_not(test_exists(journal_of(rig)));
    expect_sound(rig);
    rig->conn = rig_connect(rig);
}

SqliteTest(a_connection_that_fails_to_commit_leaves_no_journal_either)
{
    rig_exec(rig, "CREATE TABLE t (a)");
    rig_begin(rig);
    rig_exec(rig, "INSERT INTO t VALUES (1)");
    rig_close(rig);
    cr_assert_not(test_exists(journal_of(rig)));
    cr_assert_str_eq(test_query(rig->url, "SELECT count(*) FROM t"), "0");
    rig->conn = rig_connect(rig);
}

SqliteTest(a_session_reset_keeps_no_journal_of_the_session_before)
{
    rig_exec(rig, "CREATE TABLE t (a); PRAGMA cache_size = 50");
    cr_assert(test_exists(journal_of(rig)));
    rig_expect(rig, rig->driver->reset(rig->conn, &rig->err), MIG_OK);
    cr_assert_not(test_exists(journal_of(rig)));
}

SqliteTest(a_reader_neither_keeps_nor_removes_a_journal)
{
    struct mig_driver_config config = rig_config(rig->url);
    struct mig_conn *reader = NULL;

    rig_exec(rig, "CREATE TABLE t (a)");
    config.flags = MIG_OPEN_READONLY;
    rig_expect(rig, rig->driver->open(&config, &reader, &rig->err), MIG_OK);
    rig_expect(rig, rig_try_on(rig, reader, "SELECT * FROM t"), MIG_OK);
    rig->driver->close(reader);
    cr_assert(test_exists(journal_of(rig)));
}

SqliteTest(others_who_remove_their_journals_may_write_in_between)
{
    rig_exec(rig, "CREATE TABLE t (a)");
    for (int i = 0; i < 5; i++) {
        insert_rows(rig, 2 * i, 2 * i);
        test_query(rig->url, test_format("INSERT INTO t VALUES (%d)", 2 * i + 1));
        cr_assert_not(test_exists(journal_of(rig)));
    }
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*), sum(a) FROM t"), "10|45");
    expect_sound(rig);
}

SqliteTest(others_roll_back_by_themselves_beside_a_kept_journal)
{
    rig_exec(rig, "CREATE TABLE t (a)");
    insert_rows(rig, 1, 2);
    test_query(rig->url, "BEGIN; DELETE FROM t; ROLLBACK");
    insert_rows(rig, 3, 3);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM t"), "3");
    expect_sound(rig);
}

SqliteTest(the_journal_goes_although_others_read)
{
    struct mig_conn *other = rig_connect(rig);
    struct mig_cursor *cursor = NULL;

    rig_exec(rig, "CREATE TABLE t (a)");
    insert_rows(rig, 1, 2);
    rig_expect(rig,
               rig->driver->prepare(other, "SELECT a FROM t", strlen("SELECT a FROM t"), 0, &cursor,
                                    &rig->err),
               MIG_OK);
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_ROW);
    rig_close(rig);
    cr_assert_not(test_exists(journal_of(rig)));
    rig->driver->finalize(cursor);
    rig->driver->close(other);
    rig->conn = rig_connect(rig);
}

SqliteTest(a_journal_that_another_is_writing_is_left_to_him)
{
    struct mig_conn *other = rig_connect(rig);
    struct mig_tx_options options = {.size = sizeof options};

    rig_exec(rig, "CREATE TABLE t (a)");
    rig_expect(rig, rig->driver->begin(other, &options, &rig->err), MIG_OK);
    rig_expect(rig, rig_try_on(rig, other, "INSERT INTO t VALUES (1)"), MIG_OK);
    rig_close(rig);
    cr_assert(test_exists(journal_of(rig)));
    rig->driver->rollback(other);
    rig->driver->close(other);
    cr_assert_not(test_exists(journal_of(rig)));
    cr_assert_str_eq(test_query(rig->url, "SELECT count(*) FROM t"), "0");
    rig->conn = rig_connect(rig);
}

static void write_half(struct rig *rig)
{
    insert_rows(rig, 1, 2);
    rig_begin(rig);
    rig_exec(rig, "INSERT INTO t VALUES (3); UPDATE big SET a = zeroblob(1000)");
}

/* More than the engine's cache holds: so it has written into the database. */
SqliteTest(what_was_killed_in_a_transaction_is_rolled_back)
{
    rig_exec(rig, "CREATE TABLE t (a); CREATE TABLE big (a);"
                  "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000)"
                  "INSERT INTO big SELECT CAST(printf('%1000s', 'x') AS BLOB) FROM n");
    kill_behind(rig, write_half);
    cr_assert(test_exists(journal_of(rig)));
    rig->conn = rig_connect(rig);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM t"), "2");
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM big WHERE a = zeroblob(1000)"), "0");
    insert_rows(rig, 3, 3);
    expect_sound(rig);
    rig_close(rig);
    cr_assert_not(test_exists(journal_of(rig)));
    rig->conn = rig_connect(rig);
}

SqliteTest(what_was_killed_in_a_transaction_is_rolled_back_by_others_too)
{
    rig_exec(rig, "CREATE TABLE t (a); CREATE TABLE big (a);"
                  "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000)"
                  "INSERT INTO big SELECT CAST(printf('%1000s', 'x') AS BLOB) FROM n");
    kill_behind(rig, write_half);
    cr_assert_str_eq(test_query(rig->url, "SELECT count(*) FROM t"), "2");
    cr_assert_not(test_exists(journal_of(rig)));
    expect_sound(rig);
    rig->conn = rig_connect(rig);
}

static void write_whole(struct rig *rig)
{
    insert_rows(rig, 1, 2);
}

SqliteTest(what_was_committed_before_a_kill_stands_and_the_next_one_tidies_up)
{
    rig_exec(rig, "CREATE TABLE t (a)");
    kill_behind(rig, write_whole);
    cr_assert(test_exists(journal_of(rig)));
    cr_assert_str_eq(test_query(rig->url, "SELECT count(*) FROM t"), "2");
    expect_sound(rig);
    rig->conn = rig_connect(rig);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM t"), "2");
    rig_close(rig);
    cr_assert_not(test_exists(journal_of(rig)));
    rig->conn = rig_connect(rig);
}

SqliteTest(a_database_that_gets_a_write_ahead_log_has_no_journal_left)
{
    static const char *const ways[] = {"PRAGMA journal_mode = WAL",
                                       "pragma main.journal_mode(wal)"};

    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        rig_exec(rig, test_format("CREATE TABLE t%zu (a)", i));
        if (i == 0) {
            rig_exec(rig, ways[i]);
        } else {
            struct mig_cursor *cursor = rig_prepare(rig, ways[i], 0);

            rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_ROW);
            rig->driver->finalize(cursor);
        }
        rig_close(rig);
        cr_assert_not(test_exists(journal_of(rig)));
        cr_assert_str_eq(test_query(rig->url, "PRAGMA journal_mode"), "wal");
        test_query(rig->url, "PRAGMA journal_mode = DELETE");
        rig->conn = rig_connect(rig);
    }
}

SqliteTest(a_write_ahead_log_that_another_chose_meanwhile_stays)
{
    rig_exec(rig, "CREATE TABLE t (a)");
    test_query(rig->url, "PRAGMA journal_mode = WAL");
    insert_rows(rig, 1, 1);
    rig_close(rig);
    cr_assert_not(test_exists(journal_of(rig)));
    cr_assert_str_eq(test_query(rig->url, "PRAGMA journal_mode"), "wal");
    rig->conn = rig_connect(rig);
}

SqliteTest(choosing_a_journal_inside_a_transaction_changes_nothing)
{
    rig_exec(rig, "CREATE TABLE t (a)");
    rig_begin(rig);
    rig_exec(rig, "INSERT INTO t VALUES (1)");
    rig_exec(rig, "PRAGMA journal_mode = WAL");
    rig_commit(rig);
    rig_close(rig);
    cr_assert_not(test_exists(journal_of(rig)));
    cr_assert_str_eq(test_query(rig->url, "PRAGMA journal_mode"), "delete");
    cr_assert_str_eq(test_query(rig->url, "SELECT count(*) FROM t"), "1");
    rig->conn = rig_connect(rig);
}

SqliteTest(who_takes_the_native_handle_finds_the_journal_as_sqlite_has_it)
{
    rig_exec(rig, "CREATE TABLE t (a)");
    cr_assert_not_null(rig->driver->native(rig->conn));
    cr_assert_not(test_exists(journal_of(rig)));
    cr_assert_str_eq(rig_rows(rig, "PRAGMA journal_mode"), "delete");
}
