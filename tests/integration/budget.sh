#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An exhausted mapper panics this machine, so the dext has to refuse first.
here=$(dirname "$0")
status=0
"$here/in-machine" --set dart.size=64M --set dart.exhaustion=panic dma.conf test_dma bytes || status=1
"$here/in-machine" --set dart.exhaustion=panic dma.conf test_dma count || status=1
"$here/in-machine" --set dart.mappings=100 dma.conf test_dma refusal || status=1
exit $status
