#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What stops part way, and how it goes on, on every engine: durable migrations
# up and down, those without a transaction, runs that undo themselves, rolling
# back with and without the files, changed files, older files, adopting a
# database. After each step the history, the log and the database are looked at.
# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/cli/engines.sh.inc
. "$here/engines.sh.inc"

readonly DURABLE='-- mig: mode = durable'
readonly NONE='-- mig: mode = none'

# up_text NAME LINE...: ./migrations/NAME.up.sql; down_text likewise.
up_text()
{
    printf '%s\n' "${@:2}" >"migrations/$1.up.sql"
}

down_text()
{
    printf '%s\n' "${@:2}" >"migrations/$1.down.sql"
}

# A table that counts what ran, and three plain migrations.
plain()
{
    clean
    up_text 1_runs "CREATE TABLE runs (step INTEGER);"
    down_text 1_runs "DROP TABLE runs;"
    up_text 2_a "CREATE TABLE a (x INTEGER);"
    down_text 2_a "DROP TABLE a;"
    up_text 3_b "CREATE TABLE b (x INTEGER);"
    down_text 3_b "DROP TABLE b;"
}

# table NAME YES-OR-NO
table()
{
    local got=yes

    ask "SELECT COUNT(*) FROM $1" >/dev/null 2>&1 || got=no
    [[ $got == "$2" ]] || fail "$engine: line ${BASH_LINENO[0]}: is table $1 there: $got, expected $2"
}

durable_up()
{
    plain
    up_text 4_c "$DURABLE" "INSERT INTO runs VALUES (1);" "INSERT INTO nowhere VALUES (2);" \
        "INSERT INTO runs VALUES (3);"
    mig up
    expect_code 7
    says "4_c.up.sql:3:" "1 finished step stands"
    history_is "1:applied 2:applied 3:applied 4:partial"
    log_is "3 up applied, 4 up failed"
    answer "SELECT step FROM runs" 1
    answer "SELECT step, finished, kind FROM mighost_journal" "1|1|sql"
    mig show 4
    expect_code 0
    prints partial "finished"

    # Nothing else runs over it, and it cannot be rolled back half done.
    mig down
    expect_code 5
    says 4 "only in part"
    mig run 5
    expect_code 2
    # The same text fails the same way, and step 1 does not run twice.
    mig up
    expect_code 7
    answer "SELECT step FROM runs" 1

    # The corrected file: refused until somebody says so.
    up_text 4_c "$DURABLE" "INSERT INTO runs VALUES (1);" "INSERT INTO runs VALUES (2);" \
        "INSERT INTO runs VALUES (3);"
    mig up
    expect_code 5
    says 4 changed "resolve"
    answer "SELECT step FROM runs" 1
    mig resolve 4 --retry
    expect_code 0
    log_is "4 up failed, 4 resolve to be retried"
    mig up
    expect_code 0
    answer "SELECT step FROM runs ORDER BY step" "1 2 3"
    history_is "1:applied 2:applied 3:applied 4:applied"
    answer "SELECT COUNT(*) FROM mighost_journal" 0
    log_is "4 resolve to be retried, 4 up applied"
    mig up
    expect_code 0

    # A finished step that was changed is refused even then, with both prints.
    clean
    up_text 1_runs "CREATE TABLE runs (step INTEGER);"
    up_text 4_c "$DURABLE" "INSERT INTO runs VALUES (1);" "INSERT INTO nowhere VALUES (2);"
    mig up
    expect_code 7
    up_text 4_c "$DURABLE" "INSERT INTO runs VALUES (100);" "INSERT INTO runs VALUES (2);"
    mig resolve 4 --retry
    expect_code 0
    mig up
    expect_code 5
    says "step 1" "another text" "..., now"
    answer "SELECT step FROM runs" 1
    history_is "1:applied 4:partial"
    mig resolve 4 --reverted
    expect_code 0
    history_is "1:applied"
    answer "SELECT COUNT(*) FROM mighost_journal" 0
    mig up
    expect_code 0
    answer "SELECT step FROM runs ORDER BY step" "1 2 100"

    # Failing at its first step it has done nothing.
    plain
    up_text 4_c "$DURABLE" "INSERT INTO nowhere VALUES (1);" "INSERT INTO runs VALUES (2);"
    mig up
    expect_code 1
    says "nothing of this migration is left"
    history_is "1:applied 2:applied 3:applied"
    answer "SELECT COUNT(*) FROM mighost_journal" 0
    log_is "3 up applied, 4 up failed"
    up_text 4_c "$DURABLE" "INSERT INTO runs VALUES (1);"
    mig up
    expect_code 0

    # A file that was rightly half done by hand.
    plain
    up_text 4_c "$DURABLE" "INSERT INTO runs VALUES (1);" "INSERT INTO nowhere VALUES (2);"
    mig up
    expect_code 7
    mig resolve 4 --applied
    expect_code 0
    history_is "1:applied 2:applied 3:applied 4:applied"
    log_is "4 up failed, 4 resolve applied"
    answer "SELECT COUNT(*) FROM mighost_journal" 0
    mig resolve 4 --retry
    expect_code 5
    mig resolve 99 --applied
    expect_code 2
}

