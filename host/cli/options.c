/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of options: the rows, finding one, and which name a mistyped one
 * was probably meant to be. Nothing here reads a command line or keeps a
 * value.
 */
#include "options.h"

#include <string.h>

const struct option_spec option_specs[OPTION_COUNT] = {
#define OPTION(id, letter_, name_, env_, key_, type_, secret_, scope_, value_, fallback_, help_) \
    [OPT_##id] = {.name = (name_),                                                               \
                  .environment = (env_),                                                         \
                  .key = (key_),                                                                 \
                  .value = (value_),                                                             \
                  .fallback = (fallback_),                                                       \
                  .help = (help_),                                                               \
                  .type = OPTION_IS_##type_,                                                     \
                  .scope = OPTION_FOR_##scope_,                                                  \
                  .letter = (letter_),                                                           \
                  .secret = (secret_)},
#include "options.def"
#undef OPTION
};

_Static_assert(OPTION_COUNT <= 64, "a set of options is one 64-bit mask");

enum option_id option_by_name(const char *name, size_t len)
{
    enum option_id id;

    for (id = 0; id < OPTION_COUNT; id++)
        if (strncmp(option_specs[id].name, name, len) == 0 && option_specs[id].name[len] == '\0')
            break;
    return id;
}

enum option_id option_by_letter(char letter)
{
    enum option_id id;

    for (id = 0; id < OPTION_COUNT; id++)
        if (letter && option_specs[id].letter == letter)
            break;
    return id;
}

static bool same_key(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if ((*a == '_' ? '-' : *a) != (*b == '_' ? '-' : *b))
            return false;
    return *a == *b;
}

enum option_id option_by_key(const char *key)
{
    enum option_id id;

    for (id = 0; id < OPTION_COUNT; id++)
        if (option_specs[id].key && same_key(option_specs[id].key, key))
            break;
    return id;
}

#define NAME_MAX_SIZE 32 /* no name of ours is longer; longer ones are not near any */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Letters to insert, drop or replace to make `a` into `b`. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_SIZE + 1];
    size_t width = strlen(b);

    if (strlen(a) > NAME_MAX_SIZE || width > NAME_MAX_SIZE)
        return NAME_MAX_SIZE;
    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 1; j <= width; j++) {
            size_t replaced = diagonal + (a[i] != b[j - 1]);

            diagonal = row[j];
            row[j] = least(replaced, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[width];
}

const char *nearer_name(const char *typed, const char *best, const char *candidate)
{
    size_t far = distance(typed, candidate);
    size_t allowed = strlen(candidate) < 4 ? 1 : 2;

    if (strlen(typed) >= 3 && strncmp(typed, candidate, strlen(typed)) == 0)
        far = 0;
    if (far > allowed || (best && distance(typed, best) <= far))
        return best;
    return candidate;
}

const char *option_nearest(const char *name)
{
    const char *best = NULL;

    for (enum option_id id = 0; id < OPTION_COUNT; id++)
        best = nearer_name(name, best, option_specs[id].name);
    return best;
}
