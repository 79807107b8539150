/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings in layout 1 become layout 2 and go back: known bytes both ways, what
 * does not fit, and what is neither.
 */
#include "history.h"

/* dark theme, 500 rows, UTC-3:30, seen at 4294967295 s: every sign and size at its edge */
static const unsigned char V1_EDGES[] = {'U',  'S',  1,    2,    0xF4, 0x01,
                                         0x2E, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
#define V1_EDGES_HEX "55530102f4012effffffffff"
#define V2_EDGES_HEX "555302022eff0000f40100000100000018fcffffe7030000"
#define V1_DEFAULT_HEX "555301001900000000000000"
#define V2_DEFAULT_HEX "555302000000000019000000010000000000000000000000"
#define THE_SETTINGS "SELECT settings FROM user_settings ORDER BY user_id"

static void put_settings(struct mig_test *test, int user, const void *bytes, size_t len)
{
    mig_test_exec(test, "UPDATE user_settings SET settings = %s WHERE user_id = %d",
                  mig_test_bytes(test, bytes, len), user);
}

/* Layout 2 with the theme, rows a page and last visit given. */
static void put_v2(struct mig_test *test, int user, uint32_t rows, uint64_t seen_ms)
{
    unsigned char bytes[24] = {'U', 'S', 2, 0};

    for (size_t i = 0; i < 4; i++)
        bytes[8 + i] = (unsigned char)(rows >> (8 * i));
    for (size_t i = 0; i < 8; i++)
        bytes[16 + i] = (unsigned char)(seen_ms >> (8 * i));
    put_settings(test, user, bytes, sizeof bytes);
}

MIG_TEST(widen, known_bytes_of_layout_1_become_known_bytes_of_layout_2, BUNDLE)
{
    history_with_users(test, SETTINGS_MADE, 2);
    put_settings(test, 1, V1_EDGES, sizeof V1_EDGES);
    mig_assert_ok(test, mig_test_up(test, SETTINGS_WIDENED));
    mig_assert_rows(test, THE_SETTINGS, V2_EDGES_HEX "\n" V2_DEFAULT_HEX);
}

MIG_TEST(widen, the_way_back_gives_the_same_bytes, BUNDLE)
{
    history_with_users(test, SETTINGS_MADE, 2);
    put_settings(test, 1, V1_EDGES, sizeof V1_EDGES);
    mig_assert_ok(test, mig_test_up(test, SETTINGS_WIDENED));
    mig_assert_ok(test, mig_test_down(test, SETTINGS_MADE));
    mig_assert_rows(test, THE_SETTINGS, V1_EDGES_HEX "\n" V1_DEFAULT_HEX);
}

MIG_TEST(widen, settings_that_are_layout_2_already_stay, BUNDLE)
{
    history_with_users(test, SETTINGS_MADE, 1);
    put_v2(test, 1, 70000, 1);
    mig_assert_ok(test, mig_test_up(test, SETTINGS_WIDENED));
    mig_assert_rows(test, THE_SETTINGS, "555302000000000070110100000000000100000000000000");
}

MIG_TEST(widen, what_is_neither_layout_is_refused_with_the_reason, BUNDLE)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *says;
    } rows[] = {
        {"", 0, "0 bytes, too few for a header"},
        {"US\1", 3, "3 bytes, too few for a header"},
        {"XS\1\0\0\0\0\0\0\0\0\0", 12, "do not begin with the mark"},
        {"US\3\0\0\0\0\0\0\0\0\0", 12, "have layout 3; known are 1 and 2"},
        {"US\1\0\0\0\0\0\0\0\0", 11, "settings of layout 1 are 12 bytes, these are 11"},
        {"US\2\0\0\0\0\0\0\0\0\0", 12, "settings of layout 2 are 24 bytes, these are 12"},
        {"US\1\3\0\0\0\0\0\0\0\0", 12, "name theme 3; the last one is 2"},
    };

    history_with_users(test, SETTINGS_MADE, 3);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put_settings(test, 2, rows[i].bytes, rows[i].len);
        mig_assert_fails(test, mig_test_up(test, SETTINGS_WIDENED), rows[i].says);
        mig_assert_fails(test, mig_test_up(test, SETTINGS_WIDENED), "\"user_id\" = 2");
    }
    mig_assert_rows(test, "SELECT settings FROM user_settings WHERE user_id <> 2",
                    V1_DEFAULT_HEX "\n" V1_DEFAULT_HEX);
}

/* The trigger stands for an application that still writes layout 1. */
MIG_TEST(widen, verify_finds_what_is_written_in_layout_1_meanwhile, BUNDLE)
{
    const char *layout_1 = mig_test_bytes(test, V1_EDGES, sizeof V1_EDGES);

    history_with_users(test, SETTINGS_MADE, 2);
    mig_test_exec(test,
                  strcmp(mig_test_engine(test), "sqlite") == 0
                      ? "CREATE TRIGGER meddle AFTER UPDATE ON user_settings WHEN NEW.user_id = 2"
                        " BEGIN UPDATE user_settings SET settings = %s WHERE user_id = 2; END"
                      : "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS "
                        "$$ BEGIN IF NEW.user_id = 2 THEN NEW.settings = %s; END IF;"
                        " RETURN NEW; END $$;"
                        "CREATE TRIGGER meddle BEFORE UPDATE ON user_settings"
                        " FOR EACH ROW EXECUTE FUNCTION meddle()",
                  layout_1);
    mig_assert_fails(test, mig_test_up(test, SETTINGS_WIDENED),
                     "the settings of user 2 have layout 1");
}

MIG_TEST(widen, the_way_back_refuses_what_layout_1_cannot_hold, BUNDLE)
{
    history_with_users(test, SETTINGS_WIDENED, 1);
    put_v2(test, 1, 65536, 0);
    mig_assert_fails(test, mig_test_down(test, NULL), "cannot hold 65536 rows a page");
    put_v2(test, 1, 65535, 4294967296000);
    mig_assert_fails(test, mig_test_down(test, NULL), "cannot hold a visit at 4294967296000 ms");
    put_v2(test, 1, 65535, (uint64_t)-1);
    mig_assert_fails(test, mig_test_down(test, NULL), "cannot hold a visit at -1 ms");
    put_v2(test, 1, 65535, 4294967295999);
    mig_assert_ok(test, mig_test_down(test, NULL));
    mig_assert_rows(test, THE_SETTINGS, "55530100ffff0000ffffffff");
}

MIG_TEST(widen, ten_thousand_settings_go_there_and_back, BUNDLE)
{
    history_with_users(test, SETTINGS_WIDENED, 10000);
    mig_assert_rows(test, "SELECT count(*), min(length(settings)) FROM user_settings", "10000|24");
    mig_assert_ok(test, mig_test_down(test, SETTINGS_MADE));
    mig_assert_rows(test, "SELECT count(*), max(length(settings)) FROM user_settings", "10000|12");
}
