#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The DMA API's calls are redirected, as on kernels without dev->dma_ops (tests/debug/kernel.sh has such a one).
. "$(dirname "$0")/lib.sh"
e2e_module="apple_dma.premap=off apple_dma.backend=redirect"
e2e_append="backend_is=redirect"

guest_prefix="nvme: "
MACSIM_DISK=$(new_disk) e2e_append="nvme.write_queues=2 backend_is=redirect" run_vm 150 6.12 nvme nvme
check_machine
check_file_system
guest_prefix="every part: "
e2e_devices="--device 04:00.0 --device 05:00.0" run_vm 240 6.12 dmatest dmatest
check_machine 0
check_machine 1
done_testing
