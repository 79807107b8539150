/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of a bundle's files: what `sha256sum` writes is read, what we write
 * is what `sha256sum` would have written, and nothing else passes for a list.
 */
#include "manifest.h"

#include "sha256.h"
#include "support.h"

#include <criterion/criterion.h>
#include <string.h>

#define DIGEST "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" /* of "x" */
#define OTHER "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  /* of "" */

static struct mig_err err;
static struct manifest *manifest;

static void forget(void)
{
    manifest_free(manifest);
}

TestSuite(manifest, .fini = forget);

static void parse(const char *text)
{
    cr_assert_eq(manifest_parse(text, strlen(text), &manifest, &err), MIG_OK, "%s", err.message);
}

static void refuses(const char *text, const char *why)
{
    cr_assert_eq(manifest_parse(text, strlen(text), &manifest, &err), MIG_E_REFUSED, "%s", text);
    cr_assert(strstr(err.message, why), "%s", err.message);
    cr_assert_null(manifest);
}

Test(manifest, is_read_in_the_order_of_names_and_asked_by_name)
{
    parse(OTHER " *b.up.sql\n" DIGEST "  a.up.sql\n");
    cr_assert_eq(manifest->count, 2);
    cr_assert_str_eq(manifest->items[0].name, "a.up.sql");
    cr_assert_eq(manifest_find(manifest, "b.up.sql"), &manifest->items[1]);
    cr_assert_null(manifest_find(manifest, "c.up.sql"));
}

Test(manifest, what_sha256sum_writes_of_odd_names_is_read)
{
    static const char *const names[] = {"a b", "a\nb", "a\rb", "a\\b", " c", "*d", "\xff"};
    char *folder = test_folder();
    struct test_result result;
    unsigned char digest[MIG_SHA256_BYTES];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        test_write(folder, names[i], "x");
    result = test_run_command(&(struct test_command){
        .argv = (const char *const[]){"sh", "-c", "sha256sum -- *", NULL}, .folder = folder});
    cr_assert_eq(result.exit_code, 0, "%s", result.err);
    parse(result.out);
    cr_assert_eq(manifest->count, sizeof names / sizeof names[0]);
    cr_assert(sha256_parse(DIGEST, digest));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        cr_assert_eq(manifest_check(manifest, names[i], digest, &err), MIG_OK, "%s", err.message);
}

Test(manifest, what_is_written_is_what_sha256sum_checks)
{
    static const char *const names[] = {"a b", "a\nb", "a\rb", "a\\b", "plain.up.sql"};
    AUTO(buf) struct buf text = {0};
    char *folder = test_folder();
    unsigned char digest[MIG_SHA256_BYTES];
    struct test_result result;

    cr_assert(sha256_parse(DIGEST, digest));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        test_write(folder, names[i], "x");
        manifest_add(&text, names[i], digest);
    }
    test_write(folder, MANIFEST_FILE, buf_text(&text));
    result = test_run_command(&(struct test_command){
        .argv = (const char *const[]){"sha256sum", "-c", "--strict", MANIFEST_FILE, NULL},
        .folder = folder});
    cr_assert_eq(result.exit_code, 0, "%s%s", result.out, result.err);
    parse(buf_text(&text));
    cr_assert_eq(manifest->count, sizeof names / sizeof names[0]);
}

Test(manifest, another_digest_and_another_name_are_refused_by_name)
{
    unsigned char digest[MIG_SHA256_BYTES], other[MIG_SHA256_BYTES];

    parse(DIGEST "  a.up.sql\n");
    cr_assert(sha256_parse(DIGEST, digest) && sha256_parse(OTHER, other));
    cr_assert_eq(manifest_check(manifest, "a.up.sql", digest, &err), MIG_OK);
    cr_assert_eq(manifest_check(manifest, "a.up.sql", other, &err), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "a.up.sql was changed"), "%s", err.message);
    cr_assert(strstr(err.message, OTHER) && strstr(err.message, DIGEST), "%s", err.message);
    cr_assert_eq(manifest_check(manifest, "b.up.sql", digest, &err), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "b.up.sql is not in"), "%s", err.message);
}

Test(manifest, nothing_else_passes_for_one)
{
    static const struct {
        const char *text;
        const char *why;
    } cases[] = {
        {"", "lists no file"},
        {"\n", "line 1 does not begin with the 64 hex digits"},
        {DIGEST "  a\n" OTHER "  b", "line 2 has no line end"},
        {DIGEST "  a\r\n", "line 1 ends as lines do on Windows"},
        {DIGEST "  a\n" OTHER "  a\n", "lists a twice"},
        {DIGEST "  \n", "names no file"},
        {DIGEST "\ta\n", "neither two blanks"},
        {DIGEST " a\n", "neither two blanks"},
        {DIGEST "\t\ta\n", "neither two blanks"},
        {DIGEST "  ./a\n", "not in the bundle's own folder"},
        {DIGEST "  ..\n", "not in the bundle's own folder"},
        {DIGEST "  /etc/passwd\n", "not in the bundle's own folder"},
        {DIGEST "  MANIFEST\n", "names the list itself"},
        {DIGEST "  MANIFEST.sig\n", "names the list itself"},
        {"\\" DIGEST "  a\\tb\n", "an escape other than"},
        {"\\" DIGEST "  a\\\n", "an escape other than"},
        {"\\" DIGEST "  \\\\\\n/\n", "not in the bundle's own folder"},
        {"# signed by hand\n" DIGEST "  a\n", "line 1 does not begin"},
        {"SHA256 (a) = " DIGEST "\n", "line 1 does not begin"},
        {"g" DIGEST "  a\n", "line 1 does not begin"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refuses(cases[i].text, cases[i].why);
}

Test(manifest, names_are_as_long_as_a_files_can_be)
{
    char text[sizeof DIGEST + 1024];
    int len = snprintf(text, sizeof text, DIGEST "  %0255d\n", 0);

    parse(text);
    forget();
    manifest = NULL;
    snprintf(text, sizeof text, DIGEST "  %0256d\n", 0);
    refuses(text, "longer than any file's");
    snprintf(text, sizeof text, DIGEST "  %0511d\n", 0);
    refuses(text, "longer than any file's");
    cr_assert_gt(len, 255);
}

Test(manifest, a_nul_byte_in_a_name_is_refused)
{
    static const char text[] = DIGEST "  a\0b\n";

    cr_assert_eq(manifest_parse(text, sizeof text - 1, &manifest, &err), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "NUL byte"), "%s", err.message);
}
