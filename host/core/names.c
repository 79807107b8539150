/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words for what the public enums count: kinds, states and modes, as they
 * stand in the history, in JSON and on the screen. Words in the history never
 * change; a number outside a table is "?".
 */
#include <mighost.h>

#define WORD(table, index) \
    ((size_t)(index) < sizeof(table) / sizeof((table)[0]) ? (table)[index] : "?")

const char *mighost_kind_name(enum mighost_kind kind)
{
    static const char *const words[] = {
        [MIGHOST_SQL] = "sql",           [MIGHOST_SQL_MODULE] = "sql module",
        [MIGHOST_NATIVE] = "native",     [MIGHOST_REGISTERED] = "registered",
        [MIGHOST_BASELINE] = "baseline",
    };

    return WORD(words, kind);
}

const char *mighost_state_name(enum mighost_state state)
{
    static const char *const words[] = {
        [MIGHOST_PENDING] = "pending", [MIGHOST_APPLIED] = "applied",
        [MIGHOST_PARTIAL] = "partial", [MIGHOST_FAILED] = "failed",
        [MIGHOST_RUNNING] = "running", [MIGHOST_REVERTING] = "reverting",
    };

    return WORD(words, state);
}

const char *mighost_mode_name(enum mig_mode mode)
{
    static const char *const words[] = {
        [MIG_ATOMIC] = "atomic",
        [MIG_DURABLE] = "durable",
        [MIG_NONE] = "none",
    };

    return WORD(words, mode);
}

const char *mighost_version(void)
{
    return MIGHOST_VERSION;
}
