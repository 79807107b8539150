#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Several hosts started together on an empty database apply every migration
# exactly once, and none of them fails.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

readonly MIGRATIONS=50

mkdir "$folder/bundle"
echo 'CREATE TABLE runs (number BIGINT NOT NULL);' >"$folder/bundle/20240101000000_runs.up.sql"
for ((n = 1; n <= MIGRATIONS; n++)); do
    write_migration "$folder/bundle" $n
done
for engine in $(engines); do
    for hosts in 2 8; do
        fresh "$engine"
        start_together "$engine" $hosts "$folder/bundle" $MIGRATIONS
    done
done
echo "ok"
