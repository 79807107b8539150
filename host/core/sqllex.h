/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where SQL statements end: one lexer for every engine, told by enum mig_lexis
 * what quotes, comments and bodies look like there. It works on a window of
 * the text and goes on where it stopped when the window has grown or moved, so
 * each byte is looked at once, whatever the length of a string or a statement.
 * It finds the ends and the kind of statements by their first words; it does
 * not parse, and a text that it cuts wrongly the engine refuses later.
 * Knows nothing of files, checksums or memory: the window is its caller's.
 */
#ifndef MIGHOST_SQLLEX_H
#define MIGHOST_SQLLEX_H

#include "mig/driver.h"
#include "sqltext.h"

#define SQLLEX_HEAD 5 /* words that tell what a statement is */

enum sqllex_event {
    SQLLEX_MORE,      /* the window ends here: give more */
    SQLLEX_STATEMENT, /* one statement: start, end, pos behind its semicolon */
    SQLLEX_DIRECTIVE, /* a "-- mig:" comment from start_of_directive to pos */
    SQLLEX_END,       /* no more statements */
    SQLLEX_OPEN,      /* the text ends inside `what`, which began at open_at */
    SQLLEX_GO         /* internal: take the next step */
};

enum sqllex_state {
    SQLLEX_BLANK, /* before a statement */
    SQLLEX_CODE,
    SQLLEX_QUOTED,
    SQLLEX_ESCAPED,
    SQLLEX_DOLLAR,
    SQLLEX_LINE,
    SQLLEX_BLOCK,
    SQLLEX_META,
    SQLLEX_STATES
};

/* Places are indexes into the window; `base` is the window's place in the text. */
struct sqllex {
    uint32_t lexis;
    unsigned char stops; /* classes of characters that mean something */
    bool header_only;    /* SQLLEX_END where the first statement begins */
    bool inside;         /* a statement: `start` is set */
    bool directive;      /* the comment is a "-- mig:" line */
    enum sqllex_state state;
    enum sql_class class;
    int64_t base;
    size_t pos;
    size_t start;
    size_t end;
    size_t mark;       /* where the directive begins */
    size_t floor;      /* end of the last quote: no word reaches behind it */
    size_t tail_begin; /* the run of comments last seen, with the blanks before */
    size_t tail_end;
    size_t escaped_end; /* of the last E'...', which may be continued; or none */
    size_t tag;         /* the dollar quote's */
    size_t tag_len;
    char quote; /* that ends SQLLEX_QUOTED */
    int64_t open_at;
    const char *what;
    size_t comment_depth;
    size_t depth;        /* of parentheses */
    size_t body;         /* of BEGIN ATOMIC ... CASE ... END */
    unsigned char watch; /* what the words are read for */
    unsigned char trigger;
    unsigned char last; /* keyword before this one */
    unsigned char head_len;
    unsigned char head[SQLLEX_HEAD + 1];
};

void sqllex_init(struct sqllex *lex, uint32_t lexis, size_t pos);
/* Takes the next step in the window `data`; `final`: the text ends with it. */
enum sqllex_event sqllex_next(struct sqllex *lex, const char *data, size_t len, bool final);
/* How many bytes at the front of the window are needed no more. */
size_t sqllex_spent(const struct sqllex *lex);
/* The window has moved on by `n` of them. */
void sqllex_shift(struct sqllex *lex, size_t n);

#endif
