#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The same mappings under every way a DART might choose addresses.
here=$(dirname "$0")
status=0
"$here/in-machine" dma.conf test_dma || status=1
"$here/in-machine" --set dart.policy=buddy dma.conf test_dma || status=1
DMA_SCATTERED=1 "$here/in-machine" --set dart.policy=random dma.conf test_dma || status=1
"$here/in-machine" --set dart.policy=next-fit dma.conf test_dma || status=1
"$here/in-machine" --set dart.policy=best-fit dma.conf test_dma || status=1
"$here/in-machine" --set dart.policy=last-fit dma.conf test_dma || status=1
"$here/in-machine" --set dart.reuse_delay=100 dma.conf test_dma || status=1
"$here/in-machine" --set dart.base=0 dma.conf test_dma || status=1
"$here/in-machine" --set dart.direction=enforce dma.conf test_dma || status=1
exit $status
