#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A host that waits for another one's run says for whom, and gives up with exit
# code 4 when its patience ends: the holder is named by its process, since when
# it is there and, on a server, by its last words, and nothing was touched. When
# the holder has ended the same `up` works.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/fault/mail.sh.inc
. "$(dirname "$0")/mail.sh.inc"

readonly ROWS=40
readonly HOLD_AT=25

hold=$folder/hold

# touched: all that a host could have written.
touched()
{
    ask "SELECT (SELECT count(*) FROM writes), (SELECT count(*) FROM steps),
        (SELECT count(*) FROM mighost_log), (SELECT count(*) FROM mighost_journal),
        max(state) FROM mighost_history"
}

# says PATTERN: of the one error of the host that gave up.
says()
{
    grep -qE "^mighost: error: .*$1" "$folder/second.err" ||
        fail "$engine: [$1] is not in: $(<"$folder/second.err")"
}

# The worker has the lock, so it is the holder.
names_the_holder()
{
    local moment='2[0-9]{3}-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}'

    if [[ $engine == sqlite ]]; then
        says "process $worker on $(hostname) holds the run lock of .* since ${moment}Z"
        return
    fi
    holder=$(ask "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
        AND application_name LIKE 'mighost%'")
    says "run lock is held by server process $holder \\(user .*, application \"mighost[^\"]*\"\\)"
    says "connected since $moment UTC \\([0-9]+ s\\), [a-z ]+ for [0-9]+ s, last statement: [A-Z]"
}

give_up()
{
    local before

    fill "$ROWS"
    touch "$hold"
    begin first --set batch=10 --set "hold=$hold" --set "hold_at=$HOLD_AT"
    until_true test -e "$hold.at" || fail "$engine: nobody came to row $HOLD_AT"
    read -r worker _ <"$hold.at"
    rm "$hold.at"
    before=$(touched)
    code=0
    "$MIGHOST_BIN" -d "$url" -m "$bundle" --wait 700ms up \
        >"$folder/second.out" 2>"$folder/second.err" </dev/null || code=$?
    expect "$engine: exit code of the one that gave up" "$code" 4
    names_the_holder
    grep -q '^waiting: .*process' "$folder/second.err" ||
        fail "$engine: it did not say that it waits: $(<"$folder/second.err")"
    expect "$engine: touched" "$(touched)" "$before"
    kill -9 "$host"
    ended
    rm "$hold"
    finish
    check_all
}

announce
make_bundle
for engine in $(engines); do
    fresh "$engine"
    give_up
done
echo "ok"
