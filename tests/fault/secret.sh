#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Two secrets, a password in the database's address and a parameter out of a
# file, are looked for everywhere: in the arguments of every process while
# hosts and workers run, in all output (plain, verbose, JSON, events, crash
# reports), in what is left in files, cores included, and in the whole database.
# Runs go well, crash, fail in SQL that has the key in it, hang, and are refused.
# The address is given by the environment, in mighost.ini, and on the command line,
# which is wiped. The key of the example that seals secrets is looked for likewise:
# a run of it fails in a row, one is refused for a key that is too short, and its
# worker crashes with the key in hand.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

[[ -n ${MIGHOST_TEST_PG:-} ]] || exit 77

readonly PASSWORD=open-sesame-$RANDOM$RANDOM
readonly KEY=tell-nobody-$RANDOM$RANDOM
AES_KEY=$(openssl rand -hex 32)
readonly AES_KEY
readonly EXAMPLE=$MIGHOST_BUILD/migrations
readonly TOTP=20240126133000 # and the next one seals what it made
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
        grep -ahF -f "$PATTERNS" /proc/[0-9]*/cmdline >>"$FOUND" 2>/dev/null || true
        looks=$((looks + 1))
        echo "$looks" >"$folder/looks.new"
        mv "$folder/looks.new" "$folder/looks" # never half written
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
        fail "$*, of $(basename "$bundle"): exit code $code, not $wanted: $(tail -n 3 "$folder/err")"
    no_secret "what '$*' says" "$folder/out" "$folder/err"
    tries=$((tries + 1))
}

running()
{
    worker=$(worker_of "$host")
    [[ -n $worker ]] && grep -q 'applying.*up loop' "$folder/err"
}

# while_it_runs WHAT ARGUMENT...: the arguments of all processes, host and worker
# among them, and what is said, when the address is given in that way.
while_it_runs()
{
    local what=$1 tries=1200 host worker code=0

    shift
    (cd "$folder/work" && unset DATABASE_URL && exec "$MIGHOST_BIN" "$@" -v --set-file \
        key="$folder/key" -m "$(fixture up_loop)" up) >"$folder/out" 2>"$folder/err" </dev/null &
    host=$!
    until running; do
        ((tries-- > 0)) || fail "$what: the module does not run: $(<"$folder/err")"
        sleep 0.05
    done
    # Processes come and go meanwhile.
    { cat /proc/[0-9]*/cmdline 2>/dev/null || true; } | tr '\0' '\n' >"$folder/arguments"
    grep -qxF "$MIGHOST_BIN" "$folder/arguments" && grep -q 'mighost-worker$' "$folder/arguments" ||
        fail "$what: host and worker were not looked at"
    kill -TERM "$host"
    wait "$host" || code=$?
    expect "$what: exit code" "$code" 143
    no_secret "the arguments of a process, $what" "$folder/arguments"
    no_secret "what is said, $what" "$folder/out" "$folder/err"
}

# each_way BUNDLE EXIT_CODE ARGUMENT...: as a person, a program and a listener see it.
each_way()
{
    try "$1" "$2" -v up "${@:3}"
    try "$1" "$2" --json up "${@:3}"
    try "$1" "$2" --events --json up "${@:3}"
    try "$1" 0 log
    try "$1" 0 --json log
    try "$1" 0 --json status
}

# tried TEXT: the newest attempt failed for that reason.
tried()
{
    ask "SELECT error FROM mighost_log ORDER BY number DESC LIMIT 1" | grep -qF -e "$1" ||
        fail "[$1] is not in: $(ask "SELECT error FROM mighost_log ORDER BY number DESC LIMIT 1")"
}

# crash SIGNAL: the worker of the example, when rows are sealed already.
crash()
{
    local left=1200 worker="" code

    DATABASE_URL=$secret_url "$MIGHOST_BIN" -m "$EXAMPLE" -v --events up --throttle 1% \
        --set-file "totp_key=$folder/aes" >"$folder/out" 2>"$folder/err" </dev/null &
    host=$!
    until [[ -n $worker ]] && grep -q '"event":"progress"' "$folder/err"; do
        ((left-- > 0)) || fail "no row was sealed: $(tail -n 3 "$folder/err")"
        sleep 0.05
        worker=$(worker_of "$host")
    done
    kill "-$1" "$worker"
    code=0
    wait "$host" || code=$?
    [[ $code == 7 ]] || fail "the crash ended with $code: $(<"$folder/err")"
    grep -q "SIG$1" "$folder/err" || fail "no crash is told of: $(<"$folder/err")"
    no_secret "what a crash says" "$folder/out" "$folder/err"
    tries=$((tries + 1))
}

