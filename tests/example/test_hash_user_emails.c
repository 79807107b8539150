/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash of every e-mail address: known ones, none at all, a run that stops
 * and goes on, and the way back.
 */
#include "history.h"

#define EMAILS_LOWERED "20240126125500"

/* echo -n user1@example.org | sha256sum, and so on */
#define HASH_OF_1 "f1850ce7cfc130a6a45cf08360329214ee505b9873e748b1ae7b80960c967786"
#define HASH_OF_2 "6dbc6cbc2beab4e357f8a479c870de0f3f80ac18237dd1dd6295771efe0fb2ac"

/* printf 'j\303\274rgen@example.org' | sha256sum */
#define HASH_OF_UMLAUT "f3f4b4687ffd39976c77372b2ebd6e837e26a0cf094ac44cbb4577bd0c248314"

/* The history before the hashes, with users 1 to `count`. */
static void users(struct mig_test *test, int count)
{
    mig_assert_ok(test, mig_test_up(test, EMAILS_LOWERED));
    mig_test_exec(test,
                  "INSERT INTO users (id, name, email, password) "
                  "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
                  "SELECT i, 'Name', 'user' || i || '@example.org', 'secret' FROM n",
                  count);
}

MIG_TEST(hashes, are_the_sha256_of_the_address_in_hex, BUNDLE)
{
    users(test, 2);
    mig_assert_ok(test, mig_test_up(test, EMAILS_HASHED));
    mig_assert_rows(test, "SELECT email_hash FROM users ORDER BY id", HASH_OF_1 "\n" HASH_OF_2);
}

MIG_TEST(hashes, are_of_the_bytes_whatever_they_are, BUNDLE)
{
    users(test, 1);
    mig_test_exec(test, "UPDATE users SET email = 'j\xc3\xbcrgen@example.org'");
    mig_assert_ok(test, mig_test_up(test, EMAILS_HASHED));
    mig_assert_rows(test, "SELECT email_hash FROM users", HASH_OF_UMLAUT);
}

MIG_TEST(hashes, of_an_empty_table_are_none, BUNDLE)
{
    mig_assert_ok(test, mig_test_up(test, EMAILS_HASHED));
    mig_assert_rows(test, "SELECT count(email_hash) FROM users", "0");
}

MIG_TEST(hashes, go_on_where_they_stopped, BUNDLE)
{
    users(test, 3000);
    mig_test_exec(test, "CREATE TABLE idx_users_email_hash (in_the_way INTEGER)");
    mig_assert_fails(test, mig_test_up(test, EMAILS_HASHED), "run the command again");
    mig_assert_rows(test, "SELECT count(DISTINCT email_hash) FROM users", "3000");
    mig_test_exec(test, "DROP TABLE idx_users_email_hash");
    mig_assert_ok(test, mig_test_up(test, EMAILS_HASHED));
    mig_assert_rows(test, "SELECT count(*), count(DISTINCT email_hash) FROM users", "3000|3000");
}

MIG_TEST(hashes, leave_nothing_behind_on_the_way_back, BUNDLE)
{
    users(test, 2);
    mig_assert_ok(test, mig_test_up(test, EMAILS_HASHED));
    mig_assert_ok(test, mig_test_down(test, EMAILS_LOWERED));
    mig_test_exec(test, "ALTER TABLE users ADD COLUMN email_hash INTEGER");
    mig_test_exec(test, "CREATE INDEX idx_users_email_hash ON users (email)");
    mig_assert_rows(test, "SELECT email FROM users ORDER BY id",
                    "user1@example.org\nuser2@example.org");
}
