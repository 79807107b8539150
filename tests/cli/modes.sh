#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A migration that stops part way, and what a person does about it: durable
# ones go on, those without a transaction are resolved.

# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
export DATABASE_URL=sqlite:app.db

migration 1_a '-- mig: mode = none
CREATE TABLE a (x);
SELECT * FROM nowhere;' 'DROP TABLE a;'
show up
show status
run status --json
expect_json '.pending_migrations == ["1"] and .applied_migrations == [] and .problems == 1
    and .problem_migrations[0].state == "failed" and (.last_error | test("nowhere"))'
show up
show resolve 1 --reverted
show status
sqlite3 app.db "DROP TABLE a;"
run up
expect "up again" "$code" 7
show resolve 1 --applied
show status
show down
sqlite3 app.db "CREATE TABLE a (x);"
run up
expect "up over a table that is there" "$code" 7
show resolve 1 --retry
sqlite3 app.db "DROP TABLE a; CREATE TABLE nowhere (x);"
show up

migration 2_b '-- mig: mode = durable
CREATE TABLE b (x);
SELECT * FROM missing;
CREATE TABLE c (x);'
show up
show status
show show 2
show up
sqlite3 app.db "CREATE TABLE missing (x);"
show up
show show 2
show log
expect "tables" "$(sqlite3 app.db "SELECT name FROM sqlite_master WHERE name IN ('b', 'c')")" 'b
c'

# A changed file does not go on in another's journal.
migration 3_d '-- mig: mode = durable
CREATE TABLE d (x);
SELECT * FROM absent;'
run up
expect "stopped part way" "$code" 7
migration 3_d '-- mig: mode = durable
CREATE TABLE d (x);
CREATE TABLE e (x);'
show up
show resolve 3 --retry
show up

show resolve 9 --applied
compare modes
finish
