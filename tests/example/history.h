/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the example history's migrations in C stand, and users for them to work
 * on. Knows the test kit and the history, nothing of the host.
 */
#ifndef TEST_EXAMPLE_HISTORY_H
#define TEST_EXAMPLE_HISTORY_H

#include <mig/testkit.h>

#define EMAILS_HASHED "20240126130000"
#define SETTINGS_MADE "20240126130500"
#define SETTINGS_WIDENED "20240126131000"
#define PHONES_NORMALISED "20240126131500"
#define ADDRESSES_ADDED "20240126132000"
#define ADDRESSES_SPLIT "20240126132500"
#define TOTP_MADE "20240126133000"
#define TOTP_ENCRYPTED "20240126133500"

/* The history up to `id`, with users 1 to `count` from when their hashes were made. */
static inline void history_with_users(struct mig_test *test, const char *id, int count)
{
    mig_assert_ok(test, mig_test_up(test, EMAILS_HASHED));
    mig_test_exec(test,
                  "INSERT INTO users (id, name, email, password) "
                  "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
                  "SELECT i, 'Name', 'user' || i || '@example.org', 'secret' FROM n",
                  count);
    mig_assert_ok(test, mig_test_up(test, id));
}

#endif
