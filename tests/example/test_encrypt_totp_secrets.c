/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets are sealed and opened again: the format, the key, and everything that
 * must not open. Each secret is "secret of user 00001" and so on, so that a
 * test knows what is in there.
 */
#include "history.h"

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define OTHER_KEY "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define SECRET_1_HEX "736563726574206f662075736572203030303031"
#define SECRET_2_HEX "736563726574206f662075736572203030303032"
#define THE_SECRETS "SELECT secret FROM user_totp ORDER BY user_id"

static void put_secret(struct mig_test *test, int user, const void *bytes, size_t len)
{
    mig_test_exec(test, "UPDATE user_totp SET secret = %s WHERE user_id = %d",
                  mig_test_bytes(test, bytes, len), user);
}

/* Users with secrets that are known, not encrypted yet; the key is given. */
static void two_secrets(struct mig_test *test)
{
    history_with_users(test, TOTP_MADE, 2);
    put_secret(test, 1, "secret of user 00001", 20);
    put_secret(test, 2, "secret of user 00002", 20);
    mig_test_param(test, "totp_key", KEY);
}

/* Byte `at` of a user's secret, from 1, becomes another one. */
static void tamper(struct mig_test *test, int user, int at)
{
    const char *hex = mig_test_rows(test, "SELECT secret FROM user_totp WHERE user_id = %d", user);
    unsigned char bytes[64];
    size_t len = strlen(hex) / 2;

    for (size_t i = 0; i < len; i++) {
        unsigned value;

        sscanf(hex + 2 * i, "%2x", &value);
        bytes[i] = (unsigned char)value;
    }
    bytes[at - 1] ^= 1;
    put_secret(test, user, bytes, len);
}

MIG_TEST(totp, every_user_of_then_has_a_secret_of_its_own, BUNDLE)
{
    history_with_users(test, TOTP_MADE, 5);
    mig_assert_rows(test,
                    "SELECT count(*), count(DISTINCT secret), min(length(secret)),"
                    " max(length(secret)) FROM user_totp",
                    "5|5|20|20");
}

MIG_TEST(totp, a_sealed_secret_is_format_nonce_text_and_tag, BUNDLE)
{
    const char *rows;

    two_secrets(test);
    mig_assert_ok(test, mig_test_up(test, TOTP_ENCRYPTED));
    mig_assert_rows(test, "SELECT length(secret) FROM user_totp ORDER BY user_id", "49\n49");
    rows = mig_test_rows(test, THE_SECRETS);
    cr_assert(strncmp(rows, "01", 2) == 0 && strncmp(rows + 99, "01", 2) == 0, "%s", rows);
    cr_assert(strncmp(rows, rows + 99, 26) != 0, "two rows have one nonce: %s", rows);
    cr_assert(!strstr(rows, "736563726574"), "something can still be read: %s", rows);
}

MIG_TEST(totp, the_way_back_gives_the_secrets, BUNDLE)
{
    two_secrets(test);
    mig_assert_ok(test, mig_test_up(test, TOTP_ENCRYPTED));
    mig_assert_ok(test, mig_test_down(test, TOTP_MADE));
    mig_assert_rows(test, THE_SECRETS, SECRET_1_HEX "\n" SECRET_2_HEX);
}

MIG_TEST(totp, a_missing_key_is_refused_before_anything_runs, BUNDLE)
{
    two_secrets(test);
    mig_test_param(test, "totp_key", NULL);
    mig_assert_fails(test, mig_test_up(test, NULL), "give --set-file totp_key=FILE");
    mig_assert_rows(test, THE_SECRETS, SECRET_1_HEX "\n" SECRET_2_HEX);
}

MIG_TEST(totp, a_key_that_is_none_is_refused_and_not_shown, BUNDLE)
{
    static const char *const keys[] = {"", "00", KEY "0", ("x" KEY)};

    two_secrets(test);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        mig_test_param(test, "totp_key", keys[i]);
        mig_assert_fails(test, mig_test_up(test, NULL), "totp_key is not 64 hex digits");
        cr_assert(!strstr(mig_test_error(test), "0001"), "%s", mig_test_error(test));
    }
}

MIG_TEST(totp, a_wrong_key_is_found_at_the_first_row_and_changes_nothing, BUNDLE)
{
    const char *sealed;

    two_secrets(test);
    mig_assert_ok(test, mig_test_up(test, TOTP_ENCRYPTED));
    sealed = mig_test_rows(test, THE_SECRETS);
    mig_test_param(test, "totp_key", OTHER_KEY);
    mig_assert_fails(test, mig_test_down(test, TOTP_MADE),
                     "totp_key does not open the secret of user 1");
    mig_assert_rows(test, THE_SECRETS, sealed);
    mig_test_param(test, "totp_key", KEY);
    mig_assert_ok(test, mig_test_down(test, TOTP_MADE));
}

MIG_TEST(totp, whatever_byte_is_changed_the_secret_does_not_open, BUNDLE)
{
    static const int places[] = {1, 2, 13, 14, 33, 34, 49}; /* ends of each part */

    two_secrets(test);
    mig_assert_ok(test, mig_test_up(test, TOTP_ENCRYPTED));
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        tamper(test, 1, places[i]);
        mig_assert_fails(test, mig_test_down(test, TOTP_MADE),
                         "does not open the secret of user 1");
        tamper(test, 1, places[i]);
    }
    mig_assert_ok(test, mig_test_down(test, TOTP_MADE));
}

