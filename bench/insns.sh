#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Instructions of the guest's processor for a hit (map and unmap): PROGRAM, made of the module's own source for arm64,
# runs under an emulator that executes and logs one at a time; with some pairs and with more, and the difference counts.
#
#   bench/insns.sh PROGRAM LIVE
set -eu -o pipefail
program=$1 live=$2
emulator=$(command -v qemu-aarch64-static) || {
	echo "insns.sh: qemu-aarch64-static is missing: run make deps" >&2
	exit 1
}
count()
{
	"$emulator" -singlestep -d nochain,exec -D /dev/stdout "$program" insns "$live" "$1" | grep -c '^Trace'
}
few=$(count 10)
more=$(count 210)
echo $(((more - few) / 200))
