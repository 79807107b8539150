#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What an author writes compiles in C11, C17 and C++20 without a warning, and
# what an author gets wrong does not compile: misuse is caught by the compiler.

set -euo pipefail

warnings=(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
include=(-I "$MIGHOST_SOURCE/sdk/include")
failures=0

# compiles COMPILER LANGUAGE STANDARD: the module on standard input.
compiles()
{
    "$1" -x "$2" -std="$3" -fPIC "${include[@]}" "${warnings[@]}" -c -o /dev/null - 2>/dev/null
}

each()
{
    local text=$1 expected=$2 compiler standard got

    for compiler in gcc clang; do
        command -v "$compiler" >/dev/null || continue
        for standard in c11 c17; do
            compiles "$compiler" c "$standard" <<<"$text" && got=yes || got=no
            [[ $got == "$expected" ]] && continue
            printf 'FAILED: %s %s compiles: %s\n%s\n' "$compiler" "$standard" "$got" "$text"
            failures=$((failures + 1))
        done
    done
}

body='#include <mig.h>
static mig_status up(struct mig_db *db) { return mig_exec(db, "SELECT 1"); }
static mig_status down(struct mig_db *db) { return mig_exec(db, "SELECT 1"); }'
long=$(printf 'x%.0s' {1..200})

each "$body
MIG_MODULE(.id = \"1\", .description = \"d\", .mode = MIG_DURABLE, .up = up, .down = down);" yes
each "$body
MIG_MODULE(.id = \"20240126130000\", .description = \"d\", .drivers = \"sqlite\", .up = down, .verify = up);" yes

# An id or description that does not fit, an entry of another type, a result that
# is thrown away, a format that does not match.
each "$body
MIG_MODULE(.id = \"123456789012345678901\", .description = \"d\", .up = up, .down = down);" no
each "$body
MIG_MODULE(.id = \"1\", .description = \"$long\", .up = up, .down = down);" no
each '#include <mig.h>
static int up(int x) { return x; }
MIG_MODULE(.id = "1", .description = "d", .up = up);' no
each '#include <mig.h>
static mig_status up(struct mig_db *db) { mig_exec(db, "SELECT 1"); return MIG_OK; }
MIG_MODULE(.id = "1", .description = "d", .up = up);' no
each '#include <mig.h>
static mig_status up(struct mig_db *db) { return mig_fail(db, "%s", 7); }
MIG_MODULE(.id = "1", .description = "d", .up = up);' no

# g++ -Wextra wants every member named, which designated initialisers are there
# to spare; find_package(mighost) makes the header a system header, where it is quiet.
warnings+=(-Wno-missing-field-initializers)
for compiler in g++ clang++; do
    command -v "$compiler" >/dev/null || continue
    compiles "$compiler" c++ c++20 <<<"$body
MIG_MODULE(.id = \"1\", .description = \"d\", .mode = MIG_DURABLE, .up = up, .down = down);" || {
        printf 'FAILED: %s does not compile a module as C++20\n' "$compiler"
        failures=$((failures + 1))
    }
done
[[ $failures -eq 0 ]]
