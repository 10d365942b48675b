#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What is mapped once is found again: counted by the guest, and by the machine that maps it.
. "$(dirname "$0")/lib.sh"

# The extension's own count, before the machine ends: the mapper's has its search for aligned addresses in it.
cat >"$tmp/then-status" <<'END'
#!/bin/bash
"$@"
status=$?
"$E2E_BIN/cli/vfio-apple" status --json 03:00.0 >"$E2E_TMP/status.json"
exit $status
END
chmod +x "$tmp/then-status"
export E2E_TMP=$tmp E2E_BIN=$B

MACSIM_DISK=$(new_disk) e2e_wrapper=$tmp/then-status run_vm 150 6.12 pool nvme
check_machine
maps=$(sed -n 's/^# maps \([0-9]*\).*/\1/p' <(tr -d '\r' <"$tmp/console"))
counted=$(sed -n 's/^ *"maps": \([0-9]*\),*$/\1/p' "$tmp/status.json")
check "guest and extension count the same mappings ($maps, $counted)" \
	test "${counted:-0}" -ge "${maps:-1000000}" -a "${counted:-0}" -le $((${maps:-0} + 30))
done_testing
