#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The guest's side of QEMU, without a guest: see test_companion.py.
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build}
export HOST_STATUS=$PWD/$B/macsim/bin/macsim-ctl
export PYTHONDONTWRITEBYTECODE=1
exec "$B/macsim/bin/macsim" dmatest -- python3 tests/qtest/test_companion.py
