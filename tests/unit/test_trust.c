/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed bundles: which keys are trusted, what a signature covers, that every
 * other bundle is refused by name, and that what was verified is what is read,
 * whatever happens to the folder meanwhile. openssl is asked for a second
 * opinion on keys and signatures.
 */
#include "trust.h"

#include "catalog.h"
#include "dso.h"
#include "pem.h"
#include "support.h"
#include "trust_key.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>

#define LARGE 100000 /* no text of this size is kept in memory */

static struct mig_err err;
static char *folder; /* of the bundle */
static char *keys;
static char fingerprint[MIG_SHA256_HEX];
static struct trust *trust;
static struct catalog *catalog;

static char *key_path(const char *name)
{
    return test_format("%s/%s", keys, name);
}

static void make_key(const char *name)
{
    cr_assert_eq(trust_key_new(key_path(name), fingerprint, &err), MIG_OK, "%s", err.message);
}

static void sign(const char *key)
{
    struct mighost_signing signing;

    cr_assert_eq(trust_sign_bundle(folder, key_path(key), &signing, &err), MIG_OK, "%s",
                 err.message);
}

static void set_up(void)
{
    folder = test_folder();
    keys = test_folder();
    test_write(folder, "1_one.up.sql", "CREATE TABLE one (id INTEGER);\n");
    test_write(folder, "1_one.down.sql", "DROP TABLE one;\n");
    test_write(folder, "README", "what this is\n");
    make_key("one");
    sign("one");
}

static void tear_down(void)
{
    catalog_free(catalog);
    trust_close(trust);
}

TestSuite(trust, .init = set_up, .fini = tear_down);

static void trust_key(const char *path)
{
    trust_close(trust);
    trust = NULL;
    cr_assert_eq(trust_open(path, &trust, &err), MIG_OK, "%s", err.message);
}

static void accepts(void)
{
    cr_assert_eq(trust_verify_bundle(trust, folder, &err), MIG_OK, "%s", err.message);
}

static void refuses(const char *why)
{
    err_clear(&err);
    cr_assert_eq(trust_verify_bundle(trust, folder, &err), MIG_E_REFUSED, "%s", why);
    cr_assert(strstr(err.message, why), "%s", err.message);
    cr_assert(strstr(err.message, "nothing of the bundle"), "%s", err.message);
    cr_assert_null(trust->manifest);
}

static void refuses_store(const char *path, mig_status status, const char *why)
{
    struct trust *none = NULL;

    err_clear(&err);
    cr_assert_eq(trust_open(path, &none, &err), status, "%s: %s", why, err.message);
    cr_assert(strstr(err.message, why), "%s", err.message);
    cr_assert_null(none);
}

static mig_status load(void)
{
    return catalog_load(folder, "sqlite", 0, NULL, trust->manifest, &catalog, &err);
}

/* --- keys -------------------------------------------------------------------------- */

