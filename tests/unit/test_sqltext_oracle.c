/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lexer against the engines' own: PostgreSQL's scanner and SQLite's
 * sqlite3_complete() cut the same texts, picked ones and generated ones, and
 * must put the ends of statements at the same places. Where they are known to
 * differ it is said beside the test. A failure prints the text.
 */
#include "lexing.h"

#include <pg_query.h>
#include <sqlite3.h>

#define GENERATED 4000
#define TOKENS_MAX 24

/* What libpg_query knows nothing of is left out. */
#define LEX_PG_QUERY (LEX_POSTGRES & ~(uint32_t)(MIG_LEX_ATOMIC_BODIES | MIG_LEX_COPY_STDIN))

/* ---- PostgreSQL -------------------------------------------------------- */

/* After a fault the library has counted statements that it has not filled in. */
static void split_free(PgQuerySplitResult split)
{
    if (split.error)
        split.n_stmts = 0;
    pg_query_free_split_result(split);
}

/* libpg_query drops pieces in which there is no keyword at all. */
static bool pg_drops(const char *text, const struct cut *cut)
{
    char *piece = strndup(text + cut->start, cut->end - cut->start);
    PgQuerySplitResult split = pg_query_split_with_scanner(piece);
    bool drops = !split.error && split.n_stmts == 0;

    split_free(split);
    free(piece);
    return drops;
}

static const struct cut *cut_ending_at(const struct cuts *cuts, size_t end, size_t len)
{
    for (size_t i = 0; i < cuts->count; i++)
        if (cuts->items[i].after == end + 1 || (end == len && cuts->items[i].after == len))
            return &cuts->items[i];
    return NULL;
}

static void compare_splits(const char *text, const PgQuerySplitResult *split,
                           const struct cuts *cuts)
{
    size_t len = strlen(text);
    size_t dropped = 0;

    cr_assert_eq(cuts->last, SQLLEX_END, "we alone find it unterminated: %s", text);
    for (int i = 0; i < split->n_stmts; i++) {
        size_t from = (size_t)split->stmts[i]->stmt_location;
        size_t end = from + (size_t)split->stmts[i]->stmt_len;
        const struct cut *cut = cut_ending_at(cuts, end, len);

        cr_assert_not_null(cut, "no end at %zu in: %s", end, text);
        cr_assert(cut->start >= from && cut->end <= end, "other bounds in: %s", text);
    }
    for (size_t i = 0; i < cuts->count; i++)
        dropped += pg_drops(text, &cuts->items[i]);
    cr_assert_eq(cuts->count, (size_t)split->n_stmts + dropped, "%zu for %d statements in: %s",
                 cuts->count, split->n_stmts, text);
}

/* Commands of a shell are ours alone: to the scanner they are odd operators. */
static bool has_command(const struct cuts *cuts)
{
    for (size_t i = 0; i < cuts->count; i++)
        if (cuts->items[i].class == SQL_META)
            return true;
    return false;
}

/* PostgreSQL lets a line comment stand between the pieces of a string, and so do
 * we; libpg_query, which makes comments tokens, does not. It shows only where
 * the second piece has a backslash. */
static bool may_continue_behind_comment(const char *text)
{
    return strstr(text, "--") && strchr(text, '\\');
}

/* Returns whether there was something to compare. */
static bool compare_with_postgres(const char *text)
{
    PgQuerySplitResult split;
    struct cuts cuts;

    cut_text(text, strlen(text), LEX_PG_QUERY, SIZE_MAX, &cuts);
    assert_resumes(text, strlen(text), LEX_PG_QUERY, &cuts);
    if (has_command(&cuts) || may_continue_behind_comment(text))
        return false;
    split = pg_query_split_with_scanner(text);
    if (!split.error) {
        compare_splits(text, &split, &cuts);
    } else if (strncmp(split.error->message, "unterminated", 12) == 0) {
        cr_assert_eq(cuts.last, SQLLEX_OPEN, "%s: %s", split.error->message, text);
    } else {
        split_free(split);
        return false;
    }
    split_free(split);
    return true;
}

