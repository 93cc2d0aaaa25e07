#!/bin/sh
# The header compiled every way it promises, silently, and run.
#   tests/ci/build.sh list      the cells, one per line
#   tests/ci/build.sh CELL      one of them; exit 77: the compiler is not here
set -u
cd "$(dirname "$0")/../.." || exit 1
warn="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -O2 -I. -pthread"

list()
{
    for s in c11 c17 c2x; do echo "gcc-$s clang-$s"; done | tr ' ' '\n'
    for s in c++11 c++14 c++17 c++20; do echo "g++-$s clang++-$s"; done | tr ' ' '\n'
    echo strict twice two two-clang two-c++ static static-c++ inline mixed inline-c++ copies ndebug hardened rss stats-0 stats-2 no-tls no-tls-two \
        tags probes shift-12 shift-20 global-dynamic no-os no-os-clang musl m32 m32-clang windows wasm exports exports-inline mismatch readme readme-zns install \
        typed cpp-c++11 cpp-c++17 cpp-c++20 cpp-two cpp-checked | tr ' ' '\n'
}

need() # a compiler, or the reason why the cell is skipped
{
    command -v "$1" >/dev/null && return
    echo "no $1 here"
    exit 77
}

say_and() { echo "$@" && "$@"; }

# one <compiler and standard> <flags> <source>: compiles and runs
one()
{
    lang=c
    case $1 in *++*) lang=c++ ;; esac
    # shellcheck disable=SC2086
    say_and $1 $warn $2 -x $lang "tests/build/$3" -o "$out/a" && say_and "$out/a"
}

# alone <compiler and standard>: the declarations are complete in themselves
alone()
{
    lang=c
    case $1 in *++*) lang=c++ ;; esac
    # shellcheck disable=SC2086
    echo '#include "zslab.h"' | say_and $1 $warn -fsyntax-only -x $lang -
}

# headers <compiler and standard>: both with their code, compiled and not run
headers()
{
    # shellcheck disable=SC2086
    printf '#define %s_IMPLEMENTATION\n#include "%s.h"\n' ZSLAB zslab ZSLAB_ZNS zslab_zns | say_and $1 $warn -x c -c - -o "$out/o"
}

# 8 bytes at a time without a library: fields are aligned so that clang knows it may
m32_clang()
{
    # shellcheck disable=SC2086
    printf '#define ZSLAB_IMPLEMENTATION\n#include "zslab.h"\n' |
        say_and clang -std=c11 -m32 -ffreestanding -DZSLAB_NO_OS=1 $warn -x c -c - -o "$out/o" || return 1
    if nm -u "$out/o" | grep __atomic; then echo "^ in libatomic"; return 1; fi
}

# two <compiler and standard> <flags of both> <flags of build_other>: two files, one implementation
two()
{
    lang=c
    case $1 in *++*) lang=c++ ;; esac
    # shellcheck disable=SC2086
    say_and $1 $warn $2 -DBUILD_WITH_OTHER -x $lang -c tests/build/build_main.c -o "$out/main.o" &&
        say_and $1 $warn $2 ${3:-} -x $lang -c tests/build/build_other.c -o "$out/other.o" &&
        say_and ${1%% *} "$out/main.o" "$out/other.o" -pthread -o "$out/a" && say_and "$out/a"
}

# Three files, each with an implementation; with asserts and without, where what is asserted is an answer.
copies()
{
    for flags in "" -DNDEBUG; do
        for number in 0 1 2; do
            # shellcheck disable=SC2086
            say_and gcc -std=c11 $warn -O0 $flags -DBUILD_COPY=$number -c tests/build/build_copies.c -o "$out/$number.o" || return 1
        done
        say_and gcc "$out/0.o" "$out/1.o" "$out/2.o" -pthread -o "$out/a" && say_and "$out/a" || return 1
    done
}

