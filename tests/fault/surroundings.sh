#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surroundings that nobody wishes for: a full disk, files that may not grow, a
# read-only file system, few descriptors, an empty environment, output that
# nobody reads, a clock that jumps back with every look at it. The host works,
# or says what it lacks; and once that is mended the next `up` goes on.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/fault/failing.sh.inc
. "$(dirname "$0")/failing.sh.inc"

mounted=
space= # a tablespace of the server, and the database in it

clean_all()
{
    if [[ -n $space ]]; then
        psql -qX "$MIGHOST_TEST_PG" -c "DROP DATABASE IF EXISTS $space WITH (FORCE)" \
            -c "DROP TABLESPACE IF EXISTS $space" || true
    fi
    [[ -z $mounted ]] || umount "$mounted"
    clean_up
}
trap clean_all EXIT

# mount_small SIZE: a file system that soon is full, at `mounted`; only root makes one.
mount_small()
{
    mkdir -p "$folder/small"
    [[ $EUID -eq 0 ]] && mount -t tmpfs -o "size=$1" none "$folder/small" 2>/dev/null || return 1
    mounted=$folder/small
}

unmount_small()
{
    umount "$mounted"
    mounted=
}

# up: with what it is told; sets `code`.
up()
{
    code=0
    "$@" "$MIGHOST_BIN" -d "$url" -m "$folder/bundle" up >"$folder/out" 2>"$folder/err" \
        </dev/null || code=$?
}

# stops WHAT CODES TEXT: it said so, the small migration stands, the large does not.
stops()
{
    local schema=sqlite_schema name=name

    if [[ $engine == postgres ]]; then
        schema=pg_class
        name=relname
    fi
    check_word "$1" "$2"
    grep -q "$3" "$folder/err" || fail "$1: [$3] is not in: $(<"$folder/err")"
    expect "$1: what stands" "$(ask "SELECT count(*), max(number), (SELECT count(*) FROM $schema
        WHERE $name = 'large'), (SELECT count(*) FROM mighost_history) FROM runs")" "1|1|0|2"
}

# all_there WHAT
all_there()
{
    local rows=3000

    [[ $engine == postgres ]] || rows=9000
    go_on "$1"
    expect "$1: in the end" "$(ask "SELECT (SELECT count(*) FROM large),
        (SELECT max(number) FROM runs), (SELECT count(*) FROM runs),
        (SELECT count(*) FROM mighost_history)")" "$rows|1|1|4"
}

# Less than the large table, more than a driver, which is copied into memory.
limit_files()
{
    (ulimit -f 4000 && exec "$@")
}

few_descriptors()
{
    (ulimit -n "$descriptors" && exec "$@")
}

mkdir "$folder/bundle"
echo 'CREATE TABLE runs (number BIGINT NOT NULL);' >"$folder/bundle/20240101000000_runs.up.sql"
write_migration "$folder/bundle" 1
echo 'CREATE TABLE large (x);
INSERT INTO large WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)
    SELECT randomblob(1000) FROM n;' >"$folder/bundle/20240102000000_large.up.sql"
echo "CREATE TABLE large (x TEXT);
INSERT INTO large SELECT repeat(md5(i::text), 32) FROM generate_series(1, 3000) AS i;" \
    >"$folder/bundle/20240102000000_large.postgres.up.sql"
