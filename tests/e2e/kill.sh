#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# QEMU is killed in the middle of I/O: the host takes the device back, and no access goes astray.
. "$(dirname "$0")/lib.sh"

# The machine outlives QEMU in this test: it runs this instead, which can ask it afterwards, and then start QEMU again.
cat >"$tmp/twice" <<'END'
#!/bin/bash
"$@" &
echo $! >"$E2E_TMP/pid"
wait $!
for _ in $(seq 50); do
	"$E2E_BIN/macsim/bin/macsim-ctl" status >"$E2E_TMP/after-kill.json"
	"$E2E_BIN/cli/vfio-apple" list >"$E2E_TMP/list"
	grep -q '"mappings":0,' "$E2E_TMP/after-kill.json" && ! grep -q busy "$E2E_TMP/list" && break
	sleep 0.1
done
echo again >"$E2E_TMP/again"
exec "${@//scenario=endless/scenario=verify}"
END
chmod +x "$tmp/twice"
export E2E_TMP=$tmp E2E_BIN=$B

MACSIM_DISK=$(new_disk) e2e_wrapper=$tmp/twice start_vm 6.12 endless nvme
check "the guest reads and writes" at busy 60
sleep 1
kill -KILL "$(cat "$tmp/pid")"
for _ in $(seq 100); do
	[ -e "$tmp/again" ] && break
	sleep 0.1
done
cp "$tmp/after-kill.json" "$tmp/report.json"
check "QEMU had mapped memory and none is mapped any more" \
	test "$(report functions 0 mappings)" = 0 -a "$(report functions 0 maps)" -gt 0
check "bus mastering is off" test "$(report functions 0 bus_master)" = 0
check "no stray DMA" test "$(report stray)" = 0
wait_vm 60
status=$?
relay
check "another QEMU can have the device, and runs to its end" test $status -eq 0
[ $failed -eq 0 ] || show_logs
check_machine
done_testing