durable_down()
{
    local applied_at

    plain
    up_text 4_c "$DURABLE" "CREATE TABLE c (x INTEGER);" "CREATE TABLE d (x INTEGER);"
    down_text 4_c "$DURABLE" "DROP TABLE d;" "DELETE FROM nowhere;" "DROP TABLE c;"
    mig up
    expect_code 0
    mig down
    expect_code 7
    says "4_c.down.sql:3:"
    history_is "1:applied 2:applied 3:applied 4:reverting"
    log_is "4 up applied, 4 down failed"
    table d no
    table c yes
    mig up
    expect_code 5
    says 4 "in part"
    mig current
    ask "CREATE TABLE nowhere (x INTEGER)"
    mig down
    expect_code 0
    history_is "1:applied 2:applied 3:applied"
    log_is "4 down failed, 4 down rolled back"
    table c no
    answer "SELECT COUNT(*) FROM mighost_journal" 0

    # At its first step: still applied, since when it was.
    ask "DROP TABLE nowhere"
    down_text 4_c "$DURABLE" "DELETE FROM nowhere;" "DROP TABLE d;" "DROP TABLE c;"
    mig up
    expect_code 0
    applied_at=$(ask "SELECT applied_at_ms, duration_ms FROM mighost_history WHERE id = 4")
    mig down
    expect_code 1
    history_is "1:applied 2:applied 3:applied 4:applied"
    answer "SELECT applied_at_ms, duration_ms FROM mighost_history WHERE id = 4" "$applied_at"
    ask "CREATE TABLE nowhere (x INTEGER)"
    mig down
    expect_code 0

    # Half rolled back, and then settled.
    ask "DROP TABLE nowhere"
    down_text 4_c "$DURABLE" "DROP TABLE d;" "DELETE FROM nowhere;" "DROP TABLE c;"
    mig up
    expect_code 0
    mig down
    expect_code 7
    ask "DROP TABLE c"
    mig resolve 4 --reverted
    expect_code 0
    history_is "1:applied 2:applied 3:applied"
    answer "SELECT COUNT(*) FROM mighost_journal" 0
    mig up
    expect_code 0
}

