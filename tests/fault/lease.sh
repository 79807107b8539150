#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Where no lock of the session is to be had the run lock is a lease: two hosts,
# then eight, started together apply every migration exactly once and none of
# them fails. A host that is killed is waited for as long as its lease lasts; one
# that works for longer than that keeps it; one that stood still for longer finds
# itself overtaken and commits nothing.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

[[ -n ${MIGHOST_TEST_PG:-} ]] || exit 77

# shellcheck source=tests/fault/mail.sh.inc
. "$(dirname "$0")/mail.sh.inc"
# shellcheck source=tests/fault/lease.sh.inc
. "$(dirname "$0")/lease.sh.inc"

readonly MIGRATIONS=12
readonly ROWS=200
readonly BETWEEN=0 # steps: no transaction is open there
readonly INSIDE=150
readonly LEASE_S=10

# apply_many WAY HOSTS
apply_many()
{
    start_together "$1" "$2" "$folder/many" $MIGRATIONS
    expect "$1: the lease is a row that nobody holds" \
        "$(ask "SELECT name || ' ' || (until = 'epoch') FROM mighost_lock")" "run true"
    no_stray_lock
}

make_many()
{
    local n head

    mkdir "$folder/many"
    echo 'CREATE TABLE runs (number BIGINT NOT NULL);' >"$folder/many/20240101000000_runs.up.sql"
    for ((n = 1; n <= MIGRATIONS; n++)); do
        head=
        ((n % 3)) || head=$'-- mig: mode = durable\n'
        write_migration "$folder/many" $n "$head"
    done
}

# hold_one PLACE: a run whose module is held there; sets `first`, `worker` and
# `working`, its host.
hold_one()
{
    fill "$ROWS"
    touch "$hold"
    begin first --set batch=20 --set "hold=$hold" --set "hold_at=$1"
    until_true test -e "$hold.at" || fail "nobody came to $1"
    read -r worker working <"$hold.at"
    rm "$hold.at"
    first=$host
}

a_held_lease_is_kept()
{
    hold_one $BETWEEN
    "$MIGHOST_BIN" -d "$url" -m "$bundle" --wait $((LEASE_S + 4))s up >"$folder/out" 2>&1 &&
        fail "a second host came in while the first was at work"
    grep -q "the run lock is held by process $worker on " "$folder/out" ||
        fail "the holder is not named: $(<"$folder/out")"
    rm "$hold"
    host=$first
    ended
    expect "the host that was held" "$code" 0
    check_all
}

a_killed_host_is_waited_for()
{
    hold_one $INSIDE
    kill -9 "$working" "$worker"
    host=$first
    ended
    rm "$hold"
    finish
    check_all
}

a_host_that_stood_still_is_overtaken()
{
    hold_one $BETWEEN
    kill -STOP "$worker" "$working"
    rm "$hold"
    finish
    check_all
    kill -CONT "$worker" "$working"
    host=$first
    ended
    [[ $code == 0 || $code == 4 || $code == 7 ]] ||
        fail "the host that was overtaken ended with $code: $(<"$folder/first.err")"
    grep -q "was overtaken" "$folder/first.err" ||
        fail "the host that was overtaken does not say so: $(<"$folder/first.err")"
    check_all
}

announce
engine=postgres
make_many
make_bundle
hold=$folder/hold
start_pooler transaction
for hosts in 2 8; do
    behind "$port"
    apply_many pooled $hosts
    for way in missing unmade denied stub; do
        without $way
        apply_many $way $hosts
    done
done
behind "$port"
a_held_lease_is_kept
a_killed_host_is_waited_for
a_host_that_stood_still_is_overtaken
no_stray_lock
echo "ok"
