# SPDX-License-Identifier: GPL-2.0-or-later
# All memory is mapped once, and nobody asks the host again.

backend_is() { test "$(stat_of backend)" = "$1"; }
premapped() { test "$(stat_of premapped)" -ge $(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) * 1024)); }

check "the disk is found" load
check "the kernel calculates addresses itself" backend_is range_map
check "of all memory ($(($(stat_of premapped) >> 20)) MiB)" premapped
mount -t ext4 $disk /mnt
check "files on the disk have the right contents" verify
check "all queues busy: what was written is what is read" busy
check "controller reset" sh -c "echo 1 >/sys/class/nvme/nvme0/reset_controller"
check "contents are right after the reset" verify
check "the host was asked for nothing" test "$(stat_of doorbells)" -eq 0 -a "$(stat_of maps)" -eq 0
check "apple_dma cannot be unloaded under a mounted disk" not rmmod apple_dma
umount /mnt
memory=$(ls -d /sys/devices/system/memory/memory[0-9]* 2>/dev/null | tail -n 1)
if [ -n "$memory" ] && [ "$(cat "$memory/online")" = 1 ]; then
	check "memory that is mapped stays online" not sh -c "echo 0 >$memory/online"
fi

echo "$bdf" >$nvme/unbind
check "an unbound driver leaves nothing mapped" test "$(stat_of premapped)" -eq 0
echo "$bdf" >$nvme/bind
check "bound again: the disk is found" wait_for 15 test -b $disk
check "and all memory is mapped again" premapped
echo "$bdf" >$nvme/unbind

echo strict >/sys/module/apple_dma/parameters/mode
echo "$bdf" >$nvme/bind
check "strict: the disk is found" wait_for 15 test -b $disk
check "strict: memory is mapped as it is used" test "$(stat_of premapped)" -eq 0 -a "$(stat_of maps)" -gt 0
check "strict: by other means" not backend_is range_map
echo "$bdf" >$nvme/unbind
echo default >/sys/module/apple_dma/parameters/mode
check "an unknown value is refused" not sh -c "echo maybe >/sys/module/apple_dma/parameters/premap"
echo off >/sys/module/apple_dma/parameters/premap
echo "$bdf" >$nvme/bind
check "premap=off: the disk is found" wait_for 15 test -b $disk
check "premap=off: memory is mapped as it is used" test "$(stat_of premapped)" -eq 0 -a "$(stat_of maps)" -gt 0
check "apple_dma cannot be unloaded under a driver" not rmmod apple_dma
echo "$bdf" >$nvme/unbind
check "apple_dma can be unloaded then" rmmod apple_dma
check_kernel
