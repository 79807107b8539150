/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New migrations in a folder: how the files are called, which id they get, what
 * stands in them, and that nothing that is there is overwritten.
 */
#include "create.h"

#include "support.h"
#include <criterion/criterion.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct mig_err err;
static char path[4096];

static mig_status make(const char *bundle, const char *id, const char *name)
{
    const struct create create = {.bundle = bundle, .folder = bundle, .id = id, .name = name};

    return create_sql(&create, path, sizeof path, &err);
}

static const char *file_name(void)
{
    return strrchr(path, '/') + 1;
}

Test(create, a_pair_is_called_by_its_id_and_name)
{
    const char *bundle = test_folder();

    cr_assert_eq(make(bundle, "20240101000000", "Add users, again"), MIG_OK, "%s", err.message);
    cr_assert_str_eq(file_name(), "20240101000000_add_users_again.up.sql");
    cr_assert(test_exists(path));
    cr_assert(test_exists(test_format("%s/20240101000000_add_users_again.down.sql", bundle)));
}

Test(create, the_texts_that_are_given_are_written_as_they_are)
{
    const char *bundle = test_folder();
    const struct create create = {.bundle = bundle,
                                  .folder = bundle,
                                  .id = "20240101000000",
                                  .name = "a",
                                  .up = "CREATE TABLE \xc3\xa4 (x);\r\n",
                                  .down = ""};

    cr_assert_eq(create_sql(&create, path, sizeof path, &err), MIG_OK, "%s", err.message);
    cr_assert_str_eq(test_read(path, NULL), "CREATE TABLE \xc3\xa4 (x);\r\n");
    cr_assert_str_eq(test_read(test_format("%s/20240101000000_a.down.sql", bundle), NULL), "");
}

Test(create, without_an_id_it_is_the_present_second)
{
    char before[20];
    char after[20];
    time_t now = time(NULL);
    struct tm utc;

    gmtime_r(&now, &utc);
    strftime(before, sizeof before, "%Y%m%d%H%M%S", &utc);
    cr_assert_eq(make(test_folder(), NULL, "a"), MIG_OK, "%s", err.message);
    now = time(NULL);
    gmtime_r(&now, &utc);
    strftime(after, sizeof after, "%Y%m%d%H%M%S", &utc);
    cr_assert_geq(strncmp(file_name(), before, 14), 0, "%s, not since %s", file_name(), before);
    cr_assert_leq(strncmp(file_name(), after, 14), 0, "%s, not until %s", file_name(), after);
}

Test(create, a_name_or_id_without_sense_leaves_no_folder_behind)
{
    const char *folder = test_format("%s/migrations", test_folder());

    cr_assert_eq(make(folder, "20240101000000", "!"), MIG_E_USAGE);
    cr_assert_eq(make(folder, "7", "a"), MIG_E_USAGE);
    cr_assert_not(test_exists(folder));
}

Test(create, a_pair_is_written_whole_or_not_at_all)
{
    const char *bundle = test_folder();
    const char *up = test_format("%s/20240101000000_a.up.sql", bundle);

    cr_assert_eq(symlink("nowhere", up), 0);
    snprintf(path, sizeof path, "as it was");
    cr_assert_neq(make(bundle, "20240101000000", "a"), MIG_OK);
    cr_assert_not(test_exists(test_format("%s/20240101000000_a.down.sql", bundle)));
    cr_assert_str_eq(path, "as it was");
}

Test(create, two_in_one_second_come_one_after_the_other)
{
    const char *bundle = test_folder();
    const char *first;

    cr_assert_eq(make(bundle, NULL, "a"), MIG_OK, "%s", err.message);
    first = test_format("%.14s", file_name());
    cr_assert_eq(make(bundle, NULL, "b"), MIG_OK, "%s", err.message);
    cr_assert_gt(strncmp(file_name(), first, 14), 0, "%s is not behind %s", file_name(), first);
}

