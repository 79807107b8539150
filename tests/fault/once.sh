#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Everything fails once: `up` over ten migrations, SQL and C, with one call
# failing in the host, or in its worker: an allocation, an access to a file, a
# full disk, no descriptor left. Whatever it is: no crash, no leak, one sentence
# and a sensible exit code; and the next `up` finishes, each migration applied
# once. Of the calls of each kind some are tried, evenly spread; each of them
# with $MIGHOST_FAULTS=all. Calls are counted from main() on, libraries' too:
# see tests/support/failing, which works below the sanitizers as well.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/fault/failing.sh.inc
. "$(dirname "$0")/failing.sh.inc"

readonly FAULTS=${MIGHOST_FAULTS:-few}
readonly CALLS_MAX=100000           # more than any run has

# Exit codes that are right for a kind: 0 where it did not matter, 7 in the
# middle of the durable migration, 2 and 5 for the configuration and the bundle.
# SQLite tries once more with fewer rights what it could not open, and then has
# words for that.
declare -rA CODES=([memory]="0 12 7" [io]="0 3 7 2 5" [space]="0 12 7 3"
    [descriptors]="0 12 7 3" [talk]="0 3 7 11")

make_bundle()
{
    local n

    mkdir "$folder/bundle"
    echo 'CREATE TABLE runs (number BIGINT NOT NULL);' >"$folder/bundle/20240101000000_runs.up.sql"
    for ((n = 1; n <= 8; n++)); do
        write_migration "$folder/bundle" $n "$( ((n != 3)) || printf -- '-- mig: mode = durable')"$'\n'
    done
    cp "$MIGHOST_FIXTURES"/good_table/*.so "$folder/bundle"
    chmod 755 "$folder/bundle" "$folder"/bundle/*.so
}

check_database()
{
    expect "$engine: $1: history; runs" "$(ask "SELECT count(*), count(DISTINCT id),
        min(state), max(state), (SELECT count(*) FROM runs), (SELECT count(DISTINCT number) FROM runs)
        FROM mighost_history")" "10|10|applied|applied|8|8"
    expect "$engine: $1: successes in the log" "$(ask "SELECT count(*), count(DISTINCT id_text)
        FROM mighost_log WHERE outcome = 'applied'")" "10|10"
    expect "$engine: $1: left in the journal" "$(ask "SELECT count(*) FROM mighost_journal")" 0
    [[ $engine != sqlite ]] ||
        expect "$1: integrity" "$(ask 'PRAGMA integrity_check')" ok
}

# try PROGRAM KIND NUMBER: false where the run has fewer calls of that kind.
try()
{
    local what="$2 $3 in $1"

    empty
    fail_at "$@"
    if ! failed; then
        expect "$engine: exit code when nothing failed" "$code" 0
        return 1
    fi
    check_word "$what" "${CODES[$2]}"
    go_on "$what"
    check_database "behind $what"
}

# each PROGRAM KIND
each()
{
    local number=1 step=1 tried=0 calls

    if [[ $FAULTS != all ]]; then
        empty
        fail_at "$1" "$2" $CALLS_MAX
        read -r calls _ <"$LOG"
        step=$(((calls + tries - 1) / tries))
        number=$((1 + step / 2))
    fi
    while ((number < CALLS_MAX)) && try "$1" "$2" $number; do
        number=$((number + step))
        tried=$((tried + 1))
    done
    ((tried > 0 && number < CALLS_MAX)) || fail "$engine: $2 in $1: $tried calls failed"
    echo "$engine: $2 in $1: $tried failed, of $((number - 1))"
}

make_bundle
for engine in $(engines); do
    fresh "$engine"
    kinds=(memory io space descriptors) tries=8
    # A server has its own files, and making it empty takes long.
    [[ $engine == sqlite ]] || kinds=(memory descriptors talk) tries=4
    for program in mighost mighost-worker; do
        for kind in "${kinds[@]}"; do
            each $program "$kind"
        done
    done
done
echo "ok"
