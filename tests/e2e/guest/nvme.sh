# SPDX-License-Identifier: GPL-2.0-or-later
# The built-in driver comes too early; then load, use, reset, unload, reload, and a reboot in the middle of writing.

early_seconds=$(cut -d. -f1 /proc/uptime)
early_bound=$(ls -d $nvme/"$bdf" $disk 2>/dev/null)

if ! load; then
	not_ok "the driver is probed again once apple_dma is there"
	dmesg | tail -n 40
	return
fi
mount -t ext4 $disk /mnt
if [ -e /mnt/rebooted ]; then
	check "after a reboot amid writes the disk works and holds what it held" verify
	umount /mnt
	check "and the file system is clean" mount -t ext4 $disk /mnt
	umount /mnt
	check_kernel
	return
fi

ok "the driver is probed again once apple_dma is there"
check "before that, its probe failed within seconds ($early_seconds s)" test "$early_seconds" -lt 30 -a -z "$early_bound"
check "files on the disk have the right contents" verify
check "all queues busy: what was written is what is read" busy
check "four I/O queues are in use" sh -c 'test $(ls -d /sys/block/nvme0n1/mq/* | wc -l) -eq 4'
check "requests within one frame share a mapping" test "$(stat_of hits)" -gt 0
check "no mapping failed" test "$(stat_of failures)" -eq 0
check "requests reach the module by $backend" test "$(stat_of backend)" = "$backend"
if [ "$backend" = redirect ]; then
	check "redirecting cannot be switched off" not sh -c "echo 0 >/proc/sys/kernel/ftrace_enabled"
fi

# The driver holds its queues beyond the end of the call, which lockdep takes amiss, and then sees nothing any more.
if [ ! -e /proc/lockdep_stats ]; then
	check "function-level reset through the driver" sh -c "echo 1 >/sys/bus/pci/devices/$bdf/reset"
	check "contents are right after the reset" verify
fi
check "controller reset" sh -c "echo 1 >/sys/class/nvme/nvme0/reset_controller"
check "all queues busy after the resets" busy

check "apple_dma cannot be unloaded under a mounted disk" not rmmod apple_dma
umount /mnt
echo "$bdf" >$nvme/unbind
check "an unbound driver leaves no mapping" test "$(stat_of live)" -eq 0
check "apple_dma can be unloaded then" rmmod apple_dma
check "no driver is bound without apple_dma" not sh -c "echo $bdf >$nvme/bind"
check "reloaded: the driver is probed again by itself" load
check "the disk can be mounted again" mount -t ext4 $disk /mnt
check "contents are right after the reload" verify
check_kernel

touch /mnt/rebooted
sync
(head -c 50000000 /dev/urandom >/mnt/unfinished) &
dd if=$disk of=/dev/null bs=64k iflag=direct 2>/dev/null &
sleep 0.5
at reboot
reboot -f
sleep 60
