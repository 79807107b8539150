#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Everything fails once, on PostgreSQL: see once.sh.inc.
# A server has its own files, and making it empty takes long.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/fault/failing.sh.inc
. "$(dirname "$0")/failing.sh.inc"
# shellcheck source=tests/fault/once.sh.inc
. "$(dirname "$0")/once.sh.inc"

[[ -n ${MIGHOST_TEST_PG:-} ]] || exit 77
# MIT's library crashes where it has no memory for the list of its mechanisms,
# while libpq asks it for credentials: gss_indicate_mechs_by_attrs().
export PGGSSENCMODE=disable
engine=postgres
everything 4 memory descriptors talk
echo "ok"
