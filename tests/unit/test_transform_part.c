/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cutting a table into ranges of its key, on real databases: they lie end to
 * end, the first without a beginning and the last without an end, also where
 * keys are as far apart as numbers can be.
 */
#include "opened.h"
#include "transform_part.h"

static mig_status never(const struct mig_row *in, struct mig_row *out, void *user)
{
    (void)in;
    (void)out;
    (void)user;
    return MIG_SKIP;
}

static void cut(struct opened *on, const char *key, int64_t total, size_t wanted,
                struct transform_parts *parts)
{
    const struct mig_transform spec = {
        .size = sizeof spec, .table = "t", .key = key, .read = "a", .write = "a", .map = never};
    const struct db_config config = {.driver = on->driver, .conn = on->conn};
    struct transform_shape shape;
    struct db *db = calloc(1, sizeof *db);

    cr_assert_not_null(db);
    db_open(db, &config);
    db_guard(db, false);
    expect_status(on, transform_shape_init(&shape, &spec, on->driver, on->conn, NULL, &on->err),
                  MIG_OK);
    expect_status(on, transform_parts_make(parts, db, &shape, total, wanted, &on->err), MIG_OK);
    transform_shape_clear(&shape);
    db_close(db);
    free(db);
}

static void expect_end_to_end(const struct transform_parts *parts)
{
    cr_assert_str_eq(parts->items[0].cursor, "");
    for (size_t i = 0; i < parts->count; i++) {
        cr_assert_eq(parts->items[i].part, (int64_t)i + 1);
        if (i > 0)
            cr_assert_str_eq(parts->items[i].cursor, parts->items[i - 1].until);
        cr_assert_eq(parts->items[i].until[0] == '\0', i + 1 == parts->count);
    }
}

Engines(transform_part, integers_are_cut_by_arithmetic)
{
    struct transform_parts parts = {0};

    opened_exec(on, "CREATE TABLE t (id BIGINT PRIMARY KEY, a TEXT)");
    opened_exec(on, "INSERT INTO t (id) VALUES (1), (7), (100)");
    cut(on, NULL, 3, 4, &parts);
    cr_assert_eq(parts.count, 4);
    expect_end_to_end(&parts);
    cr_assert_str_eq(parts.items[0].until, "i25\n");
    cr_assert_str_eq(parts.items[2].until, "i75\n");
    transform_parts_clear(&parts);
}

Engines(transform_part, the_ends_of_all_numbers_are_no_trap)
{
    struct transform_parts parts = {0};

    opened_exec(on, "CREATE TABLE t (id BIGINT PRIMARY KEY, a TEXT)");
    opened_exec(on, "INSERT INTO t (id) VALUES (-9223372036854775807), (9223372036854775807)");
    cut(on, NULL, 2, 4, &parts);
    cr_assert_eq(parts.count, 4);
    expect_end_to_end(&parts);
    cr_assert_str_eq(parts.items[1].until, "i0\n");
    transform_parts_clear(&parts);
    opened_exec(on, "DELETE FROM t WHERE id < 0");
    cut(on, NULL, 1, 4, &parts);
    cr_assert_eq(parts.count, 1);
    expect_end_to_end(&parts);
    transform_parts_clear(&parts);
}

Engines(transform_part, other_keys_are_cut_by_their_place)
{
    struct transform_parts parts = {0};

    opened_exec(on, "CREATE TABLE t (n INTEGER, s VARCHAR(9), a TEXT, PRIMARY KEY (s, n))");
    opened_exec(on, "INSERT INTO t (n, s) WITH RECURSIVE i (i) AS (SELECT 1 UNION ALL SELECT i + 1"
                    " FROM i WHERE i < 100) SELECT i, 'same' FROM i");
    cut(on, NULL, 100, 5, &parts);
    cr_assert_eq(parts.count, 5);
    expect_end_to_end(&parts);
    cr_assert_str_eq(parts.items[0].until, "t73616d65\ni21\n");
    transform_parts_clear(&parts);
}

Engines(transform_part, an_empty_table_is_one_range)
{
    struct transform_parts parts = {0};

    opened_exec(on, "CREATE TABLE t (id BIGINT PRIMARY KEY, a TEXT)");
    cut(on, NULL, 0, 2, &parts);
    cr_assert_eq(parts.count, 1);
    expect_end_to_end(&parts);
    transform_parts_clear(&parts);
}
