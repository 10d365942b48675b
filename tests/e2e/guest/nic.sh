# SPDX-License-Identifier: GPL-2.0-or-later
# Two network functions with a cable between them, driven by Debian's ixgbevf; the guest talks to itself through both.
# The right one lives in a network namespace of its own, so that the kernel has no shorter way.

driver=/sys/bus/pci/drivers/ixgbevf
megabytes=$(parameter megabytes)
for d in /sys/bus/pci/devices/*; do
	[ "$(cat "$d/vendor")" = 0x8086 ] && nics="$nics ${d##*/}"
done
set -- $nics
left=$1 right=$2

# Sums over both functions.
stats() { cat /sys/kernel/debug/apple_dma/*/"$left" /sys/kernel/debug/apple_dma/*/"$right" | awk -v k="$1" '$1 == k { n += $2 } END { print n + 0 }'; }
counter() { cat /sys/class/net/eth0/statistics/"$1"; }
# Both ends send what the other receives.
packets() { echo $((2 * ($(counter rx_packets) + $(counter tx_packets)))); }

inside() { nsenter -n/proc/$namespace/ns/net "$@"; }

connect()
{
	wait_for 10 test -d /sys/class/net/eth0 -a -d /sys/class/net/eth1 || return 1
	# The function's, not the probe's order, tells which is which.
	[ -d /sys/bus/pci/devices/"$left"/net/eth0 ] || {
		ip link set eth0 name swap && ip link set eth1 name eth0 && ip link set swap name eth1
	}
	ip link set eth1 netns "$namespace" &&
		ip addr add 10.0.0.1/24 dev eth0 && ip link set eth0 up &&
		inside ip addr add 10.0.0.2/24 dev eth1 && inside ip link set eth1 up &&
		wait_for 20 ping -c 1 -W 1 10.0.0.2
}

# A file over TCP; where it arrives it is compared.
fetch()
{
	rm -f /tmp/arrived
	timeout 100 "$@" && cmp /tmp/sent /tmp/arrived
}
there() { fetch nsenter -n/proc/$namespace/ns/net wget -q -O /tmp/arrived http://10.0.0.1:5000/sent; }
back() { fetch wget -q -O /tmp/arrived http://10.0.0.2:5000/sent; }

mode=$(parameter apple_dma.mode)
insert
unshare -n sleep 100000 &
namespace=$!
sleep 0.2
check "Debian's driver loads" drivers ixgbevf
check "both ends come up and reach each other" connect
check "in mode ${mode:-default}" test "$(stat_at "$left" mode)" = "${mode:-default}"
head -c ${megabytes:-16}000000 /dev/urandom >/tmp/sent
httpd -p 5000 -h /tmp
inside httpd -p 5000 -h /tmp

check "TCP there: what arrives is what was sent" there
check "TCP back" back
# A small file again and again: what is sent lies where it lay before, and received is into buffers that stay mapped.
head -c 1000000 /tmp/sent >/tmp/small
again()
{
	for i in $(seq "$1"); do
		inside timeout 30 wget -q -O /dev/null http://10.0.0.1:5000/small || return 1
		timeout 30 wget -q -O /dev/null http://10.0.0.2:5000/small || return 1
	done
}
check "a small file three times each way" again 3
maps=$(stats maps) was=$(packets) seconds=$(cut -d. -f1 /proc/uptime)
check "and eight times more" again 8
maps=$(($(stats maps) - maps)) moved=$(($(packets) - was))
echo "# $moved packets in $(($(cut -d. -f1 /proc/uptime) - seconds)) s, $maps mappings at the host"
if [ -z "$mode" ]; then
	check "once warm, at most one mapping at the host per 100 packets ($maps for $moved)" test $((maps * 100)) -le "$moved" -a "$moved" -gt 1000
fi
check "small packets, one at a time" ping -A -q -c 500 10.0.0.2
check "packets of every length around a fragment" sh -c 'for s in 1 17 18 100 1471 1472 1473 2000 8000 20000; do ping -q -c 2 -W 5 -s $s 10.0.0.2 || exit 1; done'
check "no checksum was wrong" test "$(awk '/^Tcp:/ { n = $16 } END { print n }' /proc/net/snmp)" -eq 0
check "no packet was lost in the device" test "$(counter rx_errors)" -eq 0 -a "$(counter tx_errors)" -eq 0
check "no mapping failed" test "$(stats failures)" -eq 0

down() { ip link set eth0 down && inside ip link set eth1 down; }
up() { ip link set eth0 up && inside ip link set eth1 up && wait_for 20 ping -c 1 -W 1 10.0.0.2; }
check "both ends down" down
check "and up again" up
check "TCP after that" there

# Down, because the driver is not told of a reset: were it to read a register meanwhile, it would take the function for gone.
check "both ends down once more" down
check "function-level reset" sh -c "echo 1 >/sys/bus/pci/devices/$left/reset"
check "and up again" up
check "TCP after that" back

rebind()
{
	echo "$left" >$driver/unbind && echo "$right" >$driver/unbind || return 1
	[ "$(stats live)" -eq 0 ] || return 1
	echo "$left" >$driver/bind && echo "$right" >$driver/bind && connect
}
check "an unbound driver leaves no mapping, and both ends come up again" rebind
check "TCP after that" there
rmmod ixgbevf
check "an unloaded driver leaves no mapping" test "$(stats live)" -eq 0
check "the kernel has not complained" not sh -c "dmesg | grep -E 'WARNING:|BUG:|Call trace|DMA-API|Tx timeout|ixgbevf.*(fail|error|Hang)'"
cat /sys/kernel/debug/apple_dma/*/* | sed 's/^/# /'
kill $namespace
