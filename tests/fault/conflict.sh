#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Conflicts on PostgreSQL: a serialization failure or a deadlock in an atomic
# migration is tried again, a bounded number of times, and then is a failure
# that leaves nothing; hosts that wait for one that builds an index without a
# lock keep it from nothing, and end well.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

[[ -n ${MIGHOST_TEST_PG:-} ]] || exit 77

readonly ATTEMPTS=5 # as many as the host makes
readonly HOSTS=8

# conflict SQLSTATE TIMES: a migration that fails so often before it works. What
# a sequence has given is not taken back with a transaction.
conflict()
{
    fresh postgres
    ask "CREATE SEQUENCE tries"
    rm -rf "$folder/bundle"
    mkdir "$folder/bundle"
    echo "CREATE TABLE made (id INT);
DO \$\$ BEGIN
    IF nextval('tries') <= $2 THEN RAISE EXCEPTION 'not now' USING ERRCODE = '$1'; END IF;
END \$\$;" >"$folder/bundle/20240101000001_made.up.sql"
    code=0
    "$MIGHOST_BIN" -d "$url" -m "$folder/bundle" up >"$folder/out" 2>"$folder/err" || code=$?
}

for state in 40001 40P01; do
    conflict $state 2
    expect "$state twice" "$code $(grep -c 'trying again' "$folder/err") $(ask 'SELECT
        (SELECT count(*) FROM mighost_history), (SELECT count(*) FROM mighost_log)')" "0 2 1|1"
    conflict $state 1000
    expect "$state always" "$code $(ask 'SELECT last_value FROM tries')" "1 $ATTEMPTS"
    expect "$state always: what is left" "$(ask "SELECT (SELECT count(*) FROM mighost_history),
        to_regclass('made') IS NULL")" "0|t"
    grep -q "nothing of this migration is left" "$folder/err" || fail "$state: $(<"$folder/err")"
done

fresh postgres
ask "CREATE TABLE large AS SELECT i FROM generate_series(1, 100000) i"
rm "$folder"/bundle/*
printf '%s\n' '-- mig: mode = durable' 'CREATE INDEX CONCURRENTLY large_i ON large (i);' \
    'CREATE TABLE behind (id INT);' >"$folder/bundle/20240101000002_index.up.sql"
hosts=()
for ((i = 0; i < HOSTS; i++)); do
    "$MIGHOST_BIN" -d "$url" -m "$folder/bundle" --wait 120s -q up 2>"$folder/err$i" &
    hosts+=($!)
done
for ((i = 0; i < HOSTS; i++)); do
    wait "${hosts[i]}" || fail "host $i ended with $?: $(<"$folder/err$i")"
done
expect "the index; applied" "$(ask "SELECT (SELECT indisvalid FROM pg_index WHERE indexrelid =
    'large_i'::regclass), (SELECT count(*) FROM mighost_log WHERE outcome = 'applied')")" "t|1"
echo "ok"
