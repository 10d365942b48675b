# SPDX-License-Identifier: GPL-2.0-or-later
# The root file system is on the passed-through disk.

check "the disk is found" load
mount -t ext4 $disk /mnt
umount /sys/kernel/debug
mount --move /dev /mnt/dev
mount --move /sys /mnt/sys
mount --move /proc /mnt/proc
exec switch_root /mnt /sbin/init
