# SPDX-License-Identifier: GPL-2.0-or-later
# A disk read through the page cache, by a host that cannot map as much as the guest has memory: first what fits, again
# and again, then more than fits.

policies=$(parameter policies | tr , ' ') below=$(parameter below) above=$(parameter above) rounds=$(parameter rounds)

counters() { echo "$(stat_of maps) $(stat_of unmaps) $(stat_of doorbells) $(stat_of requests) $(stat_of failures)"; }
centiseconds() { awk '{ printf "%d", $1 * 100 }' /proc/uptime; }

# measure POLICY WHICH MIB AT
measure()
{
	drop_caches
	set -- "$@" $(counters) $(centiseconds)
	was=$(stat_of bounced)
	dd if=$disk of=/dev/null bs=1M count=$3 2>/dev/null || not_ok "reading under $1"
	set -- "$@" $(counters) $(centiseconds)
	echo "@@bench kind=stream policy=$1 which=$2 mib=$3 at=$4 maps=$((${11} - $5)) unmaps=$((${12} - $6))" \
		"exits=$((${13} - $7)) requests=$((${14} - $8)) failures=$((${15} - $9)) us=$(((${16} - ${10}) * 10000))" \
		"bounced=${was:+$(($(stat_of bounced) - was))}"
}

insmod /apple_dma.ko premap=off $(parameter module | tr , ' ')
check "the disk is found" wait_for 15 test -b $disk
blockdev --setra 1024 $disk 2>/dev/null || echo 512 >/sys/block/nvme0n1/queue/read_ahead_kb
lap=0
while [ $lap -lt $rounds ]; do
	lap=$((lap + 1)) there='' back=''
	for p in $policies; do
		there="$there $p" back="$p $back"
	done
	for p in $there $back; do
		echo "$bdf" >$nvme/unbind
		echo "$p" >/sys/module/apple_dma/parameters/mode
		echo "$bdf" >$nvme/bind
		wait_for 15 test -b $disk || continue
		echo 512 >/sys/block/nvme0n1/queue/read_ahead_kb
		for which in cold warm warm; do
			measure "$p" "below-$which" "$below" $lap
		done
		measure "$p" above "$above" $lap
	done
done
echo "$bdf" >$nvme/unbind
check "an unbound driver leaves no mapping" test "$(stat_of live)" -eq 0
