#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A connection to PostgreSQL that breaks at each message of a durable data
# migration in turn: before the server has it, after the server has done it, or
# in the middle of its answer, COMMIT included. What the run then says is what
# the history says, the next `up` finishes it, and nothing is done twice. Each
# message breaks in one way, chosen by the seed; $MIGHOST_CUTS=all breaks each
# in every way. Once more through a pooler, where the run lock is a lease.
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

readonly ROWS=60
readonly CUTS=${MIGHOST_CUTS:-one}
readonly MESSAGES_MAX=500 # more than any of the runs has

trap 'stop_proxy; clean_all' EXIT

# run_through: `up` through the proxy; sets `code`.
run_through()
{
    code=0
    "$MIGHOST_BIN" -d "$through" -m "$bundle" --wait 60s up "${settings[@]}" \
        >"$folder/run.out" 2>"$folder/run.err" </dev/null || code=$?
}

# cut_at NUMBER HOW: false when the run has fewer messages.
cut_at()
{
    local now

    fill "$ROWS"
    start_proxy "$1" "$2"
    run_through
    stop_proxy
    now=$(state)
    if ! grep -q ^cut "$folder/proxy"; then # it was over before
        expect "exit code of the run that was not cut" "$code" 0
        check_all
        return 1
    fi
    case $code:$now in
    0:applied | 1: | 3: | 7:partial) ;;
    *) fail "cut $2 message $1: exit code $code, history [$now]: $(<"$folder/run.err")" ;;
    esac
    finish
    check_all
}

# cuts WORKERS BATCH STRIDE: of that many messages one, unless all are wanted.
cuts()
{
    local settings=(--set "workers=$1" --set "batch=$2")
    local ways=(before after torn)
    local made=0 way some=1 stride=$3 number

    [[ $CUTS == one ]] || stride=1
    number=$((1 + SEED % stride - stride))
    while ((some && number < MESSAGES_MAX)); do
        number=$((number + stride))
        for way in "${ways[@]}"; do
            [[ $CUTS == all || $way == "${ways[(number / stride + SEED) % 3]}" ]] || continue
            cut_at $number "$way" || some=0
            made=$((made + some))
        done
    done
    ((number < MESSAGES_MAX)) || fail "the run does not come to an end of its messages"
    ((made > 0)) || fail "nothing was cut"
    echo "$1 workers: $made cuts at the messages up to $number"
}

announce
engine=postgres
make_bundle
fresh postgres
cuts 1 20 4
cuts 3 10 8
start_pooler transaction
behind "$port"
cuts 1 20 10
no_stray_lock
echo "ok"
