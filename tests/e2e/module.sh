#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# apple_dma builds without a warning, of the compiler (W=1) or of sparse, for every kernel there are headers for here.
. "$(dirname "$0")/lib.sh"
for kernel in 6.1 6.12 6.12-amd64; do
	SPARSE=1 scripts/build-module.sh $kernel guest/linux "$tmp/$kernel" >"$tmp/build" 2>&1
	status=$?
	# The kernel's own headers are not our business.
	grep -E "$tmp/$kernel/[^:]*:.*(warning|error)" "$tmp/build" >"$tmp/ours"
	check "$kernel: it builds" test $status -eq 0 -a -s "$tmp/$kernel/apple_dma.ko"
	check "$kernel: no warning" diff /dev/null "$tmp/ours"
done
done_testing
