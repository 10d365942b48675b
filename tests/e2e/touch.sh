#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# With the budget nearly used up, memory is copied the first time it is met and mapped the second time.
. "$(dirname "$0")/lib.sh"
e2e_devices="--device 04:00.0" run_vm 200 6.12 touch dmatest --set dart.size=32M
check_machine
done_testing
