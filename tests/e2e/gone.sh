#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The device is unplugged from the host, or its dext dies, in the middle of I/O: guest and QEMU live on.
. "$(dirname "$0")/lib.sh"

cat >"$tmp/unplug" <<'END'
#!/bin/bash
"$@" &
until [ -e "$E2E_TMP/pull" ]; do
	sleep 0.1
done
"$E2E_BIN/macsim/bin/macsim-ctl" "$E2E_HOW" 03:00.0
wait $!
END
chmod +x "$tmp/unplug"
export E2E_TMP=$tmp E2E_BIN=$B E2E_HOW

for E2E_HOW in unplug kill-dext; do
	guest_prefix="$E2E_HOW: "
	rm -f "$tmp/pull"
	MACSIM_DISK=$(new_disk) e2e_append="nvme_core.io_timeout=3 nvme_core.admin_timeout=3" e2e_wrapper=$tmp/unplug \
		start_vm 6.12 gone nvme
	check "$guest_prefix""the guest reads and writes" at busy 60
	touch "$tmp/pull"
	before=$failed
	wait_vm 100
	status=$?
	relay
	check "$guest_prefix""QEMU ran on until the guest powered off" test $status -eq 0
	[ "$failed" -eq "$before" ] || show_logs
	check "$guest_prefix""no stray DMA" test "$(report stray)" = 0
	check "$guest_prefix""no mapping is left" test "$(report functions 0 mappings)" = 0
done
done_testing
