# SPDX-License-Identifier: GPL-2.0-or-later
# Two functions behind one DART.  The first keeps more mapped than its half, much of it without use; the second asks for
# memory up to its own half.

insert
set -- $(ls /sys/kernel/debug/apple_dma/*/)
check "both functions are managed" test $# -eq 2
first=$1 second=$2

# run FUNCTION TEST MB: of the driver's, with that much memory.
run()
{
	echo "$2" >/sys/module/dmatest/parameters/only
	echo "$3" >/sys/module/dmatest/parameters/hold_mb
	echo 1 >/sys/kernel/debug/dmatest/$1/run
}

state() { echo "# $1: first has $(stat_at $first bytes) bytes, $(stat_at $first bytes_idle) of them idle, second $(stat_at $second bytes)"; }

insmod /dmatest.ko run=0 exhaust_mb=28
check "the first uses 16 MiB" run $first hold 16
check "and 28 MiB more for a moment" run $first exhaust 0
state "before"
was=$(stat_at $first bytes) idle=$(stat_at $first bytes_idle) evicted=$(stat_at $first evictions)
check "what it keeps idle is more than there is room left" test $((was + 20 * 1048576)) -gt $((64 * 1048576))
check "the second gets 20 MiB" run $second hold 20
state "after"
check "the first has given memory back: $(($(stat_at $first evictions) - evicted)) mappings" \
	test "$(stat_at $first evictions)" -gt "$evicted" -a "$(stat_at $first bytes)" -lt "$was"
check "the first works as before" run $first single 0
check "the second, too" run $second single 0
for f in $first $second; do
	check "$f: its driver has seen no error" test "$(stat_at $f failures)" -eq 0
done
check_kernel
rmmod dmatest
for f in $first $second; do
	check "$f: unloading the driver leaves no mapping" test "$(stat_at $f live)" -eq 0
	sed 's/^/# /' /sys/kernel/debug/apple_dma/*/$f
done
