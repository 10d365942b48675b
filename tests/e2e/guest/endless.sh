# SPDX-License-Identifier: GPL-2.0-or-later
# Reads and writes until somebody pulls the plug.

check "the disk is found" load
mount -t ext4 $disk /mnt
while :; do dd if=$disk of=/dev/null bs=256k iflag=direct 2>/dev/null; done &
while :; do dd if=/dev/zero of=/mnt/zeros bs=64k count=100 oflag=direct 2>/dev/null; done &
sleep 1
at busy
sleep 600
