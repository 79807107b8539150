#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A connection to PostgreSQL that stays there at some message of a run and is
# silent: the server has the message and its answer never comes, or it never gets
# it. The run finds that out by itself and goes on as if the connection had been
# cut; see cut.sh.inc. Each silence lasts for some ten seconds in which nothing
# happens, so they are kept side by side. $MIGHOST_CUTS=all: at each message.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/fault/mail.sh.inc
. "$(dirname "$0")/mail.sh.inc"

[[ -n ${MIGHOST_TEST_PG:-} ]] || exit 77

# shellcheck source=tests/fault/proxy.sh.inc
. "$(dirname "$0")/proxy.sh.inc"
# shellcheck source=tests/fault/cut.sh.inc
. "$(dirname "$0")/cut.sh.inc"

readonly LANES=8

lanes=() # their processes

# lane WHAT HOW NUMBER [STRIDE]: at that message, and at each of that stride behind
# it, in a database of its own.
lane()
{
    local what=$1 how=$2 number=$3 stride=${4:-0} made=0

    databases=()
    folder=$folder/$what-$how-$number
    mkdir "$folder"
    trap 'stop_proxy; clean_up' EXIT
    fresh postgres
    while "cut_$what" "$number" "$how"; do
        made=$((made + 1))
        ((stride > 0)) || break
        number=$((number + stride))
        ((number < MESSAGES_MAX)) || fail "the run does not come to an end of its messages"
    done
    ((made > 0)) || fail "$what has no message $number"
    echo "$what, $how from message $3 on: $made silences"
}

# silences WHAT HOW NUMBER: begins them; at all messages where all are wanted.
silences()
{
    local first

    if [[ $CUTS == one ]]; then
        lane "$@" &
        lanes+=($!)
        return
    fi
    for ((first = 1; first <= LANES; first++)); do
        lane "$1" "$2" $first $LANES &
        lanes+=($!)
    done
    all_over
}

all_over()
{
    local pid bad=0

    for pid in "${lanes[@]}"; do
        wait "$pid" || bad=$((bad + 1))
    done
    lanes=()
    ((bad == 0)) || fail "$bad of the lanes failed"
}

announce
engine=postgres
make_bundle
settings=(--set workers=1 --set batch=20)
silences mail stall 20
silences mail mute 25
make_sql_bundle
settings=()
silences sql mute 19
silences sql stall 20
all_over
echo "ok"
