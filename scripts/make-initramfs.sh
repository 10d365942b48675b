#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Make an initramfs for an arm64 guest: busybox, an /init, and files.
#
#   scripts/make-initramfs.sh OUT INIT [FILE=/PATH/IN/GUEST]...
#
# Needs no root and no device nodes: the kernel brings /dev/console, /init mounts devtmpfs.
set -eu -o pipefail
cd "$(dirname "$0")/.."

out=$1 init=$2
shift 2
busybox=${B:-build}/busybox-arm64/busybox
if [ ! -x "$busybox" ]; then
	scripts/apt-root.sh "${B:-build}/apt/arm64" bookworm arm64 bookworm-backports
	tmp=$(mktemp -d "${B:-build}/busybox.XXXXXX")
	options="-c $PWD/${B:-build}/apt/arm64/apt.conf"
	(cd "$tmp" && apt-get $options -q download busybox-static >log 2>&1) || {
		echo "make-initramfs.sh: cannot download busybox-static for arm64: $(tail -n1 "$tmp/log")" >&2
		rm -rf "$tmp"
		exit 1
	}
	dpkg-deb -x "$tmp"/busybox-static_*.deb "$tmp/root"
	mkdir -p "${busybox%/*}"
	mv "$(find "$tmp/root" -name busybox -type f -perm -1)" "$busybox"
	rm -rf "$tmp"
fi

root=$(mktemp -d "${TMPDIR:-/tmp}/initramfs.XXXXXX")
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,dev,proc,sys,tmp,mnt,etc}
install -m 755 "$busybox" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
install -m 755 "$init" "$root/init"
for f in "$@"; do
	install -D -m 755 "${f%%=*}" "$root/${f#*=}"
done
(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) | gzip -1 >"$out.part"
mv "$out.part" "$out"
