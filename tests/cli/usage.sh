#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Wrong usage is one sentence and exit code 2, touches nothing, and says what
# was probably meant.

# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

show
show satus
show frobnicate
show --tto 5 up
show --frobnicate
show -x
show up --to
show up --to x
show up --to 1 --count 2
show up --count 0
show up --all
show up --all=yes
show up --accept-changed x
show down --to 1 --all
show status --to 1
show run
show run x
show run 1234567890123456789
show current a b
show plan sideways
show plan up --all
show plan down --allow-out-of-order
show resolve 1
show resolve 1 --retry --applied
show new
show new a --c --sql
show inspect
show help satus
show -d
show -d sqlite:a -d sqlite:b up
show --bundle= up
show --set novalue up
show --wait soon up
show --max-memory much up
show -v -q up
show up
show postgres://someone:secret-password@host/db up
show up postgres://someone:secret-password@host/db
show -m postgres://someone:secret-password@host/db up
show -d mysql://someone:secret-password@host/db up
show --json satus
show satus --json
show --events satus
compare usage

expect "secrets in what was said" "$(grep -v '^\$' "$transcript" | grep secret)" ""
expect "files made" "$(ls)" ""
run up --json --to x
expect_json '.error.exit_code == 2 and .error.status == "MIG_E_USAGE"'
finish
