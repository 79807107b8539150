/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks before a module's code runs, and loading itself, on the modules
 * of tests/fixtures: each wrong one is refused with the check that failed, and
 * what is loaded is what was checked. Drivers go through the same checks.
 */
#include "module.h"

#include "driver.h"
#include "dso.h"
#include "fs.h"
#include "support.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>

static struct mig_err err;

static char *fixture_folder(const char *fixture)
{
    return test_format("%s/%s", MIGHOST_FIXTURES, fixture);
}

static char *fixture_file(const char *fixture)
{
    struct test_result found = test_run("ls", fixture_folder(fixture));

    found.out[strcspn(found.out, "\n")] = '\0';
    return found.out;
}

/* Copies a fixture into a folder of the test's own, by the name `as`. */
static char *place(const char *folder, const char *fixture, const char *as)
{
    const char *path = test_format("%s/%s", fixture_folder(fixture), fixture_file(fixture));
    char *copy = test_copy(path, folder, as);

    cr_assert_eq(chmod(copy, 0755), 0);
    return copy;
}

static mig_status check(const char *fixture, struct note *note)
{
    const char *file = fixture_file(fixture);
    AUTO(close) int fd = open(test_format("%s/%s", fixture_folder(fixture), file), O_RDONLY);

    return module_check(fd, file, NULL, note, &err);
}

/* Fetches, checks and loads as the host does. */
static mig_status load(const char *folder, const char *file, struct module **out)
{
    AUTO(close) int memfd = -1;
    struct note note;
    mig_status status = module_fetch(folder, file, &memfd, &err);

    if (status == MIG_OK)
        status = module_check(memfd, file, NULL, &note, &err);
    if (status == MIG_OK)
        status = module_load(memfd, file, &note, out, &err);
    return status;
}

static mig_status load_fixture(const char *fixture, struct module **out)
{
    const char *folder = test_folder();
    const char *file = fixture_file(fixture);

    place(folder, fixture, file);
    return load(folder, file, out);
}

Test(module, a_good_one_is_loaded_and_says_what_its_note_says)
{
    AUTO(module) struct module *module = NULL;

    cr_assert_eq(load_fixture("good_table", &module), MIG_OK, "%s", err.message);
    cr_assert_str_eq(module->descriptor->description, "good table");
    cr_assert_not_null(module->descriptor->up);
    cr_assert_not_null(module->descriptor->down);
}

Test(module, two_loaded_after_another_are_not_mistaken_for_each_other)
{
    AUTO(module) struct module *first = NULL;
    AUTO(module) struct module *second = NULL;
    AUTO(module) struct module *third = NULL;

    cr_assert_eq(load_fixture("good_table", &first), MIG_OK, "%s", err.message);
    cr_assert_eq(load_fixture("good_log", &second), MIG_OK, "%s", err.message);
    cr_assert_str_eq(second->descriptor->description, "good log");
    module_close(first);
    first = NULL;
    cr_assert_eq(load_fixture("good_params", &third), MIG_OK, "%s", err.message);
    cr_assert_str_eq(third->descriptor->description, "good params");
    cr_assert_str_eq(second->descriptor->description, "good log");
}

Test(module, nothing_of_it_runs_before_it_is_loaded)
{
    AUTO(module) struct module *module = NULL;
    const char *trace = test_format("%s/trace", test_folder());
    struct note note;

    setenv("MIGHOST_TRACE", trace, 1);
    cr_assert_eq(check("load_trace", &note), MIG_OK, "%s", err.message);
    cr_assert_not(test_exists(trace));
    cr_assert_eq(load_fixture("load_trace", &module), MIG_OK);
    cr_assert(test_exists(trace));
}

static void refused(const char *fixture, const char *because)
{
    struct note note;

    cr_assert_eq(check(fixture, &note), MIG_E_REFUSED, "%s", fixture);
    cr_assert(strstr(err.message, because), "%s", err.message);
}

Test(module, the_load_policy_names_what_it_refuses)
{
    refused("rpath", "RPATH");
    refused("audit", "DT_AUDIT");
    refused("text_relocation", "TEXTREL");
    refused("exec_stack", "executable stack");
    refused("needs_library", "libz.so.1");
    refused("abi_major", "ABI 2.0; this host speaks 1.0");
    refused("abi_minor", "ABI 1.999; this host speaks 1.0");
}

