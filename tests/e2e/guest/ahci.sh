# SPDX-License-Identifier: GPL-2.0-or-later
# A SATA disk behind a passed-through AHCI controller, driven by Debian's ahci, libata and sd_mod.

disk=/dev/sda
driver=/sys/bus/pci/drivers/ahci
for d in /sys/bus/pci/devices/*; do
	[ "$(cat "$d/class")" = 0x010601 ] && bdf=${d##*/}
done
there() { wait_for 30 test -b $disk; }

mode=$(parameter apple_dma.mode) count=2000
[ -z "$mode" ] || count=300
insert
check "Debian's drivers load" drivers ahci sd_mod
check "the disk is found" there
check "with native command queueing" test "$(cat /sys/block/sda/device/queue_depth)" -ge 31
mount -t ext4 $disk /mnt
check "files on the disk have the right contents" verify
check "all at once: what was written is what is read" busy

# Direct reads into buffers of many pages, here and there in memory.
reads() { awk '{ print $1 }' /sys/block/sda/stat; }
large() { dd if=$disk of=/dev/null bs=512k count=64 iflag=direct 2>/dev/null; }
small() { dd if=$disk of=/dev/null bs=4k count="$count" iflag=direct 2>/dev/null; }
small
maps=$(stat_of maps) was=$(reads)
small
maps=$(($(stat_of maps) - maps)) moved=$(($(reads) - was))
echo "# $moved reads of 4 KiB, $maps mappings at the host"
if [ -z "$mode" ]; then
	check "reads of 4 KiB into a buffer that is mapped map nearly nothing ($maps for $moved)" test $((maps * 100)) -le "$moved"
fi
check "reads of 512 KiB, each into pages anywhere in memory" large

check "the port is reset amid reads" sh -c "dd if=$disk of=/dev/null bs=256k count=60 iflag=direct 2>/dev/null & sleep 0.2; echo '- - -' >/sys/class/scsi_host/host0/scan; wait \$!"
check "contents are right after that" verify
umount /mnt
# Nobody writes the disk now, so both must see the same.
drop_caches
dd if=$disk of=/tmp/plain bs=512k count=16 2>/dev/null
dd if=$disk of=/tmp/direct bs=512k count=16 iflag=direct 2>/dev/null
check "direct reads see what cached ones see" cmp /tmp/plain /tmp/direct
rm -f /tmp/plain /tmp/direct
check "no mapping failed" test "$(stat_of failures)" -eq 0

rebind()
{
	echo "$bdf" >$driver/unbind
	[ "$(stat_of live)" -eq 0 ] || return 1
	echo "$bdf" >$driver/bind
	there
}
check "an unbound driver leaves no mapping, and the disk is found again" rebind
mount -t ext4 $disk /mnt
check "contents are right after that" verify
umount /mnt
echo "$bdf" >$driver/unbind
check "an unbound driver leaves no mapping" test "$(stat_of live)" -eq 0
check "the kernel has not complained" not sh -c "dmesg | grep -E 'WARNING:|BUG:|Call trace|DMA-API|ata[0-9.]*: (failed|exception|limiting)|I/O error'"
cat /sys/kernel/debug/apple_dma/*/"$bdf" | sed 's/^/# /'
