#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Where output goes, colour, the progress bar, and what happens when nobody
# reads or nothing can be written.

# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
export DATABASE_URL=sqlite:app.db TERM=xterm
migration 1_a "CREATE TABLE a (x);" "DROP TABLE a;"
migration 2_b "CREATE TABLE b (x);" "DROP TABLE b;"
escape=$'\033'

# on_terminal ARGUMENT...: sets `out` to what a terminal of 60 columns shows.
on_terminal()
{
    local line

    printf -v line '%q ' "$MIGHOST_BIN" "$@"
    out=$(script -qec "stty cols 60; $line" /dev/null </dev/null)
}

run up
expect "up" "$code" 0
expect_match "results on standard output" "$out" "Applied 2 migrations*"
expect_match "progress on standard error" "$err" "applied *1 a*applied *2 b*"
[[ $out$err != *$escape* ]] || fail "colour without a terminal"
run -q down --all
expect "quiet" "$out$err" ""
run -q status
expect "quiet status" "$out$err" ""
run -q current --json
expect_json '. == {"current_version": null}'

if command -v script >/dev/null; then
    on_terminal up
    expect_match "colour on a terminal" "$out" "*$escape\[32mapplied*"
    on_terminal --no-color status
    [[ $out != *$escape* ]] || fail "--no-color: $out"
    NO_COLOR=1 on_terminal status
    [[ $out != *$escape* ]] || fail "NO_COLOR: $out"
    TERM=dumb on_terminal status
    [[ $out != *$escape* ]] || fail "TERM=dumb: $out"
    run down --all
    cp "$MIGHOST_FIXTURES"/good_log/libmig_*.so migrations/
    on_terminal up
    expect_match "a progress bar" "$out" "*\[[.#]*\]*of 10 rows*"
    expect_match "and it goes away" "$out" "*$escape\[K*applied*"
    run up
fi

# Nobody reads, nothing can be written.
"$MIGHOST_BIN" help | head -n 1 >/dev/null
expect "a closed pipe" "${PIPESTATUS[0]}" 0
"$MIGHOST_BIN" help >/dev/full 2>"$folder.err"
expect "a full disk" "$?" 12
expect_match "a full disk" "$(cat "$folder.err")" "mighost: error: *No space left on device*"
"$MIGHOST_BIN" status >&- 2>"$folder.err"
expect "no standard output" "$?" 3
"$MIGHOST_BIN" status 2>&- >/dev/null
expect "no standard error" "$?" 0

# held_back FD...: what is said goes nowhere while one of these is closed, and into
# no file or connection that got its number.
held_back()
{
    local host fd left=200

    (for fd in "$@"; do eval "exec $fd>&-"; done
     exec "$MIGHOST_BIN" -m "$MIGHOST_FIXTURES/up_loop" -d sqlite:held.db up) &
    host=$!
    until compgen -G 'held.db?*' >/dev/null; do
        ((left-- > 0)) || fail "$*: nothing began"
        sleep 0.05
    done
    for fd in "$@"; do
        expect "$fd, closed" "$(readlink "/proc/$host/fd/$fd")" /
    done
    kill "$host"
    wait "$host"
    rm -f held.db*
}
held_back 0 2>/dev/null
held_back 1 2>/dev/null
held_back 2 >/dev/null
held_back 0 1 2
run down --all
"$MIGHOST_BIN" up 2>/dev/full >/dev/null
expect "nowhere to say progress" "$?" 0
rm -f "$folder.err"
finish
