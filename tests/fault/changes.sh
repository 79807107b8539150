#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The database changes under a durable data migration: rows are deleted, and the
# column that it reads is dropped, while it runs and between two runs. Rows that
# are gone are no error. The column is one, which is named; what is finished
# stands, and when the column is there again the next `up` goes on.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/fault/mail.sh.inc
. "$(dirname "$0")/mail.sh.inc"

readonly ROWS=60
readonly HOLD_AT=35

hold=$folder/hold

# hold_it: a run that waits at that row; sets `worker`.
hold_it()
{
    touch "$hold"
    begin run --set batch=10 --set "hold=$hold" --set "hold_at=$HOLD_AT"
    until_true test -e "$hold.at" || fail "$engine: nobody came to row $HOLD_AT"
    read -r worker _ <"$hold.at"
    rm "$hold.at"
}

# stopped WHAT ROWS: the last run stopped for the lack of the column, and the
# batches before it were written.
stopped()
{
    expect "$engine: $1: exit code" "$code" 7
    grep -qE "\"error\":.*\"migration $MAIL_ID .*people.*\bemail\b.*finished steps and the batches of step [0-9]+ .*stand" \
        "$folder/run.err" ||
        fail "$engine: $1: the column is not named: $(tail -n 1 "$folder/run.err")"
    expect "$engine: $1: state; written" \
        "$(state) $(ask 'SELECT count(*), count(email_hash) FROM people JOIN writes USING (id)')" \
        "partial $2|$2"
}

# give_back: the column as it was.
give_back()
{
    ask "ALTER TABLE people ADD COLUMN email TEXT; UPDATE people SET version = version + 1,
        email = 'User' || id || '@Example.org'" >/dev/null
}

# dropped_between: the worker is killed and the column dropped.
dropped_between()
{
    fill "$ROWS"
    hold_it
    kill -9 "$worker"
    ended
    rm "$hold"
    expect "$engine: exit code after the kill" "$code" 7
    ask "ALTER TABLE people DROP COLUMN email"
    begin run --set batch=10
    ended
    stopped "dropped between two runs" 30
    give_back
    finish
    check_all
}

# dropper_waits: whether somebody waits to drop the column.
dropper_waits()
{
    [[ $(ask "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND query LIKE 'ALTER TABLE people DROP%' AND wait_event_type = 'Lock'") == 1 ]]
}

# The batch at hand has the table, so that the next one finds it changed.
dropped_meanwhile()
{
    local dropper

    fill "$ROWS"
    hold_it
    psql -qX -v ON_ERROR_STOP=1 "$url" -c "ALTER TABLE people DROP COLUMN email" &
    dropper=$!
    until_true dropper_waits || fail "nobody drops the column"
    rm "$hold"
    wait "$dropper" || fail "the column was not dropped"
    ended
    stopped "dropped while it runs" 40
    give_back
    finish
    check_all
}

# Some that are read already, and some that are not.
deleted_meanwhile()
{
    fill "$ROWS"
    hold_it
    ask "DELETE FROM people WHERE id IN (5, 33, 37, 50)"
    rm "$hold"
    ended
    expect "$engine: exit code with deleted rows: $(tail -n 1 "$folder/run.err")" "$code" 0
    expect "$engine: rows, hashed, written" "$(ask "SELECT count(*), count(email_hash),
        (SELECT count(*) FROM writes WHERE id NOT IN (5, 33, 37, 50)) FROM people")" "56|56|56"
}

announce
make_bundle
for engine in $(engines); do
    fresh "$engine"
    dropped_between
    [[ $engine == postgres ]] || continue # in a file a batch is alone
    dropped_meanwhile
    deleted_meanwhile
done
echo "ok"
