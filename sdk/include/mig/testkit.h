/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mig/testkit.h - testing migrations with Criterion, on real databases.
 *
 * A `struct mig_test` is one fresh database and one bundle. The migrations run
 * through the real host: modules in a worker process, with all checks, journal
 * and history. What a test asks for beside that (mig_test_exec(), _rows())
 * goes through the same driver, in this process, and leaves tables with the
 * prefix `mig_testkit` behind.
 *
 *     MIG_TEST(notes, titles_are_trimmed, BUNDLE)
 *     {
 *         mig_assert_ok(test, mig_test_up(test, "20240301120000"));
 *         mig_test_exec(test, "INSERT INTO notes (id, title) VALUES (1, ' a ')");
 *         mig_assert_ok(test, mig_test_up(test, "20240301130000"));
 *         mig_assert_rows(test, "SELECT id, title FROM notes", "1|a");
 *     }
 *
 * SQLite databases lie in a folder of their own under $TMPDIR. On PostgreSQL
 * each test makes, with `psql`, and drops a database of the server at
 * $MIGHOST_TEST_PG ("postgres://user@host/database"); without that variable
 * these tests are skipped. A function that cannot do its work fails the test.
 * A test that crashes leaves its database behind, for a look.
 * Texts that functions return live until mig_test_close().
 *
 * Link mighost::testkit, which brings Criterion along.
 */
#ifndef MIG_TESTKIT_H
#define MIG_TESTKIT_H

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <mig.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mig_test;

/* A new, empty database of `engine`, "sqlite" or "postgres", and the folder of
 * the migrations; NULL: none but those of mig_test_register(). */
struct mig_test *mig_test_open(const char *engine, const char *bundle);
/* Removes the database. NULL is allowed. What a failed test leaves open is
 * closed when its process ends. */
void mig_test_close(struct mig_test *test);

/* "sqlite" or "postgres". */
const char *mig_test_engine(const struct mig_test *test);
/* The database's URL, for other tools. */
const char *mig_test_url(const struct mig_test *test);

/* Gives a parameter, for mig_param(), to the runs behind it; NULL takes it away. */
void mig_test_param(struct mig_test *test, const char *key, const char *value);
/* Opens a gate, by its text or by its migration's id, for the runs behind it. */
void mig_test_open_gate(struct mig_test *test, const char *gate);
/* Adds a module that is linked into the test: it runs in this process, so that
 * a debugger and a sanitizer see it. It must outlive `test`. */
void mig_test_register(struct mig_test *test, const struct mig_module *module);

/* Applies what is pending, up to and including `id`; NULL: all of it. */
mig_status mig_test_up(struct mig_test *test, const char *id);
/* Rolls back to `id`, which stays applied; "": everything; NULL: one migration. */
mig_status mig_test_down(struct mig_test *test, const char *id);
/* The sentence of the last up or down that failed; "" when it did not. */
const char *mig_test_error(const struct mig_test *test);
/* The lines that modules and host logged in the last up or down. */
const char *mig_test_log(const struct mig_test *test);

/* Runs statements, made as printf does, in a transaction. */
MIG_PRINTF(2, 3) void mig_test_exec(struct mig_test *test, const char *format, ...);
/* What a query answers: columns separated by "|", rows by line breaks, NULL as
 * "NULL", bytes in hex. The query is made as printf does. */
MIG_PRINTF(2, 3) const char *mig_test_rows(struct mig_test *test, const char *format, ...);
/* A text, and bytes, as a literal for such a statement, in the engine's way. */
const char *mig_test_text(struct mig_test *test, const char *text);
const char *mig_test_bytes(struct mig_test *test, const void *data, size_t len);

/* Fails the test unless `call` succeeds. */
#define mig_assert_ok(test, call)                                                           \
    do {                                                                                    \
        mig_status mig_got_ = (call);                                                       \
        cr_assert(mig_got_ >= 0, "%s: %d: %s", #call, (int)mig_got_, mig_test_error(test)); \
    } while (0)

/* Fails the test unless `call` fails, and says `text` among other words. */
#define mig_assert_fails(test, call, text)                                            \
    do {                                                                              \
        mig_status mig_got_ = (call);                                                 \
        cr_assert(mig_got_ < 0, "%s succeeded", #call);                               \
        cr_assert(strstr(mig_test_error(test), (text)), "[%s] is not in: %s", (text), \
                  mig_test_error(test));                                              \
    } while (0)

/* Fails the test unless the query answers `wanted`, as mig_test_rows() writes it. */
#define mig_assert_rows(test, query, wanted)                                                       \
    do {                                                                                           \
        const char *mig_rows_ = mig_test_rows(test, "%s", (query));                                \
        cr_assert_str_eq(mig_rows_, (wanted), "%s: [%s], not [%s]", (query), mig_rows_, (wanted)); \
    } while (0)

/* One test that runs on each engine: MIG_TEST(suite, sentence, bundle) { uses
 * `test` }. */
#define MIG_TEST(suite, name, bundle)                           \
    static void name(struct mig_test *test);                    \
    ParameterizedTestParameters(suite, name)                    \
    {                                                           \
        static char engines[][12] = {"sqlite", "postgres"};     \
        return cr_make_param_array(char[12], engines, 2);       \
    }                                                           \
    ParameterizedTest(const char *engine, suite, name)          \
    {                                                           \
        struct mig_test *test_ = mig_test_open(engine, bundle); \
        name(test_);                                            \
        mig_test_close(test_);                                  \
    }                                                           \
    static void name(struct mig_test *test)

#ifdef __cplusplus
}
#endif
#endif