Test(module, a_library_can_be_allowed)
{
    const char *const libraries[] = {"libz.so.1", NULL};
    const char *file = fixture_file("needs_library");
    AUTO(close)
    int fd = open(test_format("%s/%s", fixture_folder("needs_library"), file), O_RDONLY);
    struct note note;

    cr_assert_eq(module_check(fd, file, libraries, &note, &err), MIG_OK, "%s", err.message);
}

/* The sanitizer that this host itself may have is not among them. */
Test(module, a_sanitizers_runtime_is_refused_as_one)
{
    static const char *const runtimes[] = {"libtsan.so.2", "liblsan.so.0"};

    for (size_t i = 0; i < sizeof runtimes / sizeof *runtimes; i++) {
        struct elf_facts facts = {.shared = true, .bind_now = true, .needed_count = 1};

        snprintf(facts.needed[0], sizeof facts.needed[0], "%s", runtimes[i]);
        cr_assert_eq(module_policy(&facts, "m.so", NULL, &err), MIG_E_REFUSED);
        cr_assert(strstr(err.message, runtimes[i]) && strstr(err.message, "a sanitizer's runtime"),
                  "%s", err.message);
    }
}

Test(module, a_program_is_no_module)
{
    struct elf_facts facts;
    struct elf elf;
    AUTO(close) int fd = open("/proc/self/exe", O_RDONLY);

    cr_assert_eq(elf_open_fd(&elf, fd, "me", &err), MIG_OK);
    cr_assert_eq(elf_facts_read(&elf, &facts, &err), MIG_OK, "%s", err.message);
    cr_assert_eq(module_policy(&facts, "me", NULL, &err), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "not a shared object"));
}

Test(module, a_module_binds_its_own_symbols_at_loading)
{
    struct elf_facts facts;
    struct elf elf;
    AUTO(close)
    int fd = open(test_format("%s/%s", fixture_folder("good_table"), fixture_file("good_table")),
                  O_RDONLY);

    cr_assert_eq(elf_open_fd(&elf, fd, "it", &err), MIG_OK);
    cr_assert_eq(elf_facts_read(&elf, &facts, &err), MIG_OK, "%s", err.message);
    cr_assert(facts.bind_now);
}

Test(module, note_descriptor_and_name_must_agree)
{
    const char *folder = test_folder();
    struct module *module = NULL;

    cr_assert_eq(load_fixture("disagree", &module), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "one id in its note"), "%s", err.message);
    cr_assert_eq(load_fixture("wrong_name", &module), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "its name must be libmig_"), "%s", err.message);
    place(folder, "good_table", "libmig_7.so");
    cr_assert_eq(load(folder, "libmig_7.so", &module), MIG_E_REFUSED);
    cr_assert_null(module);
}

Test(module, what_the_linker_cannot_load_is_refused_with_its_reason)
{
    struct module *module = NULL;

    cr_assert_eq(load_fixture("no_symbol", &module), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "exports no mig_module"), "%s", err.message);
    cr_assert_eq(load_fixture("missing_symbol", &module), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "no_such_function_anywhere"), "%s", err.message);
    cr_assert_not(strstr(err.message, "/proc/self/fd"), "%s", err.message);
}

Test(module, file_and_folder_must_be_writable_by_nobody_else)
{
    const char *folder = test_folder();
    const char *path = place(folder, "good_table", "m.so");
    int fd = -1;

    cr_assert_eq(module_fetch(folder, "m.so", &fd, &err), MIG_OK, "%s", err.message);
    close(fd);
    cr_assert_eq(chmod(path, 0775), 0);
    cr_assert_eq(module_fetch(folder, "m.so", &fd, &err), MIG_E_REFUSED);
    cr_assert(strstr(err.message, path) && strstr(err.message, "0775"), "%s", err.message);
    cr_assert_eq(chmod(path, 0755), 0);
    cr_assert_eq(chmod(folder, 0777), 0);
    cr_assert_eq(module_fetch(folder, "m.so", &fd, &err), MIG_E_REFUSED);
    cr_assert(strstr(err.message, folder) && strstr(err.message, "0777"), "%s", err.message);
}

