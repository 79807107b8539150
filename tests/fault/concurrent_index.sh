#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Hosts that wait for one that builds an index without a lock keep it from
# nothing, and end well: each applied migration is applied once.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

[[ -n ${MIGHOST_TEST_PG:-} ]] || exit 77

readonly HOSTS=8

fresh postgres
ask "CREATE TABLE large AS SELECT i FROM generate_series(1, 100000) i"
mkdir "$folder/bundle"
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
