/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a byte offset in a text to what a person looks for: file, line, column
 * and the line itself. Reads the text again from its start, in a small window,
 * because places are asked for only when something is wrong. Whatever fails
 * here leaves the error that is being told as it was, only without the place.
 */
#include "fs.h"
#include "sqltext.h"
#include "text.h"

#include <string.h>

#define PLACE_WINDOW 16384
#define LINE_BEFORE 60 /* bytes of a long line to show before the place */
#define LINE_SHOWN 120

struct place {
    int64_t line_start;
    size_t line;
    size_t column;
};

static size_t read_at(const struct sql_source *source, int64_t offset, char *out, size_t size)
{
    struct mig_err ignored;
    size_t got = 0;

    if (offset >= source->len)
        return 0;
    if ((int64_t)size > source->len - offset)
        size = (size_t)(source->len - offset);
    if (source->data)
        memcpy(out, source->data + offset, got = size);
    else if (fs_pread(source->fd, source->name, out, size, source->offset + offset, &got,
                      &ignored) != MIG_OK)
        return 0;
    return got;
}

static void count_lines(struct place *place, const char *data, size_t len, int64_t offset)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            place->line++;
            place->column = 1;
            place->line_start = offset + (int64_t)i + 1;
        } else if (((unsigned char)data[i] & 0xC0) != 0x80) {
            place->column++;
        }
    }
}

static struct place find_place(const struct sql_source *source, int64_t offset)
{
    struct place place = {.line = 1, .column = 1};
    char window[PLACE_WINDOW];
    int64_t at = 0;

    if (read_at(source, 0, window, 3) == 3 && memcmp(window, "\xEF\xBB\xBF", 3) == 0)
        place.line_start = at = 3;
    while (at < offset) {
        int64_t left = offset - at;
        size_t got =
            read_at(source, at, window, left < PLACE_WINDOW ? (size_t)left : sizeof window);

        if (got == 0)
            break;
        count_lines(&place, window, got, at);
        at += (int64_t)got;
    }
    return place;
}

static bool continues(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* Puts statement and line behind the message; of a long one the part around `offset`. */
static void show_line(const struct sql_source *source, const struct place *place, int64_t offset,
                      size_t statement, struct mig_err *err)
{
    AUTO(buf) struct buf text = {0};
    char what[64] = "the line is";
    char line[LINE_SHOWN + 1];
    int64_t from = place->line_start;
    size_t len;
    size_t skip = 0;
    const char *end;

    if (offset - from > LINE_BEFORE)
        from = offset - LINE_BEFORE;
    len = read_at(source, from, line, sizeof line);
    end = memchr(line, '\n', len);
    if (end)
        len = (size_t)(end - line);
    if (len > 0 && line[len - 1] == '\r')
        len--;
    while (from > place->line_start && skip < len && continues(line[skip]))
        skip++;
    if (len > LINE_SHOWN)
        while (--len > 0 && continues(line[len]))
            continue;
    if (len > skip)
        text_escape_n(&text, line + skip, len - skip, "\t");
    if (statement > 0)
        snprintf(what, sizeof what, "in statement %zu, in the line", statement);
    if (buf_ok(&text) && text.len > 0)
        err_append(err, "%s `%s%s%s`", what, from > place->line_start ? "..." : "", buf_text(&text),
                   !end && len >= LINE_SHOWN - 3 ? "..." : "");
}

void sqltext_locate(const struct sql_source *source, int64_t offset, size_t statement,
                    struct mig_err *err)
{
    struct place place = find_place(source, offset);

    err_where(err, "%s:%zu:%zu", source->name, place.line, place.column);
    show_line(source, &place, offset, statement, err);
}
