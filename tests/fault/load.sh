#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A durable migration that is killed in the middle of a load, with batches of it
# inserted already: nothing of the load is left, the steps before it are, and the
# next `up` loads from its beginning. The rows come from a stream that was opened
# outside of every step. Then a load and streams run through the whole host.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

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

for engine in $(engines); do
    killed_load "$engine"
    whole_host "$engine"
done
