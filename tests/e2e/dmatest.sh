#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every part of the kernel's DMA API, from every context, on two functions that share a companion.
. "$(dirname "$0")/lib.sh"
e2e_devices="--device 04:00.0 --device 05:00.0"
for kernel in 6.12 6.1; do
	guest_prefix="$kernel: "
	run_vm 150 $kernel dmatest dmatest
	check_machine 0
	check_machine 1
done
done_testing
