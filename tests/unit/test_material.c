/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a step runs, as it was checked: small texts are read once and stay as
 * they were, large ones stay on disk, and what waits for its turn is bounded.
 */
#include "material.h"

#include "fs.h"
#include "support.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define LARGE ((size_t)200 * 1024)

static struct mig_err err;
static const char *folder;
static struct catalog *catalog;

static void load_again(void)
{
    catalog_free(catalog);
    catalog = NULL;
    cr_assert_eq(catalog_load(folder, "sqlite", 0, NULL, NULL, &catalog, &err), MIG_OK, "%s",
                 err.message);
}

static void load(const char *up)
{
    folder = test_folder();
    test_write(folder, "1_one.up.sql", up);
    test_write(folder, "1_one.down.sql", "SELECT 'down';\n");
    load_again();
}

static mig_status open_step(struct material *material)
{
    const struct material_place place = {.catalog = catalog, .bundle = folder};
    const struct plan_step step = {.direction = MIGHOST_UP, .migration = &catalog->items[0]};

    return material_open(&place, &step, material, &err);
}

static void unload(void)
{
    catalog_free(catalog);
}

TestSuite(material, .fini = unload);

Test(material, a_small_text_stays_as_it_was_checked)
{
    AUTO(material) struct material material = MATERIAL_NONE;

    load("SELECT 'up';\n");
    cr_assert_eq(open_step(&material), MIG_OK, "%s", err.message);
    test_write(folder, "1_one.up.sql", "SELECT 'UP';\n");
    test_write(folder, "1_one.down.sql", "");
    cr_assert_eq(material.text.len, 13);
    cr_assert_eq(memcmp(material.text.data, "SELECT 'up';\n", 13), 0);
    cr_assert_eq(memcmp(material.carry.data, "SELECT 'down';\n", 15), 0);
    cr_assert_eq(material.facts.statements, 1);
}

Test(material, a_text_that_changed_since_the_listing_is_refused)
{
    AUTO(material) struct material material = MATERIAL_NONE;

    load("SELECT 'up';\n");
    test_write(folder, "1_one.up.sql", "SELECT 'UP';\n");
    cr_assert_eq(open_step(&material), MIG_E_BUNDLE);
    cr_assert(strstr(err.message, "changed between"), "%s", err.message);
}

Test(material, a_module_that_is_gone_since_the_listing_is_named)
{
    AUTO(material) struct material material = MATERIAL_NONE;
    static const char name[] = "libmig_20240601000001.so";
    size_t size;
    char *module = test_read(test_format("%s/good_table/%s", MIGHOST_FIXTURES, name), &size);
    int fd;

    folder = test_folder();
    fd = open(test_format("%s/%s", folder, name), O_CREAT | O_WRONLY, 0644);
    cr_assert_eq(fs_write_fd(fd, name, module, size, &err), MIG_OK);
    close(fd);
    load_again();
    cr_assert_eq(unlink(test_format("%s/%s", folder, name)), 0);
    cr_assert_eq(open_step(&material), MIG_E_BUNDLE);
    cr_assert(strstr(err.message, "libmig_20240601000001.so is gone"), "%s", err.message);
}

static void written_by_others(const char *file)
{
    AUTO(material) struct material material = MATERIAL_NONE;

    load("SELECT 'up';\n");
    cr_assert_eq(chmod(test_format("%s/%s", folder, file), 0777), 0);
    load_again();
    cr_assert_eq(open_step(&material), MIG_E_REFUSED, "%s", file);
    cr_assert(strstr(err.message, "mode 0777"), "%s", err.message);
}

Test(material, what_others_can_write_is_not_run)
{
    written_by_others("1_one.up.sql");
    written_by_others("1_one.down.sql");
    written_by_others(".");
}

Test(material, an_empty_text_is_one)
{
    AUTO(material) struct material material = MATERIAL_NONE;

    load("");
    cr_assert_eq(open_step(&material), MIG_OK, "%s", err.message);
    cr_assert_eq(material.text.len, 0);
    cr_assert_eq(material.facts.statements, 0);
}

Test(material, a_small_text_is_kept_as_long_as_there_is_room)
{
    AUTO(material) struct material first = MATERIAL_NONE;
    AUTO(material) struct material second = MATERIAL_NONE;
    struct materials kept = {0};
    size_t room = sizeof first + 40;

    load("SELECT 'up';\n");
    cr_assert_eq(materials_init(&kept, 2, &err), MIG_OK);
    cr_assert_eq(open_step(&first), MIG_OK, "%s", err.message);
    cr_assert_eq(open_step(&second), MIG_OK, "%s", err.message);
    cr_assert_eq(materials_keep(&kept, 0, &first, &room, &err), MIG_OK);
    cr_assert_eq(materials_keep(&kept, 1, &second, &room, &err), MIG_OK);
    cr_assert_not_null(materials_at(&kept, 0));
    cr_assert_eq(memcmp(materials_at(&kept, 0)->text.data, "SELECT 'up';\n", 13), 0);
    cr_assert_null(materials_at(&kept, 1));
    cr_assert_null(materials_at(&kept, 2));
    cr_assert_lt(room, 40);
    materials_clear(&kept);
}

Test(material, a_large_text_stays_on_disk_and_is_not_kept)
{
    AUTO(material) struct material material = MATERIAL_NONE;
    AUTO(free) char *large = malloc(LARGE + 1);
    struct materials kept = {0};
    size_t room = SIZE_MAX;

    cr_assert_not_null(large);
    memset(large, ' ', LARGE);
    large[LARGE] = '\0';
    load(large);
    cr_assert_eq(open_step(&material), MIG_OK, "%s", err.message);
    cr_assert_null(material.text.data);
    cr_assert_geq(material.text.fd, 0);
    cr_assert_eq(materials_init(&kept, 1, &err), MIG_OK);
    cr_assert_eq(materials_keep(&kept, 0, &material, &room, &err), MIG_OK);
    cr_assert_null(materials_at(&kept, 0));
    cr_assert_geq(material.text.fd, 0);
    materials_clear(&kept);
}