cp "$MIGHOST_FIXTURES"/good_table/*.so "$folder/bundle"
chmod 755 "$folder/bundle" "$folder"/bundle/*.so
engine=sqlite
touch "$LOG"

fresh sqlite
up limit_files
stops "files that may not grow" 12 'ulimit -f'
all_there "files that may not grow"

if mount_small 1m; then
    url=sqlite:$mounted/app.db
    up env
    stops "a full disk" 12 'full'
    mount -o remount,size=40m "$mounted"
    all_there "a full disk"
    mount -o remount,ro "$mounted"
    code=0
    "$MIGHOST_BIN" -d "$url" -m "$folder/bundle" -q down >"$folder/out" 2>"$folder/err" || code=$?
    check_word "a read-only file system" 3
    grep -q 'is read-only' "$folder/err" || fail "a read-only file system: $(<"$folder/err")"
    unmount_small
else
    echo "skipped: a full and a read-only disk under SQLite: only root can mount them"
fi

# Enough for SQL, too few for a worker; nothing in the environment.
for descriptors in 8 16 32; do
    fresh sqlite
    up few_descriptors env -i TMPDIR=/nonexistent
    check_word "$descriptors descriptors" "0 12"
    ((code == 0)) || grep -qi 'too many open files' "$folder/err" || fail "$(<"$folder/err")"
    ((code == 0 || descriptors < 32)) || fail "32 descriptors are too few: $(<"$folder/err")"
    all_there "$descriptors descriptors"
done

# Nobody reads: neither what is said nor the progress.
fresh sqlite
{ "$MIGHOST_BIN" -d "$url" -m "$folder/bundle" up 2>&1 && echo well >"$folder/ended"; } | true
[[ -e $folder/ended ]] || fail "a closed pipe ended it"
all_there "a closed pipe"

# Each look at the clock is a day before the one before; a worker, which is a
# process of its own, begins at the right time again.
# clock_back PAIRS: of neighbours in the host of which the later has the older time.
clock_back()
{
    local newest

    up env LD_PRELOAD="$SHIM" MIGHOST_CLOCK=86400
    check_word "a clock that jumps back" 0
    expect "$engine: applied at falling times, in order" "$(ask 'SELECT count(*) FROM
        mighost_history a JOIN mighost_history b ON b.sequence = a.sequence + 1
        WHERE b.id > a.id AND b.applied_at_ms < a.applied_at_ms')" "$1"
    newest=$("$MIGHOST_BIN" -d "$url" -m "$folder/bundle" current)
    expect "$engine: the current one" "$newest" 20240601000001
    "$MIGHOST_BIN" -d "$url" -m "$folder/bundle" -q down
    expect "$engine: the one that goes back first" \
        "$(ask 'SELECT count(*) FROM mighost_history WHERE id = 20240601000001')" 0
}
# A tablespace of the server is full: of the database, not of the server's log.
full_server()
{
    local data used_kb

    data=$(ask "SHOW data_directory")
    if [[ ! -d $data ]] || ! mount_small 60m; then
        echo "skipped: a full disk under PostgreSQL: only root can mount one, where the server is"
        return
    fi
    chmod 755 "$folder"
    chown "$(stat -c %U "$data")" "$mounted"
    space=fault_disk_$$
    psql -qX "$MIGHOST_TEST_PG" -c "CREATE TABLESPACE $space LOCATION '$mounted'" \
        -c "CREATE DATABASE $space TABLESPACE $space"
    url=${MIGHOST_TEST_PG%/*}/$space
    used_kb=$(df --output=used "$mounted" | tail -n 1)
    mount -o "remount,size=$((used_kb + 1500))k" "$mounted"
    up env
    stops "a full disk" 12 'SQLSTATE 53100.* nothing of this migration is left'
    grep -q 20240102000000_large.postgres.up.sql:2: "$folder/err" || fail "where: $(<"$folder/err")"
    mount -o remount,size=60m "$mounted"
    all_there "a full disk"
    psql -qX "$MIGHOST_TEST_PG" -c "DROP DATABASE $space WITH (FORCE)" -c "DROP TABLESPACE $space"
    space=
    unmount_small
}

fresh sqlite
clock_back 2
for engine in $(engines); do
    [[ $engine == postgres ]] || continue
    url=$MIGHOST_TEST_PG
    full_server
done
rm "$folder"/bundle/20240102000000_large.*
for engine in $(engines); do
    [[ $engine == postgres ]] || continue
    fresh postgres
    clock_back 1
done
echo "ok"
