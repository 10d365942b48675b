#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A guest whose memory fits what the host allows maps all of it once: on every kernel, with dma_ops or without.
. "$(dirname "$0")/lib.sh"

for kernel in 6.12 6.1; do
	guest_prefix="$kernel: "
	MACSIM_DISK=$(new_disk) e2e_module=" " run_vm 300 $kernel premap nvme
	check_machine
	check_file_system
done
# Every part of the DMA API, as the kernel serves it then.
guest_prefix="every part: "
e2e_devices="--device 04:00.0" e2e_module=" " run_vm 240 6.12 premap-dmatest dmatest
check_machine
done_testing
