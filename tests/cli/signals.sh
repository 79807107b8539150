#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A signal ends a run cleanly: the migration is rolled back, the exit code says
# which signal it was, and the next run works.

# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
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
finish