# Only zslab_* may be seen outside the object that holds the implementation.
exports()
{
    # shellcheck disable=SC2086
    say_and gcc -std=c11 $warn ${1:-} -DZSLAB_IMPLEMENTATION -x c -c zslab.h -o "$out/impl.o" || return 1
    nm -g --defined-only "$out/impl.o" | awk '{ print $3 }' >"$out/names"
    [ "$(wc -l <"$out/names")" -gt 20 ] || { echo "too few names: is this the implementation?"; return 1; }
    if grep -v '^zslab_' "$out/names"; then echo "^ exported, and not zslab_*"; return 1; fi
    others=$(nm -g --undefined-only "$out/impl.o" | awk '{ print $2 }' | grep '^zslab_')
    [ -z "$others" ] || { echo "undefined: $others"; return 1; }
    if nm "$out/impl.o" | grep -E ' [A-Za-z] (_GLOBAL__|\.?init_array)'; then echo "^ runs before main"; return 1; fi
    if objdump -h "$out/impl.o" | grep -E '\.(init_array|fini_array|ctors|dtors)'; then return 1; fi
    wc -l <"$out/names"
}

# A switch that changes the layout, set in one of two files with inlined paths: the link must fail.
mismatch()
{
    for flag in -DZSLAB_CHUNK_SHIFT=14 -DZSLAB_STATS=2 -DZSLAB_TAGS=1 '-DZSLAB_ON_FREE(z,p)=(void)0'; do
        if two "gcc -std=c11" -DZSLAB_INLINE=1 $flag >"$out/log" 2>&1; then
            echo "$flag in one file only, and it linked"
            return 1
        fi
        grep -q 'undefined reference to .zslab_' "$out/log" || { cat "$out/log"; return 1; }
        echo "$flag in one file only: $(sed -n 's/.*\(undefined reference to .*\)/\1/p' "$out/log" | head -n 1)"
    done
}

# Tracers find the probes by notes in the program: where the paths are inlined, and where they are called.
probes()
{
    echo '#include <sys/sdt.h>' | gcc -fsyntax-only -x c - 2>/dev/null || { echo "no sys/sdt.h here"; exit 77; }
    for how in "" -DZSLAB_INLINE=1 -DZSLAB_NO_TLS=1; do
        one "g++ -std=c++11" "-DZSLAB_PROBES=1 -O0 $how" build_main.c && two "gcc -std=c11" "-DZSLAB_PROBES=1 -O0 $how" || return 1
        readelf -n "$out/a" | grep -A 3 'Provider: zslab' >"$out/notes" || { echo "no notes of zslab"; return 1; }
        for name in alloc free epoch; do
            grep "Name: $name\$" "$out/notes" | sort | uniq -c | grep . || { echo "no probe $name"; return 1; }
        done
    done
    if command -v clang >/dev/null; then two "clang -std=c11" "-DZSLAB_PROBES=1 -DZSLAB_INLINE=1"; fi
}

# Handles of another type: each of these files but the first must fail to compile.
typed()
{
    for cc in "gcc -std=c11" "clang -std=c11" "g++ -std=c++11 -x c++"; do
        command -v "${cc%% *}" >/dev/null || continue
        for wrong in 0 1 2 3 4 5 6; do
            # shellcheck disable=SC2086
            $cc $warn -DBUILD_WRONG=$wrong -fsyntax-only tests/build/build_typed.c >"$out/log" 2>&1
            rc=$?
            if [ $wrong = 0 ]; then [ $rc = 0 ]; else [ $rc != 0 ] && grep -q 'zs__handle_of_' "$out/log"; fi ||
                { echo "$cc, BUILD_WRONG=$wrong: exit $rc"; cat "$out/log"; return 1; }
        done
        echo "$cc: 6 wrong uses refused"
    done
}

# cpp <standard>: what the header has for C++, with both libraries, with exceptions and RTTI and without
cpp()
{
    for cc in g++ clang++ "clang++ -stdlib=libc++"; do
        echo '#include <map>' | $cc -fsyntax-only -x c++ - 2>/dev/null || continue
        for more in "" "-fno-exceptions -fno-rtti -O0"; do
            # shellcheck disable=SC2086
            say_and $cc "-std=$1" $warn $more tests/build/build_cpp.cc -o "$out/a" && say_and "$out/a" || return 1
        done
    done
}

