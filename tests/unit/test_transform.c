/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transform engine on real databases: keys of every kind, what is read and
 * written, the answers of the callback, going on from a cursor, and rows that
 * the application changes meanwhile. Each callback is a few lines above the
 * test that uses it. Speed is measured elsewhere.
 */
#include "columns.h"
#include "opened.h"
#include "transform.h"

#include <ctype.h>

/* Text in capitals; what is not text stays what it is. */
static mig_status to_upper(const struct mig_row *in, struct mig_row *out, void *user)
{
    const char *text = mig_row_text(in, 0);
    char upper[64] = "";

    (void)user;
    for (size_t i = 0; text && text[i] && i < sizeof upper - 1; i++)
        upper[i] = (char)toupper((unsigned char)text[i]);
    return mig_set_text(out, 0, text ? upper : "none");
}

/* The first column as it is: every kind of value goes there and back. */
static mig_status to_same(const struct mig_row *in, struct mig_row *out, void *user)
{
    struct mig_value value;

    (void)user;
    MIG_TRY(mig_row_get(in, 0, &value));
    return mig_row_set(out, 0, &value);
}

static void db_of_test(struct opened *on, struct db *db)
{
    const struct db_config config = {
        .driver = on->driver,
        .conn = on->conn,
        .protect = history_prefix(on->history),
        .mode = MIG_ATOMIC,
        .row_get = row_get,
        .row_set = row_set,
    };

    db_open(db, &config);
    db_guard(db, false);
}

static mig_status try_transform(struct opened *on, struct transform *transform)
{
    struct db *db = calloc(1, sizeof *db);
    mig_status status;

    cr_assert_not_null(db);
    db_of_test(on, db);
    transform->db = db;
    status = transform_run(transform, &on->err);
    db_close(db);
    free(db);
    return status;
}

/* Runs it in a transaction of its own that is committed. */
static void run_transform(struct opened *on, const struct mig_transform *spec)
{
    struct transform transform = {.spec = spec};

    opened_begin(on);
    expect_status(on, try_transform(on, &transform), MIG_OK);
    opened_commit(on);
}

static mig_status fail_transform(struct opened *on, const struct mig_transform *spec)
{
    struct transform transform = {.spec = spec};
    mig_status status;

    opened_begin(on);
    status = try_transform(on, &transform);
    on->driver->rollback(on->conn);
    return status;
}

#define SPEC .size = sizeof(struct mig_transform), .read = "a", .write = "b", .map = to_upper

/* ---- keys ---------------------------------------------------------------- */

Engines(transform, the_primary_key_is_found_and_every_page_is_read)
{
    opened_exec(on, "CREATE TABLE t (id BIGINT PRIMARY KEY, a TEXT, b TEXT)");
    opened_exec(on, "INSERT INTO t (id, a) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1"
                    " FROM n WHERE i < 250) SELECT i * 3 - 400, 'x' FROM n");
    run_transform(on, &(struct mig_transform){SPEC, .table = "t", .batch = 100});
    expect_rows(on, "SELECT COUNT(*) FROM t WHERE b = 'X'", "250");
}

Engines(transform, a_page_that_is_just_full_is_not_the_end)
{
    opened_exec(on, "CREATE TABLE t (id BIGINT PRIMARY KEY, a TEXT, b TEXT)");
    opened_exec(on, "INSERT INTO t (id, a) VALUES (1, 'x'), (2, 'y'), (3, 'z'), (4, 'w')");
    run_transform(on, &(struct mig_transform){SPEC, .table = "t", .batch = 2});
    expect_rows(on, "SELECT b FROM t ORDER BY id", "X\nY\nZ\nW");
}

Engines(transform, a_key_of_several_columns_is_compared_as_a_row)
{
    opened_exec(on,
                "CREATE TABLE t (n INTEGER, s VARCHAR(20), a TEXT, b TEXT, PRIMARY KEY (s, n))");
    opened_exec(on, "INSERT INTO t (n, s, a) VALUES (9, 'a', 'p'), (1, 'b', 'q'), (2, 'b', 'r'),"
                    " (0, 'c', 's'), (5, 'a', 't')");
    run_transform(on, &(struct mig_transform){SPEC, .table = "t", .batch = 2});
    expect_rows(on, "SELECT b FROM t ORDER BY s, n", "T\nP\nQ\nR\nS");
}

Engines(transform, a_key_may_be_named_and_need_not_be_the_primary_one)
{
    opened_exec(
        on, "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT UNIQUE NOT NULL, a TEXT, b TEXT)");
    opened_exec(
        on, "INSERT INTO t (id, code, a) VALUES (1, 'it''s', 'p'), (2, '', 'q'), (3, 'z;', 'r')");
    run_transform(on, &(struct mig_transform){SPEC, .table = "t", .key = " code ", .batch = 1});
    expect_rows(on, "SELECT b FROM t ORDER BY id", "P\nQ\nR");
}

Engines(transform, names_are_quoted_and_a_schema_is_a_name_of_its_own)
{
    const char *table = on_engine(on, "sqlite") ? "main.order" : "Odd App.order";

    if (on_engine(on, "postgres"))
        opened_exec(on, "CREATE SCHEMA \"Odd App\"; SET search_path = \"Odd App\"");
    opened_exec(on, "CREATE TABLE \"order\" (\"select\" INTEGER PRIMARY KEY, \"a b\" TEXT,"
                    " \"q\"\"q\" TEXT)");
    opened_exec(on, "INSERT INTO \"order\" VALUES (1, 'x', NULL), (2, 'y', NULL)");
    run_transform(on, &(struct mig_transform){.size = sizeof(struct mig_transform),
                                              .table = table,
                                              .read = "a b",
                                              .write = "q\"q",
                                              .map = to_upper,
                                              .batch = 1});
    expect_rows(on,
                on_engine(on, "sqlite") ? "SELECT \"q\"\"q\" FROM \"order\""
                                        : "SELECT \"q\"\"q\" FROM \"Odd App\".\"order\" ORDER BY 1",
                "X\nY");
}

