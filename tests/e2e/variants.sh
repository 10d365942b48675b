#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Other Macs: BARs that cannot be mapped, every way of placing IOVAs, protection by direction, no function-level reset.
. "$(dirname "$0")/lib.sh"

variant()
{
	guest_prefix="$1: "
	shift
	MACSIM_DISK=$(new_disk) run_vm 100 6.12 verify nvme "$@"
	check_machine
}
variant "trapped BARs" --set 03:00.0.bars=trapped
variant "IOVAs by first fit" --set dart.policy=first-fit
variant "IOVAs by buddy" --set dart.policy=buddy --set dart.direction=enforce
variant "IOVAs at random" --set dart.policy=random --set 03:00.0.flr=no
done_testing
