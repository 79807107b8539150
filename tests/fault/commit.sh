#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A COMMIT of SQLite fails, at each of the instants at which it makes the disk
# write: before the rollback journal is safe, before the database is, and when
# it is over but for the journal's end, where the transaction stands although
# COMMIT failed; and with a log ahead of the database (WAL). What the host says
# is what the history and the tables say, and the next `up` goes on from there.
# Migrations: atomic, durable, native.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/fault/failing.sh.inc
. "$(dirname "$0")/failing.sh.inc"

readonly SYNCS_MAX=200 # more than the run has
readonly APPLIED='0 applied, 1 applied, 2 applied, 1 applied; a1,b1,a2,b2,good_table'

# The history, and the tables of the migrations.
readonly STATE="SELECT coalesce((SELECT group_concat((id % 100) || ' ' || state, ', ')
        FROM mighost_history), 'none') || '; ' ||
    coalesce((SELECT group_concat(name) FROM sqlite_schema
        WHERE name IN ('a1', 'b1', 'a2', 'b2', 'good_table')), 'none')"

# check_truth WHAT: what stands is whole, and where the host says that nothing
# is left of a migration, nothing is.
check_truth()
{
    local state id

    state=$(ask "$STATE" 2>/dev/null) || return 0 # no history yet
    case $state in
    'none; none' | '0 applied; none' | '0 applied, 1 applied; a1,b1') ;;
    '0 applied, 1 applied, 2 partial; a1,b1' | '0 applied, 1 applied, 2 partial; a1,b1,a2') ;;
    '0 applied, 1 applied, 2 partial; a1,b1,a2,b2') ;;
    '0 applied, 1 applied, 2 applied; a1,b1,a2,b2' | "$APPLIED") ;;
    *) fail "$1: half of a migration: $state: $(<"$folder/err")" ;;
    esac
    id=$(sed -nE 's/.*migration ([0-9]+) \(.*nothing of this migration is left.*/\1/p' "$folder/err")
    [[ -z $id ]] || expect "$1: rows of what is said to be gone" \
        "$(ask "SELECT count(*) FROM mighost_history WHERE id = $id")" 0
    ends[$code]=1
}

# new_database: empty, and with such a journal.
new_database()
{
    empty
    ask "PRAGMA journal_mode = $journal; CREATE TABLE first (x)" >/dev/null
}

# each PROGRAM
each()
{
    local number=1 what="$journal: fdatasync 1 in $1"

    while new_database && fail_at "$1" fdatasync $number && failed; do
        check_word "$what" "0 3 7"
        check_truth "$what"
        go_on "$what"
        expect "behind $what" "$(ask "$STATE")" "$APPLIED"
        expect "$what: runs" "$(ask 'SELECT group_concat(number) FROM runs')" 1,2
        number=$((number + 1))
        what="$journal: fdatasync $number in $1"
        ((number < SYNCS_MAX)) || fail "the run does not come to an end"
    done
    echo "$journal: $1: $((number - 1)) failed"
}

# syncs COUNT: how often the host syncs a file in a run of so many migrations.
syncs()
{
    new_database
    rm -rf "$folder/bundle"
    mkdir "$folder/bundle"
    for ((i = 1; i <= $1; i++)); do
        echo "CREATE TABLE t$i (a);" >"$folder/bundle/$((20240101000000 + i))_t$i.up.sql"
    done
    fail_at mighost fdatasync 1000000
    expect "a run of $1" "$code" 0
    sed -n 's/ calls$//p' "$LOG"
}

# Journal, its header, database, and the journal's end; the folder of a journal
# that stays is synced once, where the file system tells the file from another.
journal=delete
engine=sqlite
fresh sqlite
few=$(syncs 2)
many=$(syncs 12)
born=$(stat -c %W "${url#sqlite:}")
expect "syncs of a migration" "$(((many - few) / 10))" "$((born > 0 ? 4 : 5))"
rm -rf "$folder/bundle"

mkdir "$folder/bundle"
echo 'CREATE TABLE runs (number BIGINT NOT NULL);' >"$folder/bundle/20240101000000_runs.up.sql"
write_migration "$folder/bundle" 1
write_migration "$folder/bundle" 2 $'-- mig: mode = durable\n'
cp "$MIGHOST_FIXTURES"/good_table/*.so "$folder/bundle"
chmod 755 "$folder/bundle" "$folder"/bundle/*.so
for journal in delete wal; do
    declare -A ends=()
    each mighost
    expect "$journal: exit codes" "$(printf '%s\n' "${!ends[@]}" | sort -n | xargs)" "0 3 7"
    each mighost-worker
done
echo "ok"