Engines(transform, a_table_without_a_key_is_refused_where_rows_have_no_number)
{
    const struct mig_transform spec = {SPEC, .table = "t", .batch = 2};

    opened_exec(on, "CREATE TABLE t (a TEXT, b TEXT)");
    opened_exec(on, "INSERT INTO t (a) VALUES ('x'), ('y'), (NULL), ('x'), ('z')");
    if (on_engine(on, "sqlite")) {
        run_transform(on, &spec);
        expect_rows(on, "SELECT b FROM t ORDER BY rowid", "X\nY\nnone\nX\nZ");
        return;
    }
    expect_status(on, fail_transform(on, &spec), MIG_E_MISUSE);
    expect_says(on, ".key");
}

Engines(transform, a_table_may_be_its_own_index)
{
    opened_exec(on, test_format("CREATE TABLE t (k TEXT, n INTEGER, a TEXT, b TEXT,"
                                " PRIMARY KEY (k, n))%s",
                                on_engine(on, "sqlite") ? " WITHOUT ROWID" : ""));
    opened_exec(on, "INSERT INTO t (k, n, a) VALUES ('q', 2, 'x'), ('q', 1, 'y'), ('', 7, 'z')");
    run_transform(on, &(struct mig_transform){SPEC, .table = "t", .batch = 1});
    expect_rows(on, "SELECT b FROM t ORDER BY k, n", "Z\nY\nX");
}

Engines(transform, the_hosts_own_tables_are_refused)
{
    static const char *const tables[] = {"mighost_history", "main.mighost_log",
                                         "\"public\".\"mighost_journal\""};

    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        const struct mig_transform spec = {.size = sizeof spec,
                                           .table = tables[i],
                                           .key = "id",
                                           .read = "id",
                                           .write = "id",
                                           .map = to_same};

        expect_status(on, fail_transform(on, &spec), MIG_E_MISUSE);
        expect_says(on, "belongs to the host");
    }
}

Engines(transform, a_key_that_is_null_somewhere_is_refused)
{
    const struct mig_transform spec = {SPEC, .table = "t", .key = "code", .batch = 1};
    struct mig_transform filtered = spec;

    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT UNIQUE, a TEXT, b TEXT)");
    opened_exec(on, "INSERT INTO t VALUES (1, 'c', 'x', NULL), (2, NULL, 'y', NULL)");
    expect_status(on, fail_transform(on, &spec), MIG_E_MISUSE);
    expect_says(on, "\"code\" is NULL in 1 of the rows");
    filtered.filter = "code IS NOT NULL";
    run_transform(on, &filtered);
    expect_rows(on, "SELECT COALESCE(b, 'null') FROM t ORDER BY id", "X\nnull");
}

/* SQLite takes NULL for a primary key, unless the column is told not to. */
static void null_in_primary_key(struct opened *on, const char *columns, const char *rows)
{
    opened_exec(on, "DROP TABLE IF EXISTS t");
    opened_exec(on, test_format("CREATE TABLE t (%s)", columns));
    opened_exec(on, test_format("INSERT INTO t VALUES %s", rows));
    expect_status(on, fail_transform(on, &(struct mig_transform){SPEC, .table = "t", .batch = 1}),
                  MIG_E_MISUSE);
    expect_says(on, "\"k\" is NULL in a row of table t");
}

Engines(transform, a_primary_key_that_is_null_somewhere_is_refused_too)
{
    if (!on_engine(on, "sqlite"))
        return;
    null_in_primary_key(on, "k TEXT PRIMARY KEY, a TEXT, b TEXT",
                        "('c', 'x', NULL), (NULL, 'y', NULL), (NULL, 'z', NULL)");
    null_in_primary_key(on, "k TEXT, n INTEGER, a TEXT, b TEXT, PRIMARY KEY (k, n)",
                        "('c', 1, 'x', NULL), (NULL, 1, 'y', NULL)");
    null_in_primary_key(on, "k TEXT, n INTEGER, a TEXT, b TEXT, PRIMARY KEY (n, k)",
                        "('c', 1, 'x', NULL), ('d', 2, 'z', NULL), (NULL, 2, 'y', NULL)");
}

Engines(transform, a_key_that_rows_share_is_refused)
{
    struct mig_transform spec = {SPEC, .table = "t", .key = "k, n", .batch = 2};

    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT, n INTEGER, a TEXT, b TEXT)");
    opened_exec(on, "INSERT INTO t (id, k, n, a) VALUES (1, 'c', 1, 'x'), (2, 'c', 2, 'y'),"
                    " (3, 'd', 2, 'z'), (4, 'c', 2, 'w')");
    expect_status(on, fail_transform(on, &spec), MIG_E_MISUSE);
    expect_says(on, "2 rows of table t have the same \"k\", \"n\"");
    spec.filter = "id <> 4"; /* an UPDATE by the key would find it all the same */
    expect_status(on, fail_transform(on, &spec), MIG_E_MISUSE);
    expect_rows(on, "SELECT COUNT(b) FROM t", "0");
    opened_exec(on, "DELETE FROM t WHERE id = 4");
    run_transform(on, &spec);
    expect_rows(on, "SELECT b FROM t ORDER BY id", "X\nY\nZ");
}

static void keys_of_type(struct opened *on, const char *type, const char *rows)
{
    opened_exec(on, "DROP TABLE IF EXISTS t");
    opened_exec(on, test_format("CREATE TABLE t (k %s PRIMARY KEY, a TEXT, b TEXT)", type));
    opened_exec(on, test_format("INSERT INTO t (k, a) VALUES %s", rows));
    run_transform(on, &(struct mig_transform){SPEC, .table = "t", .batch = 1});
    expect_rows(on, "SELECT COUNT(*) FROM t WHERE b IN ('X', 'Y', 'Z')", "3");
}

