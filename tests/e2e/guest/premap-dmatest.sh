# SPDX-License-Identifier: GPL-2.0-or-later
# A driver that uses every part of the DMA API while the kernel calculates addresses.

# The test maps a BAR above what is mapped, which must be refused.
insert
insmod /dmatest.ko run=0
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
# dma-direct warns, once, of the BAR that it refused.
check "the BAR was refused by the kernel" sh -c "dmesg | grep -q 'WARNING: .* dma_direct_map_resource'"
check "and of nothing else it has complained" test "$(complaints | grep -c WARNING)" -eq 1
