#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# An application writes while a durable data migration runs, is paused, is
# killed and goes on: none of its writes is lost. Each of them is logged with
# what it found, in its own transaction, so that afterwards the history of each
# row can be told: the migration has passed it exactly once, and made what it
# wrote of what was there at that moment. And no other row is locked for it.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/fault/mail.sh.inc
. "$(dirname "$0")/mail.sh.inc"

readonly ROWS=600
readonly HOLD_AT=310
readonly WRITES=25 # a transaction each, between two looks whether to stop

readonly hold=$folder/hold

writer= # the application's process

stop_writer()
{
    touch "$folder/stop"
    [[ -z $writer ]] || wait "$writer" 2>/dev/null || true
    writer=
    rm -f "$folder/stop"
}
trap 'stop_writer; clean_up' EXIT

# Writes to a row and to random ones, each logged with the e-mail and the hash
# that it found.
writes_sql()
{
    local i id=$1

    shift
    for ((i = 0; i < WRITES; i++)); do
        echo "BEGIN $1;
            INSERT INTO log (id, version, old, hash) SELECT id, version + 1, email, email_hash
                FROM people WHERE id = $id $2;
            UPDATE people SET email = 'New' || id || '-' || (version + 1) || '@Else.ORG',
                version = version + 1 WHERE id = $id;
            UPDATE log SET new = (SELECT email FROM people WHERE id = $id)
                WHERE id = $id AND new IS NULL;
            COMMIT;"
        id=$((RANDOM % ROWS + 1))
    done
}

# write_some ROW
write_some()
{
    if [[ $engine == sqlite ]]; then
        writes_sql "$1" IMMEDIATE "" | sqlite3 -bail -cmd '.timeout 60000' "${url#sqlite:}" \
            >/dev/null || echo "the application was refused" >>"$folder/refused"
    else
        writes_sql "$1" "" "FOR UPDATE" | psql -qX -v ON_ERROR_STOP=1 "$url" >/dev/null ||
            echo "the application was refused" >>"$folder/refused"
    fi
}

write_until_stopped()
{
    until [[ -e $folder/stop ]]; do
        write_some $((RANDOM % ROWS + 1))
    done
}

# Once more than the logged writes a row had a value: what each write found is
# what the one before left, or what the migration made of that, once.
readonly CHAINS="WITH chain AS (
        SELECT id, version, old AS found, hash,
            coalesce(lag(new) OVER (PARTITION BY id ORDER BY version),
                'User' || id || '@Example.org') AS left_there FROM log
        UNION ALL SELECT p.id, p.version + 1, p.email, p.email_hash,
            coalesce((SELECT l.new FROM log l WHERE l.id = p.id AND l.version = p.version),
                'User' || p.id || '@Example.org') FROM people p)"

check_in_place()
{
    expect "$engine: rows, passed once, values that nobody wrote" "$(ask "$CHAINS
        SELECT count(*), sum(CASE WHEN passes = 1 THEN 1 ELSE 0 END), sum(strange) FROM (
            SELECT id, sum(CASE WHEN found <> left_there THEN 1 ELSE 0 END) AS passes,
                sum(CASE WHEN found NOT IN (left_there, lower(left_there)) THEN 1 ELSE 0 END)
                AS strange FROM chain GROUP BY id) AS rows_of_it")" "$ROWS|$ROWS|0"
}

# What the application wrote stands; the hash is of what was there last before
# the first write that found one.
check_beside()
{
    expect "$engine: e-mails that are not the application's" "$(ask "$CHAINS
        SELECT count(*) FROM chain WHERE found <> left_there")" 0
    ask "$CHAINS, first_hash AS (SELECT id, min(version) AS version FROM chain
            WHERE hash IS NOT NULL GROUP BY id)
        SELECT p.id, p.email_hash, c.left_there FROM people p JOIN first_hash f ON f.id = p.id
        JOIN chain c ON c.id = p.id AND c.version = f.version ORDER BY p.id" >"$folder/hashes"
    expect "$engine: rows with a hash" "$(wc -l <"$folder/hashes")" $ROWS
    mkdir "$folder/mails"
    while IFS='|' read -r id _ mail; do
        printf '%s' "$mail" >"$folder/mails/$id"
    done <"$folder/hashes"
    (cd "$folder/mails" && cut -d'|' -f1 "$folder/hashes" | xargs sha256sum) |
        awk '{print $2 "|" $1}' | cmp - <(cut -d'|' -f1,2 "$folder/hashes") ||
        fail "$engine: a hash is not of what was there"
    rm -rf "$folder/mails"
}

# hold_at ROW ARGUMENT...: a run that waits at that row, with a batch that it has
# read and not written; sets `worker`.
hold_at()
{
    local row=$1

    shift
    touch "$hold"
    begin run "$@" --set "hold=$hold" --set "hold_at=$row" --busy-timeout 60s
    until_true test -e "$hold.at" || fail "$engine: nobody came to row $row"
    read -r worker _ <"$hold.at"
    rm "$hold.at"
    # On SQLite a batch is alone with the database from its beginning.
    [[ $engine == sqlite ]] || write_some "$row"
}

