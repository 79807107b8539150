/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lexer as a table of states: one function each, which moves `pos` on and
 * names the next state or an event. Strings, comments and dollar quotes can be
 * left and entered again at any byte; a word, a tag or a pair such as "--" that
 * the window cuts is read again from its own start. Outside of quotes the words
 * matter only while `watch` says so: in the first words of a statement and in
 * the few kinds that have a body; all else is skipped by a table of characters.
 */
#include "sqllex.h"

#include <string.h>

#define NONE SIZE_MAX
#define DIRECTIVE_AHEAD 32 /* "--", blanks and "mig:" fit in it */
#define KEYWORD_MAX 15

/* What outside of quotes is worth a stop: `stops` has those of the engine. */
enum { STOP_ALWAYS = 1, STOP_BRACKETS = 2, STOP_DOLLAR = 4, STOP_PARENS = 8, STOP_BACKSLASH = 16 };

static const unsigned char stop_class[256] = {
    ['\''] = STOP_ALWAYS, ['"'] = STOP_ALWAYS,   [';'] = STOP_ALWAYS,     ['-'] = STOP_ALWAYS,
    ['/'] = STOP_ALWAYS,  ['['] = STOP_BRACKETS, ['`'] = STOP_BRACKETS,   ['$'] = STOP_DOLLAR,
    ['('] = STOP_PARENS,  [')'] = STOP_PARENS,   ['\\'] = STOP_BACKSLASH,
};

enum { WATCH_HEAD = 1, WATCH_TRIGGER = 2, WATCH_BODY = 4, WATCH_COPY = 8 };

/* In alphabetical order, as `keywords` has them. */
enum keyword {
    KW_ABORT,
    KW_AS,
    KW_ATOMIC,
    KW_BEGIN,
    KW_CASE,
    KW_CHARACTERISTICS,
    KW_COMMIT,
    KW_COPY,
    KW_CREATE,
    KW_DEFERRED,
    KW_END,
    KW_EXCLUSIVE,
    KW_EXPLAIN,
    KW_FROM,
    KW_FUNCTION,
    KW_IMMEDIATE,
    KW_LOCAL,
    KW_OR,
    KW_PREPARE,
    KW_PROCEDURE,
    KW_RELEASE,
    KW_REPLACE,
    KW_ROLLBACK,
    KW_SAVEPOINT,
    KW_SESSION,
    KW_SET,
    KW_START,
    KW_STDIN,
    KW_TEMP,
    KW_TEMPORARY,
    KW_TRANSACTION,
    KW_TRIGGER,
    KW_WORK,
    KW_COUNT,
    KW_NONE, /* another word */
    KW_DOT,
    KW_OTHER /* no word */
};

static const char *const keywords[KW_COUNT] = {
    "ABORT",    "AS",        "ATOMIC",      "BEGIN",   "CASE",      "CHARACTERISTICS", "COMMIT",
    "COPY",     "CREATE",    "DEFERRED",    "END",     "EXCLUSIVE", "EXPLAIN",         "FROM",
    "FUNCTION", "IMMEDIATE", "LOCAL",       "OR",      "PREPARE",   "PROCEDURE",       "RELEASE",
    "REPLACE",  "ROLLBACK",  "SAVEPOINT",   "SESSION", "SET",       "START",           "STDIN",
    "TEMP",     "TEMPORARY", "TRANSACTION", "TRIGGER", "WORK",
};

/* What the first words make of a statement. The first row that fits counts;
 * an `open` row leaves what follows its words open. */