without_transaction()
{
    plain
    up_text 4_c "$NONE" "INSERT INTO runs VALUES (1);" "INSERT INTO nowhere VALUES (2);"
    down_text 4_c "$NONE" "DELETE FROM runs WHERE step = 1;"
    mig up
    expect_code 7
    says "4_c.up.sql:3:" "resolve 4" --retry --applied --reverted
    history_is "1:applied 2:applied 3:applied 4:failed"
    log_is "3 up applied, 4 up failed"
    answer "SELECT step FROM runs" 1
    mig up
    expect_code 5
    says 4 resolve
    mig down
    expect_code 5
    answer "SELECT step FROM runs" 1

    # Again, from its beginning.
    ask "DELETE FROM runs"
    ask "CREATE TABLE nowhere (x INTEGER)"
    mig resolve 4 --retry
    expect_code 0
    history_is "1:applied 2:applied 3:applied"
    mig up
    expect_code 0
    history_is "1:applied 2:applied 3:applied 4:applied"
    mig down
    expect_code 0
    answer "SELECT COUNT(*) FROM runs" 0

    ask "DROP TABLE nowhere"
    mig up
    expect_code 7
    mig resolve 4 --applied
    expect_code 0
    history_is "1:applied 2:applied 3:applied 4:applied"
    mig down
    expect_code 0

    mig up
    expect_code 7
    mig resolve 4 --reverted
    expect_code 0
    history_is "1:applied 2:applied 3:applied"
    log_is "4 up failed, 4 resolve reverted"

    # Going down without a transaction.
    up_text 4_c "$NONE" "INSERT INTO runs VALUES (1);"
    down_text 4_c "$NONE" "DELETE FROM runs;" "DELETE FROM nowhere;"
    mig up
    expect_code 0
    mig down
    expect_code 7
    history_is "1:applied 2:applied 3:applied 4:failed"
    mig resolve 4 --reverted
    expect_code 0
    history_is "1:applied 2:applied 3:applied"
}

undoing_a_run()
{
    plain
    mig up --to 1
    expect_code 0
    up_text 4_c "CREATE TABLE c (x INTEGER);" "INSERT INTO nowhere VALUES (1);"
    mig up --rollback-on-failure
    expect_code 1
    says "4_c.up.sql:2:" "the 2 that this run had applied"
    history_is "1:applied"
    log_is "2 up applied, 3 up applied, 4 up failed, 3 down rolled back, 2 down rolled back"
    table runs yes
    table a no

    # A durable one that stopped half way stands, and all before it.
    plain
    up_text 4_c "$DURABLE" "INSERT INTO runs VALUES (1);" "INSERT INTO nowhere VALUES (2);"
    down_text 4_c "DELETE FROM runs;"
    mig up --rollback-on-failure
    expect_code 7
    says "rolling back" "only in part"
    history_is "1:applied 2:applied 3:applied 4:partial"

    # One that it has finished is its own, whoever began it.
    up_text 4_c "$DURABLE" "INSERT INTO runs VALUES (1);" "CREATE TABLE nowhere (x INTEGER);"
    mig resolve 4 --retry
    expect_code 0
    up_text 5_d "INSERT INTO missing VALUES (1);"
    down_text 4_c "$DURABLE" "DROP TABLE nowhere;" "DELETE FROM runs;"
    mig up --rollback-on-failure
    expect_code 1
    says "5_d.up.sql:1:" "the 1 that this run had applied"
    history_is "1:applied 2:applied 3:applied"
    table nowhere no

    # Where one of them has no way back nothing is undone, and that is said.
    plain
    rm migrations/3_b.down.sql
    up_text 4_c "INSERT INTO nowhere VALUES (1);"
    mig up --rollback-on-failure
    expect_code 1
    says 3 "cannot be rolled back"
    history_is "1:applied 2:applied 3:applied"
}

rolling_back()
{
    plain
    up_text 4_c "CREATE TABLE c (x INTEGER);"
    down_text 4_c "DROP TABLE c;"
    mig up
    expect_code 0
    mig current
    prints 4
    mig previous
    prints 3
    mig previous 1
    expect_code 0
    mig down --count 2
    expect_code 0
    history_is "1:applied 2:applied"
    mig up --count 1
    history_is "1:applied 2:applied 3:applied"
    mig up
    # Between two versions.
    mig down --to 2
    expect_code 0
    history_is "1:applied 2:applied"
    mig redo
    expect_code 0
    history_is "1:applied 2:applied"
    log_is "2 down rolled back, 2 up applied"
    mig run 4
    expect_code 0
    history_is "1:applied 2:applied 4:applied"
    mig run 4
    expect_code 5
    mig run 2 --down
    expect_code 0
    history_is "1:applied 4:applied"
    mig run 2 --down
    expect_code 5
    # Older than what is applied.
    mig up
    expect_code 5
    says "2, 3" "older than" --allow-out-of-order
    mig up --allow-out-of-order
    expect_code 0
    history_is "1:applied 2:applied 3:applied 4:applied"
    # Back in the order in which they came, not that of their numbers.
    mig down
    history_is "1:applied 2:applied 4:applied"
    mig down
    history_is "1:applied 4:applied"
    mig down --all
    expect_code 0
    history_is ""
    mig down
    expect_code 0
    mig down --all
    expect_code 0
}

