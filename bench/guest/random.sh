# SPDX-License-Identifier: GPL-2.0-or-later
# Random 4 KiB reads under every policy, in one boot: there and back through the list of policies (A B B A), so that
# whatever drifts drifts for all of them.  The host changes what one of its calls costs in between.

. /scenarios/host.sh
rounds=$(parameter rounds) costs=$(parameter costs | tr , ' ') depths=$(parameter depths | tr , ' ') reads=$(parameter reads)
policies=$(parameter policies | tr , ' ')

# bind POLICY: the disk's driver is probed again under it.  identity is the kernel's own arithmetic, as all memory fits.
bind()
{
	mode=$1 premap=off backend=ops
	[ "$1" != identity ] || mode=default premap=auto backend=range_map
	[ ! -e "$nvme/$bdf" ] || echo "$bdf" >$nvme/unbind
	echo $premap >/sys/module/apple_dma/parameters/premap
	echo "$mode" >/sys/module/apple_dma/parameters/mode
	echo "$bdf" >$nvme/bind
	wait_for 15 test -b $disk && [ "$(stat_of mode)" = "$mode" ] && [ "$(stat_of backend)" = $backend ]
}

counters() { echo "$(stat_of maps) $(stat_of unmaps)"; }

# measure POLICY COST DEPTH READS POSITION
measure()
{
	line=$(/io $disk "$4" "$3" /sys/kernel/debug/apple_dma/*/"$bdf") || return 1
	echo "@@bench kind=random policy=$1 cost=$2 depth=$3 at=$5 $line bytes=$(stat_of bytes) live=$(stat_of live)"
}

# The clock's ticks are in the count as well.
loop_counts()
{
	line=$(/loop 1000000) || return 1
	echo "$line"
	expected=${line%% *} counted=${line##* }
	expected=${expected#*=} counted=${counted#*=}
	[ "$counted" -ge "$expected" ] && [ $((counted - expected)) -le $((expected / 50)) ]
}

stty -echo 2>/dev/null
insmod /apple_dma.ko premap=off $(parameter module | tr , ' ')
check "the disk is found" wait_for 15 test -b $disk
check "a loop of known length counts as what it is" loop_counts
lap=0
while [ $lap -lt $rounds ]; do
	lap=$((lap + 1)) there='' back=''
	for p in $policies; do
		there="$there $p" back="$p $back"
	done
	position=0
	for p in $there $back; do
		position=$((position + 1))
		if ! bind "$p"; then
			not_ok "policy $p"
			dmesg | tail -n 5 | sed 's/^/# /'
			continue
		fi
		host count "$p"
		before=$(counters)
		for c in $costs; do
			host cost "$c"
			for d in $depths; do
				n=$reads
				[ "$d" -gt 1 ] || n=$((reads / 2))
				measure "$p" "$c" "$d" "$n" "$lap.$position" || not_ok "$p at depth $d"
			done
		done
		host cost 0
		# Since the driver was bound: what the machine has counted must be the same.
		set -- $before $(counters)
		host count "$p"
		echo "@@bench kind=sides policy=$p at=$lap.$position maps=$(($3 - $1)) unmaps=$(($4 - $2))"
	done
done
echo "$bdf" >$nvme/unbind
check "an unbound driver leaves no mapping" test "$(stat_of live)" -eq 0
