# SPDX-License-Identifier: GPL-2.0-or-later
# The budget is far smaller than what reading through the page cache touches.

scan()
{
	for i in 1 2 3; do
		drop_caches
		dd if=$disk of=/dev/null bs=1M || return 1
	done
}

# The same sectors over and over into the same buffers, for as long as the file /tmp/hot is there.
hot()
{
	touch /tmp/hot
	while [ -e /tmp/hot ]; do
		dd if=$disk of=/dev/null bs=64k count=400 iflag=direct
	done
}

seconds() { cut -d. -f1 /proc/uptime; }

# calls_of NAME COMMAND...: how often the host is asked meanwhile, per 1,000 pages of the disk's size, thrice.
calls_of()
{
	name=$1
	shift
	was=$(stat_of doorbells) copied=$(stat_of bounced_bytes) began=$(seconds)
	check "$name: everything is read" "$@"
	took=$(($(seconds) - began))
	rose=$(($(stat_of doorbells) - was))
	pages=$((mib * 256 * 3))
	copied=$((($(stat_of bounced_bytes) - copied) >> 12))
	per_mille=$((rose * 1000 / pages))
	echo "# $name: $pages pages read in $took s, $copied copied, host asked $rose times: $per_mille per 1,000 pages"
}

# What is idle for 10 s is unmapped, and then there is room for 20 MiB, in requests of 128 KiB: that much is mapped again.
hardly_asked()
{
	check "$1: the host is hardly asked" test "$rose" -lt $((pages / 100 + 320 + took * 30))
}

# again MODE MB: the driver starts anew with these settings.
again()
{
	echo "$bdf" >$nvme/unbind
	echo "$1" >/sys/module/apple_dma/parameters/mode
	echo "$2" >/sys/module/apple_dma/parameters/bounce_mb
	echo "$bdf" >$nvme/bind
	wait_for 15 test -b $disk
}

contents()
{
	mount -t ext4 $disk /mnt
	check "$1: files on the disk have the right contents" verify
	check "$1: what was written is what is read" busy
	umount /mnt
}

no_failures()
{
	check "$1: no request failed" test "$(stat_of failures)" -eq 0 -a "$(stat_of bounce_refusals)" -eq 0
	check "$1: the kernel has not complained" not sh -c "dmesg | grep -E 'WARNING:|BUG:|Call trace|I/O error'"
}

check "the disk is found" load
mib=$(($(cat /sys/block/nvme0n1/size) / 2048))
check "a request of any size can be copied: at most $(cat /sys/block/nvme0n1/queue/max_hw_sectors_kb) KiB" \
	test "$(cat /sys/block/nvme0n1/queue/max_hw_sectors_kb)" -le $(($(stat_of bounce_size) / 4096))
contents default
calls_of "default" scan
hardly_asked default
# What is used again and again is mapped, and stays so beside the scan.
hot 2>/dev/null &
sleep 1
requests=$(stat_of requests) misses=$(stat_of misses)
calls_of "beside a hot set" scan
rm -f /tmp/hot
wait
requests=$(($(stat_of requests) - requests)) misses=$(($(stat_of misses) - misses))
echo "# beside a hot set: $requests requests to map, $misses of them not mapped yet"
check "a hot set stays mapped beside a scan" test $((misses * 4)) -lt "$requests"
contents "default, again"
no_failures default

again default 0
check "without bounce buffers there are none" test "$(stat_of bounce_size)" -eq 0
calls_of "without bounce buffers" scan
contents "without bounce buffers"

again strict -1
check "strict: the mode is set" test "$(stat_of mode)" = strict
contents strict
no_failures strict
check "strict: nothing is idle" test "$(stat_of bytes_idle)" -eq 0

echo "$bdf" >$nvme/unbind
check "an unbound driver leaves no mapping and no bounce buffer" \
	test "$(stat_of live)" -eq 0 -a "$(stat_of bounce_used)" -eq 0 -a "$(stat_of coherent_chunks)" -eq 0
check "every mapping was ended" test "$(stat_of maps)" -eq "$(stat_of unmaps)"
sed 's/^/# /' /sys/kernel/debug/apple_dma/*/"$bdf"
