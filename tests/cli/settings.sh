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

# A parameter out of a file: option, variable, mighost.ini. The value is the
# file's text without its last line break, and shows up nowhere.
printf '[default]\ndatabase = sqlite:params.db\nset-file = greeting=greeting.txt\n' >mighost.ini
printf 'from = the file, secret\n' >greeting.txt
printf 'of another file' >other.txt
params=$MIGHOST_FIXTURES/good_params

# greeted WANTED ARGUMENT...: what the module wrote with these options.
greeted()
{
    local wanted=$1

    shift
    rm -f params.db*
    run -m "$params" -v --events "$@" up
    expect "up $* ($err)" "$(sqlite3 params.db 'SELECT greeting FROM good_params')" "$wanted"
    expect "the value in output or database" "$(grep -c secret <<<"$out$err
        $(sqlite3 params.db .dump | grep -v 'INTO good_params')")" 0
}
greeted 'from = the file, secret'
greeted 'of another file' --set-file greeting=other.txt
MIGHOST_SET_FILE=greeting=other.txt,unused=other.txt greeted 'of another file'
rm mighost.ini
greeted 'from = the file, secret' -d sqlite:params.db --set-file greeting=greeting.txt --set a=b

# What came from a file is hidden where module and database say it, and only that.
printf 'open sesame' >key.txt
for given in "--set-file key=key.txt" "--set key=open.sesame"; do
    # shellcheck disable=SC2086 # two words
    run -m "$MIGHOST_FIXTURES/fail_param" -d sqlite:params.db $given up
    expect "up $given" "$code" 1
    said=$(grep -o 'the key is .*' <<<"$err" | sort -u)
    wanted="the key is ***"
    [[ $given == *.txt ]] || wanted="the key is open.sesame"
    expect "what is said with $given" "$said" "$wanted"
done

# refused PATTERN ARGUMENT...: a fault of the configuration, found before anything runs.
refused()
{
    local pattern=$1

    shift
    rm -f params.db*
    run -m "$params" -d sqlite:params.db "$@" up
    expect "up $*" "$code$out$(ls params.db 2>/dev/null)" 2
    expect_match "up $*" "$err" "$pattern"
}
printf 'a\0b' >nul.txt
head -c 65537 /dev/zero | tr '\0' x >large.txt
refused '*--set-file: a parameter is not KEY=FILE*' --set-file greeting
refused '*--set-file: a parameter is not KEY=FILE*' --set-file greeting=
refused '*the parameter "greeting"*no-such.txt*' --set-file greeting=no-such.txt
refused '*the parameter "greeting"*elsewhere*' --set-file greeting=elsewhere
refused '*the parameter "greeting"*nul.txt holds a NUL*' --set-file greeting=nul.txt
refused '*the parameter "greeting"*larger than 65536 bytes*' --set-file greeting=large.txt
refused '*"greeting" is given twice*' --set greeting=x --set-file greeting=greeting.txt

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
