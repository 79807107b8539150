#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The table of faults and their tests: it has each row from 1 to 56 once. Every
# test that it names, or that a promise of security names, exists.
set -euo pipefail

readonly ROWS=56
readonly TABLE=$MIGHOST_SOURCE/tests/fault/README.md
readonly PROMISES=$MIGHOST_SOURCE/host/SECURITY.md

fail()
{
    echo "rows.sh: $1" >&2
    exit 1
}

numbers=$(sed -nE 's/^\| ([0-9]+) \|.*/\1/p' "$TABLE" | xargs)
[[ $numbers == "$(seq $ROWS | xargs)" ]] || fail "the rows are $numbers"
while read -r test; do
    kind=${test%/*} name=${test#*/}
    [[ -e $MIGHOST_SOURCE/tests/$kind/$name.sh || -e $MIGHOST_SOURCE/tests/$kind/test_$name.c ]] ||
        fail "there is no test $test"
done < <(grep -ohE '`(unit|contract|cli|fault|header|example)/[a-z_]+`' "$TABLE" "$PROMISES" |
    tr -d '`' | sort -u)
echo "ok"
