# SPDX-License-Identifier: GPL-2.0-or-later
# A driver that uses every part of the DMA API, on two functions of one companion.

insert
check "both functions are managed" test "$(ls /sys/kernel/debug/apple_dma/*/ | wc -l)" -eq 2
exhaust=$(sed -n 's/.*\<exhaust=\([0-9]*\).*/\1/p' /proc/cmdline)
insmod /dmatest.ko run=0 align_kb=2048 exhaust_mb=${exhaust:-0}
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
# both PATTERN: a line of both functions' statistics is like that.
both() { test "$(cat /sys/kernel/debug/apple_dma/*/* | grep -cE "^($1)\$")" -eq 2; }
# sum KEY: of both.
sum() { cat /sys/kernel/debug/apple_dma/*/* | awk -v key="$1" '$1 == key { n += $2 } END { print n }'; }

if [ -n "$exhaust" ]; then
	check "what the host cannot map was copied" both 'bounced [1-9][0-9]*'
	check "until there was no room for that either, and then refused" both 'bounce_refusals [1-9][0-9]*'
	check "what must not be copied was refused" both 'failures [1-9][0-9]*'
else
	check "nothing was copied while there was room" both 'bounced 0'
	check "nothing failed" both 'failures 0'
fi
check "no copy is left" both 'bounce_used 0'
# From chunks of 2 MiB.
echo coherent_many >/sys/module/dmatest/parameters/only
before=$(sum maps)
for d in /sys/kernel/debug/dmatest/*/; do
	echo 1 >"$d/run"
	result_of "$d" "many allocations"
done
check "many allocations share few mappings: $(($(sum maps) - before)) new ones for both" test $(($(sum maps) - before)) -le 10
# With all of the window in use there may be no aligned place.
[ -n "$exhaust" ] || check "all IOVAs were aligned as promised" both 'coherent_misaligned 0'
echo >/sys/module/dmatest/parameters/only
no_mapping() { both 'live 0'; }

rmmod dmatest
check "unloading the driver leaves no mapping" no_mapping
check "and no chunk of memory" both 'coherent_chunks 0'
cat /sys/kernel/debug/apple_dma/*/* | sed 's/^/# /'

# The same when every unmap is the end of a mapping.
echo strict >/sys/module/apple_dma/parameters/mode
insmod /dmatest.ko run=0 align_kb=2048 exhaust_mb=${exhaust:-0}
for d in /sys/kernel/debug/dmatest/*/; do
	echo 1 >"$d/run"
	result_of "$d" "strict"
done
check "strict: nothing is idle" test "$(cat /sys/kernel/debug/apple_dma/*/* | grep -cE '^(mode strict|bytes_idle 0)$')" -eq 4
check_kernel
rmmod dmatest
check "strict: unloading the driver leaves no mapping" no_mapping
cat /sys/kernel/debug/apple_dma/*/* | sed 's/^/# /'
