#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Hosts that wait for one that builds an index without a lock keep it from
# nothing, and end well: each applied migration is applied once. A host that is
# killed while it builds, or that loses its session, leaves an INVALID index: the
# next run drops it and builds it anew, but never under the hands of another.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

[[ -n ${MIGHOST_TEST_PG:-} ]] || exit 77

# shellcheck source=tests/fault/mail.sh.inc
. "$(dirname "$0")/mail.sh.inc"

readonly HOSTS=8
readonly BUILD='CREATE INDEX CONCURRENTLY large_i ON large (i)'

holder=
builder=

# end_session PID: of a psql of this test.
end_session()
{
    [[ -z $1 ]] || kill "$1" 2>/dev/null || true
    [[ -z $1 ]] || wait "$1" 2>/dev/null || true
}
trap 'end_session "$holder"; end_session "$builder"; clean_up' EXIT

# table ROWS: in a database of its own.
table()
{
    fresh postgres
    ask "CREATE TABLE large AS SELECT i FROM generate_series(1, $1) i"
}

# hold: a transaction that has written to the table. An index cannot be finished
# before it ends, which is when the file is gone.
hold()
{
    touch "$folder/held"
    {
        echo "SET application_name = 'holder'; BEGIN; INSERT INTO large VALUES (0);"
        echo "\\! while [ -e $folder/held ]; do sleep 0.05; done"
        echo "COMMIT;"
    } | psql -qX "$url" >"$folder/holder" 2>&1 &
    holder=$!
    until_true holds || fail "the table is not held: $(<"$folder/holder")"
}

holds()
{
    [[ $(ask "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND application_name = 'holder' AND state = 'idle in transaction'") == 1 ]]
}

let_go()
{
    rm "$folder/held"
    wait "$holder" || fail "the holder failed: $(<"$folder/holder")"
    holder=
}

# building APPLICATION: whether a session of that name is at it, and waits.
building()
{
    [[ $(ask "SELECT count(*) FROM pg_stat_progress_create_index JOIN pg_stat_activity
        USING (pid, datname) WHERE datname = current_database() AND application_name LIKE '$1%'
        AND wait_event_type = 'Lock' AND index_relid <> 0") == 1 ]]
}

nobody_builds()
{
    [[ $(ask "SELECT count(*) FROM pg_stat_progress_create_index
        WHERE datname = current_database()") == 0 ]]
}

# left: state, finished steps of how many in the journal, whether the index is valid.
left()
{
    ask "SELECT (SELECT max(state) FROM mighost_history), count(*) FILTER (WHERE finished = 1),
        count(*), (SELECT indisvalid FROM pg_index WHERE indexrelid = 'large_i'::regclass)
        FROM mighost_journal"
}

# interrupted WHAT: while the host builds, it or its session ends; `code` is how
# it ended, and what it said is in first.err.
interrupted()
{
    table 100
    hold
    begin first
    until_true building mighost || fail "$1: nothing is built: $(<"$folder/first.err")"
    if [[ $1 == host ]]; then
        kill -9 "$host"
    else
        ask "SELECT pg_terminate_backend(pid) FROM pg_stat_progress_create_index
            WHERE datname = current_database()" >/dev/null
    fi
    ended
    until_true nobody_builds || fail "$1: it is built by nobody's order"
    expect "$1: state; steps, finished and begun; valid" "$(left)" "partial|0|1|f"
}

# finished WHAT: the next `up` succeeds, and there is one index, a valid one.
finished()
{
    begin next
    ended
    expect "$1: exit code of the next: $(tail -n 2 "$folder/next.err")" "$code" 0
    expect "$1: state; valid indexes, all; table" \
        "$(ask "SELECT (SELECT max(state) FROM mighost_history),
            count(*) FILTER (WHERE indisvalid), count(*), to_regclass('behind')
            FROM pg_index WHERE indrelid = 'large'::regclass")" "applied|1|1|behind"
}

table 100000
bundle=$folder/bundle
mkdir "$bundle"
printf '%s\n' '-- mig: mode = durable' "$BUILD;" \
    'CREATE TABLE behind (id INT);' >"$folder/bundle/20240101000002_index.up.sql"
hosts=()
for ((i = 0; i < HOSTS; i++)); do
    "$MIGHOST_BIN" -d "$url" -m "$folder/bundle" --wait 120s -q up 2>"$folder/err$i" &
    hosts+=($!)
done
for ((i = 0; i < HOSTS; i++)); do
    wait "${hosts[i]}" || fail "host $i ended with $?: $(<"$folder/err$i")"
done
expect "the index; applied" "$(ask "SELECT (SELECT indisvalid FROM pg_index WHERE indexrelid =
    'large_i'::regclass), (SELECT count(*) FROM mighost_log WHERE outcome = 'applied')")" "t|1"

interrupted host
expect "exit code of the killed" "$code" 137
let_go
finished host
interrupted session
expect "exit code without its session" "$code" 7
let_go
finished session

# Another builds an index of that name, as an orphan of an earlier run would.
interrupted host
let_go
ask "DROP INDEX large_i"
hold
PGAPPNAME=builder psql -qX "$url" -c "$BUILD" >"$folder/builder" 2>&1 &
builder=$!
until_true building builder || fail "nobody else builds: $(<"$folder/builder")"
begin next
ended
said next "is still being built by server process "
expect "exit code while another builds" "$code" 7
expect "state; steps, finished and begun; valid" "$(left)" "partial|0|1|f"
let_go
wait "$builder" || fail "the other failed: $(<"$folder/builder")"
builder=
finished "another"
echo "ok"