static const struct {
    unsigned char words[SQLLEX_HEAD];
    unsigned char len;
    bool open;
    enum sql_class class;
} heads[] = {
    {{KW_BEGIN}, 1, false, SQL_BEGIN},
    {{KW_BEGIN, KW_WORK}, 2, false, SQL_BEGIN},
    {{KW_BEGIN, KW_TRANSACTION}, 2, false, SQL_BEGIN},
    {{KW_BEGIN, KW_DEFERRED}, 2, false, SQL_BEGIN},
    {{KW_BEGIN, KW_DEFERRED, KW_TRANSACTION}, 3, false, SQL_BEGIN},
    {{KW_BEGIN, KW_IMMEDIATE}, 2, false, SQL_BEGIN},
    {{KW_BEGIN, KW_IMMEDIATE, KW_TRANSACTION}, 3, false, SQL_BEGIN},
    {{KW_BEGIN, KW_EXCLUSIVE}, 2, false, SQL_BEGIN},
    {{KW_BEGIN, KW_EXCLUSIVE, KW_TRANSACTION}, 3, false, SQL_BEGIN},
    {{KW_START, KW_TRANSACTION}, 2, false, SQL_BEGIN},
    {{KW_COMMIT}, 1, false, SQL_COMMIT},
    {{KW_COMMIT, KW_WORK}, 2, false, SQL_COMMIT},
    {{KW_COMMIT, KW_TRANSACTION}, 2, false, SQL_COMMIT},
    {{KW_END}, 1, false, SQL_COMMIT},
    {{KW_END, KW_WORK}, 2, false, SQL_COMMIT},
    {{KW_END, KW_TRANSACTION}, 2, false, SQL_COMMIT},
    {{KW_BEGIN}, 1, true, SQL_CONTROL},
    {{KW_START, KW_TRANSACTION}, 2, true, SQL_CONTROL},
    {{KW_COMMIT}, 1, true, SQL_CONTROL},
    {{KW_END}, 1, true, SQL_CONTROL},
    {{KW_ROLLBACK}, 1, true, SQL_CONTROL},
    {{KW_ABORT}, 1, true, SQL_CONTROL},
    {{KW_SAVEPOINT}, 1, true, SQL_CONTROL},
    {{KW_RELEASE}, 1, true, SQL_CONTROL},
    {{KW_PREPARE, KW_TRANSACTION}, 2, true, SQL_CONTROL},
    {{KW_SET, KW_TRANSACTION}, 2, true, SQL_CONTROL},
    {{KW_SET, KW_LOCAL, KW_TRANSACTION}, 3, true, SQL_CONTROL},
    {{KW_SET, KW_SESSION, KW_TRANSACTION}, 3, true, SQL_CONTROL},
    {{KW_SET, KW_SESSION, KW_CHARACTERISTICS}, 3, true, SQL_CONTROL},
};

/* Statements whose words after the head matter, and for what. */
static const struct {
    unsigned char words[SQLLEX_HEAD];
    unsigned char len;
    unsigned char watch;
    uint32_t lexis;
} bodies[] = {
    {{KW_CREATE, KW_FUNCTION}, 2, WATCH_BODY, MIG_LEX_ATOMIC_BODIES},
    {{KW_CREATE, KW_PROCEDURE}, 2, WATCH_BODY, MIG_LEX_ATOMIC_BODIES},
    {{KW_CREATE, KW_OR, KW_REPLACE, KW_FUNCTION}, 4, WATCH_BODY, MIG_LEX_ATOMIC_BODIES},
    {{KW_CREATE, KW_OR, KW_REPLACE, KW_PROCEDURE}, 4, WATCH_BODY, MIG_LEX_ATOMIC_BODIES},
    {{KW_COPY}, 1, WATCH_COPY, MIG_LEX_COPY_STDIN},
};

/* CREATE TRIGGER bodies hold semicolons: the statement ends at "; END ;". */
enum trigger {
    TRIGGER_START,
    TRIGGER_PLAIN,
    TRIGGER_EXPLAIN,
    TRIGGER_CREATE,
    TRIGGER_BODY,
    TRIGGER_SEMICOLON,
    TRIGGER_END
};

struct input {
    const char *data;
    size_t len;
    bool final;
};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r' && c != '\v');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

/* Of a dollar quote's tag; a word may hold `$` as well. */
static bool is_tag(char c)
{
    return is_word_start(c) || is_digit(c);
}

static bool is_word(char c)
{
    return is_tag(c) || c == '$';
}

/* ---- words ---------------------------------------------------------- */

