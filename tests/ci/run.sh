#!/bin/sh
# Runs tests one by one (or two at a time), shows the output of those that fail, ends with the count.
#   tests/ci/run.sh [-j jobs] [-l logdir] [-r 'prefix command'] [-n notes] [-x times] item...
#   item    a program, or build:CELL (one cell of tests/ci/build.sh)
#   notes   a file of lines "test skip REASON" and "test amount ARGUMENT"
#   times   every time limit that many times longer
# A test's source may say, each in a comment on a line of its own among the first ten:
#   /* timeout: 300 */     seconds it may take (default 120)
#   /* expect: TEXT */     its last line of output must be TEXT
# Exit 0 passes, 77 skips (its last line says why), anything else fails.
set -u
here=$(dirname "$0")

option() # source, name: the value of a leading comment
{
    sed -n "1,10s|^/\* $2: \(.*[^ ]\) *\*/.*|\1|p" "$1" 2>/dev/null | head -n 1
}

source_of() # name: the file of a test, or of the one that its row in variants.txt names; nothing for an example
{
    of=$(sed -n "s/^$1 *| *\([a-z0-9_]*\) .*/\1/p" "$here/variants.txt")
    find "$here/.." -name "${of:-$1}.c" | head -n 1
}

note() # test, kind: what the notes say
{
    [ -z "$RUN_NOTES" ] || sed -n "s/^$1 $2 //p" "$RUN_NOTES" | head -n 1
}

spent() # file with what the shell's times said: milliseconds of CPU of its children
{
    awk 'END { split($1 "m" $2, t, "m"); printf "%d\n", (t[1] * 60 + t[2] + t[3] * 60 + t[4]) * 1000 }' "$1"
}

run_one()
{
    item=$1
    case $item in
    build:*) name=$(echo "$item" | tr ': /' '___') source= command="$here/build.sh ${item#build:}" ;;
    *) name=$(basename "$item") source=$(source_of "$name") command="$RUN_PREFIX $item" ;;
    esac
    if [ ! -e "$item" ] && [ -e "$item.exe" ]; then command=$command.exe; fi # as its compiler names it
    reason=$(note "$name" skip)
    if [ -n "$reason" ]; then
        echo skip >"$RUN_STATUS/$name"
        echo "skip $name: $reason"
        return
    fi
    limit=$(option "$source" timeout)
    [ -n "$limit" ] || case $item in build:*) limit=600 ;; *) limit=120 ;; esac
    limit=$((limit * RUN_PATIENCE))
    expect=$(option "$source" expect) log=$RUN_LOGS/$name.log
    begin=$(date +%s) status=ok
    # shellcheck disable=SC2086  # the command is words
    timeout -k 5 "$limit" $command $(note "$name" amount) >"$log" 2>&1 </dev/null
    rc=$?
    times >"$log.times" # of this test: the shell does but one
    last=$(tail -n 1 "$log" | tr -d '\r')
    case $rc in
    0) [ -n "$expect" ] && [ "$last" != "$expect" ] && status=FAIL reason="last line is not '$expect'" ;;
    77) status=skip reason=$last ;;
    124 | 137) status=FAIL reason="no end after $limit s" ;;
    *) status=FAIL reason="exit status $rc" ;;
    esac
    echo $status >"$RUN_STATUS/$name"
    printf '%-4s %s (%s s, %s ms of CPU)%s\n' $status "$name" $(($(date +%s) - begin)) "$(spent "$log.times")" "${reason:+: $reason}"
    if [ $status = FAIL ]; then tail -n 60 "$log" | sed 's/^/     | /'; fi
}

if [ "${1:-}" = --one ]; then
    run_one "$2"
    exit 0
fi

jobs=1 RUN_LOGS=build/log RUN_PREFIX= RUN_NOTES= RUN_PATIENCE=1
while getopts j:l:r:n:x: o; do
    case $o in
    j) jobs=$OPTARG ;;
    l) RUN_LOGS=$OPTARG ;;
    r) RUN_PREFIX=$OPTARG ;;
    n) RUN_NOTES=$OPTARG ;;
    x) RUN_PATIENCE=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
RUN_STATUS=$RUN_LOGS/status.$$ # our own: runs may overlap
mkdir -p "$RUN_STATUS" || exit 1
trap 'rm -rf "$RUN_STATUS"' EXIT
export RUN_LOGS RUN_PREFIX RUN_STATUS RUN_NOTES RUN_PATIENCE
if [ $# -gt 0 ]; then printf '%s\n' "$@" | xargs -P "$jobs" -n 1 "$0" --one; fi

passed=0 failed=0 skipped=0
for s in "$RUN_STATUS"/*; do
    case $(cat "$s" 2>/dev/null) in
    ok) passed=$((passed + 1)) ;;
    skip) skipped=$((skipped + 1)) ;;
    FAIL) failed=$((failed + 1)) ;;
    esac
done
missing=$(($# - passed - failed - skipped)) # an item without a verdict is a failure
failed=$((failed + missing))
if [ $skipped -gt 0 ]; then echo "$skipped skipped"; fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
