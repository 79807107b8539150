#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What a user outside this tree does: installs to a prefix, moves it elsewhere
# (it has to be relocatable), builds a C module with find_package(mighost) and
# mig_add_migration(), and runs it with the installed host; tests it with the
# test kit; the same as the README has it. Then a program that embeds the host,
# as a shared library and as an archive, found with pkg-config and with CMake; a
# driver; and the example history, which is a project of its own as well.

set -euo pipefail
# shellcheck source=tests/cli/outside.sh.inc
. "$(dirname "$0")/outside.sh.inc"

install_to "$scratch/first"
mv first prefix
host=$scratch/prefix/bin/mighost
[[ -x $host ]] || fail "no bin/mighost in the prefix"

mkdir project
cat >project/CMakeLists.txt <<'TEXT'
cmake_minimum_required(VERSION 3.25)
project(outside C)
find_package(mighost REQUIRED COMPONENTS testkit)
mig_add_migration(20240301120000_create_notes C create_notes.c
    BUNDLE ${CMAKE_BINARY_DIR}/migrations)
mig_add_migration(20240301130000_index_notes SQL
    20240301130000_index_notes.up.sql 20240301130000_index_notes.down.sql
    BUNDLE ${CMAKE_BINARY_DIR}/migrations)
mig_add_driver(ledger SOURCES driver.c OUTPUT ${CMAKE_BINARY_DIR}/drivers)
add_executable(test_notes test_notes.c)
target_compile_definitions(test_notes PRIVATE BUNDLE="${CMAKE_BINARY_DIR}/migrations")
target_link_libraries(test_notes PRIVATE mighost::testkit)
add_executable(embed_static embed.c)
target_compile_definitions(embed_static PRIVATE DATABASE="sqlite:static.db"
    BUNDLE="${CMAKE_BINARY_DIR}/migrations"
    DRIVERS="${MIGHOST_DRIVER_DIR}" WORKER="${MIGHOST_WORKER}")
target_link_libraries(embed_static PRIVATE mighost::mighost_static)
TEXT
cat >project/test_notes.c <<'TEXT'
#include <mig/testkit.h>

MIG_TEST(notes, need_a_body, BUNDLE)
{
    mig_assert_ok(test, mig_test_up(test, "20240301120000"));
    mig_test_exec(test, "INSERT INTO notes (id, body) VALUES (1, 'a')");
    mig_assert_rows(test, "SELECT id, body FROM notes", "1|a");
    mig_assert_ok(test, mig_test_down(test, NULL));
}
TEXT
cat >project/create_notes.c <<'TEXT'
#include <mig.h>

static mig_status up(struct mig_db *db)
{
    return mig_exec(db, "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL)");
}

static mig_status down(struct mig_db *db)
{
    return mig_exec(db, "DROP TABLE notes");
}

MIG_MODULE(.id = "20240301120000", .description = "create notes", .up = up, .down = down);
TEXT
cat >project/driver.c <<'TEXT'
#include <mig/driver.h>

static const char *const schemes[] = {"ledger", NULL};

static mig_status ledger_open(const struct mig_driver_config *config, struct mig_conn **out,
                              struct mig_err *err)
{
    (void)out;
    return mig_err_set(err, MIG_E_UNREACHABLE, "the ledger of %s is closed today",
                       config->url + sizeof "ledger:" - 1);
}

const struct mig_driver mig_driver = {
    .size = sizeof(struct mig_driver),
    .abi_major = MIG_DRIVER_ABI_MAJOR,
    .abi_minor = MIG_DRIVER_ABI_MINOR,
    .name = "ledger",
    .schemes = schemes,
    .open = ledger_open,
};
TEXT
cat >project/embed.c <<'TEXT'
#include <mighost.h>

#include <stdio.h>

/* Names that the library has as well, and keeps to itself. */
int buf_add(int number);
int buf_add(int number)
{
    return number + 1;
}

const char *err_set = "a name of the program";

int main(void)
{
    struct mighost_config config = {
        .size = sizeof config, .database = DATABASE, .bundle = BUNDLE};
    char current[MIG_ID_SIZE] = "";
    struct mig_err err = {0};
    struct mighost *host = NULL;
    mig_status status;

#ifdef DRIVERS /* the program is not where the library would be */
    config.driver_dir = DRIVERS;
    config.worker = WORKER;
#endif
    status = mighost_open(&config, &host, &err);
    if (status >= 0)
        status = mighost_up(host, NULL, NULL, &err);
    if (status >= 0)
        status = mighost_current(host, current, &err);
    mighost_close(host);
    puts(status < 0 ? err.message : current);
    return mighost_exit_code(status) + (buf_add(1) != 2) + (*err_set != 'a');
}
TEXT
echo 'CREATE INDEX notes_body ON notes (body);' >project/20240301130000_index_notes.up.sql
echo 'DROP INDEX notes_body;' >project/20240301130000_index_notes.down.sql

# Built with sanitizers, the library needs a program that is, too.
library=$(find prefix -name libmighost.so | head -n 1)
[[ -n $library ]] || fail "no libmighost.so in the prefix"
sanitize=()
if [[ $(nm -D "$library") == *__asan_init* ]]; then
    sanitize=("-fsanitize=address,undefined")
fi

cmake -S project -B build -DCMAKE_PREFIX_PATH="$scratch/prefix" \
    -DCMAKE_EXE_LINKER_FLAGS="${sanitize[*]}" >configure.log 2>&1 ||
    fail "$(<configure.log)"
