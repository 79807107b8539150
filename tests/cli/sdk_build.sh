#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What the SDK's CMake functions promise: the same sources give the same bytes
# in whatever folder they are built, modules are hardened and export one symbol,
# SQL travels in modules byte for byte, what leaves the sources leaves the
# bundle, and wrong use is an error that says what is wrong.

set -euo pipefail
# shellcheck source=tests/cli/outside.sh.inc
. "$(dirname "$0")/outside.sh.inc"

install_to "$scratch/prefix"
host=$scratch/prefix/bin/mighost

# project FOLDER CMAKE_LINE...: a project that finds the SDK and says these lines.
project()
{
    local folder=$1

    shift
    mkdir -p "$folder"
    printf '%s\n' 'cmake_minimum_required(VERSION 3.25)' 'project(outside LANGUAGES C)' \
        'find_package(mighost REQUIRED)' "$@" >"$folder/CMakeLists.txt"
}

# build SOURCE BUILD FLAG...: configures and builds; its output is in build.log.
build()
{
    local source=$1 folder=$2

    shift 2
    cmake -S "$source" -B "$folder" -DCMAKE_PREFIX_PATH="$scratch/prefix" \
        -DCMAKE_BUILD_TYPE=RelWithDebInfo "$@" >build.log 2>&1 &&
        cmake --build "$folder" >>build.log 2>&1
}

