#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: macsim as a program: what its exit status says, and that a run leaves nothing behind.
set -u

cd "$(dirname "$0")/../.." || exit 1
b=${B:-build}
macsim=$b/macsim/bin/macsim
export ctl=$b/macsim/bin/macsim-ctl
peer=$PWD/$b/tests/contract/wire_peer
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
count=0 failed=0

check()
{	# description, expected status, part of stderr ("" = any), command...
	local description=$1 wanted=$2 says=$3 status
	shift 3
	timeout 60 "$@" >"$work/out" 2>"$work/err"
	status=$?
	count=$((count + 1))
	if [ $status -eq "$wanted" ] && { [ -z "$says" ] || grep -qF -- "$says" "$work/err"; } && [ -z "$(ls "$TMPDIR")" ]; then
		echo "ok $count - $description"
		return
	fi
	echo "not ok $count - $description: status $status"
	sed 's/^/# /' "$work/err" | head -20
	failed=1
}

cat >"$work/machine" <<END
[dext]
path = $peer
[function 03:00.0]
model = dmatest
END
export macsim work peer

check "the command's status is the run's" 7 "" "$macsim" "$work/machine" -- sh -c 'exit 7'
check "a signal is 128 + its number" 137 "" "$macsim" "$work/machine" -- sh -c 'kill -9 $$'
check "a command that does not exist" 127 "cannot run" "$macsim" "$work/machine" -- /nonexistent/command
check "no such machine" 125 "nosuch.conf" "$macsim" nosuch -- true
check "no such model" 125 "no device model 'abc'" "$macsim" --set 03:00.0.model=abc "$work/machine" -- true
check "a key nobody reads" 125 "no key 'polcy'" "$macsim" --set dart.polcy=x "$work/machine" -- true
check "no such dext" 125 "cannot be run" "$macsim" --dext /nonexistent/dext "$work/machine" -- true
check "a dext that ends at once" 125 "ended before its Start" "$macsim" --dext /bin/false "$work/machine" -- true
check "a dext that completes its mappings" 0 "" "$macsim" "$work/machine" -- "$peer" tidy
check "a dext that does not" 126 "03:00.0: 1 DMA mappings outlived every client" \
	"$macsim" "$work/machine" -- "$peer" leak
check "a full window is an error" 0 "" "$macsim" --set dart.size=256K "$work/machine" -- "$peer" full
check "buddy and random fill it too" 0 "" bash -c \
	'for p in buddy random; do
	"$macsim" --set dart.size=256K --set dart.policy=$p "$work/machine" -- "$peer" full || exit 1; done'
check "or a panic" 137 "kernel panic: 03:00.0" \
	"$macsim" --set dart.size=256K --set dart.exhaustion=panic "$work/machine" -- "$peer" full
check "or a wait that only the dext's death ends" 0 "" \
	"$macsim" --set dart.size=256K --set dart.exhaustion=block "$work/machine" -- \
	sh -c '(sleep 1; $ctl kill-dext 03:00.0) & $peer full-until-death'
check "preparing beyond the end of a descriptor panics" 137 "GetLength" "$macsim" "$work/machine" -- "$peer" beyond
check "a hostile client gets nowhere" 0 "" "$macsim" "$work/machine" -- "$peer" hostile
check "a lost entitlement refuses the open" 1 "does not open" \
	"$macsim" --set machine.entitled=no "$work/machine" -- "$peer" tidy
check "so does refuse_open, at run time" 1 "does not open" \
	"$macsim" "$work/machine" -- sh -c '$ctl set refuse_open=1 && $peer tidy'
check "fail_prepare fails as often as it says" 0 "" "$macsim" "$work/machine" -- \
	sh -c '$ctl set fail_prepare=1 && ! $peer tidy && $peer tidy'
check "so does one that is to fail at its time, or regularly" 0 "" "$macsim" "$work/machine" -- sh -ec '
	$ctl set fail_nth_prepare=2; $peer tidy; ! $peer tidy; $peer tidy; $peer tidy
	$ctl set fail_every_prepare=2; $peer tidy; ! $peer tidy; $peer tidy; ! $peer tidy
	$ctl set fail_every_prepare=0; $peer tidy; $peer tidy; $ctl set fail_nth_command=1; ! $peer tidy; $peer tidy'
check "a machine may begin with faults" 0 "" "$macsim" --set faults.fail_prepare=1 "$work/machine" -- \
	sh -c '! $peer tidy && $peer tidy'
check "a call may hang for its time" 0 "" "$macsim" --set faults.hang_call_ms=700 "$work/machine" -- sh -ec '
	start=$(date +%s%3N); $peer tidy; end=$(date +%s%3N); [ $((end - start)) -ge 700 ]'
check "calls of a kind may be held until they are let go, or on one bus only" 0 "" "$macsim" "$work/machine" -- sh -ec '
	$ctl set hold_call=1; { $peer tidy && touch "$work/returned"; } & sleep 1; [ ! -e "$work/returned" ]
	$ctl set hold_bus=99; wait $!; [ -e "$work/returned" ]; $peer tidy'
check "what the command leaves running is ended" 0 "" bash -c \
	'"$macsim" "$work/machine" -- sh -c "sleep 3141 & setsid sleep 3141 & true" && ! pgrep -xf "sleep 3141"'
check "SIGTERM ends the run and everything in it" 143 "" bash -c \
	'"$macsim" "$work/machine" -- sleep 2718 & pid=$!; sleep 1; kill -TERM $pid; wait $pid; status=$?
	! pgrep -xf "sleep 2718" || exit 1; exit $status'
check "the report is JSON with every counter" 0 "" bash -c \
	'"$macsim" --report "$work/report" "$work/machine" -- "$peer" tidy && python3 - "$work/report" <<END
import json, sys
r = json.load(open(sys.argv[1]))
f = r["functions"][0]
assert r["stray"] == 0 and r["stray_log"] == [] and r["panic"] is False
assert (f["bdf"], f["model"], f["present"], f["maps"], f["unmaps"], f["mappings"]) == ("03:00.0", "dmatest", True, 1, 1, 0)
assert f["peak_mappings"] == 1 and f["peak_bytes"] == 16384 and f["registry_id"] > 0 and f["dext_pid"] > 0
assert f["resets"] == {"flr": 0, "hot": 0} and f["vectors"] == [] and f["clients"] == 0
END'
check "the dext is replaced after a crash, a new function after a plug" 0 "" "$macsim" "$work/machine" -- sh -ec '
	soon() { i=0; until $peer tidy 2>/dev/null; do i=$((i + 1)); [ $i -lt 100 ]; sleep 0.1; done; }
	$peer tidy; $ctl kill-dext 03:00.0; soon
	$ctl unplug 03:00.0; ! $peer tidy 2>/dev/null; $ctl status | grep -q "\"present\":false"
	$ctl plug 03:00.0; soon'
check "a hot reset that loses the link times out and takes the device away" 0 "" "$macsim" "$work/machine" -- sh -ec '
	$peer hot-reset; $ctl status | grep -q "\"hot\":1"; $ctl set link_fails=1
	$peer hot-reset-loses-link; $ctl status | grep -q "\"present\":false"'
check "macsim-ctl says what it did not understand" 0 "" "$macsim" "$work/machine" -- sh -c '
	$ctl unplug 99:00.0 2>&1 | grep -q "no such function" && $ctl set nonsense=1 2>&1 | grep -q fail_prepare &&
	$ctl plug 03:00.0 2>&1 | grep -q "plugged in already"'

echo "1..$count"
exit $failed
