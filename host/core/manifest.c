/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading goes line by line into one arena, then everything is sorted, so that
 * a name that stands twice shows and asking is a binary search. No list means
 * two things: a last line without its end is a list that was cut off.
 */
#include "manifest.h"

#include "arena.h"
#include "sha256.h"
#include "vec.h"

#include <string.h>

#define HEX_DIGITS ((size_t)2 * MIG_SHA256_BYTES)
#define GAP ((size_t)2) /* a blank, and a blank or a star */

VEC_DEFINE(entries, struct manifest_entry);

struct manifest_store {
    struct manifest manifest; /* first: what is handed out */
    struct entries entries;
    struct arena names;
};

void manifest_free(struct manifest *manifest)
{
    struct manifest_store *store = (struct manifest_store *)manifest;

    if (!store)
        return;
    entries_clear(&store->entries);
    arena_clear(&store->names);
    free(store);
}

bool manifest_is_own(const char *name)
{
    return strcmp(name, MANIFEST_FILE) == 0 || strcmp(name, MANIFEST_SIGNATURE) == 0;
}

/* --- reading ------------------------------------------------------------------ */

static mig_status bad_line(size_t number, const char *why, struct mig_err *err)
{
    return err_set(err, MIG_E_REFUSED, MANIFEST_FILE " line %zu %s; sign the bundle again", number,
                   why);
}

