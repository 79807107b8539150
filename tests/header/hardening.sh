#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What the built files show of their hardening: position independent, tables
# read-only from the start, no executable stack, stack canaries, branch
# protection where the processor has it, copies that are checked even where the
# size of their target is known only when they run (_FORTIFY_SOURCE 3). Looked at:
# the host, its library, worker and drivers of a release, and a module and a driver
# built with its SDK, as an author outside does.
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
chmod 755 "$scratch"

fail()
{
    printf 'FAILED: %s\n' "$*"
    exit 1
}

# has FILE OPTION PATTERN WHAT: what readelf says has the pattern.
has()
{
    readelf -W "$2" "$1" 2>/dev/null | grep -cE -- "$3" >/dev/null || fail "$1: no $4"
}

# hardened FILE FUNCTION: and one of its functions, where an indirect jump may land.
# (Debian's own start files have no such marks, so neither has the file as a whole.)
hardened()
{
    has "$1" -h 'Type: +DYN' "position independent code"
    has "$1" -l 'GNU_RELRO' "read-only tables (RELRO)"
    has "$1" -d 'BIND_NOW|FLAGS.* NOW' "immediate binding, so that RELRO is full"
    has "$1" -l 'GNU_STACK.* RW +0x' "stack without execution"
    if readelf -W -l "$1" | grep -cE 'LOAD.* RWE' >/dev/null; then
        fail "$1: a segment can be written and executed"
    fi
    if readelf -W -d "$1" | grep -cE 'TEXTREL|R(UN)?PATH' >/dev/null; then
        fail "$1: text relocations, or a search path"
    fi
    has "$1" --dyn-syms '__stack_chk_fail' "stack canaries"
    [[ $(uname -m) != x86_64 ]] ||
        (($(objdump -d --disassemble="$2" "$1" | grep -c endbr64) > 0)) ||
        fail "$1: $2() does not begin with a mark of branch protection (CET)"
}

# A copy that only level 3 checks: the target's size is an argument.
cat >"$scratch/copy.h" <<'TEXT'
#include <stdlib.h>
#include <string.h>

static inline char *copied(const char *text, size_t size, size_t len)
{
    char *copy = malloc(size);

    return copy ? memcpy(copy, text, len) : copy;
}
TEXT
readonly CHECKED='UND __memcpy_chk'

# ---- a release ------------------------------------------------------------------

release=$scratch/release
(cmake -S "$MIGHOST_SOURCE" --preset release -B "$release" && cmake --build "$release" -j2 &&
    cmake --install "$release" --prefix "$scratch/prefix") >"$scratch/log" 2>&1 ||
    fail "$(tail -n 20 "$scratch/log")"
libraries=$(dirname "$(find "$scratch/prefix" -name libmighost.so)")
hardened "$scratch/prefix/bin/mighost" main
hardened "$scratch/prefix/libexec/mighost/mighost-worker" main
hardened "$scratch/prefix/libexec/mighost/mighost-symbolize" main
hardened "$libraries/libmighost.so" mighost_open
hardened "$libraries/mighost/libmigdrv_sqlite.so" conn_open
hardened "$libraries/mighost/libmigdrv_postgres.so" tx_begin

# Each file is compiled alike, and as it is, so is that copy.
commands=$release/compile_commands.json
jq -e '[.[].command | select(contains(".sql.c") | not)] | length > 50 and
    all(contains("-D_FORTIFY_SOURCE=3") and contains("-fstack-protector-strong") and
        contains("-fstack-clash-protection"))' "$commands" >/dev/null ||
    fail "a file of a release is compiled without: $(jq -r '.[] | select(.command |
        (contains("-D_FORTIFY_SOURCE=3") and contains("-fstack-clash-protection")) | not) |
        .file' "$commands" | head -n 3)"
cat >"$scratch/copy.c" <<'TEXT'
#include "copy.h"

char *copy(const char *text, size_t size, size_t len);
char *copy(const char *text, size_t size, size_t len)
{
    return copied(text, size, len);
}
TEXT
compile=$(jq -r '[.[] | select(.file | endswith("/host/core/plan.c"))][0].command' "$commands")
(cd "$release" && bash -c "${compile%% -o *} -fno-lto -o '$scratch/copy.o' -c '$scratch/copy.c'") ||
    fail "a release cannot compile a copy: $compile"
has "$scratch/copy.o" -s "$CHECKED" "checked copies (FORTIFY 3)"

# ---- with the SDK, by somebody who asks for nothing ----------------------------

mkdir "$scratch/outside"
cat >"$scratch/outside/CMakeLists.txt" <<'TEXT'
cmake_minimum_required(VERSION 3.25)
project(outside LANGUAGES C)
find_package(mighost REQUIRED)
mig_add_migration(20240301120000_copies C copies.c)
mig_add_driver(none SOURCES driver.c)
TEXT
cat >"$scratch/outside/copies.c" <<'TEXT'
#include <mig.h>
#include <stdio.h>
#include "../copy.h"

static mig_status up(struct mig_db *db)
{
    const char *text = mig_param(db, "text");
    char *copy = copied(text, (size_t)text[0], (size_t)text[1]);
    char sql[64];

    snprintf(sql, sizeof sql, "SELECT %s", copy ? copy : "1");
    free(copy);
    return mig_exec(db, sql);
}

MIG_MODULE(.id = "20240301120000", .description = "copies", .up = up);
TEXT
cat >"$scratch/outside/driver.c" <<'TEXT'
#include <mig/driver.h>
#include <stdio.h>
#include "../copy.h"

static mig_status settle(struct mig_conn *conn, const char *text, size_t len,
                         enum mig_settled *out, struct mig_err *err)
{
    char *copy = copied(text, (size_t)text[0], len);
    char reason[64];

    (void)conn;
    *out = MIG_SETTLED_UNKNOWN;
    snprintf(reason, sizeof reason, "%s", copy ? copy : "");
    free(copy);
    return mig_err_set(err, MIG_E_UNSUPPORTED, "%s", reason);
}
const struct mig_driver mig_driver = {.size = sizeof mig_driver, .settle = settle};
TEXT
(cmake -S "$scratch/outside" -B "$scratch/built" -DCMAKE_PREFIX_PATH="$scratch/prefix" \
    -DCMAKE_BUILD_TYPE=Release && cmake --build "$scratch/built") >"$scratch/log" 2>&1 ||
    fail "$(<"$scratch/log")"
hardened "$scratch/built/migrations/libmig_20240301120000.so" up
hardened "$scratch/built/libmigdrv_none.so" settle
for file in "$scratch"/built/{migrations/libmig_20240301120000,libmigdrv_none}.so; do
    has "$file" --dyn-syms "$CHECKED" "checked copies (FORTIFY 3)"
done
echo "ok"
