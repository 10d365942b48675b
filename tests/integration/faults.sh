#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Any call of the dext to the platform fails, at any point, wherever the mapper puts things.
here=$(dirname "$0")
status=0
for policy in first-fit buddy random next-fit best-fit last-fit; do
	"$here/in-machine" --set dart.policy=$policy dma.conf test_dma faults || status=1
done
exit $status