/* Why no file of a bundle can have this name; NULL where one can. */
static const char *name_refusal(const char *name, size_t len)
{
    if (len == 0)
        return "names no file";
    if (len > NAME_MAX)
        return "has a name that is longer than any file's";
    if (memchr(name, '\0', len))
        return "has a NUL byte in its name";
    if (memchr(name, '/', len) || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return "names a file that is not in the bundle's own folder";
    if (manifest_is_own(name))
        return "names the list itself, or its signature";
    return NULL;
}

/* Takes the escapes out in place; false for one that there is not. */
static bool unescape(char *name, size_t *len)
{
    static const char from[] = "\\nr";
    static const char to[] = "\\\n\r";
    size_t kept = 0;

    for (size_t i = 0; i < *len; i++) {
        const char *which;

        name[kept] = name[i];
        if (name[i] == '\\') {
            which = ++i < *len && name[i] ? strchr(from, name[i]) : NULL;
            if (!which)
                return false;
            name[kept] = to[which - from];
        }
        kept++;
    }
    name[kept] = '\0';
    *len = kept;
    return true;
}

static mig_status read_name(struct manifest_store *store, const char *text, size_t len,
                            bool escaped, size_t number, struct manifest_entry *entry,
                            struct mig_err *err)
{
    const char *refusal;
    char *name;

    if (len > 2 * (size_t)NAME_MAX)
        return bad_line(number, "has a name that is longer than any file's", err);
    if (!escaped && len > 0 && text[len - 1] == '\r')
        return bad_line(number, "ends as lines do on Windows", err);
    name = arena_strndup(&store->names, text, len);
    if (!name)
        return err_nomem(err);
    if (escaped && !unescape(name, &len))
        return bad_line(number, "has an escape other than \\\\, \\n and \\r", err);
    refusal = name_refusal(name, len);
    if (refusal)
        return bad_line(number, refusal, err);
    entry->name = name;
    return MIG_OK;
}

static mig_status read_line(struct manifest_store *store, const char *line, size_t len,
                            size_t number, struct mig_err *err)
{
    bool escaped = len > 0 && line[0] == '\\';
    struct manifest_entry *entry = entries_add(&store->entries);
    char hex[MIG_SHA256_HEX] = "";

    if (!entry)
        return err_nomem(err);
    line += escaped;
    len -= escaped;
    if (len >= HEX_DIGITS + GAP)
        memcpy(hex, line, HEX_DIGITS);
    if (!sha256_parse(hex, entry->digest))
        return bad_line(number, "does not begin with the 64 hex digits of a SHA-256", err);
    if (line[HEX_DIGITS] != ' ' || (line[HEX_DIGITS + 1] != ' ' && line[HEX_DIGITS + 1] != '*'))
        return bad_line(number, "has neither two blanks nor a blank and a star behind its digest",
                        err);
    return read_name(store, line + HEX_DIGITS + GAP, len - HEX_DIGITS - GAP, escaped, number, entry,
                     err);
}

static mig_status read_lines(struct manifest_store *store, const char *text, size_t len,
                             struct mig_err *err)
{
    size_t number = 1;

    for (const char *end; len > 0; number++) {
        end = memchr(text, '\n', len);
        if (!end)
            return bad_line(number, "has no line end: the list was cut off", err);
        MIG_TRY(read_line(store, text, (size_t)(end - text), number, err));
        len -= (size_t)(end + 1 - text);
        text = end + 1;
    }
    return MIG_OK;
}

static int compare_entries(const void *left, const void *right)
{
    return strcmp(((const struct manifest_entry *)left)->name,
                  ((const struct manifest_entry *)right)->name);
}

static mig_status sort(struct manifest_store *store, struct mig_err *err)
{
    const struct manifest_entry *items = store->entries.data;
    size_t count = store->entries.len;

    if (count == 0)
        return err_set(err, MIG_E_REFUSED, MANIFEST_FILE " lists no file; sign the bundle again");
    qsort(store->entries.data, count, sizeof *items, compare_entries);
    for (size_t i = 1; i < count; i++)
        if (compare_entries(&items[i - 1], &items[i]) == 0)
            return err_set(err, MIG_E_REFUSED,
                           MANIFEST_FILE " lists %s twice; sign the bundle again", items[i].name);
    store->manifest.count = count;
    store->manifest.items = items;
    return MIG_OK;
}

mig_status manifest_parse(const char *text, size_t len, struct manifest **out, struct mig_err *err)
{
    AUTO(manifest) struct manifest *manifest = calloc(1, sizeof(struct manifest_store));
    struct manifest_store *store = (struct manifest_store *)manifest;

    if (!store)
        return err_nomem(err);
    if (len > MANIFEST_BYTES_MAX)
        return err_set(err, MIG_E_REFUSED, MANIFEST_FILE " is larger than %zu bytes, the most read",
                       MANIFEST_BYTES_MAX);
    MIG_TRY(read_lines(store, text, len, err));
    MIG_TRY(sort(store, err));
    *out = TAKE(manifest);
    return MIG_OK;
}

/* --- asking ------------------------------------------------------------------- */

const struct manifest_entry *manifest_find(const struct manifest *manifest, const char *name)
{
    size_t low = 0;
    size_t high = manifest->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(manifest->items[middle].name, name);

        if (order == 0)
            return &manifest->items[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

mig_status manifest_check(const struct manifest *manifest, const char *name,
                          const unsigned char digest[MIG_SHA256_BYTES], struct mig_err *err)
{
    const struct manifest_entry *entry = manifest_find(manifest, name);
    char signed_hex[MIG_SHA256_HEX], found_hex[MIG_SHA256_HEX];

    if (!entry)
        return err_set(err, MIG_E_REFUSED,
                       "%s is not in the signed " MANIFEST_FILE ": it was added after the bundle "
                       "was signed",
                       name);
    if (memcmp(entry->digest, digest, sizeof entry->digest) == 0)
        return MIG_OK;
    sha256_hex(entry->digest, signed_hex);
    sha256_hex(digest, found_hex);
    return err_set(err, MIG_E_REFUSED,
                   "%s was changed after the bundle was signed: its SHA-256 is %s, and the signed "
                   "one %s",
                   name, found_hex, signed_hex);
}

/* --- writing ------------------------------------------------------------------ */

void manifest_add(struct buf *out, const char *name, const unsigned char digest[MIG_SHA256_BYTES])
{
    char hex[MIG_SHA256_HEX];

    sha256_hex(digest, hex);
    buf_printf(out, "%s%s  ", name[strcspn(name, "\\\n\r")] ? "\\" : "", hex);
    for (; *name; name++) {
        switch (*name) {
        case '\\': buf_puts(out, "\\\\"); break;
        case '\n': buf_puts(out, "\\n"); break;
        case '\r': buf_puts(out, "\\r"); break;
        default: buf_putc(out, *name);
        }
    }
    buf_putc(out, '\n');
}
