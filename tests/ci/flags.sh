#!/bin/sh
# The flag matrix: both headers as a stranger's project compiles them, compiler x standard x flags, for a file that only
# includes them, with each switch too, and for the one with the implementation. A row counts errors and warnings; all are 0,
# but where it plants one.
#   tests/ci/flags.sh
set -u
cd "$(dirname "$0")/../.." || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
printf '#include "zslab.h"\n#include "zslab_zns.h"\n' >"$tmp/include.c"
printf '#define ZSLAB_IMPLEMENTATION\n#include "zslab.h"\n#define ZSLAB_ZNS_IMPLEMENTATION\n#include "zslab_zns.h"\n' >"$tmp/impl.c"
cp "$tmp/include.c" "$tmp/include.cc" && cp "$tmp/impl.c" "$tmp/impl.cc"
house="-Wall -Wextra -Wpedantic -Wconversion -Wshadow"
guest="$house -Wundef -Wcast-align -Wsign-conversion -Wcast-qual -Wredundant-decls -Wwrite-strings -Wformat=2 -Wvla -Winline"
guest_c="$guest -Wstrict-prototypes -Wmissing-prototypes -Wc++-compat -Wbad-function-cast"
guest_cc="$guest -Wold-style-cast -Wzero-as-null-pointer-constant -Wnon-virtual-dtor -Woverloaded-virtual -Weffc++ -Wextra-semi \
    -Wsuggest-override -Wmissing-declarations"
passed=0 failed=0

row() # compiler, standard, source, flags, what they are, how many warnings are planted: none
{
    # shellcheck disable=SC2086
    $1 "-std=$2" $4 -I. "$tmp/$3" -o /dev/null >"$tmp/log" 2>&1
    rc=$? count=$(grep -cE '(warning|error): ' "$tmp/log")
    printf '%-16s %-8s %-11s %4d  %s\n' "${1% --*}" "$2" "$3" "$count" "$5"
    if [ $rc = 0 ] && [ "$count" = "${6:-0}" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        grep -E -m 3 '(warning|error): ' "$tmp/log" | sed 's/^/     | /'
    fi
}

has() # compiler, language, header: is it here, with what the headers include?
{
    # shellcheck disable=SC2086
    command -v "${1%% *}" >/dev/null && printf '#include <%s>\n#include <linux/types.h>\n' "$3" | $1 -fsyntax-only -x "$2" - 2>/dev/null
}

clangs="13 14 15 16 19 22"
for cc in gcc gcc-11 gcc-12 "gcc -m32" i686-linux-gnu-gcc clang "clang -m32" $(printf 'clang-%s ' $clangs); do
    has "$cc" c stdlib.h || continue
    for s in c99 c11 gnu11 c17 c2x; do
        row "$cc" $s include.c "$guest_c -fsyntax-only" all
        [ $s = c99 ] || row "$cc" $s impl.c "$house -fsyntax-only" house
    done
done
for cc in g++ g++-11 g++-12 "g++ -m32" i686-linux-gnu-g++ clang++ "clang++ -m32" $(printf 'clang++-%s ' $clangs); do
    has "$cc" c++ new || continue
    useless=
    case $cc in clang*) ;; *) useless=-Wuseless-cast ;; esac
    for s in c++11 c++14 c++17 c++20 c++2b gnu++20; do
        row "$cc" $s include.cc "$guest_cc $useless -fsyntax-only" all
        row "$cc" $s impl.cc "$house -fsyntax-only" house
    done
    row "$cc" c++17 include.cc "$guest_cc $useless -DZSLAB_CPP_PMR=1 -DZSLAB_SHORT_NAMES=1 -fno-exceptions -fno-rtti -fsyntax-only" "all, pmr, short names"
done
# every switch, where the paths are inlined too: what is compiled into a stranger's file is held to his flags
switches=$(sed -n '/^  10\. SWITCHES/,/^   WORDS/s/^     ZSLAB_\([A-Z_]*\).*/\1/p' zslab.h)
[ "$(echo "$switches" | wc -l)" -gt 15 ] || { echo "the manual's switches are not found"; exit 1; }
for switch in $switches STATS=0 STATS=2 CHUNK_SHIFT=12 CHUNK_SHIFT=20 NDEBUG INLINE,NDEBUG INLINE,STATS=2 INLINE,TAGS INLINE,ON_FREE INLINE,PROBES; do
    case $switch in IMPLEMENTATION | STATIC) continue ;; esac # with the code
    flags=$(echo "-DZSLAB_$switch" | sed 's/,/ -DZSLAB_/g; s/ZSLAB_NDEBUG/NDEBUG/; s/\(_ON_ALLOC\)/\1(z,p,size)=/; s/\(_ON_FREE\)/\1(z,p)=/
        s/\(_ON_EPOCH\)/\1(z,e,event)=/; s/\(_ASSERT\)/\1(x)=((void)0)/; s/\(_API\)/\1=extern/; s/\(_TLS_MODEL\|_SHIFT\|_COUNT\)$/\1=/')
    case $switch in *PROBES) has gcc c sys/sdt.h || continue ;; *VALGRIND) has gcc c valgrind/memcheck.h || continue ;; esac
    for cc in gcc clang; do
        has $cc c stdlib.h && row $cc c11 include.c "$guest_c $flags -O1 -c" "all, $switch"
    done
    [ $switch = API ] && flags='-DZSLAB_API=extern"C"'
    for cc in g++ clang++; do
        has $cc c++ new && row $cc c++17 include.cc "$guest_cc $flags -O1 -c" "all, $switch"
    done
done
# the implementation under them, and what a file says after its include is his again
for cc in gcc clang; do
    has $cc c stdlib.h && row $cc c11 impl.c "$guest_c -O1 -c" all
done
echo 'inline long after(int x) { return (long)x; }' | tee -a "$tmp/impl.cc" >>"$tmp/include.cc"
for cc in g++ clang++; do
    has $cc c++ new && row $cc c++17 impl.cc "$guest_cc -O1 -c" "all, an old cast after it" 1 &&
        row $cc c++17 include.cc "$guest_cc -DZSLAB_INLINE -O1 -c" "all, INLINE, an old cast after it" 1
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
