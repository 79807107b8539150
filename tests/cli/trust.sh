#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Signed bundles, from the key to the rollback: each way in which a bundle, a
# signature, a key or what the history carries can be other than what was signed
# is refused by name, with 6, before anything runs; and every step can be taken,
# and every result checked, by hand with sha256sum and openssl.

# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
export DATABASE_URL=sqlite:app.db

# Keys for tests, published in RFC 8032, so that the transcript is always the same.
private_key()
{
    (umask 077 && printf -- '-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n' "$2" >"$1")
    openssl pkey -in "$1" -pubout -out "$1.pub"
}
private_key release MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
private_key other MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7
mkdir trusted
cp release.pub trusted/

# nothing_ran WHAT: there is no database, and so no history and nothing of a migration.
nothing_ran()
{
    expect "$1: the database" "$(ls app.db* 2>/dev/null)" ""
}

# refused WHAT ARGUMENT...: shown; ends with 6, and nothing ran.
refused()
{
    local what=$1

    shift
    show "$@"
    expect "$what: exit" "$code" 6
    nothing_ran "$what"
}

# bundle: two migrations and a file beside them, signed anew.
bundle()
{
    rm -rf migrations app.db*
    migration 20240126100000_create_users \
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);" "DROP TABLE users;"
    migration 20240126110000_create_posts \
        "CREATE TABLE posts (id INTEGER PRIMARY KEY);" "DROP TABLE posts;"
    echo 'Ask the release team.' >migrations/README
    run sign --key release
    expect "sign" "$code$err" 0
}

tables()
{
    sqlite3 app.db "SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN
                    ('users', 'posts', 'good_table') ORDER BY name" | xargs
}

# ---- by hand, and back ---------------------------------------------------------

run key new mine
expect "key new" "$code$err" 0
expect "mode of the private key" "$(stat -c %a mine)" 600
expect "mode of the public key" "$(stat -c %a mine.pub)" 644
expect "the public key, as openssl has it" "$(openssl pkey -in mine -pubout)" "$(cat mine.pub)"
fingerprint=$(openssl pkey -pubin -in mine.pub -outform DER | sha256sum | cut -d ' ' -f 1)
expect_match "the fingerprint" "$out" "*Fingerprint: *$fingerprint"
show key new mine
expect "the key afterwards" "$(openssl pkey -in mine -pubout)" "$(cat mine.pub)"
run --json key new theirs
expect_json '.private_key == "theirs" and .public_key == "theirs.pub" and (.fingerprint | length) == 64'
show key old mine
show key new
show key new nowhere/mine

bundle
show sign
show sign --key nothing
show sign --key release.pub
chmod 640 other
show sign --key other
chmod 600 other
show sign --key release
show sign --json --key release
(cd migrations && sha256sum -c --strict --quiet MANIFEST) || fail "sha256sum does not accept MANIFEST"
openssl pkeyutl -verify -rawin -pubin -inkey release.pub -in migrations/MANIFEST \
    -sigfile migrations/MANIFEST.sig >/dev/null || fail "openssl does not accept MANIFEST.sig"
show check --trust trusted
show check --json --trust release.pub
MIGHOST_KEY=release run sign
expect "the key from the environment" "$code$err" 0

# The other way round: all by hand, with a key that openssl made.
openssl genpkey -algorithm ed25519 -out byhand 2>/dev/null
openssl pkey -in byhand -pubout -out byhand.pub
chmod 600 byhand
(cd migrations && rm MANIFEST MANIFEST.sig && sha256sum -- * >../list && mv ../list MANIFEST &&
    openssl pkeyutl -sign -rawin -inkey ../byhand -in MANIFEST -out MANIFEST.sig)
run check --trust byhand.pub
expect "signed by hand" "$code$err" 0
run sign --key byhand
expect "a key of openssl" "$code$err" 0
run check --trust byhand.pub
expect "signed with a key of openssl" "$code$err" 0
(umask 077 && openssl pkey -in release -aes256 -passout pass:x -out locked)
show sign --key locked

