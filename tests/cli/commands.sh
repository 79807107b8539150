#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every command on SQLite, as a person and as a program reads it.

# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
export DATABASE_URL=sqlite:app.db

migration 20240126100000_create_users \
    "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);" "DROP TABLE users;"
migration 20240126110000_create_posts \
    "CREATE TABLE posts (id INTEGER PRIMARY KEY);" "DROP TABLE posts;"
migration 20240126120000_index_users \
    "CREATE INDEX idx_users_name ON users(name);" "DROP INDEX idx_users_name;"

# A database that is not there yet looks empty.
show status
expect "files made by looking" "$(ls)" "migrations"
show current
show previous
show pending
show applied
show plan
show plan down
show init
show init
show up --count 1
show current
show previous
show plan
show plan --to 20240126110000
show up --to 20240126110000
show status --exit-code
show up
show up
show status
show status --exit-code
show list -q --exit-code
show previous
show previous 20240126110000
show previous 20240126100000
show applied
show pending
show plan down
show plan down --all
show show 20240126110000
show down
show down --to 20240126100000
show run 20240126120000
show run 20240126110000
show run 20240126110000 --allow-out-of-order
show run 20240126110000 --down
show redo
show down --all
show down
show log --limit 3
show log 20240126110000
show log 99
show baseline 20240126110000
show -q up
show -q status
show -v down --count 2
show show 99
show run 99
compare commands

# The same for a program.
rm -f app.db*
run up -q
run down --all --json
expect_json '.direction == "down" and .done == 3 and .current_version == null and
    .migrations == ["20240126120000", "20240126110000", "20240126100000"]'
run status --json
expect_json '.current_version == null and .applied_migrations == [] and .last_error == null'
expect_json '.pending_migrations ==
    ["20240126100000", "20240126110000", "20240126120000"] and .pending == 3'
run plan --json
expect_json '.direction == "up" and (.steps | map(.id)) ==
    ["20240126100000", "20240126110000", "20240126120000"]'
run up --json --count 2
expect_json '.done == 2 and .migrations == ["20240126100000", "20240126110000"]
    and .current_version == "20240126110000" and (.run_id | length > 0) and .skipped == 0'
run up --json --count 1 -q --events
expect_json '.done == 1'
expect "events are JSON lines" "$(jq -rs 'map(.event) | join(" ")' <<<"$err")" "run start done end"
expect "the run's id" "$(jq -rs 'map(.run_id) | unique | .[]' <<<"$err")" "$(jq -r .run_id <<<"$out")"
run up --json
expect_json '.done == 0 and .migrations == [] and .current_version == "20240126120000"'
run status --json
expect_json '.current_version == "20240126120000" and .pending_migrations == []'
expect_json '.applied_migrations | length == 3'
expect_json '.applied_migrations[0] | .id == "20240126100000" and .description == "create users"
    and .state == "applied" and .kind == "sql" and .mode == "atomic" and .sequence > 0
    and .has_down and (.changed | not) and (.missing | not)
    and (.applied_at | test("^20..-..-..T..:..:..\\.[0-9]+Z$"))'
expect_json '.problems == 0 and .applied == 3 and .pending == 0'
run current --json
expect_json '. == {"current_version": "20240126120000"}'
run previous --json
expect_json '. == {"previous_version": "20240126110000"}'
run previous 20240126100000 --json
expect_json '. == {"previous_version": null}'
run applied --json
expect_json '.applied_migrations | length == 3'
run pending --json
expect_json '. == {"pending_migrations": []}'
run log --json --limit 1
expect_json '.attempts | length == 1'
expect_json '.attempts[0] | .id == "20240126120000" and .action == "up" and .error == null'
run show 20240126110000 --json
expect_json '.migration.id == "20240126110000" and (.up | startswith("CREATE TABLE posts"))
    and (.down | startswith("DROP")) and .steps == [] and (.attempts | length > 0)'
