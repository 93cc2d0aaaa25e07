#!/bin/sh
# Asks the doctor about the sick programs: it names the cause and nothing else, from the snapshot at the end and from
# the difference to the one at the beginning; it is silent about the same program without the cause.
#   tests/ci/doctor.sh stats_dump sick_program...
set -u
dump=$1
shift
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0

verdict() # what was asked, exit status wanted and got; the findings are in $tmp/says, the cause wanted in $cause
{
    causes=$(grep -v -e '^ ' -e '^no findings$' "$tmp/says" | sed 's/:.*//' | sort -u)
    if [ "$2" = "$3" ] && [ "$causes" = "$cause" ]; then
        passed=$((passed + 1))
        echo "ok   $1: ${causes:-silent}"
    else
        failed=$((failed + 1))
        echo "FAIL $1: wanted '$cause' (status $2), got '$causes' (status $3)"
    fi
    sed 's/^/     | /' "$tmp/says"
}

for program; do
    name=$(basename "$program")
    for state in sick well; do
        if "$program" $state "$tmp/first.json" >"$tmp/last.json"; then :; else
            failed=$((failed + 1))
            echo "FAIL $name $state: did not run"
            continue
        fi
        cause= status=0
        if [ $state = sick ]; then
            cause=$(sed -n '1,10s|^/\* cause: \(.*[^ ]\) *\*/.*|\1|p' "tests/doctor/$name.c") status=3
        fi
        "$dump" --doctor "$tmp/last.json" >"$tmp/says" 2>&1
        verdict "$name $state" $status $?
        "$dump" --doctor --diff "$tmp/first.json" "$tmp/last.json" >"$tmp/says" 2>&1
        verdict "$name $state, since its beginning" $status $?
    done
done
cause=stats_dump
"$dump" --doctor --diff "$tmp/last.json" "$tmp/first.json" >"$tmp/says" 2>&1
verdict "snapshots in the wrong order are refused" 1 $?
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
