# SPDX-License-Identifier: GPL-2.0-or-later
# A driver that uses every part of the DMA API, on two functions of one companion.

insert
check "both functions are managed" test "$(ls /sys/kernel/debug/apple_dma/*/ | wc -l)" -eq 2
exhaust=$(sed -n 's/.*\<exhaust=\([0-9]*\).*/\1/p' /proc/cmdline)
insmod /dmatest.ko run=0 exhaust_mb=${exhaust:-0}
check "both functions have their driver" test "$(ls -d /sys/kernel/debug/dmatest/*/ | wc -l)" -eq 2

check "requests reach the module by $backend" test "$(cat /sys/kernel/debug/apple_dma/*/* | grep -c "^backend $backend$")" -eq 2

# result_of FOLDER: its line, as a result of ours.
result_of()
{
	line=$(tail -n 1 "$1/result")
	case $line in
	*PASS*) ok "$2: ${line#dmatest: }" ;;
	*) not_ok "$2: ${line:-no result}" ;;
	esac
}

for d in /sys/kernel/debug/dmatest/*/; do
	echo 1 >"$d/run"
	result_of "$d" "one at a time"
done
for d in /sys/kernel/debug/dmatest/*/; do
	echo 1 >"$d/run" &
done
wait
for d in /sys/kernel/debug/dmatest/*/; do
	result_of "$d" "both at once"
done
dmesg | grep -E 'WARNING|BUG|dmatest.*(fail|FAIL|instead|aligned)' | head -n 20 | sed 's/^/# /'
check_kernel
if [ -n "$exhaust" ]; then
	check "what the host cannot map was refused" test "$(cat /sys/kernel/debug/apple_dma/*/* | grep -c '^failures [1-9]')" -eq 2
fi
no_mapping() { test "$(cat /sys/kernel/debug/apple_dma/*/* | grep -c '^live 0$')" -eq 2; }

rmmod dmatest
check "unloading the driver leaves no mapping" no_mapping
cat /sys/kernel/debug/apple_dma/*/* | sed 's/^/# /'

# The same when every unmap is the end of a mapping.
echo strict >/sys/module/apple_dma/parameters/mode
insmod /dmatest.ko run=0 exhaust_mb=${exhaust:-0}
for d in /sys/kernel/debug/dmatest/*/; do
	echo 1 >"$d/run"
	result_of "$d" "strict"
done
check "strict: nothing is idle" test "$(cat /sys/kernel/debug/apple_dma/*/* | grep -cE '^(mode strict|bytes_idle 0)$')" -eq 4
check_kernel
rmmod dmatest
check "strict: unloading the driver leaves no mapping" no_mapping
cat /sys/kernel/debug/apple_dma/*/* | sed 's/^/# /'
