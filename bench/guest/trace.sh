# SPDX-License-Identifier: GPL-2.0-or-later
# Traces of DMA requests, replayed by the test driver of the dmatest function under every policy.  Around each phase both
# sides' counts are taken when nothing changes any more: idle memory ends on its own.

dmatest=/sys/bus/pci/drivers/dmatest
. /scenarios/host.sh

counters() { echo "$(stat_of maps) $(stat_of unmaps) $(stat_of doorbells) $(stat_of hits) $(stat_of bounced)"; }

# both POLICY: into $now, as both sides have it; the host's is number $asked.
both()
{
	now=$(counters)
	host count "$1"
	while [ "$now" != "$(counters)" ]; do
		now=$(counters)
		host count "$1"
	done
}

# play TRACE POLICY PHASE
play()
{
	both "$2"
	from=$asked was=$now
	line=$(/drive "/traces/$1.trace" "/sys/kernel/debug/dmatest/$bdf/trace" "$3") || return 1
	both "$2"
	set -- "$1" "$2" "$3" $was $now
	echo "@@bench kind=sides policy=$2 at=$1.$3 maps=$((${9} - $4)) unmaps=$((${10} - $5)) from=$from to=$asked"
	echo "@@bench kind=trace trace=$1 policy=$2 phase=$3 $line maps=$((${9} - $4)) unmaps=$((${10} - $5))" \
		"exits=$((${11} - $6)) hits=$((${12} - $7)) bounced=$((${13} - $8)) bytes=$(stat_of bytes)" \
		"live=$(stat_of live) live_peak=$(stat_of live_peak) bytes_peak=$(stat_of bytes_peak)"
}

stty -echo 2>/dev/null
insmod /apple_dma.ko premap=off $(parameter module | tr , ' ')
insmod /dmatest.ko run=0
bdf=$(basename "$(ls -d /sys/kernel/debug/dmatest/*/ | head -n 1)")
for t in $(parameter traces | tr , ' '); do
	for p in $(parameter policies | tr , ' '); do
		echo "$bdf" >$dmatest/unbind
		echo "$p" >/sys/module/apple_dma/parameters/mode
		echo "$bdf" >$dmatest/bind
		limits="bytes_max=$(stat_of bytes_max) live_max=$(stat_of live_max)"
		memory=$(/drive "/traces/$t.trace" "/sys/kernel/debug/dmatest/$bdf/trace" begin) || not_ok "$t: memory for it"
		echo "@@bench kind=trace-begins trace=$t policy=$p $memory $limits"
		first=
		grep -v '^#' "/traces/$t.trace" | sed -n 3p | grep -q '^phase' || first=all
		for phase in $first $(sed -n 's/^phase //p' "/traces/$t.trace"); do
			play "$t" "$p" "$phase" || not_ok "$t under $p: $phase"
		done
	done
done
echo "$bdf" >$dmatest/unbind
check "an unbound driver leaves no mapping" test "$(stat_of live)" -eq 0
check_kernel
