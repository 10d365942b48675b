#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Make a guest image that is ready for passed-through devices, on a Mac or on Linux.
#
#   scripts/make-guest-image.sh --from CLOUD-IMAGE --package DEB OUT.qcow2 [OPTION...]
#       Boot a copy of a Debian or Ubuntu arm64 cloud image once, and let its cloud-init install the package
#       apple-dma-dkms, DKMS and the kernel's headers (these two from the distribution, through this host's network).
#
#   scripts/make-guest-image.sh --rootfs [--package DEB] OUT.qcow2 [OPTION...]
#       Make a Debian 12 arm64 image from packages; on Linux, with mmdebstrap.
#
#   --ssh-key FILE     public key that may log in: as the image's own user, with --rootfs as root
#   --mok-key FILE     private key (PEM) that DKMS signs modules with
#   --mok-cert FILE    its certificate (DER); the user enrolls it in the guest's firmware with mokutil
#   --size SIZE        of the disk, such as 8G (with --from: at least the image's own; default 8G)
#   --seed DIR         also leave the cloud-init seed in DIR, for vfio-apple run --seed
#   --firmware FILE    UEFI firmware (default: QEMU's own edk2-aarch64-code.fd)
#   --timeout SECONDS  for the boot (default 1800)
#   --log FILE         keep the serial console's output
#
# VFIO_APPLE_QEMU names the qemu-system-aarch64 to use; qemu-img is looked for beside it, then in the PATH.
# bash 3.2 and the tools of macOS will do, but for --rootfs.
set -eu -o pipefail

fail()
{
	echo "make-guest-image.sh: $*." >&2
	exit 1
}

usage()
{
	sed -n '4,/^set /p' "$0" | sed -n 's/^# \{0,1\}//p' >&2
	exit 2
}

from='' rootfs=false package='' ssh_key='' mok_key='' mok_cert='' size='' seed='' firmware='' timeout=1800 log='' out=''
while [ $# -gt 0 ]; do
	case $1 in
	--rootfs) rootfs=true ;;
	--from | --package | --ssh-key | --mok-key | --mok-cert | --size | --seed | --firmware | --timeout | --log)
		[ $# -gt 1 ] || fail "a value is missing after $1"
		name=${1#--}
		eval "$(echo "$name" | tr - _)=\$2"
		shift
		;;
	-h | --help) usage ;;
	-*) fail "unknown option $1; see --help" ;;
	*)
		[ -z "$out" ] || fail "there is one image to make, not both $out and $1"
		out=$1
		;;
	esac
	shift
done
[ -n "$out" ] || usage
[ -n "$from" ] || $rootfs || usage
[ -z "$from" ] || ! $rootfs || fail "--from and --rootfs exclude each other"
[ -z "$from" ] || [ -n "$package" ] || fail "--from needs --package apple-dma-dkms_VERSION_all.deb"
case $out in
*.qcow2) ;;
*) fail "$out: name the new image .qcow2" ;;
esac
[ ! -e "$out" ] || fail "$out exists already; remove it or choose another name"
case $size in
'' | [1-9]*[GM]) case ${size%?} in *[!0-9]*) fail "$size is no size; say 8G" ;; esac ;;
*) fail "$size is no size; say 8G" ;;
esac
case $timeout in '' | *[!0-9]*) fail "$timeout is no number of seconds" ;; esac
for f in "$from" "$package" "$ssh_key" "$mok_key" "$mok_cert" "$firmware"; do
	[ -z "$f" ] || { [ -f "$f" ] && [ -r "$f" ]; } || fail "$f cannot be read"
done

