#!/bin/sh
# Static analysis of both headers, built several ways, and of the examples; every finding is a failure.
#   tests/ci/analyze.sh [directory for logs]
# clang-tidy takes its checks from .clang-tidy and examples/.clang-tidy. A finding that stays is silenced at its line with
# the reason: NOLINT(check): ..., or cppcheck-suppress id; ...
set -u
cd "$(dirname "$0")/../.." || exit 1
out=${1:-build/analyze}
mkdir -p "$out" || exit 1
passed=0 failed=0

check() # name, pattern of a finding, command...
{
    name=$1 finding=$2
    shift 2
    "$@" >"$out/log" 2>&1
    rc=$?
    if [ $rc = 0 ] && ! grep -qE "$finding" "$out/log"; then
        passed=$((passed + 1))
        echo "ok   $name"
    else
        failed=$((failed + 1))
        echo "FAIL $name (exit status $rc)"
        grep -E "$finding|error" "$out/log" | sort -u | head -n 20 | sed 's/^/     | /'
    fi
}

# One unit holds the code of both headers; -DZS__IMPLEMENTED leaves only their declarations.
cat >"$out/both.c" <<'EOF'
#define ZSLAB_IMPLEMENTATION
#define ZSLAB_ZNS_IMPLEMENTATION
#include "zslab.h"
#ifndef ANALYZE_ONE
#include "zslab_zns.h"
#endif
EOF
printf '#include "zslab.h"\n#include "zslab_zns.h"\n' >"$out/declarations.cc"
std="-std=c11 -I. -pthread"
# cppcheck asks for one configuration, not for every combination of every macro it sees
linux="-D__linux__=1 -D__GNUC__=12 -D__x86_64__=1 -D__CHAR_BIT__=8"
cppcheck="cppcheck -q --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 -I. $linux"
# jansson's loops, which it does not find by itself; a definition here may hold no semicolon
loops='-Djson_array_foreach(a,i,v)=while((v=next(a,&i))) -Djson_object_foreach(o,k,v)=while((v=next(o,&k)))'
one="-DANALYZE_ONE=1"

# shellcheck disable=SC2086  # lists of flags
{
    # -O0: with inlining the analyzer runs out of memory. It takes as long as all the rest: beside it
    gcc $std -O0 -fanalyzer -c "$out/both.c" -o /dev/null >"$out/both.log" 2>&1 &
    both=$!
    for way in "" -DNDEBUG -DZSLAB_NO_TLS=1 "-DZSLAB_STATIC=1 -DZSLAB_STATS=2 -DZSLAB_HARDENED=1" \
        "-DZSLAB_STATS=0 -DZSLAB_SHORT_NAMES=1 -DZSLAB_CHUNK_SHIFT=12" "-DZSLAB_TAGS=1 -DZSLAB_VALGRIND=1" \
        -DZSLAB_ZNS_USE_URING=1 "-DZSLAB_NO_OS=1 $one"; do
        check "clang-tidy, headers${way:+, $way}" 'warning:|error:' clang-tidy --quiet "$out/both.c" -- $std $way
        check "cppcheck, headers${way:+, $way}" 'warning:' $cppcheck $way "$out/both.c"
    done
    # in C++ a name with two underscores inside is the compiler's; ours begin zs__ and ZS__
    check "clang-tidy, declarations in C++17" 'warning:|error:' clang-tidy --quiet \
        --checks=-bugprone-reserved-identifier,-cert-dcl37-c,-cert-dcl51-cpp "$out/declarations.cc" -- -std=c++17 -I.
    # alone, zslab.h is explored deeper than with its companion
    check "gcc -fanalyzer, zslab.h" 'Wanalyzer' gcc $std -O0 -fanalyzer $one -c "$out/both.c" -o /dev/null
    for e in examples/*.c examples/tools/*.c; do
        check "clang-tidy, $e" 'warning:|error:' clang-tidy --quiet "$e" -- $std
        check "cppcheck, $e" 'warning:' $cppcheck $loops -DZS__IMPLEMENTED -DZS__ZNS_IMPLEMENTED "$e"
        check "gcc -fanalyzer, $e" 'Wanalyzer' gcc $std -D_GNU_SOURCE -DZS__IMPLEMENTED -DZS__ZNS_IMPLEMENTED \
            -include stdlib.h -include string.h -include unistd.h -O0 -fanalyzer -c "$e" -o /dev/null
    done
    wait $both
    check "gcc -fanalyzer, both headers" 'Wanalyzer' sh -c "cat $out/both.log; exit $?"
}
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
