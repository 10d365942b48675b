# SPDX-License-Identifier: GPL-2.0-or-later
# What the guests' scenarios share.
# Lines that begin with @@ are for the host: @@ok, @@not ok, @@say, @@at (a point the host waits for).

ok() { echo "@@ok $*"; }
not_ok() { echo "@@not ok $*"; }
say() { echo "@@say $*"; }
at() { echo "@@at $*"; }

# check DESCRIPTION COMMAND...: the command's success is the result; its output is shown when it fails.
check()
{
	what=$1
	shift
	if "$@" >/tmp/check.log 2>&1; then
		ok "$what"
	else
		not_ok "$what"
		echo "# failed: $*"
		tail -n 20 /tmp/check.log | sed 's/^/#   /'
	fi
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for()
{
	tries=$(($1 * 10))
	shift
	while ! "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.1
	done
}

not() { ! "$@"; }

nvme=/sys/bus/pci/drivers/nvme
# The passed-through disk, whatever driver it has: the only storage controller of the NVMe class.
disk_bdf()
{
	for d in /sys/bus/pci/devices/*; do
		[ "$(cat "$d/class")" = 0x010802 ] && echo "${d##*/}"
	done
}
bdf=$(disk_bdf)

# stat_at FUNCTION NAME: a line of its statistics; stat_of NAME: of the disk's.
stat_at() { sed -n "s/^$2 //p" /sys/kernel/debug/apple_dma/*/"$1"; }
stat_of() { stat_at "$bdf" "$1"; }

# drivers NAME...: load Debian's own, with what they depend on.
drivers()
{
	for d in "$@"; do
		while read -r ko; do
			grep -q "^${ko%.ko} " /proc/modules || insmod /drivers/$ko || return 1
		done </drivers/$d.order
	done
}

# parameter NAME: its value on the kernel's command line.
parameter() { sed -n "s/.*\<$1=\([^ ]*\).*/\1/p" /proc/cmdline; }

# insert [OPTION=VALUE]...: the module, with the options of the kernel command line (apple_dma.OPTION=VALUE) before these.
insert() { insmod /apple_dma.ko $(tr ' ' '\n' </proc/cmdline | sed -n 's/^apple_dma\.//p') "$@"; }

# What a kernel says when it finds something wrong, with its checks of locks, contexts and DMA as well, where it has them.
complaints() { dmesg | grep -E 'WARNING|BUG:|INFO: (possible|inconsistent|trying|task)|Call trace|DMA-API: [^ ]* [0-9a-f]{4}:|UBSAN|ODEBUG'; }
check_kernel()
{
	check "the kernel has not complained" not complaints
	if [ -e /proc/lockdep_stats ]; then
		check "and has checked locking to the end" grep -q 'debug_locks: *1$' /proc/lockdep_stats
	fi
}

# How requests reach the module in this test (docs/guest.md).
backend=$(sed -n 's/.*\<backend_is=\([a-z_]*\).*/\1/p' /proc/cmdline)
backend=${backend:-ops}

disk=/dev/nvme0n1
load() { insert "$@" && wait_for 15 test -b $disk; }
drop_caches() { echo 3 >/proc/sys/vm/drop_caches; }

# The disk carries files/ and files.sha256, which lists them.
verify()
{
	drop_caches
	(
		# One half per CPU.
		cd "${1:-/mnt}" || exit
		awk 'NR % 2' files.sha256 >/tmp/odd
		awk 'NR % 2 == 0' files.sha256 >/tmp/even
		sha256sum -c -s /tmp/odd &
		sha256sum -c -s /tmp/even && wait $!
	)
}

# Readers past the page cache and writers through it, more of them than there are CPUs; then what was written is compared.
busy()
{
	pids=
	rm -rf /mnt/busy
	mkdir /mnt/busy
	for i in 1 2 3 4; do
		(head -c 2000000 /dev/urandom >/tmp/busy$i && cp /tmp/busy$i /mnt/busy/$i && sync) &
		pids="$pids $!"
		dd if=$disk of=/dev/null bs=64k count=160 skip=$((i * 160)) iflag=direct 2>/dev/null &
		pids="$pids $!"
	done
	for p in $pids; do
		wait "$p" || return 1
	done
	drop_caches
	for i in 1 2 3 4; do
		cmp /tmp/busy$i /mnt/busy/$i || return 1
	done
	rm -rf /mnt/busy /tmp/busy?
}

finish()
{
	at end
	sync
	# Changes nothing, but waits until the console has sent everything: powering off does not.
	stty echo 2>/dev/null
	poweroff -f
	sleep 60
}
