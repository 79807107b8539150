#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# kill -9 of the host, or of its worker, at random moments of a durable C
# migration: the next `up` goes on, and in the end every row has its hash and
# was written exactly once. kill_native.sh [KILLS].
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

readonly KILLS=${1:-8}
readonly ROWS=20000
readonly MODULE=libmig_20240126130000.so

# The table that the module works on, and a count of the writes to each row.
prepare()
{
    fresh "$1"
    "$MIGHOST_BIN" -d "$url" -m "$folder/bundle" -q up --to 20240126120000
    if [[ $1 == sqlite ]]; then
        ask "CREATE TRIGGER written AFTER UPDATE ON users BEGIN INSERT INTO writes VALUES (new.id); END"
        ask "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $ROWS)
            INSERT INTO users (id, email) SELECT i, 'user' || i || '@example.org' FROM n"
    else
        ask "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO writes VALUES (new.id); RETURN new; END'"
        ask "CREATE TRIGGER written AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION note()"
        ask "INSERT INTO users (id, email)
            SELECT i, 'user' || i || '@example.org' FROM generate_series(1, $ROWS) i"
    fi
}

state()
{
    ask "SELECT state FROM mighost_history WHERE id = 20240126130000"
}

# Starts `up` and kills it, or the worker under it, somewhere on its way.
cut_once()
{
    local host victim

    "$MIGHOST_BIN" -d "$url" -m "$folder/bundle" --wait 60s -q up >"$folder/out" 2>&1 &
    host=$!
    sleep "0.$(printf '%03d' $((RANDOM % 250)))"
    victim=$host
    if ((RANDOM % 2)); then
        victim=$(pgrep -P $host || echo $host)
    fi
    if kill -9 $victim 2>/dev/null; then
        kills=$((kills + 1))
    fi
    wait $host 2>/dev/null || true
}

check()
{
    local sample

    expect "$1: rows, hashed, written" \
        "$(ask "SELECT COUNT(*), COUNT(email_hash), (SELECT COUNT(*) FROM writes),
            (SELECT COUNT(DISTINCT id) FROM writes) FROM users")" "$ROWS|$ROWS|$ROWS|$ROWS"
    for sample in 1 999 1000 1001 $((RANDOM % ROWS + 1)) $ROWS; do
        expect "$1: hash of $sample" "$(ask "SELECT email_hash FROM users WHERE id = $sample")" \
            "$(printf 'user%d@example.org' "$sample" | sha256sum | cut -d' ' -f1)"
    done
}

torture()
{
    local kills=0 rounds=0

    prepare "$1"
    while ((kills < KILLS && rounds < 10 * KILLS)); do
        rounds=$((rounds + 1))
        if [[ $(state) == applied ]]; then
            check "$1"
            prepare "$1"
        fi
        cut_once
    done
    ((kills >= KILLS)) || fail "only $kills kills met a running host"
    "$MIGHOST_BIN" -d "$url" -m "$folder/bundle" --wait 60s -q up || fail "$1: the last up ended with $?"
    check "$1"
    echo "$1: $kills kills"
}

mkdir "$folder/bundle"
cp "$MIGHOST_BUILD/migrations/$MODULE" "$folder/bundle/"
chmod 755 "$folder/bundle" "$folder/bundle/$MODULE"
printf 'CREATE TABLE users (id BIGINT PRIMARY KEY, email VARCHAR(255));\nCREATE TABLE writes (id BIGINT);\n' \
    >"$folder/bundle/20240126120000_users.up.sql"
for engine in $(engines); do
    torture "$engine"
done
echo "ok"