cmake --build build >build.log 2>&1 || fail "$(<build.log)"

module=build/migrations/libmig_20240301120000.so
[[ $(nm -D --defined-only --format=posix "$module" | cut -d ' ' -f 1) == mig_module ]] ||
    fail "the module exports more than mig_module"

tables()
{
    sqlite3 app.db "SELECT name FROM sqlite_schema
                    WHERE tbl_name = 'notes' AND sql IS NOT NULL ORDER BY name" | xargs
}

export DATABASE_URL=sqlite:$scratch/app.db MIGHOST_BUNDLE=$scratch/build/migrations
"$host" inspect "$module" || fail "inspect"
build/test_notes >test.log 2>&1 || fail "the test of the module: $(<test.log)"
"$host" up || fail "up"
[[ $(tables) == 'notes notes_body' ]] || fail "after up there is: $(tables)"
[[ $("$host" current) == 20240301130000 ]] || fail "current is $("$host" current)"

# An older deploy lacks both files: the history carries the way back.
mkdir empty
MIGHOST_BUNDLE=$scratch/empty "$host" down --all || fail "down by what the history carries"
[[ -z $(tables) ]] || fail "after down there is: $(tables)"

# The README, followed to the letter.
mkdir reader
sed -n '/^```cmake$/,/^```$/p' "$MIGHOST_SOURCE/README.md" | sed '1d;$d' >reader/CMakeLists.txt
(
    cd reader
    unset MIGHOST_BUNDLE
    export DATABASE_URL=sqlite:app.db
    "$host" new create_users &&
        "$host" new create_notes --c &&
        cmake -S . -B build -DCMAKE_PREFIX_PATH="$scratch/prefix" && cmake --build build &&
        "$host" inspect build/migrations/libmig_*.so &&
        "$host" -m build/migrations up
) >reader.log 2>&1 || fail "what the README says: $(<reader.log)"
grep -q '^Applied 2 migrations' reader.log || fail "what the README says: $(<reader.log)"

PKG_CONFIG_PATH=$(find "$scratch/prefix" -type d -name pkgconfig)
export PKG_CONFIG_PATH
compiler=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$MIGHOST_BUILD/CMakeCache.txt")

# embed_builds PROGRAM DATABASE FLAG...: embed.c, built by hand.
embed_builds()
{
    local program=$1 database=$2

    shift 2
    "$compiler" -std=c17 "${sanitize[@]}" -DDATABASE="\"$database\"" \
        -DBUNDLE="\"$MIGHOST_BUNDLE\"" project/embed.c -o "$program" "$@" ||
        fail "$program does not build"
}

read -ra flags <<<"$(pkg-config --cflags --libs mighost)"
embed_builds embed "$DATABASE_URL" "${flags[@]}" \
    -Wl,-rpath,"$(dirname "$scratch/$library")"
[[ $(./embed) == 20240301130000 ]] || fail "the embedding program says: $(./embed)"

# ---- as an archive -----------------------------------------------------------

archive=$(find prefix -name libmighost.a)
foreign=$(nm --extern-only --defined-only --format=posix "$archive" | sed '/\]:$/d; /^mighost_/d')
[[ -z $foreign ]] || fail "libmighost.a takes names of the program: $foreign"

flags_static=$(pkg-config --static --cflags --libs mighost)
read -ra flags <<<"${flags_static/-lmighost/-l:libmighost.a}"
embed_builds embed_pkg_config sqlite:pkg_config.db "${flags[@]}" \
    -DDRIVERS="\"$(pkg-config --variable=driverdir mighost)\"" \
    -DWORKER="\"$(pkg-config --variable=worker mighost)\""
for program in build/embed_static ./embed_pkg_config; do
    [[ $(ldd "$program") != *libmighost* ]] || fail "$program is linked with libmighost.so"
    [[ $("$program") == 20240301130000 ]] || fail "$program says: $("$program")"
done

# ---- a driver ------------------------------------------------------------------

# opens URL: the exit code of status there, with this project's driver; what it says is in said.
opens()
{
    local code=0

    DATABASE_URL=$1 "$host" --drivers build/drivers status >said 2>&1 || code=$?
    echo "$code"
}

[[ $(opens ledger:Alice) == 3 && $(<said) == *'the ledger of Alice is closed today'* ]] ||
    fail "the driver was not asked: $(<said)"
[[ $(opens journal:Alice) == 2 && $(<said) == *'the drivers here are: ledger'* ]] ||
    fail "the driver is not listed: $(<said)"

# ---- the example history ---------------------------------------------------------

cp -r "$MIGHOST_SOURCE/migrations-src" history
rm -rf history/build
cmake -S history -B history/build -DCMAKE_PREFIX_PATH="$scratch/prefix" >configure.log 2>&1 ||
    fail "$(<configure.log)"
cmake --build history/build >build.log 2>&1 || fail "$(<build.log)"
(umask 077 && openssl rand -hex 32 >totp.key)
export DATABASE_URL=sqlite:$scratch/history.db MIGHOST_BUNDLE=$scratch/history/build/migrations
"$host" up --set-file totp_key=totp.key --set phone_country=DE >said 2>&1 || fail "$(<said)"
wanted=$(ls "$MIGHOST_SOURCE"/migrations-src | sed -nE 's/^([0-9]{14})_.*/\1/p' | sort -u | xargs)
[[ $("$host" applied --json | jq -r '[.applied_migrations[].id] | join(" ")') == "$wanted" ]] ||
    fail "of the example history was applied: $("$host" applied)"
