/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading SQL text: what a statement is, what a file may hold, where a fault
 * is said to be, and that the size of a file, a line or a statement costs time
 * in proportion and no memory beyond the longest statement.
 */
#include "lexing.h"
#include "sha256.h"
#include "support.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#define MEGABYTE ((size_t)1024 * 1024)

static struct mig_err err;

static struct sql_source source_of(const char *text)
{
    return (struct sql_source){
        .name = "x.up.sql", .data = text, .fd = -1, .len = (int64_t)strlen(text)};
}

static struct sql_source file_of(const char *path)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    cr_assert_geq(fd, 0);
    cr_assert_eq(fstat(fd, &info), 0);
    return (struct sql_source){.name = "x.up.sql", .fd = fd, .len = (int64_t)info.st_size};
}

/* The statements, each in angle brackets. */
static const char *statements(const char *text, uint32_t lexis)
{
    AUTO(sql_reader) struct sql_reader *reader = NULL;
    struct sql_source source = source_of(text);
    struct sql_statement statement;
    const char *all = "";
    mig_status status;

    cr_assert_eq(sql_reader_open(&source, lexis, &reader, &err), MIG_OK);
    while ((status = sql_reader_next(reader, &statement, &err)) == MIG_ROW)
        all = test_format("%s<%.*s>", all, (int)statement.len, statement.text);
    cr_assert_eq(status, MIG_OK, "%s", err.message);
    return all;
}

#define assert_statements(lexis, text, expected) cr_assert_str_eq(statements(text, lexis), expected)

static struct sql_facts facts_of(const char *text, uint32_t lexis)
{
    struct sql_source source = source_of(text);
    struct sql_facts facts;

    cr_assert_eq(sqltext_check(&source, lexis, &facts, &err), MIG_OK, "%s: %s", text, err.message);
    return facts;
}

static void assert_refused(const char *text, uint32_t lexis, const char *where, const char *says)
{
    struct sql_source source = source_of(text);
    struct sql_facts facts;

    cr_assert_eq(sqltext_check(&source, lexis, &facts, &err), MIG_E_BUNDLE, "taken: %s", text);
    cr_assert_str_eq(err.where, test_format("x.up.sql:%s", where), "%s is not at %s: %s", text,
                     where, err.where);
    cr_assert_not_null(strstr(err.message, says), "\"%s\" says no \"%s\"", err.message, says);
}

static const char *hex_of(const unsigned char digest[32])
{
    char hex[MIG_SHA256_HEX];

    sha256_hex(digest, hex);
    return test_format("%s", hex);
}

/* ---- statements -------------------------------------------------------- */

Test(sqltext, a_statement_has_neither_its_semicolon_nor_what_surrounds_it)
{
    assert_statements(LEX_SQLITE, " -- a\n /* b */ SELECT 1 ; \n\tSELECT  2\n;\n",
                      "<SELECT 1><SELECT  2>");
}

Test(sqltext, comments_inside_of_a_statement_stay_and_those_behind_it_go)
{
    assert_statements(LEX_POSTGRES, "SELECT /* a */ 1 -- b\n + 2 -- c\n /* d */ ; SELECT 3 -- e",
                      "<SELECT /* a */ 1 -- b\n + 2><SELECT 3>");
}

Test(sqltext, the_last_semicolon_may_be_missing)
{
    assert_statements(LEX_SQLITE, "SELECT 1; SELECT 2", "<SELECT 1><SELECT 2>");
}

Test(sqltext, an_empty_statement_is_none)
{
    assert_statements(LEX_SQLITE, ";; SELECT 1;; ; -- c\n;", "<SELECT 1>");
    cr_assert_eq(facts_of("", LEX_SQLITE).statements, 0);
    cr_assert_eq(facts_of("-- only\n/* comments */\n", LEX_POSTGRES).statements, 0);
}

Test(sqltext, semicolons_in_quotes_end_nothing)
{
    assert_statements(LEX_POSTGRES,
                      "SELECT 'a;''b', \"c;\"\"d\", E'e\\';', $$f;$$, $g$;$$;$g$; SELECT 2",
                      "<SELECT 'a;''b', \"c;\"\"d\", E'e\\';', $$f;$$, $g$;$$;$g$><SELECT 2>");
    assert_statements(LEX_SQLITE, "SELECT 'a;''b', [c;d], `e;f`; SELECT '\\'; SELECT 3",
                      "<SELECT 'a;''b', [c;d], `e;f`><SELECT '\\'><SELECT 3>");
}

Test(sqltext, a_dollar_behind_a_word_begins_no_quote)
{
    assert_statements(LEX_POSTGRES, "SELECT a$b$c; SELECT \xC3\xA9$$; SELECT $1; SELECT $1$$;$$",
                      "<SELECT a$b$c><SELECT \xC3\xA9$$><SELECT $1><SELECT $1$$;$$>");
}

