#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A durable migration in C whose host, worker, both, or whose session on the
# server end at random moments, again and again: what a run says of itself is
# what the history says, the next `up` goes on, and in the end every row has its
# hash, and every row and every step was written exactly once. On SQLite half of
# it with a log ahead of the database, half with a rollback journal; on PostgreSQL
# the same again with several workers, of which each resume has another number.
#   kill_native.sh [KILLS [ROWS]], or $MIGHOST_KILLS and $MIGHOST_ROWS
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/fault/mail.sh.inc
. "$(dirname "$0")/mail.sh.inc"

readonly KILLS=${1:-${MIGHOST_KILLS:-25}}
readonly ROWS=${2:-${MIGHOST_ROWS:-2000}}
readonly BATCH=$((ROWS / 100 > 0 ? ROWS / 100 : 1)) # some hundred instants to be hit at
readonly PAUSE_US=$((ROWS < 60000 ? 600000 / ROWS : 0)) # a row: small tables take a while too

readonly OPEN="SELECT pid FROM pg_stat_activity WHERE datname = current_database()
    AND application_name LIKE 'mighost%' AND pid <> pg_backend_pid()"

# The last moment of a kill, in ms from the start. A run that came to its end
# shortens it, one that did not makes it longer: most kills hit, at any speed.
span=400

kill_sessions()
{
    ask "SELECT count(pg_terminate_backend(pid)) FROM ($OPEN ORDER BY random() LIMIT $1) AS s" \
        >/dev/null 2>&1 || true
}

# strike WHAT: ends it, if it is there.
strike()
{
    local worker

    worker=$(worker_of "$host")
    case $1 in
    host) kill -9 "$host" 2>/dev/null || true ;;
    worker) [[ -z $worker ]] || kill -9 $worker 2>/dev/null || true ;;
    both) kill -9 $worker "$host" 2>/dev/null || true ;;
    session) kill_sessions 1 ;;
    sessions) kill_sessions 100 ;;
    esac
}

# A run that was not killed itself says how it ended, and the history agrees. As
# no other host is there, none has anything to skip.
check_word()
{
    local now

    now=$(state)
    case $code in
    137) return ;;
    0) [[ $now == applied ]] && ! grep -q '"event":"skipped"' "$folder/run.err" && return ;;
    1) [[ -z $now ]] && return ;; # killed before it had begun
    3 | 7) [[ $now != applied ]] && return ;;
    esac
    fail "$engine: $1 ended it with $code, and it is [$now]: $(tail -n 3 "$folder/run.err")"
}

# One run, cut somewhere. A kill counts when it kept the run from its end.
cut_once()
{
    local victim=${victims[RANDOM % ${#victims[@]}]}
    local wait_ms=$((RANDOM % span))

    begin run "${settings[@]}" --workers $((RANDOM % 4 + 1))
    sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
    strike "$victim"
    ended
    check_word "$victim"
    if ((code == 0)); then
        span=$((span * 3 / 4 + 20))
        return
    fi
    kills=$((kills + 1))
    span=$((span + span / 20))
}

# torture KILLS WORKERS [JOURNAL, as the report calls it]
torture()
{
    local most=$1 kills=0 rounds=0 passes=1
    local settings=(--set "workers=$2" --set "batch=$BATCH" --set "pause_us=$PAUSE_US")

    fill "$ROWS"
    while ((kills < most && rounds < 10 * most)); do
        rounds=$((rounds + 1))
        if [[ $(state) == applied ]]; then
            check_all
            fill "$ROWS"
            passes=$((passes + 1))
        fi
        cut_once
    done
    ((kills >= most)) || fail "only $kills kills met a running host"
    finish --set "batch=$BATCH"
    check_all
    echo "$engine, ${3+journal $3, }$2 workers: $kills kills in $rounds runs, $passes times $ROWS rows"
}

announce
make_bundle
for engine in $(engines); do
    victims=(host worker both)
    fresh "$engine"
    if [[ $engine == postgres ]]; then
        torture "$KILLS" 1
        victims+=(session sessions)
        torture "$KILLS" 3
        continue
    fi
    for journal in WAL DELETE; do
        torture $(((KILLS + 1) / 2)) 1 $journal
    done
done
echo "ok"
