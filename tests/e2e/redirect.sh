#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A kernel without dev->dma_ops, as those of Fedora and RHEL for arm64: the DMA API's calls are redirected.  That kernel
# also checks locking, contexts and the use of the DMA API (tests/e2e/kernel.config).  And on a stock kernel.
. "$(dirname "$0")/lib.sh"

guest_prefix="debug: "
MACSIM_DISK=$(new_disk) e2e_append="nvme.write_queues=2 backend_is=redirect" run_vm 400 debug nvme nvme
check_machine
check_file_system
e2e_devices="--device 04:00.0 --device 05:00.0" e2e_append="backend_is=redirect" run_vm 500 debug dmatest dmatest
check_machine 0
check_machine 1
guest_prefix="6.12: "
MACSIM_DISK=$(new_disk) e2e_append="nvme.write_queues=2 backend_is=redirect" e2e_module="apple_dma.premap=off apple_dma.backend=redirect" \
	run_vm 150 6.12 nvme nvme
check_machine
check_file_system
done_testing