Test(sqltext, an_escape_string_goes_on_in_the_next_line)
{
    assert_statements(LEX_POSTGRES, "SELECT E'a' -- c\n  'b\\';'; SELECT E'a' 'b\\'; SELECT 3",
                      "<SELECT E'a' -- c\n  'b\\';'><SELECT E'a' 'b\\'><SELECT 3>");
}

Test(sqltext, comments_nest_where_the_engine_nests_them)
{
    assert_statements(LEX_POSTGRES, "/* /* */ ; */ SELECT 1", "<SELECT 1>");
    assert_statements(LEX_SQLITE, "/* /* */ SELECT 1; SELECT 2", "<SELECT 1><SELECT 2>");
}

Test(sqltext, a_rule_with_several_actions_is_one_statement)
{
    assert_statements(LEX_POSTGRES,
                      "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3",
                      "<CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)><SELECT 3>");
}

Test(sqltext, a_function_with_an_atomic_body_is_one_statement)
{
    const char *body = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 "
                       "END; SELECT 2 AS end; SELECT t.end FROM t; END";

    assert_statements(LEX_POSTGRES, test_format("%s; SELECT 3", body),
                      test_format("<%s><SELECT 3>", body));
    body = "create or replace procedure p(begin atomic) begin atomic select 1; end";
    assert_statements(LEX_POSTGRES, test_format("%s; SELECT 3", body),
                      test_format("<%s><SELECT 3>", body));
}

Test(sqltext, a_function_with_a_quoted_body_is_one_statement)
{
    assert_statements(LEX_POSTGRES, "CREATE FUNCTION f() AS $$ BEGIN; END; $$; SELECT 1",
                      "<CREATE FUNCTION f() AS $$ BEGIN; END; $$><SELECT 1>");
}

Test(sqltext, a_trigger_is_one_statement)
{
    const char *trigger = "CREATE TEMP TRIGGER t AFTER INSERT ON x BEGIN SELECT CASE 1 WHEN 1 THEN "
                          "2 END; UPDATE x SET a = 'END;'; END";

    assert_statements(LEX_SQLITE, test_format("%s; SELECT 3", trigger),
                      test_format("<%s><SELECT 3>", trigger));
    assert_statements(LEX_SQLITE, trigger, test_format("<%s>", trigger));
}

Test(sqltext, a_byte_order_mark_belongs_to_no_statement)
{
    struct sql_source source = source_of("\xEF\xBB\xBFSELECT 1; SELECT 2");
    AUTO(sql_reader) struct sql_reader *reader = NULL;
    struct sql_statement statement;

    cr_assert_eq(sql_reader_open(&source, LEX_SQLITE, &reader, &err), MIG_OK);
    cr_assert_eq(sql_reader_next(reader, &statement, &err), MIG_ROW);
    cr_assert_eq(statement.offset, 3);
    cr_assert_eq(statement.column, 1);
}

Test(sqltext, places_count_lines_and_characters)
{
    struct sql_source source =
        source_of("SELECT 1;\r\n\n  /* \xC3\xA9\xC3\xA9 */ SELECT 2; SELECT 3");
    AUTO(sql_reader) struct sql_reader *reader = NULL;
    struct sql_statement statement;

    cr_assert_eq(sql_reader_open(&source, LEX_SQLITE, &reader, &err), MIG_OK);
    cr_assert_eq(sql_reader_next(reader, &statement, &err), MIG_ROW);
    cr_assert(statement.line == 1 && statement.column == 1 && statement.offset == 0);
    cr_assert_eq(sql_reader_next(reader, &statement, &err), MIG_ROW);
    cr_assert(statement.line == 3 && statement.column == 12);
    cr_assert_eq(sql_reader_next(reader, &statement, &err), MIG_ROW);
    cr_assert(statement.line == 3 && statement.column == 22);
    cr_assert_eq(sql_reader_next(reader, &statement, &err), MIG_OK);
}

Test(sqltext, a_glance_reads_the_header_by_the_rules_of_the_engine)
{
    const char *text = "-- a lone carriage return\r-- mig: mode = none\nSELECT 1;\n";
    const struct sql_source source = {
        .name = "x.sql", .data = text, .fd = -1, .len = (int64_t)strlen(text)};
    struct sql_facts facts;

    cr_assert_eq(sqltext_glance(&source, LEX_SQLITE, &facts, &err), MIG_OK);
    cr_assert_not(facts.settings.has_mode);
    cr_assert_eq(sqltext_glance(&source, LEX_POSTGRES, &facts, &err), MIG_OK);
    cr_assert_eq(facts.settings.mode, MIG_NONE);
}