# Files that would only be found wanting inside the guest.
[ -z "$package" ] || [ "$(head -c 7 "$package" | tr -d '\000')" = '!<arch>' ] || fail "$package is no Debian package"
if [ -n "$mok_key$mok_cert" ]; then
	if [ -z "$mok_key" ] || [ -z "$mok_cert" ]; then
		fail "--mok-key and --mok-cert belong together"
	fi
	grep -q 'PRIVATE KEY-----' "$mok_key" || fail "$mok_key is no private key in PEM format"
	! grep -q ENCRYPTED "$mok_key" || fail "$mok_key has a passphrase, which nobody could type when DKMS signs"
	[ "$(head -c 2 "$mok_cert" | od -An -tx1 | tr -d ' ')" = 3082 ] || fail "$mok_cert is no certificate in DER format"
fi
if [ -n "$ssh_key" ]; then
	# One line, and nothing in it that YAML or a shell would read as more than text.
	ssh_line=$(head -n 1 "$ssh_key" | tr -d '\000')
	case $ssh_line in
	ssh-* | ecdsa-* | sk-*) ;;
	*) fail "$ssh_key is no public SSH key" ;;
	esac
	case $ssh_line in *[!A-Za-z0-9\ +/=@._,:-]*) fail "$ssh_key has a comment with characters that a seed cannot carry" ;; esac
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/guest-image.XXXXXX")
pid=''
cleanup()
{
	[ -z "$pid" ] || kill "$pid" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

qemu=${VFIO_APPLE_QEMU:-qemu-system-aarch64}
command -v "$qemu" >/dev/null || fail "$qemu is missing: install QEMU, or name it in VFIO_APPLE_QEMU"
qemu_img=$(dirname "$(command -v "$qemu")")/qemu-img
[ -x "$qemu_img" ] || qemu_img="qemu-img"
command -v "$qemu_img" >/dev/null || fail "qemu-img is missing: install QEMU's tools"

# What the new image is told on its first boot.
write_seed()
{	# folder
	mkdir -p "$1"
	[ -z "$package" ] || cp "$package" "$1/package.deb"
	[ -z "$mok_key" ] || { cp "$mok_key" "$1/mok.key" && cp "$mok_cert" "$1/mok.pub"; }
	echo "instance-id: vfio-apple-$(date +%s)" >"$1/meta-data"
	{
		echo '#cloud-config'
		[ -z "$ssh_key" ] || printf 'ssh_authorized_keys:\n  - "%s"\n' "$ssh_line"
		[ -z "$package" ] || printf '%s\n' 'runcmd:' \
			'  - [sh, -c, "mkdir -p /run/seed && mount -o ro /dev/disk/by-label/CIDATA /run/seed && sh /run/seed/install.sh"]'
	} >"$1/user-data"
	[ -n "$package" ] || return 0
	cat >"$1/install.sh" <<'END'
#!/bin/sh
# Runs in the guest as root.  Lines with vfio-apple-image: on the serial console are for the host.
exec >/var/log/vfio-apple-image.log 2>&1
set -x
say()
{
	echo "vfio-apple-image: $1" >/dev/ttyAMA0
	sync
	poweroff
	exit
}
seed=$(dirname "$0") release=$(uname -r)
export DEBIAN_FRONTEND=noninteractive
if [ -e "$seed/mok.key" ]; then
	install -D -m 600 "$seed/mok.key" /var/lib/dkms/mok.key
	install -D -m 644 "$seed/mok.pub" /var/lib/dkms/mok.pub
	# Ubuntu's DKMS uses the key of shim-signed.
	if [ -e /etc/dkms/framework.conf ] || mkdir -p /etc/dkms; then
		printf 'mok_signing_key=/var/lib/dkms/mok.key\nmok_certificate=/var/lib/dkms/mok.pub\n' >>/etc/dkms/framework.conf
	fi
fi
headers="linux-headers-$release"
for flavour in cloud-arm64 arm64 generic virtual; do
	case $release in
	*-$flavour) apt-cache show "linux-headers-$flavour" >/dev/null 2>&1 && headers="$headers linux-headers-$flavour" ;;
	esac
done
missing=
for p in dkms $headers; do
	dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null | grep -q ^ii || missing="$missing $p"
done
if [ -n "$missing" ]; then
	apt-get -q update || say "failed: the guest cannot reach its distribution's mirror"
	apt-get -q -y -o Dpkg::Options::=--force-confold install $missing || say "failed: the packages$missing cannot be installed"
fi
# The module file ends up below /lib/modules; the package's own scripts build it.
cp "$seed/package.deb" /var/tmp/apple-dma-dkms.deb
apt-get -q -y -o Dpkg::Options::=--force-confold install /var/tmp/apple-dma-dkms.deb || say "failed: the package does not install"
rm -f /var/tmp/apple-dma-dkms.deb
modinfo -k "$release" apple_dma || say "failed: DKMS has not built the module for kernel $release"
lsinitramfs "/boot/initrd.img-$release" | grep -q '/apple_dma\.ko' || say "failed: the module is not in the initramfs"
say "ok: $(modinfo -k "$release" -F version apple_dma) for kernel $release"
END
}

