#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The same with kernel 6.1, whose DMA API differs.
. "$(dirname "$0")/lib.sh"
MACSIM_DISK=$(new_disk) e2e_append="nvme.write_queues=2" run_vm 150 6.1 nvme nvme
check_machine
check_file_system
done_testing