static int compare_word(const char *word, size_t len, const char *keyword)
{
    size_t i;

    for (i = 0; i < len && keyword[i]; i++) {
        char c = word[i];

        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        if (c != keyword[i])
            return (unsigned char)c < (unsigned char)keyword[i] ? -1 : 1;
    }
    return i < len ? 1 : keyword[i] ? -1 : 0;
}

static unsigned char find_keyword(const char *word, size_t len)
{
    size_t low = 0;
    size_t high = len <= KEYWORD_MAX ? KW_COUNT : 0;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare_word(word, len, keywords[middle]);

        if (order == 0)
            return (unsigned char)middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return KW_NONE;
}

static bool head_fits(const struct sqllex *lex, const unsigned char *words, size_t len, bool open)
{
    return (open ? lex->head_len >= len : lex->head_len == len) &&
           memcmp(lex->head, words, len) == 0;
}

static enum sql_class classify(const struct sqllex *lex)
{
    for (size_t i = 0; i < COUNT(heads); i++)
        if (head_fits(lex, heads[i].words, heads[i].len, heads[i].open))
            return heads[i].class;
    return SQL_PLAIN;
}

/* Whether some row of the tables begins with the head read so far. */
static bool head_matters(const struct sqllex *lex)
{
    size_t len = lex->head_len;

    for (size_t i = 0; i < COUNT(heads); i++)
        if (memcmp(lex->head, heads[i].words, len < heads[i].len ? len : heads[i].len) == 0)
            return true;
    for (size_t i = 0; i < COUNT(bodies); i++)
        if (len < bodies[i].len && memcmp(lex->head, bodies[i].words, len) == 0)
            return true;
    return false;
}

static void watch_head(struct sqllex *lex, unsigned char word)
{
    lex->head[lex->head_len++] = word;
    for (size_t i = 0; i < COUNT(bodies); i++)
        if ((lex->lexis & bodies[i].lexis) && head_fits(lex, bodies[i].words, bodies[i].len, false))
            lex->watch |= bodies[i].watch;
    if (word >= KW_COUNT || lex->head_len == SQLLEX_HEAD || !head_matters(lex))
        lex->watch &= (unsigned char)~WATCH_HEAD;
}

/* The words of CREATE TRIGGER, as SQLite's shell reads them. */
static unsigned char trigger_after(unsigned char state, unsigned char word)
{
    switch (state) {
    case TRIGGER_START:
        return word == KW_EXPLAIN  ? TRIGGER_EXPLAIN
               : word == KW_CREATE ? TRIGGER_CREATE
                                   : TRIGGER_PLAIN;
    case TRIGGER_EXPLAIN:
        return word == KW_CREATE ? TRIGGER_CREATE
               : word == KW_EXPLAIN || word == KW_TEMP || word == KW_TEMPORARY ||
                       word == KW_TRIGGER || word == KW_END
                   ? TRIGGER_PLAIN
                   : TRIGGER_EXPLAIN;
    case TRIGGER_CREATE:
        return word == KW_TEMP || word == KW_TEMPORARY ? TRIGGER_CREATE
               : word == KW_TRIGGER                    ? TRIGGER_BODY
                                                       : TRIGGER_PLAIN;
    case TRIGGER_SEMICOLON: return word == KW_END ? TRIGGER_END : TRIGGER_BODY;
    case TRIGGER_BODY:
    case TRIGGER_END: return TRIGGER_BODY;
    default: return TRIGGER_PLAIN;
    }
}

static void watch_trigger(struct sqllex *lex, unsigned char word)
{
    lex->trigger = trigger_after(lex->trigger, word);
    if (lex->trigger == TRIGGER_PLAIN)
        lex->watch &= (unsigned char)~WATCH_TRIGGER;
}

/* BEGIN ATOMIC ... END with CASE ... END inside. A word behind a dot or AS is
 * a name, whatever it looks like. */
