/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches of rows that are written at once, on every engine alike: which rows
 * were written, and that those which changed meanwhile were not.
 */
#include "rig.h"

/* Batches */

static const char *const key_id[] = {"\"id\""};
static const char *const reads_v[] = {"\"v\""};
static const char *const writes_w[] = {"\"w\""};

Contract(a_batch_writes_the_rows_that_did_not_change)
{
    struct mig_value keys[] = {rig_int(1), rig_int(2), rig_int(3), rig_int(99)};
    struct mig_value olds[] = {rig_text("one"), rig_text("two"), rig_null(), rig_text("gone")};
    struct mig_value news[] = {rig_text("ONE"), rig_text("TWO"), rig_text("nil"), rig_null()};
    bool written[4] = {false, true, false, true};
    struct mig_batch batch = {
        .size = sizeof batch,
        .table = "\"t\"",
        .keys = key_id,
        .key_count = 1,
        .reads = reads_v,
        .read_count = 1,
        .writes = writes_w,
        .write_count = 1,
        .rows = 4,
        .key_values = keys,
        .olds = olds,
        .news = news,
    };

    rig_exec(rig, "CREATE TABLE t (id integer PRIMARY KEY, v text, w text);"
                  "INSERT INTO t VALUES (1, 'one', NULL), (2, 'changed', 'x'), (3, NULL, NULL)");
    rig_begin(rig);
    rig_expect(rig, rig->driver->update_batch(rig->conn, &batch, written, &rig->err), MIG_OK);
    rig_commit(rig);
    cr_assert(written[0] && !written[1] && written[2] && !written[3]);
    cr_assert_str_eq(rig_rows(rig, "SELECT id, v, w FROM t ORDER BY id"),
                     "1|one|ONE\n2|changed|x\n3|null|nil");
}

Contract(a_batch_with_a_composite_key_and_without_reads_writes_every_row)
{
    static const char *const keys_ab[] = {"\"a\"", "\"b\""};
    static const char *const writes_two[] = {"\"n\"", "\"d\""};
    struct mig_value keys[] = {rig_int(1), rig_text("x"), rig_int(1), rig_text("y")};
    struct mig_value news[] = {rig_int(10), rig_double(0.5), rig_null(), rig_double(2.5)};
    bool written[2] = {false, false};
    struct mig_batch batch = {
        .size = sizeof batch,
        .table = "\"t\"",
        .keys = keys_ab,
        .key_count = 2,
        .writes = writes_two,
        .write_count = 2,
        .rows = 2,
        .key_values = keys,
        .news = news,
    };

    rig_exec(rig, "CREATE TABLE t (a integer, b text, n bigint, d double precision, "
                  "PRIMARY KEY (a, b));"
                  "INSERT INTO t VALUES (1, 'x', 0, 0), (1, 'y', 0, 0), (2, 'x', 0, 0)");
    rig_begin(rig);
    rig_expect(rig, rig->driver->update_batch(rig->conn, &batch, written, &rig->err), MIG_OK);
    rig_commit(rig);
    cr_assert(written[0] && written[1]);
    cr_assert_str_eq(rig_rows(rig, "SELECT a, b, n, d FROM t ORDER BY a, b"),
                     "1|x|10|0.5\n1|y|null|2.5\n2|x|0|0");
}

Contract(batches_of_different_sizes_and_tables_follow_each_other)
{
    struct mig_value keys[] = {rig_int(1), rig_int(2)};
    struct mig_value news[] = {rig_text("a"), rig_text("b")};
    bool written[2];
    struct mig_batch batch = {
        .size = sizeof batch,
        .table = "\"t\"",
        .keys = key_id,
        .key_count = 1,
        .writes = writes_w,
        .write_count = 1,
        .rows = 2,
        .key_values = keys,
        .news = news,
    };

    rig_exec(rig, "CREATE TABLE t (id integer PRIMARY KEY, w text);"
                  "CREATE TABLE u (id integer PRIMARY KEY, w text);"
                  "INSERT INTO t VALUES (1, ''), (2, ''); INSERT INTO u VALUES (1, '')");
    rig_begin(rig);
    rig_expect(rig, rig->driver->update_batch(rig->conn, &batch, written, &rig->err), MIG_OK);
    batch.rows = 1;
    batch.table = "\"u\"";
    rig_expect(rig, rig->driver->update_batch(rig->conn, &batch, written, &rig->err), MIG_OK);
    batch.rows = 0;
    rig_expect(rig, rig->driver->update_batch(rig->conn, &batch, written, &rig->err), MIG_OK);
    rig_commit(rig);
    cr_assert_str_eq(rig_rows(rig, "SELECT w FROM t ORDER BY id"), "a\nb");
    cr_assert_str_eq(rig_rows(rig, "SELECT w FROM u"), "a");
}