run redo --json
expect_json '.done >= 1 and .current_version == "20240126120000"'
run run 20240126120000 --down --json
expect_json '.direction == "down" and .done == 1'
run plan down --json
expect_json '.direction == "down" and (.steps | map(.id)) == ["20240126110000"]'
run init --json
expect_json '. == {"state": "ready"}'
run version --json
expect_json '.abi.major == 1 and (.version | length > 0)'
run -d sqlite:adopted.db baseline 20240126110000 --json
expect_json '. == {"id": "20240126110000", "recorded": 2}'
run up --json --to x
expect_json '.error.exit_code == 2'

# stuck ID: a durable migration that stops behind its first step.
stuck()
{
    migration "$1_stuck" "-- mig: mode = durable
CREATE TABLE t$1 (x);
INSERT INTO nowhere VALUES (1);" "DROP TABLE t$1;"
    run -q up
    expect "a migration that stops part way ($err)" "$code" 7
}

# settled HOW STATE: as a program is told, and as the history then has it.
settled()
{
    run resolve 20240126130000 "$1" --json
    expect "resolve $1 ($err)" "$code" 0
    expect_json ". == {\"id\": \"20240126130000\", \"state\": \"$2\"}"
    run show 20240126130000 --json
    expect_json ".migration.state == \"$2\""
}
stuck 20240126130000
settled --applied applied
run resolve 20240126130000 --retry --json
expect "resolve of what is settled" "$code" 5
expect_json '.error | .exit_code == 5 and (.message | contains("20240126130000"))'
run run 20240126130000 --down -q
expect "its way back ($err)" "$code" 0
run -q up
expect "the same again ($err)" "$code" 7
settled --reverted pending
sqlite3 app.db "DROP TABLE t20240126130000"
run -q up
run resolve 20240126130000 --retry --json
expect_json '. == {"id": "20240126130000", "state": "pending"}'
sqlite3 app.db "CREATE TABLE nowhere (x)"
run -q up
expect "up of what is to be retried ($err)" "$code" 0
run resolve 20240126130000 --json
expect "resolve that does not say how" "$code" 2
expect_json '.error.exit_code == 2'

# Modules that abort as soon as they are loaded, or leave a trace of it: what only
# looks, or writes to the history alone, never loads them.
mkdir loads
cp "$MIGHOST_FIXTURES"/load_abort/*.so "$MIGHOST_FIXTURES"/load_trace/*.so loads/
export DATABASE_URL=sqlite:loads.db MIGHOST_BUNDLE=loads MIGHOST_TRACE=$folder/trace
run up
expect "up of a module that aborts ($err)" "$code" 1
expect_match "up of a module that aborts" "$err" "*SIGABRT*"
looks=(status "status --json" current previous pending applied log "log 20240601000026"
    "show 20240601000026" "show 20240601000028 --json" "plan" "plan --json" init
    "inspect loads/libmig_20240601000026.so" "inspect loads/libmig_20240601000028.so")
for state in pending applied; do
    for look in "${looks[@]}"; do
        # shellcheck disable=SC2086
        run $look
        expect "$look of modules that are $state ($err)" "$code" 0
    done
    run baseline 20240601000028
    [[ $state == applied ]] || expect "baseline of them ($err)" "$code" 0
done
run current
expect "the current one of them" "$out" 20240601000028
run previous
expect "the previous one of them" "$out" 20240601000026
[[ ! -e trace ]] || fail "a command that only looks has loaded a module"
export DATABASE_URL=sqlite:app.db
unset MIGHOST_BUNDLE MIGHOST_TRACE

# Columns of a table stand under their heads.
run -d sqlite:adopted.db status
expect "the column of the states" \
    "$(awk '/^ID/ {at = index($0, "STATE")} /^2024/ {print index($0, $2) == at}' <<<"$out" |
        sort -u)" 1
finish
