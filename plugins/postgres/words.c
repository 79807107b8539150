/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scanner for SQL as PostgreSQL writes it: nested comments, dollar quotes,
 * escape strings, quoted names, bodies of BEGIN ATOMIC, semicolons inside
 * parentheses. It owns nothing: tokens point into the text. Invariant: every
 * call moves forward or answers the end. It must not know of connections.
 */
#include "words.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static inline bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool is_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80);
}

static inline bool is_word(char c)
{
    return is_start(c) || is_digit(c) || c == '$';
}

static bool lexer_sees(const struct lexer *lexer, const char *two)
{
    return lexer->end - lexer->at >= 2 && lexer->at[0] == two[0] && lexer->at[1] == two[1];
}

static void skip_comment(struct lexer *lexer)
{
    size_t depth = 0;

    do {
        if (lexer_sees(lexer, "/*")) {
            depth++;
            lexer->at += 2;
        } else if (lexer_sees(lexer, "*/")) {
            depth--;
            lexer->at += 2;
        } else {
            lexer->at++;
        }
    } while (depth && lexer->at < lexer->end);
}

static void skip_blank(struct lexer *lexer)
{
    while (lexer->at < lexer->end) {
        if (is_space(*lexer->at)) {
            lexer->at++;
        } else if (lexer_sees(lexer, "--")) {
            /* A carriage return alone ends the comment as well. */
            while (lexer->at < lexer->end && *lexer->at != '\n' && *lexer->at != '\r')
                lexer->at++;
        } else if (lexer_sees(lexer, "/*")) {
            skip_comment(lexer);
        } else {
            return;
        }
    }
}

/* Behind the closing quote; a doubled one stands for itself. */
static void skip_quoted(struct lexer *lexer, char quote, bool escapes)
{
    for (lexer->at++; lexer->at < lexer->end; lexer->at++) {
        if (escapes && *lexer->at == '\\') {
            if (lexer->at + 1 < lexer->end)
                lexer->at++;
        } else if (*lexer->at == quote) {
            lexer->at++;
            if (lexer->at == lexer->end || *lexer->at != quote)
                return;
        }
    }
}

/* Reads a dollar-quoted string; false, unmoved, where there is none. */
static bool skip_dollar(struct lexer *lexer)
{
    const char *tag_end = lexer->at + 1, *at;
    size_t tag;

    while (tag_end < lexer->end && *tag_end != '$' && is_word(*tag_end) &&
           !(tag_end == lexer->at + 1 && is_digit(*tag_end)))
        tag_end++;
    if (tag_end >= lexer->end || *tag_end != '$')
        return false;
    tag = (size_t)(tag_end - lexer->at) + 1;
    at = memmem(tag_end + 1, (size_t)(lexer->end - tag_end) - 1, lexer->at, tag);
    lexer->at = at ? at + tag : lexer->end;
    return true;
}

static enum token_kind skip_word(struct lexer *lexer)
{
    const char *start = lexer->at;

    while (lexer->at < lexer->end && is_word(*lexer->at))
        lexer->at++;
    if (lexer->at - start == 1 && lexer->at < lexer->end && *lexer->at == '\'' &&
        strchr("eEnNbBxX", *start)) {
        skip_quoted(lexer, '\'', *start == 'e' || *start == 'E');
        return TOKEN_STRING;
    }
    return TOKEN_WORD;
}

static enum token_kind skip_token(struct lexer *lexer)
{
    char c = *lexer->at;

    if (is_start(c))
        return skip_word(lexer);
    if (c == '\'') {
        skip_quoted(lexer, '\'', false);
        return TOKEN_STRING;
    }
    if (c == '"') {
        skip_quoted(lexer, '"', false);
        return TOKEN_NAME;
    }
    if (c == '$' && skip_dollar(lexer))
        return TOKEN_STRING;
    lexer->at++;
    if (c != '$' && !is_digit(c))
        return TOKEN_SIGN;
    while (lexer->at < lexer->end && is_word(*lexer->at))
        lexer->at++;
    return TOKEN_NUMBER;
}

struct token token_next(struct lexer *lexer)
{
    struct token token = {TOKEN_END, NULL, 0};