Test(module, what_was_checked_is_what_runs)
{
    const char *folder = test_folder();
    const char *file = fixture_file("good_table");
    AUTO(module) struct module *module = NULL;
    AUTO(close) int memfd = -1;
    struct note note;

    place(folder, "good_table", file);
    cr_assert_eq(module_fetch(folder, file, &memfd, &err), MIG_OK);
    cr_assert_eq(module_check(memfd, file, NULL, &note, &err), MIG_OK);
    test_write(folder, file, "swapped for something else");
    cr_assert_eq(module_load(memfd, file, &note, &module, &err), MIG_OK, "%s", err.message);
}

Test(module, a_cut_one_is_refused_before_it_is_loaded)
{
    size_t size;
    const char *path =
        test_format("%s/%s", fixture_folder("good_table"), fixture_file("good_table"));
    const char *bytes = test_read(path, &size);
    struct note note;

    for (size_t len = 0; len < size; len += 97) {
        AUTO(close) int fd = -1;

        cr_assert_eq(fs_memfd_bytes(bytes, len, "cut.so", &fd, &err), MIG_OK);
        cr_assert_eq(module_check(fd, "cut.so", NULL, &note, &err), MIG_E_BUNDLE, "%zu", len);
    }
}

Test(module, hostile_dynamic_sections_are_read_or_refused)
{
    size_t size;
    const char *path =
        test_format("%s/%s", fixture_folder("good_table"), fixture_file("good_table"));
    char *bytes = test_read(path, &size);

    for (size_t at = 0; at < size; at++) {
        char kept = bytes[at];
        struct elf_facts facts;
        struct elf elf;

        bytes[at] = (char)(kept ^ 0x81);
        if (elf_open_bytes(&elf, bytes, size, "x.so", &err) == MIG_OK)
            (void)elf_facts_read(&elf, &facts, &err);
        bytes[at] = kept;
    }
}

Test(driver, the_scheme_names_the_driver)
{
    char name[DRIVER_NAME_SIZE];

    cr_assert_eq(driver_name("sqlite:x.db", name, &err), MIG_OK);
    cr_assert_str_eq(name, "sqlite");
    cr_assert_eq(driver_name("sqlite::memory:", name, &err), MIG_OK);
    cr_assert_str_eq(name, "sqlite");
    cr_assert_eq(driver_name("postgresql://h/d", name, &err), MIG_OK);
    cr_assert_str_eq(name, "postgres");
    cr_assert_eq(driver_name("host=h dbname=a:b", name, &err), MIG_OK);
    cr_assert_str_eq(name, "postgres");
}

Test(driver, a_text_without_a_scheme_is_not_repeated)
{
    char name[DRIVER_NAME_SIZE];

    cr_assert_eq(driver_name("secret-password", name, &err), MIG_E_USAGE);
    cr_assert_not(strstr(err.message, "secret"));
    cr_assert_eq(driver_name("", name, &err), MIG_E_USAGE);
    cr_assert_eq(driver_name("./app.db", name, &err), MIG_E_USAGE);
}

Test(driver, an_unknown_scheme_lists_what_is_there)
{
    const char *folder = test_folder();
    struct driver *driver = NULL;

    test_write(folder, "libmigdrv_one.so", "x");
    test_write(folder, "unrelated.so", "x");
    cr_assert_eq(driver_open("mysql://u:secret@h/d", folder, &driver, &err), MIG_E_USAGE);
    cr_assert(strstr(err.message, "\"mysql:\"") && strstr(err.message, "are: one"), "%s",
              err.message);
    cr_assert_not(strstr(err.message, "secret"));
    cr_assert_eq(driver_open("mysql:x", "/nowhere", &driver, &err), MIG_E_USAGE);
    cr_assert_null(driver);
}

Test(driver, what_is_no_driver_is_refused)
{
    const char *folder = test_folder();
    struct driver *driver = NULL;

    test_write(folder, "libmigdrv_text.so", "no shared object, but long enough to be one");
    cr_assert_eq(driver_open("text:x", folder, &driver, &err), MIG_E_REFUSED);
    place(folder, "good_table", "libmigdrv_module.so");
    cr_assert_eq(driver_open("module:x", folder, &driver, &err), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "not a driver"), "%s", err.message);
    place(folder, "rpath", "libmigdrv_rpath.so");
    cr_assert_eq(driver_open("rpath:x", folder, &driver, &err), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "RPATH"), "%s", err.message);
    place(folder, "exec_stack", "libmigdrv_stack.so");
    cr_assert_eq(driver_open("stack:x", folder, &driver, &err), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "executable stack"), "%s", err.message);
}

