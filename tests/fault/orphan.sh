#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A server process whose host was killed does not know it while it works on a
# statement of the migration, and holds the run lock. The next host waits for
# it; the server ends the statement, which would have taken ten minutes, long
# before the host's patience ends; and the migration is applied once. For SQL,
# and for a module whose worker is killed too. Where the server cannot see that its
# client is gone, who waits says what the orphan does; and whoever has lost the
# connection ends an orphan of its own.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

[[ -n ${MIGHOST_TEST_PG:-} ]] || exit 77

# shellcheck source=tests/fault/mail.sh.inc
. "$(dirname "$0")/mail.sh.inc"
# shellcheck source=tests/fault/proxy.sh.inc
. "$(dirname "$0")/proxy.sh.inc"

trap 'stop_proxy; clean_up' EXIT

readonly NOTE='INSERT INTO runs VALUES (1)'
readonly SLEEP='SELECT pg_sleep((SELECT seconds FROM pace))'

at_work()
{
    [[ $(ask "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND state = 'active' AND wait_event = 'PgSleep'") == 1 ]]
}

new_database()
{
    fresh postgres
    ask "CREATE TABLE pace (seconds INT NOT NULL); CREATE TABLE runs (number INT NOT NULL);
        INSERT INTO pace VALUES (600)"
}

# begin_through HOW ARGUMENT...: `up` through a proxy that cuts the long statement off.
begin_through()
{
    local direct=$url

    start_proxy pg_sleep "$1"
    shift
    url=$through
    begin first "$@"
    url=$direct
}

kill_at_work()
{
    local worker

    until_true at_work || fail "the migration did not begin: $(<"$folder/first.err")"
    worker=$(worker_of "$host")
    # shellcheck disable=SC2086
    kill -9 "$host" $worker
    ended
    ask "UPDATE pace SET seconds = 0"
}

applied_once()
{
    expect "exit code of the next" "$code" 0
    ! at_work || fail "the server process works still"
    expect "runs; history" "$(ask "SELECT (SELECT count(*) FROM runs), count(*), min(state)
        FROM mighost_history")" "1|1|applied"
}

# killed ARGUMENT...: host and worker in the migration of `bundle`; then `up` again.
killed()
{
    new_database
    begin first "$@"
    kill_at_work
    begin second "$@"
    ended
    applied_once
}

# named ARGUMENT...: the same, and nobody but a person ends the orphan.
named()
{
    new_database
    begin_through mute "$@"
    kill_at_work
    begin second "$@"
    said second "held by server process [0-9]* .*last statement: .*pg_sleep"
    at_work || fail "the orphan of another run was ended"
    ask "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'
        AND datname = current_database()" >/dev/null
    ended
    stop_proxy
    applied_once
}

# ended_by_its_run ARGUMENT...: the connection breaks, and the server goes on.
ended_by_its_run()
{
    new_database
    begin_through left "$@"
    ended
    stop_proxy
    expect "exit code ($(<"$folder/first.err"))" "$code" 1
    grep -q "the history shows that nothing of this migration was applied" "$folder/first.err" ||
        fail "it does not say what is left: $(<"$folder/first.err")"
    ! at_work || fail "the server process works still"
    ask "UPDATE pace SET seconds = 0"
    begin second "$@"
    ended
    applied_once
}

# each ARGUMENT...
each()
{
    killed "$@"
    named "$@"
    ended_by_its_run "$@"
}

bundle=$folder/sql
mkdir "$bundle"
echo "$NOTE; $SLEEP;" >"$bundle/20240101000000_m.up.sql"
each
bundle=$MIGHOST_FIXTURES/run_params
each --set "first=$NOTE" --set "second=$SLEEP"
echo "ok"
