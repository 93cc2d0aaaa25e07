#!/bin/sh
# The reference as HTML, from the headers' own comments: build/docs/html/index.html, with a search. No warning.
set -u
cd "$(dirname "$0")/../.." || exit 1
out=build/docs
rm -rf "$out" && mkdir -p "$out" || exit 1
command -v doxygen >/dev/null || { echo "no doxygen here"; exit 77; }
cat >"$out/Doxyfile" <<EOF
PROJECT_NAME           = zslab
PROJECT_BRIEF          = "a lifetime-aware slab allocator, and an object store on zoned devices"
OUTPUT_DIRECTORY       = $out
INPUT                  = zslab.h zslab_zns.h
INPUT_FILTER           = "python3 tests/ci/docs.py"
OPTIMIZE_OUTPUT_FOR_C  = YES
EXTRACT_ALL            = YES
EXCLUDE_SYMBOLS        = zs__* ZS__*
MACRO_EXPANSION        = YES
EXPAND_ONLY_PREDEF     = YES
PREDEFINED             = ZSLAB_API= ZSLAB_ZNS_API= ZS__MAYBE_UNUSED= ZS__SHORT_API= ZSLAB_SHORT_NAMES=1 ZSLAB_CPP=1 \
                         ZSLAB_CPP_PMR=1 ZSLAB_ZNS_USE_LIBZBD=1 __STDC_VERSION__=201112L __GNUC__=12
SKIP_FUNCTION_MACROS   = NO
TYPEDEF_HIDES_STRUCT   = YES
JAVADOC_AUTOBRIEF      = YES
MARKDOWN_SUPPORT       = NO
GENERATE_LATEX         = NO
HAVE_DOT               = NO
SOURCE_BROWSER         = NO
FILTER_SOURCE_FILES    = NO
VERBATIM_HEADERS       = NO
SEARCHENGINE           = YES
QUIET                  = YES
WARN_IF_UNDOCUMENTED   = NO
WARN_LOGFILE           = $out/warnings
EOF
doxygen "$out/Doxyfile" >/dev/null || exit 1
missing=0
for name in $(sed '/the private half begins/,$d' zslab.h | grep -E '^ZSLAB_API ' | grep -oE '\**zslab_[a-z0-9_]+ *\(' | tr -d '*( ' | sort -u) \
    $(sed -n 's/^     \(ZSLAB_[A-Z_]*\) .*/\1/p' zslab.h | sort -u) zslab_config zslab_global_stats zslab_zns_open_file; do
    grep -rqw "$name" "$out/html" --include='*.html' || { echo "not in the reference: $name"; missing=1; }
done
grep -q 'WHAT IT IS' "$out/html/index.html" || { echo "the main page is not the manual"; missing=1; }
grep -q 'every allocator has ZSLAB' "$out/html/zslab_8h.html" || { echo "the switches have no text of their own"; missing=1; }
grep -rl '&amp;#[0-9]*;' "$out/html" --include='*.html' && { echo "^ shows an entity as text"; missing=1; }
[ -s "$out/warnings" ] && { head -n 20 "$out/warnings"; wc -l <"$out/warnings"; exit 1; }
[ -d "$out/html/search" ] && [ $missing = 0 ] && echo "$out/html/index.html: $(find "$out/html" -name '*.html' | wc -l) pages, no warning"
