#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# kill -9 of the host at random moments: afterwards every migration is there
# whole or not at all, as the history says, durable ones only up to a step, and
# the next `up` finishes. Ends with as many kills as asked for: kill.sh [KILLS].
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

readonly KILLS=${1:-25}
readonly MIGRATIONS=20

up()
{
    "$MIGHOST_BIN" -d "$url" -m "$folder/bundle" --wait 60s -q "$@"
}

# The tables that are there, against what the history says of atomic ones.
check_whole()
{
    local n id state a b runs

    [[ -n $(ask "$1") ]] || return 0
    for ((n = 1; n <= MIGRATIONS; n++)); do
        id=$((20240101000000 + n))
        state=$(ask "SELECT state FROM mighost_history WHERE id = $id")
        a=$(ask "${2//NAME/a$n}")
        b=$(ask "${2//NAME/b$n}")
        case $state in
        applied) expect "tables of $id, applied" "$a$b" 11 ;;
        '') expect "tables of $id, not applied" "$a$b" 00 ;;
        partial) ((n % 3 == 0)) || fail "$id is atomic, yet half done" ;;
        *) fail "$id is in state $state" ;;
        esac
    done
}

torture()
{
    local engine=$1 kills=0 rounds=0 pid present table has

    if [[ $engine == sqlite ]]; then
        present="SELECT 1 FROM sqlite_master WHERE name = 'mighost_history'"
        table="SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'NAME'"
    else
        present="SELECT 1 FROM pg_class WHERE relname = 'mighost_history'"
        table="SELECT COUNT(*) FROM pg_class WHERE relkind = 'r' AND relname = 'NAME'"
    fi
    while ((kills < KILLS && rounds < 20 * KILLS)); do
        rounds=$((rounds + 1))
        [[ ${url_open:-} ]] || fresh "$engine"
        url_open=1
        up up >"$folder/out" 2>&1 &
        pid=$!
        sleep "0.$(printf '%03d' $((RANDOM % 120)))"
        if kill -9 $pid 2>/dev/null; then
            kills=$((kills + 1))
        fi
        wait $pid 2>/dev/null || true
        has=$(ask "$present")
        [[ -z $has ]] || check_whole "$present" "$table"
        if ((RANDOM % 3 == 0)) || [[ -z $(jobs -p) && -n $has &&
            $(ask "SELECT COUNT(*) FROM mighost_history WHERE state = 'applied'") == $((MIGRATIONS + 1)) ]]; then
            up up || fail "$engine: the next up ended with $?"
            check_whole "$present" "$table"
            expect "$engine: every step once" \
                "$(ask 'SELECT COUNT(*), COUNT(DISTINCT number) FROM runs')" "$MIGRATIONS|$MIGRATIONS"
            url_open=
        fi
    done
    ((kills >= KILLS)) || fail "only $kills kills met a running host"
    if [[ ${url_open:-} ]]; then
        up up || fail "$engine: the last up ended with $?"
        url_open=
    fi
    echo "$engine: $kills kills"
}

mkdir "$folder/bundle"
echo 'CREATE TABLE runs (number BIGINT NOT NULL);' >"$folder/bundle/20240101000000_runs.up.sql"
for ((n = 1; n <= MIGRATIONS; n++)); do
    if ((n % 3 == 0)); then
        write_migration "$folder/bundle" $n $'-- mig: mode = durable\n'
    else
        write_migration "$folder/bundle" $n
    fi
done
for engine in $(engines); do
    torture "$engine"
done
echo "ok"
