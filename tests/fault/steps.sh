#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# kill -9 at each boundary of a durable migration: of a worker before each of its
# steps; of host and worker before each message to the server and each flush to
# the disk; with MIGHOST_FAULTS=all each answer and each write as well. What stands then is what the
# journal says, the next `up` goes on, and in the end each step ran once.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/fault/failing.sh.inc
. "$(dirname "$0")/failing.sh.inc"

readonly STEPS=11 # a table, and a row in each of the others
readonly CALLS_MAX=1000
export PGGSSENCMODE=disable

# What a step consists of, in calls: on a server messages, in a file writes and
# flushes, one of which lies at either side of what commits it.
declare -A calls=([sqlite]="fdatasync" [postgres]="send")
[[ ${MIGHOST_FAULTS:-few} != all ]] || calls=([sqlite]="fdatasync pwrite64" [postgres]="send recv")

# standing: what is finished in the journal, rows, state; empty before it began.
# In one query, as a server process may outlive its host by a moment.
standing()
{
    ask "SELECT (SELECT count(*) FROM mighost_journal), (SELECT count(*) FROM durable_steps),
        max(state) FROM mighost_history" 2>/dev/null || true
}

# check_between WHAT: a step and its row in the journal came together.
check_between()
{
    local journaled rows state

    IFS='|' read -r journaled rows state < <(standing) || return 0
    [[ $code != 0 || $state == applied ]] || fail "$engine: $1: it is $state, but was called applied"
    if [[ $state == applied ]]; then
        expect "$engine: $1: journal and rows" "$journaled $rows" "0 $((STEPS - 1))"
    else
        expect "$engine: $1: rows of $journaled steps" "$rows" $((journaled - 1))
    fi
}

# check_once WHAT
check_once()
{
    expect "$engine: $1: rows, steps, journal, attempts that applied it" \
        "$(ask "SELECT count(*), count(DISTINCT n), (SELECT count(*) FROM mighost_journal),
            (SELECT count(*) FROM mighost_log WHERE outcome = 'applied') FROM durable_steps")" \
        "$((STEPS - 1))|$((STEPS - 1))|0|1"
}

# each_step: the worker is killed before each step in turn, in one migration.
each_step()
{
    local n code

    fresh "$engine"
    for ((n = 1; n < STEPS; n++)); do
        code=0
        "$MIGHOST_BIN" -d "$url" -m "$folder/bundle" --wait 60s --set die_at=$n up \
            >"$folder/out" 2>"$folder/err" || code=$?
        expect "$engine: killed before row $n: $(<"$folder/err")" "$code" 7
        grep -q SIGKILL "$folder/err" || fail "no signal is named: $(<"$folder/err")"
        expect "$engine: killed before row $n" "$(standing)" "$n|$((n - 1))|partial"
    done
    touch "$LOG"
    go_on "the last step"
    check_once "each step"
}

# each_call PROGRAM CODES: it is killed before each such call, from the start.
each_call()
{
    local call number

    for call in ${calls[$engine]}; do
        for ((number = 1; number < CALLS_MAX; number++)); do
            empty
            MIGHOST_FAIL_BY=kill fail_at "$1" "$call" $number
            failed || break
            [[ " $2 " == *" $code "* ]] ||
                fail "$engine: $1 killed at $call $number: exit code $code: $(<"$folder/err")"
            check_between "$1 killed at $call $number"
            go_on "$call $number of $1"
            check_once "$1 killed at $call $number"
        done
        ((number > STEPS && number < CALLS_MAX)) || fail "$engine: $1: only $number times $call"
        echo "$engine: $1 killed at each of $((number - 1)) times $call"
    done
}

native_bundle()
{
    rm -rf "$folder/bundle"
    mkdir "$folder/bundle"
    cp "$MIGHOST_FIXTURES/durable_steps/"*.so "$folder/bundle"
    chmod 755 "$folder"/bundle/*.so
}

sql_bundle()
{
    local n

    rm -rf "$folder/bundle"
    mkdir "$folder/bundle"
    {
        echo '-- mig: mode = durable'
        echo 'CREATE TABLE durable_steps (n INTEGER);'
        for ((n = 1; n < STEPS; n++)); do
            echo "INSERT INTO durable_steps (n) VALUES ($n);"
        done
    } >"$folder/bundle/20240101000001_steps.up.sql"
}

for engine in $(engines); do
    native_bundle
    each_step
    each_call mighost-worker "0 1 7"
    sql_bundle
    each_call mighost 137
done
echo "ok"
