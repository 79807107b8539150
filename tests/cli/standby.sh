#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# --max-lag with a real standby: a data migration waits while the standby
# replays nothing, and goes on when it does; a user who may not see standbys is
# told so, once. The standby itself is looked at, and never written to.

# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/cli/engines.sh.inc
. "$here/engines.sh.inc"

[[ -n ${MIGHOST_TEST_PG:-} ]] || exit 77
readonly cluster=$MIGHOST_SOURCE/tests/support/pg_cluster
programs=$(bash "$cluster" programs)
readonly programs

# The server's own user where we are root, whom it refuses.
as_server()
{
    if [[ $EUID -eq 0 ]]; then
        (cd / && runuser -u postgres -- "$@")
    else
        "$@"
    fi
}

# Takes the servers away before the folder that they are in.
stop_servers()
{
    as_server "$programs/pg_ctl" -D "$place/data" -m immediate stop >/dev/null 2>&1
    bash "$cluster" stop "$place/first"
    rm -rf "$place" "$folder" "$transcript"
}

place=$(mktemp -d "${TMPDIR:-/tmp}/mighost-standby.XXXXXX")
chmod 777 "$place"
trap stop_servers EXIT

standby_ask()
{
    as_server "$programs/psql" -qXAt -h "$place" -p 5999 -d postgres -U postgres -c "$1"
}

# The server of the other tests has no standbys.
url=$(PG_CLUSTER_STANDBYS=2 bash "$cluster" start "$place/first") || exit 1
# It listens on a socket in its own folder only, so that its port is free.
as_server "$programs/pg_basebackup" -d "$url" -D "$place/data" -R -X stream -c fast ||
    { fail "no copy of the server"; exit 1; }
printf '%s\n' "port = 5999" "listen_addresses = ''" "unix_socket_directories = '$place'" |
    as_server tee -a "$place/data/postgresql.auto.conf" >/dev/null
as_server "$programs/pg_ctl" -D "$place/data" -l "$place/data/log" -w start >/dev/null ||
    { fail "the standby does not start"; exit 1; }

await()
{
    local tries=1200

    until grep -qs -- "$1" "$folder.events" || ((tries-- == 0)); do
        sleep 0.05
    done
    ((tries > 0)) || fail "[$1] was never said: $(tail -n 3 "$folder.events")"
}

engine=postgres
mkdir migrations
ask "CREATE TABLE people (id BIGINT PRIMARY KEY, email VARCHAR(99));
    INSERT INTO people SELECT i, 'p' || i FROM generate_series(1, 400) i"
cp "$MIGHOST_FIXTURES/transform_durable/"*.so migrations/
chmod 755 migrations migrations/*.so

standby_ask "SELECT pg_wal_replay_pause()" >/dev/null
"$MIGHOST_BIN" -d "$url" --events up --set pause_us=5000 --max-lag 100ms 2>"$folder.events" >/dev/null &
process=$!
await '"pace":"lagging"'
standby_ask "SELECT pg_wal_replay_resume()" >/dev/null
wait "$process"
code=$?
expect "when the standby replays again" "$code" 0
answer "SELECT count(email_hash) FROM people" 400
rm -f "$folder.events"

caught_up()
{
    local tries=600

    until [[ $(standby_ask "SELECT pg_last_wal_replay_lsn() >= '$1'") == t ]]; do
        ((tries-- > 0)) || { fail "the standby does not follow"; return; }
        sleep 0.05
    done
}

first=$url
url="host=$place port=5999 dbname=postgres user=postgres"
caught_up "$(psql -qXAt "$first" -c 'SELECT pg_current_wal_lsn()')"
mig status --json
expect_code 0
expect_json '.pending_migrations == [] and (.applied_migrations | length) == 1'
for command in up down "run 20240601000020" init; do
    # shellcheck disable=SC2086
    mig $command
    expect_code 3
    says "is a standby, which cannot be written; "
done
url=$first
history_is "20240601000020:applied"

mig -q down
ask "CREATE ROLE operator LOGIN; ALTER TABLE people OWNER TO operator;
    GRANT ALL ON SCHEMA public TO operator; DROP TABLE mighost_history, mighost_log,
    mighost_journal, mighost_meta"
url=${url/\/\/postgres@/\/\/operator@}
mig up --max-lag 100ms
expect_code 0
expect "how often that is said" "$(grep -c 'grant it pg_monitor' <<<"$err")" 1
finish
