/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading SQL text as PostgreSQL's scanner does, far enough to see words,
 * names and the ends of statements. It never allocates and never fails: text
 * that does not end well ends at its end. It decides nothing.
 */
#ifndef PG_WORDS_H
#define PG_WORDS_H

#include <stdbool.h>
#include <stddef.h>

enum token_kind {
    TOKEN_END,    /* of the text */
    TOKEN_WORD,   /* a keyword or a plain name */
    TOKEN_NAME,   /* "a quoted name" */
    TOKEN_STRING, /* '...', E'...', $tag$...$tag$ */
    TOKEN_NUMBER, /* or a parameter */
    TOKEN_SIGN    /* one other character */
};

struct token {
    enum token_kind kind;
    const char *text; /* with its quotes */
    size_t len;
};

struct lexer {
    const char *at;
    const char *end;
};

struct token token_next(struct lexer *lexer);
/* Whether it is that word; `word` is in small letters. */
bool token_is(const struct token *token, const char *word);
bool token_sign(const struct token *token, char sign);
/* The name that the token means, folded or unquoted, into `out`; false when
 * it is none or too long. */
bool token_name(const struct token *token, char *out, size_t size);

/* One statement: where it lies, and its first tokens. */
#define PHRASE_TOKENS 24

struct phrase {
    const char *text;  /* its first token */
    size_t len;        /* without the semicolon */
    size_t count;      /* of tokens kept */
    bool copies_stdio; /* COPY from or to the client */
    struct token tokens[PHRASE_TOKENS];
};

/* The next statement that is not empty; false at the end. */
bool phrase_next(struct lexer *lexer, struct phrase *phrase);
/*
 * Whether the statement begins as the pattern says: words in small letters,
 * "word?" where it may be missing, "*" for any tokens, "." for the end. On
 * success `*at`, unless NULL, is the number of the first token behind it.
 */
bool phrase_like(const struct phrase *phrase, const char *pattern, size_t *at);

#endif