# boot IMAGE SEED: until it has powered itself off; the serial console goes to $work/serial.
boot()
{
	local accel=tcg cpu=cortex-a72 waited=0 net="-nic none"
	case $(uname -s)-$(uname -m) in
	Darwin-arm64) accel=hvf cpu=host ;;
	Linux-aarch64) [ ! -w /dev/kvm ] || { accel=kvm cpu=host; } ;;
	esac
	# Enough for an image that has DKMS and headers already.
	! "$qemu" -machine none -netdev help 2>&1 | grep -qx user || net="-netdev user,id=net -device virtio-net-pci,netdev=net,romfile="
	# shellcheck disable=SC2086
	"$qemu" -machine virt,gic-version=3 -accel $accel -cpu $cpu -smp 2 -m 2G -display none -monitor none \
		-serial "file:$work/serial" -bios "${firmware:-edk2-aarch64-code.fd}" \
		-drive "if=none,id=disk,format=qcow2,cache=unsafe,file=${1//,/,,}" -device virtio-blk-pci,drive=disk \
		-blockdev "driver=vvfat,node-name=seed,dir=$2,label=CIDATA,read-only=on" -device virtio-blk-pci,drive=seed \
		$net -device virtio-rng-pci \
		</dev/null >"$work/qemu.log" 2>&1 &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		[ $waited -lt "$timeout" ] || fail "the image has not finished after $timeout seconds$(last_words)"
		sleep 1
		waited=$((waited + 1))
	done
	wait "$pid" || fail "QEMU failed: $(tail -n 1 "$work/qemu.log")"
	pid=''
}

last_words()
{
	[ -z "$log" ] || cp "$work/serial" "$log" 2>/dev/null || true
	[ -s "$work/serial" ] || { echo "; it printed nothing on its serial console, so it may be no arm64 image" && return; }
	echo "; its last words were: $(tr -d '\r\000-\010\013-\037' <"$work/serial" | grep -v '^ *$' | tail -n 1 | cut -c 1-160)"
}