# refuses TEXT CMAKE_LINE...: configuring fails and says TEXT.
refuses()
{
    local text=$1

    shift
    rm -rf wrong wrong.build
    project wrong "$@"
    cp one/* wrong/ 2>/dev/null || true
    project wrong "$@"
    build wrong wrong.build && fail "accepted: $*"
    tr -s ' \n' ' ' <build.log | grep -qF -- "$text" ||
        fail "not \"$text\" but: $(<build.log)"
}

# ---- a project with one of everything -----------------------------------------

project one \
    'mig_add_migration(20240301120000_create_notes C create.c)' \
    'mig_add_migration(20240301130000_index_notes SQL' \
    '    20240301130000_index_notes.sqlite.up.sql' \
    '    20240301130000_index_notes.postgres.up.sql' \
    '    20240301130000_index_notes.down.sql)' \
    'file(GLOB sql CONFIGURE_DEPENDS plain/*.sql)' \
    'mig_add_sql(${sql})' \
    'mig_add_driver(none SOURCES driver.c)'
cat >one/create.c <<'TEXT'
#include <mig.h>

static mig_status up(struct mig_db *db)
{
    mig_log(db, MIG_INFO, "built from %s", __FILE__);
    return mig_exec(db, "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL)");
}

int of_no_business_outside(void);
int of_no_business_outside(void)
{
    return 7;
}

MIG_MODULE(.id = "20240301120000", .description = "create notes", .up = up);
TEXT
cat >one/driver.c <<'TEXT'
#include <mig/driver.h>

static const char *const schemes[] = {"none", NULL};

const struct mig_driver mig_driver = {.size = sizeof(struct mig_driver),
                                      .abi_major = MIG_DRIVER_ABI_MAJOR,
                                      .abi_minor = MIG_DRIVER_ABI_MINOR,
                                      .name = "none",
                                      .schemes = schemes};
TEXT
printf -- '-- mig: mode = durable\r\nCREATE INDEX "notes \\ %%" ON notes (body);\n' \
    >one/20240301130000_index_notes.sqlite.up.sql
printf -- '-- mig: mode = durable\nCREATE INDEX notes_body ON notes (body);\n' \
    >one/20240301130000_index_notes.postgres.up.sql
printf 'DROP INDEX "notes \\ %%";' >one/20240301130000_index_notes.down.sql
mkdir one/plain
echo 'INSERT INTO notes VALUES (1, 1);' >one/plain/20240301140000_fill.up.sql
echo 'INSERT INTO notes VALUES (2, 2);' >one/plain/20240301150000_more.up.sql

(umask 002 && build one one.build) || fail "$(<build.log)"
bundle=one.build/migrations
[[ $(cd "$bundle" && echo *) == '20240301140000_fill.up.sql 20240301150000_more.up.sql '\
'libmig_20240301120000.so libmig_20240301130000.so' ]] || fail "the bundle holds: $(ls "$bundle")"
[[ -z $(find "$bundle" -perm /022) ]] || fail "others may write: $(ls -l "$bundle")"

# ---- reproducible, with each compiler -------------------------------------------

for compiler in gcc clang; do
    command -v "$compiler" >/dev/null || continue
    rm -rf first second
    mkdir -p first/deep/er second
    cp -r one first/deep/er/source
    cp -r one second/src
    build first/deep/er/source first/deep/er/source/build -DCMAKE_C_COMPILER="$compiler" ||
        fail "$compiler: $(<build.log)"
    build second/src second/out -DCMAKE_C_COMPILER="$compiler" || fail "$compiler: $(<build.log)"
    for module in libmig_20240301120000.so libmig_20240301130000.so; do
        cmp "first/deep/er/source/build/migrations/$module" "second/out/migrations/$module" ||
            fail "$compiler: $module depends on where it is built"
    done
    grep -qF "$scratch" second/out/migrations/*.so && fail "$compiler: a path of the build is in a module"
done

# ---- hardened -------------------------------------------------------------------

for object in "$bundle/libmig_20240301120000.so" one.build/libmigdrv_none.so; do
    readelf -dW "$object" >dynamic
    grep -qE 'BIND_NOW|NOW' dynamic || fail "$object: symbols are bound late"
    grep -qE 'RPATH|RUNPATH|TEXTREL' dynamic && fail "$object: $(<dynamic)"
    readelf -lW "$object" | grep -q GNU_RELRO || fail "$object: no relro"
    readelf -lW "$object" | grep GNU_STACK | grep -q 'RWE' && fail "$object: executable stack"
    readelf -nW "$object" 2>&1 | grep -q 'Build ID' || fail "$object: no build id"
done
[[ $(nm -D --defined-only --format=posix "$bundle/libmig_20240301120000.so" | cut -d ' ' -f 1) == \
    mig_module ]] || fail "the module exports more than mig_module"
[[ $(nm -D --defined-only --format=posix one.build/libmigdrv_none.so | cut -d ' ' -f 1) == \
    mig_driver ]] || fail "the driver exports more than mig_driver"

# ---- SQL travels byte for byte ----------------------------------------------------

grep -qaF "$(<one/20240301130000_index_notes.down.sql)" "$bundle/libmig_20240301130000.so" ||
    fail "the SQL is not in the module"
"$host" -m "$bundle" -d "sqlite:$scratch/app.db" up >up.log 2>&1 || fail "up: $(<up.log)"
[[ $(sqlite3 app.db "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'notes'") == 'notes \ %' ]] ||
    fail "the indexes are: $(sqlite3 app.db .schema) $(<up.log)"
"$host" inspect "$bundle/libmig_20240301130000.so" >inspect.log || fail "inspect"
grep -q durable inspect.log || fail "the mode is lost: $(<inspect.log)"

# A changed file is built anew, a removed one leaves the bundle.
echo 'INSERT INTO notes VALUES (3, 3);' >>one/20240301130000_index_notes.down.sql
rm one/plain/20240301150000_more.up.sql
build one one.build || fail "$(<build.log)"
grep -qaF 'VALUES (3, 3)' "$bundle/libmig_20240301130000.so" || fail "a change is not built"
[[ ! -e $bundle/20240301150000_more.up.sql ]] || fail "a removed file is still in the bundle"
[[ -e $bundle/20240301140000_fill.up.sql ]] || fail "a file that stayed is gone"

# So does what one of several calls, or another folder, does not give any more.
project several \
    'file(GLOB first CONFIGURE_DEPENDS first/*.sql)' \
    'mig_add_sql(${first})' \
    'file(GLOB second CONFIGURE_DEPENDS second/*.sql)' \
    'mig_add_sql(${second})' \
    'add_subdirectory(parts)'
mkdir several/{first,second,parts}
cat >several/parts/CMakeLists.txt <<'TEXT'
file(GLOB sources CONFIGURE_DEPENDS *.c)
foreach(source IN LISTS sources)
    get_filename_component(name ${source} NAME_WE)
    mig_add_migration(${name} C ${source})
endforeach()
TEXT
for id in 1 2; do
    echo 'SELECT 1;' >"several/first/${id}_a.up.sql"
    echo 'SELECT 1;' >"several/second/${id}0_b.up.sql"
    sed "s/20240301120000/${id}00/" one/create.c >"several/parts/${id}00_c.c"
done

# bundle_is NAME...: what the bundle of these parts holds.
bundle_is()
{
    local holds

    build several "several build" || fail "$(<build.log)"
    holds=$(ls "several build/migrations")
    [[ ${holds//$'\n'/ } == "$*" ]] || fail "the bundle holds ${holds//$'\n'/ }, not $*"
}

bundle_is 10_b.up.sql 1_a.up.sql 20_b.up.sql 2_a.up.sql libmig_100.so libmig_200.so
touch "several build/migrations/mine"
rm several/first/2_a.up.sql several/second/*.sql several/parts/200_c.c
bundle_is 1_a.up.sql libmig_100.so mine
cp several/parts/100_c.c several/parts/200_c.c
sed -i 's/"100"/"200"/' several/parts/200_c.c
bundle_is 1_a.up.sql libmig_100.so libmig_200.so mine

# ---- signed ---------------------------------------------------------------------

# The key comes from a folder of its own; the signature comes last, also where
# it was asked for first, and for parts from another folder.
umask 022
mkdir keys
"$host" -q key new keys/release || fail "key new"
project signed \
    'mig_sign_bundle(KEY ../keys/release)' \
    'mig_add_migration(20240301120000_create_notes C create.c)' \
    'add_subdirectory(plain)'
cp one/create.c signed/
mkdir signed/plain
echo 'INSERT INTO notes VALUES (1, 1);' >signed/plain/20240301140000_fill.up.sql
echo 'mig_add_sql(20240301140000_fill.up.sql)' >signed/plain/CMakeLists.txt
build signed signed.build || fail "$(<build.log)"
"$host" -m signed.build/migrations --trust keys/release.pub check >check.log || fail "$(<check.log)"
grep -q ' 2 files,' check.log || fail "$(<check.log)"
"$host" -m signed.build/migrations --trust keys/release.pub -d "sqlite:$scratch/signed.db" up >up.log 2>&1 ||
    fail "up: $(<up.log)"
echo 'INSERT INTO notes VALUES (2, 2);' >>signed/plain/20240301140000_fill.up.sql
cmake --build signed.build --target migrations >build.log 2>&1 || fail "$(<build.log)"
"$host" -m signed.build/migrations --trust keys/release.pub check >check.log || fail "$(<check.log)"
chmod 640 keys/release
cmake --build signed.build >build.log 2>&1 && fail "signed with a key that others can read"
grep -q 'others can read it' build.log || fail "$(<build.log)"

# ---- wrong use --------------------------------------------------------------------

refuses 'is not <id>_<name>' 'mig_add_migration(create_notes C create.c)'
refuses 'longer than 18 digits' 'mig_add_migration(1234567890123456789_x C create.c)'
refuses 'either C and sources or SQL and files' 'mig_add_migration(20240301120000_x)'
refuses 'either C and sources or SQL and files' 'mig_add_migration(20240301120000_x C a.c SQL b.sql)'
refuses 'has no .up.sql file' \
    'mig_add_migration(20240301130000_index_notes SQL 20240301130000_index_notes.down.sql)'
refuses 'is not named 20240301120000_<name>' \
    'mig_add_migration(20240301120000_x SQL 20240301130000_index_notes.down.sql)'
refuses 'give KEY' 'mig_sign_bundle(keys/release)'
refuses 'is signed twice' 'mig_sign_bundle(KEY a)' 'mig_sign_bundle(KEY b)'
refuses 'give SOURCES' 'mig_add_driver(mine)'
echo 'int missing(void); int call(void); int call(void) { return missing(); }' >one/missing.c
refuses 'missing' 'mig_add_migration(20240301120000_x C create.c missing.c)'