Test(create, behind_a_future_id_comes_the_next_that_is_a_time)
{
    const char *bundle = test_folder();

    test_write(bundle, "29991231235959_far.up.sql", "SELECT 1;");
    cr_assert_eq(make(bundle, NULL, "next"), MIG_OK, "%s", err.message);
    cr_assert_str_eq(file_name(), "30000101000000_next.up.sql");
    cr_assert_eq(make(bundle, NULL, "next"), MIG_OK, "%s", err.message);
    cr_assert_str_eq(file_name(), "30000101000001_next.up.sql");
}

Test(create, nothing_is_overwritten)
{
    const char *bundle = test_folder();

    test_write(bundle, "20240101000000_a.up.sql", "mine");
    cr_assert_eq(make(bundle, "20240101000000", "a"), MIG_E_USAGE);
    cr_assert(strstr(err.message, "there already"), "%s", err.message);
    cr_assert_str_eq(test_read(test_format("%s/20240101000000_a.up.sql", bundle), NULL), "mine");
    cr_assert_not(test_exists(test_format("%s/20240101000000_a.down.sql", bundle)));
}

Test(create, a_down_that_is_there_stops_it_before_the_up_is_written)
{
    const char *bundle = test_folder();

    test_write(bundle, "20240101000000_a.down.sql", "mine");
    cr_assert_lt(make(bundle, "20240101000000", "a"), 0);
    cr_assert_not(test_exists(test_format("%s/20240101000000_a.up.sql", bundle)));
    cr_assert_str_eq(test_read(test_format("%s/20240101000000_a.down.sql", bundle), NULL), "mine");
}

Test(create, a_name_needs_a_letter_and_an_id_its_digits)
{
    static const char *const names[] = {"", "  ", "../..", "---"};
    static const char *const ids[] = {"", "2024", "2024010100000x", "202401010000000",
                                      "../20240101"};
    const char *bundle = test_folder();

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        cr_assert_eq(make(bundle, "20240101000000", names[i]), MIG_E_USAGE, "[%s]", names[i]);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        cr_assert_eq(make(bundle, ids[i], "a"), MIG_E_USAGE, "[%s]", ids[i]);
}

Test(create, no_name_leaves_the_folder)
{
    const char *folder = test_folder();
    const char *bundle = test_format("%s/in", folder);

    test_write(bundle, "README", "");
    cr_assert_eq(make(bundle, "20240101000000", "../../up and away; rm -rf"), MIG_OK, "%s",
                 err.message);
    cr_assert_eq(strncmp(path, bundle, strlen(bundle)), 0, "%s", path);
    cr_assert_null(strchr(file_name(), ' '));
    cr_assert_null(strchr(file_name(), ';'));
}

Test(create, a_module_carries_its_id_and_description)
{
    const char *folder = test_folder();
    const struct create create = {.bundle = test_format("%s/nowhere", folder),
                                  .folder = folder,
                                  .id = "20240101000000",
                                  .name = "hash \"all\" e-mails"};
    const char *text;

    cr_assert_eq(create_native(&create, path, sizeof path, &err), MIG_OK, "%s", err.message);
    text = test_read(path, NULL);
    cr_assert(strstr(text, ".id = \"20240101000000\""), "%s", text);
    cr_assert(strstr(text, "MIG_MODULE("), "%s", text);
    cr_assert_null(strchr(text, '@'), "%s", text);
    cr_assert_lt(create_native(&create, path, sizeof path, &err), 0);
}

Test(create, a_folder_that_is_missing_is_named)
{
    const struct create create = {.bundle = "/nowhere/at/all",
                                  .folder = "/nowhere/at/all",
                                  .id = "20240101000000",
                                  .name = "a"};

    cr_assert_lt(create_sql(&create, path, sizeof path, &err), 0);
    cr_assert(strstr(err.message, "/nowhere/at/all"), "%s", err.message);
}
