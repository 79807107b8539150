/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and rows of specifications. A name that begins with a double quote ends
 * with its partner, so that commas and dots inside it are its own; every other
 * name ends at the separator and is quoted here, quotes inside it doubled.
 */
#include "columns.h"

#include "mig/driver.h"
#include <ctype.h>
#include <strings.h>

#define NAME_SIZE 200

/* Where the name that begins at `text` ends: at `separator` or the end. */
static const char *name_end(const char *text, char separator)
{
    const char *at = text;

    if (*at == '"') {
        for (at++; *at && (*at != '"' || at[1] == '"'); at++)
            at += *at == '"';
        at += *at == '"';
        while (isspace((unsigned char)*at))
            at++;
        if (*at == separator || !*at)
            return at;
    }
    at = strchr(text, separator);
    return at ? at : text + strlen(text);
}

static bool is_quoted(const char *name, size_t len)
{
    return len > 2 && name[0] == '"' && name[len - 1] == '"';
}

static mig_status quote_one(struct arena *arena, const char *caller, const char *name, size_t len,
                            const char **out, struct mig_err *err)
{
    char plain[NAME_SIZE];
    char quoted[2 * NAME_SIZE + 3];

    if (len == 0 || len >= sizeof plain)
        return err_set(err, MIG_E_MISUSE, "%s: a name is empty or too long", caller);
    if (is_quoted(name, len)) {
        *out = arena_strndup(arena, name, len);
    } else {
        memcpy(plain, name, len);
        plain[len] = '\0';
        mig_quote_identifier(plain, quoted, sizeof quoted);
        *out = arena_strdup(arena, quoted);
    }
    return *out ? MIG_OK : err_nomem(err);
}

static size_t commas(const char *list)
{
    size_t count = 0;

    for (; *list; list++)
        count += *list == ',';
    return count;
}

mig_status names_parse(struct arena *arena, const char *caller, const char *list, size_t most,
                       struct names *out, struct mig_err *err)
{
    out->count = 0;
    out->quoted = arena_alloc(arena, (commas(list) + 1) * sizeof *out->quoted);
    if (!out->quoted)
        return err_nomem(err);
    while (*list) {
        const char *begin = list;
        const char *end;

        while (isspace((unsigned char)*begin))
            begin++;
        list = end = name_end(begin, ',');
        while (end > begin && isspace((unsigned char)end[-1]))
            end--;
        if (out->count == most)
            return err_set(err, MIG_E_MISUSE, "%s: more than %zu columns", caller, most);
        MIG_TRY(
            quote_one(arena, caller, begin, (size_t)(end - begin), &out->quoted[out->count], err));
        out->count++;
        list += *list == ',';
    }
    return MIG_OK;
}

mig_status names_table(struct arena *arena, const char *caller, const char *name, const char **out,
                       struct mig_err *err)
{
    const char *dot = name_end(name, '.');
    const char *schema;
    const char *table;

    if (!*dot)
        return quote_one(arena, caller, name, strlen(name), out, err);
    MIG_TRY(quote_one(arena, caller, name, (size_t)(dot - name), &schema, err));
    MIG_TRY(quote_one(arena, caller, dot + 1, strlen(dot + 1), &table, err));
    *out = arena_printf(arena, "%s.%s", schema, table);
    return *out ? MIG_OK : err_nomem(err);
}

bool names_begin_with(const char *table, const char *prefix)
{
    const char *dot = name_end(table, '.');

    return strncasecmp((*dot ? dot + 1 : table) + 1, prefix, strlen(prefix)) == 0;
}

mig_status value_copy(struct arena *arena, const struct mig_value *from, struct mig_value *to,
                      struct mig_err *err)
{
    *to = *from;
    if (from->type != MIG_TEXT && from->type != MIG_BLOB)
        return MIG_OK;
    to->as.data = arena_strndup(arena, from->as.data, from->len);
    return to->as.data ? MIG_OK : err_nomem(err);
}

static struct row *row_of(const struct mig_row *row)
{
    return (struct row *)(void *)(uintptr_t)row;
}

mig_status row_get(const struct mig_row *handle, int column, struct mig_value *out)
{
    const struct row *row = row_of(handle);

    if (!row->reads || column < 0 || (size_t)column >= row->count)
        return MIG_E_RANGE;
    *out = row->reads[column];
    return MIG_OK;
}

mig_status row_set(struct mig_row *handle, int column, const struct mig_value *value)
{
    struct row *row = row_of(handle);
    struct mig_err ignored;

    if (!row->writes || column < 0 || (size_t)column >= row->count)
        return MIG_E_RANGE;
    if (value_copy(row->texts, value, &row->writes[column], &ignored) == MIG_OK)
        return MIG_OK;
    row->nomem = true;
    return MIG_E_NOMEM;
}