# What would refuse the way forth is found before the way back is taken.
redone()
{
    plain
    up_text 4_c "$DURABLE" "INSERT INTO runs VALUES (1);" "INSERT INTO nowhere VALUES (2);"
    mig up
    expect_code 7
    mig redo
    expect_code 5
    says "applied only in part: 4" "nothing was rolled back"
    history_is "1:applied 2:applied 3:applied 4:partial"
    table b yes

    plain
    mig up
    up_text 2_a "CREATE TABLE a (x INTEGER, y INTEGER);"
    mig redo
    expect_code 5
    says "its file has changed since: 2" "nothing was rolled back"
    history_is "1:applied 2:applied 3:applied"
    mig redo --accept-changed 2
    expect_code 0
    history_is "1:applied 2:applied 3:applied"

    rm migrations/3_b.*
    mig redo
    expect_code 5
    says "no migration 3" "nothing was done"
    table b yes
}

carried()
{
    local other="x'44'"

    [[ $engine == sqlite ]] || other="'\\x44'::bytea"
    plain
    cp "$MIGHOST_BUILD/migrations/libmig_20240126130000.so" migrations/
    up_text 4_users "CREATE TABLE users (id INTEGER PRIMARY KEY, email VARCHAR(99));" \
        "INSERT INTO users VALUES (1, 'a@b');"
    mig up
    expect_code 0
    history_is "1:applied 2:applied 3:applied 4:applied 20240126130000:applied"
    rm migrations/libmig* migrations/3_b.*

    mig status
    expect_code 0
    mig down
    expect_code 0
    ask "SELECT email_hash FROM users" >/dev/null 2>&1 && fail "$engine: the column is still there"
    history_is "1:applied 2:applied 3:applied 4:applied"

    # No way back: refused before anything runs, or left out.
    mig down --all
    expect_code 5
    says 4 "--skip-irreversible"
    history_is "1:applied 2:applied 3:applied 4:applied"
    mig down --all --skip-irreversible
    expect_code 0
    history_is "4:applied"
    table b no
    table users yes

    # It carries the way back of the bundle that finished it.
    plain
    up_text 4_c "$DURABLE" "CREATE TABLE c (x INTEGER);" "INSERT INTO runs SELECT x FROM nowhere;"
    down_text 4_c "DROP TABLE no_such_table;"
    mig up
    expect_code 7
    ask "CREATE TABLE nowhere (x INTEGER)" >/dev/null
    down_text 4_c "DROP TABLE c;"
    mig up
    expect_code 0
    rm migrations/4_c.*
    mig down
    expect_code 0
    table c no
    history_is "1:applied 2:applied 3:applied"

    # What it carries was tampered with.
    plain
    mig up
    rm migrations/3_b.*
    ask "UPDATE mighost_history SET body = $other WHERE id = 3"
    mig down
    expect_code 5
    says "was changed"
    history_is "1:applied 2:applied 3:applied"
    table b yes
}

