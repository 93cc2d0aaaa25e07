#!/bin/sh
# zslab_top: one look at a snapshot says what jq reads in it, in the order asked for; keys work on a terminal.
#   tests/ci/top.sh zslab_top sick_straggler sick_pool      the others write the snapshots
set -u
top=$1 program=$2 pools=$3
. "$(dirname "$0")/check.sh"
refused() { ! "$@"; }
first_epoch() { "$top" --once -s "$1" "$tmp/last.json" | sed -n '/^EPOCH/{n;s/  .*//p;}'; }
on_terminal() { printf '%s' "$1" | TERM=xterm timeout 60 script -qec "$top -n 60 $tmp/last.json" /dev/null; }

"$program" sick "$tmp/first.json" >"$tmp/last.json" || exit 1
jq -r '.global | "\(.live_objects) objects"' "$tmp/last.json" >"$tmp/objects"
"$top" --once "$tmp/last.json" >"$tmp/frame" || exit 1
check "the live objects" grep -qf "$tmp/objects" "$tmp/frame"
check "every class" same "$(sed -n '/^CLASS/,/^$/p' "$tmp/frame" | grep -c '^ ')" "$(jq '.classes | length' "$tmp/last.json")"
check "what the doctor says" grep -q '^straggler epoch: "batch 3"' "$tmp/frame"
check "the largest epoch first" same "$(first_epoch resident)" "batch 3"
jq '(.epochs[] | select(.label == "first")).live_bytes = 1000000' "$tmp/last.json" >"$tmp/more.json"
mv "$tmp/more.json" "$tmp/last.json"
check "the one with most live bytes first" same "$(first_epoch live)" "first"
check "the youngest first" same "$(first_epoch age)" "batch 3"
check "q ends it on a terminal" on_terminal q
plain=$(grep -o live "$tmp/out" | wc -l)
check "s and q do" on_terminal sq
check "and s names the next column" same "$(grep -o live "$tmp/out" | wc -l)" $((plain + 1))
check "no pools where there are none" refused grep -q '^POOL' "$tmp/frame"
"$pools" sick "$tmp/first.json" >"$tmp/pools.json" && "$top" --once "$tmp/pools.json" >"$tmp/frame"
check "a pool: its slots, and what it gave out" grep -qE '^sessions +208 +100 +0 +100 % +0 +10000 +9000 +0$' "$tmp/frame"
head -c 100 "$tmp/last.json" >"$tmp/half.json"
check "half a snapshot is none" refused "$top" --once "$tmp/half.json"
check "a missing file is none" refused "$top" --once "$tmp/missing.json"
check "a column that is not there is refused" refused "$top" --once -s width "$tmp/last.json"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
