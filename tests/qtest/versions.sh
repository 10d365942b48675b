#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: companion.sh and function.sh on every QEMU of qemu/versions beside the one that is in use.
cd "$(dirname "$0")/../.." || exit 1
. scripts/qemu-versions.sh
export B=${B:-build}
. tests/tap.sh

suite()
{	# version, script
	local line status
	while IFS= read -r line; do
		case $line in
		"ok "*) result 0 "QEMU $1: ${line#ok * - }" ;;
		"not ok "*) result 1 "QEMU $1: ${line#not ok * - }" ;;
		"status "*) status=${line#status } ;;
		1..*) ;;
		*) echo "# $line" ;;
		esac
	done < <(VFIO_APPLE_QEMU=$B/qemu/$1/bin/qemu-system-aarch64 "$2" 2>&1; echo "status $?")
	[ "$status" -eq 0 ] || failed=1
}

default=$(qemu_versions tested | head -n 1)
used=$(readlink "$B/qemu/bin")
result "$([ -n "$used" ]; echo $?)" "a QEMU is in use: ${used%/bin}"
qemu=$B/qemu/bin
"$qemu/qemu-system-aarch64" -M none -netdev help 2>&1 | grep -qx user
result $? "it has the network that needs no privilege"
"$qemu/qemu-img" --help | tr -s '\n ' ' ' | grep -q 'formats:.* qcow2 .* vvfat'
result $? "it has disks in qcow2 files and in folders"
entitlements=$(mktemp) || exit 1
trap 'rm -f "$entitlements"' EXIT
plist=$B/qemu/src/accel/hvf/entitlements.plist
scripts/qemu-entitlements.py "$plist" "$entitlements" VFA_SIGNING=development &&
	python3 -c 'import plistlib, sys; sys.exit(plistlib.load(open(sys.argv[1], "rb")) != {"com.apple.security.hypervisor": True})' \
		"$entitlements"
result $? "on a Mac it may use the hypervisor, which takes nobody's permission"
scripts/qemu-entitlements.py "$plist" "$entitlements" VFA_SIGNING=distribution VFA_DEXT_ID=org.example.dext &&
	python3 - "$entitlements" <<-'PYTHON'
		import plistlib, sys
		wanted = {"com.apple.security.hypervisor": True, "com.apple.developer.driverkit.userclient-access": ["org.example.dext"]}
		sys.exit(plistlib.load(open(sys.argv[1], "rb")) != wanted)
	PYTHON
result $? "with an extension for distribution it may open that as well"
for version in $(qemu_versions tested); do
	if [ "$version/bin" = "$used" ]; then
		continue
	elif [ ! -e "$B/qemu/$version/missing" ]; then
		suite "$version" tests/qtest/companion.sh
		suite "$version" tests/qtest/function.sh
	elif [ "$version" = "$default" ]; then
		result 1 "QEMU $version, the default, can be had: $(cat "$B/qemu/$version/missing")"
	else
		result 0 "QEMU $version # SKIP its source cannot be had: $(cat "$B/qemu/$version/missing")"
	fi
done
done_testing
