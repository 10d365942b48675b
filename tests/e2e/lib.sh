# SPDX-License-Identifier: GPL-2.0-or-later
# Shared by the end-to-end tests and the demo: virtual machines with a passed-through device, on this machine.
#
# A test sources this, calls run_vm for every virtual machine, judges with ok/not_ok/check, and ends with done_testing.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

B=${B:-build}
export VFIO_APPLE_QEMU=${VFIO_APPLE_QEMU:-$PWD/$B/qemu/bin/qemu-system-aarch64}
PATH=$PATH:/usr/sbin:/sbin
tmp=$(mktemp -d "${TMPDIR:-/tmp}/e2e.XXXXXX")
vm_pid='' tap=0 failed=0 guest_prefix=''

# The virtual machine and everything around it is one session: nothing of it outlives the test.
kill_vm()
{
	[ -n "$vm_pid" ] || return 0
	kill -TERM -- "-$vm_pid" 2>/dev/null
	for _ in $(seq 40); do
		kill -0 -- "-$vm_pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -KILL -- "-$vm_pid" 2>/dev/null
	vm_pid=
}

cleanup()
{
	kill_vm
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

ok()
{
	tap=$((tap + 1))
	echo "ok $tap - $*"
}

not_ok()
{
	tap=$((tap + 1)) failed=$((failed + 1))
	echo "not ok $tap - $*"
}

check()
{
	local what=$1 out
	shift
	if out=$("$@" 2>&1); then
		ok "$what"
	else
		not_ok "$what"
		echo "# failed: $*"
		sed 's/^/#   /' <<<"$out" | tail -n 20
	fi
}

done_testing()
{
	echo "1..$tap"
	exit $((failed != 0))
}

# new_disk NAME: a fresh copy of the test disk; prints its path.
new_disk()
{
	cp --sparse=always "$B/e2e/${1:-disk}.img" "$tmp/disk.img" && echo "$tmp/disk.img"
}

# What the guest says becomes results of ours, in its order, once.
relay()
{
	local line
	while IFS= read -r line; do
		case $line in
		'@@ok '*) ok "$guest_prefix${line#@@ok }" ;;
		'@@not ok '*) not_ok "$guest_prefix${line#@@not ok }" ;;
		'# '*) echo "$line" ;;
		esac
	done < <(tr -d '\r' <"$tmp/console" | grep -aE '^(@@|# )')
}

# at POINT SECONDS: wait until the guest has printed "@@at POINT".
at()
{
	local tries=$(($2 * 10))
	until grep -aq "^@@at $1" "$tmp/console" 2>/dev/null; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] && kill -0 "$vm_pid" 2>/dev/null || return 1
		sleep 0.1
	done
}

# report KEY...: a number from the machine's report, by path, e.g. report functions 0 dma peak_bytes; "missing" if absent.
report()
{
	python3 - "$tmp/report.json" "$@" <<'END'
import json, sys
try:
    value = json.load(open(sys.argv[1]))
    for key in sys.argv[2:]:
        value = value[int(key)] if isinstance(value, list) else value[key]
    print(value)
except Exception:
    print("missing")
END
}

# start_vm KERNEL SCENARIO MACHINE [macsim options] -- [run options] [-- QEMU arguments]
# nowatchdog: a host that stalls is no fault of the guest.
# premap=off: guests are small here, so that all their memory would be mapped once, and nothing be left to test.
# The machine runs in the background; $tmp/console is its console, $tmp/log what the programs say.
start_vm()
{
	local kernel=$1 scenario=$2 machine=$3 sets=() options=()
	shift 3
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		sets+=("$1")
		shift
	done
	[ $# -eq 0 ] || shift
	options=("$@")
	: >"$tmp/console"
	rm -f "$tmp/report.json"
	set -m
	"$B/macsim/bin/macsim" "${sets[@]}" --report "$tmp/report.json" "$machine" -- \
		${e2e_wrapper:-} "$B/cli/vfio-apple" run ${e2e_devices:---device 03:00.0} --accel tcg \
		--kernel "$B/kernels/$kernel/vmlinuz" --initrd "$B/guest/$kernel/initramfs.gz" \
		--append "console=ttyAMA0 quiet nowatchdog panic=-1 scenario=$scenario ${e2e_module:-apple_dma.premap=off} ${e2e_append:-}" \
		--memory "${e2e_memory:-512M}" --cpus "${e2e_cpus:-2}" "${options[@]}" \
		</dev/null >"$tmp/console" 2>"$tmp/log" &
	vm_pid=$!
	set +m
}

# wait_vm SECONDS: until it has ended; status 124 when it had to be stopped.
wait_vm()
{
	local tries=$(($1 * 10)) status=124
	while [ $tries -gt 0 ] && kill -0 "$vm_pid" 2>/dev/null; do
		tries=$((tries - 1))
		sleep 0.1
	done
	if [ $tries -gt 0 ]; then
		wait "$vm_pid"
		status=$?
	fi
	kill_vm
	return $status
}

# The end of both logs, as comments.
show_logs()
{
	echo "# console:"
	tail -n 25 "$tmp/console" | tr -d '\r' | sed 's/^/#   /'
	echo "# programs:"
	tail -n 25 "$tmp/log" | sed 's/^/#   /'
}

# run_vm SECONDS START_VM-ARGUMENTS: to its end; the guest's results become ours, and its end is one more.
run_vm()
{
	local seconds=$1 before=$failed
	shift
	start_vm "$@"
	wait_vm "$seconds"
	local status=$?
	relay
	if grep -aq '^@@at end' "$tmp/console" && [ $status -eq 0 ]; then
		ok "${guest_prefix}the guest ran to its end and powered off"
	else
		not_ok "${guest_prefix}the guest ran to its end and powered off (status $status)"
	fi
	[ "$failed" -eq "$before" ] || show_logs
}

# What the machine saw, after the guest is gone: of function INDEX (0), with its mappings counted by the DART itself.
check_machine()
{
	local f=${1:-0}
	if [ ! -s "$tmp/report.json" ]; then
		not_ok "${guest_prefix}the machine reports"
		return
	fi
	check "${guest_prefix}no stray DMA" test "$(report stray)" = 0
	check "${guest_prefix}no mapping outlives the guest ($(report functions "$f" maps) were made)" \
		test "$(report functions "$f" mappings)" = 0 -a "$(report functions "$f" maps)" -gt 0
	check "${guest_prefix}bus mastering is off" test "$(report functions "$f" bus_master)" = 0
	check "${guest_prefix}interrupts were delivered" test "$(report functions "$f" interrupts)" -gt 0
}

check_file_system()
{
	check "${guest_prefix}the file system on the disk is consistent" e2fsck -fn "$tmp/disk.img"
}
