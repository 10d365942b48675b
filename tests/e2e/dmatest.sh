#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every part of the kernel's DMA API, from every context, on two functions that share a companion; and with a host that
# cannot map as much as is asked for.
. "$(dirname "$0")/lib.sh"
e2e_devices="--device 04:00.0 --device 05:00.0"

guest_prefix="6.12: "
e2e_append="exhaust=160" run_vm 400 6.12 dmatest dmatest --set dart.size=128M
check_machine 0
check_machine 1
guest_prefix="6.1: "
run_vm 400 6.1 dmatest dmatest
check_machine 0
check_machine 1
done_testing
