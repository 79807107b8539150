#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tools/backup_and_migrate: the backup is there before anything runs, restores
# what was, hides the password, and the exit code is that of `mighost up`.

set -euo pipefail

script=$MIGHOST_SOURCE/tools/backup_and_migrate
scratch=$(mktemp -d "${TMPDIR:-/tmp}/backup.XXXXXX")
trap 'rm -rf -- "$scratch"' EXIT
chmod 755 "$scratch"
cd "$scratch"
export MIGHOST=$MIGHOST_BIN MIGHOST_BUNDLE=$scratch/bundle BACKUP_FOLDER=$scratch/backups

fail()
{
    printf 'FAILED: %s\n' "$*"
    exit 1
}

# CODE NAME=VALUE...: runs the script, keeps what it says in `said`.
expect()
{
    local code=$1 result=0

    shift
    said=$(env "$@" "$script" 2>&1) || result=$?
    ((result == code)) || fail "exit $result, not $code: $said"
}

mkdir bundle
echo 'CREATE TABLE notes (body TEXT);' >bundle/20240101000000_make.up.sql
echo 'DROP TABLE notes;' >bundle/20240101000000_make.down.sql

# SQLite: nothing to back up, then a success, then a failure and the way back.
expect 0 "DATABASE_URL=sqlite:app.db"
sqlite3 app.db "INSERT INTO notes VALUES ('kept')"
expect 0 "DATABASE_URL=sqlite:app.db"
[[ $(find backups -name '*.db' | wc -l) == 1 ]] || fail "no backup"

# The migration before the broken one stands, and has lost data: what backups are for.
echo 'DELETE FROM notes;' >bundle/20240102000000_lose.up.sql
echo 'CREATE TABLE broken (;' >bundle/20240103000000_broken.up.sql
expect 1 "DATABASE_URL=sqlite3:app.db"
[[ $said == *'Its own changes are gone'* ]] || fail "no word on the state: $said"
[[ $(sqlite3 app.db 'SELECT count(*) FROM notes') == 0 ]] || fail "the second migration did not run"
restore=$(grep '^    sqlite3 ' <<<"$said") || fail "no word on restoring: $said"
bash -c "$restore"
[[ $(sqlite3 app.db 'SELECT body FROM notes') == kept ]] || fail "the backup does not restore"

expect 2 "DATABASE_URL="
rm bundle/20240102* bundle/20240103*

# PostgreSQL, with a password that must not show.
[[ -n ${MIGHOST_TEST_PG-} ]] || exit 0
database=backup_$$
psql -X -q -d "$MIGHOST_TEST_PG" -c "CREATE DATABASE $database OWNER password_user"
trap 'psql -X -q -d "$MIGHOST_TEST_PG" -c "DROP DATABASE $database WITH (FORCE)"; rm -rf -- "$scratch"' EXIT
server=${MIGHOST_TEST_PG#*@}
url=postgres://password_user:right-password@${server%/*}/$database

expect 0 "DATABASE_URL=$url"
[[ $said != *right-password* ]] || fail "the password shows: $said"
psql -X -q -d "$url" -c "INSERT INTO notes VALUES ('kept')"
echo 'DELETE FROM notes;' >bundle/20240102000000_lose.up.sql
echo 'CREATE TABLE broken (;' >bundle/20240103000000_broken.up.sql
expect 1 "DATABASE_URL=$url"
[[ $said != *right-password* ]] || fail "the password shows: $said"
restore=$(grep '^    pg_restore ' <<<"$said") || fail "no word on restoring: $said"
PGPASSWORD=right-password bash -c "$restore"
[[ $(psql -X -A -t -d "$url" -c 'SELECT body FROM notes') == kept ]] ||
    fail "the backup does not restore"

expect 3 "DATABASE_URL=postgres://password_user:wrong-one@${server%/*}/$database"
[[ $said != *wrong-one* ]] || fail "the password shows: $said"
