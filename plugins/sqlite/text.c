/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the beginning of a statement: which word it starts with, whether it
 * can run in a transaction. Enough for that and no more: where statements end
 * is the engine's parser's affair. Nothing here touches the database.
 */
#include "conn.h"

#include <strings.h>

/* Pragmas that fail or do nothing inside a transaction. */
static const struct outside_pragma {
    const char *name;
    bool needs_argument;
} outside_pragmas[] = {
    {"journal_mode", true}, {"synchronous", true},     {"temp_store", true},
    {"auto_vacuum", true},  {"wal_checkpoint", false},
};

/* Statements of which a failed try leaves nothing, or nothing that hurts. */
static const char *const repeatable[] = {"VACUUM", "ANALYZE", "PRAGMA", "REINDEX"};

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || (unsigned char)c >= 0x80;
}

const char *text_skip_blank(const char *text, const char *end)
{
    while (text < end) {
        if (is_blank(*text) || *text == ';') {
            text++;
        } else if (end - text >= 2 && text[0] == '-' && text[1] == '-') {
            text = memchr(text, '\n', (size_t)(end - text));
            if (!text)
                return end;
        } else if (end - text >= 2 && text[0] == '/' && text[1] == '*') {
            text = memmem(text + 2, (size_t)(end - text - 2), "*/", 2);
            if (!text)
                return end;
            text += 2;
        } else if (end - text >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
            text += 3;
        } else {
            return text;
        }
    }
    return end;
}

/* Moves behind `word` when it is next; else leaves `*text` where it is. */
static bool take_word(const char **text, const char *end, const char *word)
{
    const char *at = text_skip_blank(*text, end);
    size_t len = strlen(word);

    if ((size_t)(end - at) < len || strncasecmp(at, word, len) != 0)
        return false;
    if ((size_t)(end - at) > len && is_word(at[len]))
        return false;
    *text = at + len;
    return true;
}

bool text_begins_with(const char *text, const char *end, const char *word)
{
    return take_word(&text, end, word);
}

/* PRAGMA [schema.]name, with `*text` behind PRAGMA. */
static bool pragma_outside(const char *text, const char *end)
{
    const char *name = text_skip_blank(text, end);
    const char *after = name;
    size_t i;

    while (after < end && is_word(*after))
        after++;
    if (after < end && *after == '.') {
        name = text_skip_blank(after + 1, end);
    }
    for (i = 0; i < sizeof outside_pragmas / sizeof *outside_pragmas; i++) {
        after = name;
        if (!take_word(&after, end, outside_pragmas[i].name))
            continue;
        after = text_skip_blank(after, end);
        return !outside_pragmas[i].needs_argument ||
               (after < end && (*after == '=' || *after == '('));
    }
    return false;
}

bool text_outside_tx(struct mig_conn *conn, const char *text, size_t len)
{
    const char *end = text + len;

    (void)conn;
    if (take_word(&text, end, "VACUUM"))
        return true;
    return take_word(&text, end, "PRAGMA") && pragma_outside(text, end);
}

mig_status text_settle(struct mig_conn *conn, const char *text, size_t len, enum mig_settled *out,
                       struct mig_err *err)
{
    size_t i;

    (void)conn;
    (void)err;
    *out = MIG_SETTLED_UNKNOWN;
    for (i = 0; i < sizeof repeatable / sizeof *repeatable; i++)
        if (text_begins_with(text, text + len, repeatable[i]))
            *out = MIG_SETTLED_REPEAT;
    return MIG_OK;
}
