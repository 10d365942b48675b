# SPDX-License-Identifier: GPL-2.0-or-later
# A folder of the host is a read-only volume here.
seed=/dev/vda1
check "there is a volume" wait_for 15 test -b $seed
check "its label is CIDATA" sh -c "blkid $seed | grep 'LABEL=\"CIDATA\"'"
check "user-data is in it" grep -q user-data-of-the-test $seed
check "meta-data is in it" grep -q seed-of-the-test $seed
check "it cannot be written" not dd if=/dev/zero of=$seed bs=512 count=1 conv=fsync
