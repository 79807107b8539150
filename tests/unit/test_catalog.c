/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bundle on disk: which files make which migrations, what is refused and
 * what is warned about, what modules say of themselves, and what a large
 * bundle costs. Each test writes the folder that it reads.
 */
#include "catalog.h"

#include "sha256.h"
#include "support.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#define MANY 10000

static struct mig_err err;

/* A folder with empty statements in files of these names. */
#define folder_of(...) folder_with((const char *const[]){__VA_ARGS__, NULL})

static const char *folder_with(const char *const *names)
{
    const char *folder = test_folder();

    for (; *names; names++)
        test_write(folder, *names, "SELECT 1;\n");
    return folder;
}

static struct catalog *load_as(const char *folder, const char *engine)
{
    struct catalog *catalog = NULL;

    cr_assert_eq(catalog_load(folder, engine, 0, NULL, NULL, &catalog, &err), MIG_OK, "%s",
                 err.message);
    return catalog;
}

/* "1 up=a.up.sql down=a.down.sql; 2 ..." */
static const char *describe(const struct catalog *catalog)
{
    static const char *const roles[CATALOG_ROLES] = {"up", "down", "verify"};
    const char *text = "";

    for (size_t i = 0; i < catalog->count; i++) {
        const struct migration *migration = &catalog->items[i];

        text = test_format("%s%s%s", text, i ? "; " : "", migration->id_text);
        for (size_t role = 0; role < CATALOG_ROLES; role++)
            if (migration->parts[role].file)
                text = test_format("%s %s=%s", text, roles[role], migration->parts[role].file);
        cr_assert_eq(migration->has_down, migration->parts[CATALOG_DOWN].file != NULL);
        cr_assert_eq(migration->has_verify, migration->parts[CATALOG_VERIFY].file != NULL);
    }
    return text;
}

static void assert_catalog(const char *folder, const char *engine, const char *expected)
{
    AUTO(catalog) struct catalog *catalog = load_as(folder, engine);

    cr_assert_str_eq(describe(catalog), expected);
    cr_assert_eq(catalog->warning_count, 0, "%s",
                 catalog->warning_count ? catalog->warnings[0] : "");
}

static void assert_fails(const char *folder, mig_status status, const char *says)
{
    struct catalog *catalog = NULL;

    cr_assert_eq(catalog_load(folder, "sqlite", 0, NULL, NULL, &catalog, &err), status, "%d: %s",
                 err.status, err.message);
    cr_assert_null(catalog);
    cr_assert_not_null(strstr(err.message, says), "\"%s\" says no \"%s\"", err.message, says);
}

static void assert_warns(const char *folder, const char *expected, const char *says)
{
    AUTO(catalog) struct catalog *catalog = load_as(folder, "sqlite");

    cr_assert_str_eq(describe(catalog), expected);
    cr_assert_eq(catalog->warning_count, 1);
    cr_assert_not_null(strstr(catalog->warnings[0], says), "%s", catalog->warnings[0]);
}

/* ---- names ------------------------------------------------------------- */

Test(catalog, migrations_are_in_order_of_id_as_a_number)
{
    assert_catalog(
        folder_of("10_b.up.sql", "9_a.up.sql", "20240126100000_c.up.sql", "011_d.up.sql"), "sqlite",
        "9 up=9_a.up.sql; 10 up=10_b.up.sql; 011 up=011_d.up.sql; 20240126100000 "
        "up=20240126100000_c.up.sql");
}

Test(catalog, a_migration_has_an_up_and_perhaps_a_down_and_a_verify)
{
    assert_catalog(folder_of("1_a.up.sql", "1_a.down.sql", "1_a.verify.sql", "2_b.up.sql"),
                   "sqlite",
                   "1 up=1_a.up.sql down=1_a.down.sql verify=1_a.verify.sql; 2 up=2_b.up.sql");
}

Test(catalog, a_description_is_the_name_with_blanks)
{
    AUTO(catalog)
    struct catalog *catalog = load_as(
        folder_of("1_create_the_users.up.sql", "2.up.sql", "3_\xC3\xA9t\xC3\xA9.up.sql"), "sqlite");

    cr_assert_str_eq(catalog->items[0].description, "create the users");
    cr_assert_str_eq(catalog->items[1].description, "");
    cr_assert_str_eq(catalog->items[2].description, "\xC3\xA9t\xC3\xA9");
}

