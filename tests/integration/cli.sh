#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: the vfio-apple tool, as a user meets it: what it shows, and what it says when something is wrong.
set -u

cd "$(dirname "$0")/../.." || exit 1
b=${B:-build}
tool=$b/cli/vfio-apple
. tests/integration/mac.sh

# The machine under test: two functions, so that "one" and "all" differ.
cat >"$work/machine" <<END
[function 03:00.0]
model=dmatest
[function 04:00.0]
model=dmatest
END

json()
{	# python expression over d
	[ "$status" = 0 ] && python3 -c "
import json, sys
d = json.load(open('$work/out'))
sys.exit(0 if ($1) else 1)"
}

# Enough of a kernel: its header's magic.
{ head -c 56 /dev/zero && printf 'ARM\144' && head -c 64 /dev/zero; } >"$work/Image"

# --- usage, before any device is looked for ---

plain $tool
check "without a command it explains itself" test "$status" = 2 -a -s "$work/err"
plain $tool --help
check "--help goes to stdout" test "$status" = 0 -a -s "$work/out" -a ! -s "$work/err"
for c in list status run doctor; do
	plain $tool $c --help
	check "$c --help goes to stdout" test "$status" = 0 -a -s "$work/out" -a ! -s "$work/err"
done
plain $tool --version
check "--version names the interface" grep -qE '^vfio-apple [0-9.]+ \(driver extension interface 1\.1\)$' "$work/out"
plain $tool frobnicate
check "an unknown command" says 2 "unknown command 'frobnicate'"
plain $tool list --frob
check "an unknown option" says 2 "unknown option '--frob'"
plain $tool list --pci-ids
check "an option without its value" says 2 "'--pci-ids'"
plain $tool list 03:00.0
check "an argument too many" says 2 "'03:00.0'"
plain $tool run --kernel x
check "run without a device" says 2 "--device"
plain $tool run --device 03:00.0
check "run with nothing to boot" says 2 "nothing to boot"
plain $tool run --device 03:00.0 --disk a.vmdk
check "a disk of unknown format" says 2 "a.vmdk"
plain $tool run --device 03:00.0 --disk a.img --memory lots
check "a memory size that is none" says 2 "lots"
plain $tool run --device 03:00.0 --kernel /nonexistent/Image
check "a kernel that is not there" says 1 "/nonexistent/Image"
plain $tool run --device 03:00.0 --kernel "$tool"
check "a file that is no arm64 kernel" says 1 "not an arm64 Linux kernel"
plain $tool list --pci-ids /nonexistent/pci.ids
check "a file of names that is not there" says 1 "/nonexistent/pci.ids"
if [ -w /dev/full ]; then
	$tool --help >/dev/full 2>"$work/err"
	status=$?
	check "a full disk is not success" says 1 "cannot be written"
fi

# --- with devices ---

mac -- $tool list
check "list shows both devices as free" test "$status" = 0 -a "$(grep -cE '^0[34]:00\.0 +id:0x[0-9a-f]+ +free ' "$work/out")" = 2
mac -- $tool list --json
check "list --json is JSON with an entry per device" json \
	"[(x['address'], x['state']) for x in d] == [('03:00.0', 'free'), ('04:00.0', 'free')] and int(d[0]['registry_id'], 16) != int(d[1]['registry_id'], 16)"
vendor=$(python3 -c "import json; print(json.load(open('$work/out'))[0]['vendor_id'][2:])" 2>/dev/null)
device=$(python3 -c "import json; print(json.load(open('$work/out'))[0]['device_id'][2:])" 2>/dev/null)
printf '%s  Vendor \033[31m"Quoted"\n\t%s  Device of the test\n' "$vendor" "$device" >"$work/ids"
mac -- $tool list --json --pci-ids "$work/ids"
check "names come from the given file, made harmless" json \
	"d[0]['vendor'] == 'Vendor ?[31m\"Quoted\"' and d[0]['device'] == 'Device of the test' and d[0]['class'] is None"
: >"$work/empty"
mac -- env VFIO_APPLE_PCI_IDS="$work/empty" $tool list
check "without names numbers are shown" grep -qE "^03:00\.0 .* $vendor $device\$" "$work/out"

mac -- $tool status
check "status shows both devices" test "$status" = 0 -a "$(grep -cE '^0[34]:00\.0 id:' "$work/out")" = 2
mac -- $tool status --json 04:00.0
check "status of one device, as JSON" json \
	"len(d) == 1 and d[0]['address'] == '04:00.0' and d[0]['state'] == 'free' and d[0]['mappings_live'] == 0 and d[0]['mappings_max'] > 0 and not d[0]['bus_master']"
mac -- sh -c 'id=$('"$tool"' list | awk "/^04/ { print \$2 }"); exec '"$tool"' status --json "$id"'
check "the registry id that list prints names the device" json "d[0]['address'] == '04:00.0'"

mac -- $tool status 05:00.0
check "a device that is not there" says 3 "05:00.0"
mac -- $tool status nonsense
check "an address that is none" says 2 "nonsense"
mac -- $tool run --dry-run --device 05:00.0 --kernel "$work/Image"
check "run refuses a device that is not there" says 3 "05:00.0"
mac -- $tool run --dry-run --device 03:00.0 --device 03:00.0 --kernel "$work/Image"
check "run refuses a device given twice" says 2 "twice"
mac -- $tool run --dry-run --qemu /opt/qemu --accel tcg --device 03:00.0 --device 04:00.0 --kernel "$work/Image" --append 'a b' -- -S
check "run --dry-run prints the command" grep -qFx -- \
	"/opt/qemu -machine virt,gic-version=3 -accel tcg -cpu cortex-a72 -smp 4 -m 4G -nographic -kernel $work/Image -append 'a b' -nic none -device vfio-apple-pci,host=03:00.0,id=vfio0 -device vfio-apple-pci,host=04:00.0,id=vfio1 -S" \
	"$work/out"
