/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test kit itself: databases that are fresh, values as text, literals,
 * parameters, logs, errors, and a module that runs within the test.
 */
#include <mig/testkit.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int verified; /* seen only where the module runs in this process */

static mig_status make_words(struct mig_db *db)
{
    const char *language = mig_param(db, "language");

    if (!language)
        return mig_fail(db, "no language is given");
    mig_log(db, MIG_INFO, "words of %s", language);
    return mig_exec(db, "CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT, n BIGINT)");
}

static mig_status drop_words(struct mig_db *db)
{
    return mig_exec(db, "DROP TABLE words");
}

static mig_status check_words(struct mig_db *db)
{
    (void)db;
    verified++;
    return MIG_OK;
}

static const struct mig_module words = {
    .size = sizeof words,
    .abi_major = MIG_ABI_MAJOR,
    .abi_minor = MIG_ABI_MINOR,
    .id = "1",
    .description = "words",
    .up = make_words,
    .down = drop_words,
    .verify = check_words,
};

MIG_TEST(testkit, a_registered_module_runs_in_this_process, NULL)
{
    mig_test_register(test, &words);
    mig_test_param(test, "language", "latin");
    mig_assert_ok(test, mig_test_up(test, NULL));
    cr_assert_eq(verified, 1);
    cr_assert_str_eq(mig_test_log(test), "words of latin\n");
    mig_assert_ok(test, mig_test_down(test, ""));
    mig_assert_rows(test, "SELECT count(*) FROM mighost_history", "0");
}

MIG_TEST(testkit, a_failure_leaves_its_sentence_until_the_next_run, NULL)
{
    mig_test_register(test, &words);
    mig_assert_fails(test, mig_test_up(test, NULL), "no language is given");
    mig_test_param(test, "language", "latin");
    mig_assert_ok(test, mig_test_up(test, NULL));
    cr_assert_str_empty(mig_test_error(test));
}

MIG_TEST(testkit, a_parameter_can_be_changed_and_taken_away, NULL)
{
    mig_test_register(test, &words);
    mig_test_param(test, "lang", "other");
    mig_test_param(test, "language", "latin");
    mig_test_param(test, "language", "greek");
    mig_assert_ok(test, mig_test_up(test, NULL));
    cr_assert_str_eq(mig_test_log(test), "words of greek\n");
    mig_assert_ok(test, mig_test_down(test, NULL));
    mig_test_param(test, "language", NULL);
    mig_assert_fails(test, mig_test_up(test, NULL), "no language is given");
}

/* A bundle whose second migration waits at a gate. */
static char *make_gated(void)
{
    static const char *const files[][2] = {
        {"1_first.up.sql", "CREATE TABLE first (a INTEGER);\n"},
        {"2_second.up.sql", "-- mig: gate = \"app 2 is out\"\nCREATE TABLE second (a INTEGER);\n"},
    };
    static char folder[] = "/tmp/gated_XXXXXX";

    cr_assert(mkdtemp(folder));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[sizeof folder + 32];
        FILE *file;

        snprintf(path, sizeof path, "%s/%s", folder, files[i][0]);
        file = fopen(path, "w");
        cr_assert(file && fputs(files[i][1], file) >= 0 && fclose(file) == 0);
    }
    return folder;
}

static void remove_gated(const char *folder)
{
    char path[64];

    snprintf(path, sizeof path, "%s/1_first.up.sql", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/2_second.up.sql", folder);
    unlink(path);
    rmdir(folder);
}

Test(testkit, a_gate_is_shut_until_it_is_opened)
{
    static const char *const ways[] = {"app 2 is out", "2"};
    char *folder = make_gated();

    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct mig_test *test = mig_test_open("sqlite", folder);

        mig_assert_fails(test, mig_test_up(test, NULL), "app 2 is out");
        mig_assert_rows(test, "SELECT count(*) FROM mighost_history", "1");
        mig_test_open_gate(test, ways[i]);
        mig_assert_ok(test, mig_test_up(test, NULL));
        mig_assert_rows(test, "SELECT count(*) FROM mighost_history", "2");
        mig_test_close(test);
    }
    remove_gated(folder);
}

