/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a module's statements as the engine's lexis has it. The words are
 * found by the host's SQL reader; the tables below say what they mean. When a
 * text cannot be read, it is refused rather than guessed at: a COMMIT behind a
 * quote that never ends must not slip through.
 */
#include "db_sql.h"

#include "sqltext.h"
#include "text.h"

#include <ctype.h>
#include <strings.h>

static const char *const REFUSALS[] = {
    [SQL_BEGIN] = "is transaction control, and the host owns the transaction: leave it out",
    [SQL_COMMIT] = "is transaction control, and the host owns the transaction: leave it out",
    [SQL_CONTROL] = "is transaction control, and the host owns the transaction: leave it out",
    [SQL_COPY] = "reads from a client's input, which a module has not: use INSERT",
    [SQL_META] = "is a command of the engine's shell, not SQL: leave it out",
};

mig_status db_sql_check(const char *sql, size_t len, uint32_t lexis, struct mig_err *err)
{
    const struct sql_source source = {.name = "module", .data = sql, .fd = -1, .len = (int64_t)len};
    AUTO(sql_reader) struct sql_reader *reader = NULL;
    struct sql_statement statement;
    char excerpt[DB_EXCERPT];
    mig_status status = sql_reader_open(&source, lexis, &reader, err);

    while (status == MIG_OK && (status = sql_reader_next(reader, &statement, err)) == MIG_ROW) {
        status = MIG_OK;
        if (statement.class == SQL_PLAIN)
            continue;
        db_excerpt(excerpt, statement.text, statement.len);
        return err_set(err, MIG_E_MISUSE, "'%s' %s", excerpt, REFUSALS[statement.class]);
    }
    if (status < 0) {
        db_excerpt(excerpt, sql, len);
        if (err->status != MIG_E_NOMEM)
            err->status = MIG_E_SQL;
        err->offset = -1;
        err->where[0] = '\0';
        err_append(err, "in statement '%s'", excerpt);
    }
    return status;
}

/* Statements that begin so may read; WITH, EXPLAIN and PRAGMA on conditions. */
static const char *const READING[] = {"SELECT", "VALUES", "WITH",    "TABLE",
                                      "SHOW",   "PRAGMA", "EXPLAIN", NULL};
/* Bare words that make them write. INTO: SELECT INTO makes a table. */
static const char *const WRITING[] = {"INSERT", "UPDATE", "DELETE", "MERGE", "INTO", NULL};
static const char *const READING_PRAGMAS[] = {"table_info",
                                              "table_xinfo",
                                              "table_list",
                                              "index_list",
                                              "index_info",
                                              "index_xinfo",
                                              "foreign_key_list",
                                              "database_list",
                                              "user_version",
                                              "collation_list",
                                              "integrity_check",
                                              "quick_check",
                                              "foreign_key_check",
                                              "page_count",
                                              "page_size",
                                              "schema_version",
                                              "encoding",
                                              "compile_options",
                                              NULL};

struct words {
    const char *text;
    size_t len;
    size_t at;
};

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (c & 0x80);
}

/* Past a quoted piece or a comment that begins here; 0 where none does. */
static size_t quoted_length(const char *text, size_t len)
{
    size_t i;

    if (len >= 2 && text[0] == '-' && text[1] == '-') {
        const char *end = memchr(text, '\n', len);

        return end ? (size_t)(end - text) + 1 : len;
    }
    if (len >= 2 && text[0] == '/' && text[1] == '*') {
        const char *end = memmem(text + 2, len - 2, "*/", 2);

        return end ? (size_t)(end - text) + 2 : len;
    }
    if (text[0] != '\'' && text[0] != '"' && text[0] != '`')
        return 0;
    for (i = 1; i < len; i++)
        if (text[i] == text[0])
            return i + 1;
    return len;
}

/* The next bare word; its length, or 0 at the end. */
static size_t next_word(struct words *words, const char **word)
{
    while (words->at < words->len) {
        const char *here = words->text + words->at;
        size_t left = words->len - words->at;
        size_t n = quoted_length(here, left);

        if (!n && is_word_char(*here)) {
            while (n < left && is_word_char(here[n]))
                n++;
            words->at += n;
            *word = here;
            return n;
        }
        words->at += n ? n : 1;
    }
    return 0;
}

static bool is_one_of(const char *word, size_t len, const char *const *list)
{
    for (; *list; list++)
        if (strlen(*list) == len && strncasecmp(*list, word, len) == 0)
            return true;
    return false;
}

static bool pragma_reads(struct words *words)
{
    const char *word;
    size_t len = next_word(words, &word);

    if (memchr(words->text, '=', words->len))
        return false;
    if (words->at < words->len && words->text[words->at] == '.') /* PRAGMA main.table_info */
        len = next_word(words, &word);
    return len && is_one_of(word, len, READING_PRAGMAS) &&
           !(strncasecmp(word, "user_version", len) == 0 && memchr(words->text, '(', words->len));
}

bool db_sql_reads(const char *sql, size_t len, uint32_t lexis)
{
    struct words words = {.text = sql, .len = len};
    const char *word;
    size_t n = next_word(&words, &word);

    if (!n || !is_one_of(word, n, READING))
        return false;
    if (strncasecmp(word, "PRAGMA", n) == 0)
        return pragma_reads(&words);
    if ((lexis & MIG_LEX_DOLLAR_QUOTES) && memmem(sql, len, "$$", 2))
        return false; /* not worth reading: such a text hides words */
    while ((n = next_word(&words, &word)) > 0)
        if (is_one_of(word, n, WRITING))
            return false;
    return true;
}

/* The length of `text` cut to at most `most` bytes, at a whole character. */
static size_t whole_length(const char *text, size_t len, size_t most)
{
    if (len <= most)
        return len;
    len = most;
    while (len && ((unsigned char)text[len] & 0xC0) == 0x80)
        len--;
    return len;
}

void db_excerpt(char out[DB_EXCERPT], const char *sql, size_t len)
{
    char flat[DB_EXCERPT];
    size_t n = 0, i = 0;
    bool blank = false;

    for (; i < len && n < sizeof flat - 5; i++) {
        if (isspace((unsigned char)sql[i])) {
            blank = n > 0;
            continue;
        }
        if (blank)
            flat[n++] = ' ';
        blank = false;
        flat[n++] = sql[i];
    }
    while (i < len && isspace((unsigned char)sql[i]))
        i++;
    if (i == len) {
        flat[n] = '\0';
    } else {
        n = whole_length(flat, n, n - 1);
        snprintf(flat + n, sizeof flat - n, "...");
    }
    text_clean(out, DB_EXCERPT, flat);
}
