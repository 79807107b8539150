#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Through pgbouncer. One that lends sessions for a transaction: migrations of
# both kinds go up and down, what needs a session is refused before anything
# runs, and nothing is left on its connections, neither settings nor locks, be
# it a migration that sets them, fails, or is killed. One that lends them for a
# session is as good as the server itself. Hosts on either side of it exclude
# each other.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

[[ -n ${MIGHOST_TEST_PG:-} ]] || exit 77

# shellcheck source=tests/fault/mail.sh.inc
. "$(dirname "$0")/mail.sh.inc"
# shellcheck source=tests/fault/lease.sh.inc
. "$(dirname "$0")/lease.sh.inc"
# shellcheck source=tests/fault/proxy.sh.inc
. "$(dirname "$0")/proxy.sh.inc"

readonly MIGRATIONS=8

trap 'stop_proxy; clean_all' EXIT

# run WANTED ARGUMENT...: the command on `bundle`, with that exit code; what it
# says is in `out`.
run()
{
    local wanted=$1 code=0

    shift
    "$MIGHOST_BIN" -d "$url" -m "$bundle" "$@" >"$folder/out" 2>&1 </dev/null || code=$?
    [[ $code -eq $wanted ]] || fail "$*: exit code $code, not $wanted: $(<"$folder/out")"
}

says()
{
    grep -qF -- "$1" "$folder/out" || fail "[$1] was not said: $(<"$folder/out")"
}

# new_bundle: an empty one.
new_bundle()
{
    bundle=$(mktemp -d "$folder/bundle.XXXX")
}

# What the next client of the pool finds. There is one connection in it.
nothing_left()
{
    expect "$1: settings" "$(ask "SELECT current_setting('search_path') || '|' ||
        current_setting('statement_timeout') || '|' || current_setting('lock_timeout') || '|' ||
        current_user || '|' || current_setting('client_encoding') || '|' ||
        current_setting('work_mem')")" '"$user", public|0|0|postgres|UTF8|4MB'
    expect "$1: channels, cursors, statements, temporary tables" "$(ask "SELECT
        (SELECT count(*) FROM pg_listening_channels()) + (SELECT count(*) FROM pg_cursors
        WHERE is_holdable) + (SELECT count(*) FROM pg_prepared_statements)
        + (SELECT count(*) FROM pg_class WHERE relpersistence = 't')")" 0
    no_stray_lock
}

readonly STAINS="SET search_path = pg_catalog; SET statement_timeout = '77s'; SET lock_timeout = '78s';
SET work_mem = '5MB'; SET ROLE pg_monitor; RESET ROLE; SET ROLE postgres;
CREATE TEMP TABLE temporary (id INT); LISTEN news; PREPARE plan AS SELECT 1;
DECLARE held CURSOR WITH HOLD FOR SELECT 1; SELECT pg_advisory_lock(4711);"

nothing_leaks()
{
    behind "$1"
    new_bundle
    printf '%s\nCREATE TABLE public.a (id INT);\n' "$STAINS" >"$bundle/20240101000000_a.up.sql"
    echo 'DROP TABLE public.a;' >"$bundle/20240101000000_a.down.sql"
    printf -- '-- mig: mode = durable\n%s\nCREATE TABLE public.b (id INT);\n' "$STAINS" \
        >"$bundle/20240102000000_b.up.sql"
    echo 'DROP TABLE public.b;' >"$bundle/20240102000000_b.down.sql"
    run 0 up
    nothing_left "behind up"
    run 0 down --all
    nothing_left "behind down"
    printf '%s\nSELECT nothing;\n' "$STAINS" >"$bundle/20240103000000_c.up.sql"
    run 1 up
    says "nothing of this migration is left"
    nothing_left "behind a failure"
    expect "state behind a failure" "$(ask "SELECT count(*) FROM mighost_history")" 2
}

modules_run()
{
    behind "$1"
    engine=postgres
    bundle=$folder/module
    fill 200
    finish --set batch=20
    check_all
    run 0 down
    fill 200
    finish --set batch=10 --set workers=3
    check_all
    no_stray_lock
}

