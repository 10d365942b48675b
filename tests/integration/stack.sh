#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
here=$(dirname "$0")
status=0
"$here/in-machine" host.conf test_stack || status=1

# The other way round: stray DMA is seen, and fails a run whose command succeeded.
cd "$here/../.." || exit 1
b=${B:-build}
MACSIM_CTL=$b/macsim/bin/macsim-ctl "$b/macsim/bin/macsim" tests/integration/host.conf -- \
	"$b/tests/integration/test_stack" control 2>/dev/null
if [ $? -eq 124 ]; then
	echo "ok - a run with stray DMA fails"
else
	echo "not ok - a run with stray DMA fails"
	status=1
fi
exit $status
