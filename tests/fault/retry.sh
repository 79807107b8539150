#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What others are in the way of is tried again, a bounded number of times and
# said each time: a deadlock, a serialization failure, a table that a long
# transaction holds; for SQL and native migrations, and for the statements of
# durable ones. Then it is exit code 1, nothing is left, and the sentence says
# who was in the way. Whoever reads meanwhile is not kept waiting. A session that
# somebody ends is exit code 1 at once.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

[[ -n ${MIGHOST_TEST_PG:-} ]] || exit 77

# shellcheck source=tests/fault/mail.sh.inc
. "$(dirname "$0")/mail.sh.inc"

readonly ATTEMPTS=5
readonly BATCH_ATTEMPTS=20
rival=

end_rival()
{
    [[ -z $rival ]] || kill "$rival" 2>/dev/null || true
    [[ -z $rival ]] || wait "$rival" 2>/dev/null || true
    rival=
}
trap 'end_rival; clean_up' EXIT

# others QUERY: sessions of this database for which the condition holds.
others()
{
    [[ $(ask "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND pid <> pg_backend_pid() AND $1") != 0 ]]
}

# new_database: with rows to fight about. Deadlocks are found soon.
new_database()
{
    fresh postgres
    ask "ALTER DATABASE ${url##*/} SET deadlock_timeout = '10ms'"
    ask "CREATE TABLE t (id INT PRIMARY KEY, n INT NOT NULL); INSERT INTO t VALUES (1, 0), (2, 0);
        CREATE TABLE p (id INT, part INT, n INT NOT NULL) PARTITION BY LIST (part);
        CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
        INSERT INTO p VALUES (1, 1, 0)"
}

# until_waiting NAME: SQL that waits until a session of that name waits for a
# lock; `gone`: or until there is none.
until_waiting()
{
    printf "LOOP PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01);
        EXIT WHEN EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE '%s'
            AND datname = current_database() AND wait_event_type = 'Lock')%s; END LOOP;" "$1" \
        "${2+ OR NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE '$1'
            AND datname = current_database())}"
}

# The rival takes row 1, waits until row 2 is taken, and then for row 2. It does
# not look for deadlocks, so that the migration is the one that finds them.
readonly RIVAL_TURN="DO \$\$ BEGIN UPDATE t SET n = n + 1 WHERE id = 1;
LOOP BEGIN
    PERFORM FROM t WHERE id = 2 FOR UPDATE NOWAIT; RAISE EXCEPTION 'free' USING ERRCODE = 'MIG01';
EXCEPTION WHEN lock_not_available THEN EXIT; WHEN SQLSTATE 'MIG01' THEN PERFORM pg_sleep(0.01);
END; END LOOP;
UPDATE t SET n = n + 1 WHERE id = 2; END \$\$;"

# start_rival TURNS
start_rival()
{
    local turn

    {
        echo "SET application_name = 'rival'; SET deadlock_timeout = '600s'; SET client_min_messages = error;"
        for ((turn = 0; turn < $1; turn++)); do
            echo "$RIVAL_TURN"
        done
    } | psql -qX "$url" >"$folder/rival" 2>&1 &
    rival=$!
    until_true others "application_name = 'rival'" || fail "the rival did not come"
}

# The two rows in the other order, when the rival waits.
readonly FIRST="UPDATE t SET n = n + 10 WHERE id = 2;"
SECOND="DO \$\$ BEGIN $(until_waiting rival gone) END \$\$; UPDATE t SET n = n + 10 WHERE id = 1;"
readonly SECOND

# run WANTED ARGUMENT...: `up` with that exit code; what it says is in `out`.
run()
{
    local wanted=$1 code=0

    shift
    "$MIGHOST_BIN" -d "$url" -m "$bundle" up "$@" >"$folder/out" 2>&1 </dev/null || code=$?
    [[ $code -eq $wanted ]] || fail "exit code $code, not $wanted: $(<"$folder/out")"
}

says()
{
    grep -qF -- "$1" "$folder/out" || fail "[$1] was not said: $(<"$folder/out")"
}

# tried NUMBER: so many attempts were announced behind the first.
tried()
{
    expect "attempts announced" "$(grep -c "trying again in .* of $ATTEMPTS)" "$folder/out")" "$1"
}

