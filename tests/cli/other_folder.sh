#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What is in the repository is all that it takes, wherever it lies: a clone in a
# folder whose name has blanks is built, applies the example history there and
# rolls it back, and is installed to such a folder, where other projects find it.

set -euo pipefail
# shellcheck source=tests/cli/outside.sh.inc
. "$(dirname "$0")/outside.sh.inc"

# A source that came without its history, or that git does not trust, is copied.
mkdir 'a clone'
if ! git clone -q --shared "$MIGHOST_SOURCE" 'a clone/the tree' 2>/dev/null; then
    mkdir -p 'a clone/the tree'
    tar -C "$MIGHOST_SOURCE" --exclude='./build*' --exclude=./.git -c . | tar -C 'a clone/the tree' -x
fi
cd 'a clone/the tree'

compiler=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$MIGHOST_BUILD/CMakeCache.txt")
cmake -S . -B 'build here' -G Ninja -DCMAKE_C_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=Debug \
    -DCMAKE_C_FLAGS_DEBUG=-O0 -DMIGHOST_TESTS=OFF >configure.log 2>&1 || fail "$(<configure.log)"
cmake --build 'build here' -j 2 >build.log 2>&1 || fail "$(tail -n 40 build.log)"

# run HOST BUNDLE: the whole history up and down, by that host.
run()
{
    local wanted

    wanted=$(find migrations-src -name '*_*' -printf '%f\n' |
        sed -nE 's/^([0-9]{14})_.*/\1/p' | sort -u | wc -l)
    (umask 077 && openssl rand -hex 32 >'the key')
    export DATABASE_URL="sqlite:$PWD/app of mine.db" MIGHOST_BUNDLE=$2
    "$1" up --set-file 'totp_key=the key' >said 2>&1 || fail "$(<said)"
    grep -q "^Applied $wanted migrations" said || fail "not $wanted migrations: $(<said)"
    "$1" down --all --set-file 'totp_key=the key' >said 2>&1 || fail "$(<said)"
}

run "$PWD/build here/bin/mighost" "$PWD/build here/migrations"

cmake --install 'build here' --prefix "$scratch/a prefix" >install.log 2>&1 || fail "$(<install.log)"
cp -r migrations-src "$scratch/a project"
cmake -S "$scratch/a project" -B "$scratch/a project/build" -G Ninja \
    -DCMAKE_C_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$scratch/a prefix" >configure.log 2>&1 ||
    fail "$(<configure.log)"
cmake --build "$scratch/a project/build" >build.log 2>&1 || fail "$(tail -n 40 build.log)"
run "$scratch/a prefix/bin/mighost" "$scratch/a project/build/migrations"
