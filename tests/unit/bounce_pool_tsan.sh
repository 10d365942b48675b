#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The bounce pool under the thread sanitizer, which cannot find its place where addresses are randomised widely.
cd "$(dirname "$0")/../.." || exit 1
program=${B:-build}/tests/unit/test_bounce_pool_tsan
if setarch "$(uname -m)" -R true 2>/dev/null; then
	exec setarch "$(uname -m)" -R "$program"
fi
exec "$program"
