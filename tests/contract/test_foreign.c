/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Foreign keys of a SQLite database while enforcement is off: what a
 * transaction breaks fails its commit, whichever way it was broken, and what
 * was broken before is nobody's fault. What the driver knows of the schema it
 * carries on from statement to statement, so that each change of a table must
 * be followed by a look whether it still sees everything.
 */
#include "rig.h"

static const char family[] = "CREATE TABLE p (id INTEGER PRIMARY KEY, name);"
                             "CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p(id), note);"
                             "INSERT INTO p VALUES (1, 'a'), (2, 'b');"
                             "INSERT INTO c VALUES (10, 1, ''), (20, 2, ''), (30, NULL, '')";

/* Runs `sql` in a transaction without enforcement; the commit's status. */
static mig_status commit_of(struct rig *rig, const char *sql)
{
    rig_begin(rig);
    rig_exec(rig, sql);
    return rig->driver->commit(rig->conn, &rig->err);
}

SqliteTest(orphans_fail_the_commit_and_are_listed)
{
    rig_exec(rig, family);
    rig_expect(rig, commit_of(rig, "DELETE FROM p WHERE id = 2"), MIG_E_CONSTRAINT);
    cr_assert(strstr(rig->err.message, "c row 20"), "%s", rig->err.message);
    cr_assert(strstr(rig->err.message, " p"), "%s", rig->err.message);
    cr_assert_not(rig->driver->in_tx(rig->conn));
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM p"), "2");
    rig_expect(rig, commit_of(rig, "DELETE FROM c WHERE p = 2; DELETE FROM p WHERE id = 2"),
               MIG_OK);
}

SqliteTest(every_way_to_make_an_orphan_is_seen)
{
    static const char *const ways[] = {
        "DELETE FROM p",
        "DROP TABLE p",
        "UPDATE p SET id = id + 100",
        "UPDATE p SET rowid = rowid + 100",
        "INSERT INTO c VALUES (40, 99, '')",
        "UPDATE c SET p = 99 WHERE id = 10",
        "REPLACE INTO c VALUES (10, 77, '')",
        "ALTER TABLE p RENAME TO q; DELETE FROM q",
        "ALTER TABLE c RENAME TO d; UPDATE d SET p = 5 WHERE id = 10",
        "ALTER TABLE c ADD COLUMN o INTEGER REFERENCES p(id) DEFAULT 9",
        "CREATE TABLE n (x REFERENCES p(id)); INSERT INTO n VALUES (9)",
        "CREATE TABLE n (x REFERENCES p(id)); INSERT INTO n SELECT 9; DROP TABLE IF EXISTS o",
    };
    size_t i;

    rig_exec(rig, family);
    for (i = 0; i < sizeof ways / sizeof *ways; i++) {
        mig_status status = commit_of(rig, ways[i]);

        cr_assert_eq(status, MIG_E_CONSTRAINT, "%s: %d", ways[i], (int)status);
    }
    cr_assert_str_eq(rig_rows(rig, "SELECT group_concat(p) FROM c"), "1,2");
}

SqliteTest(an_orphan_made_by_a_cursor_is_seen)
{
    struct mig_cursor *cursor;

    rig_exec(rig, family);
    cursor = rig_prepare(rig, "DELETE FROM p WHERE id = $1", 0);
    rig_begin(rig);
    rig_bind(rig, cursor, 1, rig_int(99));
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_OK);
    rig_commit(rig);
    rig_begin(rig);
    rig_expect(rig, rig->driver->restart(cursor, &rig->err), MIG_OK);
    rig_bind(rig, cursor, 1, rig_int(1));
    rig_expect(rig, rig->driver->step(cursor, &rig->err), MIG_OK);
    rig->driver->finalize(cursor);
    rig_expect(rig, rig->driver->commit(rig->conn, &rig->err), MIG_E_CONSTRAINT);
}

