# SPDX-License-Identifier: GPL-2.0-or-later
# Memory that was used for DMA a moment ago is taken offline, block by block, and comes back.

blocks()
{
	for b in /sys/devices/system/memory/memory*; do
		[ "$(cat "$b/valid_zones")" = Movable ] && echo "${b##*/}"
	done
}
# all STATE: of every block that can go.
all() { for b in $movable; do echo "$1" >/sys/devices/system/memory/$b/state || return 1; done; }
mib() { echo $(($(stat_of "$1") >> 20)); }

# Applications' memory comes from the blocks that can go, first of all.
reads()
{
	for i in 0 1 2 3; do
		dd if=$disk of=/dev/null bs=8M count=2 skip=$((i * 2)) iflag=direct 2>/dev/null &
	done
	wait
}

# Block by block, for as long as the disk is busy.  Memory in use stays, which is no error.
coming_and_going()
{
	went=0 refused=0
	rm -f /tmp/status
	(busy; echo $? >/tmp/status) &
	until [ -e /tmp/status ]; do
		for b in $movable; do
			if echo offline >/sys/devices/system/memory/$b/state; then
				went=$((went + 1))
				echo online_movable >/sys/devices/system/memory/$b/state
			else
				refused=$((refused + 1))
			fi
		done
	done 2>/dev/null
	wait
}

check "the disk is found" load
movable=$(blocks)
echo "# blocks that can go: $(echo $movable)"
check "some of the memory can go" test -n "$movable"
reads
was=$(mib bytes) unmaps=$(stat_of unmaps)
check "memory stays mapped after its use" test "$was" -ge 16
check "all blocks go offline" all offline
echo "# $was MiB were mapped, $(mib bytes) are; $(($(stat_of unmaps) - unmaps)) mappings were ended"
check "what was mapped of them is not any more" test "$(mib bytes)" -le $((was - 12))
reads
check "all blocks come back" all online_movable
mount -t ext4 $disk /mnt
check "files on the disk have the right contents" verify
coming_and_going
check "while memory goes ($went times; $refused times it was in use) and comes, what is written is what is read" \
	test "$(cat /tmp/status)" = 0
check "it did go" test "$went" -gt 0
umount /mnt
check "and they go again" all offline
check "no request failed" test "$(stat_of failures)" -eq 0
check_kernel
sed 's/^/# /' /sys/kernel/debug/apple_dma/*/"$bdf"