static void watch_body(struct sqllex *lex, unsigned char word)
{
    if (lex->body == 0) {
        if (word == KW_ATOMIC && lex->last == KW_BEGIN && lex->depth == 0)
            lex->body = 1;
    } else if (lex->last != KW_DOT && lex->last != KW_AS) {
        if (word == KW_CASE)
            lex->body++;
        else if (word == KW_END)
            lex->body--;
    }
}

static void watch_copy(struct sqllex *lex, unsigned char word)
{
    if (word == KW_STDIN && lex->last == KW_FROM && lex->depth == 0)
        lex->class = SQL_COPY;
}

/* Takes note of a word, or of a token that is none. */
static void see(struct sqllex *lex, unsigned char word)
{
    if (lex->watch & WATCH_HEAD)
        watch_head(lex, word);
    if (lex->watch & WATCH_TRIGGER)
        watch_trigger(lex, word);
    if (lex->watch & WATCH_BODY)
        watch_body(lex, word);
    if (lex->watch & WATCH_COPY)
        watch_copy(lex, word);
    lex->last = word;
}

/* ---- statements and comments ---------------------------------------- */

static enum sqllex_event go(struct sqllex *lex, enum sqllex_state state, size_t pos)
{
    lex->state = state;
    lex->pos = pos;
    return SQLLEX_GO;
}

static enum sqllex_event more(struct sqllex *lex, size_t pos)
{
    lex->pos = pos;
    return SQLLEX_MORE;
}

/* The window ends at or behind `pos`, in a quote or comment. */
static enum sqllex_event cut(struct sqllex *lex, const struct input *in, size_t pos)
{
    lex->pos = pos;
    return in->final ? SQLLEX_OPEN : SQLLEX_MORE;
}

static enum sqllex_state outside(const struct sqllex *lex)
{
    return lex->inside ? SQLLEX_CODE : SQLLEX_BLANK;
}

static void open_quote(struct sqllex *lex, size_t pos, const char *what)
{
    lex->open_at = lex->base + (int64_t)pos;
    lex->what = what;
}

static size_t trim(const char *data, size_t from, size_t to)
{
    while (to > from && is_blank(data[to - 1]))
        to--;
    return to;
}

/* Where the text before `pos` ends that is neither blank nor comment. */
static size_t code_end(const struct sqllex *lex, const char *data, size_t pos)
{
    size_t from = lex->tail_end > lex->start ? lex->tail_end : lex->start;
    size_t end = trim(data, from, pos);

    return end == lex->tail_end && end > lex->start ? lex->tail_begin : end;
}

static void begin_statement(struct sqllex *lex, size_t pos)
{
    lex->inside = true;
    lex->start = pos;
    lex->floor = pos;
    lex->tail_begin = 0;
    lex->tail_end = 0;
    lex->escaped_end = NONE;
    lex->class = SQL_PLAIN;
    lex->depth = 0;
    lex->body = 0;
    lex->head_len = 0;
    lex->last = KW_OTHER;
    lex->trigger = TRIGGER_START;
    lex->watch = WATCH_HEAD;
    if (lex->lexis & MIG_LEX_TRIGGER_BODIES)
        lex->watch |= WATCH_TRIGGER;
}

static enum sqllex_event end_statement(struct sqllex *lex, const struct input *in, size_t end,
                                       size_t pos)
{
    lex->end = code_end(lex, in->data, end);
    lex->pos = pos;
    lex->inside = false;
    lex->state = SQLLEX_BLANK;
    if (lex->class == SQL_PLAIN && lex->head_len > 0 && lex->head[0] < KW_COUNT)
        lex->class = classify(lex);
    return SQLLEX_STATEMENT;
}

/* Whether the comment at `pos` is a "-- mig:" line. */
static bool is_directive(const struct input *in, size_t pos)
{
    static const char word[] = "mig:";
    size_t len = sizeof word - 1;

    pos += 2;
    while (pos < in->len && (in->data[pos] == ' ' || in->data[pos] == '\t'))
        pos++;
    return in->len - pos >= len && memcmp(in->data + pos, word, len) == 0;
}

static enum sqllex_event begin_comment(struct sqllex *lex, const struct input *in, size_t pos)
{
    bool line = in->data[pos] == '-';

