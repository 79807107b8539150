/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header lines of SQL files, one a line of input: each is taken whole or
 * not at all, and what is taken lies within its range.
 */
#include "fuzz.h"

#include "core/sqlsettings.h"

static bool ends(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static void check_settings(const struct sql_settings *settings)
{
    FUZZ_CHECK(settings->mode <= MIG_NONE);
    FUZZ_CHECK(settings->has_mode || settings->mode == MIG_ATOMIC);
    FUZZ_CHECK(settings->lock_timeout_ms >= -1 && settings->statement_timeout_ms >= -1);
    FUZZ_CHECK(ends(settings->phase, sizeof settings->phase));
    FUZZ_CHECK(ends(settings->gate, sizeof settings->gate));
}

static bool same(const struct sql_settings *a, const struct sql_settings *b)
{
    return a->mode == b->mode && a->has_mode == b->has_mode && a->foreign_keys == b->foreign_keys &&
           a->lock_timeout_ms == b->lock_timeout_ms &&
           a->statement_timeout_ms == b->statement_timeout_ms && strcmp(a->phase, b->phase) == 0 &&
           strcmp(a->gate, b->gate) == 0;
}

static void read_line(const uint8_t *data, size_t len, struct sql_settings *settings,
                      struct sql_settings_seen *seen)
{
    const struct sql_settings before = *settings;
    const unsigned keys = seen->keys;
    char *line = fuzz_copy(data, len);
    struct mig_err err = {0};

    if (settings_read(line, len, settings, seen, &err) == MIG_OK) {
        FUZZ_CHECK(seen->keys != keys && (seen->keys & keys) == keys);
        check_settings(settings);
    } else {
        fuzz_check_error(&err);
        FUZZ_CHECK(err.status == MIG_E_BUNDLE && seen->keys == keys);
        FUZZ_CHECK(same(settings, &before));
    }
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sql_settings settings;
    struct sql_settings_seen seen = {0};
    size_t at = 0;

    settings_init(&settings);
    while (at < size) {
        const uint8_t *newline = memchr(data + at, '\n', size - at);
        size_t len = newline ? (size_t)(newline - data) - at : size - at;

        read_line(data + at, len, &settings, &seen);
        at += len + 1;
    }
    return 0;
}
