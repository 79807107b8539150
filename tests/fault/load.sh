#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A durable migration that is killed in the middle of a load, with batches of it
# inserted already: nothing of the load is left, the steps before it are, and the
# next `up` loads from its beginning. The rows come from a stream that was opened
# outside of every step. It is killed at a row that is always the same, then the
# host, the worker and the sessions on the server end at random ones. Then a load
# and streams run through the whole host.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/fault/mail.sh.inc
. "$(dirname "$0")/mail.sh.inc"

readonly LOADED=30000 # rows of durable_load
readonly INSTANTS=3   # for each victim

bundle()
{
    printf '%s/%s' "$MIGHOST_FIXTURES" "$1"
}

killed_load()
{
    local status=0

    fresh "$1"
    "$MIGHOST_BIN" -d "$url" -m "$(bundle durable_load)" -q --set die_after=25000 up \
        >"$folder/out" 2>&1 || status=$?
    expect "$1: exit code" 7 "$status"
    expect "$1: loaded after the kill" 0 "$(ask 'SELECT COUNT(*) FROM load_to')"
    expect "$1: the steps before" 30000 "$(ask 'SELECT COUNT(*) FROM load_from')"
    "$MIGHOST_BIN" -d "$url" -m "$(bundle durable_load)" -q up
    expect "$1: loaded in the end" 30000 "$(ask 'SELECT COUNT(*) FROM load_to')"
    expect "$1: the steps behind" 30003 "$(ask 'SELECT COUNT(*) FROM load_from')"
}

# is_stopped: whether the worker stands at its row; sets `worker`.
is_stopped()
{
    local state

    worker=$(worker_of "$host")
    [[ -n $worker ]] || return 1
    read -r _ _ state _ <"/proc/$worker/stat" 2>/dev/null || return 1
    [[ $state == T ]]
}

# cut_sessions MOST: ends that many of the host's and the worker's, on the server.
cut_sessions()
{
    expect "a session is cut" "$(ask "SELECT count(pg_terminate_backend(pid)) > 0 FROM
        (SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'mighost%'
         AND datname = current_database() ORDER BY random() LIMIT $1) AS s")" t
}

# strike WHAT: ends it, while the worker stands in the midst of the load.
strike()
{
    case $1 in
    host) kill -9 "$host" ;;
    worker) kill -9 "$worker" ;;
    session) cut_sessions 1 ;;
    sessions) cut_sessions 100 ;;
    esac
    kill -CONT "$worker" 2>/dev/null || true
}

# loaded WHAT WANTED: nothing of the load, or all of it once.
loaded()
{
    expect "$1: rows, different ones" \
        "$(ask 'SELECT count(*), count(DISTINCT id), coalesce(max(id), 0) FROM load_to')" "$2|$2|$2"
}

# struck_load VICTIM
struck_load()
{
    local row=$((RANDOM % LOADED)) worker what

    what="$engine: $1 at row $row"
    fresh "$engine"
    begin run --set "stop_after=$row"
    until_true is_stopped || fail "$what: the worker did not come there"
    strike "$1"
    ended
    case $1:$code in
    host:137 | worker:7 | session:[37] | sessions:[37]) ;;
    *) fail "$what ended it with $code: $(tail -n 3 "$folder/run.err")" ;;
    esac
    loaded "$what, before the next up" 0
    finish
    loaded "$what" $LOADED
    expect "$what: the steps around it" "$(ask 'SELECT count(*) FROM load_from')" $((LOADED + 3))
    echo "$what: exit code $code"
}

whole_host()
{
    local name

    for name in good_load good_stream durable_stream; do
        fresh "$1"
        "$MIGHOST_BIN" -d "$url" -m "$(bundle $name)" -q up
        "$MIGHOST_BIN" -d "$url" -m "$(bundle $name)" -q down --all
        "$MIGHOST_BIN" -d "$url" -m "$(bundle $name)" -q up
    done
}

announce
bundle=$(bundle durable_load)
for engine in $(engines); do
    victims=(host worker)
    [[ $engine == sqlite ]] || victims+=(session sessions)
    killed_load "$engine"
    for victim in "${victims[@]}"; do
        for ((i = 0; i < INSTANTS; i++)); do
            struck_load "$victim"
        done
    done
    whole_host "$engine"
done
