#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What is mapped once is found again: counted by the guest, and by the machine that maps it.
. "$(dirname "$0")/lib.sh"
MACSIM_DISK=$(new_disk) run_vm 150 6.12 pool nvme
check_machine
maps=$(sed -n 's/^# maps \([0-9]*\).*/\1/p' <(tr -d '\r' <"$tmp/console"))
# The extension tries a few times when an address is to be aligned.
check "guest and machine count the same mappings ($maps)" \
	test "$(report functions 0 maps)" -ge "${maps:-1000000}" -a "$(report functions 0 maps)" -le $((${maps:-0} + 30))
done_testing
