#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Two secrets, a password in the database's address and a parameter out of a
# file, are looked for everywhere: in the arguments of every process while
# hosts and workers run, in all output (plain, verbose, JSON, events, crash
# reports), in what is left in files, cores included, and in the whole database.
# Runs go well, crash, fail in SQL, hang, and are refused.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

[[ -n ${MIGHOST_TEST_PG:-} ]] || exit 77

readonly PASSWORD=open-sesame-$RANDOM$RANDOM
readonly KEY=tell-nobody-$RANDOM$RANDOM
readonly ROLE=secret_$$_$RANDOM
readonly FOUND=$folder/found
readonly PATTERNS=$folder.patterns # not where it is looked for

watcher=

stop_watching()
{
    [[ -z $watcher ]] || kill "$watcher" 2>/dev/null || true
    [[ -z $watcher ]] || wait "$watcher" 2>/dev/null || true
    watcher=
}

clean_all()
{
    stop_watching
    clean_up
    rm -f "$PATTERNS"
    psql -qX "$MIGHOST_TEST_PG" -c "DROP ROLE IF EXISTS $ROLE" || true
}
trap clean_all EXIT

# Notes the arguments of any process that has a secret among them.
watch_arguments()
{
    while :; do
        cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' |
            grep -aF -f "$PATTERNS" >>"$FOUND" || true
        looks=$((looks + 1))
        echo "$looks" >"$folder/looks"
    done
}

# no_secret WHAT FILE...
no_secret()
{
    local what=$1

    shift
    ! grep -aFq -f "$PATTERNS" "$@" ||
        fail "a secret is in $what: $(grep -aFh -f "$PATTERNS" "$@" | head -c 600)"
}

# try BUNDLE EXIT_CODE ARGUMENT...: one run; what it says holds no secret.
try()
{
    local bundle=$1 wanted=$2 code=0

    shift 2
    (ulimit -c unlimited 2>/dev/null || true
     cd "$folder/work" && export DATABASE_URL=$secret_url && exec "$MIGHOST_BIN" -m "$bundle" \
         --set-file key="$folder/key" "$@") >"$folder/out" 2>"$folder/err" </dev/null || code=$?
    [[ $code == "$wanted" ]] ||
        fail "$*, of $(basename "$bundle"): exit code $code, not $wanted: $(<"$folder/err")"
    no_secret "what '$*' says" "$folder/out" "$folder/err"
    tries=$((tries + 1))
}

# each_way BUNDLE EXIT_CODE: as a person, a program and a listener see it.
each_way()
{
    try "$1" "$2" -v up
    try "$1" "$2" --json up
    try "$1" "$2" --events --json up
    try "$1" 0 log
    try "$1" 0 --json log
    try "$1" 0 --json status
}

fixture()
{
    printf '%s/%s' "$MIGHOST_FIXTURES" "$1"
}

fresh postgres
# Here the server asks for no password of anybody but password_user; so a
# password that is right is as secret as one that nobody looks at.
psql -qX "$MIGHOST_TEST_PG" -c "CREATE ROLE $ROLE SUPERUSER LOGIN PASSWORD '$PASSWORD'"
secret_url=${url/\/\/*@/\/\/$ROLE:$PASSWORD@}
printf '%s' "$KEY" >"$folder/key"
printf '%s\n' "$PASSWORD" "$KEY" >"$PATTERNS"
mkdir "$folder/work" "$folder/sql"
echo "SELECT * FROM nowhere;" >"$folder/sql/20240701000000_wrong.up.sql"
tries=0
looks=0
touch "$FOUND"
watch_arguments &
watcher=$!

each_way "$(fixture up_segv)" 1
each_way "$(fixture up_abort)" 1
each_way "$(fixture up_exit)" 1
each_way "$(fixture fail_sql)" 1
each_way "$folder/sql" 1
try "$(fixture up_loop)" 1 --timeout 1s -v up
try "$(fixture good_table)" 0 -v --events up
try "$(fixture good_table)" 0 plan down
try "$(fixture good_table)" 0 --json show 20240601000001
secret_url=${secret_url/$ROLE:/password_user:}
try "$(fixture good_table)" 3 -v up
try "$(fixture good_table)" 3 --json up
secret_url=postgres://somebody:$PASSWORD@no-such-host.invalid/x
try "$(fixture good_table)" 3 --json --connect-timeout 2s up
secret_url=postgres://somebody:$PASSWORD@127.0.0.1:1/x?nonsense=1
try "$(fixture good_table)" 2 -v up

stop_watching
(($(<"$folder/looks") > tries)) || fail "the arguments were hardly looked at"
no_secret "the arguments of a process" "$FOUND"
rm "$folder/key"
find "$folder" -type f -print0 | xargs -0r grep -aFl -f "$PATTERNS" &&
    fail "a secret is in a file"
pg_dump --inserts -d "$url" >"$folder/dump"
grep -q mighost_log "$folder/dump" || fail "the dump lacks the history"
no_secret "the database" "$folder/dump"
echo "ok: $tries runs"
