#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A host that can map only a small part of what a guest reads: slower perhaps, but nothing fails, and it is hardly asked.
. "$(dirname "$0")/lib.sh"
MACSIM_DISK=$(new_disk) run_vm 400 6.12 bounce nvme --set dart.size=32M
check_machine
check_file_system
done_testing
