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
rows=(sqlite/{limit,transform,atomic,rows_c} postgres/{limit,transform,transform_2,rows_c,guide})
# What is not installed is said, and what is not said has run.
for row in sqlite/{python,python_many,node} postgres/{python,python_values,node}; do
    [[ $err == *"left out: $row ("* ]] || rows+=("$row")
done
[[ ! -x /usr/bin/python3 || " ${rows[*]} " == *" sqlite/python "* ]] || fail "Python is left out: $err"
for row in "${rows[@]}"; do
    expect_match "the table" "$out" "*$row  *500 *"
done
expect_match "the unit" "$out" "*peak MB *written MB *target*"
((code == 0)) || echo "$err" >&2

bench --rows 500,1000 --engine sqlite --only '*/transform' --json
expect "JSON" "$code" 0
expect_json '.rows | map([.name, .rows, .rows_done]) ==
    [["sqlite/transform", 500, 500], ["sqlite/transform", 1000, 1000]]'
expect_json '.rows | all(.rows_per_s > 0 and .us_per_row > 0 and .wall_ms > 0 and .peak_mb > 0 and
    .written_mb > 0 and (.met | type == "boolean"))'
expect_json '.growth | length == 1 and (.[0] | .name == "sqlite/transform" and .from_rows == 500 and
    .to_rows == 1000 and .us_per_row > 0 and .peak_mb > 0 and
    .target == "peak_growth<=1.25" and .met == (.peak_mb <= 1.25))'

bench --rows 500,1000 --engine sqlite --only 'sqlite/[lt]*'
expect "the growth" "$code" 0
expect_match "of the cost" "$out" "*us a row *500 *1000 *growth*sqlite/limit *sqlite/transform *"
expect_match "of the memory" "$out" "*peak MB *500 *1000 *growth  target*sqlite/transform *peak_growth<=1.25: *"

bench --rows 0
expect "no rows" "$code" 1
expect_match "no rows" "$err" "*--rows takes numbers*"

finish