Test(catalog, the_engines_own_file_wins)
{
    const char *folder =
        folder_of("1_a.up.sql", "1_a.sqlite.up.sql", "1_a.down.sql", "1_a.postgres.down.sql");

    assert_catalog(folder, "sqlite", "1 up=1_a.sqlite.up.sql down=1_a.down.sql");
    assert_catalog(folder, "postgres", "1 up=1_a.up.sql down=1_a.postgres.down.sql");
}

Test(catalog, a_migration_for_another_engine_is_not_there)
{
    const char *folder = folder_of("1_a.up.sql", "2_b.postgres.up.sql", "2_b.down.sql");

    assert_catalog(folder, "sqlite", "1 up=1_a.up.sql");
    assert_catalog(folder, "postgres",
                   "1 up=1_a.up.sql; 2 up=2_b.postgres.up.sql "
                   "down=2_b.down.sql");
}

Test(catalog, other_files_are_ignored)
{
    assert_catalog(folder_of("README.md", "MANIFEST", "MANIFEST.sig", ".1_a.up.sql", "1_a.up.sql~",
                             "1_a.up.sql.orig", "schema.sql", "libfoo.so", "notes/1_a.up.sql", "c",
                             "main.c", "1.c", "Views__x.sql", "V1__a.txt", "R_a.sql"),
                   "sqlite", "");
}

Test(catalog, a_folder_for_each_migration_is_not_read_and_that_is_said)
{
    const char *folder = folder_of("1_a.up.sql", "2024-01-26-100000_create/up.sql", "notes/x.sql");

    assert_warns(folder, "1 up=1_a.up.sql", "2024-01-26-100000_create is ignored: it is a folder");
}

Test(catalog, an_empty_folder_is_a_bundle)
{
    assert_catalog(test_folder(), "sqlite", "");
}

Test(catalog, a_missing_folder_is_named)
{
    assert_fails("/nonexistent/migrations", MIG_E_BUNDLE, "/nonexistent/migrations");
}

Test(catalog, a_file_in_the_place_of_the_folder_is_named)
{
    assert_fails(test_write(test_folder(), "x", ""), MIG_E_BUNDLE, "/x");
}

Test(catalog, two_migrations_with_one_id_are_refused_with_both_names)
{
    assert_fails(folder_of("1_a.up.sql", "1_b.up.sql"), MIG_E_BUNDLE, "1_a.up.sql and 1_b.up.sql");
    assert_fails(folder_of("1_a.up.sql", "1_b.down.sql"), MIG_E_BUNDLE,
                 "1_a.up.sql and 1_b.down.sql");
    assert_fails(folder_of("1_a.up.sql", "01_a.up.sql"), MIG_E_BUNDLE,
                 "01_a.up.sql and 1_a.up.sql");
    assert_fails(folder_of("1_a.up.sql", "libmig_1.so"), MIG_E_BUNDLE,
                 "1_a.up.sql and libmig_1.so");
    assert_fails(folder_of("libmig_1.so", "libmig_01.so"), MIG_E_BUNDLE,
                 "libmig_01.so and libmig_1.so");
}

Test(catalog, a_down_or_a_verify_without_an_up_is_refused)
{
    assert_fails(folder_of("1_a.up.sql", "2_b.down.sql"), MIG_E_BUNDLE, "2_b.down.sql");
    assert_fails(folder_of("2_b.verify.sql"), MIG_E_BUNDLE, "2_b.verify.sql");
}

Test(catalog, an_up_without_an_id_is_refused)
{
    assert_fails(folder_of("create_users.up.sql"), MIG_E_BUNDLE, "no id");
    assert_fails(folder_of("V1_a.down.sql"), MIG_E_BUNDLE, "no id");
    assert_fails(folder_of("0_a.up.sql"), MIG_E_BUNDLE, "begin at 1");
    assert_fails(folder_of("1234567890123456789_a.up.sql"), MIG_E_BUNDLE, "18 digits");
    assert_fails(folder_of("2024-01-26-a.up.sql"), MIG_E_BUNDLE, "underscore");
}

