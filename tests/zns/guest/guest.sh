#!/bin/bash
# Builds the guest from Debian packages: <out>/vmlinuz and <out>/initrd.gz. A second call finds them and returns.
#   guest.sh <out>
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
mkdir -p "$out"
out=$(cd "$out" && pwd)

base_modules="virtio_pci 9p 9pnet_virtio crc32c_generic nvme"
fabrics_modules="null_blk nvmet-tcp nvme-tcp"

stamp=$(cat "$here/guest.sh" "$here/init" /bin/busybox "$(command -v zbd)" | sha256sum | cut -c1-16)
if [ -s "$out/vmlinuz" ] && [ -s "$out/initrd.gz" ] && [ "$(cat "$out/guest.stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

# The kernel: the package is unpacked, never installed.
update() { # an image without package lists, or with old ones
    local sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get -q update >"$out/download.log" 2>&1
}
kernel() { apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends:/ { print $2; exit }'; }
download() { (cd "$out" && apt-get -q download "$package" >>download.log 2>&1); }
package=$(kernel)
if [ -z "$package" ]; then
    update || true
    package=$(kernel)
fi
if [ -z "$package" ]; then
    echo "guest.sh: apt knows no linux-image-amd64" >&2
    exit 1
fi
if ! ls "$out/$package"_*.deb >/dev/null 2>&1; then
    download || { update && package=$(kernel) && download; } || {
        echo "guest.sh: cannot download $package:" >&2
        cat "$out/download.log" >&2
        exit 1
    }
fi
rm -rf "$out/k" "$out/g"
dpkg-deb --fsys-tarfile "$(ls "$out/$package"_*.deb | tail -1)" | tar -x -C "$out" --one-top-level=k \
    --exclude='*/drivers/gpu' --exclude='*/drivers/media' --exclude='*/sound' --exclude='*/wireless'
version=$(ls "$out/k/lib/modules")
depmod -b "$out/k" "$version"

# The initramfs: busybox, the modules in load order, zbd as the independent witness.
g=$out/g
mkdir -p "$g/bin" "$g/mod" "$g/proc" "$g/sys" "$g/dev" "$g/tmp" "$g/share"
cp /bin/busybox "$g/bin/"
"$g/bin/busybox" --list | grep -vx busybox | while read -r a; do ln -sf busybox "$g/bin/$a"; done
cp "$here/init" "$g/init"
chmod 755 "$g/init"
modules() { # <order file> <module...>
    local order=$1 m; shift
    for m in "$@"; do modprobe -d "$out/k" -S "$version" --show-depends "$m"; done |
        awk '$1 == "insmod" { print $2 }' | awk '!s[$0]++' | grep -v pclmul |
        while read -r f; do cp "$f" "$g/mod/"; basename "$f"; done > "$g/mod/$order"
}
modules order.base $base_modules
modules order.fabrics $fabrics_modules
zbd=$(command -v zbd)
cp "$zbd" "$g/bin/"
ldd "$zbd" | grep -o '/[^ ]*' | while read -r f; do mkdir -p "$g$(dirname "$f")"; cp -L "$f" "$g$f"; done
(cd "$g" && find . | cpio --quiet -o -H newc | gzip -1 > "$out/initrd.gz.new")
cp "$out"/k/boot/vmlinuz-* "$out/vmlinuz"
mv "$out/initrd.gz.new" "$out/initrd.gz"
rm -rf "$out/k" "$out/g"
echo "$version" > "$out/kernel.txt"
echo "$stamp" > "$out/guest.stamp"
