#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What a data migration needs of memory does not depend on how many rows there
# are: transforms, loads and streams at two sizes, ten times apart. What counts
# is the process that needed most, which is the worker.

# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/cli/engines.sh.inc
. "$here/engines.sh.inc"
# shellcheck source=tests/cli/measure.sh.inc
. "$here/measure.sh.inc"

readonly FEW=40000
readonly MANY=400000
readonly GROWTH_KB=6144 # MANY rows that were held would be 15 MB and more

# peak FIXTURE ROWS ARGUMENT...: sets `peak` to what `up` needed, in kB.
peak()
{
    clean
    cp "$MIGHOST_FIXTURES/$1"/*.so migrations/
    chmod 755 migrations migrations/*.so
    [[ $1 != transform_* ]] ||
        ask "CREATE TABLE people (id BIGINT PRIMARY KEY, email VARCHAR(99));
            INSERT INTO people WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
            WHERE i < $2) SELECT i, 'person.number.' || i || '@example.org' FROM n" >/dev/null
    measured up --set "rows=$2" "${@:3}" || fail "$engine: $1: $out"
}

# bounded FIXTURE ARGUMENT...
bounded()
{
    local few

    peak "$1" $FEW "${@:2}"
    few=$peak
    peak "$1" $MANY "${@:2}"
    echo "$engine, $1: $few kB for $FEW rows, $peak kB for $MANY"
    ((few > 0 && peak - few <= GROWTH_KB)) ||
        fail "$engine, $1: memory grew from $few kB to $peak kB with the rows"
}

for engine in $(engines); do
    fresh "$engine"
    for name in transform_durable transform_atomic; do
        bounded "$name" --set batch=2000
    done
    for name in good_load good_stream durable_stream; do
        bounded "$name"
    done
done
finish