    if (line && !in->final && in->len - pos < DIRECTIVE_AHEAD)
        return more(lex, pos);
    lex->tail_begin = lex->inside ? code_end(lex, in->data, pos) : pos;
    if (line) {
        lex->directive = is_directive(in, pos);
        lex->mark = pos;
        return go(lex, SQLLEX_LINE, pos + 2);
    }
    open_quote(lex, pos, "comment");
    lex->comment_depth = 1;
    lex->floor = pos + 2;
    return go(lex, SQLLEX_BLOCK, pos + 2);
}

/* A `-` or `/` at `pos`: a comment or an operator. */
static enum sqllex_event maybe_comment(struct sqllex *lex, const struct input *in, size_t pos,
                                       bool *comment)
{
    *comment = true;
    if (pos + 1 == in->len && !in->final)
        return more(lex, pos);
    if (pos + 1 < in->len && in->data[pos + 1] == (in->data[pos] == '-' ? '-' : '*'))
        return begin_comment(lex, in, pos);
    *comment = false;
    return SQLLEX_GO;
}

static enum sqllex_event step_blank(struct sqllex *lex, const struct input *in)
{
    size_t pos = lex->pos;
    enum sqllex_event event;
    bool comment = false;

    while (pos < in->len && (is_blank(in->data[pos]) || in->data[pos] == ';'))
        pos++;
    lex->pos = pos;
    if (pos == in->len)
        return in->final ? SQLLEX_END : SQLLEX_MORE;
    if (in->data[pos] == '-' || in->data[pos] == '/') {
        event = maybe_comment(lex, in, pos, &comment);
        if (comment)
            return event;
    }
    if (lex->header_only)
        return SQLLEX_END;
    if (in->data[pos] == '.' && pos + 1 == in->len && !in->final)
        return more(lex, pos);
    begin_statement(lex, pos);
    if (in->data[pos] == '\\' && (lex->lexis & MIG_LEX_COPY_STDIN))
        return go(lex, SQLLEX_META, pos);
    if (in->data[pos] == '.' && pos + 1 < in->len && is_word_start(in->data[pos + 1]))
        return go(lex, SQLLEX_META, pos);
    return go(lex, SQLLEX_CODE, pos);
}

static const char *find_line_end(const struct sqllex *lex, const struct input *in)
{
    const char *from = in->data + lex->pos;
    const char *end = memchr(from, '\n', in->len - lex->pos);

    if (lex->lexis & MIG_LEX_NESTED_COMMENTS) {
        size_t len = end ? (size_t)(end - from) : in->len - lex->pos;
        const char *cr = memchr(from, '\r', len);

        return cr ? cr : end;
    }
    return end;
}

static enum sqllex_event step_line(struct sqllex *lex, const struct input *in)
{
    const char *end = find_line_end(lex, in);

    if (!end && !in->final)
        return more(lex, in->len);
    lex->pos = end ? (size_t)(end - in->data) : in->len;
    lex->state = outside(lex);
    lex->tail_end = lex->pos;
    lex->floor = lex->pos;
    if (!lex->directive)
        return SQLLEX_GO;
    lex->directive = false;
    return SQLLEX_DIRECTIVE;
}

/* Every delimiter of a comment has a slash; `floor` is the end of the last. */
static enum sqllex_event step_block(struct sqllex *lex, const struct input *in)
{
    size_t pos = lex->pos;

    while (lex->comment_depth > 0) {
        const char *slash = memchr(in->data + pos, '/', in->len - pos);

        if (!slash)
            return cut(lex, in, in->len);
        pos = (size_t)(slash - in->data);
        if (pos > lex->floor && slash[-1] == '*') {
            lex->comment_depth--;
            lex->floor = ++pos;
        } else if (!(lex->lexis & MIG_LEX_NESTED_COMMENTS)) {
            pos++;
        } else if (pos + 1 == in->len) {
            return cut(lex, in, pos);
        } else if (slash[1] == '*') {
            lex->comment_depth++;
            pos += 2;
            lex->floor = pos;
        } else {
            pos++;
        }
    }
    lex->tail_end = pos;
    return go(lex, outside(lex), pos);
}

