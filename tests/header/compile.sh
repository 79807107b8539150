#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# compile.sh HEADER: compiles a public header by itself, twice included, as C11,
# C17 and C++17 and C++20, with every warning an outsider may have turned on.

set -euo pipefail

header=$1
includes=(-I "$MIGHOST_SOURCE/sdk/include" -I "$MIGHOST_SOURCE/host/include")
warnings=(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
name=${header#*/include/}
source=$(printf '#include <%s>\n#include <%s>\nint only_for_the_linker;\n' "$name" "$name")
tried=0

# try COMPILER LANGUAGE STANDARD FLAG...
try()
{
    local compiler=$1 language=$2 standard=$3

    shift 3
    command -v "$compiler" >/dev/null || return 0
    printf '%s -std=%s %s\n' "$compiler" "$standard" "$*"
    "$compiler" -x "$language" -std="$standard" "${includes[@]}" "${warnings[@]}" "$@" \
        -fsyntax-only - <<<"$source"
    tried=$((tried + 1))
}

for compiler in gcc clang; do
    try "$compiler" c c11 -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wvla
    try "$compiler" c c17 -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wvla
done
for compiler in g++ clang++; do
    try "$compiler" c++ c++17
    try "$compiler" c++ c++20
done
[[ $tried -gt 0 ]] || exit 77
