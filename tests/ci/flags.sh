#!/bin/sh
# The flag matrix: both headers as a stranger's project compiles them, compiler x standard x flags, for a file that only
# includes them and for the one with the implementation. A row counts errors and warnings; all are 0.
#   tests/ci/flags.sh
set -u
cd "$(dirname "$0")/../.." || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
printf '#include "zslab.h"\n#include "zslab_zns.h"\n' >"$tmp/include.c"
printf '#define ZSLAB_IMPLEMENTATION\n#include "zslab.h"\n#define ZSLAB_ZNS_IMPLEMENTATION\n#include "zslab_zns.h"\n' >"$tmp/impl.c"
cp "$tmp/include.c" "$tmp/include.cc" && cp "$tmp/impl.c" "$tmp/impl.cc"
house="-Wall -Wextra -Wpedantic -Wconversion -Wshadow"
guest="$house -Wundef -Wcast-align -Wsign-conversion -Wcast-qual -Wredundant-decls -Wwrite-strings -Wformat=2 -Wvla"
guest_c="$guest -Wstrict-prototypes -Wmissing-prototypes -Wc++-compat -Wbad-function-cast"
guest_cc="$guest -Wold-style-cast -Wzero-as-null-pointer-constant -Wnon-virtual-dtor -Woverloaded-virtual"
passed=0 failed=0

row() # compiler, standard, source, flags, what they are
{
    # shellcheck disable=SC2086
    "$1" "-std=$2" $4 -fsyntax-only -I. "$tmp/$3" >"$tmp/log" 2>&1
    rc=$? count=$(grep -cE '(warning|error): ' "$tmp/log")
    printf '%-16s %-8s %-11s %4d  %s\n' "$1" "$2" "$3" "$count" "$5"
    if [ $rc = 0 ] && [ "$count" = 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        grep -E -m 3 '(warning|error): ' "$tmp/log" | sed 's/^/     | /'
    fi
}

for cc in gcc gcc-11 gcc-12 clang clang-13 clang-14 clang-15 clang-16 clang-19; do
    command -v $cc >/dev/null || continue
    for m in "" -m32; do
        [ -z "$m" ] || printf '#include <stdlib.h>\n#include <linux/types.h>\n' | $cc -m32 -fsyntax-only -x c - 2>/dev/null || continue
        for s in c99 c11 gnu11 c17 c2x; do
            row $cc $s include.c "$guest_c $m" "all $m"
            [ $s = c99 ] || row $cc $s impl.c "$house $m" "house $m"
        done
    done
done
for cc in g++ g++-11 g++-12 clang++ clang++-13 clang++-14 clang++-15 clang++-16 clang++-19; do
    command -v $cc >/dev/null || continue
    useless=
    case $cc in g++*) useless=-Wuseless-cast ;; esac
    for m in "" -m32; do
        [ -z "$m" ] || printf '#include <new>\n#include <linux/types.h>\n' | $cc -m32 -fsyntax-only -x c++ - 2>/dev/null || continue
        for s in c++11 c++14 c++17 c++20 gnu++20; do
            row $cc $s include.cc "$guest_cc $useless $m" "all $m"
            row $cc $s impl.cc "$house $m" "house $m"
        done
        row $cc c++17 include.cc "$guest_cc $useless $m -DZSLAB_CPP_PMR=1 -DZSLAB_SHORT_NAMES=1 -fno-exceptions -fno-rtti" "all, pmr, short names $m"
    done
done
for switch in STATS=0 STATS=2 TAGS=1 HARDENED=1 NO_TLS=1 NO_OS=1 CHUNK_SHIFT=12 CHUNK_SHIFT=20 SHORT_NAMES=1 CPP=0; do
    row gcc c11 include.c "$guest_c -DZSLAB_$switch" "all, $switch"
    row g++ c++11 include.cc "$guest_cc -DZSLAB_$switch" "all, $switch"
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