Test(sqltext, a_statement_in_a_text_is_found_by_its_number)
{
    const char *text = "SELECT 1; /* c */ SELECT 2;\nSELECT 3";
    size_t len = strlen(text);

    cr_assert_eq(sqltext_statement_offset(text, len, LEX_SQLITE, 0), 0);
    cr_assert_eq(sqltext_statement_offset(text, len, LEX_SQLITE, 1), 18);
    cr_assert_eq(sqltext_statement_offset(text, len, LEX_SQLITE, 2), 28);
    cr_assert_eq(sqltext_statement_offset(text, len, LEX_SQLITE, 3), len);
}

Test(sqltext, a_statement_may_begin_with_what_a_file_may_begin_with)
{
    const char *text = "\xEF\xBB\xBFx 1; SELECT 2"; /* U+FEFF, here of a name */

    cr_assert_eq(sqltext_statement_offset(text, strlen(text), LEX_SQLITE, 0), 0);
    cr_assert_eq(sqltext_statement_offset(text, strlen(text), LEX_SQLITE, 1), 8);
}

/* ---- kinds ------------------------------------------------------------- */

static enum sql_class class_of(const char *text, uint32_t lexis)
{
    struct cuts cuts;

    cut_text(text, strlen(text), lexis, SIZE_MAX, &cuts);
    assert_resumes(text, strlen(text), lexis, &cuts);
    cr_assert_eq(cuts.count, 1, "%s", text);
    return cuts.items[0].class;
}

