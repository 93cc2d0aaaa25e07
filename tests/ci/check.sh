# Sourced by the scripts that look at what a program says: a folder of their own, counts, checks.
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0

check() # what, command...
{
    what=$1
    shift
    if "$@" >"$tmp/out" 2>&1; then
        passed=$((passed + 1)) && echo "ok   $what"
    else
        failed=$((failed + 1)) && echo "FAIL $what" && sed 's/^/     | /' "$tmp/out"
    fi
}
same() { [ "$1" = "$2" ] || { echo "$1, not $2" && false; }; }
