#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A stock kernel 6.12 uses a passed-through NVMe disk in every way it can: see guest/nvme.sh.
. "$(dirname "$0")/lib.sh"
MACSIM_DISK=$(new_disk) e2e_append="nvme.write_queues=2" run_vm 150 6.12 nvme nvme
check_machine
check_file_system
done_testing
