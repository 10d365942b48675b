# SPDX-License-Identifier: GPL-2.0-or-later
# The short form: files are read and written correctly.

check "the disk is found" load
mount -t ext4 $disk /mnt
check "files on the disk have the right contents" verify
check "all queues busy: what was written is what is read" busy
check "no mapping failed" test "$(stat_of failures)" -eq 0
umount /mnt
