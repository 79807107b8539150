#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A connection to PostgreSQL that breaks at each message of a durable data
# migration in turn: before the server has it, after the server has done it, or
# in the middle of its answer, COMMIT included; or it stays there, silent, which
# the run finds out by itself. What the run then says is what the history says,
# the next `up` finishes it, and nothing is done twice. Each message breaks in one
# way, chosen by the seed; $MIGHOST_CUTS=all breaks each in every way. Or the
# server is gone for good: then nobody knows whether a COMMIT took place, and the
# next run finds out. The same for atomic migrations, and once more through a
# pooler, where the run lock is a lease.
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
readonly NOTHING="the history shows that nothing of this migration was applied"
readonly DONE="yet its last transaction had been committed: it is done"

trap 'stop_proxy; clean_all' EXIT

# run_through: `up` through the proxy; sets `code`.
run_through()
{
    code=0
    "$MIGHOST_BIN" -d "$through" -m "$bundle" --wait 60s up "${settings[@]}" \
        >"$folder/run.out" 2>"$folder/run.err" </dev/null || code=$?
}

was_cut()
{
    grep -q ^cut "$folder/proxy"
}

# said_last: one sentence, which tells what the history says.
said_last()
{
    case $code in
    11) grep -q "applied once or not at all, the next run will find out" "$folder/run.err" ;;
    0) ! grep -q "was lost\|not known" "$folder/run.err" || grep -q "$DONE" "$folder/run.err" ;;
    1) grep -q "$NOTHING" "$folder/run.err" ;;
    7) grep -q "run the command again" "$folder/run.err" ;;
    esac || fail "it does not say what is left: exit code $code: $(<"$folder/run.err")"
}

# cut_sql NUMBER HOW: of a run of atomic migrations, three of SQL and a module.
cut_sql()
{
    local count

    ask "SET client_min_messages = error; DROP SCHEMA public CASCADE; CREATE SCHEMA public"
    start_proxy "$1" "$2"
    run_through
    stop_proxy
    count=$(ask "SELECT count(*) FROM mighost_history WHERE state = 'applied'" 2>/dev/null || true)
    case $2:$code:$count in
    *:0:4 | *:[13]: | *:[13]:[0123] | gone:3:4 | gone:11:[1234]) ;;
    *) fail "SQL, $2 message $1: exit code $code, $count applied: $(<"$folder/run.err")" ;;
    esac
    said_last
    finish
    expect "SQL, $2 message $1: runs; history; tables" \
        "$(ask "SELECT (SELECT string_agg(number::text, ' ' ORDER BY number) FROM runs), count(*), min(state),
            (SELECT count(*) FROM pg_tables WHERE tablename ~ '^[ab][12]$') FROM mighost_history")" \
        "1 2|4|applied|4"
    ends[$code]=$((${ends[$code]-0} + 1))
    was_cut
}

# cut_mail NUMBER HOW: of a durable module. Both: false when the run has fewer messages.
cut_mail()
{
    local now

    fill "$ROWS"
    start_proxy "$1" "$2"
    run_through
    stop_proxy
    now=$(state)
    if ! was_cut; then # it was over before
        expect "exit code of the run that was not cut" "$code" 0
        check_all
        return 1
    fi
    ends[$code]=$((${ends[$code]-0} + 1))
    case $2:$code:$now in
    *:0:applied | *:1: | *:3: | *:7:partial | gone:3:* | gone:11:*) ;;
    *) fail "cut $2 message $1: exit code $code, history [$now]: $(<"$folder/run.err")" ;;
    esac
    said_last
    finish
    check_all
}

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

# silences WHAT HOW NUMBER...: at those messages; at all where all are wanted.
silences()
{
    local what=$1 how=$2 number=0

    shift 2
    if [[ $CUTS == all ]]; then
        while ((number < MESSAGES_MAX)) && "cut_$what" $((++number)) "$how"; do :; done
        return
    fi
    for number; do
        "cut_$what" "$number" "$how" || fail "$what has no message $number"
    done
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

declare -A ends=() # exit codes

announce
engine=postgres
make_bundle
fresh postgres
settings=(--set workers=1 --set batch=20)
cuts mail 4
silences mail stall 20
silences mail mute 25
vanishing mail 3 0
settings=(--set workers=3 --set batch=10)
cuts mail 8

mail=$bundle
bundle=$folder/sql
settings=()
mkdir "$bundle"
echo 'CREATE TABLE runs (number BIGINT NOT NULL);' >"$bundle/20240101000000_runs.up.sql"
write_migration "$bundle" 1
write_migration "$bundle" 2
cp "$MIGHOST_FIXTURES"/good_table/*.so "$bundle"
chmod 755 "$bundle" "$bundle"/*.so
cuts sql 2
silences sql mute 19
silences sql stall 20
vanishing sql 1 4

bundle=$mail
start_pooler transaction
behind "$port"
settings=(--set workers=1 --set batch=20)
cuts mail 10
no_stray_lock
echo "ok"
