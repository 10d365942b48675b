#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Hosts that answer slowly, late or never: see test_host_calls.py.
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build}
export HOST_STATUS=$PWD/$B/macsim/bin/macsim-ctl
export PYTHONDONTWRITEBYTECODE=1
exec "$B/macsim/bin/macsim" dmatest -- python3 tests/qtest/test_host_calls.py
