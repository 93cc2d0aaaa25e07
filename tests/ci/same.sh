#!/bin/sh
# Real programs under the malloc shim, beside those of bench/real: what they write is what they write without it. Half
# of them live on large objects. A program that is not installed is named and skipped.
#   tests/ci/same.sh libzslab_malloc.so [word]   programs that have the word in their name
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
word=${2:-}
passed=0 failed=0 skipped=0
chmod 755 "$work"
cp "$1" "$work/shim.so" && chmod 644 "$work/shim.so" || exit 1
PATH=$PATH:$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
user= # a database server refuses to run as root
[ "$(id -u)" = 0 ] && user="setpriv --reuid=nobody --regid=nogroup --clear-groups"
export PATH user

# run <preload>: the command's output, standard error and exit status, in a folder of its own
run()
{
    rm -rf "$work/in"
    mkdir "$work/in" && chmod 777 "$work/in"
    (cd "$work/in" && env LD_PRELOAD="$1" LC_ALL=C TZ=UTC HOME="$work/in" timeout -k 2 120 sh -c "$command" 2>&1 </dev/null
        printf '\nstatus %s\n' "$?")
}

# same <name> <program it needs>, the command on standard input
same()
{
    command=$(cat)
    case $1 in *"$word"*) ;; *) return ;; esac
    if ! command -v "$2" >/dev/null; then
        skipped=$((skipped + 1))
        echo "skip $1: $2 is not installed"
        return
    fi
    run "" >"$work/libc"
    run "$work/shim.so" >"$work/shim"
    if [ "$(tail -n 1 "$work/libc")" = "status 0" ] && cmp -s "$work/libc" "$work/shim"; then
        passed=$((passed + 1))
        echo "ok   $1: $(wc -c <"$work/libc") bytes, the same"
    else
        failed=$((failed + 1))
        echo "FAIL $1"
        diff -a "$work/libc" "$work/shim" | head -n 20 | cut -c 1-200 | sed 's/^/     | /'
        tail -n 3 "$work/libc" | cut -c 1-200 | sed 's/^/     libc | /'
    fi
}

same shim sh <<'end' # it is there, and its malloc is the one that is called
[ -z "$LD_PRELOAD" ] || grep -q shim.so /proc/self/maps
end
same images gm <<'end'
gm convert -size 1600x1200 gradient:navy-orange -blur 0x2 -rotate 7 -resize 1200x ppm:- | cksum
gm convert -size 2400x1800 gradient:white-black -roll +100+90 -edge 2 -quality 80 jpeg:- | cksum
end
same video ffmpeg <<'end'
ffmpeg -v error -bitexact -f lavfi -i testsrc2=size=1280x720:rate=25:duration=2 -vf scale=854:480,hue=s=0.5 \
    -c:v mpeg4 -b:v 2M -flags +bitexact -threads 2 out.avi && cksum out.avi
ffmpeg -v error -bitexact -i out.avi -f framemd5 -
end
same database postgres <<'end'
$user initdb -D data -A trust -E UTF8 --locale=C --no-sync -N >/dev/null && $user postgres --single -D data \
    -c work_mem=64MB -c shared_buffers=64MB -c log_min_messages=fatal postgres <<'sql'
create table t as select i, md5(i::text) as h, repeat(md5(i::text), i % 90) as b from generate_series(1, 60000) i;
create index t_h on t (h);
select count(*), sum(length(b)), max(md5(b)) from t;
select md5(string_agg(h, ',' order by b, i)) from t;
select a.i % 7, count(*), sum(length(a.b || c.b)) from t a join t c on a.h > c.h and a.i = c.i + 1 group by 1 order by 1;
sql
end
same javascript node <<'end'
node -e '
const crypto = require("crypto"), zlib = require("zlib"), hash = crypto.createHash("sha256");
const buffers = new Map();
let seed = 1;
for (let i = 0; i < 4000; i++) {
    seed = (seed * 48271) % 2147483647;
    buffers.set(seed % 97, Buffer.alloc(seed % 900000, i));
    if (i % 9 == 0) hash.update(zlib.deflateSync(buffers.get(seed % 97)));
}
const text = JSON.stringify(Array.from({length: 60000}, (_, i) => ({i, s: "x".repeat(i % 60), a: [i, i * i]})));
hash.update(JSON.stringify(JSON.parse(text).filter(o => o.i % 3).sort((a, b) => b.a[1] % 1009 - a.a[1] % 1009)));
console.log(hash.digest("hex"), text.length);'
end
same archives xz <<'end'
seq 1 900000 >numbers && xz -9 -T2 --block-size=2MiB -k numbers && cksum numbers.xz && xz -dc numbers.xz | cksum
end
same frames zstd <<'end'
seq 1 900000 >numbers && zstd -q -12 -T2 --long=24 numbers && cksum numbers.zst && zstd -q -dc numbers.zst | cksum
end
same sorted sort <<'end'
seq 1 1200000 | sort --parallel=2 -S 60M -k 1.2,1.5r | cksum
end
same perl perl <<'end'
perl -e 'my ($s, %h, @big) = (7); for my $i (1 .. 200000) { $s = $s * 48271 % 2147483647; $h{$s % 50021} .= "v$i";
    $big[$s % 50] = "y" x ($s % 400000) if $i % 40 == 0; } my $t = join ",", map { "$_=$h{$_}" } sort keys %h;
    print length $t, " ", unpack("%32C*", $t), " ", unpack("%32C*", join "", grep { defined } @big), "\n";'
end
same gawk gawk <<'end'
seq 1 400000 | gawk '{ k = $1 % 7919; a[k] = a[k] "," $1; if (length(a[k]) > 5000) a[k] = "" }
    END { n = asorti(a, b); for (i = 1; i <= n; i++) print b[i], length(a[b[i]]) }' | cksum
end
same tcl tclsh <<'end'
cat >t.tcl <<'tcl'
set s 7
for {set i 0} {$i < 60000} {incr i} {
    set s [expr {$s * 48271 % 2147483647}]
    dict lappend d [expr {$s % 499}] $s
    append text([expr {$s % 20}]) [string repeat z [expr {$s % 900}]]
}
foreach k [lsort -integer [dict keys $d]] { puts "$k [llength [dict get $d $k]] [lindex [lsort [dict get $d $k]] 0]" }
foreach k [lsort -integer [array names text]] { puts "$k [string length $text($k)]" }
tcl
tclsh t.tcl | cksum
end
same json jq <<'end'
seq 1 60000 | jq -s 'map({k: (. % 977 | tostring), v: .}) | group_by(.k) | map({(.[0].k): map(.v)}) | add' | cksum
end
same plots gnuplot <<'end'
gnuplot -e "set terminal svg size 900, 600; set samples 3000; set isosamples 80;
    splot [-3:3] [-3:3] sin(x * x + y * y) / (x * x + y * y + 1)" | cksum
end
same clang clang <<'end'
printf '%s\n' '#include <algorithm>' '#include <map>' '#include <string>' '#include <vector>' 'int f(std::map<std::string,' \
    'std::vector<int>> &m) { int n = 0; for (auto &p : m) { std::sort(p.second.begin(), p.second.end()); n += p.second[0]; }' \
    'return n; }' >f.cc && clang -x c++ -O2 -c f.cc -o f.o && cksum f.o
end
same graphs dot <<'end'
seq 1 160 | awk 'BEGIN { print "digraph g {" } { print $1 " -> " ($1 * 7 % 61) "; " $1 " -> " ($1 * 3 % 37) } END { print "}" }' |
    dot -Tplain | cksum
end
echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
