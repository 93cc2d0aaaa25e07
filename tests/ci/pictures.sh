#!/bin/sh
# What the pictures must be: well-formed, every slab and every epoch in them, whatever the labels are.
#   tests/ci/pictures.sh pictures folder      the folder holds what the program recorded and drew
set -u
pictures=$1 folder=$2
. "$(dirname "$0")/check.sh"
refused() { ! "$@"; }
titles() { grep -c '<title>' "$1"; }

map=$folder/map.json run=$folder/run.json
check "the heap map is XML" xmllint --noout "$folder/heap_map.svg"
check "the timeline is XML" xmllint --noout "$folder/timeline.svg"
check "the walk saw every live object" same "$(jq '[.slabs[].live] | add' "$map")" \
    "$(jq .snapshot.global.live_objects "$map")"
check "and its bytes" same "$(jq '[.slabs[] | .live * .object_bytes] | add' "$map")" \
    "$(jq .snapshot.global.live_bytes "$map")"
check "no slab twice" same "$(jq '[.slabs[] | [.chunk, .slab]] | unique | length' "$map")" "$(jq '.slabs | length' "$map")"
check "no slab holds more than it can" same "$(jq '[.slabs[] | select(.live > .slots)] | length' "$map")" 0
check "a hover text for each slab" same "$(titles "$folder/heap_map.svg")" "$(jq '.slabs | length' "$map")"
straggler='in "11:00" (closing); chunk'
check "the map shows the straggler" grep -q "$straggler" "$folder/heap_map.svg"
check "and whose objects each of its slabs holds" same \
    "$(grep -c "most of tag 3 $straggler" "$folder/heap_map.svg")" "$(grep -c "$straggler" "$folder/heap_map.svg")"
for label in $(jq -r '.epochs[].label' "$run" | sort -u); do
    check "the timeline shows epoch $label" grep -q ">$label: active from" "$folder/timeline.svg"
done
jq '(.epochs[].label) = "<&>\u0001"' "$run" >"$tmp/run.json"
jq '(.snapshot.epochs[].label) = "<&>\u0001"' "$map" >"$tmp/map.json"
"$pictures" timeline "$tmp/run.json" >"$tmp/timeline.svg"
"$pictures" map "$tmp/map.json" >"$tmp/map.svg"
check "any label is XML in the timeline" xmllint --noout "$tmp/timeline.svg"
check "any label is XML in the map" xmllint --noout "$tmp/map.svg"
echo '{"global": {}}' >"$tmp/none.json"
check "a map of nothing is refused" refused "$pictures" map "$tmp/none.json"
check "a timeline of nothing is refused" refused "$pictures" timeline "$tmp/none.json"
check "a file that is not there is refused" refused "$pictures" timeline "$tmp/missing.json"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
