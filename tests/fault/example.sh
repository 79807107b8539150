#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Two migrations of the example history that change values in place, as they
# are built: packed settings that become a longer layout, and secrets that are
# sealed. Host and worker are killed at random moments, up and down. A row that
# was done twice would be refused, a secret sealed twice would not open: in the
# end all are sealed, and the way back gives the same bytes.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/fault/mail.sh.inc
. "$(dirname "$0")/mail.sh.inc"

readonly USERS=10000
readonly KILLS_EACH=4 # of each migration and direction
readonly HASHED=20240126130000
readonly SETTINGS=20240126130500 # and the next, WIDENED, changes them
readonly WIDENED=20240126131000
readonly TOTP=20240126133000 # likewise
readonly SEALED=20240126133500
readonly OLD_SETTINGS="SELECT count(*) FROM user_settings WHERE length(settings) = 12"
readonly NEW_SETTINGS="SELECT count(*) FROM user_settings WHERE length(settings) = 24"
readonly PLAIN_SECRETS="SELECT count(*) FROM user_totp WHERE length(secret) = 20"
readonly SEALED_SECRETS="SELECT count(*) FROM user_totp WHERE length(secret) = 49"

# run ARGUMENT...: the host in the background; `host` is its number.
run()
{
    "$MIGHOST_BIN" -d "$url" -m "$MIGHOST_BUILD/migrations" --wait 120s -q \
        --set-file "totp_key=$folder/key" --set phone_country=DE "$@" >"$folder/run" 2>&1 </dev/null &
    host=$!
}

# settled ARGUMENT...: it has to succeed.
settled()
{
    run "$@"
    ended
    [[ $code == 0 ]] || fail "$engine: $* ended with $code: $(tail -n 3 "$folder/run")"
}

# Most of the time it rests, so that there is some to be hit in.
killed()
{
    local wait_ms=$((RANDOM % span)) worker

    run "$@" --throttle 1%
    sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
    worker=$(worker_of "$host")
    case $((RANDOM % 3)) in
    0) kill -9 "$host" 2>/dev/null || true ;;
    1) [[ -z $worker ]] || kill -9 $worker 2>/dev/null || true ;;
    2) kill -9 $worker "$host" 2>/dev/null || true ;;
    esac
    ended
}

# tortured WHAT ARGUMENT...: killed now and then, and done in the end.
tortured()
{
    local what=$1 kills=0 span=1500

    shift
    while ((kills < KILLS_EACH)); do
        killed "$@"
        if ((code == 0)); then # it came to its end first
            echo "$engine, $what: done after $kills kills"
            return
        fi
        [[ $code == [17] || $code == 137 ]] ||
            fail "$engine, $what: ended with $code: $(tail -n 3 "$folder/run")"
        kills=$((kills + 1))
        all=$((all + 1))
    done
    settled "$@"
    echo "$engine, $what: $kills kills"
}

# kept TABLE COLUMN: what is in there, to be compared with later.
kept()
{
    local bytes="hex($2)"

    [[ $engine == sqlite ]] || bytes="encode($2, 'hex')"
    ask "SELECT user_id, $bytes FROM $1 ORDER BY user_id"
}

# counted WHAT QUERY
counted()
{
    expect "$engine: $1" "$(ask "$2")" $USERS
}

announce
openssl rand -hex 32 >"$folder/key"
for engine in $(engines); do
    all=0
    fresh "$engine"
    settled up --to $HASHED
    ask "INSERT INTO users (id, name, email, password) WITH RECURSIVE n (i) AS
        (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $USERS)
        SELECT i, 'Name', 'user' || i || '@example.org', 'secret' FROM n"
    settled up --to $SETTINGS
    counted "settings of layout 1" "$OLD_SETTINGS"
    kept user_settings settings >"$folder/settings"
    tortured "settings, up" up --to $WIDENED
    counted "settings of layout 2" "$NEW_SETTINGS"
    settled up --to $TOTP
    kept user_totp secret >"$folder/secrets"
    tortured "secrets, up" up --to $SEALED
    counted "sealed secrets" "$SEALED_SECRETS"
    tortured "secrets, down" down --to $TOTP
    counted "opened secrets" "$PLAIN_SECRETS"
    kept user_totp secret | cmp - "$folder/secrets" || fail "$engine: a secret is not what it was"
    settled down --to $WIDENED
    tortured "settings, down" down --to $SETTINGS
    kept user_settings settings | cmp - "$folder/settings" || fail "$engine: settings are not what they were"
    ((all >= KILLS_EACH)) || fail "$engine: only $all kills met a running host"
done
echo "ok"
