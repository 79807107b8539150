# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the scripts of this folder share: where the source is, how to say
# things, and how to install what a Debian 12 machine lacks. It knows which
# packages each task needs; nothing else in the repository installs anything.
# To be sourced.

SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
JOBS=${JOBS:-$(nproc)}
umask 022 # the host runs nothing that others can write

# What it takes to build the host and the bundle, and to run them on SQLite.
readonly PACKAGES_BUILD=(gcc libc6-dev cmake ninja-build pkg-config
    libsqlite3-dev sqlite3 libpq-dev libssl-dev openssl nettle-dev
    libjansson-dev libinih-dev libelf-dev libdw-dev libpg-query-dev)

# And to check and test them as well.
# shellcheck disable=SC2034
readonly PACKAGES_TEST=("${PACKAGES_BUILD[@]}"
    g++ clang clang-format clang-tidy libclang-rt-14-dev binutils
    postgresql pgbouncer libcriterion-dev libjansson4
    universal-ctags jq git ca-certificates procps locales)

say()
{
    printf '== %s\n' "$*"
}

fail()
{
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

missing_packages()
{
    local package

    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            printf '%s\n' "$package"
    done
}

# The package postgresql makes and starts a cluster of its own unless told
# not to. Say so on a machine that has no opinion yet; leave others alone.
refuse_system_cluster()
{
    [[ -e /etc/postgresql-common ]] ||
        "$@" sh -c 'mkdir -p /etc/postgresql-common/createcluster.d &&
            echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/no-main.conf'
}

# Run by root. Packages that bring a service (pgbouncer) start it unless the machine's
# policy says no; where it has none, that is the policy for as long as this takes.
readonly INSTALL='policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap "rm -f $policy" EXIT
        printf "%s\n" "#!/bin/sh" "exit 101" >"$policy"
        chmod 755 "$policy"
    fi
    apt-get install -q -y --no-install-recommends -o Dpkg::Use-Pty=0 "$@"'

# install_packages NAME...: installs those that are missing, asks nothing.
install_packages()
{
    local missing root=()

    command -v dpkg-query >/dev/null || {
        say "no dpkg on this machine: taking for granted that these are there: $*"
        return 0
    }
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]})) || return 0

    if [[ $EUID -ne 0 ]]; then
        command -v sudo >/dev/null ||
            fail "these packages are missing, and there is no sudo to install them: ${missing[*]}"
        root=(sudo)
    fi
    say "installing ${missing[*]}"
    root+=(env DEBIAN_FRONTEND=noninteractive)
    refuse_system_cluster "${root[@]}"
    "${root[@]}" apt-get update -q
    "${root[@]}" sh -c "$INSTALL" sh "${missing[@]}"
}

# build_preset PRESET [TARGET...]: configures and builds build/PRESET.
build_preset()
{
    local preset=$1 quiet=()

    shift
    say "building build/$preset"
    mkdir -p "$SOURCE/build"
    (cd "$SOURCE" && cmake --preset "$preset" >"$SOURCE/build/.$preset.log" 2>&1) || {
        cat "$SOURCE/build/.$preset.log" >&2
        fail "cmake could not configure build/$preset"
    }
    # On a terminal the progress is one line; elsewhere it would be hundreds.
    [[ -t 1 ]] || quiet=(-- --quiet)
    cmake --build "$SOURCE/build/$preset" -j "$JOBS" ${1+--target "$@"} "${quiet[@]}"
}