    skip_blank(lexer);
    token.text = lexer->at;
    if (lexer->at < lexer->end)
        token.kind = skip_token(lexer);
    token.len = (size_t)(lexer->at - token.text);
    return token;
}

bool token_is(const struct token *token, const char *word)
{
    return token->kind == TOKEN_WORD && strlen(word) == token->len &&
           strncasecmp(token->text, word, token->len) == 0;
}

bool token_sign(const struct token *token, char sign)
{
    return token->kind == TOKEN_SIGN && *token->text == sign;
}

bool token_name(const struct token *token, char *out, size_t size)
{
    const char *at = token->text, *end = token->text + token->len;
    bool quoted = token->kind == TOKEN_NAME;
    size_t n = 0;

    if ((token->kind != TOKEN_WORD && !quoted) || token->len >= size)
        return false;
    if (quoted) {
        at++;
        end -= end > at && end[-1] == '"';
    }
    for (; at < end; at++) {
        if (quoted && *at == '"' && at + 1 < end)
            at++;
        out[n] = *at;
        if (!quoted && *at >= 'A' && *at <= 'Z')
            out[n] = (char)tolower((unsigned char)*at);
        n++;
    }
    out[n] = '\0';
    return true;
}

/* What phrase_next() keeps in mind from token to token. */
struct reading {
    size_t depth;      /* of parentheses */
    bool atomic;       /* inside BEGIN ATOMIC ... END */
    bool starts;       /* the token begins a statement of that body */
    struct token last; /* the token before */
};

static void reading_step(struct reading *reading, const struct token *token)
{
    if (token_sign(token, '('))
        reading->depth++;
    else if (token_sign(token, ')') && reading->depth)
        reading->depth--;
    if (reading->atomic && reading->starts && token_is(token, "end"))
        reading->atomic = false;
    reading->starts = reading->atomic && token_sign(token, ';');
    if (token_is(token, "atomic") && token_is(&reading->last, "begin"))
        reading->atomic = reading->starts = true;
    reading->last = *token;
}

bool phrase_next(struct lexer *lexer, struct phrase *phrase)
{
    struct reading reading = {0, false, false, {TOKEN_END, NULL, 0}};
    struct token token = token_next(lexer);

    while (token_sign(&token, ';'))
        token = token_next(lexer);
    if (token.kind == TOKEN_END)
        return false;
    phrase->text = token.text;
    phrase->count = 0;
    phrase->copies_stdio = false;
    for (; token.kind != TOKEN_END; token = token_next(lexer)) {
        if (token_sign(&token, ';') && !reading.depth && !reading.atomic)
            break;
        if (phrase->count < PHRASE_TOKENS)
            phrase->tokens[phrase->count++] = token;
        if (!reading.depth && token_is(&phrase->tokens[0], "copy") &&
            (token_is(&token, "stdin") || token_is(&token, "stdout")))
            phrase->copies_stdio = true;
        reading_step(&reading, &token);
    }
    phrase->len = (size_t)(token.text - phrase->text);
    return true;
}

static bool is_like(const struct token *token, const char *word, size_t len)
{
    return token->len == len && token->kind == TOKEN_WORD &&
           strncasecmp(token->text, word, len) == 0;
}

static bool match(const struct phrase *phrase, size_t at, const char *pattern, size_t *end)
{
    size_t len = (size_t)(strchrnul(pattern, ' ') - pattern);
    const char *rest = pattern + len + (pattern[len] == ' ');
    bool optional = len > 1 && pattern[len - 1] == '?';

    if (!len || (*pattern == '.' && at == phrase->count)) {
        *end = at;
        return true;
    }
    if (*pattern == '.')
        return false;
    if (*pattern == '*') {
        for (; at <= phrase->count; at++)
            if (match(phrase, at, rest, end))
                return true;
        return false;
    }
    if (at < phrase->count && is_like(&phrase->tokens[at], pattern, len - optional) &&
        match(phrase, at + 1, rest, end))
        return true;
    return optional && match(phrase, at, rest, end);
}

bool phrase_like(const struct phrase *phrase, const char *pattern, size_t *at)
{
    size_t end;

    if (!match(phrase, 0, pattern, &end))
        return false;
    if (at)
        *at = end;
    return true;
}
