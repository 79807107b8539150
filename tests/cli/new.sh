#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# new: the files it writes, the ids it chooses, and that they can be used at
# once; inspect: what it says of a module.

# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"

mkdir migrations
run new create_users
expect "new ($err)" "$code" 0
expect_match "its path" "$out" "*migrations/2[0-9]*_create_users.up.sql"
expect "the pair" "$(find migrations -name '2*_create_users.*.sql' | wc -l)" 2
first=$(basename "$out" | cut -d_ -f1)
expect "digits of the id" "${#first}" 14
run new "add posts" --json
expect_json '.kind == "sql" and (.file | endswith("_add_posts.up.sql"))'
second=$(basename "$(jq -r .file <<<"$out")" | cut -d_ -f1)
expect "newer than the one before" "$([[ $second > $first ]] && echo yes)" yes
run -d sqlite:app.db up
expect "up of what new wrote ($err)" "$code" 0
run -d sqlite:app.db down --all
expect "and down ($err)" "$code" 0

# --sql says what is the default.
mkdir texts
run -m texts new --sql add_tags
expect "new --sql ($err)" "$code" 0
expect_match "its path" "$out" "texts/2*_add_tags.up.sql"
run -m texts new --sql add_more --json
expect_json '.kind == "sql"'
expect "the files of new --sql" "$(ls texts | sed -E 's/^[0-9]{14}_//' | paste -sd' ')" \
    "add_tags.down.sql add_tags.up.sql add_more.down.sql add_more.up.sql"
run -m texts -d sqlite:texts.db up
expect "up of it ($err)" "$code" 0

run new --id 20300101000000 later
expect_match "the id asked for" "$out" "*/20300101000000_later.up.sql"
run new after_it
expect_match "one after the newest" "$out" "*/20300101000001_after_it.up.sql"
before=$(cat migrations/20300101000000_later.up.sql)
run new --id 20300101000000 later
expect "an id that is taken" "$code" 2
expect "the old file" "$(cat migrations/20300101000000_later.up.sql)" "$before"
for name in '' '.' '/'; do
    run new "$name"
    expect "the name '$name'" "$code" 2
done
# What cannot be in a file's name becomes "_"; nothing leaves the folder.
for name in '../x' 'a/b' $'a\033b' 'Add  Posts'; do
    run new "$name"
    expect "the name '$name'" "$code" 0
    expect "the file of '$name'" "$(grep -cE '^migrations/[0-9]{14}_[A-Za-z0-9_]+\.up\.sql$' <<<"$out")" 1
done
run -m first-folder new x
expect_match "the first migration of all" "$out" "first-folder/*_x.up.sql"

mkdir sources
run -m sources new --c hash_emails
expect "new --c ($err)" "$code" 0
expect_match "its path" "$out" "*sources/2*_hash_emails.c"
source=$out
id=$(basename "$source" | cut -d_ -f1)
mkdir built
gcc -std=c11 -Wall -Wextra -Wpedantic -Werror -shared -fPIC -fvisibility=hidden -Wl,-z,defs \
    -I"$MIGHOST_SOURCE/sdk/include" -o "built/libmig_$id.so" "$source" || fail "it does not compile"
run inspect "built/libmig_$id.so"
expect "inspect ($err)" "$code" 0
expect_match "inspect" "$out" "*Migration:*$id*hash emails*Loads here:*yes*"
run inspect "built/libmig_$id.so" --json
expect_json ".id == \"$id\" and .refusal == null and .has_up and .abi.major == 1
    and (.checksum | length == 64)"
cp "$source" built/ # beside its module it is in nobody's way
run -m built -d sqlite:app.db up
expect "up of it ($err)" "$code" 0
[[ $err != *"the source of a module"* ]] || fail "said of a source with its module: $err"
run -m sources -d sqlite:app.db up
expect "up of the sources ($err)" "$code" 0
expect_match "up of the sources" "$err" "*${source##*/}*the source of a module*build it*-m*"

run inspect no-such-file.so
expect "inspect of nothing" "$code" 3
run inspect migrations/20300101000000_later.up.sql
expect_match "inspect of a text file" "$code" "[56]"

# Nothing of a module runs when it is looked at.
run inspect "$MIGHOST_FIXTURES"/load_abort/libmig_*.so
expect "inspect of a module that aborts when loaded" "$code" 0
run -m "$MIGHOST_FIXTURES/load_abort" -d sqlite:other.db status
expect "status with it ($err)" "$code" 0
finish
