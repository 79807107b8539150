#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Everything fails once, on SQLite: see once.sh.inc.
set -euo pipefail
# shellcheck source=tests/fault/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/fault/failing.sh.inc
. "$(dirname "$0")/failing.sh.inc"
# shellcheck source=tests/fault/once.sh.inc
. "$(dirname "$0")/once.sh.inc"

engine=sqlite
everything 8 memory io space descriptors
echo "ok"