Test(trust, a_new_pair_is_what_openssl_reads_and_only_its_owner_can)
{
    struct test_result result;
    struct stat info;

    result = test_run("sh", "-c", "openssl pkey -in \"$0\" -pubout | diff - \"$0.pub\"",
                      key_path("one"));
    cr_assert_eq(result.exit_code, 0, "%s%s", result.out, result.err);
    result = test_run("sh", "-c", "openssl pkey -pubin -in \"$0\" -outform DER | sha256sum",
                      key_path("one.pub"));
    cr_assert_eq(memcmp(result.out, fingerprint, strlen(fingerprint)), 0, "%s", result.out);
    cr_assert_eq(stat(key_path("one"), &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0600);
    cr_assert_eq(stat(key_path("one.pub"), &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0644);
}

Test(trust, two_new_keys_differ_and_none_is_overwritten)
{
    char first[MIG_SHA256_HEX];
    char *before = test_read(key_path("one"), NULL);

    memcpy(first, fingerprint, sizeof first);
    cr_assert_eq(trust_key_new(key_path("one"), fingerprint, &err), MIG_E_USAGE);
    cr_assert_str_eq(test_read(key_path("one"), NULL), before);
    test_write(keys, "two.pub", "");
    cr_assert_eq(trust_key_new(key_path("two"), fingerprint, &err), MIG_E_USAGE);
    cr_assert_not(test_exists(key_path("two")));
    cr_assert_neq(trust_key_new(key_path("nowhere/one"), fingerprint, &err), MIG_OK);
    cr_assert_str_eq(fingerprint, first, "that of a key which was not kept");
    make_key("three");
    cr_assert_str_neq(first, fingerprint);
}

Test(trust, a_private_key_that_others_can_read_does_not_sign)
{
    struct mighost_signing signing;

    cr_assert_eq(chmod(key_path("one"), 0640), 0);
    cr_assert_eq(trust_sign_bundle(folder, key_path("one"), &signing, &err), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "mode 0640, so others can read it"), "%s", err.message);
}

Test(trust, nothing_is_left_of_a_private_key_that_is_wiped)
{
    static const struct private_key none;
    AUTO(ed25519) struct ed25519 *curve = NULL;
    struct private_key key = {0};

    cr_assert_eq(ed25519_open(&curve, &err), MIG_OK, "%s", err.message);
    cr_assert_eq(private_key_read(curve, key_path("one"), &key, &err), MIG_OK, "%s", err.message);
    cr_assert_neq(memcmp(key.bytes, none.bytes, sizeof key.bytes), 0);
    private_key_wipe(&key);
    cr_assert_eq(memcmp(&key, &none, sizeof key), 0);
}

Test(trust, what_is_no_private_key_of_ed25519_does_not_sign)
{
    static const struct {
        const char *command;
        const char *why;
    } cases[] = {
        {"cp one.pub bad", "holds no private key"},
        {"echo hello >bad", "holds no private key"},
        {"openssl genpkey -algorithm X25519 -out bad", "holds no private key"},
        {"openssl ecparam -name prime256v1 -genkey -noout -out bad", "holds no private key"},
        {"openssl pkey -in one -aes128 -passout pass:x -out bad", "is encrypted"},
        {"head -n 2 one >bad", "no END line"},
        {"rm -f bad", "there is no key"},
    };
    struct mighost_signing signing;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct test_result result = test_run_command(&(struct test_command){
            .argv =
                (const char *const[]){"sh", "-c", "umask 077; eval \"$0\"", cases[i].command, NULL},
            .folder = keys});

        cr_assert_eq(result.exit_code, 0, "%s: %s", cases[i].command, result.err);
        cr_assert_eq(trust_sign_bundle(folder, key_path("bad"), &signing, &err), MIG_E_USAGE, "%s",
                     cases[i].command);
        cr_assert(strstr(err.message, cases[i].why), "%s", err.message);
    }
}

Test(trust, a_private_key_within_the_bundle_does_not_sign_it)
{
    struct mighost_signing signing;
    char *within = test_format("%s/mine", folder);

    cr_assert_eq(trust_key_new(within, fingerprint, &err), MIG_OK, "%s", err.message);
    cr_assert_eq(trust_sign_bundle(folder, within, &signing, &err), MIG_E_USAGE);
    cr_assert(strstr(err.message, "lies in the bundle"), "%s", err.message);
}

Test(trust, a_private_key_that_a_link_leads_to_does_not_sign_its_own_bundle)
{
    struct mighost_signing signing;
    char *below = test_format("%s/below", folder);

    cr_assert_eq(mkdir(below, 0755), 0);
    cr_assert_eq(trust_key_new(test_format("%s/mine", below), fingerprint, &err), MIG_OK);
    cr_assert_eq(symlink(test_format("%s/mine", below), key_path("mine")), 0);
    cr_assert_eq(trust_sign_bundle(folder, key_path("mine"), &signing, &err), MIG_E_USAGE);
    cr_assert(strstr(err.message, "lies in the bundle"), "%s", err.message);
}