# Two C++ files, one with the implementation: one definition of every class, as link-time optimisation sees it.
cpp_two()
{
    # shellcheck disable=SC2086
    say_and g++ -std=c++17 $warn -flto -DBUILD_CPP_TWO -c tests/build/build_cpp.cc -o "$out/main.o" &&
        say_and g++ -std=c++17 $warn -flto -DBUILD_CPP_DECLARATIONS -c tests/build/build_cpp.cc -o "$out/other.o" &&
        say_and g++ -O2 -flto=auto -Wodr -Wlto-type-mismatch -Werror "$out/main.o" "$out/other.o" -pthread -o "$out/a" &&
        say_and "$out/a"
}

# The README's first C block is a program; the block after it is its output.
readme()
{
    awk '/^```c$/ && !n { n = 1; next } /^```/ && n == 1 { exit } n == 1' README.md >"$out/quickstart.c"
    awk '/^```/ { n++; next } n == 3 { print } n > 3 { exit }' README.md >"$out/wanted"
    [ -s "$out/quickstart.c" ] && [ -s "$out/wanted" ] || { echo "README.md: no program or no output"; return 1; }
    # shellcheck disable=SC2086
    say_and gcc -std=c11 $warn "$out/quickstart.c" -o "$out/a" && "$out/a" >"$out/got" || return 1
    diff "$out/wanted" "$out/got"
}

# The first C block of README's part on the store is a program: each run finds what up to three before it left.
readme_zns()
{
    awk '/^## Objects on a zoned/ { f = 1 } f && /^```c$/ { p = 1; next } p && /^```/ { exit } p' README.md >"$out/zns.c"
    [ -s "$out/zns.c" ] || { echo "README.md: no program of the store"; return 1; }
    # shellcheck disable=SC2086
    say_and gcc -std=c11 $warn "$out/zns.c" -o "$out/a" || return 1
    for run in 0 1 2 3 3; do
        (cd "$out" && ./a) >"$out/got" || return 1
        [ "$(grep -c '^a generation has hello$' "$out/got")" = $run ] || { echo "expected $run generations"; return 1; }
    done
    rm -f "$out/store.zns"
}

# README's programs under emscripten's defaults: 16 MiB of memory that does not grow. Allocators come and go beside what
# malloc gave; one that finds no memory is refused and ends nothing.
wasm()
{
    awk '/^```c$/ && !n { n = 1; next } /^```/ && n == 1 { exit } n == 1' README.md >"$out/c.c"
    awk '/^```cpp$/ { p = 1; next } p && /^```/ { exit } p' README.md >"$out/cpp.cc"
    awk '/^```/ { n++; next } n == 3 { print } n > 3 { exit }' README.md >"$out/wanted"
    : >"$out/wanted-cpp"
    cat >"$out/again.c" <<EOF
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include <stdlib.h>
int main(void)
{
    static zslab *z[2];
    int i, made = 0, refused = 0;
    for (i = 0; i < 80; i++) {
        if (z[i % 2])
            zslab_destroy(z[i % 2]);
        if (!malloc(1000))
            return 2;
        z[i % 2] = zslab_create(NULL);
        made += z[i % 2] && zslab_malloc(z[i % 2], 64);
        refused += !z[i % 2] && zslab_last_error() == ZSLAB_E_NOMEM;
    }
    return made + refused != i || made < 8;
}
EOF
    # shellcheck disable=SC2086
    for how in "${warn% -pthread} -O0" "$warn -O0"; do
        say_and emcc -std=c11 $how "$out/c.c" -o "$out/c.js" &&
            node --no-experimental-fetch "$out/c.js" >"$out/got" 2>&1 && diff "$out/wanted" "$out/got" &&
            say_and emcc -std=c++11 $how "$out/cpp.cc" -o "$out/cpp.js" &&
            node --no-experimental-fetch "$out/cpp.js" >"$out/got" 2>&1 && diff "$out/wanted-cpp" "$out/got" &&
            say_and emcc -std=c11 $how "$out/again.c" -o "$out/again.js" &&
            node --no-experimental-fetch "$out/again.js" || { cat "$out/got"; return 1; }
    done
}

