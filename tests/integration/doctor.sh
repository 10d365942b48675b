#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: vfio-apple doctor: a healthy Mac passes, and everything that can be wrong is found, explained and given a remedy.
set -u

cd "$(dirname "$0")/../.." || exit 1
b=${B:-build}
tool=$b/cli/vfio-apple
. tests/integration/mac.sh
machines=tests/integration/doctor

# Stands in for the QEMU that belongs to the tool: says what it is asked for.
program()
{	# file, lines of a case statement over "$*"
	mkdir -p "$(dirname "$1")"
	printf '#!/bin/sh\ncase "$*" in\n%s\nesac\n' "$2" >"$1"
	chmod +x "$1"
}
version='--version) echo "QEMU emulator version 10.2.0 (test)" ;;'
device='"-device help") printf "Misc devices:\nname \"vfio-apple-pci\", bus PCI\n" ;;'
accelerator='"-accel help") printf "Accelerators supported in QEMU binary:\ntcg\nkvm\nhvf\n" ;;'
program "$work/qemu" "$version
$device
$accelerator"
export VFIO_APPLE_QEMU=$work/qemu

# The doctor's JSON on a machine; extra settings as --set, then the tool's own arguments after --.
doctor()
{	# machine, settings... [-- arguments...]
	cp "$machines/$1.conf" "$work/machine"
	shift
	local options=()
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		options+=(--set "$1")
		shift
	done
	[ $# -eq 0 ] || shift
	mac "${options[@]}" -- ${fakes:+env PATH="$fakes:$PATH"} "${command[@]:-$tool}" doctor --json "$@"
}

# The last doctor found this: the same check of one device, or of none ("-").
found()
{	# status, check, device, result, part of the sentence, part of the remedy ("-": none)
	[ "$status" = "$1" ] && python3 - "$work/out" "${@:2}" <<'END'
import json, sys
path, check, device, result, sentence, remedy = sys.argv[1:]
for c in json.load(open(path))["checks"]:
    if (c["id"], c["device"] or "-", c["result"]) == (check, device, result) and sentence in c["sentence"]:
        sys.exit(c["remedy"] is not None if remedy == "-" else remedy not in (c["remedy"] or ""))
sys.exit(1)
END
}

expression()
{	# status, python expression over d, the whole answer, and by, its checks by name
	[ "$status" = "$1" ] && python3 -c "
import json, sys
d = json.load(open('$work/out'))
by = {c['id']: c for c in d['checks']}
sys.exit(0 if ($2) else 1)"
}

# --- usage ---

: >"$work/out" >"$work/err" >"$work/sim.log"
plain $tool doctor --guest
check "--guest is for the guest" says 2 "apple-dma-dkms"
plain $tool doctor nonsense
check "an address that is none" says 2 "nonsense"
plain $tool doctor 03:00.0 04:00.0
check "one address too many" says 2 "'04:00.0'"
if [ -w /dev/full ]; then
	$tool doctor >/dev/full 2>"$work/err"
	status=$?
	check "a full disk is not success" says 1 "cannot be written"
fi

# --- a Mac on which everything is as it should be ---

doctor healthy
check "a healthy Mac: no problem, no warning" expression 0 \
	"d['problems'] == d['warnings'] == 0 and {c['result'] for c in d['checks']} == {'ok', 'not applicable'}"
check "every check passes that applies" expression 0 \
	"[c['id'] for c in d['checks'] if c['result'] != 'ok'] == ['app-location', 'device-driver', 'qemu-signature']"
check "the checks and their names stay" expression 0 "list(dict.fromkeys(c['id'] for c in d['checks'])) == '''
	macos-version apple-silicon app-location extension-state extension-copies entitlement extension-protocol
	enclosure pci-devices device-driver device-use device-bars device-link device-reset device-interrupts device-dma
	qemu-build qemu-device qemu-accelerator qemu-signature'''.split()"
check "JSON is valid" python3 -m json.tool "$work/out" /dev/null
check "macOS's version is told" found 0 macos-version - ok "macOS 15.5" -
check "the extension's version is told" found 0 extension-state - ok "Version 1.0/1" -
check "what macOS keeps is no fault" found 0 device-driver 01:00.0 "not applicable" "driven by AppleBCMWLANBusInterfacePCIe" -
check "the link is told" found 0 device-link 03:00.0 ok "8 GT/s with 4 lanes" -
check "interrupts are counted" found 0 device-interrupts 03:00.0 ok "all of its 8" -
check "the DMA budget is told" found 0 device-dma 03:00.0 ok "1536 MiB at 0x80000000; 0 of 1440 MiB" -
mac -- $tool doctor
check "as text: grouped, 80 columns" test "$status" = 0 -a "$(grep -c '^Device 03:00.0$' "$work/out")" = 1 \
	-a -z "$(grep -E '.{81}' "$work/out")" -a "$(tail -n 1 "$work/out")" = "0 problems, 0 warnings."
mac -- sh -c "$tool doctor && exec $b/macsim/bin/macsim-ctl status" </dev/null
tail -n 1 "$work/out" >"$work/report"
check "the device is not reset, and is free again" python3 -c "
import json, sys
f = json.load(open('$work/report'))['functions'][1]
sys.exit(f['resets'] != {'flr': 0, 'hot': 0} or f['clients'] or f['bus_master'])"

# --- one device ---

doctor healthy -- 03:00.0
check "an address leaves the others out" expression 0 \
	"{c['device'] for c in d['checks']} == {None, '03:00.0'} and by['device-use']['result'] == 'ok'"
doctor healthy -- 01:00.0
check "a device that macOS keeps, when asked for" found 1 device-driver 01:00.0 problem "built into the Mac" "stays with macOS"
doctor healthy -- 09:00.0
check "a device that is not there" found 1 device-driver 09:00.0 problem "no PCI device 09:00.0" "vfio-apple list"

# --- the Mac ---

doctor healthy machine.processor=intel
check "an Intel Mac" found 1 apple-silicon - problem "Intel processor" "Apple Silicon"
mkdir -p "$work/VFIO Apple.app/Contents/MacOS" && cp $tool "$work/VFIO Apple.app/Contents/MacOS/vfio-apple"
command=("$work/VFIO Apple.app/Contents/MacOS/vfio-apple")
doctor healthy
check "the app lies elsewhere" found 1 app-location - problem "$work/VFIO Apple.app, but" "Move the app to /Applications"
unset command
doctor healthy $'enclosure Express 4M2.vendor=\033[2J\xff\xfe' $'enclosure Express 4M2.model=\a'
check "an enclosure's name cannot write to the terminal" found 0 enclosure - ok "?[2J" -

# --- the extension ---

doctor healthy dext.state=none
check "the extension is not installed" found 1 extension-state - problem "not installed" "open it"
check "then it has no device" found 1 pci-devices - problem "has taken none" "Enable the extension"
check "then nobody has the device" found 1 device-driver 03:00.0 warning "has no driver" "plug the device in again"
check "then nothing can be asked" found 1 entitlement - "not applicable" "no device" -
doctor healthy dext.state=waiting
check "the extension waits for approval" found 1 extension-state - problem "waits for your approval" "Login Items & Extensions"
doctor healthy dext.state=waiting machine.macos=13.6
check "where to approve it on macOS 13" found 1 extension-state - problem "waits for your approval" "Privacy & Security"
doctor healthy dext.state=disabled
check "the extension is switched off" found 1 extension-state - problem "switched off" "Switch VFIOUserPCIDriver on"
doctor healthy dext.state=uninstalled
check "the extension was removed" found 1 extension-state - problem "ends with the next restart" "Restart the Mac"
doctor healthy dext.bundle=org.example.Other
check "an extension of another name is not ours" found 1 extension-state - problem "not installed" "open it"
doctor healthy machine.entitled=no
check "the tool is not entitled" found 1 entitlement - problem "does not let this tool" "userclient-access"
check "what needs no connection is still told" found 1 device-bars 03:00.0 ok "can be mapped" -
command=($b/tests/integration/cli_other_version)
doctor healthy
check "extension and tool of different versions" found 1 extension-protocol - problem "does not speak version 99" "same version"
unset command

fakes=$work/fakes
program "$fakes/systemextensionsctl" '*) head -c 5000 /dev/urandom ;;'
doctor healthy
check "garbage instead of the list of extensions, but a device was taken" found 0 extension-state - ok "has taken a device" -
doctor healthy 03:00.0.driver=none
check "garbage instead of the list of extensions" found 1 extension-state - warning "nothing that this tool understands" \
	"systemextensionsctl list"
program "$fakes/systemextensionsctl" '*) yes "1 extension(s)" ;;'
doctor healthy 03:00.0.driver=none
check "a list of extensions without end" found 1 extension-state - warning "nothing that this tool understands" "yourself"
program "$fakes/systemextensionsctl" '*) sleep 100 ;;'
doctor healthy 03:00.0.driver=none
check "systemextensionsctl hangs" found 1 extension-state - warning "does not answer" "systemextensionsctl list"
unset fakes

# --- devices ---

cp $machines/healthy.conf "$work/machine"
mac -- sh -c "$b/macsim/bin/macsim-ctl unplug 03:00.0; exec $tool doctor --json"
check "nothing is connected" found 1 pci-devices - problem "No PCI device is connected" "Check cable and power"
mac -- sh -c "exec $b/tests/integration/cli_holder 03:00.0 '$tool' doctor --json"
check "a device in use: by whom" found 0 device-use 03:00.0 warning ", cli_holder." "Shut that virtual machine down"
check "a device in use is left alone" found 0 device-interrupts 03:00.0 "not applicable" "only while it is free" -

doctor troubled
check "an old macOS" found 1 macos-version - problem "12.7.6 is too old" "Update to macOS 13"
check "a translated tool" found 1 apple-silicon - problem "Rosetta" "arm64 build"
check "an enclosure with a record" found 1 enclosure - warning "Razer Core X V2 is connected" "Thunderbolt 3 or 4"
check "an enclosure of Thunderbolt 5" found 1 enclosure - warning "Nobody Dock is a Thunderbolt 5 device" "Thunderbolt 3 or 4"
check "a second copy of the extension" found 1 extension-copies - warning 'version 0.9/3 is "terminated waiting' "Restart the Mac"
check "a BAR without address" found 1 device-bars 03:00.0 problem "BAR 2 (64 KiB) has no address" "Shut the Mac down"
check "no BAR has an address" found 1 device-bars 05:00.0 problem "BAR 0 (16 KiB) has no address" "Shut the Mac down"
check "a BAR that cannot be mapped" found 1 device-bars 04:00.0 warning "does not let BAR 0" "Restart the Mac"
check "a slow link" found 1 device-link 03:00.0 warning "2.5 GT/s with 4 lanes, and could at 8 GT/s" "cable"
check "no link" found 1 device-link 04:00.0 problem "link is down" "off for ten seconds"
check "no function-level reset" found 1 device-reset 03:00.0 warning "whole slot" "all functions of the card"
check "function-level reset that hangs" found 1 device-reset 04:00.0 warning "NVIDIA GB202 (10de:2b85) hangs" "off and on"
check "no MSI" found 1 device-interrupts 03:00.0 warning "no MSI" "slow"
check "fewer interrupts than offered" found 1 device-interrupts 04:00.0 warning "only 3 of its 8" "queues"
check "only one interrupt" found 1 device-interrupts 05:00.0 warning "only 1 of its 8" "single queue"
check "little space for DMA" found 1 device-dma 03:00.0 warning "only 64 MiB" "another port"
check "another driver has a device" found 1 device-driver 06:00.0 "not applicable" "driven by AppleXHCI" -
check "nobody has a device" found 1 device-driver 07:00.0 warning "has no driver" "not built to match"
check "functions are counted" found 1 pci-devices - ok \
	"taken 3 PCI functions; of the others 1 has another driver, 1 has no driver" -
doctor troubled 06:00.0.link_speed_max=15 06:00.0.link_width_max=63 06:00.0.class_code=0xffffff -- 06:00.0
check "a device that another driver has, when asked for" found 1 device-driver 06:00.0 problem AppleXHCI "stays with macOS"
doctor healthy 03:00.0.link_speed_max=15 03:00.0.link_width_max=63
check "a link whose numbers mean nothing" found 1 device-link 03:00.0 problem "down" "sits firmly"

# --- QEMU ---

VFIO_APPLE_QEMU=/nonexistent/qemu doctor healthy
check "no QEMU" found 1 qemu-build - problem "no QEMU at /nonexistent/qemu" "VFIO_APPLE_QEMU"
check "then nothing is said about it" expression 1 "'qemu-device' not in by"
program "$work/qemu" "$version
$accelerator"
doctor healthy
check "QEMU without the device" found 1 qemu-device - problem "without the device vfio-apple-pci" "QEMU that belongs"
program "$work/qemu" "$version
$device"
doctor healthy
check "QEMU without the accelerator" found 1 qemu-accelerator - problem "without the accelerator" "QEMU that belongs"
program "$work/qemu" '*) exit 1 ;;'
doctor healthy
check "QEMU that fails" found 1 qemu-build - problem "--version fails" "QEMU that belongs"
program "$work/qemu" '*) head -c 100000 /dev/urandom ;;'
doctor healthy
check "QEMU that prints garbage" found 1 qemu-build - problem "does not say that it is QEMU" "QEMU that belongs"
program "$work/qemu" '*) yes ;;'
doctor healthy
check "QEMU that prints without end" found 1 qemu-build - problem "does not say that it is QEMU" "QEMU that belongs"
program "$work/qemu" '*) sleep 100 ;;'
doctor healthy
check "QEMU that hangs" found 1 qemu-build - problem "does not come to an end" "QEMU that belongs"

program "$work/qemu" "$version
$device
$accelerator"
fakes=$work/signing
both='<key>com.apple.security.hypervisor</key><true/><key>com.apple.developer.driverkit.userclient-access</key><array/>'
ln -s "$(realpath $b/macsim/usr/bin/systemextensionsctl)" -t "$(mkdir -p "$fakes" && echo "$fakes")"
program "$fakes/codesign" "\"-d --entitlements - --xml $work/qemu\") echo '$both' ;;"
doctor healthy
check "a signed QEMU" found 0 qemu-signature - ok "signed with the entitlements" -
program "$fakes/codesign" "*) echo '${both%%<true/>*}' ;;"
doctor healthy
check "QEMU that may not open the extension" found 1 qemu-signature - problem "userclient-access" "no device can be opened"
program "$fakes/codesign" '*) exit 1 ;;'
doctor healthy
check "QEMU that is not signed" found 1 qemu-signature - problem "com.apple.security.hypervisor" "no guest can run"
unset fakes

# --- no Mac at all ---

plain env -u MACSIM_SOCKET $tool doctor --json
check "a system that is no Mac" found 1 macos-version - problem "does not say that it is macOS" "Apple Silicon Mac"

check "nothing is left running" nothing_left
echo "1..$count"
exit $failed
