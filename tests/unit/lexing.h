/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cutting a text into statements with the bare lexer, in a window that grows
 * by a given number of bytes and drops what is spent at every chance. The
 * window is a block of memory of just its size, so that a sanitizer sees every
 * byte read past it.
 */
#ifndef LEXING_H
#define LEXING_H

#include "core/sqllex.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define LEX_POSTGRES                                                            \
    (MIG_LEX_NESTED_COMMENTS | MIG_LEX_DOLLAR_QUOTES | MIG_LEX_ESCAPE_STRINGS | \
     MIG_LEX_ATOMIC_BODIES | MIG_LEX_PAREN_DEPTH | MIG_LEX_COPY_STDIN)
#define LEX_SQLITE (MIG_LEX_BRACKETS | MIG_LEX_TRIGGER_BODIES | MIG_LEX_COPY_STDIN)

#define CUTS_MAX 512

struct cut {
    size_t start;
    size_t end;
    size_t after; /* behind the semicolon */
    enum sql_class class;
};

struct cuts {
    size_t count;
    enum sqllex_event last; /* SQLLEX_END or SQLLEX_OPEN */
    size_t open_at;
    struct cut items[CUTS_MAX];
};

struct window {
    char *data;
    size_t base;
    size_t len;
};

static inline void window_grow(struct window *window, struct sqllex *lex, const char *text,
                               size_t len, size_t piece)
{
    size_t spent = sqllex_spent(lex);
    size_t end = window->base + window->len;
    size_t more = len - end < piece ? len - end : piece;

    sqllex_shift(lex, spent);
    window->base += spent;
    window->len = end - window->base + more;
    free(window->data);
    window->data = malloc(window->len ? window->len : 1);
    memcpy(window->data, text + window->base, window->len);
}

static inline void cut_text(const char *text, size_t len, uint32_t lexis, size_t piece,
                            struct cuts *out)
{
    struct window window = {0};
    struct sqllex lex;
    enum sqllex_event event;

    memset(out, 0, sizeof *out);
    sqllex_init(&lex, lexis, 0);
    window_grow(&window, &lex, text, len, piece);
    do {
        event = sqllex_next(&lex, window.data, window.len, window.base + window.len == len);
        if (event == SQLLEX_MORE)
            window_grow(&window, &lex, text, len, piece);
        if (event == SQLLEX_STATEMENT) {
            cr_assert_lt(out->count, CUTS_MAX);
            out->items[out->count++] = (struct cut){window.base + lex.start, window.base + lex.end,
                                                    window.base + lex.pos, lex.class};
        }
    } while (event != SQLLEX_END && event != SQLLEX_OPEN);
    out->last = event;
    out->open_at = event == SQLLEX_OPEN ? (size_t)lex.open_at : 0;
    free(window.data);
}

/* The same whatever the window. */
static inline void assert_resumes(const char *text, size_t len, uint32_t lexis,
                                  const struct cuts *whole)
{
    static const size_t pieces[] = {1, 2, 7, 33};

    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct cuts cuts;

        cut_text(text, len, lexis, pieces[i], &cuts);
        cr_assert_eq(cuts.count, whole->count, "pieces of %zu: %zu statements, not %zu, of: %s",
                     pieces[i], cuts.count, whole->count, text);
        cr_assert_eq(cuts.last, whole->last, "pieces of %zu: %s", pieces[i], text);
        cr_assert_eq(cuts.open_at, whole->open_at, "pieces of %zu: %s", pieces[i], text);
        cr_assert_arr_eq(cuts.items, whole->items, sizeof cuts.items, "pieces of %zu: %s",
                         pieces[i], text);
    }
}

#endif
