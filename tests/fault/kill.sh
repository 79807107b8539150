#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# kill -9 of the host at random moments of an `up` and of a `down`: afterwards
# every migration is there whole or not at all, as the history says, durable ones
# only up to a step, and the next run finishes. A kill counts when it left some
# of the run done and some to do; ends with as many as asked for: kill.sh [KILLS].
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

readonly KILLS=${1:-8} # of each engine and direction
readonly MIGRATIONS=20
readonly FIRST=20240101000000 # has no way back: it stays

# The middle of the time in which a kill comes, in ms from the start: a run that was
# not under way yet moves it back, one that was over moves it forward.
aim=60

run()
{
    "$MIGHOST_BIN" -d "$url" -m "$folder/bundle" --wait 60s -q "$@"
}

# What is left to do, as arguments: of each direction.
arguments()
{
    echo "$1"
    [[ $1 == up ]] || printf '%s\n' --to $FIRST
}

# listing: of the history; nothing where there is none yet.
listing()
{
    ask "SELECT id, state FROM mighost_history ORDER BY id" 2>/dev/null || true
}

# look_at: sets `url` to what the killed host left. Of a SQLite file it is a copy:
# looking clears up what is for the next host to clear up. The server ends what its
# dead client had begun, or has committed it, so that all is of one moment.
look_at()
{
    local path=${url#sqlite:} seen=$folder/seen.db

    if [[ $engine == sqlite ]]; then
        rm -f "$seen" "$seen-journal"
        [[ ! -e $path ]] || cp "$path" "$seen"
        [[ ! -e $path-journal ]] || cp "$path-journal" "$seen-journal"
        url=sqlite:$seen
        return
    fi
    for ((tries = 0; tries < 600; tries++)); do
        [[ $(ask "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
            AND pid <> pg_backend_pid() AND backend_type = 'client backend'") != 0 ]] || return 0
        sleep 0.05
    done
    fail "$engine: a session outlives its host"
}

# The tables that are there, against what the history says of atomic ones.
check_whole()
{
    local n id state found line
    local -A states=() tables=()

    while IFS='|' read -r id state; do
        states[$id]=$state
    done < <(listing)
    while read -r line; do
        tables[$line]=1
    done < <(ask "$tables_query")
    for ((n = 1; n <= MIGRATIONS; n++)); do
        id=$((FIRST + n))
        found=${tables[a$n]:-0}${tables[b$n]:-0}
        case ${states[$id]:-none} in
        applied) expect "tables of $id, applied" "$found" 11 ;;
        none) expect "tables of $id, not applied" "$found" 00 ;;
        partial | reverting) ((n % 3 == 0)) || fail "$id is atomic, yet half done" ;;
        *) fail "$id is in state ${states[$id]}" ;;
        esac
    done
}

# Lets the run be finished, and counts what it did.
finish()
{
    local arguments applied=$((MIGRATIONS + 1)) steps=$MIGRATIONS

    if [[ $1 == down ]]; then
        applied=1
        steps=0
    fi
    mapfile -t arguments < <(arguments "$1")
    run "${arguments[@]}" || fail "$engine: the next $1 ended with $?"
    [[ ! -e ${url#sqlite:}-journal ]] || fail "$engine: a rollback journal is left"
    check_whole
    expect "$engine: applied after $1" "$(ask 'SELECT COUNT(*) FROM mighost_history')" "$applied"
    expect "$engine: every step of $1 once" \
        "$(ask 'SELECT COUNT(*), COUNT(DISTINCT number) FROM runs')" "$steps|$steps"
}

# begin_anew DIRECTION: a database in which all of it is still to do.
begin_anew()
{
    if [[ $1 == up ]]; then
        fresh "$engine"
    else
        run up || fail "$engine: up ended with $?"
    fi
}

# judge DIRECTION BEFORE CODE: what a killed run left; adds to `met` if it was under way.
judge()
{
    local url=$url after

    look_at
    after=$(listing)
    if [[ -n $after ]]; then
        check_whole
    fi
    if (($3 == 0)) || is_complete "$1" "$after"; then
        aim=$((aim * 3 / 4 + 1))
    elif [[ $after == "$2" ]]; then
        aim=$((aim * 5 / 4 + 1))
    else
        met=$((met + 1))
    fi
}

# is_complete DIRECTION LISTING
is_complete()
{
    if [[ $1 == up ]]; then
        (($(grep -c '|applied$' <<<"$2") == MIGRATIONS + 1))
    else
        [[ $2 == "$FIRST|applied" ]]
    fi
}

# kill_once DIRECTION: one run, killed somewhere.
kill_once()
{
    local arguments before pid code=0 wait_ms=$((aim / 2 + RANDOM % (aim + 1)))

    before=$(listing)
    mapfile -t arguments < <(arguments "$1")
    # Not through run(): the process in the background must be the host itself.
    "$MIGHOST_BIN" -d "$url" -m "$folder/bundle" --wait 60s -q "${arguments[@]}" \
        >"$folder/out" 2>&1 &
    pid=$!
    sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
    kill -9 $pid 2>/dev/null || true
    wait $pid 2>/dev/null || code=$?
    ((code == 0 || code == 137)) || fail "$engine: $1 ended with $code: $(<"$folder/out")"
    judge "$1" "$before" $code
    if ((code == 0 || RANDOM % 3 == 0)); then
        finish "$1"
        begin_anew "$1"
    fi
}

# torture DIRECTION
torture()
{
    local met=0 rounds=0

    begin_anew "$1"
    while ((met < KILLS && rounds < 20 * KILLS)); do
        rounds=$((rounds + 1))
        kill_once "$1"
    done
    ((met >= KILLS)) || fail "$engine: only $met of $rounds kills met a $1 under way"
    finish "$1"
    echo "$engine: $met of $rounds kills met a $1 under way"
}

mkdir "$folder/bundle"
echo 'CREATE TABLE runs (number BIGINT NOT NULL);' >"$folder/bundle/${FIRST}_runs.up.sql"
for ((n = 1; n <= MIGRATIONS; n++)); do
    if ((n % 3 == 0)); then
        write_migration "$folder/bundle" $n $'-- mig: mode = durable\n'
        sed -i '1i -- mig: mode = durable' "$folder/bundle/$((FIRST + n))_m$n.down.sql"
    else
        write_migration "$folder/bundle" $n
    fi
done
for engine in $(engines); do
    if [[ $engine == sqlite ]]; then
        tables_query="SELECT name FROM sqlite_master WHERE type = 'table'"
    else
        tables_query="SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    fi
    torture up
    torture down
done
echo "ok"
