#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A data migration under the hands of an operator, on every engine: how many
# rows it may reject, what is said about them, and what a later run still knows.

# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/cli/engines.sh.inc
. "$here/engines.sh.inc"

# people COUNT: an empty bundle and database, and a table of that many rows.
people()
{
    clean
    ask "CREATE TABLE people (id BIGINT PRIMARY KEY, email VARCHAR(99));
        INSERT INTO people WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
        WHERE i < $1) SELECT i, 'p' || i FROM n" >/dev/null || fail "no table"
    cp "$MIGHOST_FIXTURES/transform_$2/"*.so migrations/
    chmod 755 migrations migrations/*.so
}

readonly HASHED="SELECT count(*), count(email_hash) FROM people"

# Rejected rows stay as they are, are named, and are few enough.
rejects_are_counted()
{
    people 50 durable
    mig up --set reject=49 --max-rejects 2
    expect_code 0
    says "rejected the row of table people with \"id\" = 49: number 49 is bad" \
        "\"id\" = 50: number 50 is bad" "rejected 2 rows of table people, which stay as they were"
    answer "$HASHED" "50|48"
    mig down
    expect_code 0
}

# One too many: the first is one too many unless told otherwise.
too_many_rejects_fail_it()
{
    people 50 atomic
    mig up --set reject=50
    expect_code 1
    says "\"id\" = 50: number 50 is bad; --max-rejects allows 0" "nothing of this migration is left"
    history_is ""
    people 50 durable
    mig up --set reject=36 --max-rejects 4
    expect_code 7
    says "\"id\" = 40: number 40 is bad; --max-rejects allows 4" \
        "1 finished step and the batches of step 2 that were committed stand and will not run again"
    answer "$HASHED" "50|30"
}

# The count of an earlier run is not forgotten.
rejects_survive_a_resume()
{
    people 50 durable
    mig up --set reject=38 --set fail=37 --max-rejects 10
    expect_code 7
    mig up --set reject=37 --set fail=999 --max-rejects 5
    expect_code 7
    says "\"id\" = 42: number 42 is bad; --max-rejects allows 5"
    answer "SELECT done, rejected FROM mighost_journal WHERE step = 2" "40|4"
    mig up --set reject=999 --max-rejects 3
    expect_code 0
    says "rejected 4 rows of table people"
    answer "$HASHED" "50|46"
}

# Whatever goes wrong in the callback, the row is named.
a_row_that_breaks_it_is_named()
{
    local row='on the row of table people with "id" = 23'

    for order in fail crash leave hang; do
        people 50 durable
        mig --timeout 1s up --set "$order=23"
        expect_code 7
        says "$row"
        answer "$HASHED" "50|20"
        mig up
        expect_code 0
        answer "$HASHED" "50|50"
    done
    people 50 atomic
    mig up --set crash=23
    expect_code 1
    says "SIGABRT" "$row"
}

# Without a journal each batch stands by itself, and what comes next is a
# person's to say.
without_a_journal_batches_stand()
{
    people 50 none
    mig up --set fail=23
    expect_code 7
    says "the callback failed on the row of table people with \"id\" = 23: number 23 is not wanted" \
        "mighost resolve 20240601000076"
    answer "$HASHED" "50|20"
    answer "SELECT count(*) FROM people WHERE email_hash IS NOT NULL AND id > 20" 0
    answer "SELECT count(*) FROM mighost_journal" 0
    mig resolve 20240601000076 --applied
    expect_code 0
    people 50 none
    mig up
    expect_code 0
    answer "$HASHED" "50|50"
}

# begin ARGUMENT...: `up` in the background; `process` is its number.
begin()
{
    "$MIGHOST_BIN" -d "$url" --events up "$@" >/dev/null 2>"$folder.events" </dev/null &
    process=$!
}

# await TEXT: until the run in the background says so.
await()
{
    local tries=1200

    until grep -qs -- "$1" "$folder.events" || ((tries-- == 0)); do
        sleep 0.05
    done
    ((tries > 0)) || fail "$engine: [$1] was never said: $(tail -n 3 "$folder.events")"
}

# ended WANTED: how the run in the background came to its end.
ended()
{
    wait "$process"
    code=$?
    err=$(<"$folder.events")
    rm -f "$folder.events"
    expect_code "$1"
}

readonly OPEN="SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND application_name LIKE 'mighost%' AND state LIKE 'idle in transaction%'"

# SIGUSR1 holds it up, with nothing open; SIGUSR2 lets it go on.
a_pause_ends_with_a_signal()
{
    local before

    people 400 durable
    begin --set pause_us=500
    await '"event":"start"'
    kill -USR1 "$process"
    await '"pace":"paused"'
    before=$(ask "SELECT count(email_hash) FROM people")
    [[ $engine == sqlite ]] || answer "$OPEN" 0
    answer "SELECT count(email_hash) FROM people" "$before"
    kill -USR2 "$process"
    ended 0
    says '"done":400,"total":400' '"batch":10'
    answer "$HASHED" "400|400"
}

# A person who reads along is told at once.
a_pause_is_said()
{
    people 400 durable
    "$MIGHOST_BIN" -d "$url" -v up --set pause_us=2000 >/dev/null 2>"$folder.events" </dev/null &
    process=$!
    await 'step 1 is done'
    kill -USR1 "$process"
    await ' of 400 rows,.* 10 a batch, paused$'
    kill -USR2 "$process"
    ended 0
    answer "$HASHED" "400|400"
}

# Whoever wants it to stop need not wait for the end of a pause.
a_pause_can_be_given_up()
{
    people 400 durable
    begin --set pause_us=500
    await '"event":"start"'
    kill -USR1 "$process"
    await '"pace":"paused"'
    kill -TERM "$process"
    ended 143
    history_is "20240601000020:partial"
    mig up
    expect_code 0
    answer "$HASHED" "400|400"
}

# In one transaction a pause holds on to what it has; that is said.
a_pause_in_a_transaction_is_warned_about()
{
    people 400 atomic
    begin --set pause_us=500
    await '"event":"start"'
    kill -USR1 "$process"
    await '"pace":"paused"'
    kill -TERM "$process"
    ended 143
    says "paused within the one transaction"
    history_is ""
}

throttle_and_lag_are_taken()
{
    people 50 durable
    mig up --events --throttle 50% --max-lag 1s
    expect_code 0
    says '"pace":"throttled"'
    answer "$HASHED" "50|50"
}

readonly SHARE=25   # percent of the time
readonly TAKES_MS=4 # each of PACED rows
readonly PACED=100

# At a quarter, three times as long as it works it rests. Of that no less than
# half is asked for; how slow the machine is besides does not matter.
throttle_keeps_to_its_share()
{
    local work_ms=$((PACED * TAKES_MS)) rest_ms most

    rest_ms=$((work_ms * (100 - SHARE) / SHARE))
    most=$((PACED * 1000 / (work_ms + rest_ms / 2)))
    people $PACED durable
    mig up --events --throttle $SHARE% --set pause_us=$((TAKES_MS * 1000))
    expect_code 0
    jq -se "map(select(.event == \"done\"))[0].duration_ms >= $work_ms + $rest_ms / 2" \
        <<<"$err" >/dev/null || fail "$engine: it hardly rested: $(tail -n 3 <<<"$err")"
    jq -se "map(select(.event == \"progress\"))[-1] | .rate > 0 and .rate <= $most" \
        <<<"$err" >/dev/null || fail "$engine: the rate is above $most: $(tail -n 3 <<<"$err")"
}

# What listeners are told, and what a log and a terminal show of it.
progress_is_told()
{
    local figures='[0-9]+ of 100 rows, [0-9]+%, [0-9]+/s, [0-9.]+ m?s to go, 10 a batch'
    local line settings=(--throttle $SHARE% --set pause_us=8000)

    people $PACED durable
    mig up --events "${settings[@]}"
    jq -se 'map(select(.event == "progress" and .done < .total)) | length > 0 and
        any(.rate > 0 and .eta_ms > 0 and .batch == 10 and .rejected == 0)' \
        <<<"$err" >/dev/null || fail "$engine: no rate, no time to go: $err"
    jq -se 'map(select(.event == "progress"))[-1] | .done == 100 and .eta_ms == 0' \
        <<<"$err" >/dev/null || fail "$engine: the end is not told: $err"

    people $PACED durable
    mig up "${settings[@]}"
    grep -qE "^  20240601000020: $figures, throttled$" <<<"$err" ||
        fail "$engine: no such line in: $err"

    command -v script >/dev/null || return 0
    people $PACED durable
    printf -v line '%q ' "$MIGHOST_BIN" -d "$url" up "${settings[@]}"
    out=$(TERM=xterm script -qec "stty cols 160; $line" /dev/null </dev/null)
    grep -qE "\[#*\.+\] $figures, throttled  .*transform rows" <<<"$out" ||
        fail "$engine: no such bar in: $out"
}

# counted: counts the writes to each row of people in `writes`.
counted()
{
    if [[ $engine == sqlite ]]; then
        ask "CREATE TABLE writes (id BIGINT); CREATE TRIGGER written AFTER UPDATE ON people
            BEGIN INSERT INTO writes VALUES (new.id); END"
    else
        ask "CREATE TABLE writes (id BIGINT); CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN INSERT INTO writes VALUES (new.id); RETURN new; END';
            CREATE TRIGGER written AFTER UPDATE ON people FOR EACH ROW EXECUTE FUNCTION note()"
    fi >/dev/null
}

readonly WRITTEN="SELECT count(*), count(DISTINCT id) FROM writes"
readonly PARTS="SELECT count(*) > 1 FROM mighost_journal WHERE part > 0"

# Where one is the most that the engine takes, more are no mistake.
workers_share_the_rows()
{
    local keys

    for keys in id email "email, id" code; do
        people 500 durable
        if [[ $engine == sqlite ]]; then
            ask "ALTER TABLE people ADD code BLOB; UPDATE people SET code = randomblob(16);
                CREATE UNIQUE INDEX codes ON people (code)"
        else
            ask "ALTER TABLE people ADD code UUID NOT NULL UNIQUE DEFAULT gen_random_uuid()"
        fi >/dev/null
        counted
        mig up --events --set workers=4 --set "key=$keys"
        expect_code 0
        says '"done":500,"total":500'
        answer "$HASHED" "500|500"
        answer "$WRITTEN" "500|500"
    done
    people 50 durable
    mig up --set workers=2 --set unsafe=yes
    expect_code 7
    says "MIG_TRANSFORM_THREAD_SAFE"
}

# What is left of the ranges is done by as many as there are then.
workers_go_on_where_others_stopped()
{
    people 500 durable
    counted
    mig up --set workers=3 --set fail=333
    expect_code 7
    says 'the row of table people with "id" = 333: number 333 is not wanted'
    [[ $engine == sqlite ]] || answer "$PARTS" t
    mig show 20240601000020 --json
    prints '"kind":"transform"'
    mig up --set workers=3 --set crash=444
    expect_code 7
    says 'on the row of table people with "id" = 444'
    mig up --set workers=3 --workers 1
    expect_code 0
    answer "$HASHED" "500|500"
    answer "$WRITTEN" "500|500"
    answer "SELECT count(*) FROM mighost_journal" 0
}

workers_stop_and_pause_together()
{
    people 500 durable
    counted
    begin --set workers=3 --set pause_us=1000
    await '"event":"start"'
    kill -USR1 "$process"
    await '"pace":"paused"'
    kill -TERM "$process"
    ended 143
    [[ $engine == sqlite ]] || answer "$OPEN" 0
    begin --set workers=3 --set reject=490 --max-rejects 11 --throttle 90%
    ended 0
    says "rejected 11 rows"
    answer "$HASHED" "500|489"
    answer "$WRITTEN" "489|489"
}

# Whoever has lost the lock stops, although the workers' connections stand.
workers_stop_when_the_lock_is_lost()
{
    [[ $engine == postgres ]] || return 0
    people 500 durable
    counted
    begin --set workers=3 --set pause_us=1000
    await '"event":"step"'
    kill -USR1 "$process"
    await '"pace":"paused"'
    ask "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())" >/dev/null
    ended 7
    says "the session that holds the lock" "run the command again to go on"
    mig up --set workers=3
    expect_code 0
    answer "$HASHED" "500|500"
    answer "$WRITTEN" "500|500"
}

for engine in $(engines); do
    fresh "$engine"
    rejects_are_counted
    too_many_rejects_fail_it
    rejects_survive_a_resume
    a_row_that_breaks_it_is_named
    without_a_journal_batches_stand
    a_pause_ends_with_a_signal
    a_pause_can_be_given_up
    a_pause_in_a_transaction_is_warned_about
    a_pause_is_said
    throttle_and_lag_are_taken
    throttle_keeps_to_its_share
    progress_is_told
    workers_share_the_rows
    workers_go_on_where_others_stopped
    workers_stop_and_pause_together
    workers_stop_when_the_lock_is_lost
done
run up -d sqlite:x.db --max-rejects -1
expect "a negative number" "$code" 2
run up -d sqlite:x.db --throttle 50
expect "a share that could be anything" "$code" 2
expect_match "how to write it" "$err" "*such as 50% or 0.5*"
finish