Test(trust, a_file_that_sha256sum_cannot_check_is_not_signed)
{
    struct mighost_signing signing;

    test_write(folder, "-", "from where?\n");
    cr_assert_eq(trust_sign_bundle(folder, key_path("one"), &signing, &err), MIG_E_BUNDLE);
    cr_assert(strstr(err.message, "a file named -"), "%s", err.message);
}

Test(trust, a_library_that_is_not_there_is_named)
{
    struct dso *library = NULL;

    cr_assert_eq(dso_open_system("libnowhere.so.9", &library, &err), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "libnowhere.so.9 cannot be loaded"), "%s", err.message);
    cr_assert_null(library);
}

/* --- the store --------------------------------------------------------------------- */

Test(trust, a_store_is_a_file_or_a_folder_and_other_files_may_lie_in_it)
{
    trust_key(key_path("one.pub"));
    accepts();
    cr_assert_str_eq(trust->signer->fingerprint, fingerprint);
    make_key("two");
    cr_assert_eq(unlink(key_path("one")), 0);
    test_write(keys, "WHO", "ask the release team\n");
    trust_key(keys);
    cr_assert_eq(trust->keys.len, 2);
    accepts();
    cr_assert(strstr(trust->signer->file, "/one.pub"), "%s", trust->signer->file);
}

Test(trust, one_file_may_hold_several_keys)
{
    char *first = test_read(key_path("one.pub"), NULL);

    make_key("two");
    trust_key(test_write(keys, "all.pem",
                         test_format("ours\n%s\r\n# of the other team\n%s", first,
                                     test_read(key_path("two.pub"), NULL))));
    cr_assert_eq(trust->keys.len, 2);
    accepts();
    sign("two");
    accepts();
    cr_assert_str_eq(trust->signer->fingerprint, fingerprint);
}

Test(trust, what_is_no_store_is_refused_by_name)
{
    char *one = test_read(key_path("one.pub"), NULL);

    refuses_store(NULL, MIG_E_REFUSED, "--trust PATH");
    refuses_store(key_path("none"), MIG_E_USAGE, "/none");
    refuses_store(test_folder(), MIG_E_REFUSED, "no key is trusted");
    refuses_store(key_path("one"), MIG_E_USAGE, "holds a private key");
    refuses_store(test_write(keys, "a.pem", "hello\n"), MIG_E_USAGE, "holds no public key");
    refuses_store(test_write(keys, "b.pem", test_format("%.80s", one)), MIG_E_USAGE, "END line");
    refuses_store(test_write(keys, "c.pem", "-----BEGIN X-----\n!\n-----END X-----\n"), MIG_E_USAGE,
                  "not base64");
    refuses_store(test_write(keys, "d.pem", "-----BEGIN X-----\nAAAA\n-----END X-----\n"),
                  MIG_E_USAGE, "no public key of Ed25519");
    refuses_store(test_write(keys, "e.pem", test_format("%*s", 70000, one)), MIG_E_USAGE,
                  "larger than");
    refuses_store(keys, MIG_E_USAGE, "a.pem");
}

Test(trust, a_key_of_another_kind_is_refused)
{
    struct test_result result =
        test_run("sh", "-c",
                 "openssl ecparam -name prime256v1 -genkey -noout | openssl pkey -pubout "
                 ">\"$0\"",
                 key_path("p256.pub"));

    cr_assert_eq(result.exit_code, 0, "%s", result.err);
    refuses_store(key_path("p256.pub"), MIG_E_USAGE, "no public key of Ed25519");
}

Test(trust, a_store_that_others_can_write_is_refused)
{
    cr_assert_eq(chmod(key_path("one.pub"), 0664), 0);
    refuses_store(key_path("one.pub"), MIG_E_REFUSED, "one.pub has mode 0664");
    cr_assert_eq(chmod(key_path("one.pub"), 0644), 0);
    cr_assert_eq(chmod(keys, 0777), 0);
    refuses_store(keys, MIG_E_REFUSED, "has mode 0777");
}

