#!/bin/sh
# What the style page promises and a program can see. One line a rule, the count last.
set -u
cd "$(dirname "$0")/.." || exit 1
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
    rule "no trailing blanks" "$(grep -nE '[[:space:]]+$' $text)"
    rule "no tabs in code" "$(grep -nP '\t' $code)"
    rule "lines of code up to 120 columns" "$(awk 'length > 120 { print FILENAME ":" FNR ": " length }' $code)"
    rule "nothing left undone" "$(grep -nE 'TO''DO|FIX''ME|XX''X' $text)"
    rule "comments say what holds, not what was" "$(grep -niE '\b(previ''ously|used to'' be|leg''acy|old'' code|workaround'' until)\b' $code Makefile)"
    rule "Makefile under 200 lines" "$(awk 'END { if (NR >= 200) print NR }' Makefile)"
    for h in $headers; do
        rule "$h: the map in >>front names every room, in order" "$(front_listed $h)"
        rule "$h: private functions are zs__" "$(grep -nE '^static [^=;]*\(' $h | grep -vE '\bzs__[a-z0-9_]*\(|zslab_')"
        rule "$h: macros are ZSLAB_* or ZS__*, or rename a function" "$(grep -nE '^ *# *define ' $h | grep -vE 'define (ZSLAB_|ZS__|zs__[a-z_]+ |zslab_(zns_)?[a-z_]+\(|NOMINMAX|WIN32_LEAN_AND_MEAN)')"
        rule "$h: every public function has its doc comment" "$(undocumented $h)"
    done
    rule "zslab.h: every switch stands in >>front" "$(sed '/^\/\* ---- >>front/,$d' zslab.h >"$tmp/front"; unexplained zslab.h "$tmp/front" | sed 's/ is not.*//')"
    rule "README: the figures of bench/results" "$(bench/readme.py check)"
    rule "zslab_zns.h: every switch stands in >>front" "$(sed '/^\/\* ---- >>front/,$d' zslab_zns.h >"$tmp/front"; unexplained zslab_zns.h "$tmp/front" | sed 's/ is not.*//')"
    for h in $headers; do
        rule "README: every switch of $h" "$(unexplained $h README.md)"
    done
    rule "README: every public function of zslab.h" "$(public_names zslab.h | sort -u | while read -r f; do
        grep -qw "$f" README.md || echo "$f"; done)"
    rule "README: the table of tests/matrix.txt" "$(tests/matrix.sh table | grep -vxFf README.md)"
}
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