Engines(transform, keys_of_the_types_that_people_use)
{
    keys_of_type(on, "DOUBLE PRECISION", "(0.1, 'x'), (-3e100, 'y'), (2, 'z')");
    keys_of_type(on, "NUMERIC(12, 3)", "(0.125, 'x'), (-7, 'y'), (12345.5, 'z')");
    if (on_engine(on, "sqlite")) {
        keys_of_type(on, "BLOB", "(x'00ff', 'x'), (x'', 'y'), (x'41', 'z')");
        return;
    }
    keys_of_type(on, "BYTEA", "('\\x00ff', 'x'), ('', 'y'), ('\\x41', 'z')");
    keys_of_type(on, "UUID",
                 "('00000000-0000-0000-0000-000000000001', 'x'),"
                 " ('ffffffff-0000-0000-0000-000000000001', 'y'),"
                 " ('10000000-0000-0000-0000-000000000001', 'z')");
    keys_of_type(on, "TIMESTAMPTZ",
                 "('2024-01-01 00:00:00.123456+02', 'x'), ('infinity', 'y'), ('0001-01-01', 'z')");
    keys_of_type(on, "DATE", "('2024-01-01', 'x'), ('1999-12-31', 'y'), ('2030-02-02', 'z')");
    keys_of_type(on, "SMALLINT", "(1, 'x'), (-2, 'y'), (3, 'z')");
    keys_of_type(on, "VARCHAR(5)", "('b', 'x'), ('B', 'y'), ('\u00e4', 'z')");
}

/* ---- values ----------------------------------------------------------------- */

Engines(transform, what_is_null_is_read_as_null_and_what_is_not_set_becomes_null)
{
    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT, c TEXT)");
    opened_exec(on, "INSERT INTO t VALUES (1, NULL, 'old', 'old'), (2, '', 'old', 'old')");
    run_transform(on, &(struct mig_transform){.size = sizeof(struct mig_transform),
                                              .table = "t",
                                              .read = "a",
                                              .write = "b, c",
                                              .map = to_upper});
    expect_rows(on, "SELECT b, COALESCE(c, 'null') FROM t ORDER BY id", "none|null\n|null");
}

static void values_of_type(struct opened *on, const char *type, const char *value)
{
    opened_exec(on, "DROP TABLE IF EXISTS t");
    opened_exec(on, test_format("CREATE TABLE t (id INTEGER PRIMARY KEY, a %s, b %s)", type, type));
    opened_exec(on, test_format("INSERT INTO t VALUES (1, %s, NULL), (2, NULL, %s)", value, value));
    run_transform(on, &(struct mig_transform){.size = sizeof(struct mig_transform),
                                              .table = "t",
                                              .read = "a",
                                              .write = "b",
                                              .map = to_same});
    expect_rows(
        on,
        test_format("SELECT COUNT(*) FROM t WHERE (id = 1 AND CAST(a AS TEXT) = CAST(b AS TEXT))"
                    " OR (id = 2 AND b IS NULL)"),
        "2");
}

Engines(transform, values_of_the_types_that_people_use)
{
    values_of_type(on, "BIGINT", "-9223372036854775807");
    values_of_type(on, "TEXT", "'it''s'");
    values_of_type(on, "DOUBLE PRECISION", "0.1");
    if (on_engine(on, "sqlite")) {
        values_of_type(on, "BLOB", "x'00ff00'");
        return;
    }
    values_of_type(on, "SMALLINT", "-7");
    values_of_type(on, "BYTEA", "'\\x00ff00'");
    values_of_type(on, "NUMERIC", "12345678901234567890.123456789");
    values_of_type(on, "BOOLEAN", "true");
    values_of_type(on, "TIMESTAMPTZ", "'2024-01-01 00:00:00.123456+02'");
    values_of_type(on, "UUID", "'10000000-0000-0000-0000-000000000001'");
    values_of_type(on, "JSONB", "'{\"a\": [1, null]}'");
    values_of_type(on, "VARCHAR(9)", "'x  '");
    values_of_type(on, "REAL", "0.1");
    values_of_type(on, "JSON", "'{\"a\": [1,  null]}'");
    values_of_type(on, "INET", "'10.0.0.1/8'");
}

/* ---- the callback -------------------------------------------------------------- */

static mig_status skip_y(const struct mig_row *in, struct mig_row *out, void *user)
{
    return strcmp(mig_row_text(in, 0), "y") == 0 ? MIG_SKIP : to_upper(in, out, user);
}

Engines(transform, a_row_that_is_skipped_stays_as_it_was)
{
    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT)");
    opened_exec(on, "INSERT INTO t VALUES (1, 'y', 'old'), (2, 'x', 'old'), (3, 'y', 'old'),"
                    " (4, 'z', 'old'), (5, 'y', 'old')");
    run_transform(on, &(struct mig_transform){.size = sizeof(struct mig_transform),
                                              .table = "t",
                                              .read = "a",
                                              .write = "b",
                                              .map = skip_y,
                                              .batch = 3});
    expect_rows(on, "SELECT b FROM t ORDER BY id", "old\nX\nold\nZ\nold");
}

Engines(transform, a_filter_says_which_rows_are_meant)
{
    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT)");
    opened_exec(on, "INSERT INTO t VALUES (1, 'x', NULL), (2, 'y', 'old'), (3, 'z', NULL)");
    run_transform(on, &(struct mig_transform){SPEC, .table = "t",
                                              .filter = "b IS NULL OR a = 'nothing'", .batch = 1});
    expect_rows(on, "SELECT b FROM t ORDER BY id", "X\nold\nZ");
}

static mig_status reject_y(const struct mig_row *in, struct mig_row *out, void *user)
{
    return strcmp(mig_row_text(in, 0), "y") == 0 ? MIG_REJECT : to_upper(in, out, user);
}

Engines(transform, a_rejected_row_is_named_by_its_key)
{
    opened_exec(on, "CREATE TABLE t (n INTEGER, s TEXT, a TEXT, b TEXT, PRIMARY KEY (n, s))");
    opened_exec(on, "INSERT INTO t (n, s, a) VALUES (1, 'one', 'x'), (7, 'seven', 'y')");
    expect_status(on,
                  fail_transform(on, &(struct mig_transform){.size = sizeof(struct mig_transform),
                                                             .table = "t",
                                                             .read = "a",
                                                             .write = "b",
                                                             .map = reject_y}),
                  MIG_E_FAILED);
    expect_says(on, "rejected");
    expect_says(on, "\"n\" = 7, \"s\" = 'seven'");
    expect_rows(on, "SELECT COUNT(b) FROM t", "0");
}