SqliteTest(an_orphan_made_by_a_batch_is_seen)
{
    static const char *const keys[] = {"\"id\""};
    static const char *const writes[] = {"\"p\""};
    struct mig_value key = rig_int(10);
    struct mig_value new_value = rig_int(99);
    bool written[1];
    struct mig_batch batch = {
        .size = sizeof batch,
        .table = "\"c\"",
        .keys = keys,
        .key_count = 1,
        .writes = writes,
        .write_count = 1,
        .rows = 1,
        .key_values = &key,
        .news = &new_value,
    };

    rig_exec(rig, family);
    rig_begin(rig);
    rig_expect(rig, rig->driver->update_batch(rig->conn, &batch, written, &rig->err), MIG_OK);
    rig_expect(rig, rig->driver->commit(rig->conn, &rig->err), MIG_E_CONSTRAINT);
}

SqliteTest(orphans_from_before_are_not_the_migrations_fault)
{
    rig_exec(rig, family);
    rig_exec(rig, "INSERT INTO c VALUES (50, 555, '')");
    rig_expect(rig, commit_of(rig, "DELETE FROM p WHERE id = 99"), MIG_OK);
    rig_expect(rig, commit_of(rig, "INSERT INTO c VALUES (60, 1, '')"), MIG_OK);
    rig_expect(rig, commit_of(rig, "INSERT INTO c VALUES (70, 555, '')"), MIG_E_CONSTRAINT);
    cr_assert(strstr(rig->err.message, "c row 70"), "%s", rig->err.message);
    cr_assert_null(strstr(rig->err.message, "c row 50"), "%s", rig->err.message);
}

SqliteTest(orphans_that_another_process_made_are_not_the_migrations_fault)
{
    struct mig_conn *other = rig_connect(rig);

    rig_exec(rig, family);
    rig_expect(rig, commit_of(rig, "INSERT INTO c VALUES (60, 1, '')"), MIG_OK);
    rig_expect(rig, rig_try_on(rig, other, "INSERT INTO c VALUES (50, 555, '')"), MIG_OK);
    rig_expect(rig, commit_of(rig, "INSERT INTO c VALUES (70, 1, '')"), MIG_OK);
    rig->driver->close(other);
}

SqliteTest(tables_of_another_process_are_watched_as_well)
{
    struct mig_conn *other = rig_connect(rig);

    rig_expect(rig, commit_of(rig, "CREATE TABLE t (a); INSERT INTO t VALUES (1)"), MIG_OK);
    rig_expect(rig, rig_try_on(rig, other, family), MIG_OK);
    rig_expect(rig, commit_of(rig, "DELETE FROM p"), MIG_E_CONSTRAINT);
    rig->driver->close(other);
}

SqliteTest(the_documented_rebuild_of_a_table_keeps_its_references)
{
    rig_exec(rig, family);
    rig_expect(rig,
               commit_of(rig, "CREATE TABLE p_new (id INTEGER PRIMARY KEY, name TEXT);"
                              "INSERT INTO p_new SELECT id, name FROM p;"
                              "DROP TABLE p; ALTER TABLE p_new RENAME TO p"),
               MIG_OK);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*) FROM c JOIN p ON p.id = c.p"), "2");
    rig_expect(rig,
               commit_of(rig, "CREATE TABLE p_new (id INTEGER PRIMARY KEY, name TEXT);"
                              "INSERT INTO p_new SELECT id, name FROM p WHERE id = 1;"
                              "DROP TABLE p; ALTER TABLE p_new RENAME TO p"),
               MIG_E_CONSTRAINT);
}

SqliteTest(a_rebuild_of_the_child_keeps_its_references)
{
    rig_exec(rig, family);
    rig_expect(rig,
               commit_of(rig, "CREATE TABLE c_new (id INTEGER PRIMARY KEY, p REFERENCES "
                              "p(id)); INSERT INTO c_new SELECT id, p FROM c; DROP TABLE c;"
                              "ALTER TABLE c_new RENAME TO c"),
               MIG_OK);
    rig_expect(rig,
               commit_of(rig, "CREATE TABLE c_new (id INTEGER PRIMARY KEY, p REFERENCES "
                              "p(id)); INSERT INTO c_new SELECT id, 99 FROM c; DROP TABLE c;"
                              "ALTER TABLE c_new RENAME TO c"),
               MIG_E_CONSTRAINT);
}

