#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A migration with a gate waits until somebody says that it is open: what comes
# before it is applied and stays, nothing of it is run, and the sentence says
# for what and how to go on.
# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/cli/engines.sh.inc
. "$here/engines.sh.inc"

readonly GATE="app 2.3 is live"

# bundle: 1, 2 at a gate, 3, and 4 at another one.
bundle()
{
    clean
    migration 1_a "CREATE TABLE a (x INTEGER);" "DROP TABLE a;"
    migration 2_b "-- mig: gate = \"$GATE\"
CREATE TABLE b (x INTEGER);" "DROP TABLE b;"
    migration 3_c "CREATE TABLE c (x INTEGER);" "DROP TABLE c;"
    migration 4_d "-- mig: gate = every copy is upgraded
CREATE TABLE d (x INTEGER);" "DROP TABLE d;"
}

up_waits()
{
    bundle
    mig up
    expect_code 8
    says "migration 2" "\"$GATE\"" "nothing of it was run" "--open-gate 2"
    history_is 1:applied
    # There is nothing before it any more: it waits all the same.
    mig up --rollback-on-failure
    expect_code 8
    history_is 1:applied
    mig up --open-gate "another thing"
    expect_code 8
    history_is 1:applied
    mig up --open-gate 2
    expect_code 8
    says "migration 4" "every copy is upgraded" "--open-gate 4"
    history_is "1:applied 2:applied 3:applied"
    mig up --open-gate "every copy is upgraded"
    expect_code 0
    history_is "1:applied 2:applied 3:applied 4:applied"
    mig redo
    expect_code 0
    mig down --all
    expect_code 0
    history_is ""
}

nothing_is_undone_for_a_gate()
{
    bundle
    mig up --rollback-on-failure
    expect_code 8
    history_is 1:applied
    answer "SELECT COUNT(*) FROM a" 0
}

part_of_it()
{
    bundle
    mig run 2
    expect_code 8
    history_is ""
    mig up --to 1
    expect_code 0
    mig up --count 1
    expect_code 8
    mig run 2
    expect_code 8
    says "--open-gate 2"
    mig run 2 --open-gate "$GATE"
    expect_code 0
    mig run 2 --down
    expect_code 0
    history_is 1:applied
}

other_places()
{
    bundle
    printf '[default]\nopen-gate = %s\nopen-gate = 4\n' "$GATE" >mighost.ini
    mig up
    expect_code 0
    rm mighost.ini
    bundle
    MIGHOST_OPEN_GATE="$GATE,4" mig up
    expect_code 0
}

# Behind its gate: what has begun goes on without being asked again.
what_has_begun()
{
    clean
    migration 1_a "-- mig: mode = durable
-- mig: gate = $GATE
CREATE TABLE a (x INTEGER);
INSERT INTO later VALUES (1);" "DROP TABLE a;"
    mig up --open-gate 1
    expect_code 7
    ask "CREATE TABLE later (x INTEGER)"
    mig up
    expect_code 0
    answer "SELECT x FROM later" 1
}

looking()
{
    bundle
    mig plan
    expect_code 0
    prints "2 waits at its gate \"$GATE\": --open-gate 2 opens it."
    mig plan --json
    expect_json '[.steps[].id] == ["1"] and .waiting.id == "2" and
        .waiting.gate == "app 2.3 is live"'
    mig plan --json --open-gate 2
    expect_json '[.steps[].id] == ["1", "2", "3"] and .waiting.id == "4" and
        (.steps | all(.gate == null))'
    mig plan --json --to 1
    expect_json '.waiting == null'
    mig status
    prints "waits for \"$GATE\"" "waits for \"every copy is upgraded\""
    mig pending --json
    expect_json '[.pending_migrations[].gate] ==
        [null, "app 2.3 is live", null, "every copy is upgraded"]'
    mig show 2
    prints "waits for \"$GATE\""
    mig up --open-gate 2
    mig show 2 --json
    expect_json '.migration.gate == null'
    mig up --json
    expect_json '.error | .exit_code == 8 and .status == "MIG_E_GATE"'
}

for engine in $(engines); do
    fresh "$engine"
    up_waits
    nothing_is_undone_for_a_gate
    part_of_it
    other_places
    what_has_begun
    looking
done
finish
