#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A stock kernel 6.12 uses a passed-through SATA disk: see guest/ahci.sh.
. "$(dirname "$0")/lib.sh"
e2e_devices="--device 08:00.0"

for mode in default strict; do
	guest_prefix="$mode: "
	[ $mode = default ] || e2e_append="apple_dma.mode=$mode"
	MACSIM_DISK=$(new_disk) run_vm 150 6.12 ahci ahci
	check_machine
	check_file_system
done
done_testing