/* What a transform warned about, and its mark. */
struct hearing {
    struct opened *on;
    int warnings;
    char first[600];
    char last[600];
};

static void hear_warning(void *ctx, const char *text)
{
    struct hearing *hearing = ctx;

    snprintf(hearing->last, sizeof hearing->last, "%s", text);
    if (!hearing->warnings++)
        snprintf(hearing->first, sizeof hearing->first, "%s", text);
}

static const struct transform_owner hearing_owner = {.warn = hear_warning};

static mig_status reject_x(const struct mig_row *in, struct mig_row *out, void *user)
{
    if (strcmp(mig_row_text(in, 0), "x") != 0)
        return to_upper(in, out, user);
    (void)mig_fail(out->db, "an x is never %s", "good");
    return MIG_REJECT;
}

Engines(transform, rejected_rows_stay_as_they_are_and_are_named)
{
    struct hearing hearing = {.on = on};
    const struct mig_transform spec = {
        .size = sizeof spec, .table = "t", .read = "a", .write = "b", .map = reject_x, .batch = 2};
    struct transform transform = {
        .spec = &spec, .limits.max_rejects = 2, .owner = &hearing_owner, .ctx = &hearing};

    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT)");
    opened_exec(on, "INSERT INTO t VALUES (1, 'y', NULL), (2, 'x', 'old'), (3, 'x', 'old'),"
                    " (4, 'z', 'old')");
    opened_begin(on);
    expect_status(on, try_transform(on, &transform), MIG_OK);
    opened_commit(on);
    expect_rows(on, "SELECT b FROM t ORDER BY id", "Y\nold\nold\nZ");
    cr_assert_eq(hearing.warnings, 3);
    cr_assert(strstr(hearing.first, "table t with \"id\" = 2: an x is never good"), "%s",
              hearing.first);
    cr_assert(strstr(hearing.last, "rejected 2 rows of table t"), "%s", hearing.last);
}

Engines(transform, one_rejected_row_too_many_fails_it)
{
    struct hearing hearing = {.on = on};
    const struct mig_transform spec = {
        .size = sizeof spec, .table = "t", .read = "a", .write = "b", .map = reject_x, .batch = 1};
    struct transform transform = {.spec = &spec,
                                  .limits.max_rejects = 2,
                                  .from.rejected = 1,
                                  .owner = &hearing_owner,
                                  .ctx = &hearing};

    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT)");
    opened_exec(on, "INSERT INTO t VALUES (1, 'x', NULL), (2, 'x', NULL), (3, 'y', NULL)");
    opened_begin(on);
    expect_status(on, try_transform(on, &transform), MIG_E_FAILED);
    on->driver->rollback(on->conn);
    expect_says(on, "\"id\" = 2: an x is never good");
    expect_says(on, "--max-rejects allows 2");
}

Engines(transform, many_rejected_rows_are_not_all_named)
{
    struct hearing hearing = {.on = on};
    const struct mig_transform spec = {
        .size = sizeof spec, .table = "t", .read = "a", .write = "b", .map = reject_x};
    struct transform transform = {
        .spec = &spec, .limits.max_rejects = 1000, .owner = &hearing_owner, .ctx = &hearing};

    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT)");
    opened_exec(on, "INSERT INTO t (id, a) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1"
                    " FROM n WHERE i < 250) SELECT i, 'x' FROM n");
    opened_begin(on);
    expect_status(on, try_transform(on, &transform), MIG_OK);
    opened_commit(on);
    cr_assert_eq(hearing.warnings, 21);
    cr_assert(strstr(hearing.last, "rejected 250 rows"), "%s", hearing.last);
}

static mig_status fail_y(const struct mig_row *in, struct mig_row *out, void *user)
{
    if (strcmp(mig_row_text(in, 0), "y") == 0)
        return mig_fail(out->db, "a letter that %s", "nobody wanted");
    return to_upper(in, out, user);
}

Engines(transform, the_callbacks_own_words_come_with_the_key)
{
    opened_exec(on, "CREATE TABLE t (id BIGINT PRIMARY KEY, a TEXT, b TEXT)");
    opened_exec(on, "INSERT INTO t (id, a) VALUES (1, 'x'), (4000000000, 'y')");
    expect_status(on,
                  fail_transform(on, &(struct mig_transform){.size = sizeof(struct mig_transform),
                                                             .table = "t",
                                                             .read = "a",
                                                             .write = "b",
                                                             .map = fail_y}),
                  MIG_E_FAILED);
    expect_says(on, "a letter that nobody wanted");
    expect_says(on, "4000000000");
}

/* Answers that fail, by the number of the row. */
static mig_status fail_each(const struct mig_row *in, struct mig_row *out, void *user)
{
    struct mig_stmt *stmt;

    (void)user;
    switch (mig_row_int64(in, 0)) {
    case 1: return mig_set_text(out, 3, "x");
    case 2: return mig_prepare(out->db, "SELECT x FROM nowhere", &stmt);
    case 3: return 42;
    case 4: return MIG_E_FAILED;
    default: return MIG_E_MISUSE - 1000;
    }
}

Engines(transform, a_callback_that_gives_no_reason_gets_the_nearest_one)
{
    static const struct {
        mig_status status;
        const char *says;
    } wanted[] = {
        {MIG_E_RANGE, "with \"id\" = 1: mig_row_set(): there is no column 3"},
        {MIG_E_SQL, "with \"id\" = 2: "},
        {MIG_E_MISUSE, "answered 42 on the row of table t with \"id\" = 3: MIG_OK, MIG_SKIP"},
        {MIG_E_FAILED, "with \"id\" = 4: it returned MIG_E_FAILED"},
        {MIG_E_FAILED, "with \"id\" = 5: it returned -1007, which is no status"},
    };

    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, b TEXT)");
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        opened_exec(on, "DELETE FROM t");
        opened_exec(on, test_format("INSERT INTO t VALUES (%zu, NULL)", i + 1));
        expect_status(
            on,
            fail_transform(on, &(struct mig_transform){.size = sizeof(struct mig_transform),
                                                       .table = "t",
                                                       .read = "id",
                                                       .write = "b",
                                                       .map = fail_each}),
            wanted[i].status);
        expect_says(on, wanted[i].says);
        if (i == 1)
            expect_says(on, "nowhere");
    }
}

