#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: a guest image from end to end.  A Debian image with cloud-init, made from packages, stands for a stock cloud
# image: scripts/make-guest-image.sh makes a guest of it, which then boots through UEFI with a device passed through.
# Run by make check-image: it takes too long for make check.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

firmware=/usr/share/qemu-efi-aarch64/QEMU_EFI.fd
deb=$B/dist/apple-dma-dkms_$(scripts/version.sh)_all.deb
seconds=$SECONDS

openssl req -new -x509 -nodes -days 9 -subj "/CN=key of the test" -newkey rsa:2048 -keyout "$tmp/mok.key" -outform DER \
	-out "$tmp/mok.pub" 2>/dev/null
echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEhlbGxvSGVsbG9IZWxsb0hlbGxvSGVsbG9IZWxsb0hl test@host' >"$tmp/key.pub"
check "the cloud image becomes a guest image" scripts/make-guest-image.sh --from "$B/image/cloud.qcow2" --package "$deb" \
	--ssh-key "$tmp/key.pub" --mok-key "$tmp/mok.key" --mok-cert "$tmp/mok.pub" --firmware $firmware --log "$tmp/serial" \
	"$tmp/guest.qcow2"
[ -e "$tmp/guest.qcow2" ] || { tail -n 30 "$tmp/serial" | sed 's/^/# /'; done_testing; }
echo "# that took $((SECONDS - seconds)) s"
seconds=$SECONDS

mkdir "$tmp/seed"
echo "instance-id: second-boot" >"$tmp/seed/meta-data"
cat >"$tmp/seed/user-data" <<'END'
#cloud-config
runcmd:
  - [sh, -c, "mount -o ro /dev/disk/by-label/CIDATA /mnt && sh /mnt/checks.sh >/dev/ttyAMA0 2>&1; poweroff"]
END
cat >"$tmp/seed/checks.sh" <<'END'
check()
{
	what=$1
	shift
	if "$@" >/tmp/check.log 2>&1; then
		echo "@@ok $what"
	else
		echo "@@not ok $what"
		sed 's/^/#   /' /tmp/check.log | tail -n 20
	fi
}
check "apple_dma was loaded by the initramfs" sh -c 'dmesg | grep -m1 -E "apple_dma: loading out-of-tree|DMA through|EXT4-fs .*mounted" | grep -v EXT4'
check "the module carries the signature of the given key" sh -c 'modinfo -F signer apple_dma | grep "key of the test"'
check "vfio-apple doctor --guest finds no problem and gives no warning" sh -c 'vfio-apple doctor --guest; vfio-apple doctor --guest | grep "^0 problems, 0 warnings\."'
check "the given key may log in" grep -r test@host /root/.ssh /home/*/.ssh
mkdir -p /tmp/disk
check "the passed-through disk is mounted" sh -c 'mount /dev/nvme0n1 /tmp/disk'
check "files on it have the right contents" sh -c 'cd /tmp/disk && sha256sum -c --quiet files.sha256'
umount /tmp/disk
echo "@@at end"
END

MACSIM_DISK=$(new_disk)
export MACSIM_DISK
set -m
"$B/macsim/bin/macsim" --report "$tmp/report.json" nvme -- "$B/cli/vfio-apple" run --device 03:00.0 --accel tcg --cpus 2 \
	--memory 1G --disk "$tmp/guest.qcow2" --seed "$tmp/seed" --firmware $firmware </dev/null >"$tmp/console" 2>"$tmp/log" &
vm_pid=$!
set +m
wait_vm 1200
status=$?
relay
grep -aq '^@@at end' "$tmp/console" && [ $status -eq 0 ] && ok "the guest ran to its end and powered off" ||
	{ not_ok "the guest ran to its end and powered off (status $status)"; show_logs; }
echo "# that took $((SECONDS - seconds)) s"
check_machine
check_file_system
done_testing