# ---- what is configured ------------------------------------------------------------

bundle
refused "no store" --require-signed up
refused "no store" check
show --trust nowhere up
expect "a store that is not there" "$code" 2
nothing_ran "a store that is not there"
mkdir empty
refused "an empty store" --trust empty up
MIGHOST_TRUST=other.pub refused "from the environment" up
printf '[default]\ntrust = other.pub\n' >mighost.ini
refused "from the file" up
rm mighost.ini
MIGHOST_REQUIRE_SIGNED=yes refused "required by the environment" up
for word in status pending plan 'baseline 20240126100000' 'run 20240126100000' 'show 20240126100000'; do
    # shellcheck disable=SC2086
    run --trust other.pub $word
    expect "$word" "$code" 6
    nothing_ran "$word"
done
export MIGHOST_TRUST=trusted

# ---- every way to be wrong -----------------------------------------------------------

rm migrations/MANIFEST.sig
refused "no signature" up
refused "no signature" check
rm migrations/MANIFEST
refused "no list" up
refused "no list" check

bundle
echo 'DROP TABLE users;' >>migrations/20240126110000_create_posts.up.sql
refused "changed" up
bundle
echo '-- and more' >>migrations/20240126100000_create_users.down.sql
refused "changed way back" up
bundle
echo 'Ask nobody.' >migrations/README
refused "changed file that is no migration" up
bundle
migration 20240126105000_between "SELECT 1;"
refused "added" up
bundle
rm migrations/20240126100000_create_users.down.sql
refused "removed" up
migration 20240126105000_between "SELECT 1;"
echo 'Ask nobody.' >migrations/README
refused "several" up
refused "several" check
refused "several" check --json
expect_json '.ok == false and (.faults | map(.kind)) == ["removed", "added", "changed"]'
refused "several, in silence" -q check

bundle
truncate -s 63 migrations/MANIFEST.sig
refused "truncated" up
bundle
printf x >>migrations/MANIFEST.sig
refused "too long" up
bundle
cp migrations/MANIFEST.sig before
migration 20240126120000_index "CREATE INDEX users_name ON users(name);"
run sign --key release
cp before migrations/MANIFEST.sig
refused "swapped" up
bundle
sed -i '1s/./0/' migrations/MANIFEST
refused "a list that was changed" up

bundle
run sign --key other
refused "unknown" up
cp other.pub trusted/
show up --json --count 1
expect "trusted" "$code" 0
bundle
run sign --key other
rm trusted/other.pub
refused "revoked" up
(echo '# expires: 2020-12-31' && cat other.pub) >trusted/other.pub
refused "expired" up
(echo '# expires: soon' && cat other.pub) >trusted/other.pub
show up
expect "an expiry that cannot be read" "$code" 2
rm trusted/other.pub
bundle
chmod 666 trusted/release.pub
refused "a key that others can write" up
chmod 644 trusted/release.pub

mv migrations/README .
ln -s ../README migrations/README
refused "a link out of the bundle" up
rm migrations/README
mkfifo migrations/README
refused "a FIFO" up

# ---- between the check and the use ------------------------------------------------------

# exchange FILE OTHER: runs `up` and puts a link to OTHER in the place of FILE when
# the host has verified the bundle, and waits for the database.
exchange()
{
    local holding running

    sqlite3 app.db 'CREATE TABLE mine (x);'
    rm -f holder holder.out up.err # the last one's error would pass for this one's
    mkfifo holder
    sqlite3 app.db <holder >holder.out &
    holding=$!
    exec 7>holder
    echo 'BEGIN EXCLUSIVE; SELECT 1;' >&7
    until [[ -s holder.out ]]; do sleep 0.05; done
    "$MIGHOST_BIN" --busy-timeout 60s up >up.out 2>up.err &
    running=$!
    until [[ -s up.err || $(ls -l /proc/$running/fd 2>/dev/null) == *app.db* ]]; do
        sleep 0.05
    done
    mkdir migrations/within
    cp "$2" migrations/within/other
    ln -sf within/other "migrations/$1"
    echo 'ROLLBACK;' >&7
    exec 7>&-
    wait "$holding"
    wait "$running"
    expect "$1 exchanged: exit" "$?" 6
    expect_match "$1 exchanged" "$(cat up.err)" "*$1 was changed after the bundle was signed*"
    expect "$1 exchanged: tables" \
        "$(sqlite3 app.db .tables | xargs | tr ' ' '\n' | grep -v mighost_)" mine
}