# What cannot be tied to a transaction is found before anything runs.
sessions_are_refused()
{
    local what

    for what in $'-- mig: mode = none\nCREATE TABLE b (id INT);' \
        'CREATE INDEX CONCURRENTLY i ON a (id);' \
        $'-- mig: mode = durable\nCREATE TABLE b (id INT);\nCREATE INDEX CONCURRENTLY i ON a (id);'; do
        behind "$1"
        new_bundle
        echo 'CREATE TABLE a (id INT);' >"$bundle/20240101000000_a.up.sql"
        printf '%s\n' "$what" >"$bundle/20240102000000_b.up.sql"
        run 6 up
        says "migration 20240102000000 (b)"
        says "as pgbouncer does: connect to the server directly, or set pool_mode = session"
        expect "tables made by what was refused" "$(ask "SELECT to_regclass('a') IS NULL")" t
        expect "history" "$(ask "SELECT count(*) FROM mighost_history")" 0
        no_stray_lock
        url=$direct
        run 0 up
    done
}

modules_are_refused()
{
    behind "$1"
    bundle=$MIGHOST_FIXTURES/none_fails
    run 6 up
    says "has mode none, which needs a session of its own"
    expect "history" "$(ask "SELECT count(*) FROM mighost_history")" 0
}

# The row stands beside the history, wherever that is.
the_lease_is_where_the_history_is()
{
    behind "$1"
    ask "CREATE SCHEMA own"
    new_bundle
    echo 'CREATE TABLE a (id INT);' >"$bundle/20240101000000_a.up.sql"
    run 0 --history-table own.m up
    expect "tables of the host" "$(ask "SELECT string_agg(schemaname || '.' || tablename, ' ' ORDER BY schemaname, tablename)
        FROM pg_tables WHERE tablename LIKE '%\_lock' OR schemaname = 'own'")" \
        "own.m_history own.m_journal own.m_lock own.m_log own.m_meta"
}

# Who may not make tables is told which one it would be.
a_lease_that_cannot_be_made_is_named()
{
    without denied
    new_bundle
    echo 'CREATE TABLE a (id INT);' >"$bundle/20240101000000_a.up.sql"
    psql -qX "$direct" -c "REVOKE ALL ON SCHEMA public FROM PUBLIC, pg_database_owner" \
        -c "GRANT USAGE ON SCHEMA public TO PUBLIC"
    psql -qX "$direct" -c "ALTER SCHEMA public OWNER TO postgres"
    run 1 up
    says 'the table "public"."mighost_lock", for the run lock, cannot be made: permission denied'
}

a_session_is_a_session()
{
    behind "$1"
    new_bundle
    echo 'CREATE TABLE a (id INT);' >"$bundle/20240101000000_a.up.sql"
    echo 'CREATE INDEX CONCURRENTLY i ON a (id);' >"$bundle/20240102000000_b.up.sql"
    printf -- '-- mig: mode = none\nVACUUM a;\n' >"$bundle/20240103000000_c.up.sql"
    run 0 up
    expect "a lease where there is a session" "$(ask "SELECT to_regclass('mighost_lock')")" ""
    no_stray_lock
    modules_run "$1"
}

# A connection of the pool that its client left in the middle.
a_killed_host_leaves_no_lock()
{
    behind "$1"
    new_bundle
    printf 'CREATE TABLE a (id INT);\nSELECT pg_sleep(60);\n' >"$bundle/20240101000000_a.up.sql"
    begin killed
    until_true sleeping || fail "the migration does not come to its sleep"
    kill -9 "$host"
    ended
    until_true awake || fail "the migration of a killed host goes on"
    no_stray_lock
    echo 'CREATE TABLE a (id INT);' >"$bundle/20240101000000_a.up.sql"
    run 0 --wait 60s up
    expect "applied" "$(ask "SELECT state FROM mighost_history")" applied
}

