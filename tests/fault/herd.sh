#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A herd: 32 hosts started together on an empty database, of which some, or
# their workers, are killed at random instants. Every migration is applied
# exactly once, no host fails unless it or its worker was killed, and all that
# live say that everything is applied. $MIGHOST_FAULTS=all: with 200 migrations
# in place of 40.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

readonly HOSTS=32
readonly VICTIMS=8
readonly NATIVE=(good_table good_hash good_log) # one module each, of their own ids
migrations=40
[[ ${MIGHOST_FAULTS:-few} != all ]] || migrations=200
readonly SQL=$((migrations - ${#NATIVE[@]} - 1))
readonly KILL_BY_MS=$((migrations * 40)) # about as long as the work takes

make_bundle()
{
    local n name

    mkdir "$folder/bundle"
    echo 'CREATE TABLE runs (number BIGINT NOT NULL);' >"$folder/bundle/20240101000000_runs.up.sql"
    for ((n = 1; n <= SQL; n++)); do
        write_migration "$folder/bundle" $n "$( ((n % 3)) || echo '-- mig: mode = durable')"$'\n'
    done
    for name in "${NATIVE[@]}"; do
        cp "$MIGHOST_FIXTURES/$name"/*.so "$folder/bundle"
    done
    chmod 755 "$folder/bundle" "$folder"/bundle/*.so
}

# at_work: the host that said something last, which it does behind a migration.
at_work()
{
    local newest=${pids[RANDOM % HOSTS]} i

    for ((i = 0; i < HOSTS; i++)); do
        [[ ! -s $folder/err$i || ! $folder/err$i -nt $folder/newest ]] || newest=${pids[i]}
        [[ $newest != "${pids[i]}" ]] || touch -r "$folder/err$i" "$folder/newest"
    done
    echo "$newest"
}

# strike PID: the host, or the worker that it has just now; notes which.
strike()
{
    local worker

    worker=$(worker_of "$1")
    if [[ -n $worker ]] && ((RANDOM % 2)); then
        kill -9 "$worker" && struck[$1]=worker
    else
        kill -9 "$1" && struck[$1]=host
    fi || true
}

# Strikes now whoever works, now anybody; the first is still there for certain.
strike_some()
{
    local i

    strike "${pids[0]}"
    for ((i = 1; i < VICTIMS; i++)); do
        sleep "$(printf '0.%03d' $((RANDOM % (KILL_BY_MS / VICTIMS))))"
        strike "$( ((i % 2)) && at_work || echo "${pids[RANDOM % HOSTS]}")"
    done
}

wait_for_all()
{
    local pid

    for pid in "${pids[@]}"; do
        codes[$pid]=0
        wait "$pid" || codes[$pid]=$?
    done
}

# Who was not struck ends well; of one whose worker was killed the migration is
# undone, or stopped part way.
check_ends()
{
    local i pid

    for ((i = 0; i < HOSTS; i++)); do
        pid=${pids[i]}
        case ${struck[$pid]:-}:${codes[$pid]} in
        *:0 | host:137 | worker:1 | worker:7) ;;
        *) fail "$engine: host $i, ${struck[$pid]:-nothing} killed, ended with ${codes[$pid]}: $(<"$folder/err$i")" ;;
        esac
    done
}

stampede()
{
    local pids=() i
    local -A struck=() codes=()

    fresh "$engine"
    touch -d @0 "$folder/newest"
    for ((i = 0; i < HOSTS; i++)); do
        "$MIGHOST_BIN" -d "$url" -m "$folder/bundle" --wait 600s up \
            >"$folder/out$i" 2>"$folder/err$i" </dev/null &
        pids+=($!)
    done
    { strike_some; wait_for_all; } 2>/dev/null # the shell has words for each kill
    ((${#struck[@]} > 0)) || fail "$engine: nobody was killed"
    check_ends
    expect "$engine: migrations, applied, run" "$(ask "SELECT count(*), count(DISTINCT id),
        min(state), max(state), (SELECT count(*) FROM runs),
        (SELECT count(DISTINCT number) FROM runs) FROM mighost_history")" \
        "$migrations|$migrations|applied|applied|$SQL|$SQL"
    expect "$engine: successes in the log" "$(ask "SELECT count(*), count(DISTINCT id_text)
        FROM mighost_log WHERE outcome = 'applied'")" "$migrations|$migrations"
    echo "$engine: ${#struck[@]} of $HOSTS killed"
}

make_bundle
for engine in $(engines); do
    stampede
done
echo "ok"
