#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Inside the clean system of dkms.sh, as root.  Lines that begin with @@ are results.
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

check()
{	# description, command...
	what=$1
	shift
	if "$@" >/tmp/check.log 2>&1; then
		echo "@@ok $what"
	else
		echo "@@not ok $what"
		tail -n 30 /tmp/check.log | sed 's/^/#   /'
	fi
}

# Every file, but logs, what apt and dpkg keep for themselves, and the key that DKMS makes for itself once.
files()
{
	find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /root -o -path /var/log \
		-o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg -o -name 'mok.*' \) -prune -o -print | sort
}

newest_initramfs() { lsinitramfs "$(ls -v /boot/initrd.img-* | tail -n 1)" >/tmp/list && grep '/apple_dma\.ko' /tmp/list; }
vermagic() { modinfo -k "$1" -F vermagic apple_dma | grep "^$1 "; }
# The last of what modprobe would load is the module itself.
comes_first() { modprobe -n --show-depends -S "$1" mlx5_core | sed '$d' | grep '/apple_dma\.ko'; }

releases=$(ls /lib/modules)
files >/tmp/before
check "apt installs the package" apt-get -q -y install --no-install-recommends /root/package.deb
for r in $releases; do
	check "$r: DKMS has built and installed the module" sh -c "dkms status apple-dma -k $r | grep ': installed'"
	check "$r: the module is made for this kernel" vermagic "$r"
	check "$r: the module tells the package's version" \
		test "$(modinfo -k "$r" -F version apple_dma)" = "$(dpkg-query -W -f '${Version}' apple-dma-dkms)"
	check "$r: the module is signed" test -n "$(modinfo -k "$r" -F signer apple_dma)"
	check "$r: depmod finds it by the companion's PCI numbers" \
		sh -c "modprobe -n --show-depends -S $r pci:v00001B36d00000015sv00001AF4sd00001100bc08sc80i00 | grep apple_dma"
	check "$r: it is loaded before the driver of a passed-through device" comes_first "$r"
done
check "the initramfs loads it" sh -c "mkdir /tmp/ird && unmkinitramfs \$(ls -v /boot/initrd.img-* | tail -n 1) /tmp/ird && grep -rx --include=modules apple_dma /tmp/ird"
check "the initramfs has it" newest_initramfs
check "a rebuild for another kernel works" sh -c "
	r=\$(ls /lib/modules | head -n 1)
	dkms remove apple-dma/\$(dpkg-query -W -f '\${Version}' apple-dma-dkms) -k \$r && dkms autoinstall -k \$r &&
		modinfo -k \$r apple_dma"
check "the manual page is where man looks" test -e /usr/share/man/man8/vfio-apple.8.gz
vfio-apple doctor --guest --json >/tmp/doctor.json
check "vfio-apple doctor finds the missing companion" grep -q '"id": "companion"' /tmp/doctor.json

check "apt purges the package" apt-get -q -y purge apple-dma-dkms
files >/tmp/after
check "a purge leaves nothing behind" diff /tmp/before /tmp/after
check "the initramfs no longer has it" sh -c "! lsinitramfs \$(ls -v /boot/initrd.img-* | tail -n 1) | grep apple_dma"
echo @@end