SqliteTest(many_orphans_are_counted_and_ten_listed)
{
    rig_exec(rig, family);
    rig_expect(rig,
               commit_of(rig, "INSERT INTO c WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL "
                              "SELECT i + 1 FROM n WHERE i < 149) SELECT i, 99, '' FROM n"),
               MIG_E_CONSTRAINT);
    cr_assert(strstr(rig->err.message, "50 rows"), "%s", rig->err.message);
    cr_assert(strstr(rig->err.message, "c row 109"), "%s", rig->err.message);
    cr_assert_null(strstr(rig->err.message, "c row 110"), "%s", rig->err.message);
    cr_assert(strstr(rig->err.message, "others"), "%s", rig->err.message);
}

SqliteTest(orphans_in_a_table_without_rowid_are_counted)
{
    rig_exec(rig, "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (k TEXT PRIMARY KEY, "
                  "p REFERENCES p(id)) WITHOUT ROWID; INSERT INTO c VALUES ('old', 5)");
    rig_expect(rig, commit_of(rig, "UPDATE c SET p = 6"), MIG_OK);
    rig_expect(rig, commit_of(rig, "INSERT INTO c VALUES ('new', 7)"), MIG_E_CONSTRAINT);
}

SqliteTest(enforcement_stays_on_when_asked_for)
{
    struct mig_tx_options options = {.size = sizeof options, .foreign_keys = true};

    rig_exec(rig, family);
    rig_expect(rig, rig->driver->begin(rig->conn, &options, &rig->err), MIG_OK);
    cr_assert_str_eq(rig_rows(rig, "PRAGMA foreign_keys"), "1");
    rig_expect(rig, rig_try(rig, "DELETE FROM p"), MIG_E_CONSTRAINT);
    rig->driver->rollback(rig->conn);
    rig_begin(rig);
    cr_assert_str_eq(rig_rows(rig, "PRAGMA foreign_keys"), "0");
    rig->driver->rollback(rig->conn);
}

SqliteTest(a_composite_foreign_key_is_watched)
{
    rig_exec(rig, "CREATE TABLE p (a, b, PRIMARY KEY (a, b)); CREATE TABLE c (x, y, FOREIGN KEY "
                  "(x, y) REFERENCES p); INSERT INTO p VALUES (1, 2); INSERT INTO c VALUES (1, 2)");
    rig_expect(rig, commit_of(rig, "UPDATE p SET b = 3"), MIG_E_CONSTRAINT);
    rig_expect(rig, commit_of(rig, "UPDATE p SET b = 3; UPDATE c SET y = 3"), MIG_OK);
}

/* What is known of the schema follows its changes */

SqliteTest(tables_made_while_the_schema_is_known_are_watched)
{
    rig_exec(rig, family);
    rig_expect(rig, commit_of(rig, "UPDATE p SET id = id"), MIG_OK);
    for (int i = 0; i < 300; i++)
        rig_expect(rig,
                   commit_of(rig, test_format("CREATE TABLE t%d (id INTEGER PRIMARY KEY, "
                                              "\"from\" REFERENCES P(ID));"
                                              "INSERT INTO T%d VALUES (1, 1)",
                                              i, i)),
                   MIG_OK);
    rig_expect(rig, commit_of(rig, "UPDATE T123 SET \"From\" = 7"), MIG_E_CONSTRAINT);
    cr_assert(strstr(rig->err.message, "t123 row 1"), "%s", rig->err.message);
    rig_expect(rig, commit_of(rig, "DELETE FROM P WHERE id = 1"), MIG_E_CONSTRAINT);
    cr_assert(strstr(rig->err.message, "301 rows"), "%s", rig->err.message);
}