Test(trust, a_store_does_not_lead_elsewhere)
{
    char *elsewhere = test_folder();

    make_key("two");
    cr_assert_eq(symlink(key_path("one.pub"), test_format("%s/a.pub", elsewhere)), 0);
    refuses_store(elsewhere, MIG_E_REFUSED, "leads out of its folder");
}

Test(trust, a_key_in_a_folder_that_others_can_write_is_refused)
{
    char *open = test_folder();
    char *link = test_format("%s/link.pub", keys);

    test_write(open, "one.pub", test_read(key_path("one.pub"), NULL));
    cr_assert_eq(symlink(test_format("%s/one.pub", open), link), 0);
    trust_key(link);
    accepts();
    cr_assert_eq(chmod(open, 0777), 0);
    refuses_store(test_format("%s/one.pub", open), MIG_E_REFUSED, "others can write");
    refuses_store(link, MIG_E_REFUSED, "others can write");
}

/* --- expiry ------------------------------------------------------------------------- */

static char *with_comment(const char *comment)
{
    return test_write(keys, "dated.pem",
                      test_format("%s\n%s", comment, test_read(key_path("one.pub"), NULL)));
}

Test(trust, a_key_expires_on_the_day_that_its_comment_names)
{
    trust_key(with_comment("# expires: 2999-12-31"));
    accepts();
    trust_key(with_comment("# owner: release team\n#expires:2020-02-29\r"));
    refuses("which expired on 2020-02-29");
    cr_assert(strstr(err.message, fingerprint), "%s", err.message);
    cr_assert_eq(trust_check_signer(trust, fingerprint, &err), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "expired on 2020-02-29"), "%s", err.message);
}

Test(trust, an_expiry_counts_however_its_line_begins)
{
    static const char *const comments[] = {
        "  # expires: 2020-02-29", "\xEF\xBB\xBF# expires: 2020-02-29",
        "Expires: 2020-02-29",     "; expires: 2020-02-29",
        "// expires: 2020-02-29",
    };

    for (size_t i = 0; i < sizeof comments / sizeof comments[0]; i++) {
        trust_key(with_comment(comments[i]));
        refuses("which expired on 2020-02-29");
    }
}

Test(trust, an_expiry_below_the_last_key_is_refused_and_not_passed_over)
{
    char *key = test_read(key_path("one.pub"), NULL);

    refuses_store(test_write(keys, "dated.pem", test_format("%s# expires: 2999-12-31\n", key)),
                  MIG_E_USAGE, "below its last key");
    trust_key(test_write(keys, "dated.pem", test_format("%s# until we move\n", key)));
    accepts();
}

Test(trust, an_expiry_in_another_form_is_refused_and_not_passed_over)
{
    static const char *const comments[] = {
        "# expires 2027-01-01",
        "# Expires: tomorrow",
        "# EXPIRES: 2027-13-01",
        "# expires: 2027-01-01T00",
        "# expires:",
        "# expires",
        "# expires: 2027-01-01 x",
        "# expires: 0000-00-00",
        "# expires: 27-01-01",
        "# expires: 2027-1-1",
        "# expires on: 2027-01-01",
        "#\texpires: 2027-02-30",
        "## expires = 2027-01-01",
        "# expires: 2027-01-01 2028",
        "# expires: 1969-12-31",
        "Expires Monday",
    };

    for (size_t i = 0; i < sizeof comments / sizeof comments[0]; i++)
        refuses_store(with_comment(comments[i]), MIG_E_USAGE, "in another form");
    refuses_store(with_comment("# expires: 2027-01-01\n# expires: 2028-01-01"), MIG_E_USAGE,
                  "says twice");
}

/* --- signatures ---------------------------------------------------------------------- */