sleeping()
{
    [[ $(psql -qXAt "$direct" -c "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%'
        AND datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()") == 1 ]]
}

awake()
{
    ! sleeping
}

# Who connects directly waits for a host behind the pooler, also between two of
# its transactions.
a_lease_is_waited_for_directly()
{
    behind "$1"
    engine=postgres
    bundle=$folder/module
    fill 200
    touch "$folder/hold"
    begin first --set batch=20 --set "hold=$folder/hold" --set hold_at=0
    until_true test -e "$folder/hold.at" || fail "the module did not come to its hold"
    url=$direct
    run 4 --wait 2s up
    says "the run lock is held by process "
    rm "$folder/hold"
    ended
    expect "the host behind the pooler" "$code" 0
    check_all
}

# Half of the hosts come through the pooler. Those who lose may have to give up
# where they are, and never do anything twice.
both_ways_at_once()
{
    local pids=() i code n through

    behind "$1"
    through=$url
    new_bundle
    echo 'CREATE TABLE runs (number BIGINT NOT NULL);' >"$bundle/20240101000000_runs.up.sql"
    for ((n = 1; n <= MIGRATIONS; n++)); do
        write_migration "$bundle" $n
    done
    for i in 0 1 2 3 4 5; do
        url=$through
        ((i % 2)) || url=$direct
        "$MIGHOST_BIN" -d "$url" -m "$bundle" --wait 60s -q up >"$folder/out$i" 2>"$folder/err$i" &
        pids+=($!)
    done
    for i in 0 1 2 3 4 5; do
        code=0
        wait "${pids[i]}" || code=$?
        [[ $code -eq 0 || $code -eq 4 ]] || fail "host $i ended with $code: $(<"$folder/err$i")"
    done
    url=$through
    run 0 up
    expect "runs of each migration" \
        "$(ask "SELECT COUNT(*), COUNT(DISTINCT number) FROM runs")" "$MIGRATIONS|$MIGRATIONS"
    no_stray_lock
}

# Some poolers pass on what a server process says of itself and then lend
# another. Wherever that happens it is seen before anything is done there, and
# the lock that stayed behind is dropped.
a_pooler_that_says_nothing_is_seen()
{
    local number=0 moved=1 code through

    new_bundle
    echo 'CREATE TABLE runs (number BIGINT NOT NULL);' >"$bundle/20240101000000_runs.up.sql"
    write_migration "$bundle" 1
    write_migration "$bundle" 2 $'-- mig: mode = durable\n'
    while ((moved)); do
        number=$((number + 1))
        fresh postgres
        direct=$url
        start_proxy $number moved
        url=$through
        code=0
        "$MIGHOST_BIN" -d "$url" -m "$bundle" up >"$folder/out" 2>&1 || code=$?
        [[ $code == [037] ]] || fail "moved behind $number: $code: $(<"$folder/out")"
        [[ $code -eq 0 ]] || says "a pooler stands between"
        no_stray_lock
        grep -q ^moved "$folder/proxy" || moved=0
        stop_proxy
        url=$direct
        run 0 up
        expect "moved behind message $number: runs" \
            "$(ask "SELECT COUNT(*), COUNT(DISTINCT number) FROM runs")" "2|2"
    done
    ((number > 10)) || fail "the run has but $number messages"
}

announce
mkdir "$folder/module"
cp "$MIGHOST_FIXTURES/durable_mail/libmig_$MAIL_ID.so" "$folder/module/"
chmod 755 "$folder/module" "$folder"/module/*.so

start_pooler transaction 1
narrow=$port
start_pooler transaction 20
wide=$port
start_pooler session 20
nothing_leaks "$narrow"
modules_run "$narrow"
modules_run "$wide"
sessions_are_refused "$wide"
modules_are_refused "$wide"
the_lease_is_where_the_history_is "$wide"
a_lease_that_cannot_be_made_is_named
a_killed_host_leaves_no_lock "$wide"
both_ways_at_once "$wide"
a_lease_is_waited_for_directly "$wide"
a_session_is_a_session "$port"
a_pooler_that_says_nothing_is_seen
echo "ok"