SqliteTest(a_reference_without_columns_means_the_key_as_it_is)
{
    rig_exec(rig, family);
    rig_expect(rig, commit_of(rig, "UPDATE p SET id = id"), MIG_OK);
    rig_expect(rig,
               commit_of(rig, "CREATE TABLE a (x, note, y, PRIMARY KEY (y, x));"
                              "CREATE TABLE b (i, j, FOREIGN KEY (i, j) REFERENCES a);"
                              "INSERT INTO a VALUES (1, '', 2); INSERT INTO b VALUES (2, 1)"),
               MIG_OK);
    rig_expect(rig, commit_of(rig, "UPDATE a SET note = 'n'"), MIG_OK);
    rig_expect(rig, commit_of(rig, "UPDATE a SET x = 3"), MIG_E_CONSTRAINT);
    rig_expect(rig, commit_of(rig, "UPDATE a SET y = 3"), MIG_E_CONSTRAINT);
    rig_expect(rig, commit_of(rig, "UPDATE b SET j = 3"), MIG_E_CONSTRAINT);
}

SqliteTest(a_new_column_leaves_the_references_watched)
{
    rig_exec(rig, family);
    rig_expect(rig, commit_of(rig, "ALTER TABLE c ADD COLUMN more TEXT"), MIG_OK);
    rig_expect(rig, commit_of(rig, "UPDATE c SET p = 9 WHERE id = 10"), MIG_E_CONSTRAINT);
    rig_expect(rig, commit_of(rig, "ALTER TABLE p ADD COLUMN more TEXT; DELETE FROM p"),
               MIG_E_CONSTRAINT);
}

SqliteTest(a_new_column_that_refers_is_watched)
{
    rig_exec(rig, family);
    rig_expect(rig, commit_of(rig, "UPDATE p SET id = id"), MIG_OK);
    rig_expect(rig, commit_of(rig, "CREATE TABLE o (id INTEGER PRIMARY KEY)"), MIG_OK);
    rig_expect(rig, commit_of(rig, "ALTER TABLE c ADD COLUMN o REFERENCES o(id)"), MIG_OK);
    rig_expect(rig, commit_of(rig, "UPDATE c SET o = 1 WHERE id = 20"), MIG_E_CONSTRAINT);
    rig_expect(rig, commit_of(rig, "INSERT INTO o VALUES (1); UPDATE c SET o = 1"), MIG_OK);
    rig_expect(rig, commit_of(rig, "DROP TABLE o"), MIG_E_CONSTRAINT);
}

SqliteTest(a_column_that_is_dropped_leaves_the_others_watched)
{
    rig_exec(rig, family);
    rig_expect(rig, commit_of(rig, "ALTER TABLE c DROP COLUMN note"), MIG_OK);
    rig_expect(rig, commit_of(rig, "UPDATE c SET p = 9 WHERE id = 10"), MIG_E_CONSTRAINT);
    rig_expect(rig, commit_of(rig, "ALTER TABLE p DROP COLUMN name; DELETE FROM p"),
               MIG_E_CONSTRAINT);
}

SqliteTest(a_table_made_again_has_the_references_that_it_now_has)
{
    rig_exec(rig, family);
    rig_expect(rig, commit_of(rig, "DROP TABLE c; CREATE TABLE c (id INTEGER PRIMARY KEY, p)"),
               MIG_OK);
    rig_expect(rig, commit_of(rig, "INSERT INTO c VALUES (1, 99); DELETE FROM p"), MIG_OK);
    rig_expect(rig,
               commit_of(rig, "DROP TABLE c; CREATE TABLE c (id INTEGER PRIMARY KEY, "
                              "p REFERENCES p(id))"),
               MIG_OK);
    rig_expect(rig, commit_of(rig, "INSERT INTO c VALUES (1, 99)"), MIG_E_CONSTRAINT);
}

SqliteTest(a_parent_made_after_its_child_is_watched)
{
    rig_exec(rig, family);
    rig_expect(rig, commit_of(rig, "UPDATE p SET id = id"), MIG_OK);
    rig_expect(rig, commit_of(rig, "CREATE TABLE late (x REFERENCES early(id))"), MIG_OK);
    rig_expect(rig,
               commit_of(rig, "CREATE TABLE early (id INTEGER PRIMARY KEY);"
                              "INSERT INTO early VALUES (1); INSERT INTO late VALUES (1)"),
               MIG_OK);
    rig_expect(rig, commit_of(rig, "DELETE FROM early"), MIG_E_CONSTRAINT);
}