Test(catalog, near_misses_are_warned_about)
{
    assert_warns(folder_of("1_a.up.sql", "20240126_x.sql"), "1 up=1_a.up.sql", "20240126_x.sql");
    assert_warns(folder_of("1_a.UP.sql"), "", "lower case");
    assert_warns(folder_of("1_a.up.SQL"), "", "lower case");
    assert_warns(folder_of("libmig_1.SO"), "", "lower case");
    assert_warns(folder_of("libmig_x.so"), "", "libmig_<id>.so");
    assert_warns(folder_of("20240126_x.so"), "", "libmig_<id>.so");
    assert_warns(folder_of("1_add.v2.up.sql"), "", "\"v2\"");
    assert_warns(folder_of("V1__a.sql"), "", "V1__a.sql is ignored: it is named as for Flyway");
    assert_warns(folder_of("U2.1_3__a_b.sql"), "", "Flyway");
    assert_warns(folder_of("R__views.sql"), "", "Flyway");
}

Test(catalog, a_source_without_its_module_is_warned_about)
{
    assert_warns(folder_of("1_a.c"), "", "1_a.c is ignored: it is the source");
    assert_warns(folder_of("01_a.c", "1_help.c", "2_b.up.sql"), "2 up=2_b.up.sql", "01_a.c");
    assert_warns(folder_of("1_a.c", "1_a.up.sql"), "1 up=1_a.up.sql", "1_a.c");
}

Test(catalog, a_folder_named_like_a_migration_is_refused)
{
    assert_fails(folder_of("1_a.up.sql/x"), MIG_E_BUNDLE, "1_a.up.sql is a folder");
    assert_fails(folder_of("1_a.up.sql", "1_a.down.sql/x"), MIG_E_BUNDLE, "1_a.down.sql");
    assert_fails(folder_of("libmig_1.so/x"), MIG_E_BUNDLE, "libmig_1.so");
}

Test(catalog, what_is_no_file_is_refused)
{
    const char *folder = test_folder();

    cr_assert_eq(mkfifo(test_format("%s/1_a.up.sql", folder), 0600), 0);
    assert_fails(folder, MIG_E_REFUSED, "1_a.up.sql");
}

Test(catalog, a_link_out_of_the_bundle_is_refused)
{
    const char *outside = test_write(test_folder(), "x.sql", "SELECT 1;");
    const char *folder = test_folder();

    cr_assert_eq(symlink(outside, test_format("%s/1_a.up.sql", folder)), 0);
    assert_fails(folder, MIG_E_REFUSED, "1_a.up.sql");
    folder = folder_of("1_a.up.sql");
    cr_assert_eq(symlink(outside, test_format("%s/1_a.down.sql", folder)), 0);
    assert_fails(folder, MIG_E_REFUSED, "1_a.down.sql");
}

Test(catalog, a_link_within_the_bundle_is_followed)
{
    const char *folder = folder_of("1_a.up.sql");

    cr_assert_eq(symlink("1_a.up.sql", test_format("%s/2_b.up.sql", folder)), 0);
    assert_catalog(folder, "sqlite", "1 up=1_a.up.sql; 2 up=2_b.up.sql");
}

Test(catalog, a_link_to_a_folder_is_refused)
{
    const char *folder = folder_of("sub/x");

    cr_assert_eq(symlink("sub", test_format("%s/1_a.up.sql", folder)), 0);
    assert_fails(folder, MIG_E_BUNDLE, "is a folder");
}

Test(catalog, a_file_that_cannot_be_read_is_named)
{
    const char *folder = folder_of("1_a.up.sql");

    if (geteuid() == 0)
        cr_skip_test("root reads everything");
    cr_assert_eq(chmod(test_format("%s/1_a.up.sql", folder), 0), 0);
    assert_fails(folder, MIG_E_BUNDLE, "1_a.up.sql");
}

Test(catalog, a_name_that_is_not_utf_8_is_refused)
{
    assert_fails(folder_of("1_\xFF.up.sql"), MIG_E_BUNDLE, "UTF-8");
}

/* ---- contents ------------------------------------------------------------ */

Test(catalog, header_and_checksum_come_from_the_up)
{
    const char *folder = test_folder();
    const char *folded = "-- mig: mode = durable\nX";
    unsigned char expected[32];

    test_write(folder, "1_a.up.sql", "-- mig: mode = durable\r\nX");
    test_write(folder, "1_a.down.sql", "-- mig: what = ever\n");
    AUTO(catalog) struct catalog *catalog = load_as(folder, "sqlite");

    cr_assert_eq(catalog->items[0].kind, MIGHOST_SQL);
    cr_assert_eq(catalog->items[0].mode, MIG_DURABLE);
    AUTO(sha256) struct sha256 hash = {0};
    cr_assert_eq(sha256_init(&hash, &err), MIG_OK);
    cr_assert_eq(sha256_data(&hash, folded, strlen(folded), expected, &err), MIG_OK);
    cr_assert_arr_eq(catalog->items[0].checksum, expected, 32);
}