static const char *const pg_texts[] = {
    "",
    ";",
    " ; ; ",
    "SELECT 1",
    "SELECT 1;",
    "SELECT 1; SELECT 2",
    "SELECT 'a;b'; SELECT 'a''b;'; SELECT ''",
    "SELECT '\\'; SELECT 2;",
    "SELECT E'\\''; SELECT e'\\\\'; SELECT E'a''b\\';c'",
    "SELECT E'a'\n'b\\';c'; SELECT 2",
    "SELECT E'a' 'b\\'; SELECT 2",
    "SELECT E'a' /* \n */ 'b\\'; SELECT 2",
    "SELECT 'a'\n'b\\'; SELECT 2",
    "SELECT be'\\'; SELECT 2",
    "SELECT U&'d\\0061;'; SELECT 2",
    "SELECT B'01;'; SELECT X'1F;'; SELECT N'a;'",
    "SELECT \"a;b\", \"a\"\"b;\"; SELECT 2",
    "SELECT $$a;b$$; SELECT $x$ $$ ; $y$ $x$; SELECT 2",
    "SELECT $a$ $a ; $$a$ ; SELECT 2; SELECT $a$ ; $a$",
    "SELECT a$b$c; SELECT a$$; SELECT _$x$, \xC3\xA9$x$; SELECT 2",
    "SELECT $\xC3\xA9$ ; $\xC3\xA9$; SELECT 2",
    "SELECT $1$$;$$; SELECT 1$$;$$; SELECT 1e5$$;$$; SELECT 1.5$$;$$",
    "SELECT $1; SELECT $2$a$;$a$; SELECT 1",
    "SELECT $$ ; $",
    "SELECT $a$ ; $b$",
    "SELECT 1 -- a; b\n; SELECT 2 --",
    "SELECT 1 -- a\r; SELECT 2",
    "SELECT /* ; /* ; */ ; */ 1; SELECT 2",
    "SELECT /* /* */ 1; SELECT 2",
    "SELECT 1 /*/ ; */; SELECT 2 /**/; SELECT 3 /***/; SELECT 4 /*//**/ ; */ */",
    "SELECT 5--3;\n; SELECT 5-3; SELECT 6/3; SELECT 2 */* c; */ 3",
    "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3",
    "SELECT ((1); SELECT 2); SELECT 3",
    "SELECT '(' ; SELECT 2; SELECT $$($$; SELECT \"(\" ; SELECT 3 -- (\n; SELECT 4",
    "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $f$ BEGIN RETURN 1; END; $f$; SELECT 1",
    "DO $$ BEGIN COMMIT; END $$; SELECT 1",
    "SELECT 'unterminated ;",
    "SELECT \"unterminated ;",
    "SELECT /* unterminated ;",
    "SELECT E'unterminated \\';",
    "\xEF\xBB\xBFSELECT 1; SELECT 2",
};

Test(sqltext_oracle, picked_texts_are_cut_as_postgres_cuts_them)
{
    for (size_t i = 0; i < sizeof pg_texts / sizeof pg_texts[0]; i++)
        cr_assert(compare_with_postgres(pg_texts[i]), "not comparable: %s", pg_texts[i]);
}

/* ---- SQLite ------------------------------------------------------------ */

/* At every semicolon: complete from the last end on, exactly where we cut.
 * An empty statement is complete for SQLite and none for us. */
static void compare_with_sqlite(const char *text)
{
    size_t len = strlen(text);
    size_t from = 0;
    size_t next = 0;
    struct cuts cuts;

    cut_text(text, len, LEX_SQLITE, SIZE_MAX, &cuts);
    assert_resumes(text, len, LEX_SQLITE, &cuts);
    if (has_command(&cuts))
        return;
    for (size_t at = 0; at < len; at++) {
        char *prefix;
        bool complete;
        bool cut = next < cuts.count && cuts.items[next].after == at + 1;

        if (text[at] != ';' || at + 1 == len) /* the end of the text ends all */
            continue;
        prefix = strndup(text + from, at + 1 - from);
        complete = sqlite3_complete(prefix);
        free(prefix);
        if (complete && !cut && (next == cuts.count || cuts.items[next].start > at)) {
            from = at + 1;
            continue;
        }
        cr_assert_eq(complete, cut, "at %zu: sqlite3_complete() says %d, in: %s", at, complete,
                     text);
        if (cut) {
            from = at + 1;
            next++;
        }
    }
    cr_assert(next == cuts.count || cuts.items[next].after >= len, "an end too many in: %s", text);
}