static enum sqllex_event step_meta(struct sqllex *lex, const struct input *in)
{
    const char *end = memchr(in->data + lex->pos, '\n', in->len - lex->pos);
    size_t pos = end ? (size_t)(end - in->data) : in->len;

    if (!end && !in->final)
        return more(lex, pos);
    lex->class = SQL_META;
    return end_statement(lex, in, pos, pos);
}

/* ---- quotes ---------------------------------------------------------- */

static enum sqllex_event end_quote(struct sqllex *lex, size_t pos)
{
    lex->floor = pos;
    see(lex, KW_OTHER);
    return go(lex, SQLLEX_CODE, pos);
}

/* A doubled quote reads as two quotes side by side, which ends at the same place. */
static enum sqllex_event step_quoted(struct sqllex *lex, const struct input *in)
{
    const char *end = memchr(in->data + lex->pos, lex->quote, in->len - lex->pos);

    if (!end)
        return cut(lex, in, in->len);
    return end_quote(lex, (size_t)(end - in->data) + 1);
}

static enum sqllex_event step_escaped(struct sqllex *lex, const struct input *in)
{
    size_t pos = lex->pos;

    while (pos < in->len && in->data[pos] != '\'') {
        if (in->data[pos] == '\\') {
            if (pos + 1 == in->len)
                return cut(lex, in, pos);
            pos++;
        }
        pos++;
    }
    if (pos == in->len)
        return cut(lex, in, pos);
    lex->escaped_end = pos + 1;
    return end_quote(lex, pos + 1);
}

static enum sqllex_event step_dollar(struct sqllex *lex, const struct input *in)
{
    size_t pos = lex->pos;
    const char *dollar;

    while ((dollar = memchr(in->data + pos, '$', in->len - pos))) {
        pos = (size_t)(dollar - in->data);
        if (in->len - pos < lex->tag_len)
            return cut(lex, in, pos);
        if (memcmp(dollar, in->data + lex->tag, lex->tag_len) == 0)
            return end_quote(lex, pos + lex->tag_len);
        pos++;
    }
    return cut(lex, in, in->len);
}

/* A string goes on behind a line break, blanks and line comments: the piece at
 * `pos` is an escape string too when the one before it was. */
static bool continues_escaped(const struct sqllex *lex, const char *data, size_t pos)
{
    size_t at = lex->escaped_end;
    bool broken = false;

    if (at == NONE || at == pos)
        return at == pos;
    while (at < pos) {
        if (data[at] == '-' && data[at + 1] == '-') {
            while (data[at] != '\n' && data[at] != '\r')
                at++;
        } else if (!is_blank(data[at])) {
            return false;
        } else {
            broken = broken || data[at] == '\n' || data[at] == '\r';
            at++;
        }
    }
    return broken;
}

static bool is_escaped(const struct sqllex *lex, const char *data, size_t pos)
{
    if (!(lex->lexis & MIG_LEX_ESCAPE_STRINGS))
        return false;
    if (pos > lex->floor && (data[pos - 1] == 'e' || data[pos - 1] == 'E') &&
        (pos - 1 == lex->floor || !is_word(data[pos - 2])))
        return true;
    return continues_escaped(lex, data, pos);
}

static enum sqllex_event begin_string(struct sqllex *lex, const struct input *in, size_t pos)
{
    bool escaped = is_escaped(lex, in->data, pos);

    lex->escaped_end = NONE;
    lex->quote = '\'';
    open_quote(lex, pos, "string");
    return go(lex, escaped ? SQLLEX_ESCAPED : SQLLEX_QUOTED, pos + 1);
}

static enum sqllex_event begin_name(struct sqllex *lex, size_t pos, char quote)
{
    lex->quote = quote;
    open_quote(lex, pos, "quoted name");
    return go(lex, SQLLEX_QUOTED, pos + 1);
}

/* Whether the `$` at `pos` stands inside of a word, and not behind a number:
 * `a1$` is one, `1e5$` is not. */