Test(sqltext, kinds_of_statements_show_in_their_first_words)
{
    static const struct {
        const char *text;
        enum sql_class class;
    } cases[] = {
        {"BEGIN", SQL_BEGIN},
        {"begin work", SQL_BEGIN},
        {"Begin /* c */ Transaction", SQL_BEGIN},
        {"BEGIN IMMEDIATE", SQL_BEGIN},
        {"BEGIN EXCLUSIVE TRANSACTION", SQL_BEGIN},
        {"START TRANSACTION", SQL_BEGIN},
        {"BEGIN ISOLATION LEVEL SERIALIZABLE", SQL_CONTROL},
        {"START TRANSACTION READ ONLY", SQL_CONTROL},
        {"COMMIT", SQL_COMMIT},
        {"END TRANSACTION", SQL_COMMIT},
        {"END", SQL_COMMIT},
        {"COMMIT AND CHAIN", SQL_CONTROL},
        {"COMMIT PREPARED 'x'", SQL_CONTROL},
        {"ROLLBACK", SQL_CONTROL},
        {"ROLLBACK TO s", SQL_CONTROL},
        {"ABORT", SQL_CONTROL},
        {"SAVEPOINT s", SQL_CONTROL},
        {"RELEASE s", SQL_CONTROL},
        {"PREPARE TRANSACTION 'x'", SQL_CONTROL},
        {"PREPARE p AS SELECT 1", SQL_PLAIN},
        {"SET TRANSACTION READ ONLY", SQL_CONTROL},
        {"SET LOCAL TRANSACTION READ ONLY", SQL_CONTROL},
        {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", SQL_CONTROL},
        {"SET LOCAL lock_timeout = 0", SQL_PLAIN},
        {"SET transaction_isolation = 'serializable'", SQL_PLAIN},
        {"COPY t FROM stdin", SQL_COPY},
        {"copy t (a, b) from STDIN with (format csv)", SQL_COPY},
        {"COPY t FROM 'stdin'", SQL_PLAIN},
        {"COPY (SELECT a FROM stdin) TO '/tmp/x'", SQL_PLAIN},
        {"\\i other.sql", SQL_META},
        {"SELECT 1 \\gexec", SQL_META},
        {".read other.sql", SQL_META},
        {"DO $$ BEGIN COMMIT; END $$", SQL_PLAIN},
        {"SELECT 'BEGIN'", SQL_PLAIN},
        {"\"BEGIN\" x", SQL_PLAIN},
        {"BEGINNING", SQL_PLAIN},
        {"BEGIN; ", SQL_BEGIN},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_assert_eq(class_of(cases[i].text, LEX_POSTGRES), cases[i].class, "%s", cases[i].text);
}

/* ---- what a file may hold ---------------------------------------------- */

Test(sqltext, a_wholly_wrapped_text_is_taken_and_its_wrapping_not_counted)
{
    struct sql_facts facts =
        facts_of("-- c\nBEGIN;\nSELECT 1;\nSELECT 2;\nCOMMIT;\n-- d\n", LEX_POSTGRES);

    cr_assert(facts.wrapped);
    cr_assert_eq(facts.statements, 2);
    cr_assert(facts_of("BEGIN TRANSACTION; END;", LEX_SQLITE).wrapped);
    cr_assert_not(facts_of("SELECT 1", LEX_SQLITE).wrapped);
}

Test(sqltext, settings_may_stand_around_the_wrapping)
{
    const char *recipe = "PRAGMA foreign_keys = OFF;\nbegin;\nSELECT 1;\nCOMMIT;\n"
                         "pragma foreign_keys = ON;";
    struct sql_facts facts = facts_of(recipe, LEX_SQLITE);

    cr_assert(facts.wrapped);
    cr_assert_eq(facts.statements, 3);
    cr_assert(facts_of("SET lock_timeout = 0; RESET ROLE; BEGIN; COMMIT", LEX_POSTGRES).wrapped);
    cr_assert_not(facts_of("PRAGMA a = 1; SELECT 1", LEX_SQLITE).wrapped);
    assert_refused("PRAGMA a = 1;\nSELECT 1;\nBEGIN;\nCOMMIT;", LEX_SQLITE, "3:1", "BEGIN");
    assert_refused("BEGIN;\nPRAGMA a = 1;\nBEGIN;\nCOMMIT;", LEX_SQLITE, "3:1", "BEGIN");
    assert_refused("BEGIN; COMMIT; SET a = 1;\nSELECT 1;", LEX_POSTGRES, "1:8", "COMMIT");
    assert_refused("BEGIN; COMMIT; SET a = 1;\nBEGIN; COMMIT;", LEX_POSTGRES, "1:8", "COMMIT");
}

Test(sqltext, transaction_control_anywhere_else_is_refused_with_its_line)
{
    assert_refused("SELECT 1;\nBEGIN;\nSELECT 2;\nCOMMIT;", LEX_SQLITE, "2:1", "remove BEGIN");
    assert_refused("SELECT 1;\n COMMIT;", LEX_SQLITE, "2:2", "COMMIT");
    assert_refused("BEGIN; SELECT 1; COMMIT;\nSELECT 2", LEX_SQLITE, "1:18", "COMMIT");
    assert_refused("BEGIN; SELECT 1; COMMIT;\nBEGIN; SELECT 2; COMMIT", LEX_SQLITE, "1:18",
                   "COMMIT");
    assert_refused("BEGIN;\nSELECT 1;", LEX_SQLITE, "1:1", "BEGIN");
    assert_refused("BEGIN;\nSAVEPOINT a;\nCOMMIT", LEX_SQLITE, "2:1", "host");
    assert_refused("SELECT 1;\n\n  ROLLBACK;", LEX_POSTGRES, "3:3", "mode = none");
    assert_refused("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", LEX_POSTGRES, "1:1", "host");
}

Test(sqltext, a_wrapped_text_cannot_be_durable)
{
    assert_refused("-- mig: mode = durable\nBEGIN; SELECT 1; COMMIT;", LEX_SQLITE, "2:1",
                   "durable");
    cr_assert(facts_of("-- mig: mode = atomic\nBEGIN; SELECT 1; COMMIT;", LEX_SQLITE).wrapped);
}

Test(sqltext, begin_in_a_body_is_no_transaction_control)
{
    facts_of("CREATE TRIGGER t AFTER INSERT ON x BEGIN SELECT 1; END;", LEX_SQLITE);
    facts_of("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END;", LEX_POSTGRES);
    facts_of("DO $$ BEGIN NULL; END $$;", LEX_POSTGRES);
}

Test(sqltext, rows_from_the_client_are_refused)
{
    assert_refused("SELECT 1;\nCOPY t FROM stdin;\n1\t2\n\\.\n", LEX_POSTGRES, "2:1", "INSERT");
    assert_refused("SELECT 1;\nCOPY t FROM stdin;\n1\t2\n\\.\n", LEX_SQLITE, "2:1", "INSERT");
    assert_refused("SELECT 1;\n\\i other.sql\n", LEX_SQLITE, "2:1", "psql");
}

Test(sqltext, commands_of_a_shell_are_refused)
{
    assert_refused("SELECT 1;\n\\i other.sql\n", LEX_POSTGRES, "2:1", "psql");
    assert_refused("SELECT 1;\n.read other.sql\nSELECT 'open", LEX_SQLITE, "2:1", "sqlite3");
}

Test(sqltext, what_is_never_closed_is_refused_where_it_begins)
{
    assert_refused("SELECT 1;\nSELECT 'a;\n", LEX_SQLITE, "2:8", "string");
    assert_refused("SELECT 1;\n  SELECT \"a;\n", LEX_SQLITE, "2:10", "quoted name");
    assert_refused("SELECT [a;\n", LEX_SQLITE, "1:8", "quoted name");
    assert_refused("SELECT 1;\n/* a\n", LEX_SQLITE, "2:1", "comment");
    assert_refused("SELECT 1;\nSELECT $a$ ;\n$b$", LEX_POSTGRES, "2:8", "dollar quote");
    assert_refused("SELECT E'a\\'", LEX_POSTGRES, "1:9", "string");
}

Test(sqltext, a_nul_byte_is_refused_with_its_place)
{
    struct sql_source source = {
        .name = "x.up.sql", .data = "SELECT 1;\nSEL\0ECT", .fd = -1, .len = 17};
    struct sql_facts facts;

    cr_assert_eq(sqltext_check(&source, LEX_SQLITE, &facts, &err), MIG_E_BUNDLE);
    cr_assert_str_eq(err.where, "x.up.sql:2:4");
}

Test(sqltext, what_is_not_utf_8_is_refused_with_its_place)
{
    static const char *const bad[] = {"\xFF",         "\xC0\xAF",         "\x80",  "\xE0\x80\x80",
                                      "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xC3 ", "\xE2\x82"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_refused(test_format("SELECT 1;\nSELECT '\xC3\xA9 %s", bad[i]), LEX_SQLITE, "2:11",
                       "UTF-8");
    facts_of("SELECT '\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF'", LEX_SQLITE);
}

Test(sqltext, a_fault_shows_its_line_escaped_and_cut)
{
    assert_refused("SELECT 1;\nROLLBACK \x1B;\nSELECT 2", LEX_SQLITE, "2:1", "ROLLBACK \\x1B;");
    assert_refused(test_format("%0200d; ROLLBACK; %0200d", 1, 2), LEX_SQLITE, "1:203",
                   "0001; ROLLBACK; 000");
    cr_assert_lt(strlen(err.message), 700);
}

/* ---- the header -------------------------------------------------------- */

Test(sqltext, the_header_sets_what_it_says)
{
    struct sql_settings settings = facts_of("-- a comment\n"
                                            "-- mig: mode = durable\r\n"
                                            "--mig:phase=contract\n"
                                            "/* b */ -- mig: gate = \"app 2.3 is live\"\n"
                                            "-- mig: foreign_keys = on\n"
                                            "-- mig: lock_timeout = 5s\n"
                                            "-- mig: statement_timeout = 0\n"
                                            "SELECT 1",
                                            LEX_SQLITE)
                                       .settings;

    cr_assert_eq(settings.mode, MIG_DURABLE);
    cr_assert(settings.has_mode);
    cr_assert_str_eq(settings.phase, "contract");
    cr_assert_str_eq(settings.gate, "app 2.3 is live");
    cr_assert(settings.foreign_keys);
    cr_assert_eq(settings.lock_timeout_ms, 5000);
    cr_assert_eq(settings.statement_timeout_ms, 0);
}

Test(sqltext, without_a_header_all_is_as_usual)
{
    struct sql_settings settings = facts_of("SELECT 1", LEX_SQLITE).settings;

    cr_assert_eq(settings.mode, MIG_ATOMIC);
    cr_assert_not(settings.has_mode);
    cr_assert_not(settings.foreign_keys);
    cr_assert_eq(settings.lock_timeout_ms, -1);
    cr_assert_eq(settings.statement_timeout_ms, -1);
    cr_assert_str_empty(settings.phase);
    cr_assert_str_empty(settings.gate);
}

Test(sqltext, a_wrong_header_line_is_refused_with_its_place)
{
    assert_refused("-- mig: mod = durable\n", LEX_SQLITE, "1:1", "mode, phase, gate, foreign_keys");
    assert_refused("SELECT 1;\n-- mig: mode = none\n", LEX_SQLITE, "2:1", "top");
    assert_refused("SELECT 1\n  -- mig: mode = none\n", LEX_SQLITE, "2:3", "top");
    assert_refused("-- mig: mode = none\n-- mig: mode = none", LEX_SQLITE, "2:1", "twice");
    assert_refused("-- mig: mode = fast", LEX_SQLITE, "1:1", "atomic, durable or none");
    assert_refused("-- mig: lock_timeout = 5", LEX_SQLITE, "1:1", "5s");
    assert_refused("-- mig: foreign_keys = yes", LEX_SQLITE, "1:1", "on or off");
    assert_refused("-- mig: include x", LEX_SQLITE, "1:1", "key = value");
    assert_refused("-- mig: include = x", LEX_SQLITE, "1:1", "include");
}

Test(sqltext, a_header_word_in_a_string_is_none)
{
    facts_of("SELECT '\n-- mig: foo = bar\n'", LEX_SQLITE);
    facts_of("-- see mig: foo = bar\nSELECT 1", LEX_SQLITE);
}

Test(sqltext, a_glance_reads_the_header_and_no_further)
{
    struct sql_source source = source_of("-- mig: mode = none\nSELECT 'never closed");
    struct sql_facts facts;

    cr_assert_eq(sqltext_glance(&source, LEX_POSTGRES, &facts, &err), MIG_OK);
    cr_assert_eq(facts.settings.mode, MIG_NONE);
    cr_assert_eq(facts.statements, 1);
    source = source_of("-- nothing\n");
    cr_assert_eq(sqltext_glance(&source, LEX_POSTGRES, &facts, &err), MIG_OK);
    cr_assert_eq(facts.statements, 0);
    source = source_of("-- mig: what = none\n");
    cr_assert_eq(sqltext_glance(&source, LEX_POSTGRES, &facts, &err), MIG_E_BUNDLE);
    cr_assert_str_eq(err.where, "x.up.sql:1:1");
}

/* ---- the checksum ------------------------------------------------------ */

Test(sqltext, the_checksum_is_that_of_sha256sum)
{
    cr_assert_str_eq(hex_of(facts_of("SELECT 1;\n", LEX_SQLITE).checksum),
                     "b4e0497804e46e0a0b0b8c31975b062152d551bac49c3c2e80932567b4085dcd");
}

Test(sqltext, line_ends_and_byte_order_mark_do_not_change_the_checksum)
{
    const char *plain = hex_of(facts_of("SELECT 1;\n\nSELECT 2;\n", LEX_SQLITE).checksum);

    cr_assert_str_eq(hex_of(facts_of("SELECT 1;\r\n\r\nSELECT 2;\r\n", LEX_SQLITE).checksum),
                     plain);
    cr_assert_str_eq(
        hex_of(facts_of("\xEF\xBB\xBFSELECT 1;\n\r\nSELECT 2;\n", LEX_SQLITE).checksum), plain);
    cr_assert_str_neq(hex_of(facts_of("SELECT 1;\n\rSELECT 2;\n", LEX_SQLITE).checksum), plain);
    cr_assert_str_neq(hex_of(facts_of("SELECT 1;\n\nSELECT 2;\n\r", LEX_SQLITE).checksum), plain);
}

Test(sqltext, check_glance_and_reader_agree_on_the_checksum_of_a_large_file)
{
    char *text = malloc(3 * MEGABYTE);
    unsigned char checksum[32];
    struct sql_facts checked;
    struct sql_facts glanced;
    AUTO(sql_reader) struct sql_reader *reader = NULL;
    struct sql_source source;
    struct sql_chunk chunk;
    size_t len = 0;

    for (int i = 0; len < 2 * MEGABYTE; i++)
        len += (size_t)snprintf(text + len, 100, "SELECT %d, '\r \xC3\xA9';\r\n", i);
    source = file_of(test_write_bytes(test_folder(), "x.sql", text, len));
    cr_assert_eq(sqltext_check(&source, LEX_SQLITE, &checked, &err), MIG_OK, "%s", err.message);
    cr_assert_eq(sqltext_glance(&source, LEX_POSTGRES, &glanced, &err), MIG_OK);
    cr_assert_arr_eq(checked.checksum, glanced.checksum, 32);
    cr_assert_eq(sql_reader_open(&source, LEX_SQLITE, &reader, &err), MIG_OK);
    cr_assert_eq(sql_reader_checksum(reader, checksum, &err), MIG_E_MISUSE);
    while (sql_reader_chunk(reader, 65536, &chunk, &err) == MIG_ROW)
        continue;
    cr_assert_eq(sql_reader_checksum(reader, checksum, &err), MIG_OK);
    cr_assert_arr_eq(checked.checksum, checksum, 32);
    close(source.fd);
    free(text);
}

/* ---- chunks ------------------------------------------------------------ */

static const char *chunks(const char *text, size_t max)
{
    AUTO(sql_reader) struct sql_reader *reader = NULL;
    struct sql_source source = source_of(text);
    struct sql_chunk chunk;
    const char *all = "";
    mig_status status;

    cr_assert_eq(sql_reader_open(&source, LEX_SQLITE, &reader, &err), MIG_OK);
    while ((status = sql_reader_chunk(reader, max, &chunk, &err)) == MIG_ROW) {
        cr_assert_arr_eq(text + chunk.offset, chunk.text, chunk.len);
        all = test_format("%s%zu<%.*s>", all, chunk.statements, (int)chunk.len, chunk.text);
    }
    cr_assert_eq(status, MIG_OK, "%s", err.message);
    return all;
}

Test(sqltext, chunks_hold_as_many_statements_as_fit)
{
    const char *text = "SELECT 1; /* c */ SELECT 2;\nSELECT 3";

    cr_assert_str_eq(chunks(text, 1000), "3<SELECT 1; /* c */ SELECT 2;\nSELECT 3>");
    cr_assert_str_eq(chunks(text, 30), "2<SELECT 1; /* c */ SELECT 2;>1<SELECT 3>");
    cr_assert_str_eq(chunks(text, 1), "1<SELECT 1;>1<SELECT 2;>1<SELECT 3>");
    cr_assert_str_eq(chunks("-- nothing", 1), "");
}

Test(sqltext, chunks_leave_the_wrapping_out)
{
    cr_assert_str_eq(chunks("BEGIN; SELECT 1; SELECT 2; COMMIT; -- c", 1000),
                     "2<SELECT 1; SELECT 2;>");
    cr_assert_str_eq(chunks("BEGIN; COMMIT", 1000), "");
    cr_assert_str_eq(chunks("SET a = 1; BEGIN; SELECT 1; COMMIT; SET b = 2", 1000),
                     "1<SET a = 1;>1<SELECT 1;>1<SET b = 2>");
}

/* "first:count" of each chunk. */
static const char *chunk_numbers(const char *text, size_t max)
{
    AUTO(sql_reader) struct sql_reader *reader = NULL;
    struct sql_source source = source_of(text);
    struct sql_chunk chunk;
    const char *all = "";

    cr_assert_eq(sql_reader_open(&source, LEX_SQLITE, &reader, &err), MIG_OK);
    while (sql_reader_chunk(reader, max, &chunk, &err) == MIG_ROW)
        all = test_format("%s%zu:%zu ", all, chunk.first, chunk.statements);
    return all;
}

Test(sqltext, statements_are_numbered_as_they_stand_in_the_text)
{
    const char *wrapped = "BEGIN; SELECT 1; SELECT 2; COMMIT; SET a = 1";

    cr_assert_str_eq(chunk_numbers("SELECT 1; SELECT 2; SELECT 3", 1000), "1:3 ");
    cr_assert_str_eq(chunk_numbers("SELECT 1; SELECT 2; SELECT 3", 20), "1:2 3:1 ");
    cr_assert_str_eq(chunk_numbers(wrapped, 1000), "2:2 5:1 ");
    cr_assert_str_eq(chunk_numbers(wrapped, 1), "2:1 3:1 5:1 ");
}

Test(sqltext, the_statement_at_a_byte_is_found)
{
    const char *text = " SELECT 1; /* c */ SELECT 'a;b' ; SELECT ( ";
    static const struct {
        size_t offset;
        size_t index;
    } places[] = {{0, 0}, {1, 0}, {10, 0}, {19, 1}, {27, 1}, {34, 2}, {43, 2}};

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        cr_assert_eq(sqltext_statement_index(text, strlen(text), LEX_SQLITE, places[i].offset),
                     places[i].index, "at %zu", places[i].offset);
}

Test(sqltext, a_chunk_never_holds_transaction_control)
{
    AUTO(sql_reader) struct sql_reader *reader = NULL;
    struct sql_source source = source_of("SELECT 1; COMMIT; SELECT 2");
    struct sql_chunk chunk;

    cr_assert_eq(sql_reader_open(&source, LEX_SQLITE, &reader, &err), MIG_OK);
    cr_assert_eq(sql_reader_chunk(reader, 1000, &chunk, &err), MIG_E_BUNDLE);
}

/* ---- large texts ------------------------------------------------------- */

static double cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Reads it all by statements and by chunks; both must see `count`. */
static void assert_reads(const struct sql_source *source, uint32_t lexis, size_t count)
{
    struct sql_facts facts;
    struct sql_statement statement;
    struct sql_chunk chunk;
    AUTO(sql_reader) struct sql_reader *single = NULL;
    AUTO(sql_reader) struct sql_reader *chunked = NULL;
    size_t seen = 0;

    cr_assert_eq(sqltext_check(source, lexis, &facts, &err), MIG_OK, "%s", err.message);
    cr_assert_eq(facts.statements, count);
    cr_assert_eq(sql_reader_open(source, lexis, &single, &err), MIG_OK);
    while (sql_reader_next(single, &statement, &err) == MIG_ROW)
        seen++;
    cr_assert_eq(seen, count);
    cr_assert_eq(sql_reader_open(source, lexis, &chunked, &err), MIG_OK);
    for (seen = 0; sql_reader_chunk(chunked, 65536, &chunk, &err) == MIG_ROW;)
        seen += chunk.statements;
    cr_assert_eq(seen, count);
}

/* `pieces` times `piece` between `front` and `back`, in a file. */
static struct sql_source repeated(const char *front, const char *piece, size_t pieces,
                                  const char *back)
{
    char *path = test_write(test_folder(), "large.sql", front);
    FILE *file = fopen(path, "a");

    for (size_t i = 0; i < pieces; i++)
        fputs(piece, file);
    fputs(back, file);
    fclose(file);
    return file_of(path);
}

/* Far more than it takes, and far less than a quadratic reader would. */
#define CPU_LIMIT 8.0

Test(sqltext, large_texts_take_time_in_proportion)
{
    static const struct {
        const char *front;
        const char *piece;
        size_t pieces;
        const char *back;
        size_t statements;
    } cases[] = {
        {"", "SELECT 1;", 100000, "", 100000},
        {"", "SELECT 'a;b', \"c\" FROM t; -- d\n", 150000, "", 150000},
        {"SELECT '", "xxxxxxxxxxxxxxxx", 327680, "'", 1},
        {"SELECT '", "''", 2500000, "'", 1},
        {"SELECT ", "1, ", 1500000, "2", 1},
        {"SELECT ", "a$b$", 1250000, "c", 1},
        {"SELECT $q$", "$r$", 1500000, "$q$", 1},
        {"SELECT $q$", "$", 2500000, "$q$", 1},
        {"SELECT E'a'", "\n 'b'", 500000, "", 1},
        {"SELECT E'a'\n", "- ", 1000000, "'b'", 1},
        {"SELECT 1", "/* c */ ", 500000, "", 1},
        {"SELECT 1", "-- c\n", 750000, "", 1},
        {"/*", "/* */", 750000, "*/ SELECT 1", 1},
        {"", "/* c */ -- d\n", 350000, "SELECT 1", 1},
        {"", "; ", 1000000, "SELECT 1", 1},
        {"SELECT ", "(", 2500000, "", 1},
        {"CREATE FUNCTION f() BEGIN ATOMIC ", "SELECT CASE a WHEN 1 THEN 2 END;", 100000, "END", 1},
        {"CREATE FUNCTION f() ", "begin ", 500000, "", 1},
        {"COPY ", "from ", 500000, "", 1},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sql_source source =
            repeated(cases[i].front, cases[i].piece, cases[i].pieces, cases[i].back);
        double began = cpu_seconds();

        assert_reads(&source, LEX_POSTGRES, cases[i].statements);
        cr_assert_lt(cpu_seconds() - began, CPU_LIMIT, "case %zu", i);
        close(source.fd);
    }
}

Test(sqltext, memory_is_bounded_by_the_longest_statement)
{
    struct sql_source source =
        repeated("", "INSERT INTO users VALUES (1, 'a', 'a@example.com');\n", 1000000, "");
    struct rusage before;
    struct rusage after;

    getrusage(RUSAGE_SELF, &before);
    assert_reads(&source, LEX_POSTGRES, 1000000);
    getrusage(RUSAGE_SELF, &after);
    cr_assert_lt(after.ru_maxrss - before.ru_maxrss, 8 * 1024, "%ld KB more",
                 after.ru_maxrss - before.ru_maxrss);
    close(source.fd);
}

Test(sqltext, statements_at_every_edge_of_the_window_are_whole)
{
    for (size_t fill = 262144 - 40; fill < 262144 + 4; fill++) {
        char *front = malloc(fill + 1);
        struct sql_source source;
        AUTO(sql_reader) struct sql_reader *reader = NULL;
        struct sql_statement statement;

        memset(front, ' ', fill);
        front[fill] = '\0';
        source = repeated(front, "", 0,
                          "SELECT 'a\xC3\xA9', $x$;$x$ -- \xE2\x82\xAC\n, E'\\''; SELECT 2");
        cr_assert_eq(sql_reader_open(&source, LEX_POSTGRES, &reader, &err), MIG_OK);
        cr_assert_eq(sql_reader_next(reader, &statement, &err), MIG_ROW, "%s", err.message);
        cr_assert_eq(statement.offset, (int64_t)fill);
        cr_assert_eq(statement.len,
                     strlen("SELECT 'a\xC3\xA9', $x$;$x$ -- \xE2\x82\xAC\n, E'\\''"));
        cr_assert_eq(statement.column, fill + 1);
        cr_assert_eq(sql_reader_next(reader, &statement, &err), MIG_ROW);
        cr_assert_eq(sql_reader_next(reader, &statement, &err), MIG_OK);
        close(source.fd);
        free(front);
    }
}

Test(sqltext, a_file_that_shrinks_is_noticed)
{
    struct sql_source source = file_of(test_write(test_folder(), "x.sql", "SELECT 1;"));
    struct sql_facts facts;

    source.len = 100;
    cr_assert_eq(sqltext_check(&source, LEX_SQLITE, &facts, &err), MIG_E_BUNDLE);
    close(source.fd);
}

Test(sqltext, a_part_of_a_file_is_a_text_of_its_own)
{
    struct sql_source source = file_of(test_write(test_folder(), "x.so",
                                                  "\x7F"
                                                  "ELF\xFFSELECT 1;\nROLLBACK;\xFF"));
    struct sql_facts facts;

    source.offset = 5;
    source.len = 9;
    cr_assert_eq(sqltext_check(&source, LEX_SQLITE, &facts, &err), MIG_OK, "%s", err.message);
    cr_assert_eq(facts.statements, 1);
    source.len = 19;
    cr_assert_eq(sqltext_check(&source, LEX_SQLITE, &facts, &err), MIG_E_BUNDLE);
    cr_assert_str_eq(err.where, "x.up.sql:2:1");
    close(source.fd);
}
