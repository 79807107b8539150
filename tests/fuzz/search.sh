# SPDX-License-Identifier: Apache-2.0
#
# A short search by every fuzz target: a bounded number of inputs that depend on
# nothing but the programs. Where there is no clang with libFuzzer it is skipped.

set -euo pipefail

echo 'int LLVMFuzzerTestOneInput(const char *data, unsigned long size) { return !data && size; }' |
    clang -x c -fsanitize=fuzzer,address -o /dev/null - 2>/dev/null || {
    echo "skipped: there is no clang with libFuzzer"
    exit 77
}
# What the tests want of the sanitizers is not what a long run wants.
unset ASAN_OPTIONS LSAN_OPTIONS
"$MIGHOST_SOURCE/tools/fuzz" --runs
