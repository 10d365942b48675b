# SPDX-License-Identifier: GPL-2.0-or-later
# A folder of the host is a read-only volume here.
seed=/dev/vda1
insmod /virtio_blk.ko
check "there is a volume" wait_for 15 test -b $seed
# Where blkid finds it: the boot sector of FAT16.
check "its label is CIDATA" test "$(dd if=$seed bs=1 skip=43 count=11 2>/dev/null)" = "CIDATA     "
check "user-data is in it" grep -q user-data-of-the-test $seed
check "meta-data is in it" grep -q seed-of-the-test $seed
check "it is read-only" test "$(cat /sys/block/vda/ro)" = 1