static mig_status out_of_range(const struct mig_row *in, struct mig_row *out, void *user)
{
    struct mig_value value = {.type = MIG_NULL};

    (void)user;
    cr_assert_eq(mig_row_get(in, 1, &value), MIG_E_RANGE);
    cr_assert_eq(mig_row_get(in, -1, &value), MIG_E_RANGE);
    cr_assert_eq(mig_row_set(out, 1, &value), MIG_E_RANGE);
    return MIG_SKIP;
}

Engines(transform, columns_that_were_not_asked_for_are_out_of_range)
{
    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT)");
    opened_exec(on, "INSERT INTO t VALUES (1, 'x', 'old')");
    run_transform(on, &(struct mig_transform){.size = sizeof(struct mig_transform),
                                              .table = "t",
                                              .read = "a",
                                              .write = "b",
                                              .map = out_of_range});
    expect_rows(on, "SELECT b FROM t", "old");
}

/* PostgreSQL's transaction is at its end then, so the batch is all that is known. */
Engines(transform, a_row_that_the_table_refuses_is_named)
{
    const struct mig_transform spec = {
        .size = sizeof spec, .table = "t", .read = "a", .write = "b", .batch = 4, .map = to_same};

    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER CHECK (b < 7))");
    for (int i = 1; i <= 10; i++)
        opened_exec(on, test_format("INSERT INTO t VALUES (%d, %d, NULL)", 10 * i, i));
    expect_status(on, fail_transform(on, &spec), MIG_E_CONSTRAINT);
    expect_says(on, on_engine(on, "sqlite")
                        ? "writing table t: the row with \"id\" = 70: "
                        : "writing table t: one of the rows from \"id\" = 50 to \"id\" = 80: ");
    opened_exec(on, "DELETE FROM t WHERE id > 70");
    opened_exec(on, "UPDATE t SET id = 45 WHERE id = 70");
    expect_status(on, fail_transform(on, &spec), MIG_E_CONSTRAINT);
    opened_exec(on, "DELETE FROM t WHERE id <> 45");
    expect_status(on, fail_transform(on, &spec), MIG_E_CONSTRAINT);
    expect_says(on, "writing table t: the row with \"id\" = 45: ");
}

static mig_status to_nul(const struct mig_row *in, struct mig_row *out, void *user)
{
    const struct mig_value value = {.type = MIG_TEXT, .len = 3, .as.data = "a\0b"};

    (void)user;
    return mig_row_int64(in, 0) == 3 ? mig_row_set(out, 0, &value) : mig_set_text(out, 0, "x");
}

/* Refused before it is sent. */
Engines(transform, a_value_that_the_driver_refuses_is_named_by_its_row)
{
    const struct mig_transform spec = {
        .size = sizeof spec, .table = "t", .read = "id", .write = "b", .map = to_nul};

    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, b TEXT)");
    opened_exec(on, "INSERT INTO t (id) VALUES (1), (2), (3), (4)");
    if (on_engine(on, "sqlite")) {
        run_transform(on, &spec);
        return;
    }
    expect_status(on, fail_transform(on, &spec), MIG_E_TYPE);
    expect_says(on, "writing table t: the row with \"id\" = 3: a text of the batch has a NUL byte");
}

Engines(transform, what_is_missing_in_its_description_is_named)
{
    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT)");
    expect_status(on,
                  fail_transform(on, &(struct mig_transform){.size = sizeof(struct mig_transform),
                                                             .table = "t",
                                                             .read = "a",
                                                             .map = to_upper}),
                  MIG_E_MISUSE);
    expect_says(on, ".write");
    expect_status(on, fail_transform(on, &(struct mig_transform){SPEC, .table = "t", .key = ","}),
                  MIG_E_MISUSE);
    expect_status(on, fail_transform(on, &(struct mig_transform){SPEC, .table = "t", .workers = 4}),
                  MIG_E_MISUSE);
    expect_says(on, "MIG_TRANSFORM_THREAD_SAFE");
    expect_status(
        on, fail_transform(on, &(struct mig_transform){SPEC, .table = "nowhere", .key = "id"}),
        MIG_E_SQL);
    expect_says(on, "the primary key of table nowhere");
}

Engines(transform, a_filter_that_the_engine_does_not_take_is_shown)
{
    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT)");
    expect_status(on,
                  fail_transform(on, &(struct mig_transform){SPEC, .table = "t", .filter = "id >"}),
                  MIG_E_SQL);
    expect_says(on, "counting rows of table t with the filter (id >): ");
}

/* Its rows would be met again behind the place where they were, for ever. */
Engines(transform, a_column_of_the_key_is_not_written)
{
    struct mig_transform spec = {
        .size = sizeof spec, .table = "t", .read = "id", .write = "b, id", .map = to_same};

    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, b INTEGER NOT NULL UNIQUE)");
    opened_exec(on, "INSERT INTO t VALUES (1, 2)");
    expect_status(on, fail_transform(on, &spec), MIG_E_MISUSE);
    expect_says(on, ".write names \"id\", a column of the key of table t");
    spec.write = "id";
    spec.key = "b";
    run_transform(on, &spec);
}

/* ---- pace and progress ------------------------------------------------------------- */

struct pacing {
    struct opened *on;
    int asked;      /* whether it is paused */
    int pause_from; /* paused at these questions */
    int pause_until;
    int stop_at; /* 0: never */
    bool open_in_pause;
    int told[MIGHOST_PAUSED + 1];
    struct transform_progress last;
};

static bool pacing_paused(void *ctx)
{
    struct pacing *pacing = ctx;
    int n = ++pacing->asked;
    bool paused = n >= pacing->pause_from && n < pacing->pause_until;

    /* The first question of a pause comes while the page's end is decided. */
    if (paused && n > pacing->pause_from)
        pacing->open_in_pause |= pacing->on->driver->in_tx(pacing->on->conn);
    return paused;
}