/* Opens the driver of `folder` that serves "fixture:"; it must be refused. */
static void driver_refused(const char *folder, const char *because)
{
    struct driver *driver = NULL;

    cr_assert_eq(driver_open("fixture:x", folder, &driver, &err), MIG_E_REFUSED, "%s", because);
    cr_assert(strstr(err.message, because), "%s", err.message);
    cr_assert(strstr(err.message, folder), "%s", err.message);
    cr_assert_null(driver);
}

static void driver_fixture_refused(const char *fixture, const char *because)
{
    const char *folder = test_folder();

    place(folder, fixture, "libmigdrv_fixture.so");
    driver_refused(folder, because);
}

Test(driver, one_of_another_abi_is_refused_with_both)
{
    const char *speaks =
        test_format("this host speaks %d.%d", MIG_DRIVER_ABI_MAJOR, MIG_DRIVER_ABI_MINOR);

    driver_fixture_refused("driver_abi_major",
                           test_format("driver ABI %d.%d; %s", MIG_DRIVER_ABI_MAJOR + 1,
                                       MIG_DRIVER_ABI_MINOR, speaks));
    driver_fixture_refused("driver_abi_minor",
                           test_format("driver ABI %d.999; %s", MIG_DRIVER_ABI_MAJOR, speaks));
}

Test(driver, a_table_that_is_too_short_is_refused)
{
    driver_fixture_refused("driver_short",
                           test_format("has a table of %zu bytes, and its ABI %d.%d has %zu",
                                       offsetof(struct mig_driver, alone), MIG_DRIVER_ABI_MAJOR,
                                       MIG_DRIVER_ABI_MINOR, sizeof(struct mig_driver)));
}

Test(driver, it_must_serve_the_scheme_that_its_file_is_named_after)
{
    driver_fixture_refused("driver_scheme", "does not serve \"fixture:\"");
}

/* A copy of the driver for SQLite, by another name. */
static char *place_driver(const char *folder)
{
    char *copy =
        test_copy(MIGHOST_BUILD "/lib/mighost/libmigdrv_sqlite.so", folder, "libmigdrv_fixture.so");

    cr_assert_eq(chmod(copy, 0755), 0);
    return copy;
}

Test(driver, file_and_folder_must_be_writable_by_nobody_else)
{
    const char *folder = test_folder();
    const char *path = place_driver(folder);

    driver_refused(folder, "does not serve"); /* so it was loaded */
    cr_assert_eq(chmod(path, 0775), 0);
    driver_refused(folder, "libmigdrv_fixture.so has mode 0775");
    cr_assert_eq(chmod(path, 0757), 0);
    driver_refused(folder, "libmigdrv_fixture.so has mode 0757");
    cr_assert_eq(chmod(path, 0755), 0);
    cr_assert_eq(chmod(folder, 0777), 0);
    driver_refused(folder, test_format("%s has mode 0777", folder));
}

Test(driver, one_of_another_user_is_refused)
{
    const char *folder = test_folder();
    const char *path = place_driver(folder);

    if (geteuid() != 0)
        cr_skip_test("only root can give files away");
    cr_assert_eq(chown(path, 1, 1), 0);
    driver_refused(folder, "belongs to user 1");
}

Test(driver, a_link_out_of_the_folder_is_refused)
{
    const char *folder = test_folder();
    const char *path = place_driver(test_folder());

    cr_assert_eq(symlink(path, test_format("%s/libmigdrv_fixture.so", folder)), 0);
    driver_refused(folder, "leads out of");
}

Test(driver, what_was_checked_is_what_runs)
{
    const char *folder = test_folder();
    const char *path =
        test_copy(MIGHOST_BUILD "/lib/mighost/libmigdrv_sqlite.so", folder, "libmigdrv_sqlite.so");
    const struct mig_driver_config config = {
        .size = sizeof config, .url = "sqlite::memory:", .flags = MIG_OPEN_CREATE};
    AUTO(driver) struct driver *driver = NULL;
    struct mig_conn *conn = NULL;

    cr_assert_eq(driver_open("sqlite:x", folder, &driver, &err), MIG_OK, "%s", err.message);
    cr_assert_eq(truncate(path, 0), 0);
    cr_assert_eq(driver->api->open(&config, &conn, &err), MIG_OK, "%s", err.message);
    driver->api->close(conn);
}
