#!/bin/bash
# The store on a real kernel's zoned NVMe drive: boots guests under QEMU's software emulation and prints one line for
# each scenario, then "N passed, N failed".
#   run.sh [build directory] [scenario...]     scenarios: see the list at the end; default: all
#   CC, ZNS_SEED (crash points), ZNS_BOOT_SECONDS (limit for one guest)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
out=${1:-$root/build/zns}
shift || true
mkdir -p "$out/bin" "$out/run"
out=$(cd "$out" && pwd)
seed=${ZNS_SEED:-1}
objects=1050 # acknowledged ones to wait for before a crash; each crash must leave at least 1,000
least=1000

missing=
while read -r p; do dpkg -s "$p" >/dev/null 2>&1 || missing="$missing $p"; done < "$here/packages.txt"
if [ -n "$missing" ]; then
    echo "test-zns needs these Debian packages:$missing"
    echo "run 'make deps-all' (or: apt-get install --no-install-recommends$missing)"
    exit 1
fi

. "$here/lib.sh"

# ---- the guest and its programs ------------------------------------------------
bash "$here/guest.sh" "$out"
strict="-std=gnu11 -O2 -g -Wall -Wextra -Wshadow -Werror"
build() { # <program> <flags...>: rebuilt when its sources changed
    local name=$1 stamp; shift
    stamp=$(cat "$here/$name.c" "$here"/*.h "$root/zslab.h" "$root/zslab_zns.h" "$here/run.sh" | sha256sum)
    [ -x "$out/bin/$name" ] && [ "$(cat "$out/$name.stamp" 2>/dev/null)" = "$stamp" ] && return 0
    ${CC:-cc} $strict -static -pthread "$here/$name.c" -o "$out/bin/$name" "$@"
    echo "$stamp" > "$out/$name.stamp"
}
(for p in conform store; do build $p -lzbd; done; build wprestore; build logreplay) & # two compilers at a time
lane=$!
for p in crash faults ratios; do build $p -lzbd; done
wait $lane
cp "$here/fabric.sh" "$here/connect.sh" "$out/bin/"

# one_drive: the scene's only drive.
one_drive() {
    image "$dir/drive.img" $zoned_bytes
    controller
    file_node z "$dir/drive.img"
    zoned_drive 1 z
}
# play <name> <line>: the guest runs the job to its end; its last line that begins so is the result.
play() {
    power_on
    if until_done; then ok "$1" "$(line_of "$2" "$share/out.txt")"; else bad "$1" "$(line_of "$2" "$share/out.txt")"; fi
}

# ---- scenarios -------------------------------------------------------------------

# No guest: the same programs on the store's file device.
file_device() {
    local fine=1
    scene file-device
    (cd "$share" && ./store file.zns > out.txt 2>&1) || fine=0
    if [ $fine = 1 ]; then ok "file device" "$(line_of store: "$share/out.txt")"
    else bad "file device" "$(line_of store: "$share/out.txt")"; fi
}

# The verification itself: it passes on what was written, and fails on each of three planted lies.
planted_lies() {
    local lie text=
    scene planted-lies
    if ! (cd "$share" && ./crash write file.zns acks 400 > /dev/null && ./crash verify file.zns acks 384 > out.txt)
    then
        bad "planted lies" "the plain run fails: $(line_of verify: "$share/out.txt")"
        return
    fi
    for lie in loss damage return; do
        cp "$share/acks" "$share/acks-$lie"
        (cd "$share" && ./crash plant $lie "acks-$lie")
        if (cd "$share" && ./crash verify file.zns "acks-$lie" 384 > out.txt); then text="$text $lie"; fi
    done
    if [ -z "$text" ]; then ok "planted lies" "loss, damage and return are each noticed"
    else bad "planted lies" "unnoticed:$text"; fi
}

conformance() {
    scene conformance
    one_drive
    echo './conform /dev/nvme0n1 /tmp/file.zns' | job
    play conformance conform:
    cp "$share/out.txt" "$out/conformance.txt"
    grep -a 'differs$\|not offered$' "$out/conformance.txt" | sed 's/^/      | /' || true
}

store_append() {
    scene store-append
    one_drive
    echo './store /dev/nvme0n1 append' | job
    play "zone append" store:
}

# The same through io_uring on the drive's generic node, 32 commands under way.
store_queue() {
    scene store-queue
    one_drive
    echo './store /dev/nvme0n1 queue' | job
    play "zone append, queued" store:
}

# 512-byte blocks; and namespaces the store does not take: not zoned, metadata in the blocks, not permitted, none.
small_blocks() {
    local i
    scene small-blocks
    for i in 1 2 3; do image "$dir/drive-$i.img" $zoned_bytes; done
    controller
    for i in 1 2 3; do file_node "z$i" "$dir/drive-$i.img"; done
    drives+=(-device "nvme-ns,drive=z1,bus=nvme0,nsid=1,$(echo "$geometry" | sed 's/size=4096/size=512/g')")
    drives+=(-device "nvme-ns,drive=z2,bus=nvme0,nsid=2,$geometry,ms=8")
    drives+=(-device nvme-ns,drive=z3,bus=nvme0,nsid=3)
    job <<'J'
bad=0
ls -la /dev/nvme*
./store /dev/nvme0n1 append || bad=1
./faults refused /dev/nvme0n2 geometry || bad=1
./faults refused /dev/nvme0n3 geometry || bad=1
./faults plain /dev/nvme0n3 || bad=1
./faults refused /dev/nvme0n1 permission || bad=1
./faults refused /dev/nvme9n9 invalid || bad=1
exit $bad
J
    power_on
    local fine=1 text
    until_done || fine=0
    text="$(line_of store: "$share/out.txt"); refused: $(sed -n 's/faults refused: .*: //p' "$share/out.txt" | paste -sd,); no zones: $(sed -n 's/faults plain: .*: //p' "$share/out.txt")"
    if [ $fine = 1 ]; then ok "512-byte blocks" "$text"; else bad "512-byte blocks" "$text"; fi
}

store_pwrite() {
    scene store-pwrite
    one_drive
    job <<'J'
chown 1000:1000 /dev/nvme0n1
chmod 660 /dev/nvme0n1
./store /dev/nvme0n1 pwrite 1000
J
    play "pwrite, unprivileged" store:
}

# The guest runs to its end; what the verification says, with zbd's agreement.
verdict() { # <name>
    local fine=1 text
    until_done || fine=0
    text=$(line_of "verify: " "$share/out.txt")
    grep -qa "the store says the same" "$share/out.txt" || fine=0
    if [ $fine = 1 ]; then ok "$1" "$text; zbd agrees"; else bad "$1" "$text"; fi
}

# too_early <name>: waits for the writer; 0, and a failed scenario, when it does not get far enough.
too_early() {
    if until_acked $objects; then return 1; fi
    power_kill
    bad "$1" "the writer did not get far enough"
}

crash_reset() {
    scene crash-reset
    one_drive
    reboots=1
    job <<J
if [ -e verify-phase ]; then
    ./crash verify /dev/nvme0n1 acks $least
else
    ./crash write /dev/nvme0n1 acks queue
fi
J
    power_on
    if too_early "crash A: guest reset"; then return; fi
    touch "$share/verify-phase"
    reset_guest
    reboots=0
    verdict "crash A: guest reset"
}

# crash_kill_by <name> <way>: written that way; read back by the default way.
crash_kill_by() {
    one_drive
    echo "./crash write /dev/nvme0n1 acks $2" | job
    power_on
    if too_early "$1"; then return; fi
    power_kill
    echo "./wprestore /dev/nvme0n1 && ./crash verify /dev/nvme0n1 acks $least" | job
    power_on
    verdict "$1"
}
crash_kill() {
    scene crash-kill
    crash_kill_by "crash B: kill -9" append
}
crash_kill_pwrite() {
    scene crash-kill-pwrite
    crash_kill_by "crash B, by pwrite" pwrite
}

# The drive and, behind it, the acknowledgement log on one recorded node: one log orders both.
power_cut() {
    local cuts=8 i acks_bytes=67108864 name="crash C: power cut"
    scene power-cut
    image "$dir/base.img" $((zoned_bytes + acks_bytes))
    image "$dir/writes.log" 0
    controller
    drives+=(-blockdev "driver=file,node-name=base,filename=$dir/base.img"
        -blockdev "driver=file,node-name=log,filename=$dir/writes.log"
        -blockdev driver=blklogwrites,node-name=logged,file=base,log=log,log-sector-size=4096
        -blockdev "driver=raw,node-name=z,file=logged,offset=0,size=$zoned_bytes"
        -blockdev "driver=raw,node-name=acks,file=logged,offset=$zoned_bytes,size=$acks_bytes")
    zoned_drive 1 z
    drives+=(-device nvme-ns,drive=acks,bus=nvme0,nsid=2,logical_block_size=4096,physical_block_size=4096,share-rw=on)
    job <<'J'
./crash write /dev/nvme0n1 /dev/nvme0n2 queue
J
    power_on
    if too_early "$name"; then return; fi
    power_kill
    if ! "$out/bin/logreplay" "$dir/writes.log" "$dir" $cuts "$seed" $zoned_bytes 4194304 \
        > "$dir/cuts.txt" 2>&1; then
        cat "$dir/cuts.txt" > "$share/out.txt"
        bad "$name" "the write log cannot be replayed"
        return
    fi
    drives=()
    controller
    for i in $(seq 0 $((cuts - 1))); do
        file_node "c$i" "$dir/cut-$i.img"
        zoned_drive $((i + 1)) "c$i"
        mv "$dir/cut-$i.acks" "$share/acks-$i"
    done
    job <<J
bad=0
for i in $(seq -s ' ' 0 $((cuts - 1))); do
    least=0; [ \$i = $((cuts - 1)) ] && least=$least
    n=/dev/nvme0n\$((i + 1))
    echo "cut \$i"
    ./wprestore \$n && ./crash verify \$n acks-\$i \$least || bad=1
done
exit \$bad
J
    power_on
    local fine=1 sum
    until_done || fine=0
    sum=$(awk '/^verify:/ { a += $2; m += $4; c += $6; r += $8; u += $13; g += $18; n++ }
        END { printf "%d cuts: %d acknowledged, %d missing, %d corrupt, %d from released epochs; ", n, a, m, c, r
              printf "%d written without a sync, %d of them gone", u, g }' "$share/out.txt")
    # The cuts must have been some: writes were dropped or torn.
    awk '{ n += $14 + $16 } END { exit n == 0 }' "$dir/cuts.txt" || fine=0
    sum="$sum; $(awk '{ d += $14; t += $16; r += $NF }
        END { printf "%d writes dropped, %d torn, %d resets undone", d, t, r }' "$dir/cuts.txt")"
    [ "$(grep -ac '^verify:' "$share/out.txt")" = $cuts ] || fine=0
    [ "$(grep -ac 'the store says the same' "$share/out.txt")" -ge $cuts ] || fine=0
    if [ $fine = 1 ]; then ok "$name" "$sum; zbd agrees"; else bad "$name" "$sum"; fi
}

# A drive with bad places: writes fail once at some (in objects, in both metadata zones), reads always at others.
media_errors() {
    local i rules= n=0 zone
    scene media
    controller
    rule() { # <iotype> <zone> <KiB into it> <once>
        rules="$rules,inject-error.$n.event=none,inject-error.$n.iotype=$1,inject-error.$n.errno=5,inject-error.$n.once=$4"
        rules="$rules,inject-error.$n.sector=$(($2 * 8192 + $3 * 2))"
        n=$((n + 1))
    }
    for zone in 0 1; do rule write $zone 16 on; done
    for zone in 2 3 4 5 6 7 8; do rule write $zone $((200 + 333 * zone % 2000)) on; rule write $zone 2700 on; done
    for zone in 9 10; do rule write $zone 200 on; done # the conformance rows
    for zone in 3 5; do rule read $zone 1000 off; done
    for i in 1 2 3; do
        image "$dir/drive-$i.img" $zoned_bytes
        drives+=(-blockdev "driver=file,node-name=f$i,filename=$dir/drive-$i.img"
            -blockdev "driver=blkdebug,node-name=z$i,image=f$i$rules")
        zoned_drive $i "z$i"
    done
    job <<'J'
bad=0
./conform /dev/nvme0n1 /tmp/file.zns media || bad=1
./faults media /dev/nvme0n1 || bad=1
./faults media /dev/nvme0n2 pwrite || bad=1
./faults media /dev/nvme0n3 queue || bad=1
exit $bad
J
    power_on
    local fine=1 text
    until_done || fine=0
    text=$(grep -a '^faults media:' "$share/out.txt" | sed 's/faults media: //' | paste -sd';' | sed 's/;/; /g')
    if [ $fine = 1 ]; then ok "media errors" "$text"; else bad "media errors" "$text"; fi
}

bad_zones() {
    scene zones
    touch "$share/fabrics"
    job <<'J'
. ./fabric.sh
bad=0
./faults zones /dev/nvme0n1 $knobs || bad=1
./faults gone /dev/nvme0n1 /sys/class/nvme/nvme0/delete_controller "sh ./connect.sh" || bad=1
./conform /dev/nvme0n1 /tmp/file.zns spoilt $knobs || bad=1
exit $bad
J
    power_on
    local fine=1
    until_done || fine=0
    if [ $fine = 1 ]; then
        ok "read-only, offline" "$(line_of "faults zones:" "$share/out.txt")"
        ok "disconnected" "$(line_of "faults gone:" "$share/out.txt")"
        ok "spoilt zones" "$(line_of conform: "$share/out.txt")"
        grep -a 'differs$' "$share/out.txt" | sed 's/^/      | /' || true
    else
        bad "read-only, offline, gone" "$(grep -a '^faults\|^conform' "$share/out.txt" | paste -sd';')"
    fi
    grep -a '^row\|^append\|^read\|^reset\|^finish\|^conform' "$share/out.txt" >> "$out/conformance.txt" || true
}

# The drive is taken off its bus and put back.
removed() {
    scene removed
    one_drive
    cat > "$share/rescan.sh" <<'J'
echo 1 > /sys/bus/pci/rescan
i=0
while [ $i -lt 200 ] && ! [ -b /dev/nvme0n1 ]; do
    sleep 0.3
    i=$((i + 1))
done
J
    job <<'J'
./faults gone /dev/nvme0n1 /sys/class/nvme/nvme0/device/remove "sh ./rescan.sh" queue
J
    play removed "faults gone:"
}

# Two drives: appends of 128 KiB; and appends of 512 KiB into zones of 24 MiB.
ratios() {
    scene ratios
    image "$dir/drive.img" $zoned_bytes
    image "$dir/wide.img" $((2 * zoned_bytes))
    controller
    file_node z "$dir/drive.img"
    zoned_drive 1 z
    file_node w "$dir/wide.img"
    drives+=(-device "nvme,id=nvme1,serial=wide,zoned.zasl=7,max_ioqpairs=4" -device "nvme-ns,drive=w,bus=nvme1,nsid=1,$wide_geometry")
    job <<'J'
bad=0
echo "appends of 128 KiB"; ./ratios /dev/nvme0n1 128 1.04 || bad=1
echo "appends of 512 KiB"; ./ratios /dev/nvme1n1 512 1.01 || bad=1
exit $bad
J
    power_on
    if until_done; then ok ratios "$(sed -n 's/^ratios: //p' "$share/out.txt" | paste -sd';' | sed 's/;/; /')"
    else bad ratios "aims that bind are missed"; fi
    sed -n 's/^  /      | /p' "$share/out.txt"
}

all="file_device planted_lies conformance store_append store_queue store_pwrite small_blocks crash_reset crash_kill
    crash_kill_pwrite power_cut media_errors bad_zones removed ratios"
list=${*:-$all}
for s in $list; do
    case " $(echo $all) " in *" $s "*) ;; *) echo "run.sh: no scenario '$s' (have:" $all")"; exit 1 ;; esac
done

# ---- two scenarios at a time, shown in order; ratios has the machine to itself ------------
pids=
stop() { kill $pids 2>/dev/null || true; }
trap stop EXIT
under_way() { local n=0 p; for p in $pids; do if kill -0 "$p" 2>/dev/null; then n=$((n + 1)); fi; done; echo $n; }
start() { # <scenario>: its lines go to a file, its status beside it
    rm -f "$out/run/$1.status"
    scenario=$1
    (
        trap 'rc=$?; cleanup; echo $rc > "$out/run/$scenario.status"' EXIT
        "$scenario"
    ) > "$out/run/$1.txt" 2>&1 &
    pids="$pids $!"
}
show() { # <scenario>: waits for it, prints and counts its lines
    local p f
    until [ -e "$out/run/$1.status" ]; do sleep 0.1; done
    [ "$(cat "$out/run/$1.status")" = 0 ] || echo "FAIL  $1: the script stopped" >> "$out/run/$1.txt"
    cat "$out/run/$1.txt"
    p=$(grep -c '^ok ' "$out/run/$1.txt" || true)
    f=$(grep -c '^FAIL ' "$out/run/$1.txt" || true)
    passed=$((passed + p)) failed=$((failed + f))
}
waiting=
for s in $list; do
    most=2
    if [ "$s" = ratios ]; then most=1; fi
    while [ "$(under_way)" -ge $most ]; do sleep 0.2; done
    start "$s"
    waiting="$waiting $s"
    for w in $waiting; do
        if [ ! -e "$out/run/$w.status" ]; then break; fi
        show "$w"
        waiting=${waiting# "$w"}
    done
done
for s in $waiting; do show "$s"; done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
