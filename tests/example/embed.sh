#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the example of embedding: embed.sh PROGRAM DRIVERS. A good bundle goes up
# and back step by step; a bad one leaves the version that was there before; and
# it tells what is applied, applies a part, and writes a new migration.
set -euo pipefail

program=$1
drivers=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail()
{
    echo "embed.sh: $1" >&2
    exit 1
}

expect()
{
    [[ $2 == "$3" ]] || fail "$1: expected [$3], got [$2]"
}

try_all()
{
    local url=$1 ask=$2 bundle=$folder/bundle-$3

    mkdir "$bundle"
    echo 'CREATE TABLE a (id INTEGER PRIMARY KEY);' >"$bundle/20240102000000_a.up.sql"
    echo 'DROP TABLE a;' >"$bundle/20240102000000_a.down.sql"
    "$program" safe-up "$url" "$bundle" "$drivers" >"$folder/out"
    expect "first up" "$(<"$folder/out")" \
        "applied 20240101000000 settings of the program
applied 20240102000000 a"
    expect "the registered migration's row" "$($ask 'SELECT value FROM settings')" embed

    echo 'CREATE TABLE b (id INTEGER PRIMARY KEY);' >"$bundle/20240103000000_b.up.sql"
    echo 'DROP TABLE b;' >"$bundle/20240103000000_b.down.sql"
    echo 'SELECT * FROM nowhere;' >"$bundle/20240104000000_bad.up.sql"
    local code=0
    "$program" safe-up "$url" "$bundle" "$drivers" >"$folder/out" 2>"$folder/err" || code=$?
    expect "exit code of a failed up" "$code" 1
    grep -q '^applied 20240103000000 b$' "$folder/out" || fail "b was not applied first"
    grep -q '^rolled back 20240103000000 b$' "$folder/out" || fail "b was not rolled back"
    grep -q '^went back to 20240102000000$' "$folder/out" || fail "did not go back"
    grep -q nowhere "$folder/err" || fail "the cause is not named"

    rm "$bundle/20240104000000_bad.up.sql"
    "$program" safe-up "$url" "$bundle" "$drivers" >/dev/null
    expect "step 1" "$("$program" step-back "$url" "$bundle" "$drivers" | head -n 1)" \
        "from 20240103000000 to 20240102000000"
    "$program" step-back "$url" "$bundle" "$drivers" >/dev/null
    expect "step 3" "$("$program" step-back "$url" "$bundle" "$drivers" | head -n 1)" \
        "from 20240101000000 to the empty database"

    "$program" up-to "$url" "$bundle" "$drivers" 20240102000000 >"$folder/out"
    expect "a part" "$(<"$folder/out")" \
        "applied 20240101000000 settings of the program
applied 20240102000000 a"
    "$program" list "$url" "$bundle" "$drivers" >"$folder/out"
    expect "the list" "$(<"$folder/out")" \
        "applied 20240101000000 settings of the program
applied 20240102000000 a
pending 20240103000000 b"
    code=0
    "$program" up-to "$url" "$bundle" "$drivers" 20240109000000 2>"$folder/err" || code=$?
    expect "exit code where there is no such migration" "$code" 2
    grep -q 20240109000000 "$folder/err" || fail "the id is not named: $(<"$folder/err")"

    "$program" new "$url" "$bundle" "$drivers" 'add c' >"$folder/out"
    grep -qE "^wrote $bundle/[0-9]{14}_add_c.up.sql\$" "$folder/out" || fail "$(<"$folder/out")"
    [[ -f $(sed 's/^wrote //' "$folder/out") ]] || fail "the new file is not there"
}

try_all "sqlite:$folder/app.db" "sqlite3 $folder/app.db" sqlite
if [[ -n ${MIGHOST_TEST_PG:-} ]]; then
    name=embed_$$_$RANDOM
    psql -qX "$MIGHOST_TEST_PG" -c "CREATE DATABASE $name"
    url=${MIGHOST_TEST_PG%/*}/$name
    try_all "$url" "psql -qXAt $url -c" postgres
    psql -qX "$MIGHOST_TEST_PG" -c "DROP DATABASE $name WITH (FORCE)"
fi
echo "ok"