Test(trust, a_signature_is_what_openssl_makes_and_checks)
{
    struct test_result result;

    trust_key(key_path("one.pub"));
    result = test_run_command(&(struct test_command){
        .argv = (const char *const[]){"openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey",
                                      key_path("one.pub"), "-in", MANIFEST_FILE, "-sigfile",
                                      MANIFEST_SIGNATURE, NULL},
        .folder = folder});
    cr_assert_eq(result.exit_code, 0, "%s%s", result.out, result.err);
    result = test_run_command(&(struct test_command){
        .argv = (const char *const[]){"sh", "-c",
                                      "rm MANIFEST MANIFEST.sig && LC_ALL=C sha256sum -- * "
                                      ">../list && mv ../list MANIFEST && openssl pkeyutl -sign "
                                      "-rawin -inkey \"$0\" -in MANIFEST -out MANIFEST.sig",
                                      key_path("one"), NULL},
        .folder = folder});
    cr_assert_eq(result.exit_code, 0, "%s%s", result.out, result.err);
    accepts();
}

Test(trust, a_key_that_is_taken_out_is_revoked)
{
    make_key("two");
    trust_key(keys);
    accepts();
    cr_assert_eq(unlink(key_path("one.pub")), 0);
    trust_key(keys);
    refuses("none of the trusted keys");
    cr_assert(strstr(err.message, "two.pub"), "%s", err.message);
}

Test(trust, the_signer_of_what_was_applied_must_still_be_trusted)
{
    trust_key(key_path("one.pub"));
    cr_assert_eq(trust_check_signer(trust, fingerprint, &err), MIG_OK);
    cr_assert_eq(trust_check_signer(trust, "", &err), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "nobody had signed it"), "%s", err.message);
    make_key("two");
    cr_assert_eq(trust_check_signer(trust, fingerprint, &err), MIG_E_REFUSED);
    cr_assert(strstr(err.message, fingerprint), "%s", err.message);
}

Test(trust, an_unsigned_bundle_is_refused)
{
    trust_key(key_path("one.pub"));
    cr_assert_eq(unlink(test_format("%s/%s", folder, MANIFEST_SIGNATURE)), 0);
    refuses("it has no MANIFEST.sig");
    cr_assert_eq(unlink(test_format("%s/%s", folder, MANIFEST_FILE)), 0);
    refuses("it has no MANIFEST;");
}

Test(trust, a_signature_that_was_cut_swapped_or_touched_is_refused)
{
    size_t size;
    char *signature = test_read(test_format("%s/%s", folder, MANIFEST_SIGNATURE), &size);
    char *long_one = test_format("%*s", 5000, "");

    trust_key(key_path("one.pub"));
    cr_assert_eq(size, ED25519_SIGNATURE);
    test_write_bytes(folder, MANIFEST_SIGNATURE, signature, size - 1);
    refuses("has 63 bytes");
    test_write_bytes(folder, MANIFEST_SIGNATURE, signature, 0);
    refuses("has 0 bytes");
    test_write(folder, MANIFEST_SIGNATURE, long_one);
    refuses("larger than");
    for (size_t i = 0; i < size; i++) {
        signature[i] ^= 1;
        test_write_bytes(folder, MANIFEST_SIGNATURE, signature, size);
        refuses("none of the trusted keys");
        signature[i] ^= 1;
    }
    test_write(folder, "2_two.up.sql", "SELECT 1;\n");
    sign("one");
    test_write_bytes(folder, MANIFEST_SIGNATURE, signature, size);
    refuses("none of the trusted keys");
}

Test(trust, a_list_that_was_touched_is_refused)
{
    char *list = test_read(test_format("%s/%s", folder, MANIFEST_FILE), NULL);

    trust_key(key_path("one.pub"));
    test_write(folder, MANIFEST_FILE, test_format("%s\n", list));
    refuses("MANIFEST was changed after it was signed");
    list[0] ^= 1;
    test_write(folder, MANIFEST_FILE, list);
    refuses("MANIFEST was changed after it was signed");
}

/* --- the files ------------------------------------------------------------------------ */