MIG_TEST(testkit, values_of_every_type_are_text, NULL)
{
    mig_assert_rows(test, "SELECT 1, 'a|b', NULL, 2.5", "1|a|b|NULL|2.5");
    cr_assert_str_eq(mig_test_rows(test, "SELECT %s", mig_test_bytes(test, "\0\xFF", 2)), "00ff");
    cr_assert_str_eq(mig_test_rows(test, "SELECT length(%s)", mig_test_bytes(test, "", 0)), "0");
    mig_assert_rows(test, "SELECT 1 WHERE 1 = 0", "");
    mig_assert_rows(test, "SELECT 1 UNION ALL SELECT 2", "1\n2");
}

MIG_TEST(testkit, a_text_is_a_literal_whatever_is_in_it, NULL)
{
    cr_assert_str_eq(mig_test_rows(test, "SELECT %s", mig_test_text(test, "it's \\ \"%s\"")),
                     "it's \\ \"%s\"");
}

MIG_TEST(testkit, what_a_test_writes_stays, NULL)
{
    mig_test_exec(test, "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
    mig_test_exec(test, "INSERT INTO t VALUES (%d)", 2);
    mig_assert_rows(test, "SELECT count(*), sum(a) FROM t", "2|3");
}

MIG_TEST(testkit, each_test_has_a_database_of_its_own, NULL)
{
    struct mig_test *other = mig_test_open(mig_test_engine(test), NULL);

    mig_test_exec(test, "CREATE TABLE t (a INTEGER)");
    mig_test_exec(other, "CREATE TABLE t (a INTEGER)");
    cr_assert(strcmp(mig_test_url(test), mig_test_url(other)) != 0);
    mig_test_close(other);
    mig_assert_rows(test, "SELECT count(*) FROM t", "0");
}

/* A psql before the real one, which notes how it was called. */
static void note_psql(const char *folder)
{
    char path[200];
    FILE *script;

    snprintf(path, sizeof path, "%s/psql", folder);
    script = fopen(path, "w");
    cr_assert_not_null(script);
    fprintf(script,
            "#!/bin/sh\necho \"$* and $PGPASSWORD\" >>%s/noted\n"
            "PATH=${PATH#*:} exec psql \"$@\"\n",
            folder);
    fclose(script);
    cr_assert_eq(chmod(path, 0755), 0);
    snprintf(path, sizeof path, "%s:%s", folder, getenv("PATH"));
    setenv("PATH", path, 1);
}

Test(testkit, a_password_of_the_server_is_nobodys_argument)
{
    const char *server = getenv("MIGHOST_TEST_PG");
    const char *at = server ? strchr(server, '@') : NULL;
    char folder[] = "/tmp/testkit-XXXXXX";
    char url[300], path[100], noted[1000] = "";
    FILE *file;

    if (!at)
        cr_skip_test("no server");
    cr_assert_not_null(mkdtemp(folder));
    note_psql(folder);
    snprintf(url, sizeof url, "%.*s:se%%40cret%s", (int)(at - server), server, at);
    setenv("MIGHOST_TEST_PG", url, 1);
    mig_test_close(mig_test_open("postgres", NULL));
    snprintf(path, sizeof path, "%s/noted", folder);
    file = fopen(path, "r");
    cr_assert_not_null(file);
    cr_assert_gt(fread(noted, 1, sizeof noted - 1, file), 0);
    fclose(file);
    cr_assert_null(strstr(noted, "se%40cret"), "%s", noted);
    cr_assert_not_null(strstr(noted, " and se@cret"), "%s", noted);
    remove(path);
    snprintf(path, sizeof path, "%s/psql", folder);
    remove(path);
    remove(folder);
}
