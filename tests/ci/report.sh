#!/bin/sh
# Runs a report_*.c program and compares what a memory checker says with what the source names: the kind of error, the
# function called wrong, the line marked "here".
#   tests/ci/report.sh program.asan|program.msan|program.memcheck
set -u
program=$1 checker=${1##*.} source=$(dirname "$0")/../memcheck/$(basename "${1%.*}").c
want=$(sed -n "1,10s|^/\* $checker: \(.*[^ ]\) *\*/.*|\1|p" "$source")
log=$program.log
symbols=external_symbolizer_path=$(command -v addr2line)
case $checker in
asan) ASAN_OPTIONS=$symbols "$program" >"$log" 2>&1 ;;
msan) MSAN_OPTIONS=$symbols "$program" >"$log" 2>&1 ;;
memcheck) valgrind -q --error-exitcode=1 --vex-guest-chase=no "$program" >"$log" 2>&1 ;;
esac
rc=$?

# the first report: its kind, then "function line" of the frame where it happened
case $checker in
memcheck)
    kind=$(sed -n 's/^==[0-9]*== \([A-Z].*[^ ]\) *$/\1/p' "$log" | head -n 1)
    frame=$(sed -n 's/^==[0-9]*==    at 0x[0-9A-F]*: \([a-z_]*\) (.*:\([0-9]*\))$/\1 \2/p' "$log" | head -n 1)
    ;;
*)
    kind=$(sed -n 's/.*\(ERROR\|WARNING\): [A-Za-z]*Sanitizer: \([a-z -]*[a-z]\).*/\2/p' "$log" | head -n 1 | sed 's/ on .*//')
    frame=$(sed -n 's/^ *#0 0x[0-9a-f]* in \([a-z_]*\) .*\.c:\([0-9]*\).*/\1 \2/p' "$log" | head -n 1)
    ;;
esac

if [ "$want" = nothing ]; then
    [ "$rc" -eq 0 ] && [ -z "$kind" ] && exit 0
elif [ "$rc" -ne 0 ] && [ "$kind" = "$want" ] && [ "${frame% *}" = wrong ] &&
    sed -n "${frame#* }p" "$source" | grep -q '/\* here \*/'; then
    exit 0
fi
cat "$log"
echo "wanted: ${want:-a line saying what $checker reports}; got: ${kind:-nothing}, in ${frame:-no frame}, exit status $rc"
exit 1
