#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A signal ends a run cleanly: the migration is rolled back, or stops behind a
# batch where it is durable, sentence and exit code say which signal it was, and
# the next run works.

# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/cli/engines.sh.inc
. "$here/engines.sh.inc"
export DATABASE_URL=sqlite:app.db

migration 1_short "CREATE TABLE a (x);" "DROP TABLE a;"
migration 2_long "CREATE TABLE b (x);
CREATE TABLE c AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
    WHERE i < 2000000000) SELECT count(*) AS x FROM n;" "DROP TABLE c; DROP TABLE b;"

# interrupted SIGNAL TIMES: sets `code` and `err` of an `up` in its second migration.
interrupted()
{
    local process tries=600

    # A job in the background of a script ignores SIGINT unless told otherwise.
    env --default-signal=INT "$MIGHOST_BIN" -v up >/dev/null 2>"$folder.err" &
    process=$!
    until grep -q 'applying.*2 long' "$folder.err" || ((tries-- == 0)); do
        sleep 0.05
    done
    for ((i = 0; i < $2; i++)); do
        kill "-$1" "$process" 2>/dev/null
        sleep 0.05
    done
    wait "$process"
    code=$?
    err=$(cat "$folder.err")
    rm -f "$folder.err"
}

for row in "INT 1 130" "TERM 1 143" "HUP 1 143" "INT 2 130"; do
    read -r signal times wanted <<<"$row"
    rm -f app.db*
    interrupted "$signal" "$times"
    expect "SIG$signal, $times times ($err)" "$code" "$wanted"
    [[ $times == 2 ]] || expect_match "the sentence" "$err" "*mighost: error: *"
    run status --json
    expect_json '.current_version == "1" and .pending_migrations == ["2"]'
    expect "tables left" "$(sqlite3 app.db "SELECT name FROM sqlite_master
        WHERE name IN ('a', 'b', 'c') ORDER BY 1")" a
done

readonly ROWS=2000

# A table to hash, and a trigger that counts how often each row is written.
people()
{
    local note="CREATE TRIGGER written AFTER UPDATE ON people BEGIN INSERT INTO writes VALUES (new.id); END"

    [[ $engine == sqlite ]] || note="CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN INSERT INTO writes VALUES (new.id); RETURN new; END';
        CREATE TRIGGER written AFTER UPDATE ON people FOR EACH ROW EXECUTE FUNCTION note()"
    clean
    ask "CREATE TABLE people (id BIGINT PRIMARY KEY, email VARCHAR(99));
        CREATE TABLE writes (id BIGINT);
        INSERT INTO people WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
        WHERE i < $ROWS) SELECT i, 'p' || i FROM n; $note" >/dev/null || fail "no table"
    cp "$MIGHOST_FIXTURES"/transform_durable/*.so migrations/
    chmod 755 migrations migrations/*.so
}

# stopped SIGNAL: `up`, to which that signal comes in the midst of the rows.
stopped()
{
    local process tries=1200

    env --default-signal=INT "$MIGHOST_BIN" -d "$url" --events up --set pause_us=2000 \
        >/dev/null 2>"$folder.err" </dev/null &
    process=$!
    until grep -qs '"done":[1-9][0-9]*,"total":'$ROWS "$folder.err" || ((tries-- == 0)); do
        sleep 0.05
    done
    kill "-$1" "$process"
    wait "$process"
    code=$?
    err=$(<"$folder.err")
    rm -f "$folder.err"
}

# in_the_midst SIGNAL CODE WORD NOT_WORD
in_the_midst()
{
    people
    stopped "$1"
    expect_code "$2"
    says "$3 after" "rows of table people" "run the command again to go on"
    [[ $err != *"$4"* ]] || fail "$engine: SIG$1: [$4] is in: $(tail -c 600 <<<"$err")"
    history_is "20240601000020:partial"
    answer "SELECT count(*) FROM mighost_log WHERE error LIKE '%$3 after%'" 1
    answer "SELECT count(*) BETWEEN 1 AND $ROWS - 1 FROM writes" \
        "$([[ $engine == sqlite ]] && echo 1 || echo t)"
    mig up
    expect_code 0
    answer "SELECT count(*), count(DISTINCT email_hash) FROM people" "$ROWS|$ROWS"
    answer "SELECT count(*), count(DISTINCT id) FROM writes" "$ROWS|$ROWS"
}

for engine in $(engines); do
    fresh "$engine"
    in_the_midst INT 130 interrupted terminated
    in_the_midst TERM 143 terminated interrupted
done
finish