nothing_is_left()
{
    says "it was tried $ATTEMPTS times"
    says "nothing of this migration is left"
    tried $((ATTEMPTS - 1))
    expect "history" "$(ask "SELECT count(*) FROM mighost_history")" 0
    expect "attempts in the log" "$(ask "SELECT count(*) || max(outcome) FROM mighost_log")" 1failed
}

sql_bundle()
{
    bundle=$folder/sql
    rm -rf "$bundle"
    mkdir "$bundle"
    printf '%s\n' "$1" >"$bundle/20240101000000_m.up.sql"
}

# a_deadlock ARGUMENT...: of the migration in `bundle`, once and then for good.
a_deadlock()
{
    new_database
    start_rival 1
    run 0 "$@"
    tried 1
    says "40P01"
    wait "$rival" || fail "the rival failed: $(<"$folder/rival")"
    expect "rows" "$(ask "SELECT string_agg(n::text, ' ' ORDER BY id) FROM t")" "11 11"

    new_database
    start_rival 100
    run 1 "$@"
    says "deadlock detected"
    nothing_is_left
    end_rival
    expect "written by the migration" "$(ask "SELECT count(*) FROM t WHERE n >= 10")" 0
}

# a_batch ARGUMENT...: of a transform meets one who took a row of it and then
# wants the others. That batch is taken back and done again, be it that the server
# found the deadlock or that the batch had waited long enough.
a_batch()
{
    new_database
    fill 4000
    touch "$folder/hold"
    begin batch --set "hold=$folder/hold" --set hold_at=0 "$@"
    until_true test -e "$folder/hold.at" || fail "the first step did not end"
    psql -qX "$url" -c "SET deadlock_timeout = '600s'" \
        -c "DO \$\$ BEGIN UPDATE people SET version = 1 WHERE id = 50;
            LOOP PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01);
            EXIT WHEN EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                AND wait_event_type = 'Lock'); END LOOP;
            UPDATE people SET version = 1 WHERE id < 50 OR id BETWEEN 51 AND 100; END \$\$" \
        >"$folder/rival" 2>&1 &
    rival=$!
    until_true person_is_locked || fail "the rival did not take its row: $(<"$folder/rival")"
    rm "$folder/hold" "$folder/hold.at"
    ended
    expect "exit code" "$code" 0
    cp "$folder/batch.err" "$folder/out"
    says "of $BATCH_ATTEMPTS)"
    grep -qE '40P01|55P03' "$folder/out" || fail "it was tried again for another reason: $(<"$folder/out")"
    wait "$rival" || fail "the rival failed: $(<"$folder/rival")"
    rival=
    check_all
    expect "what the rival wrote" "$(ask "SELECT count(*) FROM people WHERE version = 1")" 100
}

person_is_locked()
{
    [[ $(ask "SELECT count(*) FROM (SELECT FROM people WHERE id = 50 FOR UPDATE SKIP LOCKED) r") == 0 ]]
}

# The row that the migration waits for moves to another partition.
a_serialization_failure()
{
    new_database
    psql -qX "$url" -c "DO \$\$ BEGIN UPDATE p SET part = 2; $(until_waiting 'mighost%') END \$\$" &
    rival=$!
    until_true others "query LIKE 'DO%part = 2%' AND state = 'active'" || fail "the rival did not come"
    until_true row_is_locked || fail "the rival does not move the row"
    sql_bundle "UPDATE p SET n = n + 10;"
    run 0
    tried 1
    says "40001"
    wait "$rival" || fail "the rival failed"
    rival=
    expect "row" "$(ask "SELECT part || ' ' || n FROM p")" "2 10"
}

row_is_locked()
{
    [[ $(ask "SELECT count(*) FROM (SELECT FROM p1 FOR UPDATE SKIP LOCKED) r") == 0 ]]
}

# hold_table: a long transaction that has read the table, in a session that a
# person would know again; `until` the file is gone.
hold_table()
{
    touch "$folder/held"
    {
        echo "SET application_name = 'the report'; BEGIN; SELECT count(*) FROM t;"
        echo "\\! while [ -e $folder/held ]; do sleep 0.05; done"
        echo "COMMIT;"
    } | psql -qX "$url" >"$folder/rival" 2>&1 &
    rival=$!
    until_true others "application_name = 'the report' AND state = 'idle in transaction'" ||
        fail "the long transaction did not begin"
}

