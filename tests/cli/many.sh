#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Ten thousand migrations: all are applied, each once and in order, listed and
# rolled back to where they were told, and what the host needs of memory is a
# little for each.

# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/cli/engines.sh.inc
. "$here/engines.sh.inc"
# shellcheck source=tests/cli/measure.sh.inc
. "$here/measure.sh.inc"

readonly FEW=1000
readonly MANY=10000
readonly FIRST_ID=20240101000000
readonly BACK=500     # that many are rolled back
readonly EACH_BYTES=4096

# fill_bundle COUNT
fill_bundle()
{
    local i name

    rm -rf migrations
    mkdir migrations
    for ((i = 1; i <= $1; i++)); do
        name=migrations/$((FIRST_ID + i))_number_$i
        echo "INSERT INTO runs (number) VALUES ($i);" >"$name.up.sql"
        echo "DELETE FROM runs WHERE number = $i;" >"$name.down.sql"
    done
}

# apply COUNT: to a new database.
apply()
{
    local place="INTEGER PRIMARY KEY"

    fresh "$engine"
    [[ $engine == sqlite ]] || place="BIGINT GENERATED ALWAYS AS IDENTITY"
    ask "CREATE TABLE runs (place $place, number BIGINT NOT NULL)" >/dev/null
    fill_bundle "$1"
    measured up || fail "$engine, $1: $out"
    expect "$engine: runs, those of one number, those out of order" \
        "$(ask "SELECT count(*) || ' ' || count(DISTINCT number) || ' ' ||
            count(CASE WHEN number <> was + 1 THEN 1 END)
            FROM (SELECT number, lag(number) OVER (ORDER BY place) was FROM runs) r")" "$1 $1 0"
}

for engine in $(engines); do
    apply $FEW
    few=$peak
    apply $MANY
    echo "$engine: $few kB for $FEW migrations, $peak kB for $MANY"
    (((peak - few) * 1024 <= (MANY - FEW) * EACH_BYTES)) ||
        fail "$engine: memory grew from $few kB to $peak kB with the migrations"

    mig status --json
    expect_code 0
    expect_json ".applied == $MANY and .pending + .problems == 0"
    mig plan
    expect_code 0
    expect "$engine: what is left to do" "$out" "Nothing to do."
    measured down --to $((FIRST_ID + MANY - BACK)) || fail "$engine, down: $out"
    expect "$engine: rows, the last one, history" "$(ask "SELECT count(*) || ' ' || max(number) || ' ' ||
        (SELECT count(*) FROM mighost_history) FROM runs")" \
        "$((MANY - BACK)) $((MANY - BACK)) $((MANY - BACK))"
done
finish
