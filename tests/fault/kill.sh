#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# kill -9 of the host at random moments: afterwards every migration is there
# whole or not at all, as the history says, durable ones only up to a step, and
# the next `up` finishes. Ends with as many kills as asked for: kill.sh [KILLS].
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

readonly KILLS=${1:-12}
readonly MIGRATIONS=20

up()
{
    "$MIGHOST_BIN" -d "$url" -m "$folder/bundle" --wait 60s -q "$@"
}

# The tables that are there, against what the history says of atomic ones.
check_whole()
{
    local n id state found line
    local -A states=() tables=()

    while IFS='|' read -r id state; do
        states[$id]=$state
    done < <(ask "SELECT id, state FROM mighost_history")
    while read -r line; do
        tables[$line]=1
    done < <(ask "$1")
    for ((n = 1; n <= MIGRATIONS; n++)); do
        id=$((20240101000000 + n))
        found=${tables[a$n]:-0}${tables[b$n]:-0}
        case ${states[$id]:-none} in
        applied) expect "tables of $id, applied" "$found" 11 ;;
        none) expect "tables of $id, not applied" "$found" 00 ;;
        partial) ((n % 3 == 0)) || fail "$id is atomic, yet half done" ;;
        *) fail "$id is in state ${states[$id]}" ;;
        esac
    done
}

# Lets the run be finished, and counts what it did.
finish()
{
    up up || fail "$engine: the next up ended with $?"
    [[ ! -e ${url#sqlite:}-journal ]] || fail "$engine: a rollback journal is left"
    check_whole "$1"
    expect "$engine: every step once" \
        "$(ask 'SELECT COUNT(*), COUNT(DISTINCT number) FROM runs')" "$MIGRATIONS|$MIGRATIONS"
}

torture()
{
    local engine=$1 kills=0 rounds=0 pid tables

    if [[ $engine == sqlite ]]; then
        tables="SELECT name FROM sqlite_master WHERE type = 'table'"
    else
        tables="SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    fi
    fresh "$engine"
    while ((kills < KILLS && rounds < 20 * KILLS)); do
        rounds=$((rounds + 1))
        # Not through up(): the process in the background must be the host itself.
        "$MIGHOST_BIN" -d "$url" -m "$folder/bundle" --wait 60s -q up >"$folder/out" 2>&1 &
        pid=$!
        sleep "0.$(printf '%03d' $((RANDOM % 120)))"
        if kill -9 $pid 2>/dev/null; then
            kills=$((kills + 1))
        fi
        wait $pid 2>/dev/null || true
        if ask "$tables" | grep -qx mighost_history; then
            check_whole "$tables"
        fi
        if ((RANDOM % 3 == 0)); then
            finish "$tables"
            fresh "$engine"
        fi
    done
    ((kills >= KILLS)) || fail "only $kills kills met a running host"
    finish "$tables"
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
