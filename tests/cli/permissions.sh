#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What the user of the host may not read or write: the bundle, a file of it, the
# SQLite file, the folder around it. Each is named with the reason, nothing is
# left behind, and once it is allowed `up` works. Root may do everything, so for
# root the host runs as nobody.
# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/cli/engines.sh.inc
. "$here/engines.sh.inc"

readonly NOBODY=65534
readonly SQL=20240101000001_a.up.sql
readonly MODULE=libmig_20240601000001.so

as_user=()
if [[ $EUID -eq 0 ]]; then
    as_user=(setpriv --reuid $NOBODY --regid $NOBODY --clear-groups)
fi

# limited ARGUMENT...: the host as one who is bound by modes.
limited()
{
    "${as_user[@]}" "$MIGHOST_BIN" -d "$url" "$@" >"$folder/.out" 2>"$folder/.err" </dev/null
    code=$?
    out=$(<"$folder/.out")
    err=$(<"$folder/.err")
}

# prepared: a bundle of a text and a module that all may read, no database yet.
prepared()
{
    [[ ! -d data ]] || chmod 755 data
    rm -rf migrations data
    mkdir migrations data
    echo "CREATE TABLE a (x INTEGER);" >"migrations/$SQL"
    echo "DROP TABLE a;" >"migrations/${SQL/up/down}"
    cp "$MIGHOST_FIXTURES/good_table/$MODULE" migrations/
    chmod 755 migrations migrations/*.so
    chmod 644 migrations/*.sql
    if [[ $EUID -eq 0 ]]; then
        chown $NOBODY data
    fi
    url=sqlite:$folder/data/app.db
}

# stopped TEXT...: the last run says so, once, and no migration has begun.
stopped()
{
    says "$@" "Permission denied"
    expect "lines of that" "$(wc -l <<<"$err")" 1
    if [[ -e data/app.db ]]; then
        history_is "$before"
        answer "SELECT COUNT(*) FROM mighost_log" "$(wc -w <<<"$before")"
    fi
}

# begun: one migration is applied; `before` is what the history says then.
begun()
{
    prepared
    limited up --count 1
    expect_code 0
    before=20240101000001:applied
    history_is "$before"
}

# mended: with that allowed again, what is pending is applied and can be undone.
mended()
{
    limited up
    expect_code 0
    history_is "20240101000001:applied 20240601000001:applied"
    limited down --all
    expect_code 0
    history_is ""
}

bundle_unread()
{
    local name

    prepared
    before=
    chmod 0 migrations
    limited up
    expect_code 5
    stopped migrations
    [[ -z $(ls data) ]] || fail "made without a bundle: $(ls data)"
    chmod 755 migrations
    for name in "$SQL" "${SQL/up/down}" "$MODULE"; do
        chmod 0 "migrations/$name"
        limited up
        stopped "migrations/$name"
        [[ $code != 0 ]] || fail "up without reading $name"
        chmod 755 "migrations/$name"
    done
    mended
}

file_read_only()
{
    local command

    begun
    chmod 444 data/app.db
    for command in up down redo; do
        limited $command
        expect_code 3
        stopped "the database $folder/data/app.db is read-only"
    done
    # Looking needs no more than reading.
    limited current
    expect_code 0
    prints 20240101000001
    limited up --json
    expect_code 3
    expect_json '.error | .exit_code == 3 and .status == "MIG_E_READONLY"'

    chmod 0 data/app.db
    for command in up status; do
        limited $command
        expect_code 3
        says "$folder/data/app.db" "may not be read" "Permission denied"
    done
    chmod 644 data/app.db
    history_is "$before"
    mended
}

folder_read_only()
{
    begun
    chmod 555 data
    limited up
    expect_code 3
    stopped "the folder of $folder/data/app.db cannot be written" journal
    limited current
    expect_code 0
    prints 20240101000001
    chmod 755 data
    mended

    # Where the file would have to be made first.
    prepared
    chmod 555 data
    limited up
    expect_code 3
    stopped "$folder/data/app.db"
    limited status
    expect_code 0
    [[ -z $(ls data) ]] || fail "made in a read-only folder: $(ls data)"
    chmod 755 data
    mended
}

engine=sqlite
chmod 755 "$folder"
bundle_unread
file_read_only
folder_read_only
finish
