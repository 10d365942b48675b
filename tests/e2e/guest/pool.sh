# SPDX-License-Identifier: GPL-2.0-or-later
# I/O over a fixed pool of buffers: how often is the host asked?

reads() { awk '{ print $1 }' /sys/block/nvme0n1/stat; }

# rise COUNTER COMMAND...: in $rose, by how much the counter rises meanwhile; in $done, the reads.
rise()
{
	counter=$1
	shift
	was=$(stat_of "$counter") reads_was=$(reads)
	"$@" 2>/dev/null
	rose=$(($(stat_of "$counter") - was)) done=$(($(reads) - reads_was))
	echo "# $* in mode $(stat_of mode): $done reads, $counter rose by $rose"
}

small() { dd if=$disk of=/dev/null bs=4k count=6000 iflag=direct; }
large() { dd if=$disk of=/dev/null bs=256k count=400 iflag=direct; }

check "the disk is found" load
check "memory stays mapped by default" test "$(stat_of mode)" = default
small 2>/dev/null
rise doorbells small
check "4 KiB reads of a fixed pool ask the host at most once per 1,000" test $((rose * 1000)) -le "$done"
# Every run has a buffer of its own, of 64 pages anywhere in memory.
rise maps large
check "a large buffer, scattered over memory, is mapped once, in few mappings" test "$rose" -le 10
rise bytes large
check "and nothing piles up but the buffer" test "$rose" -le $((70 * 16384))
check "no mapping failed" test "$(stat_of failures)" -eq 0
used=$(stat_of live_used)
check "what is idle is unmapped after some seconds" wait_for 30 sh -c "test \$(sed -n 's/^live //p' /sys/kernel/debug/apple_dma/*/$bdf) -le $((used + 2))"

echo "$bdf" >$nvme/unbind
check "an unbound driver leaves no mapping" test "$(stat_of live)" -eq 0 -a "$(stat_of bytes)" -eq 0
check "an unknown mode is refused" not sh -c "echo lazy >/sys/module/apple_dma/parameters/mode"
check "the mode can be changed" sh -c "echo strict >/sys/module/apple_dma/parameters/mode"
echo "$bdf" >$nvme/bind
check "the disk is found again" wait_for 15 test -b $disk
check "in mode strict" test "$(stat_of mode)" = strict
rise unmaps small
check "memory is unmapped when a read is done" test "$rose" -ge "$done"
check "and none is idle" test "$(stat_of bytes_idle)" -eq 0
echo "$bdf" >$nvme/unbind
check "an unbound driver leaves no mapping in this mode either" test "$(stat_of live)" -eq 0
check "every mapping was ended" test "$(stat_of maps)" -eq "$(stat_of unmaps)"
echo "# maps $(stat_of maps)"