changed_files()
{
    plain
    mig up
    expect_code 0
    # Line ends and a byte order mark are no change.
    printf '\xef\xbb\xbfCREATE TABLE a (x INTEGER);\r\n' >migrations/2_a.up.sql
    mig up
    expect_code 0
    echo "CREATE TABLE a (x INTEGER, y INTEGER);" >migrations/2_a.up.sql
    down_text 2_a "DROP TABLE a; INSERT INTO runs VALUES (2);"
    up_text 4_c "CREATE TABLE c (x INTEGER);"
    mig up
    expect_code 5
    says 2 "changed since" "--accept-changed"
    history_is "1:applied 2:applied 3:applied"
    mig up --accept-changed 3
    expect_code 5
    mig up --accept-changed 2
    expect_code 0
    history_is "1:applied 2:applied 3:applied 4:applied"
    mig up
    expect_code 0
    mig status
    expect_code 0
}

adopting()
{
    plain
    ask "CREATE TABLE runs (step INTEGER)"
    ask "CREATE TABLE a (x INTEGER)"
    mig plan
    expect "$engine: what plan says besides" "$err" ""
    ask "CREATE TABLE schema_migrations (version BIGINT)"
    for command in plan status pending up; do
        mig $command
        says "has a table schema_migrations, so another tool has migrated it" "mighost baseline ID"
    done
    expect_code 1
    history_is ""
    mig baseline 99
    expect_code 2
    mig baseline 2
    expect_code 0
    history_is "1:applied 2:applied"
    answer "SELECT kind FROM mighost_history" "baseline baseline"
    log_is "1 baseline applied, 2 baseline applied"
    mig baseline 3
    expect_code 5
    mig up
    expect_code 0
    grep -q schema_migrations <<<"$err" && fail "$engine: the other history is spoken of for ever"
    history_is "1:applied 2:applied 3:applied"
    mig down --all
    expect_code 0
    history_is ""
    table a no
}

# --timeout on an SQL migration: what it had begun is taken back, and it can run
# again when it has time.
time_runs_out()
{
    local endless='SELECT pg_sleep(600);'

    [[ $engine == postgres ]] ||
        endless='WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n;'
    plain
    up_text 4_c "CREATE TABLE c (x INTEGER);" "$endless"
    mig --timeout 2s up
    expect_code 1
    says "4_c.up.sql:2:" "nothing of this migration is left"
    history_is "1:applied 2:applied 3:applied"
    log_is "3 up applied, 4 up failed"
    table c no

    up_text 4_c "$DURABLE" "CREATE TABLE c (x INTEGER);" "$endless"
    mig --timeout 2s up
    expect_code 7
    says "4_c.up.sql:3:" "1 finished step stands"
    history_is "1:applied 2:applied 3:applied 4:partial"
    table c yes
    up_text 4_c "$DURABLE" "CREATE TABLE c (x INTEGER);" "SELECT 1;"
    mig resolve 4 --retry
    expect_code 0
    mig --timeout 60s up
    expect_code 0
    history_is "1:applied 2:applied 3:applied 4:applied"
}

locked()
{
    ! sqlite3 "${url#sqlite:}" 'BEGIN IMMEDIATE; ROLLBACK' 2>/dev/null
}

until_true()
{
    for ((tries = 0; tries < 600; tries++)); do
        ! "$@" || return 0
        sleep 0.05
    done
    echo "in vain: $*" >&2
    exit 1
}

# Another host, which the lock should have kept out, has done the same while
# this one waited to begin: that is no failure, and it is not done twice.
overtaken()
{
    local process host

    [[ $url == sqlite:* ]] || return 0
    plain
    mig up --to 2
    expect_code 0
    coproc OTHER { sqlite3 -cmd '.timeout 60000' "${url#sqlite:}"; }
    process=$OTHER_PID
    echo "BEGIN IMMEDIATE; CREATE TABLE b (x INTEGER);
        INSERT INTO mighost_history SELECT 3, '3', sequence + 1, state, kind, mode, 'b', checksum,
            carrier, applied_at_ms, duration_ms, run_id, host_version, who, signer, body
        FROM mighost_history WHERE id = 2;" >&"${OTHER[1]}"
    until_true locked
    "$MIGHOST_BIN" -d "$url" --busy-timeout 60s --events up >"$folder/.out" 2>"$folder/.err" &
    host=$!
    until_true grep -qs waiting "$folder/.err"
    printf 'COMMIT;\n.quit\n' >&"${OTHER[1]}"
    wait "$process"
    wait "$host"
    code=$?
    expect_code 0
    history_is "1:applied 2:applied 3:applied"
    answer "SELECT count(*) FROM mighost_log WHERE outcome = 'failed'" 0
}

