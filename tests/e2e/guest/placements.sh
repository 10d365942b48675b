# SPDX-License-Identifier: GPL-2.0-or-later
# Files are read and written while the host's calls fail now and then, and after they do no more; in each mode.
# The host turns the failures on and off when it reads "at failing" and "at calm".

io_errors() { dmesg | grep -E 'I/O error|EXT4-fs error|stall'; }

check "the disk is found" load
for mode in default strict; do
	echo "$bdf" >$nvme/unbind
	echo $mode >/sys/module/apple_dma/parameters/mode
	echo "$bdf" >$nvme/bind
	check "$mode: the disk is found again" wait_for 15 test -b $disk
	check "$mode: it is mounted" mount -t ext4 $disk /mnt
	at "failing $mode"
	sleep 1
	check "$mode: while host calls fail, what is written is what is read" busy
	at "calm $mode"
	sleep 1
	check "$mode: when they fail no more, files have the right contents" verify
	check "$mode: and what is written is what is read" busy
	umount /mnt
	sed "s/^/# $mode: /" /sys/kernel/debug/apple_dma/*/"$bdf"
done
check_kernel
check "no request has failed in the end, and no CPU stalled" not io_errors
echo "$bdf" >$nvme/unbind
check "without a driver nothing is mapped" test "$(stat_of live)" -eq 0 -a "$(stat_of bytes)" -eq 0
