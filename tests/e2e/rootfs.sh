#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The root file system of the guest is on the passed-through disk.
. "$(dirname "$0")/lib.sh"
MACSIM_DISK=$(new_disk rootfs) run_vm 100 6.12 rootfs nvme
check_machine
check_file_system
done_testing