# One run is killed over a batch whose rows have changed, the next writes that
# batch, is paused behind it, and ends while the application writes on.
writes_meanwhile()
{
    fill "$ROWS"
    ask "CREATE TABLE log (id BIGINT, version BIGINT, old TEXT, new TEXT, hash TEXT);
        CREATE INDEX log_id ON log (id, version)" >/dev/null
    hold_at $HOLD_AT "$@"
    write_until_stopped &
    writer=$!
    kill -9 "$worker"
    ended
    expect "$engine: exit code after the kill" "$code" 7
    hold_at $HOLD_AT "$@" --throttle 50%
    kill -USR1 "$host"
    rm "$hold"
    said run '"pace":"paused"'
    write_some $((HOLD_AT + 200))
    kill -USR2 "$host"
    ended
    expect "$engine: exit code of the last run: $(tail -n 1 "$folder/run.err")" "$code" 0
    stop_writer
    [[ ! -e $folder/refused ]] || fail "$engine: $(head -n 1 "$folder/refused")"
    check_once
}

# What a batch holds while it waits for one of its rows: its own rows, no more.
readonly LOCKED="SELECT count(*), min(id), max(id) FROM people WHERE id NOT IN
    (SELECT id FROM people FOR UPDATE SKIP LOCKED)"

# waits: whether a session of the host waits for a lock.
waits()
{
    [[ $(ask "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND application_name LIKE 'mighost%' AND wait_event_type = 'Lock'") == 1 ]]
}

locks_of_a_batch()
{
    local locker

    fill "$ROWS"
    ask "CREATE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN new; END';
        CREATE TRIGGER stopping BEFORE UPDATE ON people FOR EACH ROW WHEN (old.id = $HOLD_AT)
            EXECUTE FUNCTION stop_here()" >/dev/null
    touch "$hold"
    begin run --set batch=20 --set "hold=$hold" --set "hold_at=$HOLD_AT"
    until_true test -e "$hold.at" || fail "nobody came to row $HOLD_AT"
    expect "rows locked while callbacks run" "$(ask "$LOCKED")" "0||"
    mkfifo "$folder/locker"
    psql -qXAt "$url" <"$folder/locker" >/dev/null &
    locker=$!
    exec 7>"$folder/locker"
    echo "SELECT pg_advisory_lock(4711);" >&7
    until_true eval '[[ $(ask "SELECT count(*) FROM pg_locks WHERE locktype = '\''advisory'\'' AND
        objid = 4711 AND granted") == 1 ]]' || fail "the lock was not taken"
    rm "$hold" "$hold.at"
    until_true waits || fail "the batch does not come to its row"
    expect "rows locked by a batch: all of them its own" \
        "$(ask "SELECT count <= 20, min > 300, max <= 320 FROM ($LOCKED) AS l")" "t|t|t"
    ask "UPDATE people SET version = version WHERE id NOT BETWEEN 301 AND 320" >/dev/null
    exec 7>&-
    wait "$locker" || true
    ended
    expect "exit code" "$code" 0
    check_hashes
}

# An application keeps a row of a batch for long. The batch waits a moment for it
# and lets go of its other rows, again and again, however long a DDL statement of
# this run might wait: whoever wants one of those comes through.
a_row_that_is_kept()
{
    local keeper

    fill "$ROWS"
    touch "$hold"
    begin run --set batch=20 --set "hold=$hold" --set "hold_at=$HOLD_AT" --lock-timeout 10m "$@"
    until_true test -e "$hold.at" || fail "nobody came to row $HOLD_AT"
    mkfifo "$folder/keeper"
    psql -qXAt "$url" <"$folder/keeper" >/dev/null &
    keeper=$!
    exec 7>"$folder/keeper"
    echo "SET application_name = 'the keeper'; BEGIN; UPDATE people SET version = 7 WHERE id = 315;" >&7
    until_true eval '[[ $(ask "SELECT count(*) FROM pg_stat_activity WHERE state = '\''idle in transaction'\''
        AND application_name = '\''the keeper'\''") == 1 ]]' || fail "the row was not taken"
    rm "$hold" "$hold.at"
    said run "trying again in"
    ask "SET lock_timeout = '60s'; UPDATE people SET version = 8 WHERE id BETWEEN 301 AND 314;
        UPDATE people SET version = 9 WHERE id BETWEEN 316 AND 320" >/dev/null ||
        fail "the rows beside the one that is kept are not to be had"
    said run 'held by server process .*the keeper'
    echo "COMMIT;" >&7
    exec 7>&-
    wait "$keeper"
    rm "$folder/keeper"
    ended
    expect "exit code: $(tail -n 1 "$folder/run.err")" "$code" 0
    expect "what the application wrote" "$(ask "SELECT count(*) FROM people WHERE version IN (7, 8, 9)")" 20
    check_hashes
}

announce
make_bundle
for engine in $(engines); do
    fresh "$engine"
    writes_meanwhile --set batch=20
    check_beside
    writes_meanwhile --set batch=20 --set lower=yes
    check_in_place
    [[ $engine == postgres ]] || continue
    writes_meanwhile --set batch=20 --set lower=yes --set workers=3
    check_in_place
    locks_of_a_batch
    fresh "$engine"
    a_row_that_is_kept
    a_row_that_is_kept --workers 2 --set workers=2
done
echo "ok"
