#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's newest kernel 7, whose DMA operations map physical addresses instead of pages: see guest/nvme.sh.
# Its packages and compiler are of the next Debian; where those cannot be had, this is skipped.
. "$(dirname "$0")/lib.sh"
if ! why=$(B=$B scripts/fetch-kernel.sh 7 2>&1); then
	echo "ok 1 - kernel 7 # SKIP $(tail -n1 <<<"$why")"
	echo "1..1"
	exit 0
fi
check "the modules build for kernel $(cat "$B/kernels/7/release")" make -s "B=$B" "$B/guest/7/initramfs.gz"
MACSIM_DISK=$(new_disk) e2e_append="nvme.write_queues=2" run_vm 150 7 nvme nvme
check_machine
check_file_system
done_testing