static bool in_word(const struct sqllex *lex, const char *data, size_t pos)
{
    size_t at = pos;

    while (at > lex->floor && is_word(data[at - 1]))
        at--;
    if (at < pos && is_digit(data[at])) {
        while (at < pos && is_digit(data[at]))
            at++;
        if (at + 1 < pos && (data[at] == 'e' || data[at] == 'E') && is_digit(data[at + 1]))
            for (at++; at < pos && is_digit(data[at]);)
                at++;
    }
    return at < pos && is_word_start(data[at]);
}

/* `$`: part of a word, a parameter, or the start of a dollar quote. */
static enum sqllex_event step_sign(struct sqllex *lex, const struct input *in, size_t pos)
{
    size_t at = pos + 1;

    if (in_word(lex, in->data, pos)) {
        while (at < in->len && is_word(in->data[at]))
            at++;
        return at == in->len && !in->final ? more(lex, pos) : go(lex, SQLLEX_CODE, at);
    }
    if (at < in->len && is_word_start(in->data[at]))
        while (at < in->len && is_tag(in->data[at]))
            at++;
    if (at == in->len && !in->final)
        return more(lex, pos);
    if (at < in->len && in->data[at] == '$') {
        lex->tag = pos;
        lex->tag_len = at + 1 - pos;
        open_quote(lex, pos, "dollar quote");
        return go(lex, SQLLEX_DOLLAR, at + 1);
    }
    for (at = pos + 1; at < in->len && is_digit(in->data[at]);)
        at++;
    if (at == in->len && !in->final)
        return more(lex, pos);
    lex->floor = at;
    see(lex, KW_OTHER);
    return go(lex, SQLLEX_CODE, at);
}

/* ---- code ------------------------------------------------------------ */

static enum sqllex_event step_semicolon(struct sqllex *lex, const struct input *in, size_t pos)
{
    bool ends = lex->depth == 0 && lex->body == 0;

    if (lex->watch & WATCH_TRIGGER) {
        ends = ends && (lex->trigger < TRIGGER_BODY || lex->trigger == TRIGGER_END);
        lex->trigger = TRIGGER_SEMICOLON;
    }
    if (ends)
        return end_statement(lex, in, pos, pos + 1);
    lex->last = KW_OTHER;
    return go(lex, SQLLEX_CODE, pos + 1);
}

/* A word, or a token that is none: only while words are read. */
static enum sqllex_event step_word(struct sqllex *lex, const struct input *in, size_t pos)
{
    const char *data = in->data;
    bool dollar_words = !(lex->lexis & MIG_LEX_DOLLAR_QUOTES);
    size_t at = pos + 1;

    if (is_word_start(data[pos]) || (dollar_words && is_word(data[pos]))) {
        while (at < in->len && is_word(data[at]))
            at++;
    } else if (is_digit(data[pos])) {
        while (at < in->len && (is_digit(data[at]) || data[at] == '.'))
            at++;
    } else {
        see(lex, data[pos] == '.' ? KW_DOT : KW_OTHER);
        return go(lex, SQLLEX_CODE, at);
    }
    if (at == in->len && !in->final)
        return more(lex, pos);
    /* E'...': the letter belongs to the string. */
    if (at < in->len && data[at] == '\'' && at - pos == 1)
        return go(lex, SQLLEX_CODE, at);
    see(lex, is_digit(data[pos]) ? KW_OTHER : find_keyword(data + pos, at - pos));
    return go(lex, SQLLEX_CODE, at);
}

static size_t skip_code(const struct sqllex *lex, const struct input *in)
{
    const unsigned char *data = (const unsigned char *)in->data;
    size_t pos = lex->pos;

    if (lex->watch)
        while (pos < in->len && is_blank((char)data[pos]))
            pos++;
    else
        while (pos < in->len && !(stop_class[data[pos]] & lex->stops))
            pos++;
    return pos;
}

