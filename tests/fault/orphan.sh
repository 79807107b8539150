#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A server process whose host was killed does not know it while it works on a
# statement of the migration, and holds the run lock. The next host waits for
# it; the server ends the statement, which would have taken ten minutes, long
# before the host's patience ends; and the migration is applied once. For SQL,
# and for a module whose worker is killed too.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

[[ -n ${MIGHOST_TEST_PG:-} ]] || exit 77

# shellcheck source=tests/fault/mail.sh.inc
. "$(dirname "$0")/mail.sh.inc"

readonly NOTE='INSERT INTO runs VALUES (1)'
readonly SLEEP='SELECT pg_sleep((SELECT seconds FROM pace))'

at_work()
{
    [[ $(ask "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND state = 'active' AND wait_event = 'PgSleep'") == 1 ]]
}

# killed ARGUMENT...: host and worker in the migration of `bundle`; then `up` again.
killed()
{
    local worker

    fresh postgres
    ask "CREATE TABLE pace (seconds INT NOT NULL); CREATE TABLE runs (number INT NOT NULL);
        INSERT INTO pace VALUES (600)"
    begin first "$@"
    until_true at_work || fail "the migration did not begin: $(<"$folder/first.err")"
    worker=$(worker_of "$host")
    # shellcheck disable=SC2086
    kill -9 "$host" $worker
    ended
    ask "UPDATE pace SET seconds = 0"
    begin second "$@"
    ended
    expect "exit code of the next" "$code" 0
    ! at_work || fail "the server process works still"
    expect "runs; history" "$(ask "SELECT (SELECT count(*) FROM runs), count(*), min(state)
        FROM mighost_history")" "1|1|applied"
}

bundle=$folder/sql
mkdir "$bundle"
echo "$NOTE; $SLEEP;" >"$bundle/20240101000000_m.up.sql"
killed
bundle=$MIGHOST_FIXTURES/run_params
killed --set "first=$NOTE" --set "second=$SLEEP"
echo "ok"