enum { MANY = 500 };

Contract(a_large_batch_writes_every_type_and_leaves_what_changed)
{
    static const char *const reads[] = {"\"v\"", "\"b\"", "\"d\""};
    static const char *const writes[] = {"\"w\"", "\"b\"", "\"n\"", "\"d\""};
    struct mig_value keys[MANY];
    struct mig_value olds[3 * MANY];
    struct mig_value news[4 * MANY];
    bool written[MANY];
    struct mig_batch batch = {
        .size = sizeof batch,
        .table = "\"t\"",
        .keys = key_id,
        .key_count = 1,
        .reads = reads,
        .read_count = 3,
        .writes = writes,
        .write_count = 4,
        .rows = MANY,
        .key_values = keys,
        .olds = olds,
        .news = news,
    };
    int i;

    rig_exec(rig, test_format("CREATE TABLE t (id integer PRIMARY KEY, v text, b %s, "
                              "d double precision, w text, n bigint)",
                              rig->driver->blob_type));
    rig_exec(rig, "INSERT INTO t (id, v, d) WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL "
                  "SELECT i + 1 FROM s WHERE i < 1000) SELECT i, 'v' || i, i + 0.5 FROM s");
    rig_exec(rig, "UPDATE t SET v = 'other' WHERE id = 10; UPDATE t SET d = NULL WHERE id = 20;"
                  "DELETE FROM t WHERE id = 30; UPDATE t SET v = NULL WHERE id = 40");
    for (i = 0; i < MANY; i++) {
        keys[i] = rig_int(2 * (i + 1)); /* every second row */
        olds[3 * i] = rig_text(test_format("v%d", 2 * (i + 1)));
        olds[3 * i + 1] = rig_null();
        olds[3 * i + 2] = rig_double(2 * (i + 1) + 0.5);
        news[4 * i] = i % 2 ? rig_null() : rig_text("new");
        news[4 * i + 1] = rig_blob("\0b", i % 3 ? 2 : 0);
        news[4 * i + 2] = rig_int(INT64_MAX - i);
        news[4 * i + 3] = rig_double(0.25);
        written[i] = i % 2;
    }
    rig_begin(rig);
    rig_expect(rig, rig->driver->update_batch(rig->conn, &batch, written, &rig->err), MIG_OK);
    rig_commit(rig);
    for (i = 0; i < MANY; i++)
        cr_assert_eq(written[i], i != 4 && i != 9 && i != 14 && i != 19, "row %d", i);
    cr_assert_str_eq(rig_rows(rig, "SELECT count(*), count(w), count(b), count(n) FROM t "
                                   "WHERE d = 0.25"),
                     "496|248|496|496");
    cr_assert_str_eq(rig_rows(rig, "SELECT w, n, v FROM t WHERE id = 6"),
                     "new|9223372036854775805|v6");
}

Contract(a_batch_that_breaks_a_constraint_fails)
{
    struct mig_value keys[] = {rig_int(1)};
    struct mig_value news[] = {rig_null()};
    bool written[1];
    struct mig_batch batch = {
        .size = sizeof batch,
        .table = "\"t\"",
        .keys = key_id,
        .key_count = 1,
        .writes = writes_w,
        .write_count = 1,
        .rows = 1,
        .key_values = keys,
        .news = news,
    };

    rig_exec(rig, "CREATE TABLE t (id integer PRIMARY KEY, w text NOT NULL);"
                  "INSERT INTO t VALUES (1, '')");
    rig_begin(rig);
    rig_expect(rig, rig->driver->update_batch(rig->conn, &batch, written, &rig->err),
               MIG_E_CONSTRAINT);
    rig->driver->rollback(rig->conn);
}