static enum sqllex_event step_paren(struct sqllex *lex, size_t pos, char c)
{
    if (lex->lexis & MIG_LEX_PAREN_DEPTH) {
        if (c == '(')
            lex->depth++;
        else if (lex->depth > 0)
            lex->depth--;
    }
    see(lex, KW_OTHER);
    return go(lex, SQLLEX_CODE, pos + 1);
}

static enum sqllex_event step_code(struct sqllex *lex, const struct input *in)
{
    size_t pos = skip_code(lex, in);
    enum sqllex_event event;
    bool comment = false;

    if (pos == in->len)
        return in->final ? end_statement(lex, in, pos, pos) : more(lex, pos);
    switch (in->data[pos]) {
    case ';': return step_semicolon(lex, in, pos);
    case '\'': return begin_string(lex, in, pos);
    case '"': return begin_name(lex, pos, '"');
    case '(':
    case ')': return step_paren(lex, pos, in->data[pos]);
    case '-':
    case '/':
        event = maybe_comment(lex, in, pos, &comment);
        if (comment)
            return event;
        break;
    case '[':
    case '`':
        if (lex->lexis & MIG_LEX_BRACKETS)
            return begin_name(lex, pos, in->data[pos] == '[' ? ']' : '`');
        break;
    case '$':
        if (lex->lexis & MIG_LEX_DOLLAR_QUOTES)
            return step_sign(lex, in, pos);
        break;
    case '\\':
        if (lex->lexis & MIG_LEX_COPY_STDIN)
            lex->class = SQL_META;
        break;
    default: break;
    }
    return step_word(lex, in, pos);
}

/* ---- the window ------------------------------------------------------ */

void sqllex_init(struct sqllex *lex, uint32_t lexis, size_t pos)
{
    static const struct {
        uint32_t lexis;
        unsigned char stops;
    } stops[] = {
        {MIG_LEX_BRACKETS, STOP_BRACKETS},
        {MIG_LEX_DOLLAR_QUOTES, STOP_DOLLAR},
        {MIG_LEX_PAREN_DEPTH, STOP_PARENS},
        {MIG_LEX_COPY_STDIN, STOP_BACKSLASH},
    };

    *lex = (struct sqllex){.lexis = lexis, .pos = pos, .stops = STOP_ALWAYS, .what = ""};
    for (size_t i = 0; i < COUNT(stops); i++)
        if (lexis & stops[i].lexis)
            lex->stops |= stops[i].stops;
}

enum sqllex_event sqllex_next(struct sqllex *lex, const char *data, size_t len, bool final)
{
    static enum sqllex_event (*const steps[SQLLEX_STATES])(struct sqllex *,
                                                           const struct input *) = {
        [SQLLEX_BLANK] = step_blank,   [SQLLEX_CODE] = step_code,
        [SQLLEX_QUOTED] = step_quoted, [SQLLEX_ESCAPED] = step_escaped,
        [SQLLEX_DOLLAR] = step_dollar, [SQLLEX_LINE] = step_line,
        [SQLLEX_BLOCK] = step_block,   [SQLLEX_META] = step_meta,
    };
    const struct input in = {data, len, final};
    enum sqllex_event event;

    do {
        event = steps[lex->state](lex, &in);
    } while (event == SQLLEX_GO);
    return event;
}

size_t sqllex_spent(const struct sqllex *lex)
{
    if (lex->inside)
        return lex->start;
    if (lex->state == SQLLEX_LINE && lex->directive)
        return lex->mark;
    /* The star of a closing "star slash" may be the byte before. */
    return lex->pos > 0 ? lex->pos - 1 : 0;
}

static void shift(size_t *place, size_t n)
{
    *place = *place > n ? *place - n : 0;
}

void sqllex_shift(struct sqllex *lex, size_t n)
{
    lex->base += (int64_t)n;
    shift(&lex->pos, n);
    shift(&lex->start, n);
    shift(&lex->end, n);
    shift(&lex->mark, n);
    shift(&lex->floor, n);
    shift(&lex->tail_begin, n);
    shift(&lex->tail_end, n);
    shift(&lex->tag, n);
    if (lex->escaped_end != NONE)
        shift(&lex->escaped_end, n);
}
