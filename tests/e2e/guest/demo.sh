# SPDX-License-Identifier: GPL-2.0-or-later
# What `make demo` shows.

step()
{
	say "$1"
	shift
	if ! "$@" >/tmp/step.log 2>&1; then
		tail -n 20 /tmp/step.log
		not_ok "$*"
		finish
	fi
}

# A tree of new files, and the list of their checksums for the host.
write_new()
{
	mkdir /mnt/new &&
		cp -r /mnt/files/d00 /mnt/files/d01 /mnt/new/ &&
		dd if=/dev/urandom of=/mnt/new/random bs=1M count=8 2>/dev/null &&
		(cd /mnt/new && find . -type f | sort | xargs sha256sum >/mnt/new.sha256) &&
		sync
}

say "Linux $(uname -r) on $(uname -m), $(nproc) CPUs"
step "loading apple_dma; the kernel's nvme driver finds the disk at $bdf" load
say "$(cat /sys/class/nvme/nvme0/model | sed 's/ *$//'), $(($(cat /sys/block/nvme0n1/size) / 2048)) MiB, $(ls -d /sys/block/nvme0n1/mq/* | wc -l) I/O queues"
step "mounting its ext4 file system" mount -t ext4 $disk /mnt
step "verifying $(wc -l </mnt/files.sha256) files" verify
step "writing new files" write_new
step "resetting the device under the mounted file system" sh -c "echo 1 >/sys/bus/pci/devices/$bdf/reset"
step "resetting the controller" sh -c "echo 1 >/sys/class/nvme/nvme0/reset_controller"
step "verifying all files again" verify
step "verifying the new files" sh -c "echo 3 >/proc/sys/vm/drop_caches; cd /mnt/new && sha256sum -c -s ../new.sha256"
step "unmounting" umount /mnt
ok "demo"
