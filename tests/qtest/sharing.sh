#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Two functions behind one DART: see test_sharing.py.
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build}
export PYTHONDONTWRITEBYTECODE=1
exec "$B/macsim/bin/macsim" --set 04:00.0.dart=shared --set 05:00.0.dart=shared dmatest -- python3 tests/qtest/test_sharing.py
