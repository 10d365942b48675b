#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A passed-through function as a guest sees it, without a guest: see test_function.py.
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build}
export HOST_STATUS=$PWD/$B/macsim/bin/macsim-ctl
export PYTHONDONTWRITEBYTECODE=1
exec "$B/macsim/bin/macsim" dmatest -- python3 tests/qtest/test_function.py
