#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What functions behind one DART lend to one another: who needs up to its own part of the room gets it.
. "$(dirname "$0")/lib.sh"
e2e_devices="--device 04:00.0 --device 05:00.0" run_vm 200 6.12 sharing dmatest \
	--set 04:00.0.dart=one --set 05:00.0.dart=one --set dart.size=64M
check_machine 0
check_machine 1
check "the functions shared a DART" test "$(report functions 0 mapper)" = "$(report functions 1 mapper)"
done_testing