Test(trust, every_file_is_covered_whatever_it_is_for)
{
    trust_key(key_path("one.pub"));
    test_write(folder, "1_one.down.sql", "DROP TABLE two;\n");
    refuses("1_one.down.sql was changed");
    test_write(folder, "1_one.down.sql", "DROP TABLE one;\n");
    test_write(folder, "README", "something else\n");
    refuses("README was changed");
    test_write(folder, "README", "what this is\n");
    accepts();
}

Test(trust, files_that_were_added_or_removed_are_named)
{
    trust_key(key_path("one.pub"));
    test_write(folder, "2_two.up.sql", "SELECT 1;\n");
    refuses("2_two.up.sql is not in the signed MANIFEST");
    cr_assert_eq(unlink(test_format("%s/2_two.up.sql", folder)), 0);
    cr_assert_eq(unlink(test_format("%s/1_one.down.sql", folder)), 0);
    refuses("1_one.down.sql is in the signed MANIFEST and not in the bundle");
    test_write(folder, "2_two.up.sql", "SELECT 1;\n");
    test_write(folder, "1_one.up.sql", "SELECT 1;\n");
    refuses("2 more faults");
}

Test(trust, a_folder_within_is_no_part_of_the_bundle)
{
    trust_key(key_path("one.pub"));
    test_write(folder, "notes/1_one.up.sql", "SELECT 1;\n");
    accepts();
    cr_assert_eq(load(), MIG_OK, "%s", err.message);
    cr_assert_eq(catalog->count, 1);
}

Test(trust, a_link_out_of_the_bundle_and_a_fifo_are_refused)
{
    char *elsewhere = test_write(test_folder(), "1_one.up.sql", "CREATE TABLE one (id INTEGER);\n");
    char *up = test_format("%s/1_one.up.sql", folder);

    trust_key(key_path("one.pub"));
    cr_assert_eq(unlink(up), 0);
    cr_assert_eq(symlink(elsewhere, up), 0);
    refuses("1_one.up.sql leads out of its folder");
    cr_assert_eq(unlink(up), 0);
    cr_assert_eq(mkfifo(up, 0600), 0);
    refuses("1_one.up.sql is a FIFO");
}

Test(trust, a_check_lists_every_fault)
{
    struct mighost_findings *findings = NULL;

    trust_key(key_path("one.pub"));
    cr_assert_eq(trust_check_bundle(trust, folder, &findings, &err), MIG_OK, "%s", err.message);
    cr_assert_eq(findings->fault_count, 0);
    cr_assert_eq(findings->file_count, 3);
    cr_assert_str_eq(findings->signer, fingerprint);
    mighost_findings_free(findings);
    test_write(folder, "1_one.up.sql", "SELECT 1;\n");
    test_write(folder, "0_new.up.sql", "SELECT 1;\n");
    cr_assert_eq(unlink(test_format("%s/README", folder)), 0);
    test_write(folder, MANIFEST_SIGNATURE, "short");
    cr_assert_eq(trust_check_bundle(trust, folder, &findings, &err), MIG_OK, "%s", err.message);
    cr_assert_eq(findings->fault_count, 4);
    cr_assert_str_eq(findings->signer, "");
    cr_assert_str_eq(findings->faults[0].kind, "signature");
    cr_assert_str_eq(findings->faults[1].kind, "added");
    cr_assert_str_eq(findings->faults[1].file, "0_new.up.sql");
    cr_assert_str_eq(findings->faults[2].kind, "changed");
    cr_assert_str_eq(findings->faults[3].kind, "removed");
    cr_assert_str_eq(findings->faults[3].file, "README");
    mighost_findings_free(findings);
}

/* --- between the check and the use ------------------------------------------------------ */

static void verified(void)
{
    trust_key(key_path("one.pub"));
    accepts();
}

static void refuses_to_load(const char *why)
{
    err_clear(&err);
    cr_assert_eq(load(), MIG_E_REFUSED, "%s", why);
    cr_assert(strstr(err.message, why), "%s", err.message);
}

