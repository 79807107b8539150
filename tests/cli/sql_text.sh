#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# SQL texts that trip tools up: each works, or is refused before anything of it
# runs, with file, line, column and advice. What a migration does to its session
# ends with it. Large texts need little memory.
# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/cli/engines.sh.inc
. "$here/engines.sh.inc"

readonly FILE=20240101000001_x.up.sql
readonly MEMORY_KB=65536

# text TEXT: the one migration of a clean bundle on a clean database.
text()
{
    clean
    printf '%s' "$1" >"migrations/$FILE"
}

# works TEXT: it is applied.
works()
{
    text "$1"
    mig up
    [[ $code == 0 ]] || fail "$engine: line ${BASH_LINENO[0]}: exit code $code: $err"
    history_is 20240101000001:applied
}

# nothing_left: not even the table that the text makes.
nothing_left()
{
    local tables

    if [[ $engine == sqlite ]]; then
        tables=$(ask "SELECT name FROM sqlite_master WHERE name NOT LIKE '%mighost%' AND name NOT LIKE 'sqlite_%'" 2>&1)
    else
        tables=$(ask "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
                      AND relkind <> 'i' AND relname NOT LIKE 'mighost%'" 2>&1)
    fi
    [[ -z $tables ]] || fail "$engine: line ${BASH_LINENO[1]}: left behind: $tables"
    if [[ -n $(ask "SELECT name FROM (SELECT 'x' AS name) AS t WHERE EXISTS (SELECT 1 FROM mighost_history)" 2>/dev/null) ]]; then
        fail "$engine: line ${BASH_LINENO[1]}: the history has a row"
    fi
}

# refused PLACE TEXT WORD...: with 5, at line:column, saying each word.
refused()
{
    local place=$1

    text "$2"
    shift 2
    mig up
    [[ $code == 5 ]] || fail "$engine: line ${BASH_LINENO[0]}: exit code $code, expected 5: $err"
    for word in "$FILE:$place" "$@"; do
        [[ $err == *"$word"* ]] || fail "$engine: line ${BASH_LINENO[0]}: [$word] is not in: $err"
    done
    nothing_left
}

# fails PLACE TEXT WORD...: with 1, likewise, and clean.
fails()
{
    local place=$1

    text "$2"
    shift 2
    mig up
    [[ $code == 1 ]] || fail "$engine: line ${BASH_LINENO[0]}: exit code $code, expected 1: $err"
    for word in "$FILE:$place" "$@"; do
        [[ $err == *"$word"* ]] || fail "$engine: line ${BASH_LINENO[0]}: [$word] is not in: $err"
    done
    nothing_left
}

texts_of_both()
{
    works "CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('x; -- y /* z');
-- a comment; with a semicolon and a 'quote
/* another; one */ INSERT INTO t VALUES ('it''s; fine'), ('--'), ('/*');
INSERT INTO t SELECT 'last' WHERE 1 /* ; */ = 1"
    answer "SELECT a FROM t ORDER BY a" "-- /* it's; fine last x; -- y /* z"

    works 'CREATE TABLE "semi;colon -- x" ("a;b" INTEGER); INSERT INTO "semi;colon -- x" VALUES (1);'
    answer 'SELECT "a;b" FROM "semi;colon -- x"' 1

    works $'CREATE TABLE t (a INTEGER);;\n;\n-- nothing\n;INSERT INTO t VALUES (1);;'
    answer "SELECT a FROM t" 1

    # No line end at the end, a comment there.
    works "CREATE TABLE t (a INTEGER) -- the end"
    answer "SELECT COUNT(*) FROM t" 0

    # Byte order mark and CRLF; bytes of a literal stay.
    works $'\xef\xbb\xbfCREATE TABLE t (a TEXT);\r\nINSERT INTO t VALUES (\'one\r\ntwo\');\r\n'
    answer "SELECT length(a) FROM t" 8
    works $'\xef\xbb\xbf-- mig: mode = durable\r\nCREATE TABLE t (a TEXT);\r\nINSERT INTO t VALUES (\'\xef\xbb\xbf\');\r\n'
    answer "SELECT length(a) FROM t" 1

    works $'CREATE TABLE t (a TEXT);\nINSERT INTO t VALUES (\'\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98\');'
    answer "SELECT length(a) FROM t" 3

    works ""
    says "$FILE"
    works $'-- nothing at all\n/* to do; here */\n'
    works $'\n\n  \n;\n'

    works $'BEGIN;\nCREATE TABLE t (a INTEGER);\nINSERT INTO t VALUES (1);\nCOMMIT;\n'
    answer "SELECT a FROM t" 1
    works $'-- head\nbegin transaction ; CREATE TABLE t (a INTEGER); END -- tail'
    answer "SELECT COUNT(*) FROM t" 0
}

texts_refused()
{
    refused 2:1 $'CREATE TABLE t (a INTEGER);\nCOMMIT;\nINSERT INTO t VALUES (1);\n' COMMIT
    refused 3:1 $'BEGIN;\nCREATE TABLE t (a INTEGER);\nCOMMIT;\nBEGIN;\nCREATE TABLE u (a INTEGER);\nCOMMIT;\n' COMMIT
    refused 2:1 $'CREATE TABLE t (a INTEGER);\nROLLBACK;\n' ROLLBACK
    refused 2:1 $'CREATE TABLE t (a INTEGER);\nSAVEPOINT one;\nRELEASE one;\n' SAVEPOINT

    refused 2:23 $'CREATE TABLE t (a TEXT);\nINSERT INTO t VALUES (\'never ends);\n' "quote"
    refused 2:3 $'CREATE TABLE t (a TEXT);\n  /* never\nends\n' "comment"
    refused 1:14 $'CREATE TABLE "t (a TEXT);\n' "quote"
    clean
    printf 'CREATE TABLE t (a TEXT);\nINSERT INTO t VALUES (\x27a\0b\x27);\n' >"migrations/$FILE"
    mig up
    expect_code 5
    says "$FILE:2:25" NUL
    nothing_left
    refused 2:25 $'CREATE TABLE t (a TEXT);\nINSERT INTO t VALUES (\'a\xffb\');\n' UTF-8
    refused 2:1 $'-- mig: mode = durable\n-- mig: colour = red\nSELECT 1;\n' colour
    refused 1:1 $'-- mig: mode = quick\nSELECT 1;\n' quick
}

failures_of_both()
{
    local missing=nowhere

    fails 2:13 $'CREATE TABLE t (a INTEGER);\nINSERT INTO nowhere VALUES (1);\nINSERT INTO t VALUES (1);\n' \
        nowhere "INSERT INTO nowhere VALUES (1)" "nothing of this migration is left"
    fails 3:8 $'CREATE TABLE t (a INTEGER);\n/* more\n*/ INSRT INTO t VALUES (1);\n' INSRT
    # The next up works.
    printf 'CREATE TABLE t (a INTEGER);\n' >"migrations/$FILE"
    mig up
    expect_code 0
    history_is 20240101000001:applied
    log_is "20240101000001 up failed, 20240101000001 up applied"
    : "$missing"
}

only_postgres()
{
    works 'CREATE TABLE t (a TEXT);
INSERT INTO t VALUES ($$one; two$$), ($tag$ $$ ; '"'"' $tag$), (E'"'it\\'s; --'"');
/* outer /* inner; */ still; */ INSERT INTO t VALUES ($a1_$x$a1_$);
CREATE FUNCTION f() RETURNS INTEGER LANGUAGE plpgsql AS $body$
BEGIN
    -- a comment; here
    IF 1 = 1 THEN RETURN 1; END IF;
    RETURN 2;
END; $body$;
DO $$ BEGIN PERFORM f(); INSERT INTO t VALUES ('"'done;'"'); END $$;
CREATE FUNCTION g(x INTEGER) RETURNS INTEGER LANGUAGE sql
BEGIN ATOMIC
    SELECT 1;
    SELECT CASE WHEN x > 0 THEN x ELSE 0 END;
END;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS '"'BEGIN NEW.a := ''noted;''; RETURN NEW; END'"';
CREATE TRIGGER note BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION note();
INSERT INTO t VALUES (1);'
    answer "SELECT COUNT(*) FROM t WHERE a = 'noted;'" 1
    answer "SELECT g(7), (SELECT COUNT(*) FROM t)" "7|6"
    # The same, statement by statement.
    cp "migrations/$FILE" kept.sql
    clean
    { echo "-- mig: mode = durable"; cat kept.sql; } >"migrations/$FILE"
    mig up
    expect_code 0
    answer "SELECT g(7), (SELECT COUNT(*) FROM t)" "7|6"

    works $'CREATE TABLE t (a TEXT);\r\nCREATE FUNCTION f() RETURNS TEXT LANGUAGE sql AS $$\r\nSELECT \'a\r\nb\'\r\n$$;\r\nINSERT INTO t VALUES (f());\r\n'
    answer "SELECT length(a) FROM t" 4
    works $'CREATE TABLE t (a INTEGER, CHECK (a > 0));\nCREATE RULE r AS ON DELETE TO t DO INSTEAD (UPDATE t SET a = 1; UPDATE t SET a = 2);\nINSERT INTO t VALUES (9); DELETE FROM t;'
    answer "SELECT a FROM t" 2

    refused 2:1 $'CREATE TABLE t (a TEXT);\nCOPY t FROM stdin;\none\n\\.\n' "COPY" "INSERT"
    refused 1:1 $'\\i other.sql\nCREATE TABLE t (a TEXT);\n' "\\i" psql
    refused 2:1 $'CREATE TABLE t (a TEXT);\n\\echo hello\n' psql
    refused 1:18 $'DO LANGUAGE sql  $x$ SELECT 1;\n' "dollar"
    refused 1:1 $'/* one /* two */ never ends' "comment"
    refused 2:1 $'CREATE TABLE t (a TEXT);\nSET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\n' "SET TRANSACTION"

    fails 4:12 $'CREATE TABLE t (a INTEGER);\nINSERT INTO t VALUES (1);\nDO $$ BEGIN NULL; END $$;\nSELECT 1 + a_column_that_is_not FROM t;' a_column_that_is_not
    fails 2:1 $'CREATE TABLE t (a INTEGER);\nVACUUM t;\n' "mode = durable" VACUUM
    fails 2:1 $'CREATE TABLE t (a INTEGER);\nCREATE INDEX CONCURRENTLY i ON t (a);\n' "mode = durable"
}

only_sqlite()
{
    works "CREATE TABLE t (a TEXT); CREATE TABLE log (a TEXT);
CREATE TRIGGER noting AFTER INSERT ON t WHEN NEW.a <> ';' BEGIN
    INSERT INTO log VALUES (NEW.a); -- a comment; end;
    INSERT INTO log VALUES (CASE WHEN NEW.a = 'x' THEN 'end;' ELSE 'END' END);
END;
CREATE TEMP TRIGGER passing BEFORE DELETE ON t BEGIN SELECT RAISE(ABORT, 'no; never'); END;
INSERT INTO t VALUES ('x');
INSERT INTO t VALUES ([a;b]) -- a bracket
;" 2>/dev/null || true
    works "CREATE TABLE t (a TEXT); CREATE TABLE log (a TEXT);
CREATE TRIGGER noting AFTER INSERT ON t WHEN NEW.a <> ';' BEGIN
    INSERT INTO log VALUES (NEW.a); -- a comment; end;
    INSERT INTO log VALUES (CASE WHEN NEW.a = 'x' THEN 'end;' ELSE 'END' END);
END;
INSERT INTO t VALUES ('x');"
    answer "SELECT a FROM log" "x end;"
    cp "migrations/$FILE" kept.sql
    clean
    { echo "-- mig: mode = durable"; cat kept.sql; } >"migrations/$FILE"
    mig up
    expect_code 0
    answer "SELECT a FROM log" "x end;"

    fails 2:1 $'CREATE TABLE t (a INTEGER);\nVACUUM;\n' "mode = durable"
    text $'-- mig: mode = durable\nCREATE TABLE t (a INTEGER);\nVACUUM;\n'
    mig up
    expect_code 0
    fails 2:1 $'CREATE TABLE t (a INTEGER);\nATTACH \'other.db\' AS other;\n' ATTACH
}

for each in $(engines); do
    fresh "$each"
    texts_of_both
    texts_refused
    failures_of_both
    "only_$each"
done
finish