static mig_status pacing_stopped(void *ctx)
{
    const struct pacing *pacing = ctx;

    return pacing->stop_at && pacing->asked >= pacing->stop_at ? MIG_E_TERMINATED : MIG_OK;
}

static void pacing_told(void *ctx, const struct transform_progress *progress)
{
    struct pacing *pacing = ctx;

    pacing->told[progress->pace]++;
    pacing->last = *progress;
}

static mig_status pacing_commit(void *ctx, const struct transform_mark *mark, struct mig_err *err)
{
    const struct pacing *pacing = ctx;

    (void)mark;
    return pacing->on->driver->commit(pacing->on->conn, err);
}

static mig_status pacing_begin(void *ctx, struct mig_err *err)
{
    const struct pacing *pacing = ctx;
    struct mig_tx_options options = {.size = sizeof options};

    return pacing->on->driver->begin(pacing->on->conn, &options, err);
}

static const struct transform_owner pacing_durable = {
    .commit = pacing_commit,
    .begin = pacing_begin,
    .paused = pacing_paused,
    .progress = pacing_told,
};

static mig_status run_paced(struct opened *on, struct pacing *pacing, int64_t throttle)
{
    const struct mig_transform spec = {SPEC, .table = "t", .batch = 2};
    struct transform transform = {
        .spec = &spec, .limits.throttle = throttle, .owner = &pacing_durable, .ctx = pacing};
    struct db *db = calloc(1, sizeof *db);
    mig_status status;

    cr_assert_not_null(db);
    pacing->on = on;
    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT)");
    opened_exec(on, "INSERT INTO t VALUES (1, 'x', NULL), (2, 'x', NULL), (3, 'x', NULL),"
                    " (4, 'x', NULL), (5, 'x', NULL)");
    db_of_test(on, db);
    db->config.cancelled = pacing_stopped;
    db->config.ctx = pacing;
    transform.db = db;
    opened_begin(on);
    status = transform_run(&transform, &on->err);
    if (status == MIG_OK)
        opened_commit(on);
    else
        on->driver->rollback(on->conn);
    db_close(db);
    free(db);
    return status;
}

Engines(transform, a_pause_holds_it_up_with_nothing_open)
{
    struct pacing pacing = {.pause_from = 2, .pause_until = 6};

    expect_status(on, run_paced(on, &pacing, 0), MIG_OK);
    cr_assert_not(pacing.open_in_pause);
    cr_assert_gt(pacing.told[MIGHOST_PAUSED], 0);
    expect_rows(on, "SELECT COUNT(b) FROM t", "5");
}

Engines(transform, a_pause_that_is_there_already_holds_up_the_first_page)
{
    struct pacing pacing = {.pause_from = 1, .pause_until = 1000, .stop_at = 4};

    expect_status(on, run_paced(on, &pacing, 0), MIG_E_TERMINATED);
    cr_assert_not(pacing.open_in_pause);
    expect_rows(on, "SELECT COUNT(b) FROM t", "0");
}

Engines(transform, whoever_ends_a_pause_ends_it_behind_a_whole_batch)
{
    struct pacing pacing = {.pause_from = 2, .pause_until = 1000, .stop_at = 5};

    expect_status(on, run_paced(on, &pacing, 0), MIG_E_TERMINATED);
    expect_says(on, "after 2 rows of table t");
    expect_rows(on, "SELECT COUNT(b) FROM t", "2");
}

Engines(transform, a_throttled_one_says_so_and_gets_there)
{
    struct pacing pacing = {0};

    expect_status(on, run_paced(on, &pacing, 1), MIG_OK);
    cr_assert_gt(pacing.told[MIGHOST_THROTTLED], 0);
    expect_rows(on, "SELECT COUNT(b) FROM t", "5");
}

Engines(transform, the_last_word_on_progress_is_that_all_is_done)
{
    struct pacing pacing = {0};

    expect_status(on, run_paced(on, &pacing, 0), MIG_OK);
    cr_assert_eq(pacing.last.done, 5);
    cr_assert_eq(pacing.last.total, 5);
    cr_assert_eq(pacing.last.batch, 2);
    cr_assert_eq(pacing.last.eta_ms, 0);
    cr_assert_eq(pacing.last.pace, MIGHOST_FULL_SPEED);
}

/* ---- going on, and what others do meanwhile ---------------------------------------- */

struct journaling {
    struct opened *on;
    char cursor[400];
    int64_t done;
    int pages;
    int stop_after; /* pages; 0: never */
};

/* As the durable mode does it: cursor and rows in one commit. */
static mig_status keep_cursor(void *ctx, const struct transform_mark *mark, struct mig_err *err)
{
    struct journaling *journaling = ctx;
    struct opened *on = journaling->on;

    snprintf(journaling->cursor, sizeof journaling->cursor, "%s", mark->cursor);
    journaling->done = mark->done;
    return on->driver->commit(on->conn, err);
}

static mig_status begin_next(void *ctx, struct mig_err *err)
{
    struct journaling *journaling = ctx;
    struct opened *on = journaling->on;
    struct mig_tx_options options = {.size = sizeof options};

    MIG_TRY(on->driver->begin(on->conn, &options, err));
    if (++journaling->pages == journaling->stop_after)
        return mig_err_set(err, MIG_E_INTERRUPTED, "stopped by the test");
    return MIG_OK;
}

static const struct transform_owner journal_owner = {.commit = keep_cursor, .begin = begin_next};

static int times_mapped;

static mig_status counting(const struct mig_row *in, struct mig_row *out, void *user)
{
    times_mapped++;
    return to_upper(in, out, user);
}