Test(trust, what_changes_before_the_bundle_is_listed_is_refused)
{
    char *up = test_format("%s/1_one.up.sql", folder);
    char *elsewhere = test_write(folder, "notes/other.sql", "DROP TABLE one;\n");

    verified();
    cr_assert_eq(unlink(up), 0);
    cr_assert_eq(symlink("notes/other.sql", up), 0);
    refuses_to_load("1_one.up.sql was changed");
    cr_assert_eq(unlink(up), 0);
    test_write(folder, "1_one.up.sql", "DROP TABLE one;\n");
    refuses_to_load("1_one.up.sql was changed");
    test_write(folder, "1_one.up.sql", test_format("DROP TABLE one;%*s\n", LARGE, ""));
    refuses_to_load("1_one.up.sql was changed");
    test_write(folder, "1_one.up.sql", "CREATE TABLE one (id INTEGER);\n");
    test_write(folder, "1_one.sqlite.up.sql", "DROP TABLE one;\n");
    refuses_to_load("1_one.sqlite.up.sql was added");
    cr_assert_eq(unlink(test_format("%s/1_one.sqlite.up.sql", folder)), 0);
    cr_assert_eq(unlink(test_format("%s/README", folder)), 0);
    refuses_to_load("no longer in the bundle");
    cr_assert(test_exists(elsewhere));
}

static mig_status open_up(struct sql_source *source)
{
    return catalog_open_part(catalog, &catalog->items[0], CATALOG_UP, CATALOG_LOOK, source, &err);
}

Test(trust, what_changes_after_the_bundle_was_listed_is_refused)
{
    char *up = test_format("%s/1_one.up.sql", folder);
    struct sql_source source;

    verified();
    cr_assert_eq(load(), MIG_OK, "%s", err.message);
    test_write(folder, "1_one.up.sql", "DROP TABLE one;\n");
    cr_assert_eq(open_up(&source), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "1_one.up.sql was changed"), "%s", err.message);
    test_write(folder, "notes/other.sql", "DROP TABLE one;\n");
    cr_assert_eq(unlink(up), 0);
    cr_assert_eq(symlink("notes/other.sql", up), 0);
    cr_assert_eq(open_up(&source), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "1_one.up.sql was changed"), "%s", err.message);
}

Test(trust, what_was_opened_stays_what_was_signed)
{
    char *text = test_format("CREATE TABLE one (id INTEGER);%*s\n", LARGE, "");
    struct sql_source source;
    char *read;

    test_write(folder, "1_one.up.sql", text);
    sign("one");
    verified();
    cr_assert_eq(load(), MIG_OK, "%s", err.message);
    cr_assert_eq(open_up(&source), MIG_OK, "%s", err.message);
    test_write(folder, "1_one.up.sql", "DROP TABLE one;\n");
    read = test_read(test_format("/proc/self/fd/%d", source.fd), NULL);
    cr_assert_str_eq(read, text);
    cr_assert_lt(pwrite(source.fd, "DROP", 4, 0), 0);
    close(source.fd);
}

/* --- PEM ---------------------------------------------------------------------------------- */

Test(trust, a_block_that_is_written_is_read)
{
    AUTO(buf) struct buf text = {0};
    struct pem_block block;
    unsigned char bytes[PEM_BYTES];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 7);
    for (size_t len = 1; len <= sizeof bytes; len += 5) {
        const char *at;

        buf_reset(&text);
        buf_puts(&text, "before\n");
        pem_add(&text, "SOME THING", bytes, len);
        at = buf_text(&text);
        cr_assert_eq(pem_next(&at, &block, &err), MIG_ROW, "%zu: %s", len, err.message);
        cr_assert_str_eq(block.label, "SOME THING");
        cr_assert_eq(block.len, len);
        cr_assert_eq(memcmp(block.bytes, bytes, len), 0);
        cr_assert_eq(block.before_len, strlen("before\n"));
        cr_assert_eq(pem_next(&at, &block, &err), MIG_OK);
    }
}
