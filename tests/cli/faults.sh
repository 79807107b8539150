#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What goes wrong, the sentence that says so, and the exit code. The second
# half is what only an unprivileged user can see and what needs a server.

# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

# start NAME: a new empty folder to be in, with its own database.
start()
{
    mkdir "$folder/$1"
    cd "$folder/$1" || exit 1
    export DATABASE_URL=sqlite:app.db
    printf '## %s\n' "$1" >>"$transcript"
}

# run_as_user ARGUMENT...: as one whom permissions hold; sets `out` and `code`.
run_as_user()
{
    local -a as=()

    [[ $(id -u) != 0 ]] || as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    out=$("${as[@]}" "$MIGHOST_BIN" "$@" 2>&1)
    code=$?
}

start "no database given"
unset DATABASE_URL
mkdir migrations
show status

start "unknown scheme"
mkdir migrations
show -d oracle://someone:hidden-word@host/x up

start "no driver folder"
mkdir migrations
show --drivers /nowhere up

start "no bundle"
show up

start "a file where the bundle should be"
touch migrations
show up

start "two with one id"
migration 1_a "CREATE TABLE a (x);"
migration 1_b "CREATE TABLE b (x);"
show up
show status

start "a down without its up"
mkdir migrations
echo "DROP TABLE a;" >migrations/1_a.down.sql
show up

start "no way down"
migration 1_a "CREATE TABLE a (x);"
migration 2_b "CREATE TABLE b (x);" "DROP TABLE b;"
show up
show down --all
show down --all --skip-irreversible
show current

start "changed after it was applied"
migration 1_a "CREATE TABLE a (x);" "DROP TABLE a;"
migration 2_b "CREATE TABLE b (x);" "DROP TABLE b;"
show up --count 1
echo "CREATE TABLE a (x, y);" >migrations/1_a.up.sql
show up
show status
show up --accept-changed 1
show status

start "out of order"
migration 2_b "CREATE TABLE b (x);" "DROP TABLE b;"
show up
migration 1_a "CREATE TABLE a (x);" "DROP TABLE a;"
show up
show status
show up --allow-out-of-order

