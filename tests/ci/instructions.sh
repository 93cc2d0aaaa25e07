#!/bin/sh
# What the switches that look inside cost on the fast path: instructions of a pair, loop included, as callgrind counts
# them. Statistics as they are by default must cost none.
#   tests/ci/instructions.sh [cc]
set -u
cd "$(dirname "$0")/../.." || exit 1
cc=${1:-cc} out=build/instructions
mkdir -p "$out" || exit 1
command -v valgrind >/dev/null || { echo "no valgrind here"; exit 77; }

count() # program, pairs: instructions of the whole run
{
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$1" "$2" 2>&1 | sed -n 's/.*Collected : //p'
}

per_pair() # name, flags
{
    # shellcheck disable=SC2086
    $cc -std=c11 -O2 -I. -pthread $2 tests/ci/instructions.c -o "$out/$1" || exit 1
    few=$(count "$out/$1" 20000) many=$(count "$out/$1" 120000)
    [ "$few" ] && [ "$many" ] || { echo "callgrind counted nothing" >&2; exit 1; }
    awk "BEGIN { printf \"%.3f\n\", ($many - $few) / 100000 }"
}

none=$(per_pair stats-0 -DZSLAB_STATS=0) || exit 1
usual=$(per_pair stats-1 -DZSLAB_STATS=1) || exit 1
echo "ZSLAB_STATS 0        $none instructions a pair"
echo "ZSLAB_STATS 1        $usual (default)"
echo "ZSLAB_STATS 2        $(per_pair stats-2 -DZSLAB_STATS=2)"
echo "ZSLAB_TAGS 1         $(per_pair tags -DZSLAB_TAGS=1)"
if echo '#include <sys/sdt.h>' | $cc -fsyntax-only -x c - 2>/dev/null; then
    echo "ZSLAB_PROBES 1       $(per_pair probes -DZSLAB_PROBES=1)"
fi
if [ "$none" = "$usual" ]; then echo "1 passed, 0 failed"; else echo "0 passed, 1 failed"; exit 1; fi
