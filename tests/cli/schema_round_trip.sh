#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The whole example history on each engine: up with rows put in on the way,
# down to nothing, up again. The schema is the same both times, the rows that a
# down can keep are kept, and every e-mail hash is what sha256sum says.
# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/cli/engines.sh.inc
. "$here/engines.sh.inc"

readonly BUNDLE=$MIGHOST_BUILD/migrations
readonly USERS_MADE=20240126100000
readonly NAMES_SPLIT=20240126125000
readonly ROWS=25

# What the one that encrypts asks for.
printf '%064d\n' 7 >key
export MIGHOST_SET_FILE=totp_key=$folder/key

# The schema without our own tables.
dump()
{
    if [[ $engine == sqlite ]]; then
        sqlite3 "${url#sqlite:}" \
            "SELECT type, name, tbl_name, sql FROM sqlite_master
             WHERE name NOT LIKE 'mighost%' AND tbl_name NOT LIKE 'mighost%' ORDER BY type, name"
    else
        pg_dump --schema-only --no-owner -T 'mighost_*' "$url" | grep -v '^\\\(un\)\?restrict '
    fi
}

same()
{
    diff "$2" "$3" >"$folder/difference" ||
        fail "$engine: $1: $(head -n 20 "$folder/difference")"
}

# Rows that make the steps behind work: capitals, umlauts, one-word names.
seed()
{
    ask "INSERT INTO users (id, password, email, name) SELECT n, 'secret', 'User' || n || '@Example.COM',
             CASE n % 5 WHEN 0 THEN 'Mono' ELSE 'First' || n || ' Last' || n END
         FROM (WITH RECURSIVE count (n) AS
               (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < $ROWS)
               SELECT n FROM count) AS numbers" >/dev/null || fail "$engine: no rows put in"
}

check_hashes()
{
    local id email hash checked=0

    while IFS='|' read -r id email hash; do
        expect "$engine: hash of user $id" "$hash" "$(printf %s "$email" | sha256sum | cut -d' ' -f1)"
        checked=$((checked + 1))
    done < <(ask "SELECT id, email, email_hash FROM users ORDER BY id")
    expect "$engine: hashes checked" "$checked" "$1"
}

round_trip()
{
    local count

    fresh "$1"
    count=$(find "$BUNDLE" -name '*.up.sql' -o -name '*.so' | sed -E 's|.*/(libmig_)?([0-9]+).*|\2|' |
        sort -u | wc -l)
    mig -m "$BUNDLE" up --to "$USERS_MADE"
    expect_code 0
    dump >first_users
    seed
    mig -m "$BUNDLE" up
    expect_code 0
    answer "SELECT COUNT(*) FROM mighost_history WHERE state = 'applied'" "$count"
    dump >first
    check_hashes $ROWS
    answer "SELECT COUNT(*) FROM users WHERE email <> lower(email)" 0

    # Back to where the names were split, and on: rows go through both ways.
    ask "SELECT id, first_name, last_name FROM users ORDER BY id" >names_first 2>/dev/null
    mig -m "$BUNDLE" down --to "$NAMES_SPLIT"
    expect_code 0
    mig -m "$BUNDLE" down
    expect_code 0
    answer "SELECT COUNT(*) FROM users WHERE name = 'First1 Last1'" 1
    answer "SELECT COUNT(*) FROM users WHERE name = 'Mono'" $((ROWS / 5))
    mig -m "$BUNDLE" up
    expect_code 0
    ask "SELECT id, first_name, last_name FROM users ORDER BY id" >names_second 2>/dev/null
    same "names after down and up" names_first names_second
    dump >second
    same "schema after down and up of the last" first second
    check_hashes $ROWS

    mig -m "$BUNDLE" down --to "$USERS_MADE"
    expect_code 0
    answer "SELECT COUNT(*) FROM users" $ROWS
    dump >users
    same "schema of the first migration after all others went" first_users users

    mig -m "$BUNDLE" down --all
    expect_code 0
    answer "SELECT COUNT(*) FROM mighost_history" 0
    if [[ $engine == sqlite ]]; then
        answer "SELECT COUNT(*) FROM sqlite_master
                WHERE name NOT LIKE 'mighost%' AND tbl_name NOT LIKE 'mighost%'
                AND name NOT LIKE 'sqlite_%'" 0
    else
        answer "SELECT COUNT(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace
                AND relkind <> 't' AND relname NOT LIKE 'mighost%'" 0
    fi

    mig -m "$BUNDLE" up
    expect_code 0
    dump >third
    same "schema after down to nothing and up" first third
    mig -m "$BUNDLE" up
    expect_code 0
    answer "SELECT COUNT(*) FROM mighost_history WHERE state = 'applied'" "$count"
}

for each in $(engines); do
    round_trip "$each"
done
finish
