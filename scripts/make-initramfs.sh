#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Make an initramfs: busybox, an /init, and files.
#
#   scripts/make-initramfs.sh OUT BUSYBOX INIT [FILE=/PATH/IN/GUEST]...
#
# Needs no root and no device nodes: the kernel brings /dev/console, /init mounts devtmpfs.
set -eu -o pipefail

out=$(realpath -m "$1") busybox=$2 init=$3
shift 3
root=$(mktemp -d "${TMPDIR:-/tmp}/initramfs.XXXXXX")
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
mkdir -p "$root"/{bin,dev,proc,sys,tmp,mnt,etc}
install -m 755 "$busybox" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
install -m 755 "$init" "$root/init"
for f in "$@"; do
	install -D -m 755 "${f%%=*}" "$root/${f#*=}"
done
(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) | gzip -1 >"$out.part"
mv "$out.part" "$out"
