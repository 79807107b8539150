#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The data benchmark runs on a small table, finds every hash right in each of
# its rows, and prints them. How fast they are is nothing for a test.

# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

shopt -s nullglob
servers=(/usr/lib/postgresql/*/bin/initdb)
((${#servers[@]})) || command -v initdb >/dev/null || {
    echo "no PostgreSQL server programs"
    exit 77
}

# What waits for a disk is nothing for a test either.
export PG_CLUSTER_FSYNC=off TMPDIR=/tmp

bench()
{
    out=$("$MIGHOST_SOURCE/tools/bench" data --no-build --rounds 1 "$@" 2>"$folder.err" </dev/null)
    code=$?
    err=$(cat "$folder.err")
    rm -f "$folder.err"
}

bench --rows 500
expect "the benchmark" "$code" 0
for row in sqlite/{limit,transform,atomic,rows_c} postgres/{limit,transform,rows_c,guide}; do
    expect_match "the table" "$out" "*$row  *500 *"
done
((code == 0)) || echo "$err" >&2

bench --rows 500,1000 --engine sqlite --only '*/transform' --json
expect "JSON" "$code" 0
expect_match "JSON" "$out" '*"name": "sqlite/transform", "rows": 500,*"rows": 1000,*"met": *'

bench --rows 0
expect "no rows" "$code" 1
expect_match "no rows" "$err" "*--rows takes numbers*"

finish