start "gone from the bundle"
migration 1_a "CREATE TABLE a (x);" "DROP TABLE a;"
show up
rm migrations/*
show up
show status
show down

start "an error of SQL"
migration 1_a "CREATE TABLE a (x);" "DROP TABLE a;"
migration 2_b "CREATE TABLE b (x);
INSERT INTO b VALUES (1);
  SELECT * FROM nowhere;"
show up
show status
show log --limit 2
show up --rollback-on-failure
show current
run up --json
expect_json '.error | .exit_code == 1 and .status == "MIG_E_SQL" and
    (.where | endswith("2_b.up.sql:3:3"))'

start "text that does not end"
migration 1_a "CREATE TABLE a (x); SELECT 'abc"
show up

start "transaction control"
migration 1_a "CREATE TABLE a (x);
COMMIT;
CREATE TABLE b (x);"
show up

start "unknown ids"
migration 1_a "CREATE TABLE a (x);" "DROP TABLE a;"
show up --to 9
show baseline 9
show resolve 1 --retry

start "baseline over a history"
migration 1_a "CREATE TABLE a (x);" "DROP TABLE a;"
show up
show baseline 1

start "not a database"
mkdir migrations
head -c 8192 /dev/zero | tr '\0' 'x' >app.db
show up

start "a folder in its place"
mkdir migrations app.db
show up

start "no such folder"
mkdir migrations
show -d sqlite:no/such/folder/app.db up

start "locked by another program"
migration 1_a "CREATE TABLE a (x);" "DROP TABLE a;"
sqlite3 app.db "CREATE TABLE other (x);"
mkfifo hold
sqlite3 -cmd ".timeout 60000" app.db <hold >/dev/null 2>&1 &
exec 9>hold
echo "BEGIN EXCLUSIVE;" >&9
while sqlite3 app.db "BEGIN IMMEDIATE; ROLLBACK;" 2>/dev/null; do
    sleep 0.05
done
show --busy-timeout 100ms --wait 100ms up
exec 9>&-
wait
show up

start "what others can write"
migration 1_a "CREATE TABLE a (x);" "DROP TABLE a;"
chmod 0666 migrations/1_a.up.sql
show up
show status
chmod 0644 migrations/1_a.up.sql
chmod 0646 migrations/1_a.down.sql
show up
chmod 0644 migrations/1_a.down.sql
chmod 0777 migrations
show up
show plan
chmod 0755 migrations
show up

start "escapes"
mkdir migrations
printf 'CREATE TABLE a (x);\nSELECT \033[31mred\033[0m;\n' \
    >$'migrations/1_a\033[31mred.up.sql'
show status
show up
cp "$MIGHOST_FIXTURES"/escapes/libmig_*.so migrations/
rm migrations/*.sql
show status
show up
run status --json
expect_json '.applied_migrations[0].description | startswith("\u001b[31mred")'
expect "escapes in the transcript" "$(tr -cd '\033' <"$transcript" | wc -c)" 0

compare faults
expect "secrets in what was said" "$(grep -v '^\$' "$transcript" | grep hidden-word)" ""

# From here on the texts differ with the machine.
start "read-only"
migration 1_a "CREATE TABLE a (x);" "DROP TABLE a;"
sqlite3 app.db "CREATE TABLE other (x);"
chmod 0755 "$folder" .
chmod 0444 app.db
run_as_user up
expect "a read-only file ($out)" "$code" 3
expect_match "a read-only file" "$out" "*app.db*"

start "unreadable files of the bundle"
chmod 0777 .
migration 1_a "CREATE TABLE a (x);" "DROP TABLE a;"
for part in up down; do
    chmod 0000 migrations/1_a.$part.sql
    run_as_user up
    expect "an unreadable $part ($out)" "$code" 5
    expect_match "an unreadable $part" "$out" "*opening*1_a.$part.sql*ermission*"
    chmod 0644 migrations/1_a.$part.sql
done
ln -s nowhere.sql migrations/2_b.up.sql
run_as_user status
expect "a link to nowhere ($out)" "$code" 5
rm migrations/2_b.up.sql
chmod 0000 migrations
run_as_user up
expect "an unreadable folder ($out)" "$code" 5
chmod 0755 migrations
run_as_user up
expect "readable again ($out)" "$code" 0

if [[ $(id -u) == 0 ]]; then
    start "of another user"
    migration 1_a "CREATE TABLE a (x);" "DROP TABLE a;"
    chown 12345 migrations/1_a.up.sql
    run up
    expect "a file of another user" "$code" 6
    expect_match "a file of another user" "$err" "*migrations/1_a.up.sql (mode 0644) belongs to user 12345*"
    chown 0:12345 migrations/1_a.up.sql
    chmod 0664 migrations/1_a.up.sql
    run up
    expect "a file that another group can write" "$code" 6
    expect_match "a file that another group can write" "$err" "*1_a.up.sql has mode 0664*"
    chown 0:0 migrations/1_a.up.sql
    chown 12345 migrations
    run up
    expect "a folder of another user" "$code" 6
    expect_match "a folder of another user" "$err" "*migrations (mode 0755) belongs to user 12345*"
    run status
    expect_match "looking at it" "$out" "*1*pending*"
    chown 0 migrations
    run up
    expect "what is root's again ($err)" "$code" 0
fi

start "postgres"
migration 1_a "CREATE TABLE a (x INTEGER);" "DROP TABLE a;"
run -d "postgres://someone:hidden-word@127.0.0.1:1/x" up
expect "nobody listens ($err)" "$code" 3
expect_match "no secret" "$err" "[!h]*127.0.0.1*"
[[ $err != *hidden-word* ]] || fail "a password was shown: $err"
run -d "postgres://someone:hidden-word@no-such-host.invalid/x" up
expect "unknown host ($err)" "$code" 3
[[ $err != *hidden-word* ]] || fail "a password was shown: $err"
if [[ -n ${MIGHOST_TEST_PG:-} ]]; then
    run -d "${MIGHOST_TEST_PG%/*}/no_such_database" status
    expect "unknown database ($err)" "$code" 3
fi
finish