static const char *const sqlite_texts[] = {
    "",
    ";;",
    "SELECT 1; SELECT 2;",
    "SELECT 'a;b', \"c;d\", [e;f], `g;h`; SELECT 2;",
    "SELECT 'it''s;'; SELECT 2;",
    "SELECT '\\'; SELECT 2;",
    "SELECT 1 -- ;\n; /* ; */ SELECT 2; /* ; /* ; */ SELECT 3;",
    "SELECT 1 -- a\r; SELECT 2;\n; SELECT 3;",
    "SELECT $$a; SELECT b$$;",
    "CREATE TRIGGER t AFTER INSERT ON x BEGIN SELECT 1; SELECT 2; END; SELECT 3;",
    "CREATE TEMP TRIGGER t AFTER INSERT ON x BEGIN SELECT 1; END ; SELECT 3;",
    "create temporary trigger t after insert on x begin select 1; end; select 3;",
    "CREATE TRIGGER t AFTER INSERT ON x BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 2; END;",
    "CREATE TRIGGER t AFTER INSERT ON x BEGIN SELECT 1; /* c */ END -- d\n /* e */ ; SELECT 3;",
    "CREATE TRIGGER t AFTER INSERT ON x BEGIN SELECT 1; END 5; SELECT 2; END; SELECT 3;",
    "CREATE /* c */ TRIGGER t AFTER INSERT ON x BEGIN SELECT 1; END; SELECT 3;",
    "CREATE TRIGGER \"end\" AFTER INSERT ON x BEGIN SELECT 1; \"END\"; END; SELECT 3;",
    "EXPLAIN CREATE TRIGGER t AFTER INSERT ON x BEGIN SELECT 1; END; SELECT 3;",
    "EXPLAIN QUERY PLAN CREATE TEMP TRIGGER t AFTER INSERT ON x BEGIN SELECT 1; END; SELECT 3;",
    "EXPLAIN SELECT 1; SELECT 2;",
    "CREATE TABLE trigger_x (a); CREATE INDEX i ON trigger_x (a); SELECT 1;",
    "CREATE VIEW v AS SELECT 1; CREATE TEMP TABLE t (a); SELECT (1; 2);",
    "TRIGGER CREATE; END; BEGIN; SELECT 1; END; COMMIT;",
};

Test(sqltext_oracle, picked_texts_are_cut_as_sqlite_cuts_them)
{
    for (size_t i = 0; i < sizeof sqlite_texts / sizeof sqlite_texts[0]; i++)
        compare_with_sqlite(sqlite_texts[i]);
}

/* ---- generated texts --------------------------------------------------- */

/* Parentheses are balanced within a fragment: libpg_query lets a stray one
 * swallow what follows, psql and we do not. */
static const char *const fragments[] = {
    "SELECT",
    "select ",
    "CREATE ",
    "TRIGGER ",
    "TEMP ",
    "EXPLAIN ",
    "BEGIN ",
    "END",
    "end ",
    "a",
    "E",
    "e",
    "_x",
    "\xC3\xA9",
    "1",
    "1.5",
    "e5",
    "$1",
    "$",
    "$$",
    "$a$",
    "$b$",
    "a$b",
    "'",
    "''",
    "'x;'",
    "E'\\''",
    "e'\\\\'",
    "'\\'",
    "\"",
    "\"q;\"",
    "[",
    "]",
    "[;]",
    "`",
    "`;`",
    "--",
    "-- c;\n",
    "-",
    "/",
    "*",
    "/*",
    "*/",
    "/* ; */",
    "/* /* ; */ */",
    "(a;b)",
    "(;)",
    ";",
    ";",
    ";",
    "; ",
    ";\n",
    " ",
    " ",
    "\n",
    "\r\n",
    "\t",
    "\\",
    ".",
    ",",
    "=",
    "::",
    "; END;",
    "CREATE TRIGGER x ",
};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void generate(uint64_t *state, char *out, size_t size)
{
    size_t tokens = 1 + next_random(state) % TOKENS_MAX;
    size_t used = 0;

    for (size_t i = 0; i < tokens; i++) {
        const char *fragment =
            fragments[next_random(state) % (sizeof fragments / sizeof fragments[0])];
        size_t len = strlen(fragment);

        cr_assert_lt(used + len, size);
        memcpy(out + used, fragment, len);
        used += len;
    }
    out[used] = '\0';
}

Test(sqltext_oracle, generated_texts_are_cut_as_postgres_cuts_them)
{
    uint64_t state = 20240126;
    size_t compared = 0;
    char text[1024];

    for (int i = 0; i < GENERATED; i++) {
        generate(&state, text, sizeof text);
        compared += compare_with_postgres(text);
    }
    cr_assert_gt(compared, GENERATED / 2, "only %zu could be compared", compared);
}

Test(sqltext_oracle, generated_texts_are_cut_as_sqlite_cuts_them)
{
    uint64_t state = 20240127;
    char text[1024];

    for (int i = 0; i < GENERATED; i++) {
        generate(&state, text, sizeof text);
        compare_with_sqlite(text);
    }
}
