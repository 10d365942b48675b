#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Wherever the mapper puts things, with a window that four processors fight over, and with host calls that fail: data
# stays intact, nothing goes astray, nothing is left, in both modes of the guest's module.
. "$(dirname "$0")/lib.sh"

# QEMU with somebody beside it, inside the machine, who does what the guest's console asks for.
cat >"$tmp/with-faults" <<'END'
#!/bin/bash
"$@" &
qemu=$!
ctl() { "$E2E_BIN/macsim/bin/macsim-ctl" "$@"; }
seen=
while kill -0 $qemu 2>/dev/null; do
	now=$(grep -aoE '^@@at (failing|calm)' "$E2E_TMP/console" | tail -n 1)
	lines=$(grep -acE '^@@at (failing|calm)' "$E2E_TMP/console")
	if [ "$lines" != "$seen" ]; then
		seen=$lines
		case $now in
		*failing)
			# A request that is many mappings has to succeed at some time: not more often than this.
			ctl set fail_every_prepare=61
			ctl set fail_one_in=251
			;;
		*calm)
			ctl set fail_every_prepare=0
			ctl set fail_one_in=0
			;;
		esac
	fi
	sleep 0.2
done
wait $qemu
END
chmod +x "$tmp/with-faults"
export E2E_TMP=$tmp E2E_BIN=$B

policies=${PLACEMENTS:-first-fit buddy next-fit best-fit last-fit random}
for policy in $policies; do
	guest_prefix="$policy: "
	MACSIM_DISK=$(new_disk) e2e_wrapper=$tmp/with-faults e2e_cpus=4 \
		run_vm 200 6.12 placements nvme --set dart.policy=$policy --set dart.size=20M
	check_machine
	check "$policy: calls did fail ($(report faults))" test "$(report faults)" -gt 0
	check_file_system
done

# Two functions behind one DART, which has less than each may use.
guest_prefix="shared: "
e2e_devices="--device 04:00.0 --device 05:00.0" e2e_append="iterations=10" run_vm 200 6.12 dmatest dmatest \
	--set 04:00.0.dart=one --set 05:00.0.dart=one --set dart.size=48M --set dart.policy=best-fit
check_machine 0
check_machine 1
check "the functions shared a DART" test "$(report functions 0 mapper)" = "$(report functions 1 mapper)"
done_testing
