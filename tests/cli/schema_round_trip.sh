#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The whole example history on each engine: up with rows put in on the way,
# down to nothing, up again. The schema is the same both times, and every e-mail
# hash is what sha256sum says. Then one by one: each down leaves the schema and
# every row as they were before its up.
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

# What people enter once a migration has made the place for it. It goes with
# that place, so that what was there before the up has to be there after the
# down, to the last row.
entered_after()
{
    case $1 in
    20240126100000)
        seed
        ask "UPDATE users SET name = '  Two  Blanks ' WHERE id = 3"
        ;;
    20240126110000) ask "INSERT INTO posts (id, user_id, title) SELECT id + 100, id, 'Of ' || name FROM users" ;;
    20240126120000) ask "INSERT INTO user_preferences (user_id, preference_key, preference_value)
        SELECT id, 'theme', 'dark' FROM users" ;;
    # One of the names that come later as defaults, with posts of its own.
    20240126120500) ask "INSERT INTO categories (id, name) VALUES (101, 'Business'), (102, 'Gardening')" ;;
    20240126121000) ask "UPDATE users SET username = 'user' || id, phone = '+49 (0)30 90' || (1000 + id),
        email_verified = (id % 2 = 0)" ;;
    20240126121500) ask "UPDATE users SET status = 'locked' WHERE id = 2" ;;
    20240126122000) ask "UPDATE posts SET category_id = 101 + id % 2 WHERE id % 3 = 0" ;;
    20240126123000) ask "UPDATE users SET bio = 'Bio ' || id, avatar_url = 'https://a/' || id,
        website = CASE id % 2 WHEN 0 THEN 'https://w/' || id END WHERE id % 5 <> 0" ;;
    20240126132000) ask "UPDATE profiles SET address = '{\"street\":\"Weg ' || user_id ||
        '\",\"city\":\"Köln\",\"country\":\"DE\",\"floor\":3}' WHERE user_id % 2 = 0" ;;
    esac || fail "$engine: nothing could be entered after $1"
}

# Every row of every table but our own, as its engine writes it.
rows()
{
    if [[ $engine == sqlite ]]; then
        ask "SELECT 'SELECT ''' || name || ''', * FROM ' || name || ' ORDER BY 2, 3;' FROM sqlite_master
             WHERE type = 'table' AND name NOT LIKE 'mighost%' ORDER BY name" |
            sqlite3 -cmd '.mode quote' "${url#sqlite:}"
    else
        psql -qXAt "$url" <<'TEXT'
SELECT format('SELECT %L, t.* FROM %I AS t ORDER BY 2, 3', relname, relname) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'mighost%'
ORDER BY relname \gexec
TEXT
    fi
}

# Each up had something to change, or its down would have nothing to give back.
check_changed()
{
    answer "SELECT COUNT(*) FROM users WHERE email <> lower(email)" 0
    answer "SELECT COUNT(*) FROM user_email_originals" $ROWS
    answer "SELECT COUNT(*) FROM users WHERE name = 'Two  Blanks' AND last_name = 'Blanks'" 1
    answer "SELECT COUNT(*) FROM users WHERE phone LIKE '+493090%' AND original_phone IS NOT NULL" $ROWS
    answer "SELECT COUNT(*) FROM profiles" $((ROWS * 4 / 5))
    answer "SELECT COUNT(*) FROM profiles WHERE street = 'Weg ' || user_id" $((ROWS * 2 / 5))
    answer "SELECT COUNT(*) FROM posts WHERE category_id IS NULL" 0
    answer "SELECT COUNT(*) FROM categories" 4
    answer "SELECT COUNT(*) FROM user_settings WHERE length(settings) = 24" $ROWS
    answer "SELECT COUNT(*) FROM user_totp WHERE length(secret) > 20" $ROWS
}

one_by_one()
{
    local id ids i

    fresh "$1"
    mig -m "$BUNDLE" pending --json
    mapfile -t ids < <(jq -r '.pending_migrations[].id' <<<"$out")
    ((${#ids[@]})) || fail "$engine: no migrations to go through"
    for id in "${ids[@]}"; do
        dump >"schema_$id"
        rows >"rows_$id"
        mig -m "$BUNDLE" up --count 1
        expect_code 0
        entered_after "$id" >/dev/null
    done
    check_changed
    for ((i = ${#ids[@]} - 1; i >= 0; i--)); do
        id=${ids[i]}
        mig -m "$BUNDLE" down
        expect_code 0
        dump >schema_now
        same "schema after the down of $id" "schema_$id" schema_now
        rows >rows_now
        same "rows after the down of $id" "rows_$id" rows_now
    done
}

for each in $(engines); do
    round_trip "$each"
    one_by_one "$each"
done
finish