# A GPT disk with an EFI system partition and an ext4 root file system, in $work/disk.
make_rootfs()
{
	local top lists mib
	top=$(cd "$(dirname "$0")/.." && pwd)
	[ "$(uname -s)" = Linux ] || fail "--rootfs needs Linux; on a Mac use --from with a cloud image"
	PATH=$PATH:/usr/sbin:/sbin
	for t in mmdebstrap mkfs.ext4 mkfs.vfat mcopy sfdisk; do
		command -v $t >/dev/null || fail "$t is missing: run scripts/deps.sh"
	done
	arm64_programs
	mib=8192
	case $size in
	*G) mib=$((${size%G} * 1024)) ;;
	*M) mib=${size%M} ;;
	esac
	[ "$mib" -ge 2048 ] || fail "a root file system of Debian needs at least 2G"
	lists=${B:-$top/build}/apt/bookworm-arm64
	"$top/scripts/apt-root.sh" "$lists" bookworm arm64 bookworm-backports || fail "Debian's package lists cannot be read"
	uuid=$(cat /proc/sys/kernel/random/uuid)
	printf 'search --no-floppy --fs-uuid --set=root %s\nconfigfile /boot/grub/grub.cfg\n' "$uuid" >"$work/early.cfg"
	# /vmlinuz and /initrd.img are links that Debian keeps pointing to the newest kernel.
	printf '%s\n' 'set timeout=0' 'menuentry Debian {' \
		"	linux /vmlinuz root=UUID=$uuid ro console=ttyAMA0" '	initrd /initrd.img' '}' >"$work/grub.cfg"
	printf 'UUID=%s / ext4 errors=remount-ro 0 1\n' "$uuid" >"$work/fstab"
	printf '[Match]\nName=en*\n[Network]\nDHCP=yes\n' >"$work/wired.network"
	[ -z "$package" ] || cp "$package" "$work/package.deb"
	[ -z "$mok_key" ] || { cp "$mok_key" "$work/mok.key" && cp "$mok_cert" "$work/mok.pub"; }
	[ -z "$ssh_key" ] || printf '%s\n' "$ssh_line" >"$work/authorized_keys"
	cat >"$work/customize" <<'END'
#!/bin/sh
set -eu
root=$1 work=$2
put() { install -D -m "$1" "$work/$2" "$root/$3"; }
put 644 grub.cfg boot/grub/grub.cfg
put 644 fstab etc/fstab
put 644 wired.network etc/systemd/network/80-wired.network
echo guest >"$root/etc/hostname"
: >"$root/etc/machine-id"
chroot "$root" systemctl -q enable systemd-networkd
[ ! -e "$work/authorized_keys" ] || { mkdir -p -m 700 "$root/root/.ssh" && put 600 authorized_keys root/.ssh/authorized_keys; }
[ ! -e "$work/mok.key" ] || { put 600 mok.key var/lib/dkms/mok.key && put 644 mok.pub var/lib/dkms/mok.pub; }
if [ -e "$work/package.deb" ]; then
	cp "$work/package.deb" "$root/tmp/package.deb"
	chroot "$root" apt-get -q -y install --no-install-recommends /tmp/package.deb
	rm "$root/tmp/package.deb"
	for r in "$root"/lib/modules/*; do
		modinfo -b "$root" -k "${r##*/}" apple_dma >/dev/null
	done
fi
install -m 644 "$work/early.cfg" "$root/tmp/early.cfg"
chroot "$root" grub-mkimage -O arm64-efi -p /boot/grub -c /tmp/early.cfg -o /tmp/BOOTAA64.EFI \
	part_gpt part_msdos ext2 fat normal configfile linux search search_fs_uuid gzio echo
