#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Where a setting comes from: option, environment variable, the environment's
# section of mighost.ini, its [default], the built-in default, in that order.

# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

migration 1_a "CREATE TABLE a (x INTEGER);" "DROP TABLE a;"
cat >mighost.ini <<'INI'
; a comment
[default]
database = sqlite:default.db
history_table = from_default
wait = 7s

[prod]
database = sqlite:prod.db
INI

# made WHAT ARGUMENT...: the database file that `init` makes.
made()
{
    local wanted=$1

    shift
    rm -f ./*.db ./*.db-*
    run init "$@"
    expect "init $* ($err)" "$(echo ./*.db)" "./$wanted"
}
made default.db
made prod.db -e prod
MIGHOST_ENVIRONMENT=prod made prod.db
MIGHOST_ENVIRONMENT=prod made default.db -e default
DATABASE_URL=sqlite:variable.db made variable.db -e prod
DATABASE_URL=sqlite:variable.db made option.db -d sqlite:option.db
DATABASE_URL='' made default.db
made option.db --database=sqlite:option.db
made option.db -dsqlite:option.db

# A key of [default] still counts for an environment that lacks it.
made prod.db -e prod
expect_match "tables" "$(sqlite3 prod.db .tables)" "*from_default_history*"
MIGHOST_HISTORY_TABLE=from_variable made prod.db -e prod
expect_match "tables" "$(sqlite3 prod.db .tables)" "*from_variable_history*"
MIGHOST_HISTORY_TABLE=from_variable made prod.db -e prod --history-table from_option
expect_match "tables" "$(sqlite3 prod.db .tables)" "*from_option_history*"

# Another file.
mkdir elsewhere
printf '[default]\ndatabase = sqlite:elsewhere.db\n' >elsewhere/other.ini
made elsewhere.db --config elsewhere/other.ini
MIGHOST_CONFIG=elsewhere/other.ini made elsewhere.db

# Faults of the file: where, and what.
# ini TEXT: a mighost.ini of that text, and what `init` says to it.
ini()
{
    printf '%b' "$1" >mighost.ini
    printf '%b\n' "$1" | sed 's/^/# /' >>"$transcript"
    show init "${@:2}"
}
ini '[default]\nwiat = 5s\n'
ini '[default]\n\n; a comment\nnonsense = 5s\n'
ini '[default]\ndatabase\n'
ini 'database = sqlite:x.db\n'
ini '[default]\ndatabase = sqlite:x.db\nwait = soon\n'
ini '[default]\ndatabase = sqlite:x.db\n[prod]\nwait = soon\n'
ini '[default]\ndatabase = sqlite:x.db\n[prod]\nwait = soon\n' -e prod
ini '[default]\ndatabase = sqlite:x.db\n[other]\nwiat = soon\n'
ini '[default]\ndatabase = sqlite:x.db\n' -e prod
ini '[default]\nno-color = perhaps\n'
ini '[default]\njson = yes\n'
ini '[default]\ndatabase =\n'
ini "[default]\ndatabase = sqlite:$(printf 'x%.0s' {1..9000})\n"
rm mighost.ini
show init -e prod
show init --config no-such.ini
show init --config elsewhere
MIGHOST_WAIT=soon show init
MIGHOST_WAIT=soon show version
compare settings

# A long value is whole.
long=$(printf 'x%.0s' {1..180})
printf '[default]\ndatabase = sqlite:%s/./././././././././././././././././././long.db\n' \
    "$folder/$long/../" >mighost.ini
mkdir "$long"
made long.db

# No secret stays in the argument list.
migration 2_b "CREATE TABLE b AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
    WHERE i < 100000000) SELECT count(*) AS c FROM n;"
"$MIGHOST_BIN" -d sqlite:hidden.db --set key=hidden-value up >/dev/null 2>&1 &
process=$!
for ((i = 0; i < 200; i++)); do
    arguments=$(tr '\0' ' ' <"/proc/$process/cmdline" 2>/dev/null)
    [[ $arguments != *" -d *"* ]] || break
    sleep 0.05
done
kill "$process"
wait "$process"
expect_match "the arguments" "$arguments" "* -d \*\*\** --set \*\*\** up*"
finish
