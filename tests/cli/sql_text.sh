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
readonly MEMORY_KB=65536    # for a file of any size
readonly STATEMENT_KB=98304 # where one statement is 10 MB: text, value and the driver's copy

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

# nothing_left: not even the table that the text makes, nor a row in the
# history. (Where nothing at all was begun, there is no history either.)
nothing_left()
{
    local found

    if [[ $engine == sqlite ]]; then
        found=$(ask "SELECT name FROM sqlite_master WHERE name NOT LIKE '%mighost%'" 2>&1)
    else
        found=$(ask "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
                     AND relkind <> 'i' AND relname NOT LIKE 'mighost%'" 2>&1)
    fi
    found+=$(ask "SELECT id FROM mighost_history" 2>/dev/null)
    [[ -z $found ]] || fail "$engine: line ${BASH_LINENO[1]}: left behind: $found"
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

    # What looks like a command of a client and is none.
    works $'CREATE TABLE copy (stdin TEXT, "a\\b" TEXT); -- \\i\nINSERT INTO copy VALUES (\'COPY t FROM stdin;\', \'\\i\');'
    answer 'SELECT "a\b" FROM copy' '\i'

    works $'CREATE TABLE t (a TEXT);\nINSERT INTO t VALUES (\'\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98\');'
    answer "SELECT length(a) FROM t" 3

    # Said by the run that applies it, and by no other.
    works ""
    says "$FILE" "no statement"
    printf 'CREATE TABLE t (a INTEGER);\n' >migrations/20240101000002_y.up.sql
    mig up
    expect_code 0
    [[ $err != *"no statement"* ]] || fail "$engine: said again: $err"
    mig down
    expect_code 5
    [[ $err != *"no statement"* ]] || fail "$engine: said by down: $err"
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

    refused 2:23 $'CREATE TABLE t (a TEXT);\nINSERT INTO t VALUES (\'never ends);\n' "string" "never closed"
    refused 2:3 $'CREATE TABLE t (a TEXT);\n  /* never\nends\n' "comment"
    refused 1:14 $'CREATE TABLE "t (a TEXT);\n' "never closed"
    clean
    printf 'CREATE TABLE t (a TEXT);\nINSERT INTO t VALUES (\x27a\0b\x27);\n' >"migrations/$FILE"
    mig up
    expect_code 5
    says "$FILE:2:25" NUL
    nothing_left
    refused 2:25 $'CREATE TABLE t (a TEXT);\nINSERT INTO t VALUES (\'a\xffb\');\n' UTF-8
    refused 2:1 $'-- mig: mode = durable\n-- mig: colour = red\nSELECT 1;\n' colour
    refused 1:1 $'-- mig: mode = quick\nSELECT 1;\n' quick
    refused 2:1 $'CREATE TABLE t (a TEXT);\nCOPY t FROM stdin;\none\n\\.\n' "COPY" "INSERT"
    refused 1:1 $'\\i other.sql\nCREATE TABLE t (a TEXT);\n' "\\i" psql
    refused 2:1 $'CREATE TABLE t (a TEXT);\n\\echo hello\n' psql
}

failures_of_both()
{
    local column=13 place

    [[ $engine != sqlite ]] || column=1 # where the statement begins: it tells no more
    fails 2:$column $'CREATE TABLE t (a INTEGER);\nINSERT INTO nowhere VALUES (1);\nINSERT INTO t VALUES (1);\n' \
        nowhere "in statement 2, in the line \`INSERT INTO nowhere VALUES (1);\`;" \
        "nothing of this migration is left"
    # What has begun further up is found all the same.
    [[ $engine == sqlite ]] && place=5:1 || place=6:15
    fails $place $'BEGIN;\nCREATE TABLE t (a INTEGER);\nINSERT INTO t VALUES\n    (1);\nINSERT INTO t\nSELECT 1 FROM nowhere;\nCOMMIT;\n' "statement 4"
    fails 3:4 $'CREATE TABLE t (a INTEGER);\n/* more\n*/ INSRT INTO t VALUES (1);\n' INSRT
    # The next up works.
    printf 'CREATE TABLE t (a INTEGER);\n' >"migrations/$FILE"
    mig up
    expect_code 0
    history_is 20240101000001:applied
    log_is "20240101000001 up failed, 20240101000001 up applied"
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

    refused 1:18 $'DO LANGUAGE sql  $x$ SELECT 1;\n' "dollar"
    refused 1:1 $'/* one /* two */ never ends' "comment"
    refused 2:1 $'CREATE TABLE t (a TEXT);\nSET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\n' "SET TRANSACTION"

    fails 4:12 $'CREATE TABLE t (a INTEGER);\nINSERT INTO t VALUES (1);\nDO $$ BEGIN NULL; END $$;\nSELECT 1 + a_column_that_is_not FROM t;' a_column_that_is_not
    fails 2:1 $'CREATE TABLE t (a INTEGER);\nVACUUM t;\n' "mode = durable" VACUUM
    ask "CREATE TYPE mood AS ENUM ('a')"
    printf "ALTER TYPE mood ADD VALUE 'b';\nSELECT 'b'::mood;\n" >"migrations/$FILE"
    mig up
    expect_code 1
    says "$FILE:2:8" "mode durable"
    printf -- "-- mig: mode = durable\nALTER TYPE mood ADD VALUE 'b';\nSELECT 'b'::mood;\n" \
        >"migrations/$FILE"
    mig up
    expect_code 0
    fails 2:1 $'CREATE TABLE t (a INTEGER);\nCREATE INDEX CONCURRENTLY i ON t (a);\n' "mode = durable"
}

only_sqlite()
{
    works "CREATE TABLE t (a TEXT); CREATE TABLE log (a TEXT);
CREATE TRIGGER noting AFTER INSERT ON t WHEN NEW.a <> ';' BEGIN
    INSERT INTO log VALUES (NEW.a); -- a comment; end;
    INSERT INTO log VALUES (CASE WHEN NEW.a = 'x' THEN 'end;' ELSE 'END' END);
END;
CREATE TRIGGER refusing BEFORE DELETE ON t BEGIN SELECT RAISE(ABORT, 'no; never'); END;
CREATE TABLE [odd;name] (\`a;b\` INTEGER);
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

# --- the session --------------------------------------------------------------

# What a migration does to its session is neither seen by the next one nor by
# the host's own statements. Both modes.
session_of_postgres()
{
    local mode

    for mode in atomic durable; do
        clean
        cat >migrations/1_dump.up.sql <<TEXT
-- mig: mode = $mode
SET statement_timeout = 0;
SET lock_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET client_min_messages = warning;
SET row_security = off;
CREATE TABLE public.one (a INTEGER);
TEXT
        cat >migrations/2_role.up.sql <<TEXT
-- mig: mode = $mode
CREATE TABLE two (a TEXT);
INSERT INTO two SELECT current_setting('search_path');
CREATE TEMPORARY TABLE passing (a INTEGER);
SET SESSION search_path = pg_temp, nowhere;
SET ROLE pg_monitor;
TEXT
        cat >migrations/3_after.up.sql <<TEXT
-- mig: mode = $mode
CREATE TABLE three (a TEXT);
INSERT INTO three SELECT current_user || ' ' || session_user || ' ' || COALESCE(to_regclass('passing')::text, 'none');
TEXT
        mig up
        expect_code 0
        history_is "1:applied 2:applied 3:applied"
        answer "SELECT a FROM two" '"$user", public'
        answer "SELECT a FROM three" "postgres postgres none"
        answer "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'" 7
    done
    works "SET default_transaction_read_only = on; CREATE TABLE t (a INTEGER);"
}

session_of_sqlite()
{
    local mode

    for mode in atomic durable; do
        clean
        cat >migrations/1_pragmas.up.sql <<TEXT
-- mig: mode = $mode
PRAGMA case_sensitive_like = ON;
PRAGMA recursive_triggers = ON;
PRAGMA foreign_keys = ON;
CREATE TABLE one (a INTEGER PRIMARY KEY);
CREATE TEMP TABLE passing (a INTEGER);
TEXT
        cat >migrations/2_after.up.sql <<TEXT
-- mig: mode = $mode
CREATE TABLE two (likes INTEGER, passing INTEGER);
INSERT INTO two SELECT 'a' LIKE 'A', (SELECT COUNT(*) FROM sqlite_temp_master WHERE name = 'passing');
TEXT
        mig up
        expect_code 0
        history_is "1:applied 2:applied"
        answer "SELECT likes, passing FROM two" "1|0"
    done
    # It may not lock the host out: refused, or over with the migration.
    text "CREATE TABLE t (a INTEGER); PRAGMA query_only = ON;"
    mig up
    if [[ $code != 0 ]]; then
        nothing_left
        printf 'CREATE TABLE t (a INTEGER);' >"migrations/$FILE"
    fi
    printf 'CREATE TABLE u (a INTEGER);' >migrations/20240101000002_y.up.sql
    mig up
    expect_code 0
    answer "SELECT COUNT(*) FROM u" 0
}

# --- what has to be looked at again --------------------------------------------

# A rebuild that loses rows which others point to.
orphans_of_sqlite()
{
    clean
    cat >migrations/1_tables.up.sql <<'TEXT'
CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent ON DELETE CASCADE);
INSERT INTO parent VALUES (1, 'a'), (2, NULL);
INSERT INTO child VALUES (10, 1), (20, 2);
TEXT
    cat >migrations/2_rebuild.up.sql <<'TEXT'
CREATE TABLE parent_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO parent_new SELECT id, name FROM parent WHERE name IS NOT NULL;
DROP TABLE parent;
ALTER TABLE parent_new RENAME TO parent;
TEXT
    mig up
    expect_code 1
    says child parent 20 "nothing of this migration is left"
    history_is "1:applied"
    answer "SELECT COUNT(*) FROM parent" 2
    answer "SELECT COUNT(*) FROM child" 2
    # Nothing lost, nothing cascaded.
    sed -i 's/ WHERE name IS NOT NULL//; s/, name FROM/, COALESCE(name, '"'none'"') FROM/' migrations/2_rebuild.up.sql
    mig up
    expect_code 0
    answer "SELECT COUNT(*) FROM child" 2
    # Orphans of before are nobody's fault now.
    ask "INSERT INTO child VALUES (30, 99)"
    echo "CREATE TABLE other (a INTEGER);" >migrations/3_other.up.sql
    mig up
    expect_code 0
    # Enforcement inside, where the file asks for it.
    printf -- '-- mig: foreign_keys = on\nDELETE FROM parent WHERE id = 2;\n' >migrations/4_cascade.up.sql
    mig up
    expect_code 0
    answer "SELECT COUNT(*) FROM child WHERE id = 20" 0
}

# What a migration may wait for a table, and how long a statement may run: as the
# README says where nobody does, as the option does, and as the file does.
limits_of_postgres()
{
    local seen documented mode
    local -r see="CREATE TABLE seen AS SELECT current_setting('lock_timeout') AS lock,
        current_setting('statement_timeout') AS statement;"

    documented=$(sed -nE 's/^\| `--lock-timeout TIME`.*\| `([0-9]+s)` \|.*/\1/p' \
        "$MIGHOST_SOURCE/README.md")
    [[ $documented ]] || fail "the README does not say how long a table is waited for"
    for mode in atomic durable; do
        works "-- mig: mode = $mode"$'\n'"$see"
        answer "SELECT * FROM seen" "$documented|0"
        clean
        cp "$MIGHOST_FIXTURES/${mode/atomic/run}_params/"*.so migrations/
        chmod 755 migrations/*.so
        mig up --set "first=$see" --set "second=SELECT 1"
        expect_code 0
        answer "SELECT * FROM seen" "$documented|0"
    done
    text "$see"
    mig up --lock-timeout 1500ms --statement-timeout 2m
    answer "SELECT * FROM seen" "1500ms|2min"
    text $'-- mig: lock_timeout = 7s\n-- mig: statement_timeout = 3m\n'"$see"
    mig up --lock-timeout 1500ms --statement-timeout 2m
    answer "SELECT * FROM seen" "7s|3min"
}

# Building an index without a lock may leave a broken one behind.
indexes_of_postgres()
{
    works $'-- mig: mode = durable\nCREATE TABLE t (a INTEGER);\nCREATE INDEX CONCURRENTLY i ON t (a);\nVACUUM t;\n'
    answer "SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass" t

    clean
    echo 'CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (1);' >migrations/1_t.up.sql
    printf -- '-- mig: mode = durable\nCREATE UNIQUE INDEX CONCURRENTLY u ON t (a);\nCREATE TABLE after (a INTEGER);\n' \
        >migrations/2_u.up.sql
    mig up
    expect_code 7
    says "2_u.up.sql:2:" "could not create unique index" 23505
    answer "SELECT indisvalid FROM pg_index WHERE indexrelid = 'u'::regclass" f
    mig up
    expect_code 7
    ask "DELETE FROM t WHERE ctid = (SELECT max(ctid) FROM t)"
    mig up
    expect_code 0
    history_is "1:applied 2:applied"
    answer "SELECT indisvalid FROM pg_index WHERE indexrelid = 'u'::regclass" t
    answer "SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass" 1
    answer "SELECT count(*) FROM after" 0

    # IF NOT EXISTS over a broken index is not taken for success: the step stays
    # begun, and the next run, which knows that, builds the index anew.
    clean
    psql -qX "$url" -c 'CREATE TABLE t (a INTEGER)' -c 'INSERT INTO t VALUES (1), (1)'
    psql -qX "$url" -c 'CREATE UNIQUE INDEX CONCURRENTLY u ON t (a)' 2>/dev/null
    printf -- '-- mig: mode = durable\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS u ON t (a);\n' >migrations/1_u.up.sql
    mig up
    expect_code 7
    says "index public.u exists but is INVALID" "1_u.up.sql:2:"
    history_is "1:partial"
    log_is "1 up failed"
    answer "SELECT count(*) FILTER (WHERE finished = 1), count(*) FROM mighost_journal" "0|1"
    answer "SELECT indisvalid FROM pg_index WHERE indexrelid = 'u'::regclass" f
    ask "DELETE FROM t WHERE ctid = (SELECT max(ctid) FROM t)"
    mig up
    expect_code 0
    history_is "1:applied"
    answer "SELECT indisvalid FROM pg_index WHERE indrelid = 't'::regclass" t
}

# --- size ------------------------------------------------------------------------

# peak ARGUMENT...: runs the host and sets `peak` to its memory in kB. A sanitizer
# would keep what was freed for a while: here it gives it back, as malloc() does.
peak()
{
    local pid line
    local keep_nothing=quarantine_size_mb=0:thread_local_quarantine_size_kb=0

    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}$keep_nothing "$MIGHOST_BIN" -d "$url" "$@" \
        >"$folder/.out" 2>"$folder/.err" </dev/null &
    pid=$!
    peak=0
    while line=$(grep VmHWM "/proc/$pid/status" 2>/dev/null) && [[ -n $line ]]; do
        line=${line//[^0-9]/}
        ((line <= peak)) || peak=$line
        sleep 0.05
    done
    wait $pid
    code=$?
    out=$(<"$folder/.out")
    err=$(<"$folder/.err")
}

# within_memory WHAT KILOBYTES
within_memory()
{
    ((peak > 0)) || fail "$engine: $1: its memory was not measured"
    ((peak <= $2)) || fail "$engine: $1 took $peak kB"
}

# A file of 50 MB, and a single statement of 10 MB.
sizes()
{
    clean
    {
        echo "CREATE TABLE t (a INTEGER, b TEXT);"
        # 6,700 statements of 7.5 kB
        head -c 7500 /dev/zero | tr '\0' x |
            awk '{ for (n = 1; n <= 6700; n++) printf "INSERT INTO t VALUES (%d, '"'%s;'"');\n", n, $0 }'
    } >"migrations/$FILE"
    (($(stat -c %s "migrations/$FILE") > 50000000)) || fail "the file is too small"
    peak up
    expect_code 0
    answer "SELECT COUNT(*), MAX(a) FROM t" "6700|6700"
    within_memory "a file of 50 MB" $MEMORY_KB

    clean
    {
        echo "CREATE TABLE t (b TEXT);"
        printf "INSERT INTO t VALUES ('"
        head -c 10000000 /dev/zero | tr '\0' 'y'
        printf "');\n"
    } >"migrations/$FILE"
    peak up
    expect_code 0
    answer "SELECT length(b) FROM t" 10000000
    within_memory "a statement of 10 MB" $STATEMENT_KB
}

for each in $(engines); do
    fresh "$each"
    texts_of_both
    texts_refused
    failures_of_both
    "only_$each"
    "session_of_$each"
    if [[ $each == sqlite ]]; then
        orphans_of_sqlite
    else
        limits_of_postgres
        indexes_of_postgres
    fi
    sizes
done
finish