cp "$root/tmp/BOOTAA64.EFI" "$work/BOOTAA64.EFI"
rm -rf "$root"/tmp/* "$root"/var/cache/apt/archives/*.deb
# A bind mount shows the files without the proc and sysfs that are mounted among them.
mkdir "$work/bare"
unshare --mount sh -c 'mount --bind "$1" "$2" && mkfs.ext4 -q -F -U "$3" -d "$2" "$4" "$5"' sh \
	"$root" "$work/bare" "$3" "$work/root.img" "$4"
END
	chmod 755 "$work" "$work/customize"
	: >"$work/root.img"
	chmod 666 "$work/root.img"
	touch "$work/BOOTAA64.EFI"
	chmod 666 "$work/BOOTAA64.EFI"
	echo "installing Debian 12 for arm64; this takes some minutes"
	mmdebstrap --architectures=arm64 --variant=apt --format=null --quiet --dpkgopt=force-unsafe-io \
		--aptopt='APT::Install-Recommends "false"' \
		--include=systemd-sysv,udev,dbus,kmod,initramfs-tools,zstd,linux-image-cloud-arm64,linux-headers-cloud-arm64,dkms \
		--include=grub-efi-arm64-bin,cloud-init,openssh-server,ca-certificates,iproute2,pciutils,e2fsprogs \
		--customize-hook="\"$work/customize\" \"\$1\" \"$work\" $uuid $((mib - 66))M" \
		bookworm /dev/null - <"$lists/sources.list" >"$work/mmdebstrap.log" 2>&1 || {
		tail -n 20 "$work/mmdebstrap.log" >&2
		fail "Debian cannot be installed into the image"
	}
	truncate -s 64M "$work/esp.img"
	mkfs.vfat -F 32 -n ESP "$work/esp.img" >/dev/null
	mmd -i "$work/esp.img" ::/EFI ::/EFI/BOOT
	mcopy -i "$work/esp.img" "$work/BOOTAA64.EFI" ::/EFI/BOOT/BOOTAA64.EFI
	truncate -s "${mib}M" "$work/disk"
	printf 'label: gpt\nstart=1MiB, size=64MiB, type=uefi\nstart=65MiB, type=linux\n' | sfdisk -q "$work/disk"
	dd if="$work/esp.img" of="$work/disk" bs=1M seek=1 conv=notrunc,sparse status=none
	dd if="$work/root.img" of="$work/disk" bs=1M seek=65 conv=notrunc,sparse status=none
	rm "$work/esp.img" "$work/root.img"
}

# Programs of the guest run while its packages are configured.
arm64_programs()
{
	local binfmt=/usr/lib/binfmt.d/qemu-aarch64.conf
	[ "$(uname -m)" != aarch64 ] || return 0
	[ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] && return
	[ -e $binfmt ] || fail "arm64 programs cannot run here: install qemu-user-static"
	[ "$(id -u)" -eq 0 ] || fail "arm64 programs cannot run here yet: as root, run systemctl restart systemd-binfmt"
	# What systemd does at boot; a container may not have it.
	[ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc 2>/dev/null ||
		fail "arm64 programs cannot run here: binfmt_misc cannot be mounted, so this container must be given it by its host"
	[ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || cat $binfmt >/proc/sys/fs/binfmt_misc/register ||
		fail "arm64 programs cannot run here: the kernel does not accept $binfmt"
}

if $rootfs; then
	make_rootfs
	"$qemu_img" convert -f raw -O qcow2 "$work/disk" "$work/image.qcow2" || fail "the image cannot be written"
else
	format=$("$qemu_img" info --output=json "$from" 2>/dev/null | sed -n 's/^ *"format": "\(.*\)".*/\1/p' | tail -n 1)
	# Anything can be called raw.
	[ "$format" = qcow2 ] || fail "$from is no qcow2 image; download the cloud image as .qcow2, or .img from Ubuntu"
	"$qemu_img" info "$from" | grep -q '^backing file' && fail "$from depends on another image; make it stand alone with qemu-img convert first"
	"$qemu_img" convert -O qcow2 "$from" "$work/image.qcow2" || fail "$from cannot be copied"
	"$qemu_img" resize -q "$work/image.qcow2" "${size:-8G}" 2>"$work/qemu.log" || [ -z "$size" ] || fail "$from cannot be made $size large: $(tail -n 1 "$work/qemu.log")"
	write_seed "$work/seed"
	echo "booting a copy of ${from##*/} to install the module; this takes some minutes"
	boot "$work/image.qcow2" "$work/seed"
	answer=$(tr -d '\r' <"$work/serial" | sed -n 's/.*vfio-apple-image: //p' | tail -n 1)
	[ -z "$log" ] || cp "$work/serial" "$log"
	case $answer in
	ok:*) echo "apple_dma${answer#ok:}" ;;
	failed:*) fail "the image was booted, but${answer#failed:}" ;;
	*) fail "the image powered off without having installed the module$(last_words)" ;;
	esac
fi
mkdir -p "$(dirname "$out")"
mv "$work/image.qcow2" "$out"
if [ -n "$seed" ]; then
	# The image has its package; later boots only need the rest.
	package='' mok_key=''
	write_seed "$seed"
fi
echo "$out"
