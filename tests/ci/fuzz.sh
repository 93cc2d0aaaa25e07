#!/bin/sh
# Runs a libFuzzer program on its corpus and on inputs made from it. What ends a run is left in build/fuzz/found-*;
# the program given that file runs it again.
#   tests/ci/fuzz.sh [libFuzzer options] program
set -u
here=$(dirname "$0") options=
while [ $# -gt 1 ]; do
    options="$options $1"
    shift
done
name=$(basename "$1") grown=build/fuzz/corpus/$(basename "$1")
mkdir -p "$grown" || exit 1
# addresses stay the same from run to run: the same seed makes the same inputs
# error_exitcode: libFuzzer's own, 77, would read as a test that cannot run here
# shellcheck disable=SC2086  # the options are words
exec setarch -R "$1" -max_len=400 -len_control=0 -timeout=120 -rss_limit_mb=4096 -print_final_stats=1 \
    -error_exitcode=1 -artifact_prefix="build/fuzz/found-$name-" $options "$grown" "$here/../fuzz/${name#fuzz_}"
