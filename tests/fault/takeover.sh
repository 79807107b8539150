#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Eight hosts are started together on one durable data migration. The one that
# works is held at a row and killed, then so is the worker of its successor:
# each time another goes on, in the end all that live succeed, and every row and
# every step was written once.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/fault/mail.sh.inc
. "$(dirname "$0")/mail.sh.inc"

readonly HOSTS=8
readonly ROWS=400
readonly HOLD_AT=250

# at_hold: waits until a worker has come to the row where it is held; sets
# `worker` and `working`, its host.
at_hold()
{
    until_true test -e "$hold.at" || fail "$engine: nobody came to row $HOLD_AT"
    read -r worker working <"$hold.at"
    rm "$hold.at"
}

check_held()
{
    expect "$engine: written while it is held, $1" "$(ask 'SELECT count(*) FROM writes')" 240
}

# The host whose worker was killed says so, unless it sees another's success.
check_ends()
{
    for host in "${!hosts[@]}"; do
        ended
        case $host:$code in
        "$bereft:7" | *:0) ;;
        *) fail "$engine: ${hosts[$host]} ended with $code: $(tail -n 1 "$folder/${hosts[$host]}.err")" ;;
        esac
    done
}

take_over()
{
    local -A hosts=()
    local i killed bereft

    fill "$ROWS"
    touch "$hold"
    for ((i = 0; i < HOSTS; i++)); do
        begin "host$i" "${settings[@]}" --set "hold=$hold" --set "hold_at=$HOLD_AT"
        hosts[$host]=host$i
    done
    at_hold
    check_held "first"
    killed=$working
    kill -9 "$killed"
    host=$killed
    ended
    expect "$engine: the killed host" "$code" 137
    unset "hosts[$killed]"
    at_hold
    [[ $working != "$killed" ]] || fail "$engine: the killed host goes on"
    check_held "second"
    bereft=$working
    kill -9 "$worker"
    at_hold
    check_held "third"
    rm "$hold"
    check_ends
    check_all
}

announce
make_bundle
hold=$folder/hold
for engine in $(engines); do
    fresh "$engine"
    settings=(--set batch=20)
    take_over
    [[ $engine == postgres ]] && continue
    journal=DELETE
    take_over
    journal=WAL
done
echo "ok"