[ "${1:-}" ] || { sed -n '2,5s/^# //p' "$0"; exit 2; }
if [ "$1" = list ]; then list; exit 0; fi
out=build/matrix/$1
rm -rf "$out" && mkdir -p "$out" || exit 1
case $1 in
g++-* | gcc-* | clang-* | clang++-*)
    need "${1%%-*}"
    alone "${1%%-*} -std=${1#*-}" && one "${1%%-*} -std=${1#*-}" "" build_main.c
    ;;
strict) one "gcc -std=c11" "" build_strict.c && need clang && one "clang -std=c11" "" build_strict.c ;;
twice) one "gcc -std=c11" "" build_twice.c && one "g++ -std=c++17" "" build_twice.c ;;
two) two "gcc -std=c11" "" ;;
two-clang) need clang && two "clang -std=c11" "-O0" ;;
two-c++) need g++ && two "g++ -std=c++17" "-O0" ;;
static) one "gcc -std=c11" -DZSLAB_STATIC=1 build_main.c && need clang && one "clang -std=c11" -DZSLAB_STATIC=1 build_main.c ;;
static-c++) need g++ && one "g++ -std=c++17" -DZSLAB_STATIC=1 build_main.c ;;
inline) two "gcc -std=c11" -DZSLAB_INLINE=1 && need clang && two "clang -std=c11" -DZSLAB_INLINE=1 ;;
mixed) two "gcc -std=c11" "" -DZSLAB_INLINE=1 && two "gcc -std=c11" -DZSLAB_INLINE=1 -UZSLAB_INLINE ;;
copies) copies ;;
inline-c++) need g++ && two "g++ -std=c++11" "" -DZSLAB_INLINE=1 ;;
ndebug) one "gcc -std=c11" -DNDEBUG build_main.c ;;
hardened) one "gcc -std=c11" -DZSLAB_HARDENED=1 build_main.c ;;
rss) one "gcc -std=c11" -DZSLAB_ENABLE_RSS_RECLAMATION=1 build_main.c ;;
stats-*) one "gcc -std=c11" "-DZSLAB_STATS=${1#stats-}" build_main.c ;;
no-tls) one "gcc -std=c11" -DZSLAB_NO_TLS=1 build_main.c && one "g++ -std=c++11" -DZSLAB_NO_TLS=1 build_main.c ;;
no-tls-two) two "gcc -std=c11" -DZSLAB_NO_TLS=1 ;;
tags) two "gcc -std=c11" "-DZSLAB_TAGS=1 -DZSLAB_INLINE=1" && one "g++ -std=c++17" "-DZSLAB_TAGS=1 -DZSLAB_STATIC=1" build_main.c ;;
probes) probes ;;
shift-*) one "gcc -std=c11" "-DZSLAB_CHUNK_SHIFT=${1#shift-}" build_main.c ;;
global-dynamic) one "gcc -std=c11 -fPIC" '-DZSLAB_TLS_MODEL="global-dynamic"' build_main.c ;;
no-os) one "gcc -std=c11 -ffreestanding" "" build_freestanding.c ;;
no-os-clang) need clang && one "clang -std=c11 -ffreestanding" "" build_freestanding.c ;;
musl) need musl-gcc && one "musl-gcc -std=c11" "" build_main.c ;;
m32) need i686-linux-gnu-gcc && one "i686-linux-gnu-gcc -std=c11 -static" "" build_main.c ;;
m32-clang) need clang && m32_clang ;;
windows) need x86_64-w64-mingw32-gcc && headers "x86_64-w64-mingw32-gcc -std=c11" ;;
wasm) need emcc && need node && wasm ;;
exports) exports ;;
exports-inline) exports -DZSLAB_INLINE=1 ;;
mismatch) mismatch ;;
readme) readme ;;
readme-zns) readme_zns ;;
typed) typed ;;
cpp-two) need g++ && cpp_two ;;
cpp-checked) need g++ && one "g++ -std=c++17 -fsanitize=undefined -fno-sanitize-recover=all" "" build_cpp.cc ;;
cpp-*) need g++ && cpp "${1#cpp-}" ;;
install) make -s install DESTDIR="$out/root" PREFIX=/usr && cmp zslab.h "$out/root/usr/include/zslab.h" ;;
*) echo "no cell '$1'"; exit 2 ;;
esac
