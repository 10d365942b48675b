#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A memory module that can be taken away holds what a disk is read into.
. "$(dirname "$0")/lib.sh"
# arm64 lets memory go only that came after boot, which needs ACPI, and so firmware.
firmware=/usr/share/qemu-efi-aarch64/QEMU_EFI.fd
MACSIM_DISK=$(new_disk) e2e_append="memhp_default_state=online_movable" run_vm 200 6.12 offline nvme -- -- \
	-bios $firmware -m 512M,slots=1,maxmem=2G -object memory-backend-ram,id=module,size=256M \
	-device pc-dimm,memdev=module
check_machine
check_file_system
done_testing
