#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Verify files: run after the migration, in its own transaction. A query that
# returns a row fails the migration, which leaves nothing behind.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/../fault/lib.sh.inc"

host()
{
    "$MIGHOST_BIN" -d "$url" -m "$folder/bundle" "$@"
}

try_all()
{
    local code=0 long

    fresh "$1"
    rm -rf "$folder/bundle"
    mkdir "$folder/bundle"
    echo 'CREATE TABLE a (id BIGINT PRIMARY KEY); INSERT INTO a VALUES (1), (7);' \
        >"$folder/bundle/20240101000000_a.up.sql"
    printf -- '-- nothing above six\nSELECT id FROM a WHERE id > 8;\nSELECT id FROM a WHERE id > 6;\n' \
        >"$folder/bundle/20240101000000_a.verify.sql"
    host -q up 2>"$folder/err" || code=$?
    expect "$1: exit code" "$code" 9
    grep -q 'id = 7' "$folder/err" || fail "$1: the row is not told: $(<"$folder/err")"
    grep -q '20240101000000_a.verify.sql:3:1' "$folder/err" || fail "$1: the place is not told: $(<"$folder/err")"
    expect "$1: history" "$(ask "SELECT COUNT(*) FROM mighost_history")" 0
    expect "$1: log" "$(ask "SELECT outcome FROM mighost_log")" failed
    ask "SELECT COUNT(*) FROM a" >/dev/null 2>&1 && fail "$1: the table was left behind"

    long=$(printf '%037d' 0)äöüß$(printf '%080d' 0)
    echo "SELECT id, '$long' AS long FROM a WHERE id > 6;" >"$folder/bundle/20240101000000_a.verify.sql"
    code=0
    host -q up 2>"$folder/err" || code=$?
    expect "$1: exit code" "$code" 9
    grep -q "long = '0*äöüß0*'" "$folder/err" || fail "$1: a character is cut: $(<"$folder/err")"

    echo 'SELECT id FROM a WHERE id > 7;' >"$folder/bundle/20240101000000_a.verify.sql"
    host -q up
    expect "$1: applied" "$(ask "SELECT state FROM mighost_history")" applied

    echo 'INSERT INTO a VALUES (8);' >"$folder/bundle/20240102000000_b.up.sql"
    echo 'SELECT (' >"$folder/bundle/20240102000000_b.verify.sql"
    code=0
    host -q up 2>"$folder/err" || code=$?
    expect "$1: exit code of a broken query" "$code" 1
    expect "$1: rows after a broken query" "$(ask "SELECT COUNT(*) FROM a")" 2

    sed -i '1i -- mig: mode = none' "$folder/bundle/20240102000000_b.up.sql"
    echo 'SELECT id FROM a WHERE id > 7;' >"$folder/bundle/20240102000000_b.verify.sql"
    code=0
    host -q up 2>"$folder/err" || code=$?
    expect "$1: exit code without a transaction" "$code" 9
    expect "$1: state without a transaction" \
        "$(ask "SELECT state FROM mighost_history WHERE id = 20240102000000")" failed
    grep -q 'mighost resolve 20240102000000' "$folder/err" ||
        fail "$1: what to do is not told: $(<"$folder/err")"
}

for engine in $(engines); do
    try_all "$engine"
done
echo "ok"