Test(catalog, a_wrong_header_is_refused_with_its_place)
{
    const char *folder = test_folder();

    test_write(folder, "1_a.up.sql", "\n-- mig: what = ever\nSELECT 1;");
    assert_fails(folder, MIG_E_BUNDLE, "what");
    cr_assert_str_eq(err.where, "1_a.up.sql:2:1");
}

Test(catalog, a_file_without_statements_is_known_as_empty)
{
    static const char *const empty[] = {"", "-- nothing /* here */\n", " ;\n"};
    const char *folder = test_folder();

    test_write(folder, "2_b.up.sql", "SELECT 1");
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        AUTO(catalog) struct catalog *catalog = NULL;

        test_write(folder, "1_a.up.sql", empty[i]);
        catalog = load_as(folder, "sqlite");
        cr_assert(catalog->items[0].is_empty, "%s", empty[i]);
        cr_assert_not(catalog->items[1].is_empty);
        cr_assert_eq(catalog->warning_count, 0);
    }
}

Test(catalog, a_gate_is_known_without_connecting)
{
    AUTO(catalog) struct catalog *catalog = NULL;
    const char *folder = test_folder();

    test_write(folder, "1_a.up.sql", "-- mig: gate = \"it is so\"\nSELECT 1");
    test_write(folder, "2_b.up.sql", "SELECT 1");
    catalog = load_as(folder, "sqlite");
    cr_assert_str_eq(catalog->items[0].gate, "it is so");
    cr_assert_null(catalog->items[1].gate);
}

Test(catalog, a_large_file_is_looked_at_like_a_small_one)
{
    const char *folder = test_folder();
    const char *text = test_format("-- mig: mode = none\nSELECT '%0*d';", 100000, 1);

    test_write(folder, "1_a.up.sql", text);
    test_write(folder, "2_b.up.sql", test_format("%.*s", 16384, text));
    AUTO(catalog) struct catalog *catalog = load_as(folder, "sqlite");

    cr_assert_eq(catalog->items[0].mode, MIG_NONE);
    cr_assert_eq(catalog->items[1].mode, MIG_NONE);
}

Test(catalog, parts_are_opened_as_they_were_found)
{
    const char *folder = folder_of("1_a.up.sql", "1_a.down.sql");
    AUTO(catalog) struct catalog *catalog = load_as(folder, "sqlite");
    struct sql_source source;
    struct sql_facts facts;

    test_write(folder, "1_a.down.sql", "SELECT 1; SELECT 2");
    cr_assert_eq(
        catalog_open_part(catalog, &catalog->items[0], CATALOG_DOWN, CATALOG_LOOK, &source, &err),
        MIG_OK);
    cr_assert_eq(sqltext_check(&source, 0, &facts, &err), MIG_OK);
    cr_assert_eq(facts.statements, 2);
    close(source.fd);
    cr_assert_eq(
        catalog_open_part(catalog, &catalog->items[0], CATALOG_VERIFY, CATALOG_LOOK, &source, &err),
        MIG_E_BUNDLE);
    cr_assert_eq(unlink(test_format("%s/1_a.up.sql", folder)), 0);
    cr_assert_eq(
        catalog_open_part(catalog, &catalog->items[0], CATALOG_UP, CATALOG_LOOK, &source, &err),
        MIG_E_BUNDLE);
    cr_assert_not_null(strstr(err.message, "1_a.up.sql is gone"));
}

Test(catalog, a_part_that_became_a_link_out_is_not_opened)
{
    const char *folder = folder_of("1_a.up.sql");
    AUTO(catalog) struct catalog *catalog = load_as(folder, "sqlite");
    const char *path = test_format("%s/1_a.up.sql", folder);
    struct sql_source source;

    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(symlink("/etc/hostname", path), 0);
    cr_assert_eq(
        catalog_open_part(catalog, &catalog->items[0], CATALOG_UP, CATALOG_LOOK, &source, &err),
        MIG_E_REFUSED);
}

