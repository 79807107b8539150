#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A connection to PostgreSQL that breaks at each message of a durable data
# migration in turn: before the server has it, after the server has done it, or
# in the middle of its answer, COMMIT included. Each message breaks in one way,
# chosen by the seed; $MIGHOST_CUTS=all breaks each in every way. Or the server is
# gone for good: then nobody knows whether a COMMIT took place, and the next run
# finds out. The same for atomic migrations, and once more through a pooler, where
# the run lock is a lease.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/fault/mail.sh.inc
. "$(dirname "$0")/mail.sh.inc"

[[ -n ${MIGHOST_TEST_PG:-} ]] || exit 77

# shellcheck source=tests/fault/lease.sh.inc
. "$(dirname "$0")/lease.sh.inc"
# shellcheck source=tests/fault/proxy.sh.inc
. "$(dirname "$0")/proxy.sh.inc"
# shellcheck source=tests/fault/cut.sh.inc
. "$(dirname "$0")/cut.sh.inc"

trap 'stop_proxy; clean_all' EXIT

# cuts WHAT STRIDE: of that many messages one, unless all are wanted.
cuts()
{
    local ways=(before after torn)
    local made=0 way some=1 stride=$2 number

    [[ $CUTS == one ]] || stride=1
    number=$((1 + SEED % stride - stride))
    while ((some && number < MESSAGES_MAX)); do
        number=$((number + stride))
        for way in "${ways[@]}"; do
            [[ $CUTS == all || $way == "${ways[(number / stride + SEED) % 3]}" ]] || continue
            "cut_$1" $number "$way" || some=0
            made=$((made + some))
        done
    done
    ((number < MESSAGES_MAX)) || fail "the run does not come to an end of its messages"
    ((made > 0)) || fail "nothing was cut"
    echo "$1, ${settings[*]}: $made cuts at the messages up to $number"
}

# vanishing WHAT STRIDE COMMITS: as cuts, with a server that cannot be reached
# afterwards. Where COMMIT was under way, which it is so often, nobody knows.
vanishing()
{
    local stride=$2 number

    ends=()
    [[ $CUTS == one ]] || stride=1
    number=$((1 + SEED % stride))
    while "cut_$1" $number gone; do
        number=$((number + stride))
        ((number < MESSAGES_MAX)) || fail "the run does not come to an end of its messages"
    done
    ((${ends[11]-0} >= $3)) || fail "only ${ends[11]-0} COMMITs of $1 were left open"
}

announce
engine=postgres
make_bundle
fresh postgres
settings=(--set workers=1 --set batch=20)
cuts mail 4
vanishing mail 3 0
settings=(--set workers=3 --set batch=10)
cuts mail 8

mail=$bundle
make_sql_bundle
settings=()
cuts sql 2
vanishing sql 1 4

bundle=$mail
start_pooler transaction
behind "$port"
settings=(--set workers=1 --set batch=20)
cuts mail 10
no_stray_lock
echo "ok"
