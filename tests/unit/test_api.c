/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of mig.h on a host older than the module, whose table is
 * shorter: what it lacks is MIG_E_UNSUPPORTED, or nothing at all, and never
 * read. Each table is allocated as long as it says, so that the sanitizer sees
 * who reads past its end. And what mig.h does by itself.
 */
#include <mig.h>

#include "support.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

static struct {
    struct mig_db db;
    struct mig_stmt stmt;
    struct mig_row row;
    struct mig_api *api;
    int called;
} t;

static mig_status on_exec(struct mig_db *db, const char *sql)
{
    (void)db;
    (void)sql;
    t.called++;
    return MIG_OK;
}

static mig_status on_row_set(struct mig_row *row, int column, const struct mig_value *value)
{
    (void)row;
    (void)column;
    (void)value;
    t.called++;
    return MIG_OK;
}

/* A host whose table is `size` bytes. */
static void host_of(size_t size)
{
    struct mig_api whole = {.size = (uint32_t)size, .exec = on_exec, .row_set = on_row_set};

    t.api = malloc(size);
    cr_assert_not_null(t.api);
    memcpy(t.api, &whole, size);
    t.db.api = t.api;
    t.stmt.db = &t.db;
    t.row.db = &t.db;
}

static void host_end(void)
{
    free(t.api);
}

TestSuite(api, .fini = host_end);

Test(api, what_an_older_host_lacks_is_unsupported)
{
    const struct mig_value value = {.type = MIG_NULL};
    const struct mig_transform transform = {.size = sizeof transform};
    const struct mig_load load = {.size = sizeof load};
    struct mig_stmt *stmt = NULL;
    struct mig_value out;

    host_of(offsetof(struct mig_api, exec));
    cr_assert_eq(mig_exec(&t.db, "SELECT 1"), MIG_E_UNSUPPORTED);
    cr_assert_eq(mig_prepare(&t.db, "SELECT 1", &stmt), MIG_E_UNSUPPORTED);
    cr_assert_eq(mig_query(&t.db, "SELECT 1", &stmt), MIG_E_UNSUPPORTED);
    cr_assert_null(stmt);
    cr_assert_eq(mig_bind(&t.stmt, 1, &value), MIG_E_UNSUPPORTED);
    cr_assert_eq(mig_bind_int64(&t.stmt, 1, 1), MIG_E_UNSUPPORTED);
    cr_assert_eq(mig_bind_double(&t.stmt, 1, 1.0), MIG_E_UNSUPPORTED);
    cr_assert_eq(mig_bind_text(&t.stmt, 1, "a"), MIG_E_UNSUPPORTED);
    cr_assert_eq(mig_bind_blob(&t.stmt, 1, "a", 1), MIG_E_UNSUPPORTED);
    cr_assert_eq(mig_bind_null(&t.stmt, 1), MIG_E_UNSUPPORTED);
    cr_assert_eq(mig_step(&t.stmt), MIG_E_UNSUPPORTED);
    cr_assert_eq(mig_reset(&t.stmt), MIG_E_UNSUPPORTED);
    cr_assert_eq(mig_column(&t.stmt, 0, &out), MIG_E_UNSUPPORTED);
    cr_assert_eq(mig_transform(&t.db, &transform), MIG_E_UNSUPPORTED);
    cr_assert_eq(mig_load(&t.db, &load), MIG_E_UNSUPPORTED);
    cr_assert_eq(mig_row_get(&t.row, 0, &out), MIG_E_UNSUPPORTED);
    cr_assert_eq(mig_row_set(&t.row, 0, &value), MIG_E_UNSUPPORTED);
    cr_assert_eq(mig_set_text(&t.row, 0, "a"), MIG_E_UNSUPPORTED);
    cr_assert_eq(mig_set_int64(&t.row, 0, 1), MIG_E_UNSUPPORTED);
    cr_assert_eq(mig_set_double(&t.row, 0, 1.0), MIG_E_UNSUPPORTED);
    cr_assert_eq(mig_set_blob(&t.row, 0, "a", 1), MIG_E_UNSUPPORTED);
}

Test(api, what_has_no_status_answers_nothing_on_an_older_host)
{
    size_t len = 7;

    host_of(offsetof(struct mig_api, exec));
    mig_finalize(&t.stmt);
    mig_log(&t.db, MIG_INFO, "%s", "unheard");
    mig_progress(&t.db, 1, 2);
    cr_assert_eq(mig_fail(&t.db, "%s", "unheard"), MIG_E_FAILED);
    cr_assert_eq(mig_column_count(&t.stmt), 0);
    cr_assert_null(mig_column_name(&t.stmt, 0));
    cr_assert_eq(mig_column_type(&t.stmt, 0), MIG_NULL);
    cr_assert_eq(mig_column_int64(&t.stmt, 0), 0);
    cr_assert_eq(mig_column_double(&t.stmt, 0), 0.0);
    cr_assert_null(mig_column_text(&t.stmt, 0));
    cr_assert_null(mig_column_blob(&t.stmt, 0, &len));
    cr_assert_eq(len, 0);
    cr_assert_eq(mig_changes(&t.db), -1);
    cr_assert_null(mig_param(&t.db, "key"));
    cr_assert_str_eq(mig_engine(&t.db), "");
    cr_assert_str_eq(mig_engine_version(&t.db), "");
    cr_assert_null(mig_native(&t.db, "sqlite"));
    len = 7;
    cr_assert_eq(mig_row_int64(&t.row, 0), 0);
    cr_assert_null(mig_row_text(&t.row, 0));
    cr_assert_null(mig_row_blob(&t.row, 0, &len));
    cr_assert_eq(len, 0);
}

Test(api, a_slot_is_there_once_the_table_holds_all_of_it)
{
    const struct mig_load load = {.size = sizeof load};

    host_of(offsetof(struct mig_api, prepare));
    cr_assert_eq(mig_exec(&t.db, "SELECT 1"), MIG_OK);
    host_end();
    host_of(offsetof(struct mig_api, prepare) - 1);
    cr_assert_eq(mig_exec(&t.db, "SELECT 1"), MIG_E_UNSUPPORTED);
    host_end();
    host_of(offsetof(struct mig_api, load));
    cr_assert_eq(mig_set_int64(&t.row, 0, 1), MIG_OK);
    cr_assert_eq(mig_load(&t.db, &load), MIG_E_UNSUPPORTED);
    cr_assert_eq(t.called, 2);
}

Test(api, hex_is_lower_case_and_ends)
{
    char out[9] = "xxxxxxxx";

    mig_hex("\x00\x7f\xaf\xff", 4, out);
    cr_assert_str_eq(out, "007fafff");
    mig_hex("a", 1, out);
    cr_assert_str_eq(out, "61");
    mig_hex("a", 0, out);
    cr_assert_str_eq(out, "");
}

Test(api, a_double_is_the_nearest_whole_number_towards_zero)
{
    static const struct {
        double real;
        int64_t wanted;
    } cases[] = {
        {2.9, 2},
        {-2.9, -2},
        {1e300, INT64_MAX},
        {-1e300, INT64_MIN},
        {0x1p63, INT64_MAX},
        {-0x1p63, INT64_MIN},
        {INFINITY, INT64_MAX},
        {NAN, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct mig_value value = {.type = MIG_DOUBLE, .as.real = cases[i].real};

        cr_assert_eq(mig_value_int64(&value), cases[i].wanted, "%g", cases[i].real);
    }
}