static void goes_on(struct opened *on, const char *key_type, const char *keys)
{
    struct journaling journaling = {.on = on, .stop_after = 2};
    const struct mig_transform spec = {
        .size = sizeof spec, .table = "t", .read = "a", .write = "b", .map = counting, .batch = 2};
    struct transform first = {.spec = &spec, .owner = &journal_owner, .ctx = &journaling};
    struct transform second;

    opened_exec(on, "DROP TABLE IF EXISTS t");
    opened_exec(on, test_format("CREATE TABLE t (k %s, n INTEGER, a TEXT, b TEXT,"
                                " PRIMARY KEY (k, n))",
                                key_type));
    opened_exec(on, test_format("INSERT INTO t (k, n, a) VALUES %s", keys));
    opened_begin(on);
    expect_status(on, try_transform(on, &first), MIG_E_INTERRUPTED);
    on->driver->rollback(on->conn);
    expect_rows(on, "SELECT COUNT(b) FROM t", "4");

    times_mapped = 0;
    journaling.stop_after = 0;
    second = (struct transform){
        .spec = &spec,
        .from = {.cursor = test_format("%s", journaling.cursor), .done = journaling.done},
        .owner = &journal_owner,
        .ctx = &journaling};
    opened_begin(on);
    expect_status(on, try_transform(on, &second), MIG_OK);
    opened_commit(on);
    expect_rows(on, "SELECT COUNT(b) FROM t", "7");
    cr_assert_eq(times_mapped, 3, "%d rows were mapped again", times_mapped);
    cr_assert_eq(journaling.done, 7);
}

Engines(transform, numbers_have_a_point_in_every_locale)
{
    test_use_comma();
    keys_of_type(on, "DOUBLE PRECISION", "(0.1, 'x'), (-3e100, 'y'), (2.5, 'z')");
    values_of_type(on, "DOUBLE PRECISION", "0.1");
    goes_on(on, "DOUBLE PRECISION",
            "(0.1,1,'x'), (0.2,1,'x'), (0.3,1,'x'), (1e300,2,'x'), (-1e-300,3,'x'), (0.5,1,'x'),"
            " (7,9,'x')");
}

Engines(transform, it_goes_on_behind_the_cursor)
{
    goes_on(on, "BIGINT",
            "(-5,1,'x'), (0,1,'x'), (1,1,'x'), (1,2,'x'), (1,3,'x'), (2,1,'x'), (9,9,'x')");
    goes_on(on, "VARCHAR(20)",
            "('',1,'x'), ('a',1,'x'), ('it''s',1,'x'), ('\u00e4 b',2,'x'), ('\u00e4 b',3,'x'),"
            " ('\u20ac',1,'x'), ('\U0001F418',9,'x')");
    goes_on(on, "DOUBLE PRECISION",
            "(0.1,1,'x'), (0.2,1,'x'), (0.3,1,'x'), (1e300,2,'x'), (-1e-300,3,'x'), (0,1,'x'),"
            " (7,9,'x')");
    if (on_engine(on, "sqlite"))
        return;
    goes_on(on, "UUID",
            "('00000000-0000-0000-0000-000000000001',1,'x'),"
            " ('00000000-0000-0000-0000-000000000001',2,'x'),"
            " ('00000000-0000-0000-0000-00000000000a',1,'x'),"
            " ('7fffffff-ffff-ffff-ffff-ffffffffffff',1,'x'),"
            " ('80000000-0000-0000-0000-000000000000',1,'x'),"
            " ('ffffffff-0000-0000-0000-000000000001',1,'x'),"
            " ('ffffffff-ffff-ffff-ffff-ffffffffffff',1,'x')");
    goes_on(on, "DATE",
            "('2024-01-01',1,'x'), ('2024-01-01',2,'x'), ('2024-02-01',1,'x'), ('infinity',1,'x'),"
            " ('1999-01-01',5,'x'), ('1999-01-02',5,'x'), ('2024-03-01',1,'x')");
    goes_on(on, "NUMERIC",
            "(0.1,1,'x'), (0.10,2,'x'), (12345678901234567890.5,1,'x'), (-7,1,'x'), (0,1,'x'),"
            " (1e30,1,'x'), (2,2,'x')");
}

Engines(transform, a_cursor_that_is_none_is_refused)
{
    static const char *const cursors[] = {"x1\n", "i5", "t4\n", "tzz\n", "\n"};
    const struct mig_transform spec = {SPEC, .table = "t"};

    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT)");
    for (size_t i = 0; i < sizeof cursors / sizeof *cursors; i++) {
        struct transform transform = {.spec = &spec, .from.cursor = cursors[i]};

        opened_begin(on);
        expect_status(on, try_transform(on, &transform), MIG_E_HISTORY);
        on->driver->rollback(on->conn);
    }
}

static mig_status to_length(const struct mig_row *in, struct mig_row *out, void *user)
{
    (void)user;
    return mig_set_int64(out, 0, (int64_t)strlen(mig_row_text(in, 0)));
}

struct widest {
    struct journaling journaling; /* first: what the owner's functions take */
    int64_t most;                 /* rows in one commit */
};

static mig_status note_widest(void *ctx, const struct transform_mark *mark, struct mig_err *err)
{
    struct widest *widest = ctx;
    int64_t rows = mark->done - widest->journaling.done;

    widest->most = rows > widest->most ? rows : widest->most;
    return keep_cursor(&widest->journaling, mark, err);
}

/* The rows of the largest page where there are so many, each with that many characters. */
static int64_t widest_page(struct opened *on, int rows, int chars)
{
    static const struct transform_owner owner = {.commit = note_widest, .begin = begin_next};
    const struct mig_transform spec = {
        .size = sizeof spec, .table = "t", .read = "a", .write = "n", .map = to_length};
    struct widest widest = {.journaling.on = on};
    struct transform transform = {.spec = &spec, .owner = &owner, .ctx = &widest};

    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, n INTEGER)");
    opened_exec(on,
                test_format("INSERT INTO t (id, a) WITH RECURSIVE n (i) AS"
                            " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
                            " SELECT i, %s FROM n",
                            rows,
                            on_engine(on, "sqlite") ? test_format("hex(zeroblob(%d))", chars / 2)
                                                    : test_format("repeat('0', %d)", chars)));
    opened_begin(on);
    expect_status(on, try_transform(on, &transform), MIG_OK);
    opened_commit(on);
    expect_rows(on, "SELECT COUNT(*), MIN(n), MAX(n) FROM t",
                test_format("%d|%d|%d", rows, chars, chars));
    return widest.most;
}

Engines(transform, a_page_of_wide_rows_has_few_of_them)
{
    cr_assert_leq(widest_page(on, 600, 40000), 110);
}

