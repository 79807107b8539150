/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of options as C: one row of options.def is one enum value and one
 * struct option_spec. A set of options is a bit mask. The rows know nothing of
 * values; settings.h has those.
 */
#ifndef MIGHOST_CLI_OPTIONS_H
#define MIGHOST_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_id {
#define OPTION(id, letter, name, env, key, type, secret, scope, value, fallback, help) OPT_##id,
#include "options.def"
#undef OPTION
    OPTION_COUNT
};

enum option_type {
    OPTION_IS_FLAG,
    OPTION_IS_TEXT,
    OPTION_IS_ID,
    OPTION_IS_COUNT,  /* from 1 */
    OPTION_IS_NUMBER, /* from 0 */
    OPTION_IS_PERCENT,
    OPTION_IS_DURATION,
    OPTION_IS_SIZE,
    OPTION_IS_LIST
};

enum option_scope {
    OPTION_FOR_EVERY, /* every command takes it */
    OPTION_FOR_SOME   /* the commands that list it */
};

struct option_spec {
    const char *name;        /* without the dashes */
    const char *environment; /* or NULL */
    const char *key;         /* in mighost.ini; or NULL */
    const char *value;       /* what the help calls its value; NULL for a flag */
    const char *fallback;    /* the default, as a user would write it; or NULL */
    const char *help;
    enum option_type type;
    enum option_scope scope;
    char letter; /* or 0 */
    bool secret; /* its value is wiped out of the argument list */
};

extern const struct option_spec option_specs[OPTION_COUNT];

#define OPTION_BIT(id) (UINT64_C(1) << (id))

/* The option with that name or letter; OPTION_COUNT where there is none. */
enum option_id option_by_name(const char *name, size_t len);
enum option_id option_by_letter(char letter);
/* The option with that key in mighost.ini, "-" and "_" being the same. */
enum option_id option_by_key(const char *key);
/* The name nearest to a mistyped one; NULL where none is near. */
const char *option_nearest(const char *name);

/* The next of two names to offer for `typed`: the nearer one, or NULL. */
const char *nearer_name(const char *typed, const char *best, const char *candidate);

#endif
