# SPDX-License-Identifier: GPL-2.0-or-later
# A driver that uses every part of the DMA API while the kernel calculates addresses.

# Another device's BAR below what is mapped is not refused then: see docs/guest.md.
insert
insmod /dmatest.ko run=0 resource_must_fail=0
stats=$(echo /sys/kernel/debug/apple_dma/*/*)
check "the kernel calculates addresses itself" grep -q '^backend range_map$' $stats
test=$(echo /sys/kernel/debug/dmatest/*)
for i in 1 2; do
	echo 1 >"$test/run"
	line=$(tail -n 1 "$test/result")
	case $line in
	*PASS*) ok "${line#dmatest: }" ;;
	*) not_ok "${line:-no result}" ;;
	esac
done
check "the host was asked for nothing" grep -q '^doorbells 0$' $stats
rmmod dmatest
check "unloading the driver leaves nothing mapped" grep -q '^premapped 0$' $stats
check_kernel
