#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# PostgreSQL itself dies at random moments of a durable data migration, as in a
# power cut: what it had not written to its log yet is gone, and of the batches
# that is allowed to be some. The run says so; when the server is back, the next
# `up` goes on, and in the end every row has its hash, and every row and every
# step was written exactly once.
#   power.sh [CRASHES [ROWS]], or $MIGHOST_CRASHES and $MIGHOST_ROWS
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/fault/mail.sh.inc
. "$(dirname "$0")/mail.sh.inc"

[[ -n ${MIGHOST_TEST_PG:-} ]] || exit 77

readonly CRASHES=${1:-${MIGHOST_CRASHES:-4}}
readonly ROWS=${2:-${MIGHOST_ROWS:-2000}}
readonly BATCH=$((ROWS / 100 > 0 ? ROWS / 100 : 1))
readonly PAUSE_US=$((ROWS < 60000 ? 600000 / ROWS : 0)) # a row: small tables take a while too
readonly CLUSTER=$MIGHOST_SOURCE/tests/support/pg_cluster

span=400 # the last moment of a crash, in ms from the start
place=$(mktemp -d "${TMPDIR:-/tmp}/mighost-power.XXXXXX")
chmod 755 "$place"
trap 'bash "$CLUSTER" stop "$place/pg"; rm -rf "$place"; clean_up' EXIT

# One run, during which the server dies. It counts when the run came to no end.
crash_once()
{
    local wait_ms=$((RANDOM % span))

    begin run --set "workers=$1" --set "batch=$BATCH" --set "pause_us=$PAUSE_US"
    sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
    bash "$CLUSTER" kill "$place/pg"
    ended
    bash "$CLUSTER" restart "$place/pg" >/dev/null
    case $code in
    0)
        expect "a run that came to its end" "$(state)" applied
        span=$((span * 3 / 4 + 20))
        ;;
    1 | 3 | 7 | 11)
        crashes=$((crashes + 1))
        span=$((span + span / 20))
        ;;
    *) fail "the crash ended it with $code: $(tail -n 3 "$folder/run.err")" ;;
    esac
}

# crash WORKERS
crash()
{
    local crashes=0 rounds=0

    fill "$ROWS"
    while ((crashes < CRASHES && rounds < 10 * CRASHES)); do
        rounds=$((rounds + 1))
        if [[ $(state) == applied ]]; then
            check_all
            fill "$ROWS"
        fi
        crash_once "$1"
    done
    ((crashes >= CRASHES)) || fail "only $crashes crashes met a running host"
    finish --set "batch=$BATCH"
    check_all
    echo "$1 workers: $crashes crashes of the server in $rounds runs, $ROWS rows"
}

announce
make_bundle
engine=postgres
url=$(bash "$CLUSTER" start "$place/pg")
crash 1
crash 3
echo "ok"