MIG_TEST(totp, a_secret_moved_to_another_row_does_not_open, BUNDLE)
{
    two_secrets(test);
    mig_assert_ok(test, mig_test_up(test, TOTP_ENCRYPTED));
    mig_test_exec(test, "UPDATE user_totp SET secret ="
                        " (SELECT secret FROM user_totp WHERE user_id = 2) WHERE user_id = 1");
    mig_assert_fails(test, mig_test_down(test, TOTP_MADE), "does not open the secret of user 1");
}

/* The trigger stands for whatever writes between the transform and verify(). */
MIG_TEST(totp, verify_finds_what_was_tampered_with, BUNDLE)
{
    const char *sealed;

    two_secrets(test);
    mig_assert_ok(test, mig_test_up(test, TOTP_ENCRYPTED));
    sealed = mig_test_rows(test, "SELECT secret FROM user_totp WHERE user_id = 2");
    mig_assert_ok(test, mig_test_down(test, TOTP_MADE));
    mig_test_exec(test,
                  strcmp(mig_test_engine(test), "sqlite") == 0
                      ? "CREATE TRIGGER meddle AFTER UPDATE ON user_totp WHEN NEW.user_id = 1"
                        " BEGIN UPDATE user_totp SET secret = x'%s' WHERE user_id = 1; END"
                      : "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS "
                        "'BEGIN IF NEW.user_id = 1 THEN NEW.secret = decode(''%s'', ''hex'');"
                        " END IF; RETURN NEW; END';"
                        "CREATE TRIGGER meddle BEFORE UPDATE ON user_totp"
                        " FOR EACH ROW EXECUTE FUNCTION meddle()",
                  sealed);
    mig_assert_fails(test, mig_test_up(test, TOTP_ENCRYPTED), "does not open the secret of user 1");
}

/* As an application that knows the new format leaves it, or a run that was cut off. */
MIG_TEST(totp, what_is_sealed_already_stays_and_no_second_key_comes_in, BUNDLE)
{
    const char *sealed;

    two_secrets(test);
    mig_assert_ok(test, mig_test_up(test, TOTP_ENCRYPTED));
    sealed = mig_test_rows(test, "SELECT secret FROM user_totp WHERE user_id = 1");
    mig_assert_ok(test, mig_test_down(test, TOTP_MADE));
    mig_test_exec(test,
                  strcmp(mig_test_engine(test), "sqlite") == 0
                      ? "UPDATE user_totp SET secret = x'%s' WHERE user_id = 1"
                      : "UPDATE user_totp SET secret = '\\x%s'::bytea WHERE user_id = 1",
                  sealed);
    mig_test_param(test, "totp_key", OTHER_KEY);
    mig_assert_fails(test, mig_test_up(test, TOTP_ENCRYPTED), "does not open the secret of user 1");
    mig_assert_rows(test, "SELECT secret FROM user_totp WHERE user_id = 2", SECRET_2_HEX);
    mig_test_param(test, "totp_key", KEY);
    mig_assert_ok(test, mig_test_up(test, TOTP_ENCRYPTED));
    mig_assert_rows(test, "SELECT secret FROM user_totp WHERE user_id = 1", sealed);
    mig_assert_ok(test, mig_test_down(test, TOTP_MADE));
    mig_assert_rows(test, THE_SECRETS, SECRET_1_HEX "\n" SECRET_2_HEX);
}

MIG_TEST(totp, a_secret_of_another_size_is_refused, BUNDLE)
{
    two_secrets(test);
    put_secret(test, 2, "short", 5);
    mig_assert_fails(test, mig_test_up(test, TOTP_ENCRYPTED),
                     "this secret is 5 bytes; a plain one is 20, a sealed one 49");
    mig_assert_rows(test, "SELECT secret FROM user_totp WHERE user_id = 1", SECRET_1_HEX);
}

MIG_TEST(totp, the_key_stands_nowhere_in_the_history, BUNDLE)
{
    two_secrets(test);
    mig_assert_ok(test, mig_test_up(test, TOTP_ENCRYPTED));
    mig_assert_rows(test, "SELECT count(*) FROM mighost_log WHERE error LIKE '%00010203%'", "0");
    cr_assert(!strstr(mig_test_log(test), "00010203"), "%s", mig_test_log(test));
}

MIG_TEST(totp, ten_thousand_go_there_and_back, BUNDLE)
{
    const char *before;

    history_with_users(test, TOTP_MADE, 10000);
    mig_test_param(test, "totp_key", KEY);
    before = mig_test_rows(test, THE_SECRETS);
    mig_assert_ok(test, mig_test_up(test, TOTP_ENCRYPTED));
    mig_assert_rows(test, "SELECT count(DISTINCT secret), min(length(secret)) FROM user_totp",
                    "10000|49");
    mig_assert_ok(test, mig_test_down(test, TOTP_MADE));
    cr_assert(strcmp(mig_test_rows(test, THE_SECRETS), before) == 0);
}
