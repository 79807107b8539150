#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tools/demo as a newcomer runs it, with few users, on what is built already: it
# ends well, and what it says it has proved it has.

set -euo pipefail

work=$MIGHOST_BUILD/demo
trap 'rm -rf -- "$work"' EXIT

fail()
{
    printf 'FAILED: %s\n' "$*"
    exit 1
}

said=$(USERS=400 PROVE_EVERY=10 "$MIGHOST_SOURCE/tools/demo" --built "$MIGHOST_BUILD" 2>&1) ||
    fail "$said"
for text in '400 of 400 users have a hash' '40 of them are what sha256sum makes' \
    '400 secrets are encrypted' '100 phone numbers are again what was typed'; do
    [[ $said == *"$text"* ]] || fail "it does not say \"$text\": $said"
done
[[ $(sqlite3 "$work/demo.db" 'SELECT count(email_hash) FROM users') == 400 ]] ||
    fail "the hashes are not in its database"

# Wrong use changes nothing and shows how.
said=$("$MIGHOST_SOURCE/tools/demo" --bulit "$MIGHOST_BUILD" 2>&1) && fail "accepted --bulit"
[[ $said == *'tools/demo --built FOLDER'* ]] || fail "no usage: $said"
