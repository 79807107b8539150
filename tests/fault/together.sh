#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Several hosts started together on an empty database apply every migration
# exactly once, and none of them fails.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

readonly MIGRATIONS=50

start_together()
{
    local hosts=$1 pids=() i code

    fresh "$2"
    for ((i = 0; i < hosts; i++)); do
        "$MIGHOST_BIN" -d "$url" -m "$folder/bundle" --wait 120s -q up \
            >"$folder/out$i" 2>"$folder/err$i" &
        pids+=($!)
    done
    for ((i = 0; i < hosts; i++)); do
        code=0
        wait "${pids[i]}" || code=$?
        [[ $code -eq 0 ]] || fail "$2: host $i of $hosts ended with $code: $(<"$folder/err$i")"
    done
    expect "$2: runs of each migration, $hosts hosts" \
        "$(ask "SELECT COUNT(*), COUNT(DISTINCT number) FROM runs")" "$MIGRATIONS|$MIGRATIONS"
    expect "$2: history, $hosts hosts" \
        "$(ask "SELECT COUNT(*) FROM mighost_history WHERE state = 'applied'")" $((MIGRATIONS + 1))
    expect "$2: attempts, $hosts hosts" "$(ask "SELECT COUNT(*) FROM mighost_log")" \
        $((MIGRATIONS + 1))
}

mkdir "$folder/bundle"
echo 'CREATE TABLE runs (number BIGINT NOT NULL);' >"$folder/bundle/20240101000000_runs.up.sql"
for ((n = 1; n <= MIGRATIONS; n++)); do
    write_migration "$folder/bundle" $n
done
for engine in $(engines); do
    start_together 2 "$engine"
    start_together 8 "$engine"
done
echo "ok"