# The example goes wrong in each way that it can, and in the end goes well.
example()
{
    local users=5000

    printf '%s\n' "$AES_KEY" >"$folder/aes"
    printf '%s\n' "${AES_KEY:0:62}" >"$folder/short"
    try "$EXAMPLE" 0 up --to 20240126130000
    ask "INSERT INTO users (id, name, email, password) SELECT i, 'Name', 'user' || i || '@example.org',
        'x' FROM generate_series(1, $users) i"
    try "$EXAMPLE" 0 up --to $TOTP
    each_way "$EXAMPLE" 1 --set-file "totp_key=$folder/short"
    tried "64 hex digits"
    crash SEGV
    crash ABRT
    ask "ALTER TABLE user_totp ADD CONSTRAINT as_they_were
        CHECK (user_id < $users OR length(secret) = 20) NOT VALID"
    each_way "$EXAMPLE" 7 --set-file "totp_key=$folder/aes"
    tried as_they_were
    ask "ALTER TABLE user_totp DROP CONSTRAINT as_they_were;
        UPDATE user_totp SET secret = 'short' WHERE user_id = $users"
    each_way "$EXAMPLE" 7 --set-file "totp_key=$folder/aes"
    tried "5 bytes"
    ask "DELETE FROM users WHERE id = $users"
    try "$EXAMPLE" 0 -v --events up --set-file "totp_key=$folder/aes"
    rm "$folder/aes" "$folder/short"
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
printf '%s\n' "$PASSWORD" "$KEY" "${AES_KEY:0:62}" "${AES_KEY:0:24}" >"$PATTERNS"
mkdir "$folder/work" "$folder/sql"
echo "SELECT * FROM nowhere;" >"$folder/sql/20240701000000_wrong.up.sql"
tries=0
looks=0
touch "$FOUND"
printf '[default]\ndatabase = %s\n' "$secret_url" >"$folder/work/mighost.ini"
while_it_runs "by mighost.ini"
rm "$folder/work/mighost.ini"
while_it_runs "by -d" -d "$secret_url"
while_it_runs "by --database=" --database="$secret_url"
watch_arguments &
watcher=$!
each_way "$(fixture up_segv)" 1
each_way "$(fixture up_abort)" 1
each_way "$(fixture up_exit)" 1
each_way "$(fixture fail_sql)" 1
each_way "$(fixture fail_param)" 1
tried "'***'"
each_way "$folder/sql" 1
try "$(fixture up_loop)" 1 --timeout 1s -v up
try "$(fixture good_table)" 0 -v --events up
try "$(fixture good_table)" 0 plan down
try "$(fixture good_table)" 0 --json show 20240601000001
fixtures_url=$url
fresh postgres
secret_url=${url/\/\/*@/\/\/$ROLE:$PASSWORD@}
example
pg_dump --inserts -d "$url" >"$folder/example_dump"
no_secret "the database of the example" "$folder/example_dump"
url=$fixtures_url
secret_url=${url/\/\/*@/\/\/$ROLE:$PASSWORD@}
secret_url=${secret_url/$ROLE:/password_user:}
try "$(fixture good_table)" 3 -v up
try "$(fixture good_table)" 3 --json up
secret_url=postgres://somebody:$PASSWORD@no-such-host.invalid/x
try "$(fixture good_table)" 3 --json --connect-timeout 2s up
secret_url=postgres://somebody:$PASSWORD@127.0.0.1:1/x?nonsense=1
try "$(fixture good_table)" 2 -v up

stop_watching
(($(<"$folder/looks") >= 10)) || fail "the arguments were looked at $(<"$folder/looks") times in $tries runs"
no_secret "the arguments of a process" "$FOUND"
rm "$folder/key"
find "$folder" -type f -print0 | xargs -0r grep -aFl -f "$PATTERNS" &&
    fail "a secret is in a file"
pg_dump --inserts -d "$url" >"$folder/dump"
grep -q mighost_log "$folder/dump" || fail "the dump lacks the history"
no_secret "the database" "$folder/dump"
echo "ok: $tries runs"
