# The harness's verbs: boot a guest, wait for it, cut its power, count results. Sourced by run.sh.
# Callers set: here, out (build/zns), share and img per scenario come from scene().

passed=0
failed=0
boot_limit=${ZNS_BOOT_SECONDS:-600}
qemu_pid=

# ok <name> <text>, bad <name> <text>: one scenario's result. Drives are kept only where something failed.
ok() {
    passed=$((passed + 1))
    printf 'ok    %-22s %s\n' "$1" "$2"
    rm -f "$dir"/*.img "$dir/writes.log"
}
bad() {
    failed=$((failed + 1))
    printf 'FAIL  %-22s %s\n' "$1" "$2"
    [ -s "$share/out.txt" ] && tail -n 25 "$share/out.txt" | sed 's/^/      | /'
    return 0
}
# line_of <text> <file>: the last line that begins so.
line_of() { grep -a "^$1" "$2" 2>/dev/null | tail -n 1 || true; }

# scene <name>: a fresh directory with a share holding the guest programs.
scene() {
    dir=$out/run/$1
    share=$dir/share
    rm -rf "$dir"
    mkdir -p "$share"
    ln "$out"/bin/* "$share/" 2>/dev/null || cp "$out"/bin/* "$share/"
    drives=()
    extra=()
}

image() { rm -f "$1"; truncate -s "$2" "$1"; }

# The drive of ZNS.md section 1: 64 zones of 4 MiB, capacity 3 MiB, four open, six active, 128 KiB appends.
geometry=logical_block_size=4096,physical_block_size=4096,zoned=true,zoned.zone_size=4M,zoned.zone_capacity=3M
geometry=$geometry,zoned.max_open=4,zoned.max_active=6
wide_geometry=logical_block_size=4096,physical_block_size=4096,zoned=true,zoned.zone_size=32M
wide_geometry=$wide_geometry,zoned.zone_capacity=24M,zoned.max_open=4,zoned.max_active=6
zoned_bytes=268435456

controller() { drives+=(-device "nvme,id=nvme0,serial=zslab,zoned.zasl=5,max_ioqpairs=4"); }
# zoned_drive <nsid> <blockdev node>
zoned_drive() { drives+=(-device "nvme-ns,drive=$2,bus=nvme0,nsid=$1,share-rw=on,$geometry"); }
# file_node <node> <image>
file_node() { drives+=(-blockdev "driver=file,node-name=$1-f,filename=$2" -blockdev "driver=raw,node-name=$1,file=$1-f"); }

# power_on [qemu arguments...]: starts the guest in the background; its number is in qemu_pid. A guest that
# resets itself (a panic) ends; with reboots=1 a reset boots it again.
# no_timer_check: on a busy host the emulated timer may miss the kernel's test of it, a panic at boot.
# What the emulator is slow at is left out: sse4.2 (crc32 instructions bit by bit; tables are eight times faster) and
# erms, fsrm (rep movsb byte by byte; other copies are seven times faster).
reboots=0
power_on() {
    local once=-no-reboot
    if [ "$reboots" = 1 ]; then once=; fi
    rm -f "$share/exit.txt" "$share/boot.txt" "$dir/monitor.in" "$dir/monitor.out"
    mkfifo "$dir/monitor.in" "$dir/monitor.out"
    qemu-system-x86_64 -accel tcg,thread=multi -cpu max,sse4.2=off,erms=off,fsrm=off -m 512 -smp 1 -nodefaults -display none -vga none -nic none \
        -serial "file:$dir/console.txt" -chardev "pipe,id=mon,path=$dir/monitor" -mon chardev=mon \
        -kernel "$out/vmlinuz" -initrd "$out/initrd.gz" -append "console=ttyS0 panic=-1 quiet no_timer_check" \
        -fsdev "local,id=fs0,path=$share,security_model=none" -device virtio-9p-pci,fsdev=fs0,mount_tag=share \
        $once "${drives[@]}" "$@" >"$dir/qemu.txt" 2>&1 &
    qemu_pid=$!
}

running() { kill -0 "$qemu_pid" 2>/dev/null; }

# power_kill: kill -9 of our own QEMU, by its number.
power_kill() {
    kill -9 "$qemu_pid" 2>/dev/null || true
    wait "$qemu_pid" 2>/dev/null || true
    qemu_pid=
}

reset_guest() { echo system_reset > "$dir/monitor.in"; }

# until_done: waits for the guest to switch itself off; kills it at the limit. Fails unless the job returned 0.
until_done() {
    local end=$((SECONDS + boot_limit))
    while running; do
        if [ $SECONDS -ge $end ]; then
            power_kill
            echo "harness: guest did not finish within $boot_limit s" >> "$share/out.txt"
            return 1
        fi
        sleep 0.1
    done
    wait "$qemu_pid" 2>/dev/null || true
    qemu_pid=
    if [ ! -s "$share/exit.txt" ]; then
        { echo "harness: the guest ended without a result"; cat "$dir/qemu.txt"; tail -n 20 "$dir/console.txt"; } \
            >> "$share/out.txt" 2>/dev/null
        return 1
    fi
    [ "$(cat "$share/exit.txt")" = 0 ]
}

# until_acked <n>: waits until the guest's writer says that so many objects are acknowledged.
until_acked() {
    local end=$((SECONDS + boot_limit)) n
    while running && [ $SECONDS -lt $end ] && [ ! -e "$share/exit.txt" ]; do
        n=$(line_of acknowledged "$share/out.txt")
        if [ "${n#acknowledged }" -ge "$1" ] 2>/dev/null; then return 0; fi
        sleep 0.05
    done
    return 1
}

# job: the guest's script, from stdin.
job() { cat > "$share/job.sh"; }

cleanup() { if [ -n "$qemu_pid" ]; then power_kill; fi; }