Test(catalog, a_migration_is_found_by_its_id)
{
    AUTO(catalog)
    struct catalog *catalog =
        load_as(folder_of("1_a.up.sql", "5_b.up.sql", "9_c.up.sql"), "sqlite");

    cr_assert_str_eq(catalog_find(catalog, 5)->id_text, "5");
    cr_assert_str_eq(catalog_find(catalog, 9)->id_text, "9");
    cr_assert_null(catalog_find(catalog, 0));
    cr_assert_null(catalog_find(catalog, 6));
    cr_assert_null(catalog_find(catalog, 10));
}

/* ---- modules ------------------------------------------------------------- */

static const char *fixture(const char *name)
{
    const char *folder = test_format("%s/%s", MIGHOST_FIXTURES, name);
    struct test_result found = test_run("ls", folder);

    found.out[strcspn(found.out, "\n")] = '\0';
    return test_format("%s/%s", folder, found.out);
}

/* A bundle of this one module, under its own name or another. */
static const char *module_folder(const char *name, const char *as)
{
    const char *folder = test_folder();
    const char *path = fixture(name);

    test_copy(path, folder, as ? as : strrchr(path, '/') + 1);
    return folder;
}

Test(catalog, a_module_is_described_by_its_note)
{
    AUTO(catalog) struct catalog *catalog = load_as(module_folder("good_table", NULL), "sqlite");
    const struct migration *migration = &catalog->items[0];
    unsigned char expected[32];
    size_t size;
    const char *bytes = test_read(fixture("good_table"), &size);
    AUTO(sha256) struct sha256 hash = {0};

    cr_assert_eq(catalog->count, 1);
    cr_assert_eq(migration->kind, MIGHOST_NATIVE);
    cr_assert_str_eq(migration->description, "good table");
    cr_assert(migration->has_down);
    cr_assert_str_eq(migration->parts[CATALOG_UP].file,
                     test_format("libmig_%s.so", migration->id_text));
    cr_assert_eq(migration->parts[CATALOG_UP].len, -1);
    cr_assert_eq(sha256_init(&hash, &err), MIG_OK);
    cr_assert_eq(sha256_data(&hash, bytes, size, expected, &err), MIG_OK);
    cr_assert_arr_eq(migration->checksum, expected, 32);
}

Test(catalog, a_module_without_a_down_has_none)
{
    AUTO(catalog) struct catalog *catalog = load_as(module_folder("no_down", NULL), "sqlite");

    cr_assert_not(catalog->items[0].has_down);
    cr_assert_null(catalog->items[0].parts[CATALOG_DOWN].file);
}

Test(catalog, a_module_for_other_drivers_is_left_out_with_a_warning)
{
    const char *folder = module_folder("sqlite_only", NULL);
    AUTO(catalog) struct catalog *here = load_as(folder, "sqlite");
    AUTO(catalog) struct catalog *there = load_as(folder, "postgres");

    cr_assert_eq(here->count, 1);
    cr_assert_eq(there->count, 0);
    cr_assert_eq(there->warning_count, 1);
    cr_assert_not_null(strstr(there->warnings[0], "not for postgres"));
}

Test(catalog, a_module_whose_note_has_another_id_is_refused)
{
    assert_fails(module_folder("wrong_name", NULL), MIG_E_REFUSED, "libmig_");
    assert_fails(module_folder("good_table", "libmig_7.so"), MIG_E_REFUSED, "libmig_7.so");
}

Test(catalog, a_module_without_a_note_is_refused)
{
    assert_fails(module_folder("no_note", NULL), MIG_E_BUNDLE, "libmig_");
    assert_fails(module_folder("abi_major", NULL), MIG_E_REFUSED, "ABI");
    assert_fails(folder_of("libmig_1.so"), MIG_E_BUNDLE, "libmig_1.so");
}

Test(catalog, an_sql_module_is_read_like_its_files)
{
    const char *file = "libmig_20240126124000.so";
    const char *folder = test_folder();
    struct sql_source source;
    struct sql_facts facts;

    test_copy(test_format("%s/migrations/%s", MIGHOST_BUILD, file), folder, file);
    AUTO(catalog) struct catalog *catalog = load_as(folder, "sqlite");
    const struct migration *migration = &catalog->items[0];

    cr_assert_eq(migration->kind, MIGHOST_SQL_MODULE);
    cr_assert(migration->has_down);
    cr_assert_gt(migration->parts[CATALOG_UP].offset, 0);
    cr_assert_eq(catalog_open_part(catalog, migration, CATALOG_UP, CATALOG_LOOK, &source, &err),
                 MIG_OK);
    cr_assert_eq(sqltext_check(&source, 0, &facts, &err), MIG_OK, "%s", err.message);
    cr_assert_gt(facts.statements, 0);
    cr_assert_arr_eq(facts.checksum, migration->checksum, 32);
    close(source.fd);
}

