#!/bin/sh
# What the style page promises and a program can see. One line a rule, the count last.
set -u
cd "$(dirname "$0")/../.." || exit 1
files=$(git ls-files -co --exclude-standard 2>/dev/null | grep -v '^\.git/' || find . -type f -not -path './.git/*' -not -path './build/*' | sed 's|^\./||')
text=$(echo "$files" | grep -E '\.(h|c|cc|sh|py|mk|md|yml)$|^Makefile$|^\.ci/run$')
code=$(echo "$files" | grep -E '\.(h|c|cc|py)$')
headers=$(for h in zslab.h zslab_zns.h; do [ -f $h ] && echo $h; done)
passed=0 failed=0

rule() # name, offending lines (none is good)
{
    if [ -z "$2" ]; then
        passed=$((passed + 1))
        echo "ok   $1"
    else
        failed=$((failed + 1))
        printf 'FAIL %s\n%s\n' "$1" "$2" | sed '2,$s/^/     | /' | head -n 25
    fi
}

rooms() { sed -n 's|^/\* ---- >>\([a-z-]*\) -.*|\1|p' "$1"; }
listed() { sed -n '/THE MAP/,/\*\/$/p' "$1" | sed 1d | grep -o '>>[a-z-]*' | sed 's/>>//'; }
front_listed() # the map in the front names the rooms below it, in their order
{
    rooms "$1" | grep -v '^front$' >"$tmp/rooms"
    listed "$1" | grep -v '^front$' >"$tmp/listed"
    diff "$tmp/listed" "$tmp/rooms" | sed 's/^</only in the map:/; s/^>/not in the map:/; /^[0-9]/d'
}
public_names() # functions declared with ZSLAB_API before the private half
{
    sed '/^#if.*_IMPLEMENTATION/,$d' "$1" | grep -E '^ZSLAB_(ZNS_)?API ' | grep -oE '\**zslab_[a-z0-9_]+ *\(' | tr -d '*( '
}
undocumented() # a public function is named at the head of a comment: "/* zslab_free -- ..."; groups name several
{
    sed -n '/^\/\* *zslab_/,/--/p' "$1" | sed 's/--.*//' >"$tmp/heads"
    public_names "$1" | sort -u | while read -r f; do grep -qw "$f" "$tmp/heads" || echo "$f"; done
}
doc_form() # a public function's comment: its lines in order, keywords at column 4, threads and cost there, no lone end
{
    awk -v h="$1" 'BEGIN { n = split("in out returns after threads cost source", k, " "); for (i = 1; i <= n; i++) rank[k[i]] = i }
        /the private half begins/ { exit }
        /^ *\*\/$/ { print h ":" FNR ": a comment ends on a line of its own" }
        /^\/\*/ { text = FNR; last = 0; threads = cost = 0 }
        text && match($0, /^   (in|out|returns|after|threads|cost|source) /) {
            w = $1; if (rank[w] < last) print h ":" FNR ": " w " stands too late"; last = rank[w]
            if (w == "threads") threads = 1; if (w == "cost") cost = 1 }
        text && /[a-z)] +(threads|cost|source)   / && !/^   (threads|cost|source)/ { print h ":" FNR ": a keyword inside a line" }
        /^ZSLAB_API / && /zslab_[a-z0-9_]+\(/ { if (!threads) print h ":" FNR ": no threads"; if (!cost) print h ":" FNR ": no cost" }
        /^$/ { text = 0; threads = cost = 0 }' "$1"
}
code_alone() # without comments and strings
{
    perl -0pe 's{/\*.*?\*/}{my $c = $&; $c =~ s/[^\n]//g; $c}gse; s/"(\\.|[^"\\\n])*"/""/g' "$1"
}
stranger_macros() # names that other people's headers define as macros: not ours, or called in parentheses
{
    code_alone "$1" | grep -nE '(^|[^a-zA-Z0-9_])((small|near|far|hyper|interface|IN|OUT|I|ERROR|DELETE|TRUE|FALSE|None|Bool|Status|likely|unlikely|barrier)([^a-zA-Z0-9_]|$)|(min|max|current|malloc|calloc|realloc|free|aligned_alloc|open|close|read|write|ioctl)\()' |
        grep -vE 'zslab_zns_' | sed "s|^|$1:|"
}
stack() # no public call takes more than 2 KB of stack, all that it calls included
{
    printf '#define ZSLAB_IMPLEMENTATION\n#include "zslab.h"\n#define ZSLAB_ZNS_IMPLEMENTATION\n#include "zslab_zns.h"\n' >"$tmp/stack.c"
    gcc -std=c11 -O2 -I. -fcallgraph-info=su -c "$tmp/stack.c" -o "$tmp/stack.o" && tests/ci/stack.py "$tmp/stack.ci" 2048
}
recipes() # of the manual, as pasted into one file, in each language they promise
{
    { echo '#include "zslab.h"'; awk '/^   4\. /{f=1} /^   5\. /{f=0} f && /^       /' zslab.h; } >"$tmp/recipes.cc"
    grep -q zslab_domain_enter "$tmp/recipes.cc" || echo "nothing extracted"
    for cc in "gcc -std=c11 -x c" "g++ -std=c++11" "g++ -std=c++17"; do
        $cc -Wall -Wextra -Werror -Wno-unused-function -fsyntax-only -I. "$tmp/recipes.cc" 2>&1 | grep -m 1 error | sed "s|^|$cc: |"
    done
}
quickstarts() # of the front pages and README's C and C++ blocks, as pasted, in each language they promise
{
    sed -n '/QUICKSTART in C (/,/^       }$/p' zslab.h | sed 1d >"$tmp/c.c"
    sed -n '/QUICKSTART in C++ (/,/^       }$/p' zslab.h | sed 1d >"$tmp/cpp.cc"
    awk '/^```c$/ && !n { n = 1; next } /^```/ && n == 1 { exit } n == 1' README.md >"$tmp/readme.c"
    awk '/^```cpp$/ { f = 1; next } /^```/ { f = 0 } f' README.md >"$tmp/readme.cc"
    sed -n '/QUICKSTART/,/^       }$/p' zslab_zns.h | sed 1d >"$tmp/zns.c"
    for f in c.c readme.c zns.c cpp.cc readme.cc; do
        [ -s "$tmp/$f" ] || echo "$f: nothing extracted"
        cp "$tmp/$f" "$tmp/both.cc"
        for cc in "gcc -std=c11" "g++ -std=c++11" "g++ -std=c++17"; do
            case "$cc $f" in gcc*.cc) continue ;; esac
            case $cc in g++*) source=$tmp/both.cc ;; *) source=$tmp/$f ;; esac
            $cc -Wall -Wextra -Werror -fsyntax-only -I. "$source" 2>&1 | grep -m 1 error | sed "s|^|$f, $cc: |"
        done
    done
}
build_lines() # an example's own build line works from its folder
{
    for f in examples/*.c examples/*/*.c; do
        line=$(sed -n 's/.*Build: \(cc .*[^ ]\) *\*\/.*/\1/p' "$f" | head -n 1)
        [ "$line" ] || echo "$f: no build line"
        [ -z "$line" ] || (cd "$(dirname "$f")" && $line -fsyntax-only 2>&1 | grep -m 1 error | sed "s|^|$f: |")
    done
}
switches() # the compile-time switches of the config room
{
    sed -n '/^\/\* ---- >>config/,/^\/\* ---- >>types/p' "$1" | sed -n 's/^#if\(n\?def\| !defined(\) *\(ZSLAB_[A-Z_]*\).*/\2/p;s/^#if !defined(\(ZSLAB_[A-Z_]*\)).*/\1/p' | grep -vx ZSLAB_H | sort -u
}
unexplained() { switches "$1" | while read -r s; do grep -qw "$s" "$2" || echo "$s is not in $2"; done; }

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
# shellcheck disable=SC2086  # lists of names without spaces
{
    rule "top level holds what the layout names" "$(echo "$files" | cut -d/ -f1 | sort -u |
        grep -vxE 'zslab\.h|zslab_zns\.h|tests|examples|bench|Makefile|README\.md|LICENSE|\..*')"
    rule "tests/ holds README.md and the folders that it names" "$(echo "$files" | sed -n 's|^tests/\([^/]*\).*|\1|p' | sort -u |
        while read -r f; do grep -q "^| \`$f/\` |" tests/README.md || [ "$f" = README.md ] || echo "$f"; done)"
    rule "a test's name stands for one file" "$({ echo "$files" | sed -n 's|^tests/[a-z]*/\([a-z0-9_]*\)\.c$|\1|p'
        sed -n 's/^\(test_[a-z0-9_]*\) *|.*/\1/p' tests/ci/variants.txt; } | sort | uniq -d)"
    rule "no trailing blanks" "$(grep -nE '[[:space:]]+$' $text)"
    rule "no tabs in code" "$(grep -nP '\t' $code)"
    rule "C and C++ as make format writes it" "$(clang-format -n -Werror $(echo "$code" | grep -E '\.(h|c|cc)$') 2>&1 | sed -n "s/: error.*//p; /not found/p")"
    rule "lines of code up to 120 columns" "$(awk 'length > 120 { print FILENAME ":" FNR ": " length }' $code)"
    rule "nothing left undone" "$(grep -nE 'TO''DO|FIX''ME|XX''X' $text)"
    rule "comments say what holds, not what was" "$(grep -niE '\b(previ''ously|used to'' be|leg''acy|old'' code|workaround'' until)\b' $code Makefile)"
    rule "make's variables are defined" "$(make -s --warn-undefined-variables help 2>&1 | grep 'undefined variable')"
    rule "README at most 250 lines" "$(awk 'END { if (NR > 250) print NR }' README.md)"
    rule "Makefile under 200 lines" "$(awk 'END { if (NR >= 200) print NR }' Makefile)"
    for h in $headers; do
        rule "$h: the map in >>front names every room, in order" "$(front_listed $h)"
        rule "$h: private functions are zs__" "$(grep -nE '^static [^=;]*\(' $h | grep -vE '\bzs__[a-z0-9_]*\(|zslab_')"
        rule "$h: macros are ZSLAB_* or ZS__*, or rename a function" "$(grep -nE '^ *# *define ' $h | grep -vE 'define (ZSLAB_|ZS__|zs__[a-z_]+ |zslab_(zns_)?[a-z_]+\(|NOMINMAX|WIN32_LEAN_AND_MEAN|SLAB_[A-Z_]* |EPOCH_COUNT )')"
        rule "$h: every public function has its doc comment" "$(undocumented $h)"
        rule "$h: doc comments have their form, threads and cost" "$(doc_form $h)"
        rule "$h: no name that other people's headers define" "$(stranger_macros $h)"
    done
    rule "zslab.h: every switch stands in >>front" "$(sed '/^\/\* ---- >>front/,$d' zslab.h >"$tmp/front"; unexplained zslab.h "$tmp/front" | sed 's/ is not.*//')"
    rule "the manual's recipes compile as pasted" "$(recipes)"
    rule "quickstarts and README's block compile as pasted" "$(quickstarts)"
    rule "examples: their build lines work from their folder" "$(build_lines)"
    rule "no public call takes more than 2 KB of stack" "$(stack)"
    rule "lemmas: what is cited is defined, what is defined is cited by a test" "$(tests/ci/invariants.py check)"
    rule "README and bench/results: the measured parts" "$(bench/readme.py check)"
    rule "zslab_zns.h: every switch stands in >>front" "$(sed '/^\/\* ---- >>front/,$d' zslab_zns.h >"$tmp/front"; unexplained zslab_zns.h "$tmp/front" | sed 's/ is not.*//')"
    rule "README: every public function of zslab.h" "$(public_names zslab.h | sort -u | while read -r f; do
        grep -qw "$f" README.md || echo "$f"; done)"
    rule "tests/README.md: the table of tests/ci/matrix.txt" "$(tests/ci/matrix.sh table | grep -vxFf tests/README.md)"
}
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
