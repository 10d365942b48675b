#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: vfio-apple doctor as the guest has it, on the files of a guest in which everything is well, and then one thing is not.
set -u
cd "$(dirname "$0")/../.." || exit 1

B=${B:-build}
doctor=$PWD/guest/linux/dist/vfio-apple
kernel=$B/kernels/6.12
release=$(cat "$kernel/release")
tmp=$(mktemp -d "${TMPDIR:-/tmp}/doctor.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
export PATH=$tmp/bin:$PATH:/usr/sbin:/sbin
tap=0 failed=0

result()
{	# status, description
	tap=$((tap + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tap - $2"
	else
		echo "not ok $tap - $2"
		sed 's/^/#   /' "$tmp/out" "$tmp/err"
		failed=1
	fi
}

put()
{	# content, path in the guest
	mkdir -p "$(dirname "$root/$2")"
	rm -rf "${root:?}/$2"
	printf '%s\n' "$1" >"$root/$2"
}

# A device in sysfs.
device()
{	# address, vendor, device, class, driver
	put "$2" "sys/bus/pci/devices/$1/vendor"
	put "$3" "sys/bus/pci/devices/$1/device"
	put "$4" "sys/bus/pci/devices/$1/class"
	mkdir -p "$root/sys/bus/pci/drivers/$5"
	ln -s "../../drivers/$5" "$root/sys/bus/pci/devices/$1/driver"
}

initramfs()
{
	(cd "$root" && find lib/modules -name "$1" | cpio -o -H newc --quiet | gzip) >"$root/boot/initrd.img-$release"
}

install_module()
{
	mkdir -p "$root/lib/modules/$release/updates/dkms"
	cp "$1" "$root/lib/modules/$release/updates/dkms/apple_dma.ko"
	depmod -b "$root" "$release"
}

# The guest's initramfs-tools may not be on this machine.
mkdir -p "$tmp/bin"
# shellcheck disable=SC2016
printf '#!/bin/sh\ngzip -cd "$1" | cpio -t --quiet\n' >"$tmp/bin/lsinitramfs"
chmod +x "$tmp/bin/lsinitramfs"

# Our module as DKMS builds it, and the same one signed.
mkdir "$tmp/src"
cp -r guest/linux/Kbuild guest/linux/*.[ch] "$tmp/src"
sed 's/#MODULE_VERSION#/1.2.3/' guest/linux/dkms.conf >"$tmp/dkms.conf"
mkdir "$tmp/module"
cp "$tmp/dkms.conf" "$tmp/module"
scripts/build-module.sh 6.12 "$tmp/src" "$tmp/module" >"$tmp/out" 2>"$tmp/err"
result $? "the module builds"
cp "$tmp/module/apple_dma.ko" "$tmp/signed.ko"
openssl req -new -x509 -nodes -days 9 -subj "/CN=somebody's key" -newkey rsa:2048 -keyout "$tmp/key" -outform DER -out "$tmp/cert" 2>"$tmp/err" &&
	"$(readlink -f "$kernel/headers")/scripts/sign-file" sha256 "$tmp/key" "$tmp/cert" "$tmp/signed.ko" >"$tmp/out" 2>"$tmp/err"
result $? "the module can be signed"

# A guest in which everything is well.
healthy()
{
	root=$tmp/root
	rm -rf "$root"
	put "$release" proc/sys/kernel/osrelease
	put aarch64 proc/sys/kernel/arch
	put CONFIG_ARCH_HAS_DMA_OPS=y "boot/config-$release"
	put '' "lib/modules/$release/build/Makefile"
	touch "$root/lib/modules/$release"/modules.{order,builtin,builtin.modinfo}
	install_module "$tmp/module/apple_dma.ko"
	put 1.2.3 sys/module/apple_dma/version
	put "$(modinfo -F srcversion "$tmp/module/apple_dma.ko")" sys/module/apple_dma/srcversion
	put N sys/module/module/parameters/sig_enforce
	put '[none] integrity confidentiality' sys/kernel/security/lockdown
	initramfs apple_dma.ko
	device 0000:00:01.0 0x1b36 0x0015 0x088000 apple_dma
	device 0000:00:02.0 0x144d 0xa808 0x010802 nvme
	ln -s ../0000:00:02.0 "$root/sys/bus/pci/devices/0000:00:01.0/consumer:pci:0000:00:02.0"
	put "$(printf 'function 0\nclaimed 1\nbound 1')" sys/kernel/debug/apple_dma/0000:00:01.0/0000:00:02.0
}

run()
{
	SYSROOT=$root sh "$doctor" doctor "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
}

# finds RESULT ID WORDS: this finding, and no other that is not ok; a problem is status 1.
finds()
{
	run --guest
	! grep -vE "^(  ok |  ${1^^} +$2:|  +Remedy: |\$)|problems?, " "$tmp/out" && grep -E "^  ${1^^} +$2: " "$tmp/out" | grep -qF -- "$3" && [ ! -s "$tmp/err" ] &&
		[ "$status" = "$([ "$1" = problem ] && echo 1 || echo 0)" ]
	result $? "$1 $2: $3"
}

healthy
run --guest
! grep -qvE '^  ok |^0 problems, 0 warnings\.$|^$' "$tmp/out" && [ "$status" = 0 ] && [ ! -s "$tmp/err" ]
result $? "a guest in which everything is well has only ok"
run --json
python3 - "$tmp/out" 2>"$tmp/err" <<'END'
import json, sys
doctor = json.load(open(sys.argv[1]))
assert doctor["problems"] == doctor["warnings"] == 0
checks = doctor["checks"]
assert [c["id"] for c in checks] == ["kernel", "config", "headers", "module", "loaded", "signature", "initramfs", "companion", "function", "driver"]
assert all(set(c) == {"id", "group", "device", "result", "sentence", "remedy"} and c["result"] == "ok" and c["remedy"] is None for c in checks)
assert [c["device"] for c in checks] == [None] * 8 + ["0000:00:02.0"] * 2
END
result $? "the same as JSON"

put 5.10.0-30-arm64 proc/sys/kernel/osrelease
run
grep -qE '^  PROBLEM +kernel: .*too old' "$tmp/out" && [ $status = 1 ]
result $? "problem kernel: too old"
grep -qE '^  PROBLEM +module: .*no module' "$tmp/out"
result $? "problem module: none for this kernel"
grep -qE '^  PROBLEM +headers: ' "$tmp/out"
result $? "problem headers: neither module nor headers"
grep -qE '^  WARNING +config: ' "$tmp/out"
result $? "warning config: not found"
grep -qE '^  WARNING +initramfs: .*no initramfs' "$tmp/out"
result $? "warning initramfs: there is none"
healthy
put i686 proc/sys/kernel/arch
finds problem kernel "i686"
healthy
put '# CONFIG_ARCH_HAS_DMA_OPS is not set' "boot/config-$release"
finds problem config "neither per-device DMA operations nor calls that can be redirected"
put CONFIG_DYNAMIC_FTRACE_WITH_ARGS=y "boot/config-$release"
run
grep -q 'redirects its DMA calls' "$tmp/out" && [ $status = 0 ]
result $? "config: without DMA operations calls are redirected"
healthy
rm -r "$root/lib/modules/$release/build"
finds warning headers "cannot build the module again"
healthy
mv "$root/lib/modules/$release" "$root/lib/modules/6.12.1-other"
put 6.12.1-other proc/sys/kernel/osrelease
put CONFIG_ARCH_HAS_DMA_OPS=y boot/config-6.12.1-other
mv "$root/boot/initrd.img-$release" "$root/boot/initrd.img-6.12.1-other"
finds problem module "was built for kernel $release"
healthy
rm -r "$root/sys/module/apple_dma"
finds problem loaded "not loaded"
healthy
put 0123456789ABCDEF sys/module/apple_dma/srcversion
finds warning loaded "another one"
healthy
put Y sys/module/module/parameters/sig_enforce
finds problem signature "not signed"
healthy
put 'none [integrity] confidentiality' sys/kernel/security/lockdown
finds problem signature "not signed"
install_module "$tmp/signed.ko"
run
grep -qE "^  ok +signature: .*'somebody's key', which the kernel accepts" "$tmp/out" && [ $status = 0 ]
result $? "a signed module that was loaded is accepted"
rm -r "$root/sys/module/apple_dma"
run
grep -qE "^  WARNING +signature: .*may not know that key" "$tmp/out" && grep -q 'mokutil --import' "$tmp/out"
result $? "warning signature: a signed module that was not loaded"
healthy
initramfs modules.dep
finds warning initramfs "is not in"
healthy
rm -r "$root"/sys/bus/pci/devices/0000:00:01.0
finds problem companion "no companion device"
healthy
rm "$root/sys/bus/pci/devices/0000:00:01.0/driver"
finds problem companion "has no driver"
healthy
rm "$root"/sys/bus/pci/devices/0000:00:01.0/consumer*
finds warning function "manages no device"
healthy
put 'claimed 0' sys/kernel/debug/apple_dma/0000:00:01.0/0000:00:02.0
finds problem function "0000:00:02.0 is not claimed"
healthy
rm -r "$root/sys/kernel/debug/apple_dma"
finds warning function "cannot be told"
healthy
rm "$root/sys/bus/pci/devices/0000:00:02.0/driver"
finds warning driver "0x144d:0xa808"

run --jsn
[ $status = 2 ] && grep -q "^vfio-apple: .*--jsn.*\.$" "$tmp/err"
result $? "a wrong option is refused in one sentence"
sh "$doctor" list >"$tmp/out" 2>"$tmp/err"
[ $? = 2 ] && grep -q "^vfio-apple: .*list" "$tmp/err"
result $? "a command of the Mac's tool is refused in one sentence"

shellcheck guest/linux/dist/vfio-apple guest/linux/dist/initramfs-tools.hook guest/linux/debian/post* scripts/make-guest-image.sh \
	scripts/make-deb.sh scripts/make-dist.sh scripts/version.sh >"$tmp/out" 2>"$tmp/err"
result $? "shellcheck has nothing to say about the scripts that are shipped"
mandoc -T lint -W warning guest/linux/dist/vfio-apple.8 >"$tmp/out" 2>"$tmp/err"
result $? "the manual page is clean"
echo "1..$tap"
exit $failed