/* ---- migrations of the program -------------------------------------------- */

static mig_status nothing(struct mig_db *db)
{
    (void)db;
    return MIG_OK;
}

static const struct mig_module registered = {.size = sizeof registered,
                                             .id = "5",
                                             .description = "ours",
                                             .mode = MIG_DURABLE,
                                             .up = nothing};
static const struct mig_module for_postgres = {.size = sizeof registered,
                                               .id = "6",
                                               .description = "theirs",
                                               .drivers = "postgres",
                                               .up = nothing};

Test(catalog, migrations_of_the_program_are_sorted_in)
{
    const struct mig_module *const modules[] = {&for_postgres, &registered, NULL};
    struct catalog *catalog;

    cr_assert_eq(catalog_load(folder_of("1_a.up.sql", "9_b.up.sql"), "sqlite", 0, modules, NULL,
                              &catalog, &err),
                 MIG_OK);
    cr_assert_eq(catalog->count, 3);
    cr_assert_eq(catalog->items[1].id, 5);
    cr_assert_eq(catalog->items[1].kind, MIGHOST_REGISTERED);
    cr_assert_eq(catalog->items[1].mode, MIG_DURABLE);
    cr_assert_eq(catalog->items[1].registered, &registered);
    cr_assert_not(catalog->items[1].has_down);
    catalog_free(catalog);
}

Test(catalog, a_migration_of_the_program_with_an_id_of_the_bundle_is_refused)
{
    const struct mig_module *const modules[] = {&registered, NULL};
    struct catalog *catalog = NULL;

    cr_assert_eq(catalog_load(folder_of("05_a.up.sql"), "sqlite", 0, modules, NULL, &catalog, &err),
                 MIG_E_BUNDLE);
    cr_assert_not_null(strstr(err.message, "05_a.up.sql"));
}

/* ---- ids -------------------------------------------------------------------- */

Test(catalog, an_id_is_1_to_18_digits)
{
    uint64_t id = 0;

    cr_assert_eq(id_parse("007", &id, &err), MIG_OK);
    cr_assert_eq(id, 7);
    cr_assert_eq(id_parse("999999999999999999", &id, &err), MIG_OK);
    cr_assert_eq(id, 999999999999999999);
    cr_assert_eq(id_parse("", &id, &err), MIG_E_USAGE);
    cr_assert_eq(id_parse("1234567890123456789", &id, &err), MIG_E_USAGE);
    cr_assert_eq(id_parse("12x", &id, &err), MIG_E_USAGE);
    cr_assert_eq(id_parse("-1", &id, &err), MIG_E_USAGE);
    cr_assert_eq(id_parse(" 1", &id, &err), MIG_E_USAGE);
}

/* ---- size -------------------------------------------------------------------- */

/* Far more than it takes, even under a sanitizer. */
#define CPU_LIMIT 3.0

Test(catalog, ten_thousand_migrations_are_read_in_no_time)
{
    const char *folder = test_folder();
    struct timespec began;
    struct timespec ended;

    for (int i = 1; i <= MANY; i++) {
        char name[64];
        FILE *file;

        snprintf(name, sizeof name, "%d_create_table.up.sql", i);
        file = fopen(test_format("%s/%s", folder, name), "w");
        cr_assert_not_null(file);
        fprintf(file, "CREATE TABLE t%d (id INTEGER PRIMARY KEY);\n", i);
        fclose(file);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &began);
    AUTO(catalog) struct catalog *catalog = load_as(folder, "sqlite");
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
    cr_assert_eq(catalog->count, MANY);
    for (size_t i = 0; i < MANY; i++)
        cr_assert_eq(catalog->items[i].id, i + 1);
    cr_assert_lt((double)(ended.tv_sec - began.tv_sec) +
                     (double)(ended.tv_nsec - began.tv_nsec) / 1e9,
                 CPU_LIMIT);
}
