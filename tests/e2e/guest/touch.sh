# SPDX-License-Identifier: GPL-2.0-or-later
# Most of the budget is in use.  Pages that do not lie together are used once, twice, and then again.

pages=128

# run TEST: of the driver's.
run()
{
	echo "$1" >/sys/module/dmatest/parameters/only
	echo 1 >/sys/kernel/debug/dmatest/$function/run
}

# touch_again: each page once; by how much these rose meanwhile.
touch_again()
{
	bounced=$(stat_at "$function" bounced) maps=$(stat_at "$function" maps) doorbells=$(stat_at "$function" doorbells)
	hits=$(stat_at "$function" hits)
	check "$1: every page has what the device wrote" run touch
	bounced=$(($(stat_at "$function" bounced) - bounced)) maps=$(($(stat_at "$function" maps) - maps))
	doorbells=$(($(stat_at "$function" doorbells) - doorbells)) hits=$(($(stat_at "$function" hits) - hits))
	echo "# $1: of $pages pages $bounced were copied, $hits found mapped; $maps new mappings, host asked $doorbells times"
}

insert
function=$(ls /sys/kernel/debug/apple_dma/*/)
insmod /dmatest.ko run=0 hold_mb=20 touch_pages=$pages
check "most of the budget is in use" run hold
touch_again "first time"
check "first time: they are copied" test "$bounced" -eq $pages
check "first time: the host is not asked" test "$doorbells" -le 4
touch_again "second time"
check "second time: they are mapped" test "$maps" -ge $((pages * 9 / 10)) -a "$bounced" -le $((pages / 10))
touch_again "third time"
check "third time: they are mapped already" test "$hits" -ge $((pages * 9 / 10)) -a "$maps" -le $((pages / 10))
check "nothing failed" test "$(stat_at "$function" failures)" -eq 0 -a "$(stat_at "$function" bounce_refusals)" -eq 0
check_kernel
rmmod dmatest
check "unloading the driver leaves no mapping" test "$(stat_at "$function" live)" -eq 0
sed 's/^/# /' /sys/kernel/debug/apple_dma/*/"$function"
