#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A bundle on a file system from which no code is to be run, and a machine whose
# /proc is not mounted: the host says which it is, has begun nothing, and once
# that is mended the same `up` works. Only root can make either.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

bundle=$folder/bundle
barred=

clean_all()
{
    [[ -z $barred ]] || umount "$bundle"
    clean_up
}
trap clean_all EXIT

# up COMMAND...: run by it; sets `code`.
up()
{
    code=0
    "$@" "$MIGHOST_BIN" -d "$url" -m "$bundle" up >"$folder/out" 2>"$folder/err" </dev/null ||
        code=$?
}

# nothing_begun WHAT CODE TEXT: it said so, and made no table of a migration.
nothing_begun()
{
    expect "$1: exit code" "$code" "$2"
    grep -q "^mighost: error: .*$3" "$folder/err" || fail "$1: [$3] is not in: $(<"$folder/err")"
    expect "$1: what was made" \
        "$(ask "SELECT name FROM sqlite_schema WHERE name NOT LIKE '%mighost%'")" ""
}

# works_now WHAT
works_now()
{
    up env
    expect "$1: exit code in the end: $(<"$folder/err")" "$code" 0
    expect "$1: applied" "$(ask "SELECT count(*) FROM mighost_history")" 2
}

without_proc()
{
    # A sanitizer reads its options there, and cannot look for leaks.
    unshare --mount sh -c 'mount -t tmpfs none /proc && mkdir /proc/self &&
        printf "ASAN_OPTIONS=detect_leaks=0\0" >/proc/self/environ && exec "$@"' sh "$@"
}

mkdir "$bundle"
echo 'CREATE TABLE first (id INTEGER);' >"$bundle/20240101000000_first.up.sql"
cp "$MIGHOST_FIXTURES"/good_table/*.so "$bundle"
chmod 755 "$bundle"/*.so
[[ $EUID -eq 0 ]] && without_proc true 2>/dev/null &&
    mount --bind "$bundle" "$bundle" 2>/dev/null || exit 77
barred=yes

mount -o remount,bind,noexec "$bundle"
fresh sqlite
up env
nothing_begun "mounted noexec" 6 'libmig_20240601000001.so lies on a .* mounted noexec'
mount -o remount,bind,exec "$bundle"
works_now "mounted noexec"

fresh sqlite
up without_proc
nothing_begun "no /proc" 3 'is /proc mounted?'
works_now "no /proc"
echo "ok"
