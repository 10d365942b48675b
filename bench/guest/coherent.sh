# SPDX-License-Identifier: GPL-2.0-or-later
# Memory that the DMA API allocates, taken and given back again and again by the test driver: does the host hear of it?

counters() { echo "$(stat_of maps) $(stat_of unmaps) $(stat_of doorbells)"; }

insmod /apple_dma.ko premap=off $(parameter module | tr , ' ')
insmod /dmatest.ko run=0 only=coherent
dmatest=/sys/bus/pci/drivers/dmatest
bdf=$(basename "$(ls -d /sys/kernel/debug/dmatest/*/ | head -n 1)")
for p in $(parameter policies | tr , ' '); do
	echo "$bdf" >$dmatest/unbind
	echo "$p" >/sys/module/apple_dma/parameters/mode
	echo "$bdf" >$dmatest/bind
	for phase in cold steady; do
		set -- $(counters)
		rounds=0
		while [ $rounds -lt 10 ]; do
			rounds=$((rounds + 1))
			echo 1 >"/sys/kernel/debug/dmatest/$bdf/run" || not_ok "$p: dmatest"
			[ $phase = steady ] || break
		done
		set -- "$@" $(counters)
		echo "@@bench kind=coherent policy=$p phase=$phase rounds=$rounds maps=$(($4 - $1)) unmaps=$(($5 - $2)) exits=$(($6 - $3))"
	done
done
