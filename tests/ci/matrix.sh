#!/bin/sh
# The tests on other compilers, machines and systems; tests/ci/matrix.txt says which, what is left out there and why.
#   tests/ci/matrix.sh [-j jobs] [target...]     no target: all of them; the last line counts
#   tests/ci/matrix.sh table                     the table in tests/README.md
#   tests/ci/matrix.sh notes target [test...]    what is left out or done less there, as tests/ci/run.sh -n takes it
# ONLY=word in the environment picks tests.
set -uf # no file names for patterns
cd "$(dirname "$0")/../.." || exit 1
table=tests/ci/matrix.txt jobs=1
while getopts j: o; do
    case $o in
    j) jobs=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))

rows() # kind: its rows, fields trimmed, parted by one |
{
    sed -n "s/ *| */|/g; s/^$1|//p" "$table"
}

matches() # word, patterns
{
    for pattern in $2; do
        # shellcheck disable=SC2254  # a pattern
        case $1 in $pattern) return 0 ;; esac
    done
    return 1
}

# Lines "test skip reason" and "test amount argument" for run.sh, from the rows that name this target.
notes() # target
{
    for kind in skip amount; do
        rows $kind | while IFS='|' read -r targets names what why; do
            matches "$1" "$targets" || continue
            for t in $tests; do
                if matches "$t" "$names"; then echo "$t $kind $what${why:+: $why}"; fi
            done
        done
    done
}

one() # name, title, compiler, flags, runner, patience
{
    out=build/targets/$1 runner=$5
    [ "$runner" = - ] && runner=
    mkdir -p "$out" || return 1
    notes "$1" >"$out/notes"
    echo "== $1: $2 ($3 $4${runner:+, run by ${runner%% *}})"
    programs='' built=''
    for t in $tests; do
        programs="$programs $out/$t"
        grep -q "^$t skip " "$out/notes" || built="$built $out/$t"
    done
    # shellcheck disable=SC2086  # words
    make -s -k -j "$jobs" FLAVOUR="targets/$1" CC="$3" CFLAGS="$4" $built >"$out/build.log" 2>&1 || tail -n 30 "$out/build.log"
    # two of the first programs to start would both set Windows up
    [ "$runner" != wine ] || wine cmd /c exit >"$out/wine.log" 2>&1 || cat "$out/wine.log"
    # shellcheck disable=SC2086
    tests/ci/run.sh -j "$jobs" -l "$out/log" -r "$runner" -n "$out/notes" -x "$6" $programs | tee "$out/result"
    times >"$out/times" # of all so far
    all=$(awk 'END { split($1 "m" $2, t, "m"); printf "%d\n", t[1] * 60 + t[2] + t[3] * 60 + t[4] }' "$out/times")
    echo "$((all - seconds)) s of CPU" >>"$out/result"
    seconds=$all
}

readme()
{
    echo '| machine and system | compiler | run by | left out: tests about |'
    echo '|---|---|---|---|'
    rows target | while IFS='|' read -r name title compiler _ runner _; do
        left=$(rows skip | while IFS='|' read -r targets _ need _; do
            if matches "$name" "$targets"; then echo "$need"; fi
        done | paste -s -d ',' | sed 's/,/, /g')
        runner=${runner%% *}
        [ "$runner" = - ] && runner=
        echo "| $title | ${compiler%% *} | $runner | $left |"
    done
}

if [ "${1:-}" = table ]; then readme; exit; fi
# What some runners need: a Windows of our own, Node's libraries where Debian has them.
export WINEPREFIX="$PWD/build/targets/wine" WINEDEBUG=-all NODE_PATH=/usr/share/nodejs
tests=$({ find tests -name 'test_*.c' -o -name 'misuse_*.c' -o -name 'fault_*.c' | sed 's|.*/||; s/\.c$//'
    sed -n 's/^\(test_[a-z0-9_]*\) *|.*/\1/p' tests/ci/variants.txt; } | grep "${ONLY:-.}" | sort)
if [ "${1:-}" = notes ]; then
    target=$2
    shift 2
    tests=${*:-$tests}
    notes "$target"
    exit
fi
# shellcheck disable=SC2046  # names
[ $# -gt 0 ] || set -- $(rows target | cut -d '|' -f 1)
results= seconds=0
for name; do
    row=$(rows target | grep "^$name|") || { echo "no target '$name' in $table"; exit 2; }
    oldifs=$IFS IFS='|'
    # shellcheck disable=SC2086  # fields
    set -- $row
    IFS=$oldifs
    one "$@"
    results="$results build/targets/$name/result"
done

echo
# shellcheck disable=SC2086
awk 'FNR == 1 { n = split(FILENAME, at, "/"); name = at[n - 1]; targets++; skipped = 0 }
    /^[0-9]+ skipped$/ { skipped = $1 }
    /^[0-9]+ passed, [0-9]+ failed$/ { said = $0; p += $1; f += $3; counted++ }
    /^[0-9]+ s of CPU$/ { printf "%-11s %s, %d skipped; %s\n", name, said, skipped, $0; s += $1; said = "no count" }
    END { f += targets - counted; print s + 0 " s of CPU"; print p + 0 " passed, " f + 0 " failed"; exit f || !p }' $results
