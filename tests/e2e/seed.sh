#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The guest sees the folder given with --seed as cloud-init wants it.
. "$(dirname "$0")/lib.sh"

if ! "$VFIO_APPLE_QEMU" -M none -nodefaults -display none -monitor none -S -daemonize -pidfile "$tmp/pid" \
	-blockdev "driver=vvfat,node-name=seed,dir=$tmp,read-only=on" >"$tmp/log" 2>&1; then
	echo "ok 1 - the seed reaches the guest # SKIP this QEMU was built without vvfat ($(tail -n 1 "$tmp/log"))"
	echo 1..1
	exit 0
fi
kill "$(cat "$tmp/pid")"
mkdir "$tmp/seed"
echo "instance-id: seed-of-the-test" >"$tmp/seed/meta-data"
printf '#cloud-config\n# %s\n' "user-data-of-the-test" >"$tmp/seed/user-data"
# The driver of virtio disks is a module in Debian's kernel.  An initramfs may consist of several archives; those that are
# not compressed have to begin at a multiple of 4 bytes.
mkdir "$tmp/more"
xz -dc "$B/kernels/6.12/modules/kernel/drivers/block/virtio_blk.ko.xz" >"$tmp/more/virtio_blk.ko"
(cd "$tmp/more" && echo virtio_blk.ko | cpio -o -H newc --quiet) >"$tmp/initramfs"
cat "$B/guest/6.12/initramfs.gz" >>"$tmp/initramfs"
MACSIM_DISK=$(new_disk) run_vm 60 6.12 seed nvme -- --initrd "$tmp/initramfs" --seed "$tmp/seed"
done_testing
