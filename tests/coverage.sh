#!/bin/sh
# Which lines of the headers did no test run? tests/coverage.sh <directory with .gcda files>
# The same header is compiled into many programs: a line counts as run when any of them ran it.
set -u
dir=${1:?directory}
for data in "$dir"/*.gcda; do
    [ -f "$data" ] || { echo "no coverage data in $dir"; exit 1; }
    gcov -t "$data" 2>/dev/null
done | awk -F: '
    $2 + 0 == 0 && $3 == "Source" { file = $4; next }
    file ~ /^(\.\/)?zslab(_zns)?\.h$/ {
        gsub(/ /, "", $1)
        line = $2 + 0
        if ($1 == "-" || line == 0) next
        name = file; sub(/^\.\//, "", name)
        seen[name, line] = 1
        if ($1 !~ /^[#=]/) run[name, line] = 1
    }
    END {
        for (key in seen) {
            split(key, part, SUBSEP)
            total[part[1]]++
            if (key in run) hit[part[1]]++
            else missed[++n] = part[1] ":" part[2]
        }
        for (i = 1; i <= n; i++) print missed[i] | "sort -t: -k1,1 -k2,2n"
        close("sort -t: -k1,1 -k2,2n")
        for (f in total) printf "%s: %d of %d lines run, %.1f %%\n", f, hit[f], total[f], 100 * hit[f] / total[f]
    }'