# durable_module FLAG...: another build of the fixture durable_steps, of the same id.
durable_module()
{
    rm -f migrations/libmig_20240601000008.so
    cc -shared -fPIC -fvisibility=hidden -Wl,-z,now,-z,relro -I "$MIGHOST_SOURCE/sdk/include" "$@" \
        "$MIGHOST_SOURCE/tests/fixtures/durable_steps.c" -o migrations/libmig_20240601000008.so ||
        fail "the module cannot be built"
    chmod 755 migrations migrations/*.so
}

# A module that stopped part way goes on as the build that it was.
changed_module()
{
    local checksum

    clean
    durable_module -O0
    mig up --set fail_at=4
    expect_code 7
    says "asked to fail at step 4" "4 finished steps stand"
    checksum=$(ask "SELECT checksum FROM mighost_history")
    cp migrations/*.so kept
    durable_module -O2
    cmp -s migrations/*.so kept && fail "both builds are the same"
    mig up
    expect_code 5
    says "applied only in part, and its file has changed since: 20240601000008" \
        "mighost resolve ID --retry"
    history_is "20240601000008:partial"
    answer "SELECT checksum FROM mighost_history" "$checksum"
    answer "SELECT n FROM durable_steps ORDER BY n" "1 2 3"

    # The one that began may go on.
    cp kept migrations/libmig_20240601000008.so
    mig up --set fail_at=7
    expect_code 7
    answer "SELECT n FROM durable_steps ORDER BY n" "1 2 3 4 5 6"

    # The other one too, once a person has said so: what is done stays done.
    durable_module -O2
    mig up
    expect_code 5
    mig resolve 20240601000008 --retry
    expect_code 0
    mig up
    expect_code 0
    history_is "20240601000008:applied"
    answer "SELECT n FROM durable_steps ORDER BY n" "1 2 3 4 5 6 7 8 9 10"

    # Killed in place of failed, it is the same.
    clean
    durable_module -O0
    mig up --set die_at=4
    expect_code 7
    durable_module -O2
    mig up
    expect_code 5
    says "its file has changed since: 20240601000008"
    answer "SELECT count(*) FROM durable_steps" 3
}

# endless MODE: a migration that never comes to its end by itself.
endless()
{
    local statement="SELECT pg_sleep(600);"

    clean
    [[ $engine == postgres ]] ||
        statement="WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
SELECT COUNT(*) FROM n;"
    migration 1_a "-- mig: mode = $1
CREATE TABLE a (x INTEGER);
$statement"
}

out_of_time()
{
    local mode

    for mode in atomic durable none; do
        endless "$mode"
        mig --timeout 300ms up
        [[ $code == 1 || $mode != atomic && $code == 7 ]] || fail "$engine, $mode: exit code $code"
        says "statement 2" "--timeout allows 300 ms for one migration"
        answer "SELECT COUNT(*) FROM mighost_log
            WHERE error LIKE '%--timeout allows 300 ms%'" 1
    done
}

# How long it waited is told as the option says it.
lock_is_held()
{
    local host

    endless atomic
    "$MIGHOST_BIN" -d "$url" --events up >"$folder/.other" 2>&1 &
    host=$!
    until_true grep -qs '"start"' "$folder/.other"
    mig --wait 200ms up
    expect_code 4
    says "waited 200 ms and gave up"
    kill "$host"
    wait "$host"
    expect "the other host ended by the signal" $? 143
}

for each in $(engines); do
    fresh "$each"
    overtaken
    changed_module
    out_of_time
    lock_is_held
    durable_up
    durable_down
    without_transaction
    undoing_a_run
    rolling_back
    redone
    carried
    changed_files
    adopting
    time_runs_out
done
finish
