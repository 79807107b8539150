#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# All forms of the help come from one table: each names every command and
# every option, and the block of the README is what the command prints.

# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

commands=$(sed -nE 's/^COMMAND\("([^"]+)".*/\1/p' "$MIGHOST_SOURCE/host/cli/commands.def")
options=$(tr -d '\n' <"$MIGHOST_SOURCE/host/cli/options.def" |
    grep -oE 'OPTION\([A-Z_]+, [^,]+, *"[^"]+"' | sed -E 's/.*"([^"]+)"/\1/')
expect "commands in the table" "$([[ $(wc -w <<<"$commands") -ge 19 ]] && echo many)" many
expect "options in the table" "$([[ $(wc -w <<<"$options") -ge 40 ]] && echo many)" many

run help
overview=$out
expect "help" "$code$err" 0
for command in $commands; do
    run help "$command"
    expect "help $command" "$code$err" 0
    expect_match "help $command" "$out" "Usage: mighost *$command*"
    by_word=$out
    run "$command" --help
    expect "$command --help" "$out" "$by_word"
    expect_match "the overview" "$overview" "*
  $command*"
    overview+=$by_word
done
# Another name that a command goes by is told wherever the command is.
expect_match "the overview" "$overview" "*(also: \`list\`)*"
run help list
expect_match "help by the other name" "$out" "Usage: mighost *status*\`list\` is another name*"
for option in $options; do
    expect_match "the help" "$overview" "*--$option*"
done

run --help
expect_match "--help" "$out" "Usage: mighost *"
run --version
expect_match "--version" "$out" "mighost [0-9]*.[0-9]*.[0-9]*"

# The overview fits a terminal.
run help
expect "lines longer than 80" "$(awk 'length > 80' <<<"$out")" ""

run help --man
expect "help --man" "$code$err" 0
page=${out//\\-/-}
expect_match "how to hold a data migration up" "$page" "*
.SH DATA MIGRATIONS*SIGUSR1*SIGUSR2*"
for name in $commands; do
    expect_match "the manual page" "$page" "*
.SS $name*"
done
for name in $options; do
    expect_match "the manual page" "$page" "*--$name*"
done
if command -v groff >/dev/null; then
    expect "groff's warnings" "$(groff -man -ww -Tutf8 <<<"$out" 2>&1 >/dev/null)" ""
fi

run help --markdown
expect "help --markdown" "$code$err" 0
for name in $options; do
    expect_match "the block of the README" "$out" "*--$name*"
done
block=$(sed -n '/^<!-- options -->$/,/^<!-- \/options -->$/p' "$MIGHOST_SOURCE/README.md" |
    sed '1d;$d')
if [[ $block != "$out" ]]; then
    diff <(echo "$block") <(echo "$out") | head -20 >&2
    fail "README.md: between <!-- options --> and <!-- /options --> stands another text than" \
        "'mighost help --markdown' prints"
fi

# Every exit code of the statuses is explained.
run help
for number in $(sed -nE 's/^ *X\(MIG_E_[A-Z]+, -[0-9]+, ([0-9]+),.*/\1/p' \
    "$MIGHOST_SOURCE/sdk/include/mig.h" | sort -u); do
    expect_match "exit codes in the help" "$out" "* $number  *"
done

# complete WORD...: what the completion offers for the last word.
complete_words()
{
    "$MIGHOST_BIN" help --completion >"$folder/completion"
    bash -c '. "$1"; shift; COMP_WORDS=(mighost "$@"); COMP_CWORD=$#; _mighost
        echo "${COMPREPLY[*]}"' - "$folder/completion" "$@"
}
expect "completion of st" "$(complete_words st)" "status"
expect "completion of re" "$(complete_words re)" "redo resolve"
expect "completion of up --c" "$(complete_words up --co)" "--config --connect-timeout --count"
expect "completion of status --e" "$(complete_words status --ex)" "--exit-code"
expect "completion of plan d" "$(complete_words plan d)" "down"
mkdir "$folder/somewhere"
expect "completion of -m som" "$(complete_words -m som)" "somewhere"
finish
