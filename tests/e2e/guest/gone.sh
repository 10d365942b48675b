# SPDX-License-Identifier: GPL-2.0-or-later
# The cable is pulled in the middle of I/O.

check "the disk is found" load
mount -t ext4 $disk /mnt
while dd if=$disk of=/dev/null bs=64k iflag=direct 2>/dev/null; do :; done &
(while dd if=/dev/zero of=/mnt/zeros bs=64k count=100 oflag=direct 2>/dev/null; do :; done) &
sleep 1
at busy
check "the device disappears from the guest" wait_for 40 test ! -e "/sys/bus/pci/devices/$bdf"
check "reading ends with an error" not timeout 20 cat /mnt/files/d00/*
check "nothing is managed any more" test -z "$(ls /sys/kernel/debug/apple_dma/*/)"
check "apple_dma can be unloaded" rmmod apple_dma
check "the kernel has not complained" not sh -c "dmesg | grep -E 'WARNING:|BUG:|Unable to handle'"