let_go()
{
    rm "$folder/held"
    wait "$rival" || fail "the long transaction failed: $(<"$folder/rival")"
    rival=
}

names_the_report()
{
    says "it was waiting for a lock on t, held by server process "
    says 'application "the report"), idle in transaction, in its transaction for '
    says "last statement: SELECT count(*) FROM t"
}

readonly ALTER="ALTER TABLE t ADD COLUMN x INT;"

# The header line counts before the option. Readers come behind the waiting
# ALTER TABLE again and again, and each is let through: without the limit the
# first would wait until its own patience ends.
a_table_that_is_held()
{
    local reader reads

    new_database
    hold_table
    sql_bundle $'-- mig: lock_timeout = 1s\n'"$ALTER"
    while [[ -e $folder/held ]]; do
        echo "SET lock_timeout = '30s'; SELECT count(*) FROM t;"
    done | psql -qXAt -v ON_ERROR_STOP=1 "$url" >"$folder/reads" 2>"$folder/reader" &
    reader=$!
    run 1 --lock-timeout 0
    nothing_is_left
    names_the_report
    says "waiting: a lock on t, held by server process "
    let_go
    wait "$reader" || fail "a reader failed: $(<"$folder/reader")"
    reads=$(grep -c '^2$' "$folder/reads")
    ((reads >= ATTEMPTS)) || fail "only $reads reads came through"
    run 0
}

# held_and_freed ARGUMENT...: the table is let go when the first attempt has
# failed.
held_and_freed()
{
    new_database
    hold_table
    begin freed --lock-timeout 500ms "$@"
    said freed "trying again in"
    let_go
    ended
    expect "exit code" "$code" 0
    expect "columns" "$(ask "SELECT count(*) FROM information_schema.columns WHERE table_name = 't'")" 3
}

# In a durable one the steps before stand, and it is exit code 7.
a_durable_one()
{
    sql_bundle $'-- mig: mode = durable\nCREATE TABLE before (id INT);\n'"$ALTER"
    held_and_freed
    held_for_good
    bundle=$MIGHOST_FIXTURES/durable_params
    held_and_freed --set "first=CREATE TABLE before (id INT)" --set "second=$ALTER"
    held_for_good --set "first=CREATE TABLE before (id INT)" --set "second=$ALTER"
}

held_for_good()
{
    new_database
    hold_table
    run 7 --lock-timeout 300ms "$@"
    says "it was tried $ATTEMPTS times"
    says "1 finished step stands"
    let_go
    run 0 "$@"
    expect "columns" "$(ask "SELECT count(*) FROM information_schema.columns WHERE table_name = 't'")" 3
}

readonly HALF='CREATE TABLE half (x INT)'
readonly SUICIDE='SELECT pg_terminate_backend(pg_backend_pid())'

# terminated ARGUMENT...: somebody ends the session. That is not tried again.
terminated()
{
    new_database
    run 1 "$@"
    says "57P01"
    says "the history shows that nothing of this migration was applied"
    tried 0
    expect "history" "$(ask "SELECT count(*) FROM mighost_history")" 0
    expect "attempts in the log" "$(ask "SELECT count(*) || max(outcome) FROM mighost_log")" 1failed
    expect "tables" "$(ask "SELECT count(*) FROM pg_tables WHERE tablename = 'half'")" 0
}

announce
sql_bundle "$HALF; $SUICIDE;"
terminated
bundle=$MIGHOST_FIXTURES/run_params
terminated --set "first=$HALF" --set "second=$SUICIDE"
sql_bundle "$FIRST $SECOND"
a_deadlock
bundle=$MIGHOST_FIXTURES/run_params
a_deadlock --set "first=$FIRST" --set "second=$SECOND"
a_serialization_failure
a_table_that_is_held
sql_bundle "$ALTER"
held_and_freed
a_durable_one
engine=postgres
make_bundle
a_batch --workers 1
a_batch --workers 2
echo "ok"