mkdir "$work/seed"
mac -- $tool run --dry-run --device 03:00.0 --kernel "$work/Image" --seed "$work/none"
check "run refuses a seed that is not there" says 1 "$work/none"
mac -- $tool run --dry-run --device 03:00.0 --kernel "$work/Image" --seed "$work/Image"
check "run refuses a seed that is no folder" says 1 "not a folder"
mac -- $tool run --dry-run --device 03:00.0 --kernel "$work/Image" --seed "$work/seed"
check "run refuses a seed without user-data" says 1 "user-data"
touch "$work/seed/user-data" && mkfifo "$work/seed/meta-data"
mac -- $tool run --dry-run --device 03:00.0 --kernel "$work/Image" --seed "$work/seed"
check "run refuses a seed whose meta-data is no file" says 1 "meta-data"
rm "$work/seed/meta-data" && touch "$work/seed/meta-data"
mac -- $tool run --dry-run --qemu /opt/qemu --device 03:00.0 --kernel "$work/Image" --seed "$work/seed"
check "run shows a seed to the guest" grep -qF -- "driver=vvfat,node-name=seed,dir=$work/seed,label=CIDATA,read-only=on" "$work/out"
mac -- $tool run --qemu /nonexistent/qemu --device 03:00.0 --kernel "$work/Image"
check "a QEMU that is not there" says 1 "/nonexistent/qemu"

printf '#!/bin/sh\necho "started with $# arguments"\nexit 7\n' >"$work/qemu" && chmod +x "$work/qemu"
mac -- env VFIO_APPLE_QEMU="$work/qemu" $tool run --device 03:00.0 --kernel "$work/Image" -- -S
check "run becomes QEMU and ends with its status" test "$status" = 7 -a "$(cut -c1-12 "$work/out")" = "started with"

# --- a device that another process has ---

mac -- sh -c "$b/tests/integration/cli_holder 03:00.0 '$tool' status --json 03:00.0"
check "the counters of mapping and alignment are there" json \
	"all(type(d[0][k]) is int for k in ('submit_calls', 'operations', 'misaligned', 'align_attempts', 'padding_bytes')) and d[0]['operations'] >= d[0]['maps']"
check "status of a device in use does not disturb its user" json "d[0]['state'] == 'in use'"
mac -- sh -c "$b/tests/integration/cli_holder 03:00.0 '$tool' list --json"
check "list tells which device is in use" json "[x['state'] for x in d] == ['in use', 'free']"
mac -- sh -c "$b/tests/integration/cli_holder 03:00.0 '$tool' run --dry-run --device 03:00.0 --kernel '$work/Image'"
check "run refuses a device in use" says 4 "03:00.0"

# --- things that are wrong with the machine ---

mac -- $tool status --json
check "each function has a mapper of its own" json "d[0]['mapper'] and d[1]['mapper'] and d[0]['mapper'] != d[1]['mapper']"
mac --set 03:00.0.dart=one --set 04:00.0.dart=one -- $tool status --json
check "or shares one, and says so" json "d[0]['mapper'] and d[0]['mapper'] == d[1]['mapper']"
mac -- $tool status 03:00.0
check "in plain words too" test "$status" = 0 -a "$(grep -cE '^  (mapper +0x|calls +0, with 0 operations|alignment +0 maps not at)' "$work/out")" = 3
mac --set machine.entitled=no -- $tool status 03:00.0
check "a process without the entitlement" says 5 "03:00.0"
mac -- $b/tests/integration/cli_other_version status 03:00.0
check "an extension of another version" says 6 "03:00.0"
ctl=$b/macsim/bin/macsim-ctl
mac -- sh -c "$ctl unplug 03:00.0; exec $tool status 03:00.0"
check "a device that was unplugged" says 3 "03:00.0"
mac -- sh -c "$ctl unplug 03:00.0; exec $tool list --json"
check "list leaves an unplugged device out" json "[x['address'] for x in d] == ['04:00.0']"
mac -- sh -c "$ctl unplug 03:00.0; $ctl unplug 04:00.0; exec $tool list"
check "no device at all: list" says 3 "driver extension"
mac -- sh -c "$ctl unplug 03:00.0; $ctl unplug 04:00.0; exec $tool status"
check "no device at all: status" says 3 "driver extension"
mac -- sh -c "$ctl unplug 03:00.0; $ctl unplug 04:00.0; exec $tool list --json"
check "no device at all: JSON is still JSON" python3 -c "import json; assert json.load(open('$work/out')) == []"
plain env -u MACSIM_SOCKET $tool list
check "no driver extension has ever run here" says 3 "driver extension"

printf '[function 03:00.0]\nmodle=dmatest\n' >"$work/machine"
mac -- $tool list
check "a misspelt machine file starts nothing" test "$sim_status" != 0 -a -z "$status"

check "nothing is left running" nothing_left
echo "1..$count"
exit $failed
