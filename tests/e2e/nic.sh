#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A stock kernel 6.12 talks to itself through two passed-through network functions: see guest/nic.sh.
. "$(dirname "$0")/lib.sh"
e2e_devices="--device 06:00.0 --device 07:00.0"

guest_prefix="default: "
run_vm 200 6.12 nic nic
check_machine 0
check_machine 1
check "registers that act on access were never mapped" test "$(report functions 0 bars 0 was_mapped)" = False
guest_prefix="strict: "
e2e_append="apple_dma.mode=strict megabytes=2" run_vm 200 6.12 nic nic
check_machine 0
check_machine 1
done_testing