/* Before anything is known of the rows; behind the last full page there is nothing. */
Engines(transform, a_page_ends_where_it_is_full)
{
    cr_assert_leq(widest_page(on, 15, 1000000), 5);
}

/* Slow for the rows of the first page, and at once behind it. */
static mig_status to_length_slowly(const struct mig_row *in, struct mig_row *out, void *user)
{
    int *left = user;

    if (*left > 0) {
        --*left;
        usleep(50000);
    }
    return to_length(in, out, NULL);
}

struct sizes {
    struct journaling journaling; /* first */
    int64_t rows[2];              /* of the first commits */
    size_t count;
};

static mig_status note_sizes(void *ctx, const struct transform_mark *mark, struct mig_err *err)
{
    struct sizes *sizes = ctx;

    if (sizes->count < 2)
        sizes->rows[sizes->count++] = mark->done - sizes->journaling.done;
    return keep_cursor(&sizes->journaling, mark, err);
}

Engines(transform, after_a_page_that_took_too_long_the_next_is_as_much_shorter)
{
    static const struct transform_owner owner = {.commit = note_sizes, .begin = begin_next};
    int slow = 10;
    const struct mig_transform spec = {.size = sizeof spec,
                                       .table = "t",
                                       .read = "a",
                                       .write = "n",
                                       .map = to_length_slowly,
                                       .user = &slow};
    struct sizes sizes = {.journaling.on = on};
    struct transform transform = {.spec = &spec, .owner = &owner, .ctx = &sizes};

    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, n INTEGER)");
    opened_exec(on,
                "INSERT INTO t (id, a) WITH RECURSIVE n (i) AS"
                " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) SELECT i, 'abc' FROM n");
    opened_begin(on);
    expect_status(on, try_transform(on, &transform), MIG_OK);
    opened_commit(on);
    expect_rows(on, "SELECT COUNT(*) FROM t WHERE n = 3", "300");
    cr_assert_eq(sizes.rows[0], 10);
    cr_assert_leq(sizes.rows[1], 4, "the second page had %lld rows", (long long)sizes.rows[1]);
}

/* SQLite alone lets a trigger change rows that its own statement has yet to come to. */
static void trigger_changes_others(struct opened *on, int rows)
{
    opened_exec(on, "DROP TABLE IF EXISTS t");
    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT)");
    opened_exec(on, test_format("INSERT INTO t (id, a) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL"
                                " SELECT i + 1 FROM n WHERE i < %d) SELECT i, 'x' FROM n",
                                rows));
    opened_exec(on, "CREATE TRIGGER first AFTER UPDATE ON t WHEN old.id = 1"
                    " BEGIN UPDATE t SET a = 'new' WHERE id = 3; END");
    run_transform(on, &(struct mig_transform){SPEC, .table = "t"});
    expect_rows(on, "SELECT b, COUNT(*) FROM t GROUP BY b ORDER BY b",
                test_format("NEW|1\nX|%d", rows - 1));
}

Engines(transform, a_row_that_a_trigger_has_changed_is_computed_anew)
{
    if (!on_engine(on, "sqlite"))
        return;
    trigger_changes_others(on, 5);
    trigger_changes_others(on, 50);
}

struct meddler {
    struct opened *on;
    const char *sql; /* run once, from within the callback */
    struct mig_conn *conn;
};

/* Another session changes the row that has just been read. */
static mig_status meddling(const struct mig_row *in, struct mig_row *out, void *user)
{
    struct meddler *meddler = user;
    struct mig_exec_result result = {.size = sizeof result};
    const char *sql = meddler->sql;

    meddler->sql = NULL;
    if (sql)
        MIG_TRY(
            meddler->on->driver->exec(meddler->conn, sql, strlen(sql), &result, &meddler->on->err));
    return to_upper(in, out, NULL);
}

static void meddle(struct opened *on, const char *filter, const char *sql, const char *wanted)
{
    struct meddler meddler = {.on = on, .sql = sql};
    struct mig_driver_config config = {
        .size = sizeof config, .url = on->url, .application = "test", .connect_timeout_ms = 10000};

    opened_exec(on, "DROP TABLE IF EXISTS t");
    opened_exec(on, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT)");
    opened_exec(on, "INSERT INTO t VALUES (1, 'x', NULL), (2, 'y', NULL), (3, NULL, NULL)");
    expect_status(on, on->driver->open(&config, &meddler.conn, &on->err), MIG_OK);
    run_transform(on, &(struct mig_transform){.size = sizeof(struct mig_transform),
                                              .table = "t",
                                              .read = "a",
                                              .write = "b",
                                              .filter = filter,
                                              .map = meddling,
                                              .user = &meddler});
    on->driver->close(meddler.conn);
    expect_rows(on, "SELECT id, b FROM t ORDER BY id", wanted);
}

Engines(transform, a_row_that_changed_meanwhile_is_computed_anew)
{
    if (on_engine(on, "sqlite")) /* nobody else can write meanwhile */
        return;
    meddle(on, NULL, "UPDATE t SET a = 'new' WHERE id = 2", "1|X\n2|NEW\n3|none");
    meddle(on, NULL, "UPDATE t SET a = NULL WHERE id = 1", "1|none\n2|Y\n3|none");
    meddle(on, NULL, "UPDATE t SET a = 'given' WHERE id = 3", "1|X\n2|Y\n3|GIVEN");
    meddle(on, NULL, "DELETE FROM t WHERE id = 2", "1|X\n3|none");
}

/* What the filter speaks of need not be read. */
Engines(transform, a_row_that_the_filter_leaves_out_meanwhile_stays_as_it_is)
{
    static const char filter[] = "t.b IS NULL AND id NOT IN (SELECT id FROM done)";

    if (on_engine(on, "sqlite"))
        return;
    opened_exec(on, "CREATE TABLE done (id INTEGER PRIMARY KEY, c0 TEXT, place TEXT)");
    meddle(on, filter, "UPDATE t SET b = 'theirs' WHERE id = 2", "1|X\n2|theirs\n3|none");
    meddle(on, filter, "INSERT INTO done (id) VALUES (3)", "1|X\n2|Y\n3|");
}