echo 'CREATE TABLE stolen (x);' >stolen.sql
bundle
exchange 20240126110000_create_posts.up.sql stolen.sql
bundle
exchange 20240126110000_create_posts.down.sql stolen.sql
bundle
cp "$MIGHOST_FIXTURES"/good_table/libmig_20240601000001.so migrations/
run sign --key release
exchange libmig_20240601000001.so "$MIGHOST_FIXTURES"/good_verify/libmig_*.so
bundle
{ yes '-- a long text' | head -n 10000 && echo 'CREATE TABLE large (x);'; } \
    >migrations/20240126120000_large.up.sql
run sign --key release
exchange 20240126120000_large.up.sql stolen.sql

# ---- what the history carries --------------------------------------------------------------

# older: the bundle of an older deploy, which lacks the last two migrations.
older()
{
    rm -rf older
    mkdir older
    cp migrations/20240126100000_* older/
    run -m older sign --key release
    expect "sign" "$code$err" 0
}

# applied: all of it, from a signed bundle with a module in it.
applied()
{
    bundle
    cp "$MIGHOST_FIXTURES"/good_table/libmig_20240601000001.so migrations/
    run sign --key release
    run up
    expect "up: $err" "$code" 0
    expect "tables" "$(tables)" "good_table posts users"
    older
}

applied
show show 20240126110000
run --json show 20240601000001
signer=$(openssl pkey -pubin -in release.pub -outform DER | sha256sum | cut -d ' ' -f 1)
expect_json ".migration.signer == \"$signer\""
run -m older down --all
expect "down by what the history carries: $err" "$code" 0
expect "tables" "$(tables)" ""

applied
cp other.pub trusted/
rm trusted/release.pub
run -m older sign --key other
show -m older down
show -m older down --to 20240126100000
run -m older up
expect "up with the new key: $err" "$code" 0
expect "tables" "$(tables)" "good_table posts users"
cp migrations/libmig_* migrations/*posts* older/
run -m older sign --key other
run -m older down --count 2
expect "down by a bundle that is signed anew: $err" "$code" 0
cp release.pub trusted/
rm trusted/other.pub

# touched WHAT SQL: the history after somebody was at it; no way back is run.
touched()
{
    applied
    sqlite3 app.db "$2"
    show -m older down --to 20240126100000
    expect "$1: exit" "$code" 6
    expect "$1: tables" "$(tables)" "good_table posts users"
}
touched "a carried script" \
    "UPDATE mighost_history SET body = CAST('DROP TABLE users;' AS BLOB) WHERE id = 20240126110000"
touched "a carried script without a signer" \
    "UPDATE mighost_history SET signer = '' WHERE id = 20240126110000"
touched "another signer" "UPDATE mighost_history SET signer = 'me' WHERE id = 20240126110000"
touched "a carried module without a signer" \
    "UPDATE mighost_history SET signer = '' WHERE id = 20240601000001"

# What was applied without a signature is not carried back once one is required.
rm -rf app.db* older
bundle
rm migrations/MANIFEST*
MIGHOST_TRUST='' run up
expect "up unsigned: $err" "$code" 0
older
show -m older down
expect "unsigned: tables" "$(tables)" "posts users"
cp migrations/*posts* older/
run -m older sign --key release
run -m older down
expect "down by a signed bundle: $err" "$code" 0
expect "tables" "$(tables)" users

# ---- no private key anywhere ------------------------------------------------------------------

expect "private keys in what was said" \
    "$(grep -cE "$(sed -n 2p release)|$(sed -n 2p other)|$(sed -n 2p mine)" "$transcript")" 0
compare trust
finish
