#!/bin/sh
# Long runs of stress_oracle: each program its share of the minutes, the seed printed; what fails is shown, and where.
#   tests/ci/stress.sh [-m minutes] [-b first seed] [-r 'prefix command'] program...
minutes=10 seed=$(date +%Y%m%d%H%M) prefix= passed=0 failed=0
while getopts m:b:r: o; do
    case $o in
    m) minutes=$OPTARG ;;
    b) seed=$OPTARG ;;
    r) prefix=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
mkdir -p build/log
for program; do
    log=build/log/stress-$(basename "$(dirname "$program")").log
    # shellcheck disable=SC2086  # the prefix is words
    if $prefix "$program" -s "$(echo "$minutes $#" | awk '{ print $1 * 60 / $2 }')" "$seed" >"$log" 2>&1; then
        passed=$((passed + 1)) said=ok
    else
        failed=$((failed + 1)) said=FAIL
    fi
    echo "$said $program, seed $seed: $(tail -n 2 "$log" | head -n 1)"
    [ $said = ok ] || head -n 60 "$log" | sed 's/^/     | /'
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
