#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The commands on PostgreSQL: that they say the same as on SQLite, and what
# only a server can have: SQLSTATE, passwords, schemas for the history.

# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
[[ -n ${MIGHOST_TEST_PG:-} ]] || exit 77

database=cli_$$_$RANDOM
psql -qX "$MIGHOST_TEST_PG" -c "CREATE DATABASE $database" || exit 1
trap 'psql -qX "$MIGHOST_TEST_PG" -c "DROP DATABASE $database WITH (FORCE)"
    rm -rf "$folder" "$transcript"' EXIT
export DATABASE_URL=${MIGHOST_TEST_PG%/*}/$database

migration 20240126100000_create_users \
    "CREATE TABLE users (id SERIAL PRIMARY KEY, name TEXT);" "DROP TABLE users;"
migration 20240126110000_create_posts \
    "CREATE TABLE posts (id SERIAL PRIMARY KEY);" "DROP TABLE posts;"
migration 20240126120000_wrong "SELECT 1;
SELECT * FROM
    nowhere;"

run status --json
expect_json '.current_version == null and (.pending_migrations | length == 3)
    and (.engine | startswith("postgres "))'
run plan --json
expect_json '.steps | length == 3'
run up --json
expect_json '.error | .exit_code == 1 and .sqlstate == "42P01"
    and (.where | endswith("wrong.up.sql:3:5"))'
expect_match "the message" "$err" "*20240126120000_wrong.up.sql:3:5: *SQLSTATE 42P01*"
run status --json
expect_json '.current_version == "20240126110000" and .pending == 1 and .applied == 2
    and (.last_error | test("nowhere"))'
run log --json
expect_json '.attempts | map(.outcome) == ["failed", "applied", "applied"]'
rm migrations/*wrong*
run redo --json
expect_json '.current_version == "20240126110000"'
run down --all --json
expect_json '.done == 2 and .current_version == null'
run up
expect_match "up" "$out" "Applied 2 migrations in *; current version 20240126110000."
run up
expect_match "up again" "$out" "Nothing to do: 2 applied, current version 20240126110000."
run --history-table other_history up
expect "another history ($err)" "$code" 1
run --history-table ops.deploy up
expect "a history in a schema that is not there ($err)" "$code" 3
expect_match "what is said of it" "$err" \
    "*making the history tables in *\"ops\"*SQLSTATE 3F000*nothing was run*--history-table"
psql -qX "$DATABASE_URL" -c "CREATE SCHEMA ops"
run --history-table ops.deploy baseline 20240126110000
expect "a history in a schema ($err)" "$code" 0
expect "its tables" "$(psql -qXAt "$DATABASE_URL" -c \
    "SELECT count(*) FROM pg_tables WHERE schemaname = 'ops' AND tablename = 'deploy_history'")" 1

# Passwords: wrong or missing, they are never shown.
address=${MIGHOST_TEST_PG##*@}
run -d "postgres://password_user:wrong-hidden-word@${address%%/*}/$database" status
expect "a wrong password ($err)" "$code" 3
[[ $err$out != *hidden-word* ]] || fail "a password was shown: $err"
run --statement-timeout 20s --json -d "$DATABASE_URL" status
expect "a statement timeout that is not reached" "$code" 0
migration 20240126130000_slow "SELECT pg_sleep(60);"
run --statement-timeout 1s --json up
expect_json '.error.exit_code == 1 and .error.sqlstate == "57014"'

# Interrupted.
env --default-signal=INT "$MIGHOST_BIN" -v up >/dev/null 2>"$folder/err" &
process=$!
for ((i = 0; i < 600; i++)); do
    grep -q 'applying.*slow' "$folder/err" && break
    sleep 0.1
done
sleep 0.3
kill -INT "$process"
wait "$process"
code=$?
expect "interrupted ($(cat "$folder/err"))" "$code" 130
finish
