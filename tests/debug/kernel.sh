#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A kernel without dev->dma_ops, as those of Fedora and RHEL for arm64: the DMA API's calls are redirected, or all memory
# is mapped once.  That kernel also checks locking, contexts and the use of the DMA API (tests/e2e/kernel.config).
. "$(dirname "$0")/../e2e/lib.sh"

guest_prefix="redirected: "
MACSIM_DISK=$(new_disk) e2e_append="nvme.write_queues=2 backend_is=redirect" run_vm 400 debug nvme nvme
check_machine
check_file_system
guest_prefix="redirected, every part: "
e2e_devices="--device 04:00.0 --device 05:00.0" e2e_append="backend_is=redirect" run_vm 500 debug dmatest dmatest
check_machine 0
check_machine 1
guest_prefix="beyond the budget: "
e2e_devices="--device 04:00.0 --device 05:00.0" e2e_append="backend_is=redirect exhaust=160" \
	run_vm 600 debug dmatest dmatest --set dart.size=128M
check_machine 0
check_machine 1
guest_prefix="shared: "
e2e_devices="--device 04:00.0 --device 05:00.0" run_vm 300 debug sharing dmatest \
	--set 04:00.0.dart=one --set 05:00.0.dart=one --set dart.size=64M
check_machine 0
check_machine 1
guest_prefix="mapped once: "
MACSIM_DISK=$(new_disk) e2e_module=" " run_vm 300 debug premap nvme
check_machine
check_file_system
done_testing
